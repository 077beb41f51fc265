//! Amounts of memory and time as people write them: `256MB`, `30s`.
//!
//! A bare number is refused: it does not say whether it counts bytes or megabytes, seconds or milliseconds.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::node::Node;
use super::problem::Problem;
use super::reader::{Read, Reader};

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

const TIME_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A number of bytes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

/// A time of at least a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

/// The number before one of `units`, times what the unit stands for.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(*factor)
        .filter(|amount| *amount > 0)
}

/// A number of bytes with its unit, as `256MB` or `2 GiB`, at least one.
///
/// # Errors
/// What is expected, if the text is none.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &SIZE_UNITS).ok_or_else(|| {
        let units = SIZE_UNITS.map(|(name, _)| name).join(", ");
        format!("expected a whole number above 0 and a unit ({units}), like `256MB`")
    })
}

/// A time with its unit, as `30s` or `10 m`.
///
/// # Errors
/// What is expected, if the text is none.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let millis = parse(text, &TIME_UNITS).ok_or_else(|| {
        let units = TIME_UNITS.map(|(name, _)| name).join(", ");
        format!("expected a whole number above 0 and a unit ({units}), like `10m`")
    })?;
    Ok(Duration::from_millis(millis))
}

fn read(reader: &mut Reader<'_>, node: &Node, units: &[(&str, u64)], like: &str) -> Option<u64> {
    let text = match &node.value {
        super::node::Yaml::Text(text, _) => text.as_str(),
        _ => "",
    };
    let amount = parse(text, units);
    if amount.is_none() {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "{} must be an amount with a unit, not {}",
            reader.here(),
            node.value.kind()
        );
        let problem = Problem::new(message)
            .at(reader.place(node.span))
            .with_label(format!("units: {}", super::problem::list(names)))
            .with_hint(format!(
                "write a whole number above 0 and its unit, like `{like}`"
            ));
        reader.report(problem);
    }
    amount
}

impl Read for Bytes {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        read(reader, node, &SIZE_UNITS, "256MB").map(Self)
    }
}

impl Read for Time {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        read(reader, node, &TIME_UNITS, "30s").map(|millis| Self(Duration::from_millis(millis)))
    }
}

fn schema(units: &[(&str, u64)]) -> Schema {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    json_schema!({ "type": "string", "pattern": format!("^[0-9]+ *({})$", names.join("|")) })
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema(&SIZE_UNITS)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema(&TIME_UNITS)
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZE_UNITS, TIME_UNITS, parse};

    #[test]
    fn an_amount_is_a_whole_number_with_a_unit() {
        assert_eq!(parse("256MB", &SIZE_UNITS), Some(256_000_000));
        assert_eq!(parse("1 GiB", &SIZE_UNITS), Some(1 << 30));
        assert_eq!(parse("30s", &TIME_UNITS), Some(30_000));
        assert_eq!(parse("2m", &TIME_UNITS), Some(120_000));
    }

    #[test]
    fn bare_numbers_zero_fractions_and_overflow_are_no_amounts() {
        for text in [
            "256",
            "MB",
            "0MB",
            "1.5GB",
            "-1s",
            "99999999999999999999GB",
            "18446744073709551615GB",
        ] {
            assert_eq!(parse(text, &SIZE_UNITS), None, "{text}");
        }
    }
}
