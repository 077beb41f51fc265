//! What the file model says, in the terms of the rooms that do it: sources and sinks, types and values.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use transom_connect::{
    self as connect, AppendSink, Aws, FileSink, FileSource, PointedSink, RedshiftSink, RefusedRows,
    Sink, SinkLimits,
};
use transom_file::spec::{LoadMode, Place, S3Url, SinkFormat};
use transom_file::{FileTable, Pipeline, SinkKind, Value};
use transom_query::{OrderBy, Params};

/// What the names of tables of dead letters begin with: no sink of the file has a name with a dot.
pub(crate) const DEAD_LETTERS: &str = "dead_letters.";

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

/// A sink of the pipeline. `refused` takes the rows that a table of Redshift cannot hold, if they do not end the run.
pub(crate) fn sink(
    pipeline: &Pipeline,
    sink: &transom_file::Sink,
    aws: &Aws,
    limits: SinkLimits,
    refused: Option<Arc<dyn RefusedRows>>,
) -> Arc<dyn Sink> {
    let name = &sink.name.value;
    match (&sink.kind, &pipeline.redshift) {
        (SinkKind::Files(table), _) => files(pipeline, name, table, aws, limits),
        (SinkKind::Redshift { redshift, .. }, Some(warehouse)) => Arc::new(RedshiftSink {
            name: name.clone(),
            aws: aws.clone(),
            warehouse: warehouse.clone(),
            table: redshift.clone(),
            refused,
            limits,
        }),
        (SinkKind::Redshift { .. }, None) => {
            unreachable!("a pipeline with a sink in Redshift has a warehouse")
        }
    }
}

/// A table of files. In a pipeline that runs in slices the log decides what readers see; in others the run.
fn files(
    pipeline: &Pipeline,
    name: &str,
    table: &FileTable,
    aws: &Aws,
    limits: SinkLimits,
) -> Arc<dyn Sink> {
    let partition_by = table.partition_by.iter().map(|column| column.value.clone());
    let files = FileSink {
        name: name.to_owned(),
        path: table.path.value.clone(),
        aws: aws.clone(),
        format: table.format.clone(),
        partition_by: partition_by.collect(),
        limits: SinkLimits {
            file_bytes: table.file_size.unwrap_or(limits.file_bytes),
            // The file says no more than fits into memory.
            row_group_bytes: table
                .row_group_size
                .map_or(limits.row_group_bytes, |bytes| bytes as usize),
            ..limits
        },
    };
    match (pipeline.is_sliced(), table.mode.value) {
        (false, _) => Arc::new(files),
        (true, LoadMode::Append) => Arc::new(AppendSink { files }),
        (true, _) => Arc::new(PointedSink { files }),
    }
}

/// The table of the rejected rows of a step, or of a sink by the name of that table.
pub(crate) fn dead_letters(pipeline: &Pipeline, step: &str, aws: &Aws) -> Arc<dyn Sink> {
    let files = |name: String| FileSink {
        name,
        path: pipeline.dead_letters.join(step),
        aws: aws.clone(),
        format: SinkFormat::default(),
        partition_by: vec![],
        limits: SinkLimits::default(),
    };
    match pipeline.is_sliced() {
        true => Arc::new(AppendSink {
            files: files(format!("{DEAD_LETTERS}{step}")),
        }),
        false => Arc::new(files(format!("dead letters of {step}"))),
    }
}

pub(crate) fn order_by(said: &transom_file::OrderBy) -> OrderBy {
    OrderBy {
        column: said.column.value.clone(),
        descending: said.desc,
        nulls_first: said.nulls_first,
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
