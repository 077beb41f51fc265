//! A session with the echo plugin and a small table, and shorthands that every test needs.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use futures::TryStreamExt;
use transom_file::ErrorPolicy;
use transom_plugin::{Cancel, Limits, Plugin, Runtime, RuntimeOptions};
use transom_query::{Figures, OnReject, Params, Session, SessionOptions, TransformStep};

#[path = "../../../../tests/guests/echo.rs"]
mod echo;

use echo::component;

/// The echo plugin, loaded again, so that a test sees who holds it; its code is compiled once.
pub(crate) fn plugin() -> Arc<Plugin> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let load = |runtime: &Runtime| {
        runtime
            .load("echo", component(), Limits::default())
            .expect("the echo guest loads")
    };
    let runtime = RUNTIME.get_or_init(|| {
        let runtime = Runtime::new(RuntimeOptions {
            // Kept between runs of the tests, so that Cranelift runs once for each guest.
            cache: transom_build::cache_folder()
                .map(|folder| folder.join("compiled"))
                .ok(),
            ..RuntimeOptions::default()
        });
        let runtime = runtime.expect("the engine starts");
        load(&runtime);
        runtime
    });
    load(runtime)
}

/// A session of two partitions with the plugin `echo` and the table `t`.
pub(crate) fn session() -> Session {
    session_with(SessionOptions {
        partitions: 2,
        ..SessionOptions::default()
    })
}

pub(crate) fn session_with(options: SessionOptions) -> Session {
    let mut session = Session::new(&options, Cancel::new()).unwrap();
    session.add_plugin(plugin());
    add(&session, "t", vec![vec![letters(0..4)]]);
    session
}

/// Rows with a key `k` of `a` or `b`, a number `n` that is NULL where it would be 3, a text `s` and its length `unused`.
pub(crate) fn letters(range: std::ops::Range<i64>) -> RecordBatch {
    let numbers = || range.clone();
    let keys: StringArray = numbers()
        .map(|n| Some(if n % 2 == 0 { "a" } else { "b" }))
        .collect();
    let values: Int64Array = numbers().map(|n| (n != 3).then_some(n)).collect();
    let texts: StringArray = numbers().map(|n| Some(format!("s{n}"))).collect();
    let unused: Int64Array = numbers().map(Some).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("k", Arc::new(keys) as ArrayRef, true),
        ("n", Arc::new(values) as ArrayRef, true),
        ("s", Arc::new(texts) as ArrayRef, true),
        ("unused", Arc::new(unused) as ArrayRef, true),
    ])
    .unwrap()
}

/// Adds a table of partitions.
pub(crate) fn add(session: &Session, name: &str, partitions: Vec<Vec<RecordBatch>>) {
    let table = MemTable::try_new(partitions[0][0].schema(), partitions).unwrap();
    session.add_table(name, Arc::new(table)).unwrap();
}

/// Plans SQL without variables; functions fail at the first row that fails.
pub(crate) async fn plan(session: &Session, sql: &str) -> Result<LogicalPlan> {
    session
        .plan_sql(sql, &Params::new(), |_| ErrorPolicy::Fail)
        .await
}

/// Runs a plan to its end.
pub(crate) async fn run(
    session: &Session,
    plan: LogicalPlan,
) -> Result<(Vec<RecordBatch>, Figures)> {
    let mut execution = session.execute(plan).await?;
    let streams = std::mem::take(&mut execution.streams);
    let parts = futures::future::try_join_all(
        streams
            .into_iter()
            .map(|stream| stream.try_collect::<Vec<_>>()),
    )
    .await?;
    Ok((parts.concat(), execution.done()))
}

/// The answer to a query as a table in text, without its frame.
pub(crate) async fn answer(session: &Session, sql: &str) -> Result<Vec<String>> {
    let plan = plan(session, sql).await?;
    Ok(rows_of(&run(session, plan).await?.0))
}

/// The rows of batches as text: `a|1|`.
pub(crate) fn rows_of(batches: &[RecordBatch]) -> Vec<String> {
    let table = pretty_format_batches(batches).unwrap().to_string();
    table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells.join("|")
        })
        .collect()
}

/// A step that runs a transform of the plugin and fails at the first rejected row.
pub(crate) fn step(transform: &str, options: &str) -> TransformStep {
    TransformStep {
        name: format!("{transform}_step"),
        plugin: "echo".to_owned(),
        transform: transform.to_owned(),
        partition_by: vec![],
        order_by: vec![],
        options: options.to_owned(),
        on_reject: OnReject::Fail,
        max_rejects: None,
        with_origin: false,
    }
}

/// The operators of a plan, one a line.
pub(crate) fn operators(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// An error with everything that caused it.
pub(crate) fn whole(error: &DataFusionError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
