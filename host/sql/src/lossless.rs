//! Casts that lose nothing, and the type that two columns have in common.
//!
//! Arrow's casts round, truncate and wrap where a value does not fit. Here a cast gives the same values in another type, or says
//! which row it cannot keep. "The same" is decided by casting back: a value that does not come back was lost on the way. So there is
//! no list of pairs of types in which one could be forgotten. Floats that become decimals are the one exception: they are read as they are shown.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal256Array, FixedSizeListArray, GenericListArray, MapArray,
    OffsetSizeTrait, StructArray, UInt64Array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Fields,
    Float32Type, Float64Type, IntervalUnit, TimeUnit,
};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;

use crate::{show, type_name};

/// How well a type becomes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Some values may not fit: [`cast`] looks at each.
    IfNothingIsLost,
    /// Every value fits.
    Always,
}

/// A value that the other type does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no value of type {}", type_name(.to))]
pub struct Loss {
    /// Position in the array that was cast; of a value within a list or struct, the row that holds it.
    pub row: usize,
    /// Where in the row the value is: `.tags[2].name`, items from 0, or nothing if it is the whole.
    pub path: String,
    /// The value as text; of a nested column the innermost one.
    pub value: String,
    /// The type that it has.
    pub from: DataType,
    /// The type that does not hold it.
    pub to: DataType,
}

impl Loss {
    /// The same as one of the whole that holds the value.
    #[must_use]
    pub fn within(self, row: usize, step: &str) -> Self {
        let path = format!("{step}{}", self.path);
        Self { row, path, ..self }
    }
}

/// Whether `from` can become `to` with every value kept. `None` where values would be read in another way (text as numbers, times
/// without a zone as instants, truth values as numbers) or have no counterpart.
///
/// Structs match by the names of their fields. A field that `to` lacks does not fit; one that `from` lacks is NULL.
#[must_use]
pub fn fit(from: &DataType, to: &DataType) -> Option<Fit> {
    use DataType::*;
    use Fit::{Always, IfNothingIsLost};
    if from == to {
        return Some(Always);
    }
    if let (Some(from), Some(to)) = (Number::of(from), Number::of(to)) {
        return Some(from.fit(to));
    }
    match (from, to) {
        (Null, _) => Some(Always),
        (Dictionary(_, from), to) => fit(from, to),
        (RunEndEncoded(_, from), to) => fit(from.data_type(), to),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(Always),
        (from, Binary | LargeBinary | BinaryView) if is_binary(from) => Some(Always),
        (from, FixedSizeBinary(_)) if is_binary(from) => Some(IfNothingIsLost),
        // Bytes are text if they are UTF-8.
        (from, Utf8 | LargeUtf8 | Utf8View) if is_binary(from) => Some(IfNothingIsLost),
        (Date32, Date64) => Some(Always),
        (Date64, Date32) => Some(IfNothingIsLost),
        // A day is its midnight.
        (Date32 | Date64, Timestamp(TimeUnit::Second | TimeUnit::Millisecond, None)) => {
            Some(Always)
        }
        (Date32 | Date64, Timestamp(_, None)) => Some(IfNothingIsLost),
        (Timestamp(_, None), Date32 | Date64) => Some(IfNothingIsLost),
        // An instant stays the same instant, whatever the zone it is shown in.
        (Timestamp(from, a), Timestamp(to, b)) if a.is_some() == b.is_some() => {
            Some(match from == to {
                true => Always,
                // Finer units reach less far, coarser ones drop digits.
                false => IfNothingIsLost,
            })
        }
        (Time32(from) | Time64(from), Time32(to) | Time64(to)) => Some(match from <= to {
            true => Always,
            false => IfNothingIsLost,
        }),
        (Duration(_), Duration(_)) => Some(IfNothingIsLost),
        (Interval(IntervalUnit::YearMonth), Interval(IntervalUnit::MonthDayNano)) => Some(Always),
        (Interval(IntervalUnit::DayTime), Interval(IntervalUnit::MonthDayNano)) => {
            Some(IfNothingIsLost)
        }
        (
            List(from) | LargeList(from) | ListView(from) | LargeListView(from),
            List(to) | LargeList(to),
        ) => item_fit(from, to),
        (FixedSizeList(from, a), FixedSizeList(to, b)) if a == b => item_fit(from, to),
        (Struct(from), Struct(to)) => struct_fit(from, to),
        (Map(from, _), Map(to, _)) => match (from.data_type(), to.data_type()) {
            // Keys and values have their places; what they are called differs from writer to writer.
            (Struct(from), Struct(to)) if from.len() == 2 && to.len() == 2 => {
                Some(item_fit(&from[0], &to[0])?.min(item_fit(&from[1], &to[1])?))
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

fn item_fit(from: &Field, to: &Field) -> Option<Fit> {
    let fit = fit(from.data_type(), to.data_type())?;
    Some(match from.is_nullable() && !to.is_nullable() {
        true => fit.min(Fit::IfNothingIsLost),
        false => fit,
    })
}

fn struct_fit(from: &Fields, to: &Fields) -> Option<Fit> {
    if from.iter().any(|field| to.find(field.name()).is_none()) {
        return None;
    }
    let mut all = Fit::Always;
    for field in to {
        match from.find(field.name()) {
            Some((_, given)) => all = all.min(item_fit(given, field)?),
            None if field.is_nullable() => {}
            None => return None,
        }
    }
    Some(all)
}

/// What numbers a type holds.
#[derive(Debug, Clone, Copy)]
enum Number {
    /// Bits without the sign.
    Integer { bits: u32, signed: bool },
    /// Bits of the significand.
    Float { bits: u32 },
    /// Digits before and after the point.
    Decimal { whole: i32, fraction: i32 },
}

impl Number {
    fn of(data_type: &DataType) -> Option<Self> {
        let signed = |bits| Self::Integer { bits, signed: true };
        let unsigned = |bits| Self::Integer {
            bits,
            signed: false,
        };
        Some(match *data_type {
            DataType::Int8 => signed(7),
            DataType::Int16 => signed(15),
            DataType::Int32 => signed(31),
            DataType::Int64 => signed(63),
            DataType::UInt8 => unsigned(8),
            DataType::UInt16 => unsigned(16),
            DataType::UInt32 => unsigned(32),
            DataType::UInt64 => unsigned(64),
            DataType::Float16 => Self::Float { bits: 11 },
            DataType::Float32 => Self::Float { bits: 24 },
            DataType::Float64 => Self::Float { bits: 53 },
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Self::Decimal {
                whole: i32::from(precision) - i32::from(scale),
                fraction: i32::from(scale),
            },
            _ => return None,
        })
    }

    fn fit(self, to: Self) -> Fit {
        let always = match (self, to) {
            (Self::Integer { bits, signed }, Self::Integer { bits: b, signed: s }) => {
                bits <= b && (s || !signed)
            }
            (Self::Integer { bits, .. }, Self::Float { bits: b }) => bits <= b,
            (Self::Integer { bits, .. }, Self::Decimal { whole, .. }) => {
                whole_digits(bits) <= whole
            }
            (Self::Float { bits }, Self::Float { bits: b }) => bits <= b,
            (
                Self::Decimal { whole, fraction },
                Self::Decimal {
                    whole: w,
                    fraction: f,
                },
            ) => whole <= w && fraction <= f,
            (Self::Float { .. } | Self::Decimal { .. }, _) => false,
        };
        match always {
            true => Fit::Always,
            false => Fit::IfNothingIsLost,
        }
    }
}

/// Digits of the largest number of so many bits.
fn whole_digits(bits: u32) -> i32 {
    // log10(2) from above, exact enough for up to 64 bits.
    (bits as i32 * 30_103) / 100_000 + 1
}

/// The type that holds the values of both: the wider number, the finer time, the longer struct. Values may still have to be looked at
/// ([`Fit::IfNothingIsLost`]): whole numbers among floats, days long ago among nanoseconds. `None` if there is none.
#[must_use]
pub fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    if a == b {
        return Some(a.clone());
    }
    if let (Some(x), Some(y)) = (Number::of(a), Number::of(b)) {
        return common_number(a, x, b, y);
    }
    Some(match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (Dictionary(_, values), other) | (other, Dictionary(_, values)) => common(values, other)?,
        (RunEndEncoded(_, values), other) | (other, RunEndEncoded(_, values)) => {
            common(values.data_type(), other)?
        }
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Utf8,
        (Utf8 | LargeUtf8 | Utf8View, other) | (other, Utf8 | LargeUtf8 | Utf8View)
            if is_binary(other) =>
        {
            Utf8
        }
        (a, b) if is_binary(a) && is_binary(b) => Binary,
        (Date32, Date64) | (Date64, Date32) => Date32,
        (Date32 | Date64, Timestamp(unit, None)) | (Timestamp(unit, None), Date32 | Date64) => {
            Timestamp(*unit, None)
        }
        (Timestamp(x, zone), Timestamp(y, other)) if zone.is_some() == other.is_some() => {
            let zone = match zone == other {
                true => zone.clone(),
                false => Some("UTC".into()),
            };
            Timestamp(*x.max(y), zone)
        }
        (Time32(x) | Time64(x), Time32(y) | Time64(y)) => match x.max(y) {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => Time32(*unit),
            unit => Time64(*unit),
        },
        (Duration(x), Duration(y)) => Duration(*x.max(y)),
        (Interval(_), Interval(_)) => Interval(IntervalUnit::MonthDayNano),
        (
            List(x) | LargeList(x) | ListView(x) | LargeListView(x),
            List(y) | LargeList(y) | ListView(y) | LargeListView(y),
        ) => List(common_item(x, y)?),
        (FixedSizeList(x, size), FixedSizeList(y, other)) if size == other => {
            FixedSizeList(common_item(x, y)?, *size)
        }
        (Struct(x), Struct(y)) => Struct(common_fields(x, y)?),
        (Map(x, sorted), Map(y, also)) => match (x.data_type(), y.data_type()) {
            (Struct(p), Struct(q)) if p.len() == 2 && q.len() == 2 => {
                let fields = vec![common_item(&p[0], &q[0])?, common_item(&p[1], &q[1])?];
                let entries = x.as_ref().clone().with_data_type(Struct(fields.into()));
                Map(Arc::new(entries), *sorted && *also)
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn common_number(a: &DataType, x: Number, b: &DataType, y: Number) -> Option<DataType> {
    use Number::{Decimal, Float, Integer};
    if x.fit(y) == Fit::Always {
        return Some(b.clone());
    }
    if y.fit(x) == Fit::Always {
        return Some(a.clone());
    }
    match (x, y) {
        // A signed and an unsigned one: the next signed one holds both.
        (Integer { bits: p, .. }, Integer { bits: q, .. }) => Some(match p.max(q) {
            0..=8 => DataType::Int16,
            9..=16 => DataType::Int32,
            17..=32 => DataType::Int64,
            _ => DataType::Decimal128(20, 0),
        }),
        (Integer { .. } | Float { .. }, Float { .. }) | (Float { .. }, Integer { .. }) => {
            Some(DataType::Float64)
        }
        (Decimal { .. }, Float { .. }) | (Float { .. }, Decimal { .. }) => None,
        _ => {
            let (whole, fraction) = digits(x);
            let (w, f) = digits(y);
            let scale = fraction.max(f);
            let precision = whole.max(w) + scale;
            let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
            // Most readers of files make floats of more digits, so only what has them already keeps them.
            let are_wide = [(whole, fraction), (w, f)]
                .iter()
                .any(|(whole, fraction)| whole + fraction > i32::from(DECIMAL128_MAX_PRECISION));
            if precision <= DECIMAL128_MAX_PRECISION || !are_wide {
                let precision = precision.min(DECIMAL128_MAX_PRECISION);
                Some(DataType::Decimal128(precision, scale))
            } else {
                (precision <= DECIMAL256_MAX_PRECISION)
                    .then_some(DataType::Decimal256(precision, scale))
            }
        }
    }
}

/// Decimal digits before and after the point.
fn digits(number: Number) -> (i32, i32) {
    match number {
        Number::Integer { bits, .. } => (whole_digits(bits), 0),
        Number::Decimal { whole, fraction } => (whole, fraction),
        Number::Float { .. } => (0, 0),
    }
}

fn common_item(a: &FieldRef, b: &FieldRef) -> Option<FieldRef> {
    let data_type = common(a.data_type(), b.data_type())?;
    let nullable = a.is_nullable() || b.is_nullable();
    let field = a.as_ref().clone();
    Some(Arc::new(
        field.with_data_type(data_type).with_nullable(nullable),
    ))
}

/// The fields of both, those of `a` first. What one of them lacks is NULL there.
fn common_fields(a: &Fields, b: &Fields) -> Option<Fields> {
    let missing = |field: &FieldRef| Arc::new(field.as_ref().clone().with_nullable(true));
    let mut fields = Vec::with_capacity(a.len());
    for field in a {
        fields.push(match b.find(field.name()) {
            Some((_, other)) => common_item(field, other)?,
            None => missing(field),
        });
    }
    let more = b.iter().filter(|field| a.find(field.name()).is_none());
    fields.extend(more.map(missing));
    Some(fields.into())
}

/// The same values in another type.
///
/// # Errors
/// The first row whose value `to` does not hold, among them every value of a type that does not [`fit`].
pub fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to) {
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (DataType::Dictionary(_, values), _) => cast(&arrow_cast(array, values, to)?, to),
        (DataType::RunEndEncoded(_, values), _) => {
            cast(&arrow_cast(array, values.data_type(), to)?, to)
        }
        (DataType::ListView(item), _) => {
            let list = DataType::List(Arc::clone(item));
            cast(&arrow_cast(array, &list, to)?, to)
        }
        (DataType::LargeListView(item), _) => {
            let list = DataType::LargeList(Arc::clone(item));
            cast(&arrow_cast(array, &list, to)?, to)
        }
        (
            DataType::Float16 | DataType::Float32 | DataType::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale),
        ) => decimals_of_floats(array, *precision, *scale, to),
        (from, _) => match fit(from, to) {
            None => no_counterpart(array, to),
            Some(_) if from.is_nested() => nested(array, to),
            Some(Fit::Always) => arrow_cast(array, to, to),
            Some(Fit::IfNothingIsLost) => checked(array, to),
        },
    }
}

fn strict() -> CastOptions<'static> {
    CastOptions {
        safe: false,
        ..CastOptions::default()
    }
}

fn loss(array: &dyn Array, row: usize, to: &DataType) -> Loss {
    let options = FormatOptions::default();
    let value =
        show::formatter(array, &options).and_then(|formatter| formatter.value(row).try_to_string());
    Loss {
        row,
        path: String::new(),
        value: match (array.is_null(row), value) {
            (true, _) => "NULL".to_owned(),
            (false, Ok(value)) => value,
            (false, Err(_)) => "a value that cannot be shown".to_owned(),
        },
        from: array.data_type().clone(),
        to: to.clone(),
    }
}

/// NULLs have a counterpart in every type.
fn no_counterpart(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    match (0..array.len()).find(|row| array.is_valid(*row)) {
        Some(row) => Err(loss(array, row, to)),
        None => Ok(new_null_array(to, array.len())),
    }
}

/// Arrow's own cast, where it cannot lose anything. `wanted` is what a message names.
fn arrow_cast(array: &ArrayRef, to: &DataType, wanted: &DataType) -> Result<ArrayRef, Loss> {
    match cast_with_options(array, to, &strict()) {
        Ok(cast) => Ok(cast),
        Err(_) => no_counterpart(array, wanted),
    }
}

/// A float is the decimal that it shows, with the fewest digits that are no other float: 1.1 is not 1.100000000000000088.
fn decimals_of_floats(
    array: &ArrayRef,
    precision: u8,
    scale: i8,
    to: &DataType,
) -> Result<ArrayRef, Loss> {
    let wide = match array.data_type() {
        DataType::Float64 => Arc::clone(array),
        _ => arrow_cast(array, &DataType::Float32, to)?,
    };
    let shown = |row: usize| match wide.data_type() {
        DataType::Float64 => format!("{:?}", wide.as_primitive::<Float64Type>().value(row)),
        _ => format!("{:?}", wide.as_primitive::<Float32Type>().value(row)),
    };
    let decimals = (0..wide.len()).map(|row| {
        if wide.is_null(row) {
            return Ok(None);
        }
        let decimal = crate::text::decimal256(&shown(row), precision, scale);
        decimal.map(Some).map_err(|_| loss(array, row, to))
    });
    let decimals = decimals.collect::<Result<Decimal256Array, Loss>>()?;
    match decimals.with_precision_and_scale(DECIMAL256_MAX_PRECISION, scale) {
        Ok(decimals) => arrow_cast(&(Arc::new(decimals) as ArrayRef), to, to),
        Err(_) => no_counterpart(array, to),
    }
}

/// Casts there and back, and compares.
fn checked(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    let (cast, same) = match there_and_back(array, to) {
        Ok(compared) => compared,
        Err(_) => return no_counterpart(array, to),
    };
    let lost = (0..array.len()).find(|row| !same(*row));
    match lost {
        Some(row) => Err(loss(array, row, to)),
        None => Ok(cast),
    }
}

type Same = Box<dyn Fn(usize) -> bool>;

fn there_and_back(array: &ArrayRef, to: &DataType) -> Result<(ArrayRef, Same), ArrowError> {
    let from = array.data_type();
    let cast = lenient(array, to)?;
    let back = lenient(&cast, from)?;
    let same = not_distinct(array, &back)?;
    if same.true_count() == same.len() {
        return Ok((cast, Box::new(|_| true)));
    }
    // Zero is zero, whatever its sign.
    let zeros = match from.is_floating() {
        true => Some((
            lenient(array, &DataType::Float64)?,
            lenient(&back, &DataType::Float64)?,
        )),
        false => None,
    };
    let same = Box::new(move |row| {
        same.value(row)
            || zeros.as_ref().is_some_and(|(given, back)| {
                let zero = |array: &ArrayRef| {
                    array.is_valid(row) && array.as_primitive::<Float64Type>().value(row) == 0.0
                };
                zero(given) && zero(back)
            })
    });
    Ok((cast, same))
}

/// Values that do not fit become NULL.
fn lenient(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    // By a type between where Arrow's own way there multiplies without a look at what comes out, or has none.
    let between = match (array.data_type(), to) {
        (
            DataType::Date32 | DataType::Date64,
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None),
        ) => Some(DataType::Timestamp(TimeUnit::Millisecond, None)),
        (
            DataType::FixedSizeBinary(_),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
        )
        | (
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View,
            DataType::FixedSizeBinary(_),
        ) => Some(DataType::Binary),
        _ => None,
    };
    match between {
        Some(between) => {
            let array = cast_with_options(array, &between, &options)?;
            cast_with_options(&array, to, &options)
        }
        None => cast_with_options(array, to, &options),
    }
}

fn nested(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Loss> {
    match (array.data_type(), to) {
        (DataType::Struct(_), DataType::Struct(fields)) => structs(array.as_struct(), fields, to),
        (DataType::List(_), DataType::List(item)) => lists(array.as_list::<i32>(), item, to),
        (DataType::LargeList(_), DataType::LargeList(item)) => {
            lists(array.as_list::<i64>(), item, to)
        }
        (DataType::List(_), DataType::LargeList(item)) => {
            let same = DataType::List(Arc::clone(item));
            arrow_cast(&lists(array.as_list::<i32>(), item, &same)?, to, to)
        }
        (DataType::LargeList(_), DataType::List(item)) => {
            let same = DataType::LargeList(Arc::clone(item));
            arrow_cast(&lists(array.as_list::<i64>(), item, &same)?, to, to)
        }
        (DataType::FixedSizeList(_, size), DataType::FixedSizeList(item, _)) => {
            let list = array.as_fixed_size_list();
            let size = *size as usize;
            let values = list
                .values()
                .slice(list.value_offset(0) as usize, list.len() * size);
            let values = items(&values, item, list.nulls(), |at| {
                let size = size.max(1);
                (at / size, format!("[{}]", at % size))
            })?;
            FixedSizeListArray::try_new(
                Arc::clone(item),
                size as i32,
                values,
                list.nulls().cloned(),
            )
            .map(|list| Arc::new(list) as ArrayRef)
            .or_else(|_| no_counterpart(array, to))
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            maps(array.as_map(), entries, *sorted, to)
        }
        _ => no_counterpart(array, to),
    }
}

fn structs(array: &StructArray, fields: &Fields, to: &DataType) -> Result<ArrayRef, Loss> {
    let columns = fields
        .iter()
        .map(|field| match array.column_by_name(field.name()) {
            Some(column) => items(column, field, array.nulls(), |row| {
                (row, format!(".{}", field.name()))
            }),
            None => Ok(new_null_array(field.data_type(), array.len())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let nulls = array.nulls().cloned();
    StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())
        .map(|array| Arc::new(array) as ArrayRef)
        .or_else(|_| no_counterpart(&(Arc::new(array.clone()) as ArrayRef), to))
}

fn lists<O: OffsetSizeTrait>(
    array: &GenericListArray<O>,
    item: &FieldRef,
    to: &DataType,
) -> Result<ArrayRef, Loss> {
    let refused = || no_counterpart(&(Arc::new(array.clone()) as ArrayRef), to);
    // What lies outside of all lists, or within one that is NULL, is no value.
    let Ok(compact) = without_gaps(array) else {
        return refused();
    };
    let list = compact.as_list::<O>();
    let offsets = list.offsets();
    let values = items(list.values(), item, None, |at| place(offsets, at))?;
    let nulls = list.nulls().cloned();
    GenericListArray::<O>::try_new(Arc::clone(item), offsets.clone(), values, nulls)
        .map(|array| Arc::new(array) as ArrayRef)
        .or_else(|_| refused())
}

/// The list that holds a value, and which of its items it is.
fn place<O: OffsetSizeTrait>(offsets: &[O], at: usize) -> (usize, String) {
    // The last list that begins at or before the value: empty ones before it begin there too.
    let row = offsets
        .partition_point(|offset| offset.as_usize() <= at)
        .saturating_sub(1);
    (row, format!("[{}]", at - offsets[row].as_usize()))
}

/// The same lists, and no value that is in none of them.
fn without_gaps<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<ArrayRef, ArrowError> {
    let offsets = array.offsets();
    let first = offsets.first().map_or(0, |offset| offset.as_usize());
    let last = offsets.last().map_or(0, |offset| offset.as_usize());
    let within_null = |row: usize| array.is_null(row) && offsets[row] != offsets[row + 1];
    let nulls_hold = array.null_count() > 0 && (0..array.len()).any(within_null);
    if first == 0 && last == array.values().len() && !nulls_hold {
        return Ok(Arc::new(array.clone()));
    }
    let rows = UInt64Array::from_iter_values(0..array.len() as u64);
    take(array, &rows, None)
}

fn maps(
    array: &MapArray,
    entries: &FieldRef,
    sorted: bool,
    to: &DataType,
) -> Result<ArrayRef, Loss> {
    let refused = || no_counterpart(&(Arc::new(array.clone()) as ArrayRef), to);
    // A map is a list of its entries.
    let DataType::Map(given, _) = array.data_type() else {
        return refused();
    };
    let list = GenericListArray::<i32>::try_new(
        Arc::clone(given),
        array.offsets().clone(),
        Arc::new(array.entries().clone()),
        array.nulls().cloned(),
    );
    let Ok(list) = list.and_then(|list| without_gaps(&list)) else {
        return refused();
    };
    let list = list.as_list::<i32>();
    let (offsets, pairs) = (list.offsets(), list.values().as_struct());
    let DataType::Struct(fields) = entries.data_type() else {
        return refused();
    };
    let place_in = |at, part| {
        let (row, entry) = place(offsets, at);
        (row, format!("{entry}.{part}"))
    };
    let keys = items(pairs.column(0), &fields[0], None, |at| place_in(at, "key"))?;
    let values = items(pairs.column(1), &fields[1], None, |at| {
        place_in(at, "value")
    })?;
    StructArray::try_new(fields.clone(), vec![keys, values], None)
        .and_then(|pairs| {
            let (entries, nulls) = (Arc::clone(entries), list.nulls().cloned());
            MapArray::try_new(entries, offsets.clone(), pairs, nulls, sorted)
        })
        .map(|array| Arc::new(array) as ArrayRef)
        .or_else(|_| refused())
}

/// Casts what a nested array holds. `place_of` says which row of the whole a value belongs to, and the step to it from there; `nulls` which
/// rows are NULL as a whole.
fn items(
    array: &ArrayRef,
    field: &Field,
    nulls: Option<&NullBuffer>,
    place_of: impl Fn(usize) -> (usize, String),
) -> Result<ArrayRef, Loss> {
    let placed = |loss: Loss| {
        let (row, step) = place_of(loss.row);
        loss.within(row, &step)
    };
    // What a NULL row holds below is no value; arrays of one length can hide it.
    let hidden = match nulls {
        Some(nulls) if nulls.len() == array.len() && nulls.null_count() > 0 => {
            let present = arrow::array::BooleanArray::new(nulls.inner().clone(), None);
            let absent = arrow::compute::not(&present);
            absent
                .and_then(|absent| arrow::compute::nullif(array, &absent))
                .ok()
        }
        _ => None,
    };
    let cast = cast(hidden.as_ref().unwrap_or(array), field.data_type()).map_err(placed)?;
    if !field.is_nullable() && cast.null_count() > 0 {
        let lost = (0..cast.len()).find(|at| {
            cast.is_null(*at) && nulls.is_none_or(|nulls| nulls.is_valid(place_of(*at).0))
        });
        if let Some(at) = lost {
            return Err(placed(loss(array, at, field.data_type())));
        }
    }
    Ok(cast)
}

#[cfg(test)]
#[path = "lossless/tests.rs"]
mod tests;
