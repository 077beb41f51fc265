//! What can be wrong with a line, and the words for it.

use std::{borrow::Cow, collections::HashMap, fmt};

use arrow::datatypes::{DataType, FieldRef};
use serde_json::value::RawValue;
use transom_sql::{
    field_type_name,
    text::{self, Origin, Reason},
};

use super::leaf::Misfit;
use crate::source::{FileSource, SourceError, inputs::Input, shown};

/// Why a line is not a row.
#[derive(Debug)]
pub(super) struct Refused {
    /// From the outermost key to the value.
    pub(super) path: Vec<Step>,
    pub(super) problem: Problem,
}

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug)]
pub(super) enum Problem {
    /// The line is not JSON.
    Syntax(serde_json::Error),
    /// The line is JSON, but not an object.
    NotObject,
    /// A key that no column has.
    Unknown { near: Option<String> },
    /// A key that is a partition of the file's path.
    InPath,
    /// A key that the same object has before.
    Duplicate,
    /// A value that its column does not hold.
    Value { misfit: Misfit, field: FieldRef },
}

/// `user.tags[2].name`; names that are not plain are in quotes.
pub(super) struct Path<'a>(pub(super) &'a [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(name) => {
                    let dot = if at > 0 { "." } else { "" };
                    let odd = |character: char| {
                        character.is_control()
                            || character.is_whitespace()
                            || ".[]\"`".contains(character)
                    };
                    if name.is_empty() || name.contains(odd) {
                        write!(formatter, "{dot}{name:?}")?;
                    } else {
                        write!(formatter, "{dot}{name}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Refused {
    /// The error of a source. `text` is the line, which is the `line`th of its file.
    pub(super) fn at(
        self,
        source: &FileSource,
        found: &Input,
        line: u64,
        text: &str,
    ) -> SourceError {
        let Self { path, problem } = self;
        let column = Path(&path).to_string();
        let (message, hint, cause) = match problem {
            Problem::Syntax(error) => {
                let at = text
                    .char_indices()
                    .take_while(|(at, _)| *at < error.column());
                let position = at.count().max(1);
                let key = match path.as_slice() {
                    [] => String::new(),
                    _ => format!(", at the key `{column}`"),
                };
                let message = format!(", character {position} is not valid JSON{key}");
                (message, syntax_hint(text, position), Some(error))
            }
            Problem::NotObject => {
                let message = format!(" is not a JSON object: {}", shown(text.trim()));
                (message, Some(ONE_OBJECT.to_owned()), None)
            }
            Problem::Unknown { near } => {
                let near = near.map(|near| format!("did you mean `{near}`? otherwise "));
                let hint = format!(
                    "{}lock again with more rows (`transom lock --sample all`), declare `{column}` in `columns`, or \
                     leave such keys out with `unknown: warn` or `unknown: ignore`",
                    near.unwrap_or_default()
                );
                (format!(" has the unknown key `{column}`"), Some(hint), None)
            }
            Problem::InPath => {
                let hint = format!(
                    "take the key out of the files, or move them to folders that are not named `{column}=...`; with `unknown: ignore` the value of the folder counts"
                );
                let message = format!(" has the key `{column}`, which is a partition of its path");
                (message, Some(hint), None)
            }
            Problem::Duplicate => {
                let hint = "a key can have one value only: rename or remove one of them";
                (
                    format!(" has the key `{column}` twice in one object"),
                    Some(hint.to_owned()),
                    None,
                )
            }
            Problem::Value { misfit, field } => {
                let value = value_at(text, &path);
                let held = match (misfit, value) {
                    (Misfit::Missing, _) => "no value".to_owned(),
                    (_, None) => "a value".to_owned(),
                    (_, Some(value)) => shown(value),
                };
                let expected = field_type_name(&field);
                let detail = match misfit {
                    Misfit::Text(reason) => reason.detail().map(|detail| format!(": {detail}")),
                    Misfit::TooLong => Some(": it has too many items".to_owned()),
                    Misfit::Surrogate => Some(": it holds half of a character".to_owned()),
                    Misfit::Kind | Misfit::Missing => None,
                };
                let message = format!(
                    ": column `{column}` holds {held}, expected {expected}{}",
                    detail.unwrap_or_default()
                );
                (message, value_hint(misfit, &field, &path, value), None)
            }
        };
        SourceError::JsonLine {
            name: source.name.clone(),
            path: found.path.clone(),
            line,
            message: message.into(),
            hint: hint.map(Into::into),
            source: cause,
        }
    }
}

const ONE_OBJECT: &str = "each line of a JSON source is one whole object";

fn syntax_hint(text: &str, position: usize) -> Option<String> {
    let rest: String = text
        .chars()
        .skip(position.saturating_sub(1))
        .take(9)
        .collect();
    let words = [
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "inf",
        "None",
        "True",
        "False",
    ];
    let around: String = text
        .chars()
        .skip(position.saturating_sub(10))
        .take(20)
        .collect();
    let word = words
        .iter()
        .find(|word| rest.starts_with(**word) || around.contains(**word));
    Some(match word {
        Some(word) => format!("JSON has no `{word}`: write `null`, or a text"),
        None => ONE_OBJECT.to_owned(),
    })
}

fn value_hint(
    misfit: Misfit,
    field: &FieldRef,
    path: &[Step],
    value: Option<&str>,
) -> Option<String> {
    let column = match path.first() {
        Some(Step::Key(name)) => name.as_str(),
        _ => return None,
    };
    let nested = path.len() > 1;
    let declare = |name: &str| {
        if nested {
            format!(
                "declare the type of `{}` within column `{column}` as `{name}`",
                Path(path)
            )
        } else {
            format!("declare column `{column}` as `{name}`")
        }
    };
    let value = value.unwrap_or_default();
    let is_container = value.starts_with(['{', '[']);
    let is_number = value.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    Some(match (misfit, field.data_type()) {
        (Misfit::Missing, _) => return None,
        (Misfit::Kind, DataType::Timestamp(..) | DataType::Date32) if is_number => format!(
            "{}, and convert it in SQL: `to_timestamp_millis({column})` or `to_timestamp_seconds({column})`, as the number is meant",
            declare("int64")
        ),
        (Misfit::Kind, _) if is_container || field.data_type().is_nested() => format!(
            "{}: the text of whatever is there",
            if nested {
                format!("declare column `{column}` as `json`")
            } else {
                declare("json")
            }
        ),
        (Misfit::Kind, _) => format!(
            "fix the file, or {}, or as `json`: the text of whatever is there",
            declare("utf8")
        ),
        (Misfit::Text(Reason::Fraction), _) => match Reason::Fraction.fitting(value) {
            "utf8" => format!("{}, which keeps all digits", declare("utf8")),
            fitting => format!("{}, or as `utf8`", declare(fitting)),
        },
        // The column is inferred: a declared one takes the nearest float.
        (Misfit::Text(Reason::Digits), DataType::Float64)
            if text::float64(value, Origin::Declared).is_ok() =>
        {
            format!(
                "{}, which takes the nearest float, or as `utf8` or a decimal, which keep all digits",
                declare("float64")
            )
        }
        (Misfit::Text(Reason::Digits | Reason::Range), DataType::Float64 | DataType::Float32) => {
            format!(
                "{}, which keeps all digits, or as a decimal",
                declare("utf8")
            )
        }
        (Misfit::Text(Reason::Range), _) => {
            format!("{}, which keeps all digits", declare("utf8"))
        }
        (Misfit::Text(Reason::Scale | Reason::Precision), _) => {
            format!("{}, or as a decimal with more digits", declare("utf8"))
        }
        (Misfit::Text(reason), _) => format!(
            "fix the file, or {}",
            declare(reason.fitting(value.trim_matches('"')))
        ),
        (Misfit::Surrogate, _) => {
            "fix the file: a `\\ud...` escape needs its second half".to_owned()
        }
        (Misfit::TooLong, _) => declare("json"),
    })
}

/// The text of the value that a path leads to; of keys that come twice, the last.
fn value_at<'a>(line: &'a str, path: &[Step]) -> Option<&'a str> {
    let mut value = line;
    for step in path {
        let found: Option<&RawValue> = match step {
            Step::Key(name) => serde_json::from_str::<HashMap<Cow<'a, str>, &RawValue>>(value)
                .ok()?
                .remove(name.as_str()),
            Step::Index(index) => serde_json::from_str::<Vec<&RawValue>>(value)
                .ok()?
                .get(*index)
                .copied(),
        };
        value = found?.get();
    }
    Some(value)
}
