//! Sessions beside each other: snapshots, locks, conflicts; parameters; what is there after a restart.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use transom_redshift::{
    Engine, Isolation, Objects, Options, Parameter, Session, TransactionState, Type,
};

use crate::{Fresh, OneBucket, fresh, run};

async fn refused(session: &Session, statement: &str) -> &'static str {
    match session.run(statement, &[]).await {
        Ok(outcome) => panic!("{statement}: {outcome:?}"),
        Err(error) => error.rule().name,
    }
}

async fn value(session: &Session, query: &str) -> String {
    let outcome = session.run(query, &[]).await.unwrap();
    let rows = outcome.rows.unwrap();
    let mut first = rows.texts().next().unwrap();
    first.remove(0).unwrap_or_else(|| "NULL".to_owned())
}

async fn table(isolation: Isolation) -> (Fresh, Session, Session) {
    let fresh = fresh(isolation);
    let (a, b) = (fresh.engine.session("a"), fresh.engine.session("b"));
    run(
        &a,
        &[
            "create table t (id int, v int)",
            "insert into t values (1, 10), (2, 20)",
        ],
    )
    .await;
    run(&a, &["create table u (id int)"]).await;
    (fresh, a, b)
}

#[tokio::test]
async fn a_snapshot_begins_with_the_first_statement() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin"]).await;
    run(&b, &["insert into t values (3, 30)"]).await;
    assert_eq!(value(&a, "select count(*) from t").await, "3");
    run(&b, &["insert into t values (4, 40)"]).await;
    assert_eq!(value(&a, "select count(*) from t").await, "3");
    run(&a, &["commit"]).await;
    assert_eq!(value(&a, "select count(*) from t").await, "4");
}

#[tokio::test]
async fn of_two_that_change_rows_the_second_fails() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&b, &["begin", "select count(*) from t"]).await;
    run(&a, &["update t set v = 11 where id = 1"]).await;
    assert_eq!(
        refused(&b, "update t set v = 22 where id = 2").await,
        "SERIALIZABLE"
    );
    assert_eq!(b.transaction_state().await, TransactionState::Failed);
    assert_eq!(refused(&b, "select 1").await, "IN_FAILED_TRANSACTION");
    run(&b, &["rollback", "update t set v = 22 where id = 2"]).await;
    assert_eq!(value(&b, "select sum(v) from t").await, "33");
}

#[tokio::test]
async fn a_first_statement_waits_and_then_takes_its_snapshot() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin", "update t set v = v + 1 where id = 1"]).await;
    run(&b, &["begin"]).await;
    let b = Arc::new(b);
    let waiting = {
        let b = Arc::clone(&b);
        tokio::spawn(async move { b.run("update t set v = v + 1 where id = 1", &[]).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    run(&a, &["commit"]).await;
    waiting.await.unwrap().unwrap();
    run(&b, &["commit"]).await;
    assert_eq!(value(&a, "select v from t where id = 1").await, "12");
}

#[tokio::test]
async fn inserts_share_the_table_and_both_stay() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin", "insert into t values (3, 0)"]).await;
    run(&b, &["begin", "insert into t values (4, 0)", "commit"]).await;
    run(&a, &["commit"]).await;
    assert_eq!(value(&a, "select count(*) from t").await, "4");
}

/// Under SNAPSHOT; SERIALIZABLE has one writer of a table.
#[tokio::test]
async fn copies_share_the_table_with_copies_and_inserts() {
    const COPY: &str = "copy t from 's3://bucket/rows' iam_role default csv";
    const INSERT: &str = "insert into t values (5, 0)";
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        for (first, second) in [(COPY, INSERT), (INSERT, COPY), (COPY, COPY)] {
            let (fresh, a, b) = table(isolation).await;
            let rows = Bytes::from_static(b"3,0\n4,0\n");
            fresh.bucket.put("bucket", "rows", rows).await.unwrap();
            run(&a, &["begin", first]).await;
            let what = format!("{first} and {second} under {isolation:?}");
            let shares = isolation == Isolation::Snapshot;
            let patience = Duration::from_millis(if shares { 30_000 } else { 100 });
            match tokio::time::timeout(patience, b.run(second, &[])).await {
                Ok(beside) => assert!(shares && beside.is_ok(), "{what}: {beside:?}"),
                Err(_) => assert!(!shares, "{what}"),
            }
            run(&a, &["commit"]).await;
            let rows = |statement: &str| if statement == COPY { 2 } else { 1 };
            let mut expected = 2 + rows(first);
            if shares {
                expected += rows(second);
            }
            let found = value(&a, "select count(*) from t").await;
            assert_eq!(found, expected.to_string(), "{what}");
        }
    }
}

#[tokio::test]
async fn an_insert_that_becomes_a_delete_loses_no_rows_of_others() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin", "insert into t values (3, 0)"]).await;
    run(&b, &["insert into t values (4, 0)"]).await;
    assert_eq!(
        refused(&a, "delete from t where id = 3").await,
        "SERIALIZABLE"
    );
    run(&a, &["rollback"]).await;
    assert_eq!(value(&a, "select count(*) from t where id = 4").await, "1");
}

#[tokio::test]
async fn write_skew_ends_in_1023_under_serializable_alone() {
    for (isolation, is_refused) in [
        (Isolation::Snapshot, false),
        (Isolation::Serializable, true),
    ] {
        let (_fresh, a, b) = table(isolation).await;
        run(
            &a,
            &[
                "begin",
                "select count(*) from t",
                "insert into u values (1)",
            ],
        )
        .await;
        run(
            &b,
            &[
                "begin",
                "select count(*) from u",
                "insert into t values (5, 5)",
                "commit",
            ],
        )
        .await;
        match is_refused {
            true => assert_eq!(refused(&a, "commit").await, "SERIALIZABLE"),
            false => run(&a, &["commit"]).await,
        }
    }
}

#[tokio::test]
async fn a_deadlock_is_found() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin", "lock t"]).await;
    run(&b, &["begin", "lock u"]).await;
    let a = Arc::new(a);
    let waiting = {
        let a = Arc::clone(&a);
        tokio::spawn(async move { a.run("lock u", &[]).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(refused(&b, "lock t").await, "DEADLOCK");
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn of_two_tables_of_one_name_the_second_is_refused() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&b, &["begin", "select 1"]).await;
    run(&a, &["create table x as select 1 as id"]).await;
    assert_eq!(
        refused(&b, "create table x as select 1 as id").await,
        "UNIQUE_NAME"
    );
    run(&b, &["rollback"]).await;
    assert_eq!(
        refused(&b, "create table x as select 1 as id").await,
        "DUPLICATE_TABLE"
    );
}

/// Statements that add a foreign key to the table `t`.
const ADD_KEY: [&str; 2] = [
    "create table referring (id int references t)",
    "alter table u add foreign key (id) references t",
];

async fn referred() -> (Fresh, Arc<Session>, Arc<Session>) {
    let (fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["drop table t", "create table t (id int primary key)"]).await;
    (fresh, Arc::new(a), Arc::new(b))
}

/// The rule of the error of a statement that waits until another session commits.
async fn refused_after_waiting(
    waits: &Arc<Session>,
    statement: &'static str,
    commits: &Session,
) -> &'static str {
    let waiting = {
        let waits = Arc::clone(waits);
        tokio::spawn(async move { waits.run(statement, &[]).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished(), "{statement}");
    run(commits, &["commit"]).await;
    waiting.await.unwrap().unwrap_err().rule().name
}

#[tokio::test]
async fn a_foreign_key_and_a_drop_of_its_table_wait_for_each_other() {
    for add in ADD_KEY {
        let (_fresh, a, b) = referred().await;
        run(&a, &["begin", add]).await;
        let dropped = refused_after_waiting(&b, "drop table t", &a).await;
        assert_eq!(dropped, "SCHEMA_NOT_EMPTY", "{add}");
        let (_fresh, a, b) = referred().await;
        run(&a, &["begin", "drop table t"]).await;
        let added = refused_after_waiting(&b, add, &a).await;
        assert_eq!(added, "UNDEFINED_TABLE", "{add}");
    }
}

#[tokio::test]
async fn a_foreign_key_and_a_drop_that_do_not_see_each_other_end_in_1023() {
    for add in ADD_KEY {
        for drop in [
            "drop table t",
            "drop table t cascade",
            "alter table t drop constraint t_pkey",
        ] {
            for (first, second) in [(add, drop), (drop, add)] {
                let (_fresh, a, b) = referred().await;
                run(&a, &["begin", "select 1"]).await;
                run(&b, &[first]).await;
                let refused = refused(&a, second).await;
                assert_eq!(refused, "SERIALIZABLE", "{first}, then {second}");
            }
        }
    }
}

#[tokio::test]
async fn rows_are_added_to_a_table_while_a_key_to_it_is_not_committed() {
    let (_fresh, a, b) = referred().await;
    run(&a, &["begin", ADD_KEY[0]]).await;
    run(&b, &["insert into t values (1)"]).await;
    run(&a, &["commit", "drop table referring", "drop table t"]).await;
}

#[tokio::test]
async fn a_cancelled_statement_leaves_nothing() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin", "lock t"]).await;
    let waiting =
        tokio::time::timeout(Duration::from_millis(30), b.run("delete from t", &[])).await;
    assert!(waiting.is_err());
    run(&a, &["commit"]).await;
    run(&b, &["insert into t values (7, 7)"]).await;
    assert_eq!(value(&b, "select count(*) from t").await, "3");
}

#[tokio::test]
async fn a_killed_statement_takes_back_itself_and_its_transaction() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    let count = async || value(&b, "select count(*) from t").await;
    for statement in [
        "insert into t values (3, 30)",
        "truncate t",
        "create table x (id int)",
        "set query_group to 'x'",
    ] {
        let killed = a.run_and_kill(statement, &[]).await;
        assert_eq!(killed.rule().name, "CANCELLED", "{statement}");
        assert_eq!(a.transaction_state().await, TransactionState::Idle);
    }
    assert_eq!(refused(&b, "select * from x").await, "UNDEFINED_TABLE");
    for last in [
        "truncate t",
        "delete from t",
        "commit",
        "set query_group to 'x'",
    ] {
        run(&a, &["begin", "insert into t values (3, 30)"]).await;
        let killed = a.run_and_kill(last, &[]).await;
        assert_eq!(killed.rule().name, "CANCELLED", "{last}");
        assert_eq!(a.transaction_state().await, TransactionState::Failed);
        // Its locks are released.
        run(&b, &["update t set v = v + 1"]).await;
        run(&a, &["rollback"]).await;
        assert_eq!(count().await, "2", "{last}");
    }
    // What fails by itself says why.
    let failed = a.run_and_kill("select 1 / 0", &[]).await;
    assert_eq!(failed.rule().name, "DIVISION_BY_ZERO");
}

#[tokio::test]
async fn statements_have_a_number_and_an_id_in_the_history() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    assert_eq!(b.last_query().await, None);
    assert_eq!(refused(&b, "select 1 / 0").await, "DIVISION_BY_ZERO");
    let id = b.last_query().await.unwrap();
    let history = format!(
        "select query_text from sys_query_history where query_id = {} and query_uuid = '{}'",
        id.number, id.uuid
    );
    assert_eq!(value(&a, &history).await, "select 1 / 0");
}

#[tokio::test]
async fn truncate_commits_and_temporary_tables_are_the_sessions() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(
        &a,
        &[
            "create temp table mine (id int)",
            "insert into mine values (1)",
        ],
    )
    .await;
    assert_eq!(refused(&b, "select * from mine").await, "UNDEFINED_TABLE");
    run(
        &a,
        &[
            "begin",
            "insert into u values (1)",
            "truncate t",
            "rollback",
        ],
    )
    .await;
    assert_eq!(value(&b, "select count(*) from t").await, "0");
    assert_eq!(value(&b, "select count(*) from u").await, "1");
    assert_eq!(value(&a, "select count(*) from mine").await, "1");
}

#[tokio::test]
async fn parameters_are_values() {
    let (_fresh, a, _b) = table(Isolation::Snapshot).await;
    let named = |name: &str, value: &str| Parameter {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
        data_type: None,
    };
    let outcome = a
        .run(
            "select v from t where id = :id and 'x;''y' = :text",
            &[named("id", "2"), named("text", "x;'y")],
        )
        .await
        .unwrap();
    assert_eq!(outcome.rows.unwrap().len(), 1);
    // A name is as it is written.
    let given = [named("Id", "2"), named("1", "x")];
    let upper = a.run("select :Id, :1", &given).await.unwrap();
    assert_eq!(upper.rows.unwrap().len(), 1);
    let other = a.run("select :id", &[named("Id", "2")]).await.unwrap_err();
    assert_eq!(other.rule().name, "PARAMETER_MISSING");
    let names = "select :a, ':b', 1::int -- :c\n from t where \"d:e\" = :A and x = :a /* :f */";
    assert_eq!(Session::parameter_names(names).unwrap(), ["a", "A", "a"]);
    let placed = Parameter {
        name: None,
        value: Some("-5".to_owned()),
        data_type: Some(Type::Int4),
    };
    let outcome = a
        .run("select 1 - $1", std::slice::from_ref(&placed))
        .await
        .unwrap();
    assert_eq!(
        outcome.rows.unwrap().texts().next().unwrap()[0].as_deref(),
        Some("6")
    );
    // A count takes what has no type, and a text is joined before its value is known.
    let limit = "select id from t order by id limit :n offset :n";
    let limited = a.run(limit, &[named("n", "1")]).await.unwrap();
    let limited: Vec<_> = limited.rows.unwrap().texts().collect();
    assert_eq!(limited, [[Some("2".to_owned())]]);
    let unknown = Parameter {
        value: None,
        ..named("x", "")
    };
    let joined = a.describe("select :x || :x", &[unknown]).await.unwrap();
    assert!(matches!(joined.unwrap()[0].data_type, Type::Varchar(_)));
    let missing = a.run("select $2", &[placed]).await.unwrap_err();
    assert_eq!(missing.rule().name, "PARAMETER_MISSING");
    assert_eq!(refused(&a, "select 1; select 2").await, "MULTIPLE_COMMANDS");
    let long = format!("select '{}'", "x".repeat(16 << 20));
    assert_eq!(refused(&a, &long).await, "TOO_LARGE");
    let columns: Vec<String> = (0..1_601).map(|at| format!("c{at} int")).collect();
    let wide = format!("create table wide ({})", columns.join(", "));
    assert_eq!(refused(&a, &wide).await, "TOO_MANY_COLUMNS");
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let options = Options {
            data: folder.path().to_owned(),
            isolation: Isolation::Snapshot,
            objects: Arc::new(OneBucket::default()),
            database: "dev".to_owned(),
        };
        Engine::open(options).unwrap()
    };
    let engine = open();
    let session = engine.session("a");
    run(
        &session,
        &[
            "create table t (id bigint identity(1, 1), name varchar(10) default 'x')",
            "insert into t (name) values ('a'), (default)",
            "create view w as select name from t",
            "create table p (id int primary key)",
            "create table f (id int, constraint of_p foreign key (id) references p)",
            "create table i (a int, b int) interleaved sortkey (a, b)",
            "delete from t where name = 'a'",
            "begin",
            "insert into t (name) values ('lost')",
        ],
    )
    .await;
    drop(session);
    drop(engine);
    let engine = open();
    let session = engine.session("a");
    assert_eq!(
        value(&session, "select listagg(name, ',') from w").await,
        "x"
    );
    assert_eq!(refused(&session, "drop table p").await, "SCHEMA_NOT_EMPTY");
    assert_eq!(
        refused(&session, "alter table i alter distkey a").await,
        "UNSUPPORTED"
    );
    run(
        &session,
        &["alter table f drop constraint of_p", "drop table p"],
    )
    .await;
    run(&session, &["insert into t (name) values ('next')"]).await;
    let next: i64 = value(&session, "select max(id) from t")
        .await
        .parse()
        .unwrap();
    assert!(next > 2, "{next}");
    let files = std::fs::read_dir(folder.path().join("data"))
        .unwrap()
        .count();
    assert_eq!(files, 0);
}

#[tokio::test]
async fn a_statement_that_waits_is_cancelled_on_request_and_by_its_timeout() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    run(&a, &["begin", "lock t"]).await;
    run(&b, &["set statement_timeout to 50"]).await;
    assert_eq!(refused(&b, "delete from t").await, "CANCELLED");
    run(&b, &["set statement_timeout to 0", "begin"]).await;
    let (_, cancelled) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            b.cancel();
        },
        b.run("delete from t", &[])
    );
    assert_eq!(cancelled.unwrap_err().rule().name, "CANCELLED");
    assert_eq!(b.transaction_state().await, TransactionState::Failed);
    // Nothing runs: nothing is cancelled later.
    b.cancel();
    run(&b, &["rollback", "select 1"]).await;
    run(&a, &["commit"]).await;
    assert_eq!(value(&a, "select count(*) from t").await, "2");
}

#[tokio::test]
async fn statements_that_are_run_together_are_one_transaction() {
    let (_fresh, a, b) = table(Isolation::Snapshot).await;
    let count = async || value(&b, "select count(*) from t").await;
    a.run_together("insert into t values (3, 30)", &[])
        .await
        .unwrap();
    assert_eq!(count().await, "2");
    a.settle().await.unwrap();
    assert_eq!(count().await, "3");
    a.run_together("insert into t values (4, 40)", &[])
        .await
        .unwrap();
    a.run_together("select 1 / 0", &[]).await.unwrap_err();
    assert_eq!(a.transaction_state().await, TransactionState::Failed);
    a.settle().await.unwrap();
    assert_eq!(a.transaction_state().await, TransactionState::Idle);
    assert_eq!(count().await, "3");
    // A BEGIN goes on with what came before it.
    a.run_together("insert into t values (5, 50)", &[])
        .await
        .unwrap();
    a.run_together("begin", &[]).await.unwrap();
    a.settle().await.unwrap();
    assert_eq!(a.transaction_state().await, TransactionState::Active);
    run(&a, &["rollback"]).await;
    assert_eq!(count().await, "3");
    a.run_together("vacuum", &[]).await.unwrap();
    assert_eq!(a.transaction_state().await, TransactionState::Idle);
    // Parameters are part of it, too.
    for (last, label) in [("select 1", "x"), ("select 1 / 0", "default")] {
        for set in [
            "set query_group to 'x'",
            "set local search_path to pg_catalog",
        ] {
            a.run_together(set, &[]).await.unwrap();
        }
        assert_eq!(a.setting("search_path").await.unwrap(), "pg_catalog");
        assert_eq!(a.run_together(last, &[]).await.is_ok(), label == "x");
        a.settle().await.unwrap();
        assert_eq!(a.setting("query_group").await.unwrap(), label);
        assert_eq!(a.setting("search_path").await.unwrap(), "$user, public");
        run(&a, &["reset query_group"]).await;
    }
}

#[tokio::test]
async fn long_and_nested_expressions_are_planned_in_time() {
    let (_fresh, a, _) = table(Isolation::Snapshot).await;
    let begun = std::time::Instant::now();
    let sum = format!("select {}id from t where id = 1", "id + ".repeat(400));
    assert_eq!(value(&a, &sum).await, "401");
    let mixed = format!(
        "select {}id from t where id = 2",
        "id * 2 - id + ".repeat(150)
    );
    assert_eq!(value(&a, &mixed).await, "302");
    let constants = format!("select {}1", "1 + ".repeat(400));
    assert_eq!(value(&a, &constants).await, "401");
    // What DataFusion, or the binder, writes out more than once.
    for (open, close, shallow) in [
        ("coalesce(", ", 1)", "1"),
        ("(", " in (1, 2, 1))::int", "1"),
        ("(", " between 0 and 5)::int", "1"),
        ("case ", " when 1 then 1 end", "1"),
        ("decode(", ", 1, 1, 2, 2)", "1"),
    ] {
        let nested = |depth| {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            format!("select {open}id{close} from t where id = 1")
        };
        assert_eq!(value(&a, &nested(4)).await, shallow, "{open}");
        assert_eq!(refused(&a, &nested(40)).await, "NOT_YET", "{open}");
    }
    // A debug build on a busy machine; in the cube of its length, one of them took 20 seconds.
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// Rows that come one by one are put together, so that scans stay fast, and files are for many rows.
#[tokio::test]
async fn rows_that_came_one_by_one_are_there_after_changes_and_a_restart() {
    const ROWS: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let options = Options {
            data: folder.path().to_owned(),
            isolation: Isolation::Snapshot,
            objects: Arc::new(OneBucket::default()),
            database: "dev".to_owned(),
        };
        Engine::open(options).unwrap()
    };
    let files = || {
        std::fs::read_dir(folder.path().join("data"))
            .unwrap()
            .count()
    };
    let session = open().session("a");
    run(
        &session,
        &["create table t (id int identity(1, 1), v varchar(20))"],
    )
    .await;
    for number in 1..=ROWS {
        let insert = format!("insert into t (v) values ('row {number}')");
        run(&session, &[&insert]).await;
        if number % 10 == 0 {
            let update = format!("update t set v = 'new {number}' where id = {number}");
            let delete = format!("delete from t where id = {}", number - 5);
            run(&session, &[&update, &delete]).await;
        }
    }
    assert_eq!(files(), 0);
    let check = async |session: &Session| {
        assert_eq!(
            value(session, "select count(distinct id) from t").await,
            "90"
        );
        assert_eq!(value(session, "select max(id) from t").await, "100");
        let word = "case when id % 10 = 0 then 'new ' else 'row ' end || id::varchar(9)";
        let query = format!("select count(*) from t where v = {word}");
        assert_eq!(value(session, &query).await, "90");
    };
    check(&session).await;
    drop(session);
    let session = open().session("a");
    check(&session).await;
    // Many rows are in files, which go with their last use.
    run(&session, &["create table u as select a.id from t a, t b"]).await;
    assert_ne!(files(), 0);
    run(
        &session,
        &["insert into t (v) select 'more' from u", "drop table u"],
    )
    .await;
    assert_eq!(value(&session, "select max(id) from t").await, "8200");
    drop(session);
    let session = open().session("a");
    assert_eq!(
        value(&session, "select count(*) from t where v = 'more'").await,
        "8100"
    );
    assert_ne!(files(), 0);
    run(&session, &["truncate t"]).await;
    assert_eq!(files(), 0);
}

/// Not an answer without the rows that were in it.
#[tokio::test]
async fn a_file_of_rows_that_is_gone_is_an_error_of_this_program() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        data: folder.path().to_owned(),
        isolation: Isolation::Snapshot,
        objects: Arc::new(OneBucket::default()),
        database: "dev".to_owned(),
    };
    let engine = Engine::open(options).unwrap();
    let session = engine.session("a");
    run(&session, &["create table t as select 1 as n"]).await;
    run(&session, &["insert into t select n from t"; 7]).await;
    run(&session, &["create table u as select a.n from t a, t b"]).await;
    let sum = "select sum(n) from u";
    assert_eq!(value(&session, sum).await, "16384");
    let files = std::fs::read_dir(folder.path().join("data")).unwrap();
    for file in files {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert_eq!(refused(&session, sum).await, "INTERNAL");
    assert_eq!(value(&session, "select sum(n) from t").await, "128");
}
