//! The errors that users see when a file is wrong.

use std::{error::Error, fs, path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tempfile::tempdir;
use transom_connect::{FileSource, SinkLimits};
use transom_file::spec::{Format, SinkFormat};

use crate::support::{open, publish, put, query, session, sink, source, table};

/// The run fails with this error, which knows its place.
async fn assert_fails(source: &FileSource, schema: SchemaRef, expected: &str) {
    let mut declared = source.clone();
    declared.columns = Some(schema);
    let error = query(&declared, "SELECT * FROM t").await.unwrap_err();
    let mut cause = error.source();
    while let Some(error) = cause.filter(|cause| cause.to_string() != expected) {
        cause = error.source();
    }
    assert!(cause.is_some(), "{error:?}");
}

/// Writes a Parquet file of two row groups and gives its path.
async fn parquet(root: &Path) -> std::path::PathBuf {
    let mut sink = sink(root, SinkFormat::default(), &[]);
    sink.limits = SinkLimits {
        buffered_bytes: 0,
        ..SinkLimits::default()
    };
    let batch = table(&[Some(1), None, Some(3)], &[Some("a"), None, Some("x")]);
    let committed = publish(&sink, vec![batch.clone(), batch]).await;
    fs::rename(
        committed.path.join("part-00000-00000.parquet"),
        root.join("a.parquet"),
    )
    .unwrap();
    root.join("a.parquet")
}

fn text_schema(text: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("text", text, true),
    ]))
}

#[tokio::test]
async fn what_is_not_parquet() {
    let root = tempdir().unwrap();
    let source = source(root.path(), "a.parquet", Format::Parquet);
    let schema = text_schema(DataType::Utf8);
    let whole = fs::read(parquet(root.path()).await).unwrap();

    put(
        root.path(),
        "a.parquet",
        "id,text\n1,a longer line of text\n",
    );
    let expected =
        "source `flights`: `a.parquet` is not a Parquet file: it does not begin with `PAR1`";
    assert_fails(&source, Arc::clone(&schema), expected).await;
    let error = open(&source, None, &session().state()).await.unwrap_err();
    assert_eq!(error.to_string(), expected);

    put(root.path(), "a.parquet", &whole[..whole.len() / 2]);
    let expected =
        "source `flights`: `a.parquet` is not a Parquet file: it does not end with `PAR1`";
    assert_fails(&source, Arc::clone(&schema), expected).await;

    let mut footer = whole.clone();
    let from = footer.len() - 60;
    footer[from..from + 40].fill(0xff);
    put(root.path(), "a.parquet", footer);
    let expected = "source `flights`: the footer of `a.parquet` is damaged";
    assert_fails(&source, Arc::clone(&schema), expected).await;

    // A footer longer than the file.
    put(root.path(), "a.parquet", b"PAR1\xff\xff\xff\xffPAR1");
    assert_fails(&source, schema, expected).await;
    let error = open(&source, None, &session().state()).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn parquet_with_a_damaged_page() {
    let root = tempdir().unwrap();
    let path = parquet(root.path()).await;
    let file = fs::File::open(&path).unwrap();
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(file).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let (start, length) = reader.metadata().row_group(1).column(1).byte_range();
    let mut bytes = fs::read(&path).unwrap();
    bytes[start as usize..(start + length) as usize].fill(0xff);
    fs::write(&path, bytes).unwrap();
    assert_fails(
        &source(root.path(), "a.parquet", Format::Parquet),
        text_schema(DataType::Utf8),
        "source `flights`: column `text` in row group 2 of `a.parquet` is damaged",
    )
    .await;
}

#[tokio::test]
async fn parquet_of_another_type() {
    let root = tempdir().unwrap();
    parquet(root.path()).await;
    let source = source(root.path(), "a.parquet", Format::Parquet);
    let state = session().state();
    let table = open(&source, Some(text_schema(DataType::Int64)), &state);
    let error = table.await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "source `flights`: column `text` of `a.parquet` is utf8, which cannot be read as int64",
    );
    assert!(error.hint().unwrap().contains("lock again"));
}
