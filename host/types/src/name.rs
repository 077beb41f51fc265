//! Types as people write them.

use std::str::FromStr;

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

/// A message of DataFusion or Arrow with [their names of types](type_name) as the pipeline file writes them.
#[must_use]
pub fn readable(message: &str) -> String {
    let mut readable = String::with_capacity(message.len());
    let mut rest = message;
    while !rest.is_empty() {
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if word == 0 {
            let character = rest.chars().next().map_or(1, char::len_utf8);
            readable.push_str(&rest[..character]);
            rest = &rest[character..];
            continue;
        }
        let is_type = rest.starts_with(|c: char| c.is_ascii_uppercase());
        let end = word + parenthesized(&rest[word..]);
        let (written, name) = match is_type.then(|| DataType::from_str(&rest[..end])) {
            Some(Ok(data_type)) => (end, type_name(&data_type)),
            _ => (word, rest[..word].to_owned()),
        };
        readable.push_str(&name);
        rest = &rest[written..];
    }
    readable
}

/// The length of parentheses that a text begins with, and what is in them.
fn parenthesized(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth <= 0 {
            return if at == 0 { 0 } else { at + 1 };
        }
    }
    0
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
    fn messages_have_our_names_of_types() {
        for (message, expected) in [
            (
                "Cannot coerce arithmetic expression Date32 + Decimal128(10, 2) to valid types",
                "Cannot coerce arithmetic expression date + decimal(10,2) to valid types",
            ),
            (
                "type Boolean, but Int64 on 'Int64(2)'",
                "type bool, but int64 on 'Int64(2)'",
            ),
            ("Timestamp(µs) and List(Utf8)", "timestamp and list<utf8>"),
            ("Interval(MonthDayNano): (a) é", "interval: (a) é"),
            ("Compute error in Utf8(\"x\"", "Compute error in utf8(\"x\""),
        ] {
            assert_eq!(readable(message), expected);
        }
    }

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
