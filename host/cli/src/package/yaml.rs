//! YAML with comments, which the libraries do not write: the key `#` of an object is a comment before it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The key of a comment.
const COMMENT: &str = "#";

/// A document.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

/// A value below a key or a dash, at this depth.
fn block(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) => object(text, fields, depth),
        Value::Array(items) => {
            for item in items {
                if let Some(comment) = item.get(COMMENT) {
                    line(text, depth, &format!("# {}", plain(comment)));
                }
                let mut inner = String::new();
                match inline(item) {
                    Some(scalar) => line(text, depth, &format!("- {scalar}")),
                    None => {
                        match item {
                            Value::Object(fields) => {
                                let fields = fields.iter().filter(|(name, _)| *name != COMMENT);
                                let fields =
                                    fields.map(|(name, value)| (name.clone(), value.clone()));
                                object(&mut inner, &fields.collect(), depth + 1);
                            }
                            item => block(&mut inner, item, depth + 1),
                        }
                        // The dash takes the place of two blanks.
                        let at = 2 * depth;
                        inner.replace_range(at..at + 2, "- ");
                        text.push_str(&inner);
                    }
                }
            }
        }
        scalar => line(text, depth, &scalar.to_string()),
    }
}

fn object(text: &mut String, fields: &Map<String, Value>, depth: usize) {
    if let Some(comment) = fields.get(COMMENT) {
        line(text, depth, &format!("# {}", plain(comment)));
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != COMMENT) {
        match inline(value) {
            Some(scalar) => line(text, depth, &format!("{}: {scalar}", key(name))),
            None => {
                line(text, depth, &format!("{}:", key(name)));
                block(text, value, depth + 1);
            }
        }
    }
}

/// A value that fits behind its key. Strings of JSON are strings of YAML.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => None,
        Value::Array(items) if !items.is_empty() => None,
        value => Some(value.to_string()),
    }
}

fn key(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins = name
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_uppercase());
    let is_plain = |letter: char| is_plain(letter) || matches!(letter, ':' | '-' | '.');
    match begins && name.chars().all(is_plain) && !name.ends_with(':') {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}

fn plain(comment: &Value) -> String {
    let text = comment.as_str().unwrap_or_default();
    text.replace(|letter: char| letter.is_control(), " ")
}

fn line(text: &mut String, depth: usize, content: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:width$}{content}", "", width = 2 * depth);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_stand_before_what_they_are_about() {
        let value = json!({
            "Fn::Sub": "a: \"b\"",
            "List": [1, "x", { "#": "why", "Key": [], "Other": { "A": true } }, ["y"]],
            "None": null,
        });
        let text = document(&value);
        assert_eq!(
            text,
            "\
Fn::Sub: \"a: \\\"b\\\"\"
List:
  - 1
  - \"x\"
  # why
  - Key: []
    Other:
      A: true
  - - \"y\"
None: null
"
        );
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read["List"][2]["Other"]["A"], true);
    }
}
