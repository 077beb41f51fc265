//! The Data API as networks make it: whatever becomes of a request or its answer, each slice is loaded once.

use hyper::Method;
use transom_connect::{Aws, RedshiftSink};
use transom_file::spec::{AwsOptions, LoadMode};
use transom_local::Isolation;
use transom_tests::proxy::{FAULTS, Fault, Proxy, Which};

use crate::query::KEYS;
use crate::world::{World, visits};

const OPERATIONS: [(&str, Which); 4] = [
    ("BatchExecuteStatement", |_: &Method, asked| {
        asked.ends_with(".BatchExecuteStatement")
    }),
    ("ExecuteStatement", |_, asked| {
        asked.ends_with(".ExecuteStatement")
    }),
    ("DescribeStatement", |_, asked| {
        asked.ends_with(".DescribeStatement")
    }),
    ("GetStatementResult", |_, asked| {
        asked.ends_with(".GetStatementResult")
    }),
];

fn through(sink: &RedshiftSink, address: &str) -> RedshiftSink {
    RedshiftSink {
        aws: Aws::at(AwsOptions::default(), address, KEYS.0, KEYS.1),
        ..sink.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_any_request_loads_no_row_twice_and_loses_none() {
    loads_once(LoadMode::Append, Isolation::Snapshot).await;
}

async fn loads_once(mode: LoadMode, isolation: Isolation) {
    let world = World::with(isolation).await;
    let mut sink = world.sink(mode);
    let mut id = 0;
    for fault in FAULTS {
        for (name, which) in OPERATIONS {
            let what = format!("{mode:?} {isolation:?}: {fault:?} of {name}");
            let (address, proxy) = Proxy::start(world.endpoint(), fault, which, 1).await;
            // Also where the table is created.
            sink.table.table.name = format!("daily_{id}");
            sink.name = format!("mart_{id}");
            let faulty = through(&sink, &address);
            let mut load = || {
                id += 1;
                let day = format!("2026-11-{:02}", 1 + id % 28);
                visits(&[&[id.to_string().as_str(), "2026-11-01 10:00:00", &day, "x"]])
            };
            let loads = [load(), load()];
            let loaded = world.load(&faulty, loads).await;
            assert_eq!(proxy.left(), 0, "{what}");
            loaded.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let table = &sink.table.table;
            let rows = format!("SELECT count(*), count(DISTINCT id) FROM {table}");
            let expected = match mode {
                LoadMode::Overwrite => "1 1",
                _ => "2 2",
            };
            assert_eq!(world.sql(&rows).await, expected, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_carries_out_and_never_answers_is_settled_by_the_next_run() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let load = |id: &str| visits(&[&[id, "-", "-", "x"]]);
    world.load(&sink, [load("1")]).await.unwrap();
    let (name, which) = OPERATIONS[0];
    let (address, _) = Proxy::start(world.endpoint(), Fault::AnswerLost, which, 6).await;
    // The SDK has given up; the ledger says that it was carried out.
    let lost = world.load(&through(&sink, &address), [load("2")]).await;
    lost.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    world.load(&sink, [load("3")]).await.unwrap();
    let rows = "SELECT count(*), count(DISTINCT id) FROM public.daily";
    assert_eq!(world.sql(rows).await, "3 3");
}

/// The same in all modes, at both isolation levels.
mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "long: minutes"]
    async fn a_fault_of_any_request_loads_no_row_twice_and_loses_none_in_any_mode() {
        for isolation in [Isolation::Snapshot, Isolation::Serializable] {
            for mode in [
                LoadMode::Append,
                LoadMode::Merge,
                LoadMode::OverwritePartitions,
                LoadMode::Overwrite,
            ] {
                loads_once(mode, isolation).await;
            }
        }
    }
}
