//! Made-up columns for functions: plain values that most functions take, the same in each run.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, NullArray, StringArray,
    StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, TimeUnit};
use fastrand::Rng;
use transom_plugin::Accepts;

const DAY: i64 = 86_400;
/// 2000-01-01, in days since 1970-01-01.
const FIRST_DAY: i64 = 10_957;
/// Thirty years.
const DAYS: i64 = 10_957;

/// The field of an argument and `rows` values for it; `None` for types without made-up values, such as maps.
pub(crate) fn made_up(
    name: &str,
    accepts: &Accepts,
    rows: usize,
    random: &mut Rng,
) -> Option<(Arc<Field>, ArrayRef)> {
    let data_type = match accepts {
        Accepts::Exact(data_type) => data_type.clone(),
        Accepts::Numeric => DataType::Float64,
        Accepts::Temporal => DataType::Timestamp(TimeUnit::Microsecond, None),
        Accepts::Text | Accepts::Any => DataType::Utf8,
    };
    let values = values(&data_type, rows, random)?;
    Some((Arc::new(Field::new(name, data_type, true)), values))
}

fn values(data_type: &DataType, rows: usize, random: &mut Rng) -> Option<ArrayRef> {
    use DataType::*;
    let mut whole = |from: i64, to: i64| -> ArrayRef {
        let values = (0..rows).map(|_| random.i64(from..to));
        Arc::new(values.collect::<Int64Array>())
    };
    let plain: ArrayRef = match data_type {
        Boolean => Arc::new(
            (0..rows)
                .map(|_| Some(random.bool()))
                .collect::<BooleanArray>(),
        ),
        Int8 => whole(-100, 100),
        Int16 | Int32 | Int64 => whole(-1000, 1000),
        UInt8 => whole(0, 100),
        UInt16 | UInt32 | UInt64 => whole(0, 1000),
        Float16 | Float32 | Float64 => {
            let values = (0..rows).map(|_| random.f64() * 200.0 - 100.0);
            Arc::new(values.collect::<Float64Array>())
        }
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
        | Decimal256(precision, scale) => {
            let digits = i16::from(*precision) - i16::from(*scale);
            let bound = 10_i64.pow(digits.clamp(0, 4).unsigned_abs().into());
            whole(0, bound)
        }
        Date32 => {
            let days = whole(FIRST_DAY, FIRST_DAY + DAYS);
            return cast(&cast(&days, &Int32)?, data_type);
        }
        Date64 => {
            let days = whole(FIRST_DAY, FIRST_DAY + DAYS);
            return cast(&cast(&cast(&days, &Int32)?, &Date32)?, data_type);
        }
        Time32(unit) => return cast(&cast(&whole(0, DAY * per_second(unit)), &Int32)?, data_type),
        Time64(unit) => whole(0, DAY * per_second(unit)),
        Timestamp(unit, _) => {
            let first = FIRST_DAY * DAY * per_second(unit);
            whole(first, first + DAYS * DAY * per_second(unit))
        }
        Duration(unit) => whole(0, DAY * per_second(unit)),
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | Dictionary(..) => {
            // Mostly words; what functions forget about stands among them.
            let mut word = || -> String {
                let letters = random.usize(4..=12);
                let word: String = (0..letters).map(|_| random.lowercase()).collect();
                match random.u8(0..16) {
                    0 => String::new(),
                    1 => format!("Ünï {word}"),
                    2 => word.to_uppercase(),
                    3 => format!(" {word} {letters}\n"),
                    _ => word,
                }
            };
            Arc::new((0..rows).map(|_| Some(word())).collect::<StringArray>())
        }
        Null => return Some(Arc::new(NullArray::new(rows))),
        List(item) => {
            let lengths: Vec<usize> = (0..rows).map(|_| random.usize(0..4)).collect();
            let items = values(item.data_type(), lengths.iter().sum(), random)?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            let list = ListArray::try_new(Arc::clone(item), offsets, items, None);
            return Some(Arc::new(list.ok()?));
        }
        Struct(fields) => {
            let columns = fields
                .iter()
                .map(|field| values(field.data_type(), rows, random));
            let columns = columns.collect::<Option<Vec<_>>>()?;
            return Some(Arc::new(
                StructArray::try_new(fields.clone(), columns, None).ok()?,
            ));
        }
        _ => return None,
    };
    cast(&plain, data_type)
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn cast(array: &ArrayRef, data_type: &DataType) -> Option<ArrayRef> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, data_type, &strict).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_plain_type_are_there_and_the_same_each_time() {
        let types = [
            "Boolean",
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "UInt8",
            "UInt16",
            "UInt32",
            "UInt64",
            "Float16",
            "Float32",
            "Float64",
            "Decimal128(18, 2)",
            "Decimal128(3, 3)",
            "Decimal256(50, 10)",
            "Date32",
            "Date64",
            "Time32(s)",
            "Time32(ms)",
            "Time64(µs)",
            "Time64(ns)",
            "Timestamp(s)",
            "Timestamp(ns)",
            "Timestamp(µs, \"Europe/Berlin\")",
            "Duration(ms)",
            "Utf8",
            "LargeUtf8",
            "Utf8View",
            "Binary",
            "LargeBinary",
            "Dictionary(Int32, Utf8)",
            "List(Decimal128(9, 2))",
            "Struct(\"a\": Int64, \"b\": List(Utf8))",
        ];
        for name in types {
            let data_type: DataType = name.parse().unwrap();
            let make = || values(&data_type, 1000, &mut Rng::with_seed(7));
            let made = make().unwrap_or_else(|| panic!("no values of {name}"));
            assert_eq!((made.len(), made.null_count()), (1000, 0), "{name}");
            assert_eq!(made.data_type(), &data_type);
            assert_eq!(&made, &make().unwrap(), "{name}");
        }
    }

    #[test]
    fn a_type_without_made_up_values_is_no_column() {
        let binary = DataType::FixedSizeBinary(4);
        assert!(made_up("a", &Accepts::Exact(binary), 10, &mut Rng::with_seed(7)).is_none());
    }
}
