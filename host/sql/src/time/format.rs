//! `to_char`: timestamps of any year and unit as `strftime` writes them, by the clocks of their zone.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::DateTime;
use chrono::format::{Item, StrftimeItems};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{is_text, micros, per_second, ticks, zone};
use crate::error::ValueError;
use crate::zones::Zone;

/// `to_char`, also called `date_format`.
pub(crate) fn to_char() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(ToChar {
        others: datafusion::functions::datetime::to_char(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar {
    /// DataFusion's, for dates, times of day and differences. It makes nanoseconds of timestamps with a zone, which end in 2262.
    others: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn aliases(&self) -> &[String] {
        self.others.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let usage =
            "`to_char` takes a timestamp, a date or a time and a format: to_char(t, '%Y-%m-%d')";
        let [value, format] = arguments else {
            return plan_err!("{usage}");
        };
        let value = match value {
            DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Duration(_) => value.clone(),
            DataType::Null => micros(),
            text if is_text(text) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            other => return plan_err!("{usage}; {} is none", crate::type_name(other)),
        };
        match is_text(format) || format.is_null() {
            true => Ok(vec![value, DataType::Utf8]),
            false => plan_err!(
                "the format of `to_char` must be a text, not {}",
                crate::type_name(format)
            ),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = arguments.args[0].data_type();
        let DataType::Timestamp(unit, zone) = &data_type else {
            return self.others.invoke_with_args(arguments);
        };
        let [value, format] = arguments.args.as_slice() else {
            return internal_err!("`to_char` takes a value and a format");
        };
        let zone = zone.as_deref().map(zone::zone).transpose()?;
        let tick = per_second(*unit);
        let (times, is_constant) = ticks(value)?;
        let (formats, one_format) = match format {
            ColumnarValue::Array(formats) => (Arc::clone(formats), false),
            ColumnarValue::Scalar(format) => (format.to_array()?, true),
        };
        let formats = formats.as_string::<i32>();
        let is_constant = is_constant && one_format;
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        // A constant stands for all rows.
        let place = |length: usize, row: usize| if length == 1 { 0 } else { row };
        let mut texts = StringBuilder::new();
        let (mut items, mut known) = (Vec::new(), None);
        for row in 0..rows {
            let (at, format_at) = (place(times.len(), row), place(formats.len(), row));
            if times.is_null(at) || formats.is_null(format_at) {
                texts.append_null();
                continue;
            }
            let format = formats.value(format_at);
            if known != Some(format) {
                items = StrftimeItems::new(format).collect();
                known = Some(format);
            }
            let time = times.value(at);
            match written(&mut texts, time, tick, zone, &items) {
                Some(Ok(())) => texts.append_value(""),
                Some(Err(_)) => return Err(refuse(format, zone).into()),
                None => {
                    let time = format!("the timestamp {time} is beyond the calendar");
                    return Err(ValueError::new(time).into());
                }
            }
        }
        let texts: ArrayRef = Arc::new(texts.finish());
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&texts, 0)?),
            false => ColumnarValue::Array(texts),
        })
    }
}

/// Writes a time as its clocks show it; `None` if it is beyond the calendar.
fn written(
    text: &mut StringBuilder,
    time: i64,
    tick: i64,
    zone: Option<Zone>,
    items: &[Item<'_>],
) -> Option<std::fmt::Result> {
    let seconds = time.div_euclid(tick);
    let nanos = time.rem_euclid(tick) * (1_000_000_000 / tick);
    let nanos = u32::try_from(nanos).ok()?;
    Some(match zone {
        Some(zone) => {
            let there = zone.at(seconds, nanos)?;
            write!(text, "{}", there.format_with_items(items.iter()))
        }
        None => {
            let there = DateTime::from_timestamp(seconds, nanos)?.naive_utc();
            write!(text, "{}", there.format_with_items(items.iter()))
        }
    })
}

fn refuse(format: &str, zone: Option<Zone>) -> ValueError {
    let error = ValueError::new(format!("a timestamp cannot be written as '{format}'"));
    match zone {
        Some(_) => error.hint("formats are strftime's: '%Y-%m-%d %H:%M:%S'; '%%' is a percent sign"),
        None => error.hint(
            "formats are strftime's: '%Y-%m-%d %H:%M:%S'; '%z' and '%Z' need a zone: `t AT TIME ZONE 'UTC'` is a moment",
        ),
    }
}
