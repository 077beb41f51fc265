//! In which type a format holds the values of another, and the values in that type.
//!
//! What is written must read back as it was. So a type that a format has no word for becomes one that holds all of its values
//! (seconds become microseconds in Parquet), or is refused before anything runs; a value that does not fit is an error.
//!
//! Parquet's times count microseconds, also those that counted nanoseconds: that is what the readers of lakes know (Redshift, Athena).

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
};
use transom_sql::{
    lossless::{self, Loss},
    type_name,
};

use super::{
    unwritable::{Unwritable, sql_name},
    values,
};
use transom_file::spec::SinkFormat;

/// Most digits of a decimal.
const DIGITS: u8 = 76;

/// The columns of a table as a format holds them.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    format: SinkFormat,
    schema: SchemaRef,
    /// Whether the columns are stored as they are.
    same: bool,
    /// Columns with values that the format may not hold.
    checked: Vec<usize>,
}

impl Stored {
    /// How the columns of `schema` are stored.
    ///
    /// # Errors
    /// The first column that the format has no type for.
    pub(crate) fn try_new(format: &SinkFormat, schema: &SchemaRef) -> Result<Self, Unwritable> {
        let fields = schema.fields().iter().map(|field| {
            let place = Place {
                format,
                column: field.name(),
                part: String::new(),
            };
            if field.name().is_empty()
                && matches!(format, SinkFormat::Csv(options) if options.header)
            {
                let why = "a header cannot name it";
                let hint = "give the column a name: `... AS name`".to_owned();
                return Err(place.refused(field.data_type(), why, hint));
            }
            place.field(field, "")
        });
        let fields = fields.collect::<Result<Fields, _>>()?;
        let checked = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| values::may_be_unwritable(format, field.data_type()))
            .map(|(index, _)| index);
        Ok(Self {
            format: format.clone(),
            same: fields == *schema.fields(),
            checked: checked.collect(),
            schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())),
        })
    }

    /// Columns of the files.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows as they are stored.
    ///
    /// # Errors
    /// The first value that the format cannot hold; rows count from 1.
    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, Unwritable> {
        let batch = match self.same {
            true => batch.clone(),
            false => {
                let columns = batch.columns().iter().zip(self.schema.fields());
                let columns = columns.map(|(column, field)| {
                    lossless::cast(column, field.data_type()).map_err(|loss| Unwritable::Value {
                        column: format!("{}{}", field.name(), loss.path),
                        value: values::lost(&loss),
                        row: loss.row as u64 + 1,
                        format: self.format.name().shown(),
                        why: format!("it does not fit {}", type_name(&loss.to)),
                        hint: hint_of(field.name(), &loss),
                    })
                });
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                RecordBatch::try_new(Arc::clone(&self.schema), columns)?
            }
        };
        for &index in &self.checked {
            let name = self.schema.field(index).name();
            values::check(&self.format, name, batch.column(index).as_ref())?;
        }
        Ok(batch)
    }
}

/// What to do about a value that the stored type does not hold.
fn hint_of(column: &str, loss: &Loss) -> String {
    let column = sql_name(column);
    let whole = match (&loss.from, &loss.to) {
        _ if !loss.path.is_empty() => None,
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Timestamp(_, None)) => {
            Some(format!("CAST({column} AS TIMESTAMP)"))
        }
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Timestamp(_, Some(_))) => {
            Some(format!("CAST({column} AS TIMESTAMPTZ)"))
        }
        (DataType::Time64(TimeUnit::Nanosecond), _) => {
            Some(format!("arrow_cast({column}, 'Time64(Microsecond)')"))
        }
        _ => None,
    };
    match whole {
        Some(whole) => format!("round it in the last step: `{whole}`; or write it as text"),
        None => "leave such rows out, or convert the column in the last step".to_owned(),
    }
}

fn renewed(field: &FieldRef, data_type: DataType) -> FieldRef {
    match *field.data_type() == data_type {
        true => Arc::clone(field),
        false => {
            // A column of nothing but NULL may be declared as one that holds none.
            let nullable = field.is_nullable() || *field.data_type() == DataType::Null;
            Arc::new(
                field
                    .as_ref()
                    .clone()
                    .with_data_type(data_type)
                    .with_nullable(nullable),
            )
        }
    }
}

/// A column, or a part of a nested one, on its way into a format.
struct Place<'a> {
    format: &'a SinkFormat,
    column: &'a str,
    /// The way from the column to the part.
    part: String,
}

impl Place<'_> {
    fn within(&self, part: &str) -> Self {
        let part = format!("{}{part}", self.part);
        Self { part, ..*self }
    }

    fn is_text(&self) -> bool {
        !matches!(self.format, SinkFormat::Parquet { .. })
    }

    fn refused(&self, data_type: &DataType, why: &str, hint: String) -> Unwritable {
        Unwritable::Type {
            column: format!("{}{}", self.column, self.part),
            data_type: type_name(data_type),
            format: self.format.name().shown(),
            why: why.to_owned(),
            hint,
        }
    }

    /// What to write in the last step, where `convert` does it for a whole column.
    fn converted(&self, convert: impl Fn(&str) -> String) -> String {
        match self.part.as_str() {
            "" => convert(&sql_name(self.column)),
            _ => "convert the values in the last step".to_owned(),
        }
    }

    fn as_text(&self) -> String {
        self.converted(|column| format!("write it as text: `CAST({column} AS VARCHAR)`"))
    }

    fn field(&self, field: &FieldRef, part: &str) -> Result<FieldRef, Unwritable> {
        let data_type = self.within(part).stored(field.data_type())?;
        Ok(renewed(field, data_type))
    }

    /// The type in which the format holds values of another.
    fn stored(&self, data_type: &DataType) -> Result<DataType, Unwritable> {
        let refuse = |why: &str, hint: String| Err(self.refused(data_type, why, hint));
        Ok(match data_type {
            // A column without values reads back as text, whatever it is called.
            DataType::Null => DataType::Utf8,
            DataType::Dictionary(_, values) => self.stored(values)?,
            DataType::RunEndEncoded(_, values) => self.stored(values.data_type())?,
            DataType::Float16 if self.is_text() => DataType::Float32,
            DataType::Utf8View => DataType::Utf8,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::FixedSizeBinary(_)
            | DataType::BinaryView
                if self.is_text() =>
            {
                let hint = self.converted(|column| {
                    format!(
                        "`encode({column}, 'hex')` writes the bytes as hexadecimal digits; if they are text, \
                         `CAST({column} AS VARCHAR)`"
                    )
                });
                return refuse("", hint);
            }
            DataType::BinaryView | DataType::FixedSizeBinary(0) => DataType::Binary,
            DataType::Timestamp(unit, zone) => {
                let unit = match unit {
                    TimeUnit::Second => TimeUnit::Microsecond,
                    TimeUnit::Nanosecond if !self.is_text() => TimeUnit::Microsecond,
                    unit => *unit,
                };
                let zone = match zone {
                    // In text, instants are written in UTC.
                    Some(_) if self.is_text() => Some("+00:00".into()),
                    zone => zone.clone(),
                };
                DataType::Timestamp(unit, zone)
            }
            DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
            DataType::Time64(TimeUnit::Nanosecond) if !self.is_text() => {
                DataType::Time64(TimeUnit::Microsecond)
            }
            DataType::Date64 => DataType::Date32,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                // Without the zeros that a negative scale leaves out.
                let digits = i16::from(*precision) - i16::from(*scale).min(0);
                let scale = (*scale).max(0);
                match (data_type, u8::try_from(digits)) {
                    (DataType::Decimal256(..), Ok(digits @ ..=DIGITS)) => {
                        DataType::Decimal256(digits, scale)
                    }
                    (_, Ok(digits @ ..=38)) => DataType::Decimal128(digits, scale),
                    (_, Ok(digits @ ..=DIGITS)) => DataType::Decimal256(digits, scale),
                    _ => return refuse("it has too many digits", self.as_text()),
                }
            }
            DataType::Duration(_) | DataType::Interval(_) => return refuse("", self.as_text()),
            nested if nested.is_nested() => self.nested(nested)?,
            other => other.clone(),
        })
    }

    fn nested(&self, data_type: &DataType) -> Result<DataType, Unwritable> {
        let refuse = |why: &str, hint: String| Err(self.refused(data_type, why, hint));
        if matches!(self.format, SinkFormat::Csv(_)) {
            let hint = self.converted(|column| {
                format!(
                    "write Parquet or JSON, or values of one type: `{column}['name']`, `array_to_string({column}, ';')`"
                )
            });
            return refuse("CSV has no nested values", hint);
        }
        Ok(match data_type {
            DataType::List(item) | DataType::ListView(item) => {
                DataType::List(self.field(item, "[]")?)
            }
            DataType::LargeList(item) | DataType::LargeListView(item) => {
                DataType::LargeList(self.field(item, "[]")?)
            }
            DataType::FixedSizeList(item, size) => {
                DataType::FixedSizeList(self.field(item, "[]")?, *size)
            }
            DataType::Struct(fields) if fields.is_empty() => {
                return refuse("it has no fields", format!("leave `{}` out", self.column));
            }
            DataType::Struct(fields) => {
                let mut seen = HashSet::new();
                if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name())) {
                    let why = format!("it has two fields `{}`", twice.name());
                    return refuse(&why, "give the fields different names".to_owned());
                }
                let fields = fields.iter();
                let fields = fields.map(|field| self.field(field, &format!(".{}", field.name())));
                DataType::Struct(fields.collect::<Result<_, _>>()?)
            }
            DataType::Map(entries, sorted) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    let key = self.field(&fields[0], ".key")?;
                    let value = self.field(&fields[1], ".value")?;
                    let named = matches!(key.data_type(), DataType::Utf8 | DataType::LargeUtf8);
                    if self.is_text() && !named {
                        let hint = "convert the keys to text in the last step".to_owned();
                        return refuse("keys of JSON objects are text", hint);
                    }
                    let fields = DataType::Struct(Fields::from(vec![key, value]));
                    DataType::Map(renewed(entries, fields), *sorted)
                }
                _ => return refuse("", "convert it in the last step".to_owned()),
            },
            // Unions.
            _ => return refuse("", "convert it to another type in the last step".to_owned()),
        })
    }
}
