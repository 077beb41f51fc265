//! What DataFusion makes of Parquet files by itself. A test that fails here is good news: something of ours can go.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array},
    util::display::array_value_to_string,
};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use tempfile::tempdir;

use crate::parquet::write;

/// The first row of a query over a file as table `t`, with `|` between its values.
async fn plain(file: &Path, config: SessionConfig, sql: &str) -> String {
    let context = SessionContext::new_with_config(config);
    let file = file.to_str().unwrap();
    context
        .register_parquet("t", file, ParquetReadOptions::default())
        .await
        .unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
    let values = batch.columns().iter();
    values
        .map(|column| array_value_to_string(column, 0).unwrap())
        .collect::<Vec<_>>()
        .join("|")
}

#[tokio::test]
async fn datafusion_still_believes_statistics_that_leave_out_nan() {
    // https://github.com/apache/parquet-format/issues/503
    let root = tempdir().unwrap();
    let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
    write(root.path(), "nan.parquet", &[("x", x)]);
    let file = root.path().join("nan.parquet");
    let greater = "SELECT count(*) AS n FROM t WHERE x > 5";
    assert_eq!(plain(&file, SessionConfig::new(), greater).await, "0");
}

#[tokio::test]
async fn datafusion_still_finds_columns_of_joins_by_name() {
    // https://github.com/apache/datafusion/pull/25259
    let root = tempdir().unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=200));
    let columns = [("id", Arc::clone(&numbers)), ("amount", numbers)];
    write(root.path(), "numbers.parquet", &columns);
    let file = root.path().join("numbers.parquet");
    // So that the threshold of the first rows is known before most of the file is read.
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(2);
    let first = "SELECT o.amount, p.amount AS paid FROM t o JOIN (SELECT id, 300 - amount AS amount FROM t WHERE id > 100) p ON o.id = p.id JOIN t c ON p.id = c.id ORDER BY p.amount LIMIT 1";
    assert_ne!(plain(&file, config, first).await, "200|100");
}
