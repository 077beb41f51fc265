//! Types as people write them, read back: the inverse of [`type_name`](crate::type_name).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::json_field;

/// Deeper types are refused: readers go down one call for each level.
const MAX_DEPTH: usize = 32;
/// What a type may be called.
const NAMES: [&str; 23] = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "decimal(p,s)",
    "utf8",
    "binary",
    "json",
    "date",
    "time",
    "timestamp",
    "timestamp(s|ms|us|ns)",
    "timestamptz",
    "list<..>",
    "struct<name: ..>",
    "map<utf8, ..>",
];
/// What other systems call them.
const OTHER_NAMES: [(&str, &str); 22] = [
    ("int", "int32"),
    ("integer", "int32"),
    ("smallint", "int16"),
    ("bigint", "int64"),
    ("long", "int64"),
    ("float", "float64"),
    ("double", "float64"),
    ("real", "float32"),
    ("numeric", "decimal(18,2)"),
    ("decimal", "decimal(18,2)"),
    ("number", "decimal(18,2)"),
    ("string", "utf8"),
    ("str", "utf8"),
    ("text", "utf8"),
    ("varchar", "utf8"),
    ("boolean", "bool"),
    ("datetime", "timestamp"),
    ("bytes", "binary"),
    ("array", "list<int64>"),
    ("object", "struct<name: utf8>"),
    ("record", "struct<name: utf8>"),
    ("variant", "json"),
];

/// Why a text is no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeError {
    /// What is wrong, in a few words.
    pub message: String,
    /// Where in the text, in bytes from its start.
    pub at: usize,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// What a type may be called, for messages and schemas.
#[must_use]
pub fn type_names() -> &'static [&'static str] {
    &NAMES
}

/// A nullable column of the type that `text` names. [`field_type_name`](crate::field_type_name) gives the text back, with
/// uniform blanks.
///
/// # Errors
/// If the text is no type, with the place in it.
pub fn parse_field(name: &str, text: &str) -> Result<Field, TypeError> {
    let mut parser = Parser { text, at: 0 };
    let field = parser.field(name, 0)?;
    parser.blanks();
    match parser.rest().chars().next() {
        None => Ok(field),
        Some(other) => Err(parser.error(format!("the type ends before `{other}`"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error(&self, message: impl Into<String>) -> TypeError {
        TypeError {
            message: message.into(),
            at: self.at,
            hint: None,
        }
    }

    fn takes(&mut self, mark: char) -> bool {
        self.blanks();
        let taken = self.rest().starts_with(mark);
        if taken {
            self.at += mark.len_utf8();
        }
        taken
    }

    fn expect(&mut self, mark: char) -> Result<(), TypeError> {
        if self.takes(mark) {
            return Ok(());
        }
        Err(self.error(match self.rest().chars().next() {
            Some(other) => format!("expected `{mark}`, found `{other}`"),
            None => format!("expected `{mark}` at the end"),
        }))
    }

    fn word(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let end = rest
            .find(|character: char| !(character.is_alphanumeric() || character == '_'))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn field(&mut self, name: &str, depth: usize) -> Result<Field, TypeError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("the type is nested deeper than {MAX_DEPTH} levels")));
        }
        self.blanks();
        let start = self.at;
        let word = self.word();
        let data_type = match word {
            "json" => return Ok(json_field(name)),
            "bool" => DataType::Boolean,
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "uint8" => DataType::UInt8,
            "uint16" => DataType::UInt16,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            "float32" => DataType::Float32,
            "float64" => DataType::Float64,
            "utf8" => DataType::Utf8,
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "time" => match self.unit()? {
                unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
                unit => DataType::Time64(unit),
            },
            "timestamp" => DataType::Timestamp(self.unit()?, None),
            "timestamptz" => DataType::Timestamp(self.unit()?, Some("UTC".into())),
            "decimal" if self.rest().trim_start().starts_with('(') => self.decimal()?,
            "list" => {
                self.expect('<')?;
                let item = self.field("item", depth + 1)?;
                self.expect('>')?;
                DataType::List(Arc::new(item))
            }
            "struct" => self.members(depth)?,
            "map" => self.map(depth)?,
            _ => {
                self.at = start;
                return Err(self.unknown(word));
            }
        };
        Ok(Field::new(name, data_type, true))
    }

    fn unknown(&self, word: &str) -> TypeError {
        let small = word.to_lowercase();
        let plain = NAMES.iter().find(|name| **name == small);
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == small);
        let hint = plain.or(other.map(|(_, name)| name));
        TypeError {
            message: match word {
                "" => "a type is missing".to_owned(),
                word => format!("`{word}` is not a type"),
            },
            at: self.at,
            hint: hint.map(|name| format!("write `{name}`")),
        }
    }

    fn unit(&mut self) -> Result<TimeUnit, TypeError> {
        if !self.takes('(') {
            return Ok(TimeUnit::Microsecond);
        }
        self.blanks();
        let start = self.at;
        let unit = match self.word() {
            "s" => TimeUnit::Second,
            "ms" => TimeUnit::Millisecond,
            "us" => TimeUnit::Microsecond,
            "ns" => TimeUnit::Nanosecond,
            _ => {
                self.at = start;
                return Err(self.error("expected a unit: `s`, `ms`, `us` or `ns`"));
            }
        };
        self.expect(')')?;
        Ok(unit)
    }

    fn decimal(&mut self) -> Result<DataType, TypeError> {
        self.expect('(')?;
        let start = self.at;
        let precision = self.word().parse::<u8>().ok();
        self.expect(',')?;
        let scale = self.word().parse::<i8>().ok();
        self.expect(')')?;
        match (precision, scale) {
            (Some(precision @ 1..=38), Some(scale)) if scale <= precision.cast_signed() => {
                Ok(DataType::Decimal128(precision, scale))
            }
            _ => Err(TypeError {
                message: "a decimal has 1 to 38 digits, and no more after the point".to_owned(),
                at: start,
                hint: Some(
                    "write `decimal(10,2)`: at most 38 digits, 2 of the 10 after the point"
                        .to_owned(),
                ),
            }),
        }
    }

    fn members(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.expect('<')?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            self.blanks();
            let start = self.at;
            let name = self.name()?;
            if fields.iter().any(|field| *field.name() == name) {
                self.at = start;
                return Err(self.error(format!("`{name}` is declared twice")));
            }
            self.expect(':')?;
            fields.push(self.field(&name, depth + 1)?);
            if !self.takes(',') {
                break;
            }
        }
        self.expect('>')?;
        Ok(DataType::Struct(fields.into()))
    }

    /// The name of a member: a word, or any text in `"`, with `""` for the mark itself.
    fn name(&mut self) -> Result<String, TypeError> {
        if !self.takes('"') {
            let word = self.word();
            return if word.is_empty() {
                Err(TypeError {
                    hint: Some(
                        "write `struct<name: int64>`; quote other names: `struct<\"a b\": int64>`"
                            .to_owned(),
                    ),
                    ..self.error("expected the name of a field")
                })
            } else {
                Ok(word.to_owned())
            };
        }
        let mut name = String::new();
        let mut characters = self.rest().char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character != '"' {
                name.push(character);
            } else if characters.next_if(|(_, next)| *next == '"').is_some() {
                name.push('"');
            } else {
                self.at += at + 1;
                return Ok(name);
            }
        }
        Err(self.error("the quoted name never ends"))
    }

    fn map(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.expect('<')?;
        self.blanks();
        let start = self.at;
        let key = self.field("key", depth + 1)?.with_nullable(false);
        if key.data_type().is_nested() || key != Field::new("key", key.data_type().clone(), false) {
            self.at = start;
            return Err(self.error("the keys of a map cannot be of this type"));
        }
        self.expect(',')?;
        let value = self.field("value", depth + 1)?;
        self.expect('>')?;
        let entries = DataType::Struct(vec![key, value].into());
        Ok(DataType::Map(
            Arc::new(Field::new("entries", entries, false)),
            false,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field_type_name;

    #[test]
    fn a_type_is_read_as_it_is_named() {
        for (text, name) in [
            ("int64", "int64"),
            ("uint8", "uint8"),
            (" float32 ", "float32"),
            ("decimal( 10, 2 )", "decimal(10,2)"),
            ("timestamp", "timestamp"),
            ("timestamp(us)", "timestamp"),
            ("timestamp(ns)", "timestamp(ns)"),
            ("timestamptz", "timestamptz"),
            ("timestamptz(ms)", "timestamptz(ms)"),
            ("time", "time"),
            ("time(s)", "time(s)"),
            ("json", "json"),
            ("list<json>", "list<json>"),
            (
                "struct<a:int64,b:list<utf8>>",
                "struct<a: int64, b: list<utf8>>",
            ),
            (
                "struct<\"a \"\"b\": date, c_1: json>",
                "struct<\"a \"\"b\": date, c_1: json>",
            ),
            ("map<utf8,struct<x: bool>>", "map<utf8, struct<x: bool>>"),
            ("list<list<list<binary>>>", "list<list<list<binary>>>"),
        ] {
            let field = parse_field("c", text).unwrap();
            assert_eq!(field_type_name(&field), name);
            assert_eq!(parse_field("c", name).unwrap(), field);
        }
    }

    #[test]
    fn a_mistake_has_its_place_in_the_text() {
        for (text, at, message) in [
            ("", 0, "a type is missing"),
            ("int", 0, "`int` is not a type"),
            ("list<strin>", 5, "`strin` is not a type"),
            ("list<int64", 10, "expected `>` at the end"),
            ("list", 4, "expected `<` at the end"),
            ("struct<>", 7, "expected the name of a field"),
            ("struct<a int64>", 9, "expected `:`, found `i`"),
            ("struct<a: int64, a: utf8>", 17, "`a` is declared twice"),
            (
                "timestamp(h)",
                10,
                "expected a unit: `s`, `ms`, `us` or `ns`",
            ),
            ("int64 int64", 6, "the type ends before `i`"),
            (
                "map<list<int64>, utf8>",
                4,
                "the keys of a map cannot be of this type",
            ),
            (
                "decimal(39,2)",
                8,
                "a decimal has 1 to 38 digits, and no more after the point",
            ),
        ] {
            let error = parse_field("c", text).unwrap_err();
            assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
        }
        assert_eq!(
            parse_field("c", "list<STRING>").unwrap_err().hint.unwrap(),
            "write `utf8`"
        );
        let deep = "list<".repeat(100_000);
        assert!(
            parse_field("c", &deep)
                .unwrap_err()
                .message
                .contains("nested deeper")
        );
    }
}
