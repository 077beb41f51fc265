//! What each mode does with the rows that are there.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use transom_commit::{Attempt, Task};
use transom_connect::{Replaces, Sink as _, WriteProgress};
use transom_file::spec::LoadMode;

use crate::world::{Planned, World, slice, visits};

const ALL: &str = "SELECT id, day, text FROM public.daily ORDER BY id, day, text";

#[tokio::test]
async fn append_adds_rows_with_the_number_of_their_entry() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let one = visits(&[
        &["1", "2026-11-01 10:00:00", "2026-11-01", "a"],
        &["2", "2026-11-01 11:00:00", "-", "-"],
    ]);
    let two = visits(&[&["1", "2026-11-01 10:00:00", "2026-11-01", "a"]]);
    world.load(&sink, [one, two]).await.unwrap();
    assert_eq!(
        world
            .sql("SELECT id, text, _transom_seq FROM public.daily ORDER BY id, _transom_seq")
            .await,
        "1 a 2; 1 a 3; 2 NULL 2"
    );
    let ledger = "SELECT pos, loading, blocked, loaded FROM public.transom_ledger__daily";
    assert_eq!(world.sql(ledger).await, "3 - 0 1");
}

#[tokio::test]
async fn merge_keeps_the_newest_row_of_each_key() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Merge);
    let first = visits(&[
        &["1", "2026-11-01 10:00:00", "-", "old"],
        &["1", "2026-11-01 12:00:00", "-", "new"],
        &["2", "2026-11-01 10:00:00", "-", "a"],
        &["2", "2026-11-01 10:00:00", "-", "b"],
        &["3", "2026-11-01 10:00:00", "-", "same"],
    ]);
    world.load(&sink, [first]).await.unwrap();
    assert_eq!(world.sql(ALL).await, "1 NULL new; 2 NULL b; 3 NULL same");
    let second = visits(&[
        &["1", "2026-11-01 11:00:00", "-", "late"],
        &["2", "2026-11-01 10:00:01", "-", "newer"],
        &["3", "2026-11-01 10:00:00", "2026-11-01", "again"],
        &["4", "2026-11-01 10:00:00", "-", "other"],
    ]);
    world.load(&sink, [second]).await.unwrap();
    assert_eq!(
        world.sql(ALL).await,
        "1 NULL new; 2 NULL newer; 3 2026-11-01 again; 4 NULL other"
    );
}

#[tokio::test]
async fn merge_compares_all_columns_that_say_what_is_newer() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Merge);
    sink.table.keys = vec!["ID".to_owned(), "day".to_owned()];
    sink.table.order_by = vec!["at".to_owned(), "text".to_owned()];
    let row = |at: &str, text: &str| {
        let at = format!("2026-11-01 {at}:00:00");
        visits(&[&["1", &at, "2026-11-01", text]])
    };
    world.load(&sink, [row("10", "b")]).await.unwrap();
    for (load, expected) in [
        (row("10", "a"), "b"),
        (row("09", "z"), "b"),
        (row("10", "c"), "c"),
        (row("11", "a"), "a"),
    ] {
        world.load(&sink, [load]).await.unwrap();
        assert_eq!(world.sql("SELECT text FROM public.daily").await, expected);
    }
}

#[tokio::test]
async fn overwrite_partitions_replaces_those_that_rows_are_in_and_those_that_became_empty() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::OverwritePartitions);
    let first = visits(&[
        &["1", "-", "2026-11-01", "a"],
        &["2", "-", "2026-11-02", "b"],
        &["3", "-", "2026-11-03", "c"],
        &["4", "-", "-", "d"],
    ]);
    world.load(&sink, [first]).await.unwrap();
    let second = visits(&[
        &["5", "-", "2026-11-01", "e"],
        &["6", "-", "-", "f"],
        &["7", "-", "-", "g"],
    ]);
    world.load(&sink, [second.clone()]).await.unwrap();
    assert_eq!(
        world.sql(ALL).await,
        "2 2026-11-02 b; 3 2026-11-03 c; 5 2026-11-01 e; 6 NULL f; 7 NULL g"
    );
    // Nothing is left of a day whose inputs are gone.
    let replaces = |values: &[Option<&str>]| Replaces {
        column: "day".to_owned(),
        values: values
            .iter()
            .map(|value| value.map(str::to_owned))
            .collect(),
    };
    for (rows, values, expected) in [
        (
            second.slice(0, 0),
            replaces(&[Some("2026-11-02")]),
            "3 2026-11-03 c; 5 2026-11-01 e; 6 NULL f; 7 NULL g",
        ),
        (
            second.slice(0, 1),
            replaces(&[Some("2026-11-01"), Some("2026-11-03"), None]),
            "5 2026-11-01 e",
        ),
    ] {
        let plans = [Planned::Partitions(rows, values)];
        world.run(&sink, plans.into(), Task::Run).await.unwrap();
        assert_eq!(world.sql(ALL).await, expected);
    }
}

#[tokio::test]
async fn overwrite_replaces_everything_also_by_nothing() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Overwrite);
    let load = visits(&[&["1", "-", "-", "a"], &["2", "-", "-", "b"]]);
    world
        .load(&sink, [load.clone(), load.slice(1, 1)])
        .await
        .unwrap();
    assert_eq!(world.sql(ALL).await, "2 NULL b");
    world.load(&sink, [load.slice(0, 0)]).await.unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM public.daily").await, "0");
}

/// A text of so many letters that no encoding makes small.
fn long_text(seed: u64) -> String {
    let mut state = seed;
    let letters = (0..40_000).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + (state >> 60) as u8)
    });
    letters.collect()
}

#[tokio::test]
async fn files_that_are_staged_end_at_a_size() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Append);
    // Each batch ends a row group, and each row group a file.
    sink.limits.buffered_bytes = 0;
    sink.limits.file_bytes = 1;
    let texts: Vec<String> = (1..=3).map(long_text).collect();
    let values: Vec<[&str; 4]> = ["1", "2", "3"]
        .into_iter()
        .zip(&texts)
        .map(|(id, text)| [id, "2026-11-01 10:00:00", "2026-11-01", text.as_str()])
        .collect();
    let values: Vec<&[&str]> = values.iter().map(|row| &row[..]).collect();
    let rows = visits(&values);
    let batches: Vec<_> = (0..3).map(|row| Ok(rows.slice(row, 1))).collect();
    let batches = futures::stream::iter(batches);
    let stream: SendableRecordBatchStream =
        Box::pin(RecordBatchStreamAdapter::new(rows.schema(), batches));
    let attempt = transom_connect::Attempt::new(Attempt::random().to_string());
    let staging = sink.begin(&attempt).await.unwrap();
    let progress = Arc::new(WriteProgress::default());
    staging.write(vec![stream], &progress).await.unwrap();
    let staged = staging.finish().await.unwrap();
    let files = staged.written.files.iter();
    let files: Vec<_> = files
        .map(|file| (file.path.to_str().unwrap(), file.rows))
        .collect();
    assert_eq!(
        files,
        [
            ("part-00000-00000.parquet", 1),
            ("part-00000-00001.parquet", 1),
            ("part-00000-00002.parquet", 1),
        ]
    );
    world.append(&sink, slice(staged)).await.unwrap();
    let all = "SELECT id, len(text) FROM public.daily ORDER BY id";
    assert_eq!(world.sql(all).await, "1 40000; 2 40000; 3 40000");
}
