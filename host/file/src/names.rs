//! What the things of a pipeline may be called.
//!
//! Names are used in SQL, in options of the command line and in paths. So they are identifiers that SQL takes without
//! quotes, and in small letters, since SQL does not tell `Clean` and `clean` apart.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::node::Node;
use super::problem::{Problem, Span};
use super::reader::{Read, Reader};

/// What a name must look like, as a regular expression.
pub(crate) const NAME_PATTERN: &str = "^[a-z_][a-z0-9_]*$";

/// Whether `name` can be written in SQL without quotes and means the same there.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Reports a name that is no identifier, and says which one would be near to it.
pub(crate) fn check_name(reader: &mut Reader<'_>, name: &str, span: Span) {
    if is_name(name) {
        return;
    }
    let mut near: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    if !near.starts_with(|first: char| first.is_ascii_lowercase()) {
        near.insert(0, '_');
    }
    let problem = Problem::new(format!("`{name}` is not a name"))
        .at(reader.place(span))
        .with_label("allowed: small letters, digits and `_`, no digit first")
        .with_hint(format!("write `{near}`"));
    reader.report(problem);
}

/// A text that must be a name.
#[derive(Debug, Clone)]
pub(crate) struct NameText(pub(crate) String);

impl Read for NameText {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let name = String::read(reader, node)?;
        check_name(reader, &name, node.span);
        Some(Self(name))
    }
}

impl JsonSchema for NameText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": NAME_PATTERN })
    }
}
