//! How many rows a step may reject before the run fails: `100`, or `1%` of the rows that it is given.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::node::{Node, Yaml};
use super::problem::Problem;
use super::reader::{Read, Reader};

/// How many rows a step may reject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejects {
    /// So many.
    Rows(u64),
    /// So many of a hundred that it is given, from 0 to 100.
    Percent(f64),
}

impl MaxRejects {
    fn parse(text: &str) -> Option<Self> {
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().ok().map(Self::Rows);
        };
        let number = percent.trim_end();
        let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let share = number.parse().ok().filter(|_| number.bytes().all(plain))?;
        (0.0..=100.0)
            .contains(&share)
            .then_some(Self::Percent(share))
    }

    /// Whether a step may reject `rejected` of `given` rows.
    #[must_use]
    pub fn allows(self, rejected: u64, given: u64) -> bool {
        match self {
            Self::Rows(rows) => rejected <= rows,
            Self::Percent(percent) => rejected as f64 * 100.0 <= percent * given as f64,
        }
    }
}

/// As it is written.
impl fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for MaxRejects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Read for MaxRejects {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let text = match &node.value {
            Yaml::Text(text, _) | Yaml::Int(text) => text.as_str(),
            _ => "",
        };
        let limit = Self::parse(text);
        if limit.is_none() {
            let message = format!(
                "{} must be a number of rows or a percentage, not {}",
                reader.here(),
                node.value.kind()
            );
            let problem = Problem::new(message)
                .at(reader.place(node.span))
                .with_label("allowed: a whole number like `100`, or `0%` to `100%`");
            reader.report(problem);
        }
        limit
    }
}

impl JsonSchema for MaxRejects {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MaxRejects".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": r"^([0-9]+|(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+) *%)$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::MaxRejects;

    #[test]
    fn a_limit_is_a_number_of_rows_or_a_percentage() {
        let parsed = |text| MaxRejects::parse(text).map(|limit| limit.to_string());
        for (text, limit) in [("100", "100"), ("0", "0"), ("1%", "1%"), ("0.50 %", "0.5%")] {
            assert_eq!(parsed(text).as_deref(), Some(limit), "{text}");
        }
        for text in [
            "-1", "1.5", "101%", "-1%", "1e1%", "NaN%", "inf%", "%", "1%%", "",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_what_is_still_allowed() {
        let one_percent = MaxRejects::Percent(1.0);
        assert!(one_percent.allows(1, 100) && !one_percent.allows(2, 100));
        assert!(one_percent.allows(0, 0) && !one_percent.allows(1, 99));
        assert!(MaxRejects::Percent(0.0).allows(0, 5) && !MaxRejects::Percent(0.0).allows(1, 5));
        assert!(MaxRejects::Rows(2).allows(2, 2) && !MaxRejects::Rows(2).allows(3, 1000));
    }
}
