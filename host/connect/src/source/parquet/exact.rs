//! From the types of a file to those of the table, value by value, without loss.
//!
//! DataFusion's own adapter casts as SQL does: it rounds, and what cannot be cast may become NULL.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, FixedSizeBinaryArray, FixedSizeListArray,
        GenericListArray, IntervalMonthDayNanoArray, MapArray, OffsetSizeTrait, RecordBatch,
        StringBuilder, StructArray,
    },
    buffer::OffsetBuffer,
    datatypes::{
        DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, DecimalType, Field,
        FieldRef, IntervalMonthDayNano, Schema, SchemaRef, Time32MillisecondType, Time32SecondType,
        Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    },
};
use datafusion::{
    common::{
        DataFusionError, Result, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::ColumnarValue,
    physical_expr::{
        PhysicalExpr,
        expressions::{Column, Literal},
    },
    physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory},
};
use transom_sql::lossless::{self, Loss};

use super::{
    footer::{INT96_BYTES, INTERVAL_BYTES, UUID_BYTES},
    int96,
};

const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The array as the table's type. `Err` names the first row that would change.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    lossless::cast(&decoded(array, to)?, to)
}

/// Refuses a decimal of more digits than its type has, or that of the table if it has more. Files can hold such, which some functions cut
/// and others keep.
fn check_digits<T: DecimalType>(
    array: &ArrayRef,
    (precision, scale): (u8, i8),
    to: &DataType,
) -> Result<(), Loss> {
    match longer::<T>(array, digits(precision, scale, to), scale) {
        None => Ok(()),
        Some((row, value)) => Err(Loss {
            row,
            path: String::new(),
            value,
            from: T::TYPE_CONSTRUCTOR(T::MAX_PRECISION, scale),
            to: T::TYPE_CONSTRUCTOR(precision, scale),
        }),
    }
}

/// The digits that a column may have.
fn digits(precision: u8, scale: i8, to: &DataType) -> u8 {
    match to {
        DataType::Decimal128(wider, same) | DataType::Decimal256(wider, same) if *same == scale => {
            precision.max(*wider)
        }
        _ => precision,
    }
}

/// The first value of more digits, with its row.
fn longer<T: DecimalType>(array: &ArrayRef, precision: u8, scale: i8) -> Option<(usize, String)> {
    let precision = precision.min(T::MAX_PRECISION);
    let values = array.as_primitive::<T>();
    let is_longer = |value: &T::Native| !T::is_valid_decimal_precision(*value, precision);
    let mut values = values.iter().enumerate();
    values.find_map(|(row, value)| {
        let value = value.filter(is_longer)?;
        Some((row, T::format_decimal(value, T::MAX_PRECISION, scale)))
    })
}

/// Refuses a time that is not within a day. Files can hold such, and no function knows what it means.
fn check_day(array: &ArrayRef) -> Result<(), Loss> {
    let beyond = match array.data_type() {
        DataType::Time32(TimeUnit::Second) => beyond_day::<Time32SecondType>(array, 1, "seconds"),
        DataType::Time32(_) => beyond_day::<Time32MillisecondType>(array, 1_000, "milliseconds"),
        DataType::Time64(TimeUnit::Microsecond) => {
            beyond_day::<Time64MicrosecondType>(array, 1_000_000, "microseconds")
        }
        DataType::Time64(_) => {
            beyond_day::<Time64NanosecondType>(array, 1_000_000_000, "nanoseconds")
        }
        _ => None,
    };
    match beyond {
        None => Ok(()),
        Some((row, value)) => Err(Loss {
            row,
            path: String::new(),
            value,
            from: array.data_type().clone(),
            to: array.data_type().clone(),
        }),
    }
}

/// The first time that is not within a day, with its row.
fn beyond_day<T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &ArrayRef,
    per_second: i64,
    units: &str,
) -> Option<(usize, String)> {
    let day = 0..SECONDS_PER_DAY * per_second;
    let mut times = array.as_primitive::<T>().iter().enumerate();
    times.find_map(|(row, time)| {
        let time: i64 = time?.into();
        (!day.contains(&time)).then(|| (row, format!("{time} {units} after midnight")))
    })
}

/// Refuses a key that is NULL. Files can call keys optional, and Arrow's maps have none: what is written of them no reader takes.
fn check_keys(maps: &MapArray) -> Result<(), Loss> {
    let (keys, offsets) = (maps.keys(), maps.offsets());
    let Some(nulls) = keys.logical_nulls() else {
        return Ok(());
    };
    let mut entries = offsets[0] as usize..offsets[offsets.len() - 1] as usize;
    match entries.find(|entry| nulls.is_null(*entry)) {
        None => Ok(()),
        Some(entry) => {
            let loss = Loss {
                row: entry,
                path: String::new(),
                value: "NULL".to_owned(),
                from: keys.data_type().clone(),
                to: keys.data_type().clone(),
            };
            Err(within(offsets, loss, ".key"))
        }
    }
}

/// Bytes that stand for something: UUIDs where text is wanted, intervals where intervals are, INT96 where times are. Everything else
/// as it is, decimals and times once they are seen to be of their type.
fn decoded(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    Ok(match (array.data_type(), to) {
        (from, _) if !is_looked_at(from) && !has_part(to, &DataType::is_null) => Arc::clone(array),
        // A column that has no type has no values.
        (from, DataType::Null) if !from.is_null() => lossless::cast(array, to)?,
        (DataType::Dictionary(_, values), _) => decoded(&lossless::cast(array, values)?, to)?,
        (DataType::ListView(item), _) => {
            let list = DataType::List(Arc::clone(item));
            decoded(&lossless::cast(array, &list)?, to)?
        }
        (DataType::LargeListView(item), _) => {
            let list = DataType::LargeList(Arc::clone(item));
            decoded(&lossless::cast(array, &list)?, to)?
        }
        (DataType::Time32(_) | DataType::Time64(_), _) => {
            check_day(array)?;
            Arc::clone(array)
        }
        // Their bits hold digits that no type of theirs has.
        (DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale), _) => {
            let wide = DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale);
            let wide = lossless::cast(array, &wide)?;
            check_digits::<Decimal128Type>(&wide, (*precision, *scale), to)?;
            wide
        }
        (DataType::Decimal128(precision, scale), _) => {
            check_digits::<Decimal128Type>(array, (*precision, *scale), to)?;
            Arc::clone(array)
        }
        (DataType::Decimal256(precision, scale), _) => {
            check_digits::<Decimal256Type>(array, (*precision, *scale), to)?;
            Arc::clone(array)
        }
        (
            DataType::FixedSizeBinary(UUID_BYTES),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
        ) => uuids(array.as_fixed_size_binary()),
        (DataType::FixedSizeBinary(INTERVAL_BYTES), DataType::Interval(_)) => {
            intervals(array.as_fixed_size_binary())
        }
        (
            DataType::FixedSizeBinary(INT96_BYTES),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64,
        ) => int96::timestamps(array.as_fixed_size_binary(), to)?,
        (DataType::Struct(fields), DataType::Struct(wanted)) => {
            let given = array.as_struct();
            let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = fields
                .iter()
                .zip(given.columns())
                .map(|(field, column)| match wanted.find(field.name()) {
                    Some((_, wanted)) => {
                        of_field(field, column, wanted.data_type()).map_err(|loss| {
                            let (row, step) = (loss.row, format!(".{}", field.name()));
                            loss.within(row, &step)
                        })
                    }
                    None => Ok((Arc::clone(field), Arc::clone(column))),
                })
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .unzip();
            let nulls = given.nulls().cloned();
            Arc::new(StructArray::new(fields.into(), columns, nulls))
        }
        (DataType::List(_), DataType::List(wanted) | DataType::LargeList(wanted)) => {
            list::<i32>(array, wanted)?
        }
        (DataType::LargeList(_), DataType::List(wanted) | DataType::LargeList(wanted)) => {
            list::<i64>(array, wanted)?
        }
        (DataType::FixedSizeList(item, size), DataType::FixedSizeList(wanted, _)) => {
            let given = array.as_fixed_size_list();
            let of_row = usize::try_from(*size).unwrap_or_default().max(1);
            let (item, values) =
                of_field(item, given.values(), wanted.data_type()).map_err(|loss| {
                    let (row, item) = (loss.row / of_row, loss.row % of_row);
                    loss.within(row, &format!("[{item}]"))
                })?;
            let nulls = given.nulls().cloned();
            Arc::new(FixedSizeListArray::new(item, *size, values, nulls))
        }
        (DataType::Map(entries, sorted), DataType::Map(wanted, _)) => {
            let given = array.as_map();
            check_keys(given)?;
            // Keys and values have their places, whatever they are called.
            let (DataType::Struct(fields), DataType::Struct(wanted)) =
                (entries.data_type(), wanted.data_type())
            else {
                return Ok(Arc::clone(array));
            };
            let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = fields
                .iter()
                .zip(given.entries().columns())
                .zip(wanted)
                .zip(["key", "value"])
                .map(|(((field, column), wanted), part)| {
                    of_field(field, column, wanted.data_type())
                        .map_err(|loss| within(given.offsets(), loss, &format!(".{part}")))
                })
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .unzip();
            let inner = StructArray::new(fields.into(), columns, given.entries().nulls().cloned());
            let entries = entries
                .as_ref()
                .clone()
                .with_data_type(inner.data_type().clone());
            let (offsets, nulls) = (given.offsets().clone(), given.nulls().cloned());
            Arc::new(MapArray::new(
                entries.into(),
                offsets,
                inner,
                nulls,
                *sorted,
            ))
        }
        _ => Arc::clone(array),
    })
}

fn of_field(
    field: &FieldRef,
    column: &ArrayRef,
    wanted: &DataType,
) -> Result<(FieldRef, ArrayRef), Loss> {
    let column = decoded(column, wanted)?;
    let field = field.as_ref().clone();
    let field = field.with_data_type(column.data_type().clone());
    Ok((Arc::new(field), column))
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, wanted: &Field) -> Result<ArrayRef, Loss> {
    let (item, offsets, values, nulls) = array.as_list::<O>().clone().into_parts();
    let (item, values) =
        of_field(&item, &values, wanted.data_type()).map_err(|loss| within(&offsets, loss, ""))?;
    Ok(Arc::new(GenericListArray::new(
        item, offsets, values, nulls,
    )))
}

/// The loss of an item, or a part of one, as one of the row that holds it.
fn within<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, loss: Loss, part: &str) -> Loss {
    let ends = &offsets[1..];
    let row = ends.partition_point(|end| end.as_usize() <= loss.row);
    let item = loss.row.saturating_sub(offsets[row].as_usize());
    loss.within(row, &format!("[{item}]{part}"))
}

/// Whether a type has a part that [`decoded`] does something about.
fn is_looked_at(data_type: &DataType) -> bool {
    has_part(data_type, &|part| {
        can_be_beyond(part)
            || matches!(
                part,
                DataType::FixedSizeBinary(_) | DataType::ListView(_) | DataType::LargeListView(_)
            )
    })
}

/// Whether a file can hold values of a type, or of a part of it, that the type does not have.
fn has_checks(data_type: &DataType) -> bool {
    has_part(data_type, &can_be_beyond)
}

fn can_be_beyond(data_type: &DataType) -> bool {
    data_type.is_decimal()
        || matches!(
            data_type,
            DataType::Time32(_) | DataType::Time64(_) | DataType::Map(..)
        )
}

/// Whether a type is one that is looked for, or holds it.
fn has_part(data_type: &DataType, is: &dyn Fn(&DataType) -> bool) -> bool {
    let has_below = match data_type {
        DataType::Dictionary(_, values) => has_part(values, is),
        DataType::Struct(fields) => fields.iter().any(|field| has_part(field.data_type(), is)),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_part(item.data_type(), is),
        _ => false,
    };
    has_below || is(data_type)
}

fn uuids(bytes: &FixedSizeBinaryArray) -> ArrayRef {
    const CHARACTERS: usize = 36;
    let mut texts = StringBuilder::with_capacity(bytes.len(), bytes.len() * CHARACTERS);
    for row in 0..bytes.len() {
        if bytes.is_null(row) {
            texts.append_null();
            continue;
        }
        let mut text = String::with_capacity(CHARACTERS);
        for (position, byte) in bytes.value(row).iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        texts.append_value(text);
    }
    Arc::new(texts.finish())
}

/// Months, days and milliseconds, each an unsigned number of 32 bits that writers fill with signed ones.
fn intervals(bytes: &FixedSizeBinaryArray) -> ArrayRef {
    let number = |value: &[u8], at: usize| {
        i32::from_le_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]])
    };
    let intervals = (0..bytes.len()).map(|row| {
        bytes.is_valid(row).then(|| {
            let value = bytes.value(row);
            let milliseconds = i64::from(number(value, 8));
            IntervalMonthDayNano::new(
                number(value, 0),
                number(value, 4),
                milliseconds * NANOSECONDS_PER_MILLISECOND,
            )
        })
    });
    Arc::new(intervals.collect::<IntervalMonthDayNanoArray>())
}

/// Makes expressions over the table's columns ones over a file's.
#[derive(Debug)]
pub(super) struct ExactColumns;

impl PhysicalExprAdapterFactory for ExactColumns {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        Ok(Arc::new(OfFile { table, file }))
    }
}

#[derive(Debug)]
struct OfFile {
    table: SchemaRef,
    file: SchemaRef,
}

impl PhysicalExprAdapter for OfFile {
    fn rewrite(&self, expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expression
            .transform(|expression| {
                let Some(column) = expression.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(expression));
                };
                Ok(Transformed::yes(self.column(column)?))
            })
            .data()
    }
}

impl OfFile {
    fn column(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let name = column.name();
        let Ok(wanted) = self.table.field_with_name(name) else {
            return Err(DataFusionError::Internal(format!("no column {name}")));
        };
        let Ok(position) = self.file.index_of(name) else {
            let null = ScalarValue::try_from(wanted.data_type())?;
            return Ok(Arc::new(Literal::new(null)));
        };
        let given = self.file.field(position);
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, position));
        if given.data_type() == wanted.data_type() && !has_checks(given.data_type()) {
            return Ok(column);
        }
        Ok(Arc::new(ExactCast {
            column,
            to: Arc::new(wanted.clone()),
        }))
    }
}

/// A column of a file as the table's type. A value that would change fails.
#[derive(Debug, Eq)]
struct ExactCast {
    column: Arc<dyn PhysicalExpr>,
    to: FieldRef,
}

// Derived ones would move out of the trait object.
impl PartialEq for ExactCast {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.to == other.to
    }
}

impl Hash for ExactCast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.to.hash(state);
    }
}

impl fmt::Display for ExactCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exact_cast({} AS {})", self.column, self.to.data_type())
    }
}

impl PhysicalExpr for ExactCast {
    fn return_field(&self, _input: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(
            self.to.name(),
            self.to.data_type().clone(),
            true,
        )))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let cast = cast(&array, self.to.data_type());
        Ok(ColumnarValue::Array(cast.map_err(|loss| {
            DataFusionError::External(Box::new(loss))
        })?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let column = children
            .pop()
            .ok_or_else(|| DataFusionError::Internal("a cast of nothing".to_owned()))?;
        Ok(Arc::new(Self {
            column,
            to: Arc::clone(&self.to),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Decimal32Array, Decimal128Array, DictionaryArray, Int8Array, Time64NanosecondArray,
    };
    use arrow::datatypes::{Fields, IntervalMonthDayNanoType, IntervalUnit};

    use super::*;

    fn fixed(values: &[Option<&[u8]>], size: i32) -> ArrayRef {
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.iter().copied(), size)
                .unwrap(),
        )
    }

    #[test]
    fn a_uuid_is_written_as_everybody_writes_it() {
        let bytes: Vec<u8> = (0..16).map(|byte| byte * 16 + 1).collect();
        let array = fixed(&[Some(&bytes), None], UUID_BYTES);
        let text = cast(&array, &DataType::Utf8).unwrap();
        let text = text.as_string::<i32>();
        assert_eq!(text.value(0), "01112131-4151-6171-8191-a1b1c1d1e1f1");
        assert!(text.is_null(1));
    }

    #[test]
    fn a_decimal_has_no_more_digits_than_its_type() {
        let values = Decimal128Array::from(vec![Some(150), None, Some(-1_234_567)]);
        let (five, nine) = (DataType::Decimal128(5, 2), DataType::Decimal128(9, 2));
        let array: ArrayRef = Arc::new(values.with_data_type(five.clone()));
        let lost = cast(&array, &five).unwrap_err();
        assert_eq!((lost.row, lost.value.as_str()), (2, "-12345.67"));
        // The type that a user can declare.
        let wider = cast(&array, &nine).unwrap();
        assert_eq!(wider.as_primitive::<Decimal128Type>().value(2), -1_234_567);
        let fields = Fields::from(vec![Field::new("d", five, true)]);
        let nested: ArrayRef = Arc::new(StructArray::new(fields, vec![array], None));
        let lost = cast(&nested, nested.data_type()).unwrap_err();
        assert_eq!((lost.row, lost.path.as_str()), (2, ".d"));
    }

    #[test]
    fn decimals_of_few_bits_may_have_more_digits_than_any_type_of_theirs() {
        let values = Decimal32Array::from(vec![150, i32::MAX]);
        let array: ArrayRef = Arc::new(values.with_data_type(DataType::Decimal32(5, 2)));
        let lost = cast(&array, &DataType::Decimal128(5, 2)).unwrap_err();
        assert_eq!((lost.row, lost.value.as_str()), (1, "21474836.47"));
        assert_eq!(lost.to, DataType::Decimal128(5, 2));
        let wider = cast(&array, &DataType::Decimal128(10, 2)).unwrap();
        let wider = wider.as_primitive::<Decimal128Type>();
        assert_eq!(wider.value(1), i128::from(i32::MAX));
    }

    #[test]
    fn a_time_is_within_a_day() {
        let times = Time64NanosecondArray::from(vec![0, 86_399_999_999_999, 86_400_000_000_000]);
        let keys = Int8Array::from(vec![Some(1), None, Some(2)]);
        let dictionary = DictionaryArray::new(keys, Arc::new(times));
        let array: ArrayRef = Arc::new(dictionary);
        let lost = cast(&array, &DataType::Time64(TimeUnit::Nanosecond)).unwrap_err();
        assert_eq!(lost.row, 2);
        assert_eq!(lost.value, "86400000000000 nanoseconds after midnight");
        cast(&array.slice(0, 2), &DataType::Time64(TimeUnit::Nanosecond)).unwrap();
    }

    #[test]
    fn an_interval_keeps_its_months() {
        let mut bytes = Vec::new();
        for number in [25_i32, -3, 4_500] {
            bytes.extend(number.to_le_bytes());
        }
        let array = fixed(&[Some(&bytes)], INTERVAL_BYTES);
        let wanted = DataType::Interval(IntervalUnit::MonthDayNano);
        let interval = cast(&array, &wanted).unwrap();
        let interval = interval.as_primitive::<IntervalMonthDayNanoType>();
        assert_eq!(
            interval.value(0),
            IntervalMonthDayNano::new(25, -3, 4_500_000_000)
        );
    }
}
