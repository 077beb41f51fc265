//! What the tests share: tables of two kinds, streams, and reading back through DataFusion.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::SchemaRef,
    util::pretty::pretty_format_batches,
};
use datafusion::{
    catalog::TableProvider,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, SessionState},
    physical_plan::stream::RecordBatchStreamAdapter,
    prelude::{SessionConfig, SessionContext},
};
use transom_connect::{
    Applied, Attempt, Aws, FileSink, FileSource, ReadProgress, Sample, Sink, SinkError, SinkLimits,
    Source, SourceError, Staged, Staging, WriteProgress, Written,
};
use transom_file::spec::{CsvOptions, Format, SinkFormat, Unknown};

pub(crate) const CSV: fn() -> Format = || Format::Csv(CsvOptions::default());

pub(crate) fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn source(root: &Path, pattern: &str, format: Format) -> FileSource {
    FileSource {
        name: "flights".to_owned(),
        root: root.into(),
        aws: Aws::default(),
        pattern: pattern.to_owned(),
        format,
        columns: None,
        unknown: Unknown::default(),
        sample: Sample::default(),
        read: ReadProgress::default(),
    }
}

pub(crate) fn sink(root: &Path, format: SinkFormat, partition_by: &[&str]) -> FileSink {
    FileSink {
        name: "daily".to_owned(),
        path: root.join("out/daily").into(),
        aws: Aws::default(),
        format,
        partition_by: partition_by
            .iter()
            .map(|column| (*column).to_owned())
            .collect(),
        limits: SinkLimits::default(),
    }
}

/// Columns `id` and `text`.
pub(crate) fn table(ids: &[Option<i64>], texts: &[Option<&str>]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        (
            "id",
            Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef,
            true,
        ),
        ("text", Arc::new(StringArray::from(texts.to_vec())), true),
    ])
    .unwrap()
}

pub(crate) fn stream(schema: SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let batches = futures::stream::iter(batches.into_iter().map(Ok));
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// A stream that fails after its batches.
pub(crate) fn failing(schema: SchemaRef, batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let error = DataFusionError::Execution("division by zero".to_owned());
    let batches = batches.into_iter().map(Ok).chain([Err(error)]);
    Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter(batches),
    ))
}

/// Where a table on this machine is.
pub(crate) fn path_of(sink: &FileSink) -> &Path {
    sink.path.local().unwrap()
}

pub(crate) async fn begin(sink: &FileSink, attempt: &str) -> Result<Box<dyn Staging>, SinkError> {
    sink.begin(&Attempt::new(attempt)).await
}

/// The batches as a result that nobody sees yet.
pub(crate) async fn stage(sink: &FileSink, attempt: &str, batches: Vec<RecordBatch>) -> Staged {
    let staging = begin(sink, attempt).await.unwrap();
    let streams = vec![stream(batches[0].schema(), batches)];
    let progress = Arc::new(WriteProgress::default());
    staging.write(streams, &progress).await.unwrap();
    staging.finish().await.unwrap()
}

/// What was written, and where readers find it.
pub(crate) struct Published {
    pub(crate) written: Written,
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

pub(crate) async fn publish(sink: &FileSink, batches: Vec<RecordBatch>) -> Published {
    let staged = stage(sink, "run", batches).await;
    publish_staged(sink, staged).await
}

pub(crate) async fn publish_staged(sink: &FileSink, staged: Staged) -> Published {
    let applied = apply(sink, &staged).await;
    Published {
        written: staged.written,
        path: applied.table.local().unwrap().to_owned(),
        version: applied.version,
    }
}

pub(crate) async fn apply(sink: &FileSink, staged: &Staged) -> Applied {
    let applied = sink.apply(staged).await.unwrap();
    sink.tidy(&applied).await;
    applied
}

pub(crate) fn session() -> SessionContext {
    // Small enough for DataFusion to cut even the files of a test into ranges.
    let config = SessionConfig::new()
        .with_target_partitions(4)
        .with_repartition_file_min_size(1);
    SessionContext::new_with_config(config)
}

/// The rows of `sql` over the source as table `t`.
/// The table of what a source lists now.
pub(crate) async fn open(
    source: &FileSource,
    schema: Option<SchemaRef>,
    state: &SessionState,
) -> Result<Arc<dyn TableProvider>, SourceError> {
    source.table(&source.list().await?, schema, state).await
}

pub(crate) async fn query(
    source: &FileSource,
    sql: &str,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let context = session();
    let table = open(source, None, &context.state())
        .await
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    context.register_table("t", table)?;
    context.sql(sql).await?.collect().await
}

pub(crate) async fn shown(source: &FileSource, sql: &str) -> String {
    let batches = query(source, sql).await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// Every file below a folder with its content, by path; hidden files left out.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(folder: &Path, base: &Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                walk(&path, base, found);
            } else {
                let name = path
                    .strip_prefix(base)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}
