//! JSON as it is written: numbers keep their digits, objects the order of their keys.

use std::fmt;

use serde::de::Error as _;
use serde_json::value::RawValue;

/// How deep arrays and objects of a SUPER value are nested at most.
const MOST_LEVELS: usize = 1_000;

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

/// Why a text is no value.
#[derive(Debug)]
pub(crate) enum Fault {
    Invalid(serde_json::Error),
    TooDeep,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => write!(formatter, "{error}"),
            Self::TooDeep => write!(formatter, "it has more than {MOST_LEVELS} levels"),
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Invalid(error)
    }
}

/// An array or object whose end was not read yet.
enum Open {
    Array(Vec<Json>),
    /// Its entries, and the key whose value comes next.
    Object(Vec<(String, Json)>, Option<String>),
}

/// Bytes of the string that a text begins with.
fn string_length(text: &str) -> usize {
    let mut at = 1;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

impl Json {
    /// The value of a text; an error if it is none.
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        // What is read afterwards is known to be JSON: what separates values says nothing more.
        let mut rest = serde_json::from_str::<&RawValue>(text)?.get();
        let mut open: Vec<Open> = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
            let (length, value) = match rest.as_bytes().first() {
                Some(b'{' | b'[') if open.len() == MOST_LEVELS => return Err(Fault::TooDeep),
                Some(bracket @ (b'{' | b'[')) => {
                    open.push(match bracket {
                        b'{' => Open::Object(Vec::new(), None),
                        _ => Open::Array(Vec::new()),
                    });
                    rest = &rest[1..];
                    continue;
                }
                Some(b'}' | b']') => match open.pop() {
                    Some(Open::Array(items)) => (1, Self::Array(items)),
                    Some(Open::Object(entries, _)) => (1, Self::Object(entries)),
                    None => return Err(ended()),
                },
                Some(b'"') => {
                    let length = string_length(rest);
                    let text: String = serde_json::from_str(&rest[..length])?;
                    if let Some(Open::Object(_, key @ None)) = open.last_mut() {
                        *key = Some(text);
                        rest = &rest[length..];
                        continue;
                    }
                    (length, Self::Text(text))
                }
                Some(_) => {
                    let ends = [' ', '\t', '\n', '\r', ',', ']', '}'];
                    let length = rest.find(ends).unwrap_or(rest.len());
                    let value = match &rest[..length] {
                        "null" => Self::Null,
                        word @ ("true" | "false") => Self::Bool(word == "true"),
                        digits => Self::Number(digits.to_owned()),
                    };
                    (length, value)
                }
                None => return Err(ended()),
            };
            rest = &rest[length..];
            match open.last_mut() {
                Some(Open::Array(items)) => items.push(value),
                Some(Open::Object(entries, key)) => {
                    entries.push((key.take().unwrap_or_default(), value));
                }
                None => return Ok(value),
            }
        }
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

/// What cannot be: the text was read once before.
fn ended() -> Fault {
    Fault::Invalid(serde_json::Error::custom("a value ends too early"))
}

/// A text in quotes, with what JSON escapes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

impl Json {
    fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(true) => text.push_str("true"),
            Self::Bool(false) => text.push_str("false"),
            Self::Number(digits) => text.push_str(digits),
            Self::Text(value) => text.push_str(&quoted(value)),
            Self::Array(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(entries) => {
                text.push('{');
                for (at, (name, value)) in entries.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    text.push_str(&quoted(name));
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

impl fmt::Display for Json {
    /// Without blanks.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        formatter.write_str(&text)
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

    #[test]
    fn values_are_found_whatever_is_around_them() {
        for (text, compact) in [
            (" [ ] ", "[]"),
            ("{ }", "{}"),
            ("\t-1.5E+3\n", "-1.5E+3"),
            ("[[],[{}],{\"a\":[]}]", "[[],[{}],{\"a\":[]}]"),
            ("[ true ,false\r\n, null]", "[true,false,null]"),
            (
                r#"{"\\" : "}]\"," , ",:" : "\\"}"#,
                r#"{"\\":"}]\",",",:":"\\"}"#,
            ),
            (r#"["\u00e9", "é"]"#, r#"["é","é"]"#),
        ] {
            assert_eq!(Json::read(text).unwrap().to_string(), compact, "{text}");
        }
        for text in ["", " ", "[", "[1,]", "{\"a\"}", "[1}", "1 2", "\"\\ud800\""] {
            assert!(matches!(Json::read(text), Err(Fault::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn levels_are_bounded() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let most = nested(MOST_LEVELS);
        assert_eq!(Json::read(&most).unwrap().to_string(), most);
        // Each level read again from its beginning would take minutes.
        for levels in [MOST_LEVELS + 1, 1_000_000] {
            assert!(matches!(Json::read(&nested(levels)), Err(Fault::TooDeep)));
        }
    }
}
