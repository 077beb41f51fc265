//! The options of a transform: any YAML that JSON can hold, too.
//!
//! Only the plugin knows which options there are, and it reads JSON; what is wrong with them can still be shown where it
//! is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::node::{Node, Yaml};
use super::problem::Span;
use super::reader::{Read, Reader};
use super::value::float;

/// The options of a transform as JSON, and where each of them is written.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) values: Map<String, Value>,
    pub(crate) spans: BTreeMap<String, Span>,
}

impl Read for Options {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut options = Self {
            values: Map::new(),
            spans: BTreeMap::new(),
        };
        for (key, node) in reader.map(node)? {
            if let Some(Json(value)) = reader.value(key, node) {
                options.values.insert(key.name.clone(), value);
                options.spans.insert(key.name.clone(), key.span);
            }
        }
        Some(options)
    }
}

impl JsonSchema for Options {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Options".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// Any value that JSON can hold too.
struct Json(Value);

impl Read for Json {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let value = match &node.value {
            Yaml::Null(_) => Some(Value::Null),
            Yaml::Bool(value, _) => Some(Value::Bool(*value)),
            Yaml::Int(text) => {
                let signed = text.parse::<i64>().map(Value::from);
                signed
                    .or_else(|_| text.parse::<u64>().map(Value::from))
                    .ok()
            }
            Yaml::Float(_, text) => float(text).map(Value::from),
            Yaml::Text(text, _) => Some(Value::String(text.clone())),
            Yaml::List(_) => {
                let items: Vec<Self> = Vec::read(reader, node)?;
                Some(Value::Array(
                    items.into_iter().map(|Self(item)| item).collect(),
                ))
            }
            Yaml::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    let Self(value) = reader.value(key, node)?;
                    map.insert(key.name.clone(), value);
                }
                Some(Value::Object(map))
            }
        };
        if value.is_none() {
            let message = format!("{} cannot hold {}", reader.here(), node.value.kind());
            reader.refuse(
                node,
                message,
                "allowed: finite numbers, whole ones of 64 bits",
            );
        }
        value.map(Self)
    }
}
