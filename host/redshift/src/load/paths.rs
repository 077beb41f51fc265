//! Files of JSON paths: which value of an object goes into which column.

use serde_json::{Map, Value as Document, from_slice, from_value};

use super::{Objects, source};
use crate::error::{self, Error, Result};
use crate::types::json::Json;

/// What a row is refused with when a path needs an object.
pub(super) const NO_OBJECT: &str = "Invalid JSONPath format. Member is not an object.";
/// What a row is refused with when a path needs an array, or a longer one.
const NO_PLACE: &str = "Invalid JSONPath format: Not an array or index out of range.";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Place(usize),
}

/// How the names of a path are written: `.name` or `['name']`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Dots,
    Brackets,
}

/// The way from a row to the value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// The value of a row; `None` for a name that the row does not have.
    pub(super) fn find<'a>(&self, row: &'a Json) -> Result<Option<&'a Json>, &'static str> {
        if matches!(row, Json::Array(_)) && matches!(self.0.first(), Some(Step::Name(_))) {
            return Err(NO_OBJECT);
        }
        let mut value = row;
        for step in &self.0 {
            let found = match (step, value) {
                (Step::Name(name), _) => value.get(name),
                (Step::Place(place), Json::Array(items)) => {
                    Some(items.get(*place).ok_or(NO_PLACE)?)
                }
                (Step::Place(_), _) => return Err(NO_PLACE),
            };
            let Some(found) = found else {
                return Ok(None);
            };
            value = found;
        }
        Ok(Some(value))
    }
}

/// The paths of a file, `{"jsonpaths": ["$['a']", "$['b'][0]"]}`; `None` if it has another key, which Redshift passes over.
pub(super) async fn read(url: &str, objects: &dyn Objects) -> Result<Option<Vec<Path>>> {
    let invalid = |why: &dyn std::fmt::Display| Error::new(&error::COPY_MANIFEST, &[&url, why]);
    let (bucket, key) = source::address(url)?;
    let text = objects.get(bucket, key).await;
    let text = text.map_err(|error| invalid(&error))?;
    let mut file: Map<String, Document> = from_slice(&text).map_err(|error| invalid(&error))?;
    let Some(written) = file.remove("jsonpaths") else {
        return Ok(None);
    };
    let written: Vec<String> = from_value(written).map_err(|error| invalid(&error))?;
    let mut notations = Vec::new();
    let mut paths = Vec::new();
    for path in &written {
        let is_none = || invalid(&format_args!("{path:?} is no path"));
        paths.push(parsed(path, &mut notations).ok_or_else(is_none)?);
    }
    match notations.iter().any(|notation| *notation != notations[0]) {
        true => Err(invalid(&"paths have names behind dots and in brackets")
            .hint("write all as \"$.a.b\", or all as \"$['a']['b']\"")),
        false => Ok(Some(paths)),
    }
}

/// The steps of a path. Wildcards, filters and recursion are not part of Redshift's.
fn parsed(path: &str, notations: &mut Vec<Notation>) -> Option<Path> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
            if name.is_empty() || name.contains(['\'', ']', '*']) {
                return None;
            }
            notations.push(Notation::Dots);
            (Step::Name(name.to_owned()), after)
        } else {
            let inner = rest.strip_prefix('[')?;
            match inner.chars().next()? {
                quote @ ('\'' | '"') => {
                    let (name, after) = inner[1..].split_once(&format!("{quote}]"))?;
                    notations.push(Notation::Brackets);
                    (Step::Name(name.to_owned()), after)
                }
                _ => {
                    let (digits, after) = inner.split_once(']')?;
                    let is_place = digits.bytes().all(|digit| digit.is_ascii_digit());
                    let place = digits.parse::<usize>().ok().filter(|_| is_place)?;
                    (Step::Place(place), after)
                }
            }
        };
        steps.push(step);
        rest = after;
    }
    Some(Path(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<Path> {
        parsed(text, &mut Vec::new())
    }

    #[test]
    fn a_path_has_names_and_places() {
        let name = |name: &str| Step::Name(name.to_owned());
        let paths = [
            ("$", vec![]),
            ("$.a.b", vec![name("a"), name("b")]),
            ("$.a[0].b", vec![name("a"), Step::Place(0), name("b")]),
            (
                "$['a.b']['c[0]'][12]",
                vec![name("a.b"), name("c[0]"), Step::Place(12)],
            ),
            ("$[\"a\"]", vec![name("a")]),
            ("$[1]", vec![Step::Place(1)]),
        ];
        for (text, steps) in paths {
            assert_eq!(path(text), Some(Path(steps)), "{text}");
        }
        let wrong = [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$.*",
            "$[*]",
            "$[]",
            "$[a]",
            "$[-1]",
            "$[+1]",
            "$['a'",
            "$['a'x",
            "$.a'b",
            "$.a]",
            "$[?(@.a)]",
        ];
        for text in wrong {
            assert_eq!(path(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_in_a_row_is_null_or_an_error() {
        let row = Json::read(r#"{"a": {"b": [1, null]}, "a.b": 2, "n": null}"#).unwrap();
        let found = |text| {
            let path = path(text).unwrap();
            path.find(&row).map(|value| value.map(ToString::to_string))
        };
        assert_eq!(found("$['a.b']"), Ok(Some("2".to_owned())));
        assert_eq!(found("$.a.b[1]"), Ok(Some("null".to_owned())));
        assert_eq!(found("$.a.c.d"), Ok(None));
        assert_eq!(found("$.x[0]"), Ok(None));
        assert_eq!(found("$.a.b[2]"), Err(NO_PLACE));
        assert_eq!(found("$.a[0]"), Err(NO_PLACE));
        assert_eq!(found("$.n[0]"), Err(NO_PLACE));
        assert_eq!(found("$[0]"), Err(NO_PLACE));
        let array = Json::read("[1]").unwrap();
        assert_eq!(
            path("$[0]").unwrap().find(&array),
            Ok(Some(&Json::Number("1".into())))
        );
        assert_eq!(path("$.a").unwrap().find(&array), Err(NO_OBJECT));
    }
}
