//! A Redshift that is killed while sessions write: no transaction that was acknowledged is lost, none is there in
//! part, and none is there that was rolled back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use transom_local::{Fault, FaultKind, Owner};

use crate::kills::{Killed, spawn};

const KILLS: u32 = 20;
const WRITERS: usize = 4;
/// Commits before a kill, however slow the machine is.
const COMMITS: u32 = 3;

async fn connect(owner: &Owner) -> Client {
    let port = owner.redshift_port.unwrap();
    let address = format!("host=127.0.0.1 port={port} user=bob dbname=dev password=transom-local");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn numbers(client: &Client, query: &str) -> Vec<u64> {
    let messages = client.simple_query(query).await.unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().parse().unwrap()),
        _ => None,
    });
    rows.collect()
}

/// What a writer knows of its transactions, which are numbered.
#[derive(Debug, Clone, Default)]
struct Known {
    last: u64,
    committed: BTreeSet<u64>,
    /// The commit that had no answer.
    unanswered: Option<u64>,
}

/// A transaction: the counter of the writer, and two rows of a table that all share.
async fn transaction(client: &Client, writer: usize, number: u64) -> Result<bool, ()> {
    let run = async |sql: String| client.batch_execute(&sql).await.map_err(|_| ());
    run("begin".to_owned()).await?;
    run(format!("update counter{writer} set n = {number}")).await?;
    run(format!("insert into log values ({writer}, {number}, 1)")).await?;
    if number.is_multiple_of(5) {
        run(format!("delete from counter{writer}")).await?;
        run(format!("insert into counter{writer} values ({number})")).await?;
    }
    run(format!("insert into log values ({writer}, {number}, 2)")).await?;
    Ok(!number.is_multiple_of(4))
}

/// Writes until the server is gone.
async fn write(client: Client, writer: usize, mut known: Known, commits: &AtomicU32) -> Known {
    loop {
        known.last += 1;
        match transaction(&client, writer, known.last).await {
            Ok(true) => match client.batch_execute("commit").await {
                Ok(()) => {
                    known.committed.insert(known.last);
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    known.unanswered = Some(known.last);
                    return known;
                }
            },
            Ok(false) => {
                if client.batch_execute("rollback").await.is_err() {
                    return known;
                }
            }
            Err(()) => return known,
        }
    }
}

/// Compares what is there with what the writer knows.
async fn settle(client: &Client, writer: usize, known: &mut Known) {
    let query = format!("select n from log where w = {writer} order by n, part");
    let found = numbers(client, &query).await;
    let counter = numbers(client, &format!("select n from counter{writer}")).await;
    let last = known
        .unanswered
        .take()
        .filter(|number| found.contains(number));
    known.committed.extend(last);
    let expected: Vec<u64> = known
        .committed
        .iter()
        .flat_map(|number| [*number; 2])
        .collect();
    assert_eq!(
        found, expected,
        "writer {writer}: rows that are lost, or that should not be"
    );
    let newest = known.committed.last().copied().unwrap_or(0);
    assert_eq!(counter, [newest], "writer {writer}: the counter");
}

async fn kill_many(kills: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, mut owner): (Killed, Owner) = spawn(folder.path()).await;
    let client = connect(&owner).await;
    client
        .batch_execute("create table log (w int, n bigint, part int)")
        .await
        .unwrap();
    for writer in 0..WRITERS {
        let create = format!("create table counter{writer} as select 0::bigint as n");
        client.batch_execute(&create).await.unwrap();
    }
    drop(client);
    let mut all = vec![Known::default(); WRITERS];
    let commits = Arc::new(AtomicU32::new(0));
    for kill in 0..kills {
        let mut writers = tokio::task::JoinSet::new();
        for (writer, known) in all.iter().enumerate() {
            let (client, known) = (connect(&owner).await, known.clone());
            let commits = Arc::clone(&commits);
            writers.spawn(async move { (writer, write(client, writer, known, &commits).await) });
        }
        let begun = Instant::now();
        while commits.load(Ordering::Relaxed) < (kill + 1) * COMMITS {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing commits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Every moment of a transaction is hit in time.
        tokio::time::sleep(Duration::from_millis(u64::from(kill * 37 % 211))).await;
        drop(server);
        while let Some(done) = writers.join_next().await {
            let (writer, known) = done.unwrap();
            all[writer] = known;
        }
        (server, owner) = spawn(folder.path()).await;
        let client = connect(&owner).await;
        for (writer, known) in all.iter_mut().enumerate() {
            settle(&client, writer, known).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_survive_kills_or_never_were() {
    kill_many(KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: minutes"]
async fn transactions_survive_many_kills_or_never_were() {
    kill_many(crate::many().into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_dies_before_or_after_a_commit_as_a_fault_says() {
    let folder = tempfile::tempdir().unwrap();
    for (what, rows) in [
        (FaultKind::DieBeforeCommit, 0),
        (FaultKind::DieAfterCommit, 1),
    ] {
        let (_server, owner) = spawn(folder.path()).await;
        let admin = transom_local::Client::new(&owner.endpoint);
        let table = format!("t{rows}");
        let created = admin
            .sql(&format!("create table {table} (id int)"))
            .await
            .unwrap();
        assert_eq!(created.error, None);
        let fault = Fault {
            contains: "values".to_owned(),
            what,
            times: 1,
        };
        admin.set_faults(&[fault]).await.unwrap();
        let client = crate::redshift::client(&owner.endpoint);
        let statement = client
            .execute_statement()
            .workgroup_name("local")
            .database("dev");
        let insert = format!("insert into {table} values (1)");
        // The answer and the end of the process race.
        let _ = statement.sql(insert).send().await;
        let begun = Instant::now();
        while admin.status().await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not die");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (_server, owner) = spawn(folder.path()).await;
        let found = numbers(
            &connect(&owner).await,
            &format!("select count(*) from {table}"),
        )
        .await;
        assert_eq!(found, [rows], "{what:?}");
    }
}
