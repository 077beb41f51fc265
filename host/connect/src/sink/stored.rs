//! In which type a format holds the values of another, and the values in that type.
//!
//! What is written must read back as it was. So a type that a format has no word for becomes one that holds all of its values
//! (seconds become microseconds in Parquet), or is refused before anything runs; a value that does not fit is an error.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait,
        RecordBatch, StructArray, new_null_array,
    },
    compute::{CastOptions, cast_with_options, take},
    datatypes::{
        DataType, Date64Type, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    },
    error::ArrowError,
};

use super::{unwritable::Unwritable, values};
use crate::format::SinkFormat;

/// Most digits of a decimal.
const DIGITS: i16 = 76;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The columns of a table as a format holds them.
#[derive(Debug, Clone)]
pub(super) struct Stored {
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
    pub(super) fn try_new(format: &SinkFormat, schema: &SchemaRef) -> Result<Self, Unwritable> {
        let name = format.name();
        let fields = schema.fields().iter().map(|field| {
            if field.name().is_empty()
                && matches!(format, SinkFormat::Csv(options) if options.header)
            {
                let why = "a header cannot name it";
                let hint = "give the column a name: `... AS name`".to_owned();
                return Err(Unwritable::of_type(name, "", field.data_type(), why, hint));
            }
            let data_type = stored(format, field.name(), field.data_type())?;
            Ok(renewed(field, data_type))
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
    pub(super) fn schema(&self) -> &SchemaRef {
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
                    store(column, field.data_type()).map_err(|error| match error {
                        Unfit::Value { row, value } => Unwritable::Value {
                            column: field.name().clone(),
                            value,
                            row: row as u64 + 1,
                            format: self.format.name(),
                            why: format!(
                                "it does not fit {}",
                                transom_sql::type_name(field.data_type())
                            ),
                            hint: "leave such rows out, or convert the column in the last step"
                                .to_owned(),
                        },
                        Unfit::Other(error) => error.into(),
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

/// The type in which a format holds values of another.
fn stored(format: &SinkFormat, column: &str, data_type: &DataType) -> Result<DataType, Unwritable> {
    let name = format.name();
    let text = !matches!(format, SinkFormat::Parquet { .. });
    let refuse =
        |why: &str, hint: String| Err(Unwritable::of_type(name, column, data_type, why, hint));
    let nested = |field: &FieldRef, part: &str| -> Result<FieldRef, Unwritable> {
        let column = format!("{column}{part}");
        Ok(renewed(field, stored(format, &column, field.data_type())?))
    };
    let no_lists = || {
        let hint = format!(
            "write Parquet or JSON, or one column for each value: `{column}['name'] AS name`, `array_to_string({column}, ';')`"
        );
        refuse("CSV has no nested values", hint)
    };
    let is_csv = matches!(format, SinkFormat::Csv(_));
    Ok(match data_type {
        // A column without values reads back as text, whatever it is called.
        DataType::Null => DataType::Utf8,
        DataType::Float16 if text => DataType::Float32,
        DataType::Utf8View => DataType::Utf8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::FixedSizeBinary(_)
        | DataType::BinaryView
            if text =>
        {
            let hint = format!(
                "`encode({column}, 'hex')` writes the bytes as hexadecimal digits; if they are text, `CAST({column} AS VARCHAR)`"
            );
            return refuse("", hint);
        }
        DataType::BinaryView => DataType::Binary,
        DataType::FixedSizeBinary(0) => DataType::Binary,
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => TimeUnit::Microsecond,
                unit => *unit,
            };
            let zone = match zone {
                // In text, instants are written in UTC.
                Some(_) if text => Some("+00:00".into()),
                zone => zone.clone(),
            };
            DataType::Timestamp(unit, zone)
        }
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale)
            if *scale >= 0 =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *scale < 0 =>
        {
            match i16::from(*precision) - i16::from(*scale) {
                digits @ ..=38 => DataType::Decimal128(digits as u8, 0),
                digits @ ..=DIGITS => DataType::Decimal256(digits as u8, 0),
                _ => {
                    return refuse(
                        "it has too many digits",
                        format!("`CAST({column} AS VARCHAR)`"),
                    );
                }
            }
        }
        DataType::Duration(_) => {
            let hint = format!("write it as text, `CAST({column} AS VARCHAR)`, or as a number");
            return refuse("it has no lengths of time", hint);
        }
        DataType::Interval(_) => {
            return refuse("", format!("write it as text: `CAST({column} AS VARCHAR)`"));
        }
        DataType::Union(..) => {
            return refuse(
                "",
                "convert the column to one type in the last step".to_owned(),
            );
        }
        DataType::Dictionary(_, values) => stored(format, column, values)?,
        DataType::RunEndEncoded(_, values) => stored(format, column, values.data_type())?,
        nested if is_csv && nested.is_nested() => return no_lists(),
        DataType::List(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item) => {
            DataType::List(nested(item, "[]")?)
        }
        DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::LargeList(nested(item, "[]")?)
        }
        DataType::Struct(fields) => {
            if fields.is_empty() {
                return refuse("it has no fields", format!("leave `{column}` out"));
            }
            let mut seen = HashSet::new();
            if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name())) {
                let hint = "give the fields of a struct different names".to_owned();
                return refuse(&format!("it has two fields `{}`", twice.name()), hint);
            }
            let fields = fields
                .iter()
                .map(|field| nested(field, &format!(".{}", field.name())));
            DataType::Struct(fields.collect::<Result<_, _>>()?)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return refuse(
                    "it is not a valid map",
                    "convert the column in the last step".to_owned(),
                );
            };
            let [key, value] = fields.as_ref() else {
                return refuse(
                    "it is not a valid map",
                    "convert the column in the last step".to_owned(),
                );
            };
            let (key, value) = (nested(key, ".key")?, nested(value, ".value")?);
            if text && !matches!(key.data_type(), DataType::Utf8 | DataType::LargeUtf8) {
                let hint = "convert the keys to text in the last step".to_owned();
                return refuse("keys of JSON objects are text", hint);
            }
            let fields = DataType::Struct(Fields::from(vec![key, value]));
            DataType::Map(renewed(entries, fields), *sorted)
        }
        other => other.clone(),
    })
}

/// Why values cannot be stored in another type.
enum Unfit {
    Value { row: usize, value: String },
    Other(ArrowError),
}

impl From<ArrowError> for Unfit {
    fn from(error: ArrowError) -> Self {
        Self::Other(error)
    }
}

/// The values of an array in the type that [`stored`] gave.
fn store(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Unfit> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to) {
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (DataType::Dictionary(..), _) => {
            let dictionary = array.as_any_dictionary();
            store(&take(dictionary.values(), dictionary.keys(), None)?, to)
        }
        (DataType::RunEndEncoded(_, values), _) => {
            store(&strict_cast(array, values.data_type())?, to)
        }
        (DataType::Timestamp(from, Some(_)), DataType::Timestamp(unit, zone)) if from == unit => {
            // The same instants: the zone is only how they are shown.
            let zone = zone.clone();
            Ok(match unit {
                TimeUnit::Millisecond => Arc::new(
                    array
                        .as_primitive::<TimestampMillisecondType>()
                        .clone()
                        .with_timezone_opt(zone),
                ),
                TimeUnit::Nanosecond => Arc::new(
                    array
                        .as_primitive::<TimestampNanosecondType>()
                        .clone()
                        .with_timezone_opt(zone),
                ),
                _ => Arc::new(
                    array
                        .as_primitive::<TimestampMicrosecondType>()
                        .clone()
                        .with_timezone_opt(zone),
                ),
            })
        }
        (DataType::Date64, _) => {
            let days = array.as_primitive::<Date64Type>();
            let partial = |row: &usize| days.is_valid(*row) && days.value(*row) % DAY != 0;
            match (0..days.len()).find(partial) {
                Some(row) => Err(Unfit::Value {
                    row,
                    value: values::shown(array, row),
                }),
                None => leaf(array, to),
            }
        }
        (DataType::List(_), DataType::List(item)) => list::<i32>(array.as_list(), item),
        (DataType::LargeList(_), DataType::LargeList(item)) => list::<i64>(array.as_list(), item),
        (DataType::FixedSizeList(..), DataType::List(item)) => {
            let fixed: &FixedSizeListArray = array.as_fixed_size_list();
            let plain = DataType::List(inner_of(array.data_type()));
            store(
                &strict_cast(&(Arc::new(fixed.clone()) as ArrayRef), &plain)?,
                &DataType::List(Arc::clone(item)),
            )
        }
        (DataType::ListView(inner), _) => {
            store(&strict_cast(array, &DataType::List(Arc::clone(inner)))?, to)
        }
        (DataType::LargeListView(inner), _) => store(
            &strict_cast(array, &DataType::LargeList(Arc::clone(inner)))?,
            to,
        ),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Ok(Arc::new(structure(array.as_struct(), fields)?))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return leaf(array, to);
            };
            let stored = structure(map.entries(), fields)
                .map_err(|error| at_row(error, map.value_offsets()))?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let map = MapArray::try_new(Arc::clone(entries), offsets, stored, nulls, *sorted)?;
            Ok(Arc::new(map))
        }
        _ => leaf(array, to),
    }
}

fn inner_of(data_type: &DataType) -> FieldRef {
    match data_type {
        DataType::FixedSizeList(item, _) => Arc::clone(item),
        other => Arc::new(Field::new("item", other.clone(), true)),
    }
}

fn structure(array: &StructArray, fields: &Fields) -> Result<StructArray, Unfit> {
    let columns = array.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| store(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(StructArray::try_new(
        fields.clone(),
        columns,
        array.nulls().cloned(),
    )?)
}

fn list<O: OffsetSizeTrait>(
    array: &GenericListArray<O>,
    item: &FieldRef,
) -> Result<ArrayRef, Unfit> {
    let values = store(array.values(), item.data_type())
        .map_err(|error| at_row(error, array.value_offsets()))?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(GenericListArray::try_new(
        Arc::clone(item),
        offsets,
        values,
        nulls,
    )?))
}

/// The row of a value that `error` counts among the values of all rows.
fn at_row<O: OffsetSizeTrait>(error: Unfit, offsets: &[O]) -> Unfit {
    match error {
        Unfit::Value { row, value } => {
            let after = offsets.partition_point(|offset| offset.as_usize() <= row);
            Unfit::Value {
                row: after.saturating_sub(1),
                value,
            }
        }
        other => other,
    }
}

fn strict_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &strict)
}

/// Casts values that are not nested, and finds the one that does not fit.
fn leaf(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Unfit> {
    strict_cast(array, to).map_err(|error| {
        let unfit = (0..array.len()).find(|row| strict_cast(&array.slice(*row, 1), to).is_err());
        match unfit {
            Some(row) => Unfit::Value {
                row,
                value: values::shown(array, row),
            },
            None => Unfit::Other(error),
        }
    })
}
