//! Transforms as operators of plans.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use transom_query::{
    DeadLetters, OnReject, OrderBy, RejectedRows, Session, SessionOptions, TransformMetrics,
    TransformStep,
};

use crate::support::{
    add, answer, letters, operators, plan, rows_of, run, session, session_with, step, whole,
};

/// Plans a transform over `input` as the step `out`.
async fn with_step(session: &mut Session, step: TransformStep, input: &str) {
    let plan = session.plan_transform(step, input).await.unwrap();
    session.add_step("out", plan).unwrap();
}

fn keyed(transform: &str, options: &str) -> TransformStep {
    TransformStep {
        partition_by: vec!["k".to_owned()],
        order_by: vec![OrderBy {
            column: "unused".to_owned(),
            descending: true,
            nulls_first: false,
        }],
        ..step(transform, options)
    }
}

/// Names of the columns that the scans of a plan give.
fn scanned(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let children = plan.children();
    if children.is_empty() {
        let schema = plan.schema();
        return schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
    }
    children.into_iter().flat_map(scanned).collect()
}

#[tokio::test]
async fn keys_and_order_make_a_repartition_and_a_sort() {
    let mut session = session();
    add(
        &session,
        "two",
        vec![vec![letters(0..10)], vec![letters(10..20)]],
    );
    with_step(&mut session, keyed("running", r#"{"column": "n"}"#), "two").await;
    let plan = plan(&session, "SELECT k, n, running_sum FROM out")
        .await
        .unwrap();
    let text = operators(&session.optimize(plan.clone()).await.unwrap());
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{text} lacks {part}"))
    };
    // Children stand below their parents.
    assert!(
        at("TransformExec: echo.running, reads=[n]") < at("SortExec"),
        "{text}"
    );
    assert!(
        at("SortExec") < at("RepartitionExec: partitioning=Hash([k@"),
        "{text}"
    );
    assert!(text.contains("[k@0 ASC NULLS LAST, unused@"), "{text}");
    assert!(text.contains(" DESC NULLS LAST]"), "{text}");
    // Each key has been summed from its largest number down, alone or after another key of its partition.
    let (batches, _) = run(&session, plan).await.unwrap();
    let rows = rows_of(&batches);
    assert_eq!(rows.len(), 20);
    let numbers = |key: &str| -> Vec<String> {
        let of_key = rows.iter().filter_map(|row| row.strip_prefix(key));
        of_key
            .map(|row| row.split('|').nth(1).unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        numbers("a"),
        ["18", "16", "14", "12", "10", "8", "6", "4", "2", "0"]
    );
    assert_eq!(
        numbers("b"),
        ["19", "17", "15", "13", "11", "9", "7", "5", "", "1"]
    );
}

#[tokio::test]
async fn a_transform_with_state_and_without_keys_sees_all_rows_in_one_sequence() {
    let mut session = session();
    add(
        &session,
        "two",
        vec![vec![letters(0..10)], vec![letters(10..20)]],
    );
    with_step(&mut session, step("running", r#"{"column": "n"}"#), "two").await;
    let rows = answer(&session, "SELECT max(running_sum), count(*) FROM out")
        .await
        .unwrap();
    assert_eq!(rows, [format!("{}|20", (0..20).sum::<i64>() - 3)]);
}

#[tokio::test]
async fn columns_that_nobody_needs_are_not_scanned() {
    let mut session = session();
    with_step(&mut session, step("pass", r#"{"column": "n"}"#), "t").await;
    let plan_of = async |sql: &str| {
        let plan = plan(&session, sql).await.unwrap();
        session.optimize(plan).await.unwrap()
    };
    let physical = plan_of("SELECT s FROM out").await;
    assert_eq!(scanned(&physical), ["n", "s"], "{}", operators(&physical));
    assert!(
        operators(&physical).contains("reads=[n], carries=[n, s]"),
        "{}",
        operators(&physical)
    );
    let physical = plan_of("SELECT count(*) FROM out").await;
    assert_eq!(scanned(&physical), ["n"], "{}", operators(&physical));
    assert_eq!(
        answer(&session, "SELECT s, k FROM out WHERE n = 2")
            .await
            .unwrap(),
        ["s2|a"]
    );
}

#[tokio::test]
async fn a_filter_stays_above_the_transform() {
    let mut session = session();
    with_step(&mut session, step("running", r#"{"column": "n"}"#), "t").await;
    let rows = answer(&session, "SELECT running_sum FROM out WHERE n = 2")
        .await
        .unwrap();
    assert_eq!(rows, ["3"]);
}

#[tokio::test]
async fn output_in_parts_and_other_numbers_of_rows_reach_the_query() {
    let mut session = session();
    let options = r#"{"times": 3, "part_rows": 5}"#;
    with_step(&mut session, step("explode", options), "t").await;
    let rows = answer(
        &session,
        "SELECT s, count(*), sum(copy) FROM out GROUP BY s ORDER BY s",
    )
    .await
    .unwrap();
    assert_eq!(rows, ["s0|3|3", "s1|3|3", "s2|3|3", "s3|3|3"]);
}

#[derive(Debug, Default)]
struct Collected(Mutex<Vec<RejectedRows>>);

impl DeadLetters for Collected {
    fn put(&self, rejected: RejectedRows) -> Result<()> {
        self.0.lock().push(rejected);
        Ok(())
    }
}

async fn rejecting(on_reject: OnReject) -> (Session, TransformStep) {
    let step = TransformStep {
        on_reject,
        ..step("reject_odd", "{}")
    };
    (session(), step)
}

#[tokio::test]
async fn rejected_rows_end_the_run_when_asked() {
    let (session, step) = rejecting(OnReject::Fail).await;
    let plan = session.plan_transform(step, "t").await.unwrap();
    let text = whole(&run(&session, plan).await.unwrap_err());
    assert!(
        text.contains(
            "step `reject_odd_step` (transform `echo.reject_odd`) rejected a row, at row 2 of partition 0, in batch 1: row 1 is odd"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn rejected_rows_are_counted_when_dropped() {
    let (session, step) = rejecting(OnReject::Drop).await;
    let plan = session.plan_transform(step, "t").await.unwrap();
    let (batches, figures) = run(&session, plan).await.unwrap();
    assert_eq!(rows_of(&batches), ["a|0|s0|0", "a|2|s2|2"]);
    assert_eq!(figures.transforms[0].rejected_rows, 2);
}

#[tokio::test]
async fn dead_letters_keep_whole_rows_though_the_query_needs_few_columns() {
    let letters = Arc::new(Collected::default());
    let (mut session, step) = rejecting(OnReject::DeadLetter(Arc::clone(&letters) as _)).await;
    with_step(&mut session, step, "t").await;
    assert_eq!(
        answer(&session, "SELECT k FROM out").await.unwrap(),
        ["a", "a"]
    );
    let letters = letters.0.lock();
    assert_eq!(letters.len(), 1);
    let rejected = &letters[0];
    assert_eq!(rejected.step, "reject_odd_step");
    assert_eq!(
        (rejected.plugin.as_str(), rejected.version.as_str()),
        ("echo", "0.1.0")
    );
    assert_eq!(
        rows_of(std::slice::from_ref(&rejected.rows)),
        ["b|1|s1|1", "b||s3|3"]
    );
    assert_eq!(rejected.reasons, ["row 1 is odd", "row 3 is odd"]);
}

#[tokio::test]
async fn dead_letters_are_numbered_from_batch_to_batch_of_a_partition() {
    let letters_of = Arc::new(Collected::default());
    let (session, step) = rejecting(OnReject::DeadLetter(Arc::clone(&letters_of) as _)).await;
    let parts = vec![
        vec![letters(0..4), letters(4..7)],
        vec![letters(10..12), letters(12..14)],
    ];
    add(&session, "parts", parts);
    let plan = session.plan_transform(step, "parts").await.unwrap();
    run(&session, plan).await.unwrap();
    let letters = letters_of.0.lock();
    let mut numbers: Vec<_> = letters
        .iter()
        .map(|rejected| (rejected.partition, rejected.numbers.clone()))
        .collect();
    numbers.sort();
    assert_eq!(
        numbers,
        [(0, vec![1, 3]), (0, vec![5]), (1, vec![1]), (1, vec![3])]
    );
}

#[tokio::test]
async fn columns_of_an_origin_reach_dead_letters_and_nobody_else() {
    let letters_of = Arc::new(Collected::default());
    let (mut session, mut step) =
        rejecting(OnReject::DeadLetter(Arc::clone(&letters_of) as _)).await;
    let rows = letters(0..4);
    let places = StringArray::from(vec!["a", "b", "c", "d"]);
    let mut columns: Vec<(String, ArrayRef)> = rows
        .schema()
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
        .collect();
    // In front: it is found by its name, not by its place.
    columns.insert(0, ("place".to_owned(), Arc::new(places)));
    let placed = RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let origin = MemTable::try_new(placed.schema(), vec![vec![placed]]).unwrap();
    step.with_origin = true;
    let table = session.context().table_provider("t").await.unwrap();
    session.context().deregister_table("t").unwrap();
    session
        .set_source("t", table, Some(Arc::new(origin)))
        .unwrap();
    with_step(&mut session, step, "t").await;
    assert_eq!(
        answer(&session, "SELECT * FROM out").await.unwrap(),
        ["a|0|s0|0", "a|2|s2|2"]
    );
    let letters = letters_of.0.lock();
    let rejected = &letters[0];
    let text = |batch: &RecordBatch| rows_of(std::slice::from_ref(batch));
    assert_eq!(text(&rejected.rows), ["b|1|s1|1", "b||s3|3"]);
    assert_eq!(text(rejected.origin.as_ref().unwrap()), ["b", "d"]);
}

#[tokio::test]
async fn a_rejected_row_too_many_ends_the_run() {
    for (allowed, ends) in [(1, true), (2, false)] {
        let (session, mut step) = rejecting(OnReject::Drop).await;
        step.max_rejects = Some(allowed);
        let plan = session.plan_transform(step, "t").await.unwrap();
        let ran = run(&session, plan).await;
        let message = ran.as_ref().err().map(whole).unwrap_or_default();
        assert_eq!(ran.is_err(), ends, "{message}");
        if ends {
            assert!(
                message.contains("step `reject_odd_step` rejected more than 1 row"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn the_operator_counts_rows_and_time() {
    let session = session_with(SessionOptions {
        partitions: 2,
        ..SessionOptions::default()
    });
    let rows: Vec<_> = (0..10)
        .map(|part| letters(part * 1000..(part + 1) * 1000))
        .collect();
    add(&session, "big", vec![rows]);
    let step = TransformStep {
        on_reject: OnReject::Drop,
        ..step("reject_odd", "{}")
    };
    let plan = session.plan_transform(step, "big").await.unwrap();
    let mut execution = session.execute(plan).await.unwrap();
    for stream in std::mem::take(&mut execution.streams) {
        futures::TryStreamExt::try_collect::<Vec<_>>(stream)
            .await
            .unwrap();
    }
    let metrics = execution.plan().metrics();
    let names: Vec<String> = metrics
        .iter()
        .flat_map(|metrics| metrics.iter())
        .map(|metric| metric.value().name().to_owned())
        .collect();
    for name in [
        "input_rows",
        "rejected_rows",
        "guest_time",
        "lowering_time",
        "lifting_time",
        "guest_peak_memory",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "{names:?} lacks {name}"
        );
    }
    let figures = execution.done();
    let TransformMetrics {
        step,
        input_rows,
        output_rows,
        rejected_rows,
        guest,
        ..
    } = &figures.transforms[0];
    assert_eq!(
        (step.as_str(), *input_rows, *output_rows, *rejected_rows),
        ("reject_odd_step", 10_000, 5000, 5000)
    );
    assert!(*guest > std::time::Duration::ZERO);
}

#[tokio::test]
async fn mistakes_of_a_step_are_named_while_planning() {
    let session = session();
    for (step, text) in [
        (
            step("no_such", "{}"),
            "plugin `echo` has no transform `no_such`; it has: echo, pass",
        ),
        (
            TransformStep {
                plugin: "other".to_owned(),
                ..step("pass", "{}")
            },
            "there is no plugin `other`",
        ),
        (
            TransformStep {
                partition_by: vec!["x".to_owned()],
                ..step("filter", "{}")
            },
            "there is no column `x`; there are: k, n, s, unused",
        ),
        (
            step("pass", r#"{"column": "x"}"#),
            "there is no column `x`; the input has `k`, `n`, `s`, `unused`",
        ),
        (
            step("pass", "{}"),
            "opening `echo.pass` failed: plugin `echo` reports configuration error",
        ),
    ] {
        let error = session.plan_transform(step, "t").await.unwrap_err();
        assert!(
            whole(&error).contains(text),
            "{} lacks {text}",
            whole(&error)
        );
    }
}

#[tokio::test]
async fn lists_are_ordered_with_nulls_where_their_items_have_them() {
    let mut session = session();
    let lists = "SELECT make_array(n) AS l, n FROM t";
    let lists = plan(&session, lists).await.unwrap();
    session.add_step("lists", lists).unwrap();
    let by = |nulls_first| TransformStep {
        order_by: vec![OrderBy {
            column: "l".to_owned(),
            descending: true,
            nulls_first,
        }],
        ..step("running", r#"{"column": "n"}"#)
    };
    let planned = session.plan_transform(by(true), "lists").await;
    planned.unwrap();
    let error = session.plan_transform(by(false), "lists").await;
    let error = whole(&error.unwrap_err());
    let text = "`order_by` has no column `l` of type list<int64> with `nulls_first: false`";
    assert!(error.contains(text), "{error}");
}

#[tokio::test]
async fn a_column_is_cast_to_the_type_that_a_transform_reads_and_carried_over_as_it_is() {
    let mut session = session();
    let numbers = Arc::new(arrow::array::Int32Array::from(vec![1, 2, 3])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    add(&session, "small", vec![vec![batch]]);
    with_step(&mut session, step("running", r#"{"column": "n"}"#), "small").await;
    let plan = plan(
        &session,
        "SELECT n, arrow_typeof(n) AS t, running_sum FROM out",
    );
    let rows = rows_of(&run(&session, plan.await.unwrap()).await.unwrap().0);
    assert_eq!(rows, ["1|Int32|1", "2|Int32|3", "3|Int32|6"]);
}

#[tokio::test]
async fn a_column_that_a_transform_does_not_read_in_any_type_is_refused_while_planning() {
    let session = session();
    let refused = session.plan_transform(step("running", r#"{"column": "s"}"#), "t");
    let text = whole(&refused.await.unwrap_err());
    assert!(
        text.contains("`s` must be int64 for `echo.running`, but the input has utf8"),
        "{text}"
    );
}
