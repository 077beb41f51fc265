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
async fn plain(file: &Path, sql: &str) -> String {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
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
    assert_eq!(plain(&file, greater).await, "0");
}

#[tokio::test]
async fn datafusion_still_passes_over_rows_that_an_aggregate_needs() {
    let root = tempdir().unwrap();
    for file in 0..16 {
        let numbers = (file * 10)..(file * 10 + 10);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        let columns = [("a", Arc::clone(&numbers)), ("b", numbers)];
        write(root.path(), &format!("{file:02}.parquet"), &columns);
    }
    // https://github.com/apache/datafusion/issues/24816
    let expression = "SELECT min(a) AS a, max(b + 0) AS b FROM t";
    assert_ne!(plain(root.path(), expression).await, "0|159");
    // https://github.com/apache/datafusion/issues/25147
    let late = "SELECT min(a) AS a, max(b) FILTER (WHERE b > 150) AS b FROM t";
    assert_ne!(plain(root.path(), late).await, "0|159");
}
