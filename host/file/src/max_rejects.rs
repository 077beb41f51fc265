//! How many rows a step may reject before the run fails: `100`, or `1%` of the rows that it is given.

use std::cmp::Ordering;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::node::{Node, Yaml};
use super::problem::Problem;
use super::reader::{Read, Reader};

/// How many rows a step may reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxRejects {
    /// So many.
    Rows(u64),
    /// So many of a hundred that it is given.
    Percent(Percent),
}

impl MaxRejects {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => Percent::parse(percent.trim_end()).map(Self::Percent),
            None => text.parse().ok().map(Self::Rows),
        }
    }

    /// Whether a step may reject `rejected` of `given` rows.
    #[must_use]
    pub fn allows(self, rejected: u64, given: u64) -> bool {
        match self {
            Self::Rows(rows) => rejected <= rows,
            Self::Percent(percent) => percent.allows(rejected, given),
        }
    }
}

/// A percentage from 0 to 100 as it is written, in decimal: a fraction of two would miss runs that are exactly at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent {
    /// The number without its point, and without zeros at the end of its decimals.
    digits: u64,
    /// How many of the digits are decimals.
    decimals: u32,
}

impl Percent {
    /// The most decimals with which 100 fits into 64 bits. Further ones say nothing of fewer than 10^17 rows, and are cut off.
    const DECIMALS: u32 = 17;

    fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let mut bytes = whole.bytes().chain(decimals.bytes()).peekable();
        if bytes.peek().is_none() || !bytes.all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let decimals = &decimals[..decimals.len().min(Self::DECIMALS as usize)];
        let digits = format!("{whole}{decimals}").parse().ok()?;
        let percent = Self::new(digits, decimals.len() as u32);
        (percent <= Self::new(100, 0)).then_some(percent)
    }

    fn new(mut digits: u64, mut decimals: u32) -> Self {
        while decimals > 0 && digits.is_multiple_of(10) {
            digits /= 10;
            decimals -= 1;
        }
        Self { digits, decimals }
    }

    /// How much `part` is of `whole`, which is more than `limit`: with two decimals, or as many as it takes to see that.
    pub fn share(part: u64, whole: u64, limit: Self) -> Self {
        let exact = u128::from(part) * 200;
        let whole = u128::from(whole.max(1));
        let rounded = |decimals| {
            let digits = (exact * 10_u128.pow(decimals) + whole) / (2 * whole);
            Self::new(digits as u64, decimals)
        };
        let mut shares = (2..Self::DECIMALS).map(rounded);
        shares
            .find(|share| *share > limit)
            .unwrap_or(rounded(Self::DECIMALS))
    }

    fn allows(self, part: u64, whole: u64) -> bool {
        let scale = 10_u128.pow(self.decimals);
        u128::from(part) * 100 * scale <= u128::from(self.digits) * u128::from(whole)
    }
}

impl Ord for Percent {
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |one: &Self, by: &Self| u128::from(one.digits) * 10_u128.pow(by.decimals);
        scaled(self, other).cmp(&scaled(other, self))
    }
}

impl PartialOrd for Percent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As it is written.
impl fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Percent(percent) => write!(f, "{percent}"),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u64.pow(self.decimals);
        let (whole, rest) = (self.digits / scale, self.digits % scale);
        match self.decimals as usize {
            0 => write!(f, "{whole}%"),
            decimals => write!(f, "{whole}.{rest:0decimals$}%"),
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
    use super::{MaxRejects, Percent};

    #[test]
    fn a_limit_is_a_number_of_rows_or_a_percentage() {
        let parsed = |text| MaxRejects::parse(text).map(|limit| limit.to_string());
        for (text, limit) in [
            ("100", "100"),
            ("0", "0"),
            ("1%", "1%"),
            ("0.50 %", "0.5%"),
            (".05%", "0.05%"),
            ("100.0%", "100%"),
            ("00.%", "0%"),
            ("33.3333333333333333333%", "33.33333333333333333%"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(limit), "{text}");
        }
        for text in [
            "-1", "1.5", "101%", "100.01%", "-1%", "+1%", "1e1%", "NaN%", "inf%", "%", ".%", "1%%",
            "1.2.3%", "",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_what_is_still_allowed() {
        let limit = |text| MaxRejects::parse(text).unwrap();
        let one_percent = limit("1%");
        assert!(one_percent.allows(1, 100) && !one_percent.allows(2, 100));
        assert!(one_percent.allows(0, 0) && !one_percent.allows(1, 99));
        assert!(limit("0%").allows(0, 5) && !limit("0%").allows(1, 5));
        assert!(limit("2").allows(2, 2) && !limit("2").allows(3, 1000));
        // Products of fractions of two are off by a little here.
        assert!(limit("0.57%").allows(57, 10_000) && !limit("0.57%").allows(58, 10_000));
        assert!(limit("0.7%").allows(77, 11_000) && !limit("0.7%").allows(78, 11_000));
        assert!(limit("100%").allows(u64::MAX, u64::MAX));
    }

    #[test]
    fn a_share_beyond_the_limit_never_looks_like_the_limit() {
        let share = |rejected, given, limit| {
            let limit = Percent::parse(limit).unwrap();
            Percent::share(rejected, given, limit).to_string()
        };
        assert_eq!(share(3, 6, "40"), "50%");
        assert_eq!(share(2, 3, "40"), "66.67%");
        assert_eq!(share(1_001, 100_000, "1"), "1.001%");
        assert_eq!(share(100_000_001, 10_000_000_000, "1"), "1.00000001%");
        assert_eq!(share(1, 100_000, "0"), "0.001%");
        assert_eq!(share(1, 3_000_000_000_000, "0"), "0.00000000003%");
    }
}
