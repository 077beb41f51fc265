//! Cases as data: what a function or a transform is given, and what is expected of it in every language.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use serde::Deserialize;
use serde_json::{Map, Value};
use transom_plugin::{End, Error, GuestErrorKind, Instance, Rejected};

use crate::guest::{Language, Ran, run};

/// One case of `cases/*.yaml`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    /// What the user sees, in words.
    pub(crate) name: String,
    /// All, unless some are named: languages differ in what is theirs.
    languages: Option<Vec<String>>,
    #[serde(flatten)]
    call: Call,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Call {
    Function(Box<FunctionCase>),
    Transform(Box<TransformCase>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionCase {
    function: String,
    /// `name Type` of each argument; a `!` after the type says that it is never null.
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    /// Type of the result.
    result: Option<String>,
    /// The result's values; rejected rows are not compared.
    values: Option<Vec<Value>>,
    /// Row and reason.
    #[serde(default)]
    rejected: Vec<(u32, String)>,
    error: Option<ExpectedError>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformCase {
    transform: String,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    batches: Vec<Vec<Vec<Value>>>,
    #[serde(default)]
    end: Ending,
    /// `name Type` of each column of the output.
    output: Option<Vec<String>>,
    /// All rows of the output.
    rows: Option<Vec<Vec<Value>>>,
    /// Rows of each batch of the output.
    parts: Option<Vec<usize>>,
    /// Batch of the input, row in it, reason.
    #[serde(default)]
    rejected: Vec<(usize, u32, String)>,
    #[serde(default)]
    counters: BTreeMap<String, u64>,
    error: Option<ExpectedError>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Slice,
    #[default]
    Input,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    /// As in the contract; `panic` is what a language makes of a mistake that nobody handled.
    kind: String,
    /// The whole message.
    message: Option<String>,
    /// What the message says among other things.
    #[serde(default)]
    says: Vec<String>,
    row: Option<u32>,
    column: Option<u32>,
}

/// Every case of every file.
pub(crate) fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let cases: Vec<Case> = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            cases
        })
        .collect()
}

impl Case {
    /// Whether the case is one of `language`'s.
    pub(crate) fn is_of(&self, language: Language) -> bool {
        let named = |languages: &Vec<String>| languages.contains(&language.to_string());
        self.languages.as_ref().is_none_or(named)
    }

    pub(crate) fn run(&self, language: Language) {
        match &self.call {
            Call::Function(case) => case.run(language),
            Call::Transform(case) => case.run(language),
        }
    }
}

impl FunctionCase {
    fn run(&self, language: Language) {
        let arguments = batch(&schema(&self.columns), &self.rows);
        let mut instance = language.instance();
        let fields: Vec<FieldRef> = arguments.schema().fields().iter().cloned().collect();
        let called = instance
            .open_function(&self.function, &fields)
            .and_then(|opened| {
                let called =
                    instance.call_function(&opened, arguments.columns(), arguments.num_rows())?;
                Ok((opened.output, called))
            });
        if let Some(expected) = &self.error {
            return expected.check(&called.unwrap_err(), language);
        }
        let (output, outcome) = called.unwrap_or_else(|error| panic!("{error}"));
        if let Some(result) = &self.result {
            assert_eq!(output.data_type(), &data_type(result));
        }
        let rejected: Vec<(u32, String)> = outcome
            .rejected
            .into_iter()
            .map(|Rejected { row, reason }| (row, reason))
            .collect();
        assert_eq!(rejected, self.rejected);
        if let Some(values) = &self.values {
            let rows: Vec<Vec<Value>> = values.iter().map(|value| vec![value.clone()]).collect();
            let field = Field::new("value", output.data_type().clone(), true);
            let expected = batch(&Arc::new(Schema::new(vec![field])), &rows);
            let taken = |column: &ArrayRef| {
                let kept = (0..column.len() as u32)
                    .filter(|row| !rejected.iter().any(|(rejected, _)| rejected == row));
                let kept = arrow::array::UInt32Array::from_iter_values(kept);
                arrow::compute::take(column, &kept, None).unwrap()
            };
            assert_eq!(&taken(&outcome.column), &taken(expected.column(0)));
        }
    }
}

impl TransformCase {
    fn run(&self, language: Language) {
        let schema = schema(&self.columns);
        let input: Vec<RecordBatch> = self
            .batches
            .iter()
            .map(|rows| batch(&schema, rows))
            .collect();
        let mut instance = language.instance();
        let ran = self.call(&mut instance, &schema, &input);
        if let Some(expected) = &self.error {
            return expected.check(&ran.unwrap_err(), language);
        }
        let (output, ran) = ran.unwrap_or_else(|error| panic!("{error}"));
        if let Some(columns) = &self.output {
            assert_eq!(output, self::schema(columns));
        }
        if let Some(parts) = &self.parts {
            let rows: Vec<usize> = ran.batches.iter().map(RecordBatch::num_rows).collect();
            assert_eq!(&rows, parts);
        }
        if let Some(rows) = &self.rows {
            let all = concat_batches(&output, &ran.batches).unwrap();
            assert_eq!(all, batch(&output, rows));
        }
        assert_eq!(ran.rejected, self.rejected);
        if !self.counters.is_empty() {
            assert_eq!(instance.take_counters(), self.counters);
        }
    }

    fn call(
        &self,
        instance: &mut Instance,
        schema: &SchemaRef,
        input: &[RecordBatch],
    ) -> Result<(SchemaRef, Ran), Error> {
        let options = Value::Object(self.options.clone()).to_string();
        let opened = instance.open_transform(&self.transform, schema, &options)?;
        let end = match self.end {
            Ending::Slice => End::Slice,
            Ending::Input => End::Input,
        };
        let ran = run(instance, &opened, input, end)?;
        Ok((Arc::clone(&opened.schema), ran))
    }
}

impl ExpectedError {
    fn check(&self, error: &Error, language: Language) {
        let (kind, message, row, column) = match error {
            Error::Guest { error, .. } => {
                let kind = match error.kind {
                    GuestErrorKind::BadData => "bad-data",
                    GuestErrorKind::Config => "config",
                    GuestErrorKind::Retryable => "retryable",
                    GuestErrorKind::Internal => "internal",
                };
                (kind, error.message.as_str(), error.row, error.column)
            }
            // Rust panics end the instance; the other languages catch theirs.
            Error::Crash { message, .. } => ("internal", message.as_str(), None, None),
            other => panic!("{other:?}"),
        };
        match self.kind.as_str() {
            "panic" => {
                assert_eq!(kind, "internal", "{message}");
                let extension = match language {
                    Language::Rust => ".rs:",
                    Language::Go => ".go:",
                    Language::Python => ".py\", line ",
                };
                assert!(message.contains(extension), "no file and line: {message}");
            }
            expected => assert_eq!(kind, expected, "{message}"),
        }
        if let Some(expected) = &self.message {
            assert_eq!(message, expected);
        }
        for says in &self.says {
            assert!(message.contains(says.as_str()), "no `{says}`: {message}");
        }
        if self.kind != "panic" {
            assert_eq!((row, column), (self.row, self.column), "{message}");
        }
    }
}

fn data_type(text: &str) -> DataType {
    DataType::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// From `name Type` for each column.
fn schema(columns: &[String]) -> SchemaRef {
    let fields = columns.iter().map(|column| {
        let (name, kind) = column.split_once(' ').unwrap();
        match kind.strip_suffix('!') {
            Some(kind) => Field::new(name, data_type(kind), false),
            None => Field::new(name, data_type(kind), true),
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn batch(schema: &SchemaRef, rows: &[Vec<Value>]) -> RecordBatch {
    let empty = || {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let columns = schema.fields().iter();
        let columns = columns.map(|field| arrow::array::new_empty_array(field.data_type()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect(), &options).unwrap()
    };
    if rows.is_empty() || schema.fields().is_empty() {
        return empty();
    }
    let names = || schema.fields().iter().map(|field| field.name().clone());
    let objects: Vec<Map<String, Value>> = rows
        .iter()
        .map(|row| {
            assert_eq!(row.len(), schema.fields().len(), "{row:?}");
            names().zip(row.iter().cloned()).collect()
        })
        .collect();
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows.len())
        .build_decoder()
        .unwrap();
    decoder.serialize(&objects).unwrap();
    decoder.flush().unwrap().unwrap()
}
