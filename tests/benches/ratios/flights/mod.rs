//! The example pipeline `flights` over the whole year, beside the same pipeline with the plugins' code compiled into the program.
//!
//! Both do what a run does: read the files, run the steps, and spool those with several readers; only the sinks are left out.
//! The SQL is the example's own. For the plugin in Rust the native side calls the very functions of its crate: great_circle in
//! a loop over the columns' values, the transform in an operator that asks for the same partitioning and order ([`native`]). Of
//! the plugins in Go and Python it has the same rules in Rust ([`functions`]). One side has one plugin, or all three; what is not
//! a plugin there is native on both sides.

mod functions;
mod native;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use transom_connect::{FileSource, Source};
use transom_file::ErrorPolicy;
use transom_file::spec::{CsvOptions, Format};
use transom_plugin::{Cancel, Limits, Plugin};
use transom_query::{OnReject, OrderBy, Params, Session, SessionOptions, TransformStep};

use super::common::Result;
use super::common::guests;
use super::common::measure::{Comparison, Target, all_threads, median, taking_turns};

const ROUNDS: usize = 10;
const OPTIONS: &str = r#"{"longest": "10h"}"#;

/// A plugin of the example: its name in the SQL, its folder, and its language.
pub(crate) type Part = (&'static str, &'static str, &'static str);

pub(crate) const PARTS: [Part; 3] = [
    ("aviation", "aviation", "Rust"),
    ("geography", "geography", "Go"),
    ("conditions", "weather", "Python"),
];

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let plugins = guests::runtime()?;
    let load = |(name, folder, _): Part| -> Result<Arc<Plugin>> {
        let component = guests::component(&format!("examples/flights/plugins/{folder}"))?;
        Ok(plugins.load(name, &component, Limits::default())?)
    };
    let all = PARTS.into_iter().map(load).collect::<Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let run = |plugins| runtime.block_on(run(plugins));
    assert_eq!(
        rows(&run(&all)?)?,
        rows(&run(&[])?)?,
        "both give the same figures"
    );

    let sides = [&[], &all[..1], &all[1..2], &all[2..], &all[..]];
    let mut processor = sides.map(|_| Vec::new());
    let clock = taking_turns(ROUNDS, |side| {
        let (start, before) = (Instant::now(), all_threads()?);
        run(sides[side])?;
        processor[side].push(all_threads()? - before);
        Ok(start.elapsed())
    })?;
    let processor = processor.map(|mut times| median(&mut times));

    // The clock says what a user waits for; on a machine with other work processor time is the steadier of the two.
    let mut comparisons = Vec::new();
    for (what, times) in [("clock", clock), ("processor time", processor)] {
        let [native, sides @ ..] = times;
        let names = PARTS.map(|(name, _, language)| format!("`{name}` in {language}"));
        let names = names.into_iter().chain(["all three plugins".to_owned()]);
        for (side, (name, ours)) in names.zip(sides).enumerate() {
            comparisons.push(Comparison {
                name: format!("pipeline `flights`, the whole year, {what}: {name}"),
                baseline: ("all plugins' code compiled in", native),
                ours,
                target: match side {
                    0 => Target::Faster(0.9),
                    _ => Target::None,
                },
                split: None,
            });
        }
    }
    Ok(comparisons)
}

/// Runs all steps, with these plugins and the others natively; gives the batches of the four steps that the sinks take.
async fn run(plugins: &[Arc<Plugin>]) -> Result<[Vec<RecordBatch>; 4]> {
    let mut session = Session::new(&SessionOptions::default(), Cancel::new())?;
    add_sources(&session).await?;
    for plugin in plugins {
        session.add_plugin(Arc::clone(plugin));
    }
    let is_plugin = |part: Part| plugins.iter().any(|plugin| plugin.name() == part.0);
    let [aviation, geography, conditions] = PARTS.map(is_plugin);
    let mut natives = Vec::new();
    if !aviation {
        natives.push(native::great_circle());
    }
    if !geography {
        natives.extend(functions::geography());
    }
    if !conditions {
        natives.extend(functions::conditions());
    }
    for native in natives {
        session.context().register_udf(native);
    }
    let departures = plan(&session, "departures").await?;
    session.add_step("departures", departures)?;
    spool(&mut session, "departures").await?;

    let turnarounds = match aviation {
        true => session.plan_transform(turnarounds(), "departures").await?,
        false => {
            let input = session.plan_scan("departures").await?;
            let table = native::turnarounds(session.optimize(input).await?, OPTIONS)?;
            session.add_table("native_turnarounds", Arc::new(table))?;
            session.plan_scan("native_turnarounds").await?
        }
    };
    session.add_step("turnarounds", turnarounds)?;
    spool(&mut session, "turnarounds").await?;

    let hours = plan(&session, "hours").await?;
    session.add_step("hours", hours)?;
    spool(&mut session, "hours").await?;

    Ok([
        collect(&session, "daily").await?,
        collect(&session, "aircraft").await?,
        collect(&session, "severity").await?,
        collect(&session, "headings").await?,
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
        max_rejects: None,
        with_origin: false,
    }
}

async fn add_sources(session: &Session) -> Result<()> {
    let csv = |null: Option<&str>| {
        Format::Csv(CsvOptions {
            null: null.map(str::to_owned).into_iter().collect(),
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
            root: guests::repository().join("examples/flights").into(),
            aws: transom_connect::Aws::default(),
            pattern: pattern.to_owned(),
            format,
            columns: None,
            unknown: transom_file::spec::Unknown::default(),
            sample: transom_connect::Sample::default(),
            read: transom_connect::ReadProgress::default(),
        };
        let state = session.context().state();
        let table = source.table(&source.list().await?, None, &state).await?;
        session.add_table(name, table)?;
    }
    Ok(())
}

async fn plan(session: &Session, step: &str) -> Result<datafusion::logical_expr::LogicalPlan> {
    let file = guests::repository().join(format!("examples/flights/sql/{step}.sql"));
    let sql = std::fs::read_to_string(file)?;
    let params = Params::from([("late_minutes".to_owned(), ScalarValue::Int64(Some(15)))]);
    Ok(session
        .plan_sql(&sql, &params, |_| ErrorPolicy::Fail)
        .await?)
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
fn rows(steps: &[Vec<RecordBatch>; 4]) -> Result<Vec<String>> {
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
