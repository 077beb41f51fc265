//! What DataFusion does without this room. A test that fails here is good news: something of ours can go.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{rows, shown};

async fn plain(sql: &str) -> String {
    let context = SessionContext::new();
    let frame = match context.sql(sql).await {
        Ok(frame) => frame,
        Err(error) => return format!("error: {error}"),
    };
    let name = "plain";
    match context.register_table(name, frame.into_view()) {
        Ok(_) => match rows(&context, "SELECT * FROM plain").await {
            Ok(rows) => rows,
            Err(error) => format!("error: {error}"),
        },
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn datafusion_still_wraps_whole_numbers() {
    // https://github.com/apache/datafusion/issues/12140
    assert_eq!(
        plain("SELECT 9223372036854775807 + 1 AS x").await,
        "-9223372036854775808"
    );
    let sum =
        "SELECT sum(x) AS s FROM (VALUES (9000000000000000000), (9000000000000000000)) AS t(x)";
    assert_eq!(plain(sum).await, "-446744073709551616");
}

#[tokio::test]
async fn datafusion_still_cuts_fractions() {
    assert_eq!(plain("SELECT CAST(1.7 AS BIGINT) AS x").await, "1");
}

#[tokio::test]
async fn datafusion_still_counts_nanoseconds() {
    let bin = "SELECT date_bin(interval '1 day', arrow_cast('9999-12-31', 'Timestamp(Microsecond, None)')) AS x";
    assert_ne!(plain(bin).await, "9999-12-31T00:00:00");
}

#[tokio::test]
async fn datafusion_still_knows_one_escape_character() {
    assert!(
        plain("SELECT 'a%' LIKE 'a!%' ESCAPE '!' AS x")
            .await
            .starts_with("error: ")
    );
}

#[tokio::test]
async fn datafusion_still_searches_where_sql_matches_whole_values() {
    assert_eq!(plain("SELECT 'abc' SIMILAR TO 'b' AS x").await, "true");
}

#[tokio::test]
async fn datafusion_still_subtracts_what_leaves_a_frame() {
    let sum = "SELECT sum(x) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM (VALUES (1, 1e17), (2, 1.5), (3, 2.5)) AS t(i, x) ORDER BY i";
    assert_eq!(plain(sum).await, "1e17;1e17;0.0");
}

#[tokio::test]
async fn datafusion_still_begins_groups_with_finite_floats() {
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/functions-aggregate/src/min_max.rs
    let nan = "SELECT max(x) AS m FROM (VALUES (1, arrow_cast('NaN', 'Float64')), (1, arrow_cast('1', 'Float64'))) AS t(k, x) GROUP BY k";
    assert_eq!(plain(nan).await, "1.0");
    let infinity =
        "SELECT min(x) AS m FROM (VALUES (1, arrow_cast('inf', 'Float64'))) AS t(k, x) GROUP BY k";
    assert_ne!(plain(infinity).await, "inf");
}

#[tokio::test]
async fn datafusion_still_sorts_once_for_all_distinct_lists() {
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/physical-plan/src/aggregates/mod.rs
    let lists = "SELECT array_agg(DISTINCT s ORDER BY s DESC) AS a, array_agg(DISTINCT s ORDER BY s) AS b FROM (VALUES (2), (1), (3), (1)) AS t(s)";
    assert_ne!(plain(lists).await, "[3, 2, 1]|[1, 2, 3]");
}

#[tokio::test]
async fn datafusion_still_cancels_out_the_squares_of_correlations_in_groups() {
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/functions-aggregate/src/correlation.rs
    let line = "SELECT corr(x, y) AS c FROM (VALUES (1, 1e12, 1.0), (1, 1e12 + 1, 2.0), (1, 1e12 + 2, 3.0)) AS t(k, x, y) GROUP BY k";
    assert_ne!(plain(line).await, "1.0");
}

#[tokio::test]
async fn datafusion_still_adds_for_medians_and_weighs_percentiles_in_millionths() {
    let median = "SELECT median(x) AS m FROM (VALUES (1e308), (1.5e308)) AS t(x)";
    assert_eq!(plain(median).await, "inf");
    let percentile = "SELECT percentile_cont(0.3333333333) WITHIN GROUP (ORDER BY x) AS p FROM (VALUES (0.0), (1.0)) AS t(x)";
    assert_eq!(plain(percentile).await, "0.333333");
}

#[tokio::test]
async fn datafusion_still_leaves_out_groups_that_match_nothing() {
    assert_eq!(
        plain("SELECT regexp_match('b', '(a)?(b)') AS x").await,
        "[b]"
    );
}

#[tokio::test]
async fn datafusion_still_evaluates_both_sides_of_and() {
    let guarded =
        "SELECT x FROM (VALUES (1, 0), (6, 2), (8, 2)) AS t(x, y) WHERE y <> 0 AND x / y > 1";
    assert!(plain(guarded).await.starts_with("error: "));
}

#[tokio::test]
async fn datafusion_still_has_no_null_in_subqueries_of_conditions() {
    let unknown = "SELECT x FROM (VALUES (3)) AS t(x) WHERE (x IN (SELECT y FROM (VALUES (1), (NULL)) AS u(y))) IS NULL";
    let rows = SessionContext::new().sql(unknown).await.unwrap();
    assert_eq!(rows.count().await.unwrap(), 0);
}

#[tokio::test]
async fn datafusion_still_compares_rows_as_structs() {
    assert_eq!(plain("SELECT (1, NULL) = (1, 2) AS x").await, "false");
}

#[tokio::test]
async fn datafusion_still_loses_the_columns_of_conditions_of_sort_merge_joins() {
    // https://github.com/apache/datafusion/issues/24414
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .set_bool("datafusion.optimizer.prefer_hash_join", false);
    let context = SessionContext::new_with_config(config);
    let join = "SELECT t.b, u.b AS c FROM (VALUES (100, 1, 0)) AS t(a, b, d) JOIN (VALUES (10, 1)) AS u(a, b) ON t.b = u.b AND t.a > u.a";
    let batches = context.sql(join).await.unwrap().collect().await.unwrap();
    let found: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(found, 0);
}

#[tokio::test]
async fn datafusion_still_takes_case_for_a_constant_in_lists() {
    let list = "SELECT a IN (7, 8, 9, CASE WHEN b THEN 2 ELSE a END) AS v FROM (VALUES (5, false)) AS t(a, b)";
    assert_eq!(plain(list).await, "false");
}

#[tokio::test]
async fn datafusion_still_puts_lists_together_that_may_be_null() {
    let lists =
        "SELECT a IN (1, 2, 3, 4) AND a IN (5, 6, 7, 8) AS v FROM (VALUES (1), (NULL)) AS t(a)";
    assert_eq!(plain(lists).await, "false;false");
    let columns =
        "SELECT a IN (1, b, 3, 4) AND a IN (1, c, 5, 6) AS v FROM (VALUES (2, 2, 2)) AS t(a, b, c)";
    assert_eq!(plain(columns).await, "false");
}

/// What DataFusion makes of a query whose plan nothing of ours has seen.
async fn alone(sql: &str) -> String {
    let rows = async {
        let frame = SessionContext::new().sql(sql).await?;
        frame.collect().await
    };
    match rows.await {
        Ok(batches) => shown(&batches),
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn datafusion_still_has_several_orders_of_null_within_values() {
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/physical-expr-common/src/datum.rs
    assert_eq!(
        alone("SELECT a < b AS x FROM (VALUES (ARRAY[1, NULL], ARRAY[1, 2])) AS t(a, b)").await,
        "true"
    );
    let sorted = "SELECT i FROM (VALUES (ARRAY[1, NULL], 1), (ARRAY[1, 2], 2)) AS t(l, i) ORDER BY l NULLS FIRST";
    assert_eq!(alone(sorted).await, "1;2");
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/common/src/scalar/mod.rs
    let largest = "SELECT max(s) AS m FROM (VALUES (named_struct('a', 2)), (named_struct('a', NULL))) AS t(s)";
    assert_eq!(alone(largest).await, "{a: 2}");
    let lists = "SELECT max(s) AS m FROM (VALUES (named_struct('l', ARRAY[1])), (named_struct('l', ARRAY[2]))) AS t(s)";
    assert!(alone(lists).await.contains("Uncomparable values"));
}

#[tokio::test]
async fn datafusion_still_loses_nested_rows_behind_the_threshold_of_a_limit() {
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/physical-plan/src/topk/mod.rs
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let lists = "SELECT * FROM (VALUES (ARRAY[1, 2]), (ARRAY[1, 3]), (ARRAY[1, NULL])) AS t(l)";
    let lists = context.sql(lists).await.unwrap().collect().await.unwrap();
    let batches = (0..3).map(|row| lists[0].slice(row, 1)).collect();
    let table = MemTable::try_new(lists[0].schema(), vec![batches]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    let first = "SELECT l FROM t ORDER BY l DESC LIMIT 1";
    let first = context.sql(first).await.unwrap().collect().await.unwrap();
    assert_eq!(shown(&first), "[1, 3]");
}

#[tokio::test]
async fn datafusion_still_finds_null_in_lists_and_sorts_it_first() {
    let lists = "SELECT array_has_any(ARRAY[1, NULL], ARRAY[NULL, 2]) AS o, ARRAY[1, NULL] @> ARRAY[1, NULL] AS c";
    assert_eq!(alone(lists).await, "true|true");
    assert_eq!(
        alone("SELECT array_sort(ARRAY[3, NULL, 1]) AS l").await,
        "[, 1, 3]"
    );
    let by_row = "SELECT array_sort(l, o) AS l FROM (VALUES (ARRAY[1, 2], 'ASC'), (ARRAY[1, 2], 'DESC')) AS t(l, o)";
    assert_eq!(alone(by_row).await, "[1, 2];[1, 2]");
}

#[tokio::test]
async fn datafusion_still_passes_over_distinct() {
    // https://github.com/apache/datafusion/blob/55.2.0/datafusion/functions-aggregate/src/regr.rs
    let pairs = "SELECT regr_count(DISTINCT x, y) AS n FROM (VALUES (1, 1), (1, 1)) AS t(x, y)";
    assert_eq!(alone(pairs).await, "2");
    let two = "SELECT stddev(DISTINCT x) AS s, count(DISTINCT y) AS n FROM (VALUES (1, 1), (2, 1)) AS t(x, y)";
    assert!(alone(two).await.starts_with("error: "));
}

#[tokio::test]
async fn datafusion_still_has_no_range_of_bytes() {
    let window = "SELECT rank() OVER (ORDER BY b) AS r FROM (VALUES (X'00')) AS t(b)";
    assert!(alone(window).await.contains("Cannot run range queries"));
}
