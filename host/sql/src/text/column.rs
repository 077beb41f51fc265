//! A column of texts as an array.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder,
        GenericStringBuilder, LargeBinaryBuilder, OffsetSizeTrait, PrimitiveBuilder,
        StringViewBuilder, new_null_array,
    },
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type,
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
        Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

use super::{
    Origin, Reason, binary, boolean, date, decimal128, decimal256, expected, float32, float64,
    integer, time, timestamp,
};

/// Milliseconds of a day, which Date64 counts.
const DAY_MILLIS: i64 = 86_400_000;

/// The first text of a column that is not a value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: `{value}`, expected {}", expected(expected_type, *reason))]
pub struct Misfit {
    /// Position among the texts, from 0.
    pub row: usize,
    /// The text.
    pub value: String,
    /// Type that the column has.
    pub expected_type: DataType,
    /// Why it is none.
    pub reason: Reason,
}

/// The values that texts stand for; `None` is NULL.
///
/// # Errors
/// The first text that is no value of the type. A type that is not read from text (nested ones, intervals) refuses every text.
pub fn column<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
    data_type: &DataType,
    origin: Origin,
) -> Result<ArrayRef, Misfit> {
    typed(texts, data_type, origin).map_err(|(row, value, reason)| Misfit {
        row,
        value: value.to_owned(),
        expected_type: data_type.clone(),
        reason,
    })
}

type Found<'a, T> = Result<T, (usize, &'a str, Reason)>;

fn typed<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
    data_type: &DataType,
    origin: Origin,
) -> Found<'a, ArrayRef> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    macro_rules! integers {
        ($type:ty) => {
            primitive::<$type>(texts, data_type, |text| integer(text, origin))
        };
    }
    macro_rules! timestamps {
        ($type:ty, $unit:expr, $zone:expr) => {{
            let zoned = $zone.is_some();
            primitive::<$type>(texts, data_type, |text| timestamp(text, $unit, zoned))
        }};
    }
    match data_type {
        DataType::Boolean => {
            let mut builder = BooleanBuilder::new();
            each(texts, |text| {
                builder.append_option(text.map(|text| boolean(text, origin)).transpose()?);
                Ok(())
            })?;
            Ok(Arc::new(builder.finish()))
        }
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        DataType::Float32 => {
            primitive::<Float32Type>(texts, data_type, |text| float32(text, origin))
        }
        DataType::Float64 => {
            primitive::<Float64Type>(texts, data_type, |text| float64(text, origin))
        }
        DataType::Decimal128(precision, scale) => {
            primitive::<Decimal128Type>(texts, data_type, |text| {
                decimal128(text, *precision, *scale)
            })
        }
        DataType::Decimal256(precision, scale) => {
            primitive::<Decimal256Type>(texts, data_type, |text| {
                decimal256(text, *precision, *scale)
            })
        }
        DataType::Date32 => primitive::<Date32Type>(texts, data_type, date),
        DataType::Date64 => primitive::<Date64Type>(texts, data_type, |text| {
            Ok(i64::from(date(text)?) * DAY_MILLIS)
        }),
        DataType::Time32(Second) => primitive::<Time32SecondType>(texts, data_type, |text| {
            time(text, Second).map(|value| value as i32)
        }),
        DataType::Time32(Millisecond) => {
            primitive::<Time32MillisecondType>(texts, data_type, |text| {
                time(text, Millisecond).map(|value| value as i32)
            })
        }
        DataType::Time64(Microsecond) => {
            primitive::<Time64MicrosecondType>(texts, data_type, |text| time(text, Microsecond))
        }
        DataType::Time64(Nanosecond) => {
            primitive::<Time64NanosecondType>(texts, data_type, |text| time(text, Nanosecond))
        }
        DataType::Timestamp(Second, zone) => timestamps!(TimestampSecondType, Second, zone),
        DataType::Timestamp(Millisecond, zone) => {
            timestamps!(TimestampMillisecondType, Millisecond, zone)
        }
        DataType::Timestamp(Microsecond, zone) => {
            timestamps!(TimestampMicrosecondType, Microsecond, zone)
        }
        DataType::Timestamp(Nanosecond, zone) => {
            timestamps!(TimestampNanosecondType, Nanosecond, zone)
        }
        DataType::Utf8 => strings::<i32>(texts),
        DataType::LargeUtf8 => strings::<i64>(texts),
        DataType::Utf8View => {
            let mut builder = StringViewBuilder::new();
            texts.for_each(|text| builder.append_option(text));
            Ok(Arc::new(builder.finish()))
        }
        DataType::Binary => {
            let mut builder = BinaryBuilder::new();
            each(texts, |text| {
                builder.append_option(text.map(binary).transpose()?);
                Ok(())
            })?;
            Ok(Arc::new(builder.finish()))
        }
        DataType::LargeBinary => {
            let mut builder = LargeBinaryBuilder::new();
            each(texts, |text| {
                builder.append_option(text.map(binary).transpose()?);
                Ok(())
            })?;
            Ok(Arc::new(builder.finish()))
        }
        DataType::FixedSizeBinary(size) => {
            let mut builder = FixedSizeBinaryBuilder::new(*size);
            each(texts, |text| match text {
                Some(text) => builder
                    .append_value(binary(text)?)
                    .map_err(|_| Reason::Range),
                None => {
                    builder.append_null();
                    Ok(())
                }
            })?;
            Ok(Arc::new(builder.finish()))
        }
        other => {
            let mut rows = 0;
            each(texts, |text| {
                rows += 1;
                text.map_or(Ok(()), |_| Err(Reason::Unsupported))
            })?;
            Ok(new_null_array(other, rows))
        }
    }
}

fn each<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
    mut take: impl FnMut(Option<&'a str>) -> Result<(), Reason>,
) -> Found<'a, ()> {
    for (row, text) in texts.enumerate() {
        // NULL never fails.
        take(text).map_err(|reason| (row, text.unwrap_or_default(), reason))?;
    }
    Ok(())
}

fn primitive<'a, T: ArrowPrimitiveType>(
    texts: impl Iterator<Item = Option<&'a str>>,
    data_type: &DataType,
    parse: impl Fn(&'a str) -> Result<T::Native, Reason>,
) -> Found<'a, ArrayRef> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(texts.size_hint().0);
    each(texts, |text| {
        match text {
            Some(text) => builder.append_value(parse(text)?),
            None => builder.append_null(),
        }
        Ok(())
    })?;
    let array = builder.finish().with_data_type(data_type.clone());
    Ok(Arc::new(array))
}

fn strings<'a, O: OffsetSizeTrait>(
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Found<'a, ArrayRef> {
    let rows = texts.size_hint().0;
    let mut builder = GenericStringBuilder::<O>::with_capacity(rows, rows * 16);
    texts.for_each(|text| builder.append_option(text));
    Ok(Arc::new(builder.finish()) as Arc<dyn Array>)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn every_type_reads_what_arrow_would_show_of_it() {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        let utc = || Some("UTC".into());
        for (data_type, text) in [
            (DataType::Boolean, "true"),
            (DataType::Int8, "-128"),
            (DataType::Int16, "32767"),
            (DataType::Int32, "-5"),
            (DataType::Int64, "9223372036854775807"),
            (DataType::UInt8, "255"),
            (DataType::UInt16, "65535"),
            (DataType::UInt32, "4294967295"),
            (DataType::UInt64, "18446744073709551615"),
            (DataType::Float32, "1.5"),
            (DataType::Float64, "-0.0"),
            (DataType::Decimal128(10, 2), "-3.10"),
            (
                DataType::Decimal256(50, 3),
                "12345678901234567890123456789012345678901.500",
            ),
            (DataType::Date32, "9999-12-31"),
            (DataType::Time32(Second), "23:59:59"),
            (DataType::Time32(Millisecond), "00:00:00.001"),
            (DataType::Time64(Microsecond), "00:00:00.000001"),
            (DataType::Time64(Nanosecond), "10:00:00.000000001"),
            (DataType::Timestamp(Second, None), "2024-01-31T10:00:00"),
            (
                DataType::Timestamp(Millisecond, None),
                "1500-01-31T10:00:00.500",
            ),
            (
                DataType::Timestamp(Microsecond, None),
                "9999-12-31T00:00:00",
            ),
            (
                DataType::Timestamp(Nanosecond, utc()),
                "2024-01-31T10:00:00.000000001Z",
            ),
            (DataType::Utf8, " \u{e9}\n"),
            (DataType::LargeUtf8, ""),
            (DataType::Utf8View, "a longer text than a view holds"),
            (DataType::Binary, "00ff"),
            (DataType::LargeBinary, ""),
            (DataType::FixedSizeBinary(2), "00ff"),
        ] {
            let array = column([Some(text), None].into_iter(), &data_type, Origin::Declared);
            let array = array.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(array.data_type(), &data_type);
            assert!(array.is_valid(0) && array.is_null(1), "{data_type}");
            let shown = arrow::util::display::array_value_to_string(&array, 0).unwrap();
            assert_eq!(shown, text);
        }
    }

    #[test]
    fn the_first_text_that_does_not_fit_is_named() {
        let texts = [Some("1"), None, Some("x"), Some("y")];
        let error = column(texts.into_iter(), &DataType::Int64, Origin::Declared).unwrap_err();
        assert_eq!(error.to_string(), "row 2: `x`, expected int64");
        let error = column(
            [Some("300")].into_iter(),
            &DataType::UInt8,
            Origin::Declared,
        );
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "row 0: `300`, expected uint8: it is out of range");
        let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        let error = column([None, Some("[]")].into_iter(), &list, Origin::Declared).unwrap_err();
        assert_eq!((error.row, error.reason), (1, Reason::Unsupported));
        let pair = DataType::FixedSizeBinary(2);
        let error = column([Some("00")].into_iter(), &pair, Origin::Declared).unwrap_err();
        assert_eq!(error.reason, Reason::Range);
    }
}
