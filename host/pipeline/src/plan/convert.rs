//! What the file model says, in the terms of the rooms that do it: sources and sinks, types and values.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use transom_connect::{self as connect, FileSource};
use transom_file::spec::Format;
use transom_file::{Pipeline, Value};
use transom_query::Params;

/// The table of a source: locked columns hold as they are, declared ones replace what the files tell.
pub(crate) async fn open_source(
    files: &FileSource,
    state: &dyn datafusion::catalog::Session,
    locked: Option<SchemaRef>,
) -> Result<Arc<dyn TableProvider>, connect::SourceError> {
    let known = match (locked, &files.columns) {
        (Some(locked), _) => Some(locked),
        // Without a header the declaration is all that names the columns.
        (None, Some(declared)) if !has_names(&files.format) => Some(Arc::clone(declared)),
        (None, Some(declared)) if matches!(files.format, Format::Csv(_)) => {
            let undeclared = FileSource {
                columns: None,
                ..files.clone()
            };
            Some(match undeclared.infer_schema(state).await {
                Ok(inferred) => with_declared(&inferred, declared),
                // There is no row whose columns could be others.
                Err(connect::SourceError::NoColumns { .. }) => Arc::clone(declared),
                Err(error) => return Err(error),
            })
        }
        // JSON's keys and Parquet's footers name the columns, which the table compares with those declared.
        (None, _) => None,
    };
    files.table(state, known).await
}

fn has_names(format: &Format) -> bool {
    !matches!(format, Format::Csv(options) if !options.header)
}

/// The columns that were inferred from the files, with the declared types; declared columns that no row had come last.
fn with_declared(told: &Schema, declared: &Schema) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = told
        .fields()
        .iter()
        .map(|field| match declared.fields().find(field.name()) {
            Some((_, declared)) => Arc::clone(declared),
            None => Arc::clone(field),
        })
        .collect();
    fields.extend(
        declared
            .fields()
            .iter()
            .filter(|field| told.index_of(field.name()).is_err())
            .cloned(),
    );
    Arc::new(Schema::new(fields))
}

pub(crate) fn file_source(pipeline: &Pipeline, source: &transom_file::FileSource) -> FileSource {
    let declared = (!source.columns.is_empty()).then(|| {
        let fields = source.columns.iter();
        let fields = fields.map(|(name, column_type)| column_type.column(name));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    });
    FileSource {
        name: source.name.value.clone(),
        root: pipeline.root.clone(),
        pattern: source.path.value.clone(),
        format: source.format.clone(),
        columns: declared,
        unknown: source.unknown,
        sample: connect::Sample::default(),
        read: connect::ReadProgress::default(),
    }
}

pub(crate) fn params(pipeline: &Pipeline) -> Params {
    let value = |value: &Value| match value {
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::Int64(value) => ScalarValue::Int64(Some(*value)),
        Value::Float64(value) => ScalarValue::Float64(Some(*value)),
        Value::Utf8(value) => ScalarValue::Utf8(Some(value.clone())),
        Value::Date(value) => {
            ScalarValue::Date32(Some(arrow::datatypes::Date32Type::from_naive_date(*value)))
        }
        Value::Timestamp(value) => {
            ScalarValue::TimestampMicrosecond(Some(value.and_utc().timestamp_micros()), None)
        }
        Value::Decimal {
            unscaled,
            precision,
            scale,
        } => ScalarValue::Decimal128(Some(*unscaled), *precision, scale.cast_signed()),
    };
    pipeline
        .variables
        .iter()
        .map(|(name, variable)| (name.clone(), value(variable)))
        .collect()
}
