//! JSON as it is written: numbers keep their digits, objects the order of their keys.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// Its digits.
    Number(String),
    Text(String),
    Array(Vec<Self>),
    /// A key can stand several times.
    Object(Vec<(String, Self)>),
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl Json {
    /// The value of a text; an error if it is none.
    pub(crate) fn read(text: &str) -> serde_json::Result<Self> {
        Self::of(serde_json::from_str(text)?)
    }

    fn of(raw: &RawValue) -> serde_json::Result<Self> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text)?;
                let entries = entries.into_iter();
                let entries = entries.map(|(key, value)| Ok((key, Self::of(value)?)));
                Self::Object(entries.collect::<serde_json::Result<_>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let items = items.into_iter().map(Self::of);
                Self::Array(items.collect::<serde_json::Result<_>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    /// The value of a key; the last, if it stands several times.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => {
                let mut entries = entries.iter().rev();
                entries
                    .find(|(name, _)| name == key)
                    .map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The value of a key or of a place, counted from 0.
    pub(crate) fn step(&self, step: &str) -> Option<&Self> {
        match self {
            Self::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => self.get(step),
        }
    }

    /// A key that stands several times in one object.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        match self {
            Self::Object(entries) => {
                let mut seen = std::collections::BTreeSet::new();
                let mut names = entries.iter().map(|(name, _)| name.as_str());
                let found = names.find(|name| !seen.insert(*name));
                found.or_else(|| entries.iter().find_map(|(_, value)| value.duplicate()))
            }
            Self::Array(items) => items.iter().find_map(Self::duplicate),
            _ => None,
        }
    }
}

/// A text in quotes, with what JSON escapes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

impl fmt::Display for Json {
    /// Without blanks.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Number(digits) => formatter.write_str(digits),
            Self::Text(text) => formatter.write_str(&quoted(text)),
            Self::Array(items) => {
                formatter.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(formatter, "{comma}{item}")?;
                }
                formatter.write_str("]")
            }
            Self::Object(entries) => {
                formatter.write_str("{")?;
                for (at, (name, value)) in entries.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(formatter, "{comma}{}:{value}", quoted(name))?;
                }
                formatter.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_keys_stay_as_they_are() {
        let text =
            r#"{"b": 12345678901234567890123, "a": [1.50, 1e3, "x\ny", null, true], "b": {}}"#;
        let read = Json::read(text).unwrap();
        assert_eq!(
            read.to_string(),
            r#"{"b":12345678901234567890123,"a":[1.50,1e3,"x\ny",null,true],"b":{}}"#
        );
        assert_eq!(read.duplicate(), Some("b"));
        assert_eq!(
            read.step("a").and_then(|items| items.step("0")),
            Some(&Json::Number("1.50".into()))
        );
        assert!(Json::read("{a}").is_err());
    }
}
