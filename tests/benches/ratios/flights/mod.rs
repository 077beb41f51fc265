//! The example pipeline `flights` over the whole year, beside the same pipeline with the plugin's code compiled into the program.
//!
//! Both do what a run does: read the files, run the steps, and spool those with several readers; only the sinks are left out.
//! The SQL is the example's own. The native side calls the very functions of the plugin's crate: great_circle in a loop over
//! the columns' values, the transform in an operator that asks for the same partitioning and order ([`native`]).

mod native;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use transom_connect::{CsvOptions, FileSource, Format};
use transom_plugin::{Cancel, Plugin};
use transom_query::{OnError, OnReject, OrderBy, Params, Session, SessionOptions, TransformStep};

use super::common::Result;
use super::common::guests;
use super::common::measure::{Comparison, Target, interleaved};

const ROUNDS: usize = 10;
const OPTIONS: &str = r#"{"longest": "10h"}"#;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let plugin = guests::load(&guests::runtime()?, "examples/flights/plugins/aviation")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let run = |plugin| runtime.block_on(run(plugin));
    let (ours, native) = (run(Some(&plugin))?, run(None)?);
    assert_eq!(rows(&ours)?, rows(&native)?, "both give the same figures");

    let [native, ours] = interleaved(
        ROUNDS,
        [&mut || run(None).map(drop), &mut || {
            run(Some(&plugin)).map(drop)
        }],
    )?;
    Ok(vec![Comparison {
        name: "pipeline `flights`, the whole year".to_owned(),
        baseline: ("the plugin's code compiled in", native),
        ours,
        target: Target::Faster(0.9),
    }])
}

/// Runs all steps, with the plugin or natively; gives the batches of the two steps that the sinks take.
async fn run(plugin: Option<&Arc<Plugin>>) -> Result<[Vec<RecordBatch>; 2]> {
    let mut session = Session::new(&SessionOptions::default(), Cancel::new())?;
    add_sources(&session).await?;
    match plugin {
        Some(plugin) => session.add_plugin(Arc::clone(plugin)),
        None => session.context().register_udf(native::great_circle()),
    }
    let departures = plan(&session, "departures").await?;
    session.add_step("departures", departures)?;
    spool(&mut session, "departures").await?;

    let turnarounds = match plugin {
        Some(_) => session.plan_transform(turnarounds(), "departures").await?,
        None => {
            let input = session.plan_scan("departures").await?;
            let table = native::turnarounds(session.optimize(input).await?, OPTIONS)?;
            session.add_table("native_turnarounds", Arc::new(table))?;
            session.plan_scan("native_turnarounds").await?
        }
    };
    session.add_step("turnarounds", turnarounds)?;
    spool(&mut session, "turnarounds").await?;

    Ok([
        collect(&session, "daily").await?,
        collect(&session, "aircraft").await?,
    ])
}

fn turnarounds() -> TransformStep {
    TransformStep {
        name: "turnarounds".to_owned(),
        plugin: "aviation".to_owned(),
        transform: "turnarounds".to_owned(),
        partition_by: vec!["tailnum".to_owned()],
        order_by: vec![OrderBy {
            column: "departed".to_owned(),
            descending: false,
            nulls_first: false,
        }],
        options: OPTIONS.to_owned(),
        on_reject: OnReject::Drop,
    }
}

async fn add_sources(session: &Session) -> Result<()> {
    let csv = |null: Option<&str>| {
        Format::Csv(CsvOptions {
            null: null.map(str::to_owned),
            ..CsvOptions::default()
        })
    };
    for (name, pattern, format) in [
        ("flights", "data/flights/*.parquet", Format::Parquet),
        ("weather", "data/weather.parquet", Format::Parquet),
        ("airports", "data/airports.csv", csv(Some("NA"))),
        ("airlines", "data/airlines.csv", csv(None)),
        ("planes", "data/planes.csv", csv(Some("NA"))),
    ] {
        let source = FileSource {
            name: name.to_owned(),
            root: guests::repository().join("examples/flights"),
            pattern: pattern.to_owned(),
            format,
            columns: None,
            read: transom_connect::ReadProgress::default(),
        };
        let table = source.table(&session.context().state(), None).await?;
        session.add_table(name, table)?;
    }
    Ok(())
}

async fn plan(session: &Session, step: &str) -> Result<datafusion::logical_expr::LogicalPlan> {
    let file = guests::repository().join(format!("examples/flights/sql/{step}.sql"));
    let sql = std::fs::read_to_string(file)?;
    let params = Params::from([("late_minutes".to_owned(), ScalarValue::Int64(Some(15)))]);
    Ok(session.plan_sql(&sql, &params, |_| OnError::Fail).await?)
}

async fn spool(session: &mut Session, step: &str) -> Result<()> {
    let execution = session.spool(step, Arc::new(AtomicU64::new(0))).await?;
    execution.done();
    Ok(())
}

async fn collect(session: &Session, step: &str) -> Result<Vec<RecordBatch>> {
    let mut execution = session.execute(plan(session, step).await?).await?;
    let streams = std::mem::take(&mut execution.streams);
    let streams = streams.into_iter().map(TryStreamExt::try_collect);
    let batches: Vec<Vec<RecordBatch>> = futures::future::try_join_all(streams).await?;
    execution.done();
    Ok(batches.concat())
}

/// Every row as text, sorted: streams and hash tables keep no order.
fn rows(steps: &[Vec<RecordBatch>; 2]) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for batch in steps.iter().flatten() {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                let text = array_value_to_string(column, row)?;
                // Sums of floats depend on their order; seven digits do not.
                Ok(match text.parse::<f64>() {
                    Ok(number) => format!("{number:.6e}"),
                    Err(_) => text,
                })
            });
            rows.push(values.collect::<Result<Vec<_>>>()?.join(","));
        }
    }
    rows.sort_unstable();
    Ok(rows)
}
