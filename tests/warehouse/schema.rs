//! The table is created, changed if the sink allows it, and otherwise refused with all differences.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use transom_commit::{Attempt, Task};
use transom_connect::{RedshiftSink, SinkError};
use transom_file::spec::{LoadMode, SchemaChange};

use crate::world::{Planned, World, chain, rows, stage, visits};

const COLUMNS: &str = "SELECT column_name, data_type, character_maximum_length, is_nullable FROM svv_columns \
     WHERE table_name = 'daily' ORDER BY ordinal_position";

async fn refused(sink: &RedshiftSink, rows: RecordBatch) -> (String, String) {
    let error: SinkError = stage(sink, Attempt::random(), rows).await.unwrap_err();
    let hint = error.hint().unwrap_or_default();
    (chain(&error), hint)
}

#[tokio::test]
async fn a_table_is_created_with_the_lengths_that_its_values_need() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Merge);
    sink.table.distkey = Some("Id".to_owned());
    sink.table.sortkey = vec!["day".to_owned(), "id".to_owned()];
    let long = "é".repeat(200);
    let load = visits(&[&["1", "2026-11-01 10:00:00", "-", &long]]);
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(
        world.sql(COLUMNS).await,
        "id bigint NULL NO; at timestamp without time zone NULL NO; day date NULL YES; text character varying 800 YES"
    );
    let keys = "SELECT diststyle, sortkey1 FROM svv_table_info WHERE \"table\" = 'daily'";
    assert_eq!(world.sql(keys).await, "KEY(id) day");
    // The next texts have room.
    let longer = "é".repeat(400);
    let load = visits(&[&["2", "2026-11-01 10:00:00", "-", &longer]]);
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(
        world
            .sql("SELECT max(octet_length(text)) FROM public.daily")
            .await,
        "800"
    );
}

#[tokio::test]
async fn the_length_of_texts_may_be_chosen() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Append);
    sink.table.varchar = Some(8);
    let (error, hint) = refused(&sink, visits(&[&["1", "-", "-", "carriers."]])).await;
    assert_eq!(
        error,
        "sink `mart`: column `text` holds `carriers.` in row 1, which the table cannot hold: it has 9 bytes, and the column is varchar(8)"
    );
    assert_eq!(hint, "choose a larger `varchar`");
    world
        .load(&sink, [visits(&[&["1", "-", "-", "carriers"]])])
        .await
        .unwrap();
    assert!(
        world
            .sql(COLUMNS)
            .await
            .contains("text character varying 8 YES")
    );
}

#[tokio::test]
async fn a_table_that_differs_is_refused_with_all_differences_and_the_way_out() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    world
        .sql("CREATE TABLE public.daily (id integer, day varchar(10), at timestamp, must int not null, other int default 3)")
        .await;
    let (error, hint) = refused(&sink, visits(&[&["1", "-", "-", "a"]])).await;
    assert_eq!(
        error,
        "sink `mart`: the rows do not fit the table `public.daily`: `day` is varchar(10), and the rows have date; \
         it has no column `text`; `must` is NOT NULL, and the rows do not have it; \
         it has no column `_transom_seq`, by which appended rows can be taken back"
    );
    assert_eq!(
        hint,
        "`schema: add_columns` adds them, or: `ALTER TABLE \"public\".\"daily\" ADD COLUMN \"text\" varchar(256); \
         ALTER TABLE \"public\".\"daily\" ADD COLUMN \"_transom_seq\" bigint`"
    );
}

#[tokio::test]
async fn columns_are_added_if_the_sink_allows_it() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Append);
    sink.table.schema = SchemaChange::AddColumns;
    world.sql("CREATE TABLE public.daily (id bigint)").await;
    world.sql("INSERT INTO public.daily VALUES (0)").await;
    let load = visits(&[&["1", "2026-11-01 10:00:00", "-", "a"]]);
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(
        world
            .sql("SELECT id, text, _transom_seq FROM public.daily ORDER BY id")
            .await,
        "0 NULL NULL; 1 a 2"
    );
    // Columns that rows lack get their default, in a table that rows are only added to.
    let load = rows(&[("id", DataType::Int64)], &[&["2"]]);
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(
        world
            .sql("SELECT id, text FROM public.daily WHERE id = 2")
            .await,
        "2 NULL"
    );
}

#[tokio::test]
async fn texts_that_are_too_long_are_refused_or_make_the_column_longer() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Append);
    world
        .sql("CREATE TABLE public.daily (id bigint, at timestamp, day date, text varchar(4), _transom_seq bigint)")
        .await;
    let load = || visits(&[&["1", "-", "-", "äöü"], &["2", "-", "-", "abcd"]]);
    let (error, hint) = refused(&sink, load()).await;
    assert_eq!(
        error,
        "sink `mart`: column `text` holds `äöü` in row 1, which the table cannot hold: it has 6 bytes, and the column is varchar(4)"
    );
    assert_eq!(
        hint,
        "make the column longer: `schema: widen`, or `ALTER TABLE public.daily ALTER COLUMN \"text\" TYPE VARCHAR(..)`"
    );
    sink.table.schema = SchemaChange::Widen;
    let short = visits(&[&["0", "-", "-", "abcd"]]);
    world.load(&sink, [short]).await.unwrap();
    assert!(
        world
            .sql(COLUMNS)
            .await
            .contains("text character varying 4 YES")
    );
    world.load(&sink, [load()]).await.unwrap();
    assert!(
        world
            .sql(COLUMNS)
            .await
            .contains("text character varying 256 YES")
    );
    assert_eq!(world.sql("SELECT count(*) FROM public.daily").await, "3");
}

#[tokio::test]
async fn a_row_that_is_replaced_loses_no_column() {
    let world = World::new().await;
    world
        .sql("CREATE TABLE public.daily (id bigint, at timestamp, day date, text varchar(9), note varchar(9))")
        .await;
    for mode in [
        LoadMode::Merge,
        LoadMode::OverwritePartitions,
        LoadMode::Overwrite,
    ] {
        let sink = world.sink(mode);
        let load = visits(&[&["1", "2026-11-01 10:00:00", "2026-11-01", "a"]]);
        let (error, _) = refused(&sink, load).await;
        assert_eq!(
            error,
            "sink `mart`: the rows do not fit the table `public.daily`: the rows do not have `note`, \
             so that rows which are replaced would lose its values"
        );
    }
}

#[tokio::test]
async fn a_table_that_was_changed_since_the_rows_were_staged_stops_the_run() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let load = || visits(&[&["1", "-", "-", "a"]]);
    world.load(&sink, [load()]).await.unwrap();
    let change = "ALTER TABLE public.daily DROP COLUMN text";
    let plans = [Planned::RowsThen(load(), vec![change])];
    let error = world.run(&sink, plans.into(), Task::Run).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "sink `mart` cannot be brought to entry 3: the table `public.daily` of sink `mart` was changed since the rows were staged: \
         it has no column `text`"
    );
    world
        .sql("ALTER TABLE public.daily ADD COLUMN text varchar(256)")
        .await;
    world.load(&sink, []).await.unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM public.daily").await, "2");
}

#[tokio::test]
async fn a_table_that_is_gone_is_not_begun_anew() {
    let world = World::new().await;
    let sink = world.sink(LoadMode::Append);
    let load = || visits(&[&["1", "-", "-", "a"]]);
    world.load(&sink, [load()]).await.unwrap();
    let change = "DROP TABLE public.daily";
    let plans = [Planned::RowsThen(load(), vec![change])];
    let error = world.run(&sink, plans.into(), Task::Run).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "sink `mart` cannot be brought to entry 3: the table `public.daily` of sink `mart` is gone"
    );
    let (error, hint) = refused(&sink, load()).await;
    assert_eq!(
        error,
        "sink `mart`: the table `public.daily` is gone, but its ledger says that it has entry 2"
    );
    assert_eq!(
        hint,
        "restore the table; or drop its ledger as well to begin anew: `DROP TABLE public.transom_ledger__daily`"
    );
}

#[tokio::test]
async fn a_schema_that_does_not_exist_is_created() {
    let world = World::new().await;
    let mut sink = world.sink(LoadMode::Append);
    sink.table.table.schema = "nowhere".to_owned();
    let load = visits(&[&["1", "-", "-", "a"]]);
    world.load(&sink, [load]).await.unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM nowhere.daily").await, "1");
}
