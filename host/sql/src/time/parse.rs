//! `to_timestamp` and its kin: texts and numbers as timestamps of microseconds, or of nanoseconds where the name says so. A name with
//! seconds or milliseconds says what a number counts; what is behind its point is kept.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{is_text, per_second, ticks, timestamps, zone};
use crate::casts;
use crate::error::ValueError;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        ("to_timestamp", TimeUnit::Second),
        ("to_timestamp_seconds", TimeUnit::Second),
        ("to_timestamp_millis", TimeUnit::Millisecond),
        ("to_timestamp_micros", TimeUnit::Microsecond),
        ("to_timestamp_nanos", TimeUnit::Nanosecond),
    ]
    .map(|(name, number)| {
        Arc::new(ScalarUDF::from(ToTimestamp {
            name,
            unit: number.max(TimeUnit::Microsecond),
            number,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    })
    .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToTimestamp {
    name: &'static str,
    /// Unit of the result.
    unit: TimeUnit,
    /// Unit of a number.
    number: TimeUnit,
    signature: Signature,
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [value, formats @ ..] = arguments else {
            return plan_err!("`{}` takes a text or a number", self.name);
        };
        if !formats
            .iter()
            .all(|format| is_text(format) || format.is_null())
        {
            return plan_err!("the formats of `{}` must be texts", self.name);
        }
        let value = match value {
            text if is_text(text) => DataType::Utf8,
            DataType::Null => DataType::Utf8,
            _ if !formats.is_empty() => {
                return plan_err!("`{}` takes a format only for a text", self.name);
            }
            integer if integer.is_integer() => DataType::Int64,
            // Six digits after the point; whole numbers in front of it as long as there are any.
            float if float.is_floating() || float.is_decimal() => DataType::Decimal128(38, 9),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => value.clone(),
            other => {
                return plan_err!(
                    "`{}` takes a text or a number, not {}",
                    self.name,
                    crate::type_name(other)
                );
            }
        };
        let mut types = vec![value];
        types.resize(arguments.len(), DataType::Utf8);
        Ok(types)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match &arguments[0] {
            DataType::Timestamp(_, zone) => DataType::Timestamp(self.unit, zone.clone()),
            _ => DataType::Timestamp(self.unit, None),
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_type().clone();
        let [value, formats @ ..] = arguments.args.as_slice() else {
            return plan_err!("`{}` takes a text or a number", self.name);
        };
        let scale = per_second(self.unit) / per_second(self.number);
        let tick = per_second(self.unit);
        match value.data_type() {
            DataType::Int64 => {
                let (numbers, is_constant) = ticks(value)?;
                let scaled: std::result::Result<Int64Array, i64> =
                    numbers.try_unary(|number| number.checked_mul(scale).ok_or(number));
                let scaled = scaled.map_err(|number| self.refuse(&number.to_string()))?;
                timestamps(scaled, &result, is_constant)
            }
            DataType::Decimal128(..) => {
                let (numbers, is_constant) = array(value)?;
                let numbers = numbers.as_primitive::<Decimal128Type>();
                let down = 1_000_000_000 / i128::from(scale);
                let scaled: std::result::Result<Int64Array, i128> = numbers.try_unary(|number| {
                    let half = if number < 0 { -down / 2 } else { down / 2 };
                    ((number + half) / down).try_into().map_err(|_| number)
                });
                let scaled =
                    scaled.map_err(|number| self.refuse(&(number / 1_000_000_000).to_string()))?;
                timestamps(scaled, &result, is_constant)
            }
            DataType::Utf8 => {
                let (texts, is_constant) = array(value)?;
                let formats = formats
                    .iter()
                    .map(|format| Ok(array(format)?.0))
                    .collect::<Result<Vec<_>>>()?;
                let is_constant = is_constant && formats.iter().all(|format| format.len() == 1);
                let rows = if is_constant {
                    1
                } else {
                    arguments.number_rows
                };
                let texts = texts.as_string::<i32>();
                let formats: Vec<&StringArray> = formats
                    .iter()
                    .map(|format| format.as_string::<i32>())
                    .collect();
                let utc = zone::zone("UTC")?;
                let mut times = Vec::with_capacity(rows);
                for row in 0..rows {
                    let text = at(texts, row);
                    times.push(match text {
                        None => None,
                        Some(text) if formats.is_empty() => Some(self.plain(text, &utc)?),
                        Some(text) => {
                            let formats = formats.iter().filter_map(|format| at(format, row));
                            Some(self.formatted(text, formats, tick)?)
                        }
                    });
                }
                timestamps(Int64Array::from(times), &result, is_constant)
            }
            DataType::Timestamp(..) => {
                let (times, is_constant) = array(value)?;
                let times = casts::column(&times, &result)?;
                Ok(match is_constant {
                    true => ColumnarValue::Scalar(ScalarValue::try_from_array(&times, 0)?),
                    false => ColumnarValue::Array(times),
                })
            }
            _ => value.cast_to(&result, None),
        }
    }
}

fn array(value: &ColumnarValue) -> Result<(ArrayRef, bool)> {
    Ok(match value {
        ColumnarValue::Array(values) => (Arc::clone(values), false),
        ColumnarValue::Scalar(value) => (value.to_array()?, true),
    })
}

fn at(texts: &StringArray, row: usize) -> Option<&str> {
    let row = if texts.len() == 1 { 0 } else { row };
    texts.is_valid(row).then(|| texts.value(row))
}

impl ToTimestamp {
    fn refuse(&self, value: &str) -> ValueError {
        ValueError::new(format!(
            "{}: {value} is out of range for {}",
            self.name,
            crate::type_name(&DataType::Timestamp(self.unit, None))
        ))
    }

    /// A text as `CAST` to a timestamp with a zone reads it.
    fn plain(&self, text: &str, utc: &Tz) -> Result<i64> {
        match casts::timestamp(text.trim(), self.unit, Some(utc)) {
            Some(time) => Ok(time),
            None => Err(ValueError::new(format!("'{text}' is not a timestamp"))
                .hint(format!(
                    "{}('{text}', '%d.%m.%Y') says how it is written",
                    self.name
                ))
                .into()),
        }
    }

    fn formatted<'a>(
        &self,
        text: &str,
        formats: impl Iterator<Item = &'a str>,
        tick: i64,
    ) -> Result<i64> {
        let mut tried = Vec::new();
        for format in formats {
            let moment = DateTime::parse_from_str(text, format)
                .map(|time| time.naive_utc())
                .or_else(|_| NaiveDateTime::parse_from_str(text, format))
                .or_else(|_| {
                    NaiveDate::parse_from_str(text, format)
                        .map(|date| date.and_time(NaiveTime::MIN))
                });
            if let Ok(moment) = moment {
                let moment = moment.and_utc();
                let per_tick = 1_000_000_000 / tick;
                let nanos = i64::from(moment.timestamp_subsec_nanos());
                let fraction = (nanos + per_tick / 2) / per_tick;
                let time = moment
                    .timestamp()
                    .checked_mul(tick)
                    .and_then(|time| time.checked_add(fraction));
                return time.ok_or_else(|| self.refuse(&format!("'{text}'")).into());
            }
            tried.push(format!("'{format}'"));
        }
        Err(ValueError::new(format!("'{text}' is not written as {}", tried.join(" or "))).into())
    }
}
