//! Types as people write them.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// Marks a field whose texts are JSON, as Arrow's canonical extension type does.
const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// A nullable column that holds the text of JSON values.
#[must_use]
pub fn json_field(name: &str) -> Field {
    let (key, value) = EXTENSION;
    let metadata = [(key.to_owned(), value.to_owned())];
    Field::new(name, DataType::Utf8, true).with_metadata(metadata.into())
}

/// Whether the column's texts are JSON, see [`json_field`].
#[must_use]
pub fn is_json(field: &Field) -> bool {
    let (key, value) = EXTENSION;
    field.metadata().get(key).is_some_and(|name| name == value)
}

/// What the type of a column is called; unlike its Arrow type alone, a column knows whether its texts are JSON.
#[must_use]
pub fn field_type_name(field: &Field) -> String {
    if is_json(field) {
        "json".to_owned()
    } else {
        type_name(field.data_type())
    }
}

/// A type as the pipeline file writes it; Arrow's own name, in small letters, where the file has none.
///
/// `timestamp` alone counts microseconds; other units are written out: `timestamp(ns)`. The widths of offsets and dictionaries are how a
/// column is stored, not what it holds, and are left out.
#[must_use]
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "utf8".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::FixedSizeBinary(bytes) => format!("binary({bytes})"),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => sized("time", *unit),
        DataType::Duration(unit) => sized("duration", *unit),
        DataType::Interval(IntervalUnit::YearMonth) => "interval(months)".to_owned(),
        DataType::Interval(IntervalUnit::DayTime) => "interval(days)".to_owned(),
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval".to_owned(),
        DataType::Timestamp(unit, None) => sized("timestamp", *unit),
        DataType::Timestamp(unit, Some(zone)) if is_utc(zone) => sized("timestamptz", *unit),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp({}, {zone})", unit_name(*unit)),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("list<{}>", field_type_name(item)),
        DataType::FixedSizeList(item, size) => {
            format!("list<{}>({size})", field_type_name(item))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| named(field)).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => format!(
                "map<{}, {}>",
                field_type_name(&fields[0]),
                field_type_name(&fields[1])
            ),
            other => format!("map<{}>", type_name(other)),
        },
        DataType::Dictionary(_, values) => type_name(values),
        DataType::RunEndEncoded(_, values) => type_name(values.data_type()),
        simple => simple.to_string().to_lowercase(),
    }
}

fn named(field: &Field) -> String {
    let name = field.name();
    let plain = |character: char| character.is_alphanumeric() || character == '_';
    let name = if !name.is_empty() && name.chars().all(plain) {
        name.clone()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    };
    format!("{name}: {}", field_type_name(field))
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "utc" | "Z" | "+00:00" | "+00")
}

fn sized(name: &str, unit: TimeUnit) -> String {
    match unit {
        TimeUnit::Microsecond => name.to_owned(),
        other => format!("{name}({})", unit_name(other)),
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn types_are_called_as_the_pipeline_file_writes_them() {
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        for (data_type, name) in [
            (DataType::Int64, "int64"),
            (DataType::UInt8, "uint8"),
            (DataType::Float64, "float64"),
            (DataType::Decimal128(10, 2), "decimal(10,2)"),
            (DataType::Utf8View, "utf8"),
            (
                DataType::Timestamp(TimeUnit::Microsecond, None),
                "timestamp",
            ),
            (
                DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                "timestamptz(ns)",
            ),
            (DataType::List(item(DataType::Date32)), "list<date>"),
            (
                DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into()),
                "struct<a: int32>",
            ),
            (
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                "utf8",
            ),
        ] {
            assert_eq!(type_name(&data_type), name);
        }
    }
}
