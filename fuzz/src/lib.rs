//! What the fuzz targets of the file formats do: one file of made-up bytes, read by the sources that pipelines use.
//!
//! Broken files are expected and errors are fine. What must hold: nothing panics, nothing hangs, and a table that was read is the
//! same after it was written and read again. Statements of the local Redshift are in `statement`; plugins have their own targets (`transom_plugin::fuzz`).

mod statement;

use std::path::Path;
use std::sync::{Arc, Once};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt as _;
use transom_connect::{
    Attempt, Aws, FileSink, FileSource, ReadProgress, Sample, Sink, SinkLimits, Source,
    WriteProgress,
};
use transom_file::spec::{CsvOptions, Format, SinkFormat, Unknown};

pub use self::statement::statement;

/// Rows after which reading ends: some bytes of Parquet can stand for billions.
const ROWS: usize = 1 << 16;

/// A CSV file; the first byte chooses whether it has a header.
///
/// # Panics
/// If a table that was read is another one after it was written and read again.
pub fn csv(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let options = CsvOptions {
        header: first & 1 == 0,
        // Without a text for NULL, an empty text is NULL when it is read again.
        null: vec!["\\N".to_owned()],
        ..CsvOptions::default()
    };
    let format = Format::Csv(options.clone());
    round_trip(bytes, "data.csv", &format, SinkFormat::Csv(options));
}

/// Lines of JSON.
///
/// # Panics
/// As [`csv`].
pub fn json(bytes: &[u8]) {
    round_trip(bytes, "data.jsonl", &Format::Json, SinkFormat::Json);
}

/// A Parquet file.
///
/// # Panics
/// If a column that was read is not a valid one.
pub fn parquet(bytes: &[u8]) {
    // libFuzzer's hook ends the process at every panic, also at those of the decoder that the source catches and reports.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("data.parquet"), bytes).expect("the file is written");
    let Some(batch) = run(read(folder.path(), "data.parquet", &Format::Parquet, None)) else {
        return;
    };
    for column in batch.columns() {
        let data = column.to_data();
        data.validate_full()
            .expect("a column that was read is valid");
    }
}

fn round_trip(bytes: &[u8], name: &str, format: &Format, written: SinkFormat) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(name), bytes).expect("the file is written");
    run(async {
        let Some(table) = read(folder.path(), name, format, None).await else {
            return;
        };
        if write(folder.path(), written, &table).await.is_none() {
            return;
        }
        let schema = Some(table.schema());
        let again = read(folder.path(), "table", format, schema).await;
        // The input is said too: where it was found may be gone.
        let input = bytes.escape_ascii();
        let again =
            again.unwrap_or_else(|| panic!("a table that was written cannot be read: {input}"));
        assert_eq!(
            again, table,
            "what was written is not what was read: {input}"
        );
    });
}

/// All rows of a file as one batch; `None` if it is refused, as most are.
async fn read(
    root: &Path,
    pattern: &str,
    format: &Format,
    columns: Option<SchemaRef>,
) -> Option<RecordBatch> {
    let source = FileSource {
        name: "fuzz".to_owned(),
        root: root.into(),
        aws: Aws::default(),
        pattern: pattern.to_owned(),
        format: format.clone(),
        columns,
        unknown: Unknown::Fail,
        sample: Sample::Rows(16),
        read: ReadProgress::default(),
    };
    // Small enough for DataFusion to cut the file into ranges.
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_batch_size(64)
        .with_repartition_file_min_size(64);
    let context = SessionContext::new_with_config(config);
    let inputs = source.list().await.ok()?;
    let table = source.table(&inputs, None, &context.state()).await.ok()?;
    let schema = table.schema();
    let frame = context.read_table(table).ok()?;
    // One range of a file after the other: rows are compared in their order.
    let streams = frame.execute_stream_partitioned().await.ok()?;
    let mut stream = futures::stream::iter(streams).flatten();
    let mut batches = Vec::new();
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let Ok(batch) = batch else {
            return None;
        };
        rows += batch.num_rows();
        batches.push(batch);
        if rows > ROWS {
            break;
        }
    }
    concat_batches(&schema, &batches).ok()
}

/// Publishes the rows as `table`; `None` if the format cannot hold them.
async fn write(root: &Path, format: SinkFormat, table: &RecordBatch) -> Option<()> {
    let sink = FileSink {
        name: "table".to_owned(),
        path: root.join("table").into(),
        aws: Aws::default(),
        format,
        partition_by: Vec::new(),
        limits: SinkLimits::default(),
    };
    sink.check(&table.schema()).ok()?;
    let staging = sink.begin(&Attempt::new("fuzz")).await.ok()?;
    let rows = futures::stream::iter([Ok(table.clone())]);
    let stream: SendableRecordBatchStream =
        Box::pin(RecordBatchStreamAdapter::new(table.schema(), rows));
    let progress = Arc::new(WriteProgress::default());
    staging.write(vec![stream], &progress).await.ok()?;
    let staged = staging.finish().await.ok()?;
    sink.apply(&staged).await.ok()?;
    Some(())
}

/// Runs a future on a runtime of this thread.
fn run<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of a target's corpus, those of crashes that were fixed among them.
    fn corpus(target: &str, run: fn(&[u8])) {
        let folder = format!("{}/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for entry in std::fs::read_dir(folder).expect("the corpus") {
            let path = entry.expect("a file").path();
            run(&std::fs::read(path).expect("a file of the corpus"));
            files += 1;
        }
        assert!(files > 0, "the corpus of `{target}` is empty");
    }

    #[test]
    fn the_corpus_of_csv_files_passes() {
        corpus("csv", csv);
    }

    #[test]
    fn the_corpus_of_json_files_passes() {
        corpus("json", json);
    }

    #[test]
    fn the_corpus_of_statements_passes() {
        corpus("statement", statement);
    }

    #[test]
    fn the_corpus_of_parquet_files_passes() {
        corpus("parquet", parquet);
    }
}
