//! What a function costs in SQL when it is a plugin's, beside the same function compiled into the program.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::physical_plan::{ExecutionPlan, collect};
use tokio::runtime::Runtime;
use transom_file::ErrorPolicy;
use transom_plugin::{Cancel, Plugin};
use transom_query::{Params, Session, SessionOptions};

use super::common::Result;
use super::common::data;
use super::common::guests;
use super::common::measure::{Comparison, Target, interleaved};
use super::common::native;

const ROUNDS: usize = 3000;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let plugin = guests::load(&guests::runtime()?, "tests/guests/echo")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    [1024, 8192]
        .into_iter()
        .map(|rows| {
            let [native, ours] = gcd(&runtime, &plugin, rows)?;
            Ok(Comparison {
                name: format!("gcd(a, b) in SQL, {rows} rows"),
                baseline: ("native function", native),
                ours,
                target: Target::Slower(3.0),
                split: None,
            })
        })
        .collect()
}

/// The time of one run of an already planned query, with the native function and with the plugin's.
fn gcd(runtime: &Runtime, plugin: &Arc<Plugin>, rows: usize) -> Result<[Duration; 2]> {
    let options = SessionOptions {
        partitions: 1,
        ..SessionOptions::default()
    };
    let mut session = Session::new(&options, Cancel::new())?;
    session.add_plugin(Arc::clone(plugin));
    session.context().register_udf(native_gcd());
    let batch = data::pairs(2, rows)?;
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    session.add_table("pairs", Arc::new(table))?;
    let plan = |sql| {
        runtime.block_on(async {
            let params = Params::new();
            let plan = session.plan_sql(sql, &params, |_| ErrorPolicy::Fail);
            session.optimize(plan.await?).await
        })
    };
    let native = plan("SELECT native_gcd(a, b) AS gcd FROM pairs")?;
    let ours = plan("SELECT echo.gcd(a, b) AS gcd FROM pairs")?;
    let run = |plan: &Arc<dyn ExecutionPlan>| -> Result<Vec<RecordBatch>> {
        let collected = collect(Arc::clone(plan), session.context().task_ctx());
        Ok(runtime.block_on(collected)?)
    };
    assert_eq!(values(&run(&native)?), values(&run(&ours)?));
    interleaved(
        ROUNDS,
        [&mut || run(&native).map(drop), &mut || run(&ours).map(drop)],
    )
}

fn values(batches: &[RecordBatch]) -> Vec<ArrayRef> {
    let columns = batches.iter().map(|batch| batch.column(0));
    columns.cloned().collect()
}

fn native_gcd() -> ScalarUDF {
    create_udf(
        "native_gcd",
        vec![DataType::Int64, DataType::Int64],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| {
            let columns = ColumnarValue::values_to_arrays(arguments)?;
            let (a, b) = (columns[0].as_primitive(), columns[1].as_primitive());
            Ok(ColumnarValue::Array(Arc::new(native::gcd(a, b))))
        }),
    )
}
