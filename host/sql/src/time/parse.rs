//! `to_timestamp` and its kin: texts and numbers as timestamps of microseconds, or of nanoseconds where the name says so. A name with
//! seconds or milliseconds says what a number counts; what is behind its point is kept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, TimeUnit};
use chrono::format::{
    Fixed, Item, Numeric, ParseError, ParseErrorKind, Parsed, StrftimeItems, parse,
};
use chrono::{NaiveDateTime, TimeDelta};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::{is_text, per_second, ticks, timestamps, zone};
use crate::casts;
use crate::error::ValueError;
use crate::guard;
use crate::zones::Zone;

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

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        for format in arguments.scalar_arguments.iter().skip(1).flatten() {
            if let Some(Some(format)) = format.try_as_str() {
                guard::check_format(self.name, format)?;
            }
        }
        let types = arguments.arg_fields.iter();
        let types: Vec<DataType> = types.map(|field| field.data_type().clone()).collect();
        let result = self.return_type(&types)?;
        Ok(Arc::new(Field::new(self.name, result, true)))
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
                        Some(text) if formats.is_empty() => Some(self.plain(text, utc)?),
                        Some(text) => {
                            let formats = formats.iter().filter_map(|format| at(format, row));
                            Some(self.formatted(text, formats, tick)?)
                        }
                    });
                }
                timestamps(Int64Array::from(times), &result, is_constant)
            }
            DataType::Timestamp(unit, _) if unit > self.unit => {
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
    fn plain(&self, text: &str, utc: Zone) -> Result<i64> {
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
        let (mut tried, mut hint) = (Vec::new(), None);
        for format in formats {
            let moment = match moment(text, format) {
                Ok(moment) => moment,
                Err(unfit) => {
                    hint.get_or_insert(unfit);
                    tried.push(format!("'{format}'"));
                    continue;
                }
            };
            let per_tick = 1_000_000_000 / tick;
            let nanos = i64::from(moment.and_utc().timestamp_subsec_nanos());
            let fraction = (nanos + per_tick / 2) / per_tick;
            let time = moment.and_utc().timestamp().checked_mul(tick);
            let time = time.and_then(|time| time.checked_add(fraction));
            return time.ok_or_else(|| self.refuse(&format!("'{text}'")).into());
        }
        let error = ValueError::new(format!("'{text}' is not written as {}", tried.join(" or ")));
        Err(match hint {
            Some(Unfit::Dialect) => error.hint(
                "formats are strftime's: '%Y-%m-%d %H:%M:%S'; '%b' is a month's short name, '%.f' a point and the digits behind it",
            ),
            Some(Unfit::Fraction) => {
                error.hint("'%f' counts nanoseconds: write '%.f' for a point and what is behind it, '%6f' for six digits")
            }
            Some(Unfit::Zone) => {
                error.hint("'%Z' passes over the name of a zone: write the name itself, as 'UTC', or '%z' for an offset")
            }
            Some(Unfit::Missing) => error
                .hint("a format names a year, a month and a day: '%Y-%m-%d'; a time of day an hour, '%H' or '%I' with '%p'"),
            Some(Unfit::Text) | None => error.hint(format!(
                "more formats are tried one after another: {}(text, '%Y-%m-%d', '%d.%m.%Y %H:%M'); \
                 try_cast reads ISO 8601, and gives NULL for the rest",
                self.name
            )),
        }
        .into())
    }
}

/// Why a text is not written as a format says.
enum Unfit {
    Text,
    /// The format says too little of the time.
    Missing,
    /// The format is none of `strftime`.
    Dialect,
    /// A format of nanoseconds where digits behind a point are meant.
    Fraction,
    /// The name of a zone, which nothing reads.
    Zone,
}

/// The moment in UTC. What the text has of a time of day counts, where chrono reads a date and passes over the rest.
fn moment(text: &str, format: &str) -> std::result::Result<NaiveDateTime, Unfit> {
    if !format.contains('%') {
        return Err(Unfit::Dialect);
    }
    // As Python has it: digits behind a point, however many.
    let format = format.replace(".%f", "%.f");
    let items: Vec<Item<'_>> = StrftimeItems::new(&format).collect();
    for item in &items {
        match item {
            Item::Numeric(Numeric::Nanosecond, _) => return Err(Unfit::Fraction),
            Item::Fixed(Fixed::TimezoneName) => return Err(Unfit::Zone),
            _ => {}
        }
    }
    let unfit = |error: ParseError| match error.kind() {
        ParseErrorKind::NotEnough => Unfit::Missing,
        ParseErrorKind::BadFormat => Unfit::Dialect,
        _ => Unfit::Text,
    };
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).map_err(unfit)?;
    let has_hour = parsed.hour_div_12().is_some() && parsed.hour_mod_12().is_some();
    if has_hour && parsed.minute().is_none() {
        parsed.set_minute(0).map_err(unfit)?;
    }
    let parts = [
        parsed.hour_div_12(),
        parsed.hour_mod_12(),
        parsed.minute(),
        parsed.second(),
        parsed.nanosecond(),
    ];
    let has_time = parts.iter().any(Option::is_some) || parsed.timestamp().is_some();
    if !has_time {
        parsed.set_hour(0).map_err(unfit)?;
        parsed.set_minute(0).map_err(unfit)?;
    }
    let offset = parsed.offset().unwrap_or(0);
    let local = parsed
        .to_naive_datetime_with_offset(offset)
        .map_err(unfit)?;
    let offset = TimeDelta::seconds(offset.into());
    local.checked_sub_signed(offset).ok_or(Unfit::Text)
}
