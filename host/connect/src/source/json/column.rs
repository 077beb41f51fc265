//! Columns in the making: single values, and what nests them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, ListArray, MapArray, NullBufferBuilder, StructArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields},
    error::ArrowError,
};

use transom_sql::text::Origin;

use super::leaf::{Leaf, leaf};

/// One column of the table, of an object, of a list's items or of a map's values.
pub(super) struct Column {
    pub(super) field: FieldRef,
    pub(super) values: Values,
    /// The last object that named it, as [`Members::begin`] counts.
    pub(super) row: u64,
}

pub(super) enum Values {
    /// Only their form is checked.
    Skip,
    Leaf(Box<dyn Leaf>),
    Struct(Members),
    List(List),
    Map(Entries),
    /// A type that differs in its layout alone: decoded as the plain one.
    Cast(Box<Column>),
}

pub(super) struct List {
    pub(super) spans: Spans,
    pub(super) item: Box<Column>,
}

pub(super) struct Entries {
    pub(super) spans: Spans,
    pub(super) keys: Box<Column>,
    pub(super) values: Box<Column>,
    /// Keys of the object that is being read.
    pub(super) seen: HashSet<String>,
}

/// Where lists or maps end among their items, and which of them are NULL.
pub(super) struct Spans {
    ends: Vec<i32>,
    valid: NullBufferBuilder,
}

impl Spans {
    fn new() -> Self {
        Self {
            ends: vec![0],
            valid: NullBufferBuilder::new(0),
        }
    }

    /// `false` if that is more than an array can hold.
    pub(super) fn append(&mut self, length: usize) -> bool {
        let last = self.ends.last().copied().unwrap_or_default();
        let end = i32::try_from(length)
            .ok()
            .and_then(|length| last.checked_add(length));
        let Some(end) = end else {
            return false;
        };
        self.ends.push(end);
        self.valid.append_non_null();
        true
    }

    fn append_null(&mut self) {
        self.ends
            .push(self.ends.last().copied().unwrap_or_default());
        self.valid.append_null();
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        // Ends never decrease.
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        (offsets, self.valid.finish())
    }
}

/// The columns of an object.
pub(super) struct Members {
    pub(super) columns: Vec<Column>,
    positions: HashMap<String, usize>,
    objects: u64,
    valid: NullBufferBuilder,
    /// Before the names of keys, for messages: `user.`.
    pub(super) path: String,
}

impl Members {
    pub(super) fn new(columns: Vec<Column>, path: String) -> Self {
        let names = columns.iter().enumerate();
        let positions = names
            .map(|(at, column)| (column.field.name().clone(), at))
            .collect();
        Self {
            columns,
            positions,
            objects: 0,
            valid: NullBufferBuilder::new(0),
            path,
        }
    }

    /// Begins an object; gives its number, from 1.
    pub(super) fn begin(&mut self) -> u64 {
        self.objects += 1;
        self.valid.append_non_null();
        self.objects
    }

    pub(super) fn position(&self, name: &str, next: usize) -> Option<usize> {
        match self.columns.get(next) {
            Some(column) if column.field.name() == name => Some(next),
            _ => self.positions.get(name).copied(),
        }
    }

    /// The column whose name is most like an unknown one.
    pub(super) fn near(&self, name: &str) -> Option<String> {
        let names = self.columns.iter();
        let names = names.map(|column| column.field.name().as_str());
        transom_file::nearest(name, names).map(str::to_owned)
    }

    pub(super) fn rows(&self) -> usize {
        self.valid.len()
    }

    /// Forgets the rows; those of the columns stay.
    pub(super) fn finish_rows(&mut self) -> (usize, Option<NullBuffer>) {
        let rows = self.valid.len();
        (rows, self.valid.finish())
    }
}

impl Column {
    /// # Errors
    /// If the type is not read from JSON.
    pub(super) fn try_new(field: FieldRef, path: &str, origin: Origin) -> Result<Self, ArrowError> {
        let values = match leaf(&field, origin) {
            Some(leaf) => Values::Leaf(leaf),
            None => nested(&field, path, origin)?,
        };
        Ok(Self::of(field, values))
    }

    fn of(field: FieldRef, values: Values) -> Self {
        Self {
            field,
            values,
            row: 0,
        }
    }

    /// A column that the query does not read. Keys within it are checked all the same.
    pub(super) fn checked(field: &FieldRef, path: &str) -> Self {
        let values = match field.data_type() {
            DataType::Struct(fields) => {
                let path = format!("{path}.");
                let columns = fields.iter();
                let columns = columns
                    .map(|field| Self::checked(field, &format!("{path}{}", field.name())))
                    .collect();
                Values::Struct(Members::new(columns, path))
            }
            DataType::List(item) => match Self::checked(item, &format!("{path}[]")) {
                Self {
                    values: Values::Skip,
                    ..
                } => Values::Skip,
                item => Values::List(List {
                    spans: Spans::new(),
                    item: Box::new(item),
                }),
            },
            _ => Values::Skip,
        };
        Self::of(nullable(field), values)
    }

    /// A key that another column hides.
    pub(super) fn hidden(field: &FieldRef) -> Self {
        Self::of(nullable(field), Values::Skip)
    }

    pub(super) fn append_null(&mut self) {
        match &mut self.values {
            Values::Skip => {}
            Values::Leaf(leaf) => leaf.append_null(),
            Values::Struct(members) => {
                members.valid.append_null();
                members.columns.iter_mut().for_each(Self::append_null);
            }
            Values::List(list) => list.spans.append_null(),
            Values::Map(entries) => entries.spans.append_null(),
            Values::Cast(inner) => inner.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match &mut self.values {
            Values::Skip => {
                let name = self.field.name();
                return Err(ArrowError::ComputeError(format!("`{name}` is not decoded")));
            }
            Values::Leaf(leaf) => leaf.finish(),
            Values::Struct(members) => {
                let (rows, nulls) = members.finish_rows();
                let fields: Fields = members
                    .columns
                    .iter()
                    .map(|column| Arc::clone(&column.field))
                    .collect();
                let columns = members.columns.iter_mut().map(Self::finish);
                let columns = columns.collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new_with_length(
                    fields, columns, nulls, rows,
                )?)
            }
            Values::List(list) => {
                let (offsets, nulls) = list.spans.finish();
                let field = Arc::clone(&list.item.field);
                Arc::new(ListArray::try_new(
                    field,
                    offsets,
                    list.item.finish()?,
                    nulls,
                )?)
            }
            Values::Map(entries) => {
                let DataType::Map(field, sorted) = self.field.data_type() else {
                    let name = self.field.name();
                    return Err(ArrowError::ComputeError(format!("`{name}` is not a map")));
                };
                let (offsets, nulls) = entries.spans.finish();
                let columns = [&mut entries.keys, &mut entries.values];
                let fields = columns.each_ref().map(|column| Arc::clone(&column.field));
                let columns = columns.into_iter().map(|column| column.finish());
                let pairs = StructArray::try_new(
                    fields.into_iter().collect(),
                    columns.collect::<Result<_, _>>()?,
                    None,
                )?;
                let field = Arc::clone(field);
                Arc::new(MapArray::try_new(field, offsets, pairs, nulls, *sorted)?)
            }
            Values::Cast(inner) => cast(&inner.finish()?, self.field.data_type())?,
        })
    }

    /// Forgets the rows of a column that is not wanted.
    pub(super) fn clear(&mut self) {
        match &mut self.values {
            Values::Struct(members) => {
                members.finish_rows();
                members.columns.iter_mut().for_each(Self::clear);
            }
            Values::List(list) => {
                list.spans.finish();
                list.item.clear();
            }
            _ => {}
        }
    }
}

fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_nullable(true))
}

fn nested(field: &FieldRef, path: &str, origin: Origin) -> Result<Values, ArrowError> {
    let plain = |data_type: DataType| -> Result<Values, ArrowError> {
        let field = Arc::new(field.as_ref().clone().with_data_type(data_type));
        let column = Column::try_new(field, path, origin)?;
        Ok(Values::Cast(Box::new(column)))
    };
    Ok(match field.data_type() {
        DataType::Struct(fields) => {
            let path = format!("{path}.");
            let columns = fields
                .iter()
                .map(|field| {
                    let path = format!("{path}{}", field.name());
                    Column::try_new(Arc::clone(field), &path, origin)
                })
                .collect::<Result<_, _>>()?;
            Values::Struct(Members::new(columns, path))
        }
        DataType::List(item) => Values::List(List {
            spans: Spans::new(),
            item: Box::new(Column::try_new(
                Arc::clone(item),
                &format!("{path}[]"),
                origin,
            )?),
        }),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 && leaf(&pair[0], origin).is_some() => {
                Values::Map(Entries {
                    spans: Spans::new(),
                    keys: Box::new(Column::try_new(Arc::clone(&pair[0]), path, origin)?),
                    values: Box::new(Column::try_new(
                        Arc::clone(&pair[1]),
                        &format!("{path}.*"),
                        origin,
                    )?),
                    seen: HashSet::new(),
                })
            }
            _ => return Err(unsupported(field)),
        },
        DataType::LargeUtf8 | DataType::Utf8View => plain(DataType::Utf8)?,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            plain(DataType::Binary)?
        }
        DataType::Date64 => plain(DataType::Date32)?,
        DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => plain(DataType::List(Arc::clone(item)))?,
        DataType::Dictionary(_, values) => plain(values.as_ref().clone())?,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            plain(DataType::Decimal128(*precision, *scale))?
        }
        _ => return Err(unsupported(field)),
    })
}

fn unsupported(field: &Field) -> ArrowError {
    ArrowError::NotYetImplemented(format!(
        "column `{}` is {}, which is not read from JSON",
        field.name(),
        transom_sql::field_type_name(field)
    ))
}
