//! What the file model says, in the terms of the rooms that do it: sources and sinks, types and values.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use transom_connect::{self as connect, Aws, FileSource};
use transom_file::spec::{Place, S3Url};
use transom_file::{Pipeline, Value};
use transom_query::Params;

pub(crate) fn file_source(
    pipeline: &Pipeline,
    source: &transom_file::FileSource,
    aws: &Aws,
) -> FileSource {
    let declared = (!source.columns.is_empty()).then(|| {
        let fields = source.columns.iter();
        let fields = fields.map(|(name, column_type)| column_type.column(name));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    });
    // What the file says was read as such an address before.
    let (root, pattern) = match S3Url::parse(&source.path.value) {
        Ok(S3Url { bucket, key }) => {
            let root = S3Url {
                bucket,
                key: String::new(),
            };
            (Place::S3(root), key)
        }
        Err(_) => (pipeline.root.as_path().into(), source.path.value.clone()),
    };
    FileSource {
        name: source.name.value.clone(),
        root,
        aws: aws.clone(),
        pattern,
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
