//! Whether plugins use the cores: the same work on one partition and on two.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use futures::TryStreamExt;
use transom_file::ErrorPolicy;
use transom_plugin::{Cancel, Plugin};
use transom_query::{OnReject, Params, Session, SessionOptions, TransformStep};

use super::common::Result;
use super::common::data;
use super::common::guests;
use super::common::measure::{Comparison, Target, interleaved};

const ROWS: usize = 4 << 20;
const BATCH: usize = 8192;
const ROUNDS: usize = 10;

/// All comparisons of the group.
pub(crate) fn compare() -> Result<Vec<Comparison>> {
    let plugin = guests::load(&guests::runtime()?, "tests/guests/echo")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let batches: Vec<RecordBatch> = (0..(ROWS / BATCH) as u64)
        .map(|seed| data::pairs(seed, BATCH))
        .collect::<Result<_, _>>()?;
    [
        Work {
            name: "gcd(a, b) in SQL",
            sql: "SELECT sum(echo.gcd(a, b)) FROM pairs",
            transform: false,
        },
        Work {
            name: "gcd(a, b) of what a transform echoes",
            sql: "SELECT sum(echo.gcd(a, b)) FROM echoed",
            transform: true,
        },
    ]
    .into_iter()
    .map(|work| {
        let mut alone = || runtime.block_on(work.run(&plugin, &batches, 1)).map(drop);
        let mut both = || runtime.block_on(work.run(&plugin, &batches, 2)).map(drop);
        let [alone, both] = interleaved(ROUNDS, [&mut alone, &mut both])?;
        Ok(Comparison {
            name: format!("{}, {ROWS} rows, two partitions", work.name),
            baseline: ("one partition", alone),
            ours: both,
            target: Target::Faster(1.7),
            split: None,
        })
    })
    .collect()
}

struct Work {
    name: &'static str,
    sql: &'static str,
    /// Whether there is a step `echoed`.
    transform: bool,
}

impl Work {
    async fn run(
        &self,
        plugin: &Arc<Plugin>,
        batches: &[RecordBatch],
        partitions: usize,
    ) -> Result<Vec<RecordBatch>> {
        let options = SessionOptions {
            partitions,
            ..SessionOptions::default()
        };
        let mut session = Session::new(&options, Cancel::new())?;
        session.add_plugin(Arc::clone(plugin));
        let shares = batches.chunks(batches.len().div_ceil(partitions));
        let shares = shares.map(<[RecordBatch]>::to_vec).collect();
        let table = MemTable::try_new(batches[0].schema(), shares)?;
        session.add_table("pairs", Arc::new(table))?;
        if self.transform {
            let step = TransformStep {
                name: "echoed".to_owned(),
                plugin: "echo".to_owned(),
                transform: "echo".to_owned(),
                partition_by: Vec::new(),
                order_by: Vec::new(),
                options: r#"{"reads": "all"}"#.to_owned(),
                on_reject: OnReject::Fail,
                max_rejects: None,
                with_origin: false,
            };
            let plan = session.plan_transform(step, "pairs").await?;
            session.add_step("echoed", plan)?;
        }
        let plan = session
            .plan_sql(self.sql, &Params::new(), |_| ErrorPolicy::Fail)
            .await?;
        let mut execution = session.execute(plan).await?;
        let streams = std::mem::take(&mut execution.streams);
        let streams = streams.into_iter().map(TryStreamExt::try_collect);
        let batches: Vec<Vec<RecordBatch>> = futures::future::try_join_all(streams).await?;
        execution.done();
        Ok(batches.concat())
    }
}
