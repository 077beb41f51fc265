//! Types as people write them.

use arrow::datatypes::{DataType, TimeUnit};

/// A type as people write it: Arrow's own names, shorter where they are long and usual.
#[must_use]
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            match zone {
                Some(zone) => format!("timestamp({unit}, {zone})"),
                None => format!("timestamp({unit})"),
            }
        }
        DataType::Boolean => "bool".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        simple if simple.is_integer() || simple.is_floating() => simple.to_string().to_lowercase(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "utf8".to_owned(),
        other => other.to_string(),
    }
}
