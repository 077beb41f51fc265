//! The JSON Schema of `transom.yaml`, for editors: derived from `model`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::model::PipelineFile;

/// The JSON Schema (draft 2020-12) of a pipeline's file.
#[must_use]
pub fn json_schema() -> Value {
    schema_of::<PipelineFile>()
}

/// The JSON Schema of a file that is read as `T`.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(NoNulls);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Takes `null` from the types of keys that may be missing: a key is left out, it is not set to nothing.
#[derive(Clone)]
struct NoNulls;

impl Transform for NoNulls {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            for property in properties.values_mut() {
                without_null(property);
            }
        }
        transform_subschemas(self, schema);
    }
}

fn without_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = property.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        property.remove("anyOf");
        property.extend(only);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::JsonSchema;
    use serde_json::Value;

    use super::json_schema;
    use crate::checks::{
        AcceptedValuesEntry, CheckEntry, RelationshipsEntry, RowCountEntry, Severity,
    };
    use crate::model::*;
    use crate::node::{Key, Node, Yaml};
    use crate::parts::{IncrementalEntry, OrderEntry};
    use crate::problem::{Problem, Source, Span};
    use crate::reader::{Read, Reader, Word};
    use crate::spec::{
        Compression, FormatName, LoadMode, OnChange, OnMissing, SchemaChange, Unknown,
    };

    const STRANGE: &str = "strange-key";

    /// What is reported for a map whose only key is unknown.
    fn problems_of_strange_map<T: Read>() -> Vec<Problem> {
        let source = Source::new("transom.yaml".as_ref(), STRANGE);
        let mut reader = Reader::new(&source);
        let key = Key {
            name: STRANGE.to_owned(),
            span: Span::default(),
        };
        let value = Node {
            value: Yaml::Bool(true, "true".to_owned()),
            span: Span::default(),
        };
        let map = Node {
            value: Yaml::Map(vec![(key, value)]),
            span: Span::default(),
        };
        T::read(&mut reader, &map);
        reader.problems
    }

    fn words_in_backticks(text: &str) -> BTreeSet<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    /// The keys that the reader allows, and those that it misses when they are not there.
    fn keys_of_reader<T: Read>() -> (BTreeSet<String>, BTreeSet<String>) {
        let problems = problems_of_strange_map::<T>();
        let unknown = problems
            .iter()
            .find(|problem| {
                problem
                    .message
                    .starts_with(&format!("unknown key `{STRANGE}`"))
            })
            .expect("the strange key is refused");
        let required = problems
            .iter()
            .filter_map(|problem| problem.message.split_once("lacks the key "))
            .flat_map(|(_, key)| words_in_backticks(key))
            .collect();
        (
            words_in_backticks(unknown.label.as_deref().unwrap_or_default()),
            required,
        )
    }

    fn keys_of_schema(schema: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
        assert_eq!(
            schema["additionalProperties"],
            Value::Bool(false),
            "{schema}"
        );
        let properties = schema["properties"]
            .as_object()
            .expect("a map with fixed keys");
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        (properties.keys().cloned().collect(), required)
    }

    fn definition<T: JsonSchema>(schema: &Value) -> (String, Value) {
        let name = T::schema_name().into_owned();
        let definition = schema["$defs"][&name].clone();
        (name, definition)
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys() {
        let schema = json_schema();
        assert_eq!(keys_of_reader::<PipelineFile>(), keys_of_schema(&schema));
        let mut compared = BTreeSet::new();
        macro_rules! compare {
            ($($kind:ty),+) => {$({
                let (name, definition) = definition::<$kind>(&schema);
                assert_eq!(keys_of_reader::<$kind>(), keys_of_schema(&definition), "{name}");
                compared.insert(name);
            })+};
        }
        compare!(
            PluginEntry,
            LimitsEntry,
            SourceEntry,
            CsvEntry,
            StepEntry,
            SinkEntry,
            RedshiftTableEntry,
            PathEntry,
            SinkPlaceEntry,
            SlicesEntry
        );
        compare!(
            VariableEntry,
            TargetEntry,
            AwsEntry,
            RedshiftEntry,
            CheckEntry
        );
        compare!(AcceptedValuesEntry, RelationshipsEntry, RowCountEntry);
        let (name, order) = definition::<OrderEntry>(&schema);
        assert_eq!(
            keys_of_reader::<OrderEntry>(),
            keys_of_schema(&order["anyOf"][1])
        );
        compared.insert(name);

        let (name, incremental) = definition::<IncrementalEntry>(&schema);
        assert_eq!(
            keys_of_reader::<IncrementalEntry>(),
            keys_of_schema(&incremental["anyOf"][1])
        );
        compared.insert(name);

        let definitions = schema["$defs"].as_object().expect("definitions");
        let with_keys = definitions
            .iter()
            .filter(|(_, definition)| definition.to_string().contains("\"properties\""))
            .map(|(name, _)| name.clone());
        assert_eq!(
            compared,
            with_keys.collect(),
            "every map with fixed keys is compared"
        );
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_words() {
        fn compare<T: Word + JsonSchema>(schema: &Value) {
            let (name, definition) = definition::<T>(schema);
            let choices = definition["oneOf"].as_array().expect("a list of words");
            let in_schema: BTreeSet<&str> = choices
                .iter()
                .filter_map(|choice| choice["const"].as_str())
                .collect();
            let in_reader: BTreeSet<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
            assert_eq!(in_reader, in_schema, "{name}");
        }
        let schema = json_schema();
        compare::<FormatName>(&schema);
        compare::<Compression>(&schema);
        compare::<Unknown>(&schema);
        compare::<LoadMode>(&schema);
        compare::<OnChange>(&schema);
        compare::<OnMissing>(&schema);
        compare::<SchemaChange>(&schema);
        compare::<OnReject>(&schema);
        compare::<ErrorPolicy>(&schema);
        compare::<Severity>(&schema);
    }
}
