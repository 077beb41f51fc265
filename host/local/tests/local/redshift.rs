//! The local Redshift through the Data API, as the AWS SDK for Rust speaks it: what a loading pipeline does.

use std::time::{Duration, Instant};

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::operation::execute_statement::ExecuteStatementError;
use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultError;
use aws_sdk_redshiftdata::types::{
    ColumnMetadata, ExecutionMode, Field, ResultFormatString, SessionStatusString, SqlParameter,
    StatusString as Status,
};
use tempfile::TempDir;
use transom_local::{Exception, Fault, FaultKind, LocalAws};

use crate::server;

struct Warehouse {
    client: Client,
    local: LocalAws,
    _folder: TempDir,
}

/// The SDK as it comes.
pub(crate) fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "transom",
            "transom-local",
            None,
            None,
            "test",
        ))
        .build();
    Client::from_conf(config)
}

async fn warehouse() -> Warehouse {
    let folder = TempDir::new().unwrap();
    let local = server::start(folder.path()).await;
    Warehouse {
        client: client(local.endpoint()),
        local,
        _folder: folder,
    }
}

impl Warehouse {
    async fn submit(&self, sql: &str) -> String {
        let statement = self
            .client
            .execute_statement()
            .workgroup_name("local")
            .database("dev");
        statement.sql(sql).send().await.unwrap().id.unwrap()
    }

    async fn batch(&self, sqls: &[&str]) -> DescribeStatementOutput {
        let batch = self
            .client
            .batch_execute_statement()
            .workgroup_name("local")
            .database("dev");
        let sqls = sqls.iter().map(|sql| (*sql).to_owned()).collect();
        let id = batch.set_sqls(Some(sqls)).send().await.unwrap().id.unwrap();
        self.over(&id).await
    }

    async fn over(&self, id: &str) -> DescribeStatementOutput {
        loop {
            let described = self
                .client
                .describe_statement()
                .id(id)
                .send()
                .await
                .unwrap();
            match described.status() {
                Some(Status::Finished | Status::Failed | Status::Aborted) => return described,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn run(&self, sql: &str) -> DescribeStatementOutput {
        let id = self.submit(sql).await;
        let described = self.over(&id).await;
        assert_eq!(
            described.status(),
            Some(&Status::Finished),
            "{sql}: {:?}",
            described.error()
        );
        described
    }

    async fn rows(&self, sql: &str) -> Vec<Vec<Field>> {
        let described = self.run(sql).await;
        let result = self.client.get_statement_result().id(described.id());
        result.send().await.unwrap().records
    }

    async fn number(&self, sql: &str) -> i64 {
        *self.rows(sql).await[0][0].as_long_value().unwrap()
    }
}

impl Warehouse {
    /// Submits a statement to a session, and waits until it is over.
    async fn run_in(&self, session: &str, sql: &str) -> DescribeStatementOutput {
        let statement = self.client.execute_statement().session_id(session);
        let submitted = statement.sql(sql).send().await.unwrap();
        self.over(submitted.id().unwrap()).await
    }

    /// Opens a session that is kept for so many seconds after each of its statements.
    async fn session(&self, sql: &str, seconds: i32) -> String {
        let statement = self.client.execute_statement();
        let statement = statement.workgroup_name("local").database("dev");
        let statement = statement.sql(sql).session_keep_alive_seconds(seconds);
        let submitted = statement.send().await.unwrap();
        self.over(submitted.id().unwrap()).await;
        submitted.session_id.unwrap()
    }

    /// The status of a session.
    async fn stands(&self, session: &str) -> SessionStatusString {
        let listed = self.client.list_sessions().session_id(session);
        listed.send().await.unwrap().sessions()[0].status.clone()
    }
}

/// What a refusal says.
fn said<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    let said = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::message);
    said.unwrap_or("nothing")
}

fn refusal<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    code.unwrap_or("no service error")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_give_typed_rows() {
    let warehouse = warehouse().await;
    let rows = warehouse
        .rows(
            "select 1 as a, 0.1::float8 + 0.2::float8, 'x', true, null, 1.50::decimal(5, 2), '2020-01-02'::date",
        )
        .await;
    assert_eq!(
        rows[0],
        [
            Field::LongValue(1),
            Field::DoubleValue(0.1 + 0.2),
            Field::StringValue("x".to_owned()),
            Field::BooleanValue(true),
            Field::IsNull(true),
            Field::StringValue("1.50".to_owned()),
            Field::StringValue("2020-01-02".to_owned()),
        ]
    );
    let described = warehouse.run("select 1 as a, 'b' as b").await;
    assert_eq!(described.result_rows(), 1);
    assert_eq!(described.has_result_set(), Some(true));
    let result = warehouse.client.get_statement_result().id(described.id());
    let result = result.send().await.unwrap();
    let names: Vec<_> = result
        .column_metadata()
        .iter()
        .map(|column| column.name().unwrap())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(result.column_metadata()[0].type_name(), Some("int4"));
    let changed = warehouse.run("create table t as select 1 as id").await;
    assert_eq!(changed.has_result_set(), Some(false));
    assert_eq!(
        warehouse
            .run("insert into t values (2), (3)")
            .await
            .result_rows(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_is_loaded_once() {
    let warehouse = warehouse().await;
    let s3 = server::client(warehouse.local.endpoint());
    s3.create_bucket().bucket("lake").send().await.unwrap();
    warehouse
        .run(
            "create table transom_ledger__daily as select cast('log' as varchar(36)) as log_id, \
             cast(0 as bigint) as pos, cast('-' as varchar(64)) as attempt, cast('-' as varchar(36)) \
             as submission, cast(0 as bigint) as blocked",
        )
        .await;
    warehouse
        .run("create table daily (day date not null, carrier varchar(8), flights bigint)")
        .await;
    warehouse
        .run("create table source as select '2026-01-01'::date as day, 'AA'::varchar(8) as carrier, 7::bigint as flights")
        .await;
    warehouse
        .run("unload ('select * from source') to 's3://lake/staged/' iam_role default parquet manifest")
        .await;
    let load = |submission: &str| {
        [
            format!(
                "update transom_ledger__daily set pos = 1, attempt = 'a', submission = '{submission}' \
                 where log_id = 'log' and pos = 0 and attempt = '-' and blocked = 0"
            ),
            format!(
                "select 1 / case when count(*) = 1 and sum(case when pos = 1 and submission = \
                 '{submission}' then 1 else 0 end) = 1 then 1 else 0 end as claimed from transom_ledger__daily"
            ),
            "create temp table stage (day date not null, carrier varchar(8), flights bigint)"
                .to_owned(),
            "copy stage (day, carrier, flights) from 's3://lake/staged/manifest' iam_role default \
             format as parquet manifest"
                .to_owned(),
            "select 1 / case when count(*) = 1 then 1 else 0 end as complete from stage".to_owned(),
            "insert into daily (day, carrier, flights) select day, carrier, flights from stage"
                .to_owned(),
        ]
    };
    let first = load("one");
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let loaded = warehouse.batch(&first).await;
    assert_eq!(
        loaded.status(),
        Some(&Status::Finished),
        "{:?}",
        loaded.error()
    );
    assert_eq!(loaded.sub_statements().len(), 6);
    let second = load("two");
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    let refused = warehouse.batch(&second).await;
    assert_eq!(refused.status(), Some(&Status::Failed));
    assert!(
        refused.error().unwrap().contains("division by zero"),
        "{:?}",
        refused.error()
    );
    let states: Vec<_> = refused
        .sub_statements()
        .iter()
        .filter_map(|part| part.status())
        .collect();
    assert_eq!(states[1].as_str(), "FAILED");
    assert_eq!(states[2].as_str(), "ABORTED");
    assert_eq!(warehouse.number("select count(*) from daily").await, 1);
    assert_eq!(warehouse.number("select flights from daily").await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_remembered_failures_too() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    let submit = async |sql: &str, token: &str| {
        let statement = warehouse
            .client
            .execute_statement()
            .workgroup_name("dwh")
            .database("dev");
        let statement = statement.sql(sql).client_token(token).send().await.unwrap();
        let id = statement.id.unwrap();
        warehouse.over(&id).await;
        id
    };
    let first = submit("insert into t values (1)", "a").await;
    assert_eq!(submit("insert into t values (1)", "a").await, first);
    assert_eq!(warehouse.number("select count(*) from t").await, 1);
    let failed = submit("insert into nope values (1)", "b").await;
    warehouse.run("create table nope (id int)").await;
    assert_eq!(submit("insert into nope values (1)", "b").await, failed);
    assert_eq!(warehouse.number("select count(*) from nope").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_pages_and_formats() {
    let warehouse = warehouse().await;
    warehouse
        .run("create table t (id int, name varchar(10))")
        .await;
    let parameter = |name: &str, value: &str| {
        SqlParameter::builder()
            .name(name)
            .value(value)
            .build()
            .unwrap()
    };
    let insert = warehouse
        .client
        .execute_statement()
        .workgroup_name("dwh")
        .database("dev");
    let insert = insert
        .sql("insert into t values (:id, :name)")
        .parameters(parameter("id", "7"))
        .parameters(parameter("name", "it's"));
    let id = insert.send().await.unwrap().id.unwrap();
    assert_eq!(warehouse.over(&id).await.status(), Some(&Status::Finished));
    let rows = warehouse.rows("select name from t where id = 7").await;
    assert_eq!(rows[0][0], Field::StringValue("it's".to_owned()));
    let described = warehouse
        .run("with recursive r(n) as (select 1 union all select n + 1 from r where n < 1500) select n from r")
        .await;
    let mut pages = warehouse
        .client
        .get_statement_result()
        .id(described.id())
        .into_paginator()
        .send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.unwrap().records.len();
    }
    assert_eq!(count, 1_500);
    let beyond = warehouse.client.get_statement_result();
    let beyond = beyond.id(described.id()).next_token(u64::MAX.to_string());
    let beyond = beyond.send().await.unwrap();
    assert_eq!((beyond.records.len(), beyond.next_token), (0, None));
    let csv = warehouse
        .client
        .execute_statement()
        .workgroup_name("dwh")
        .database("dev");
    let csv = csv
        .sql("select 1 as a, 'x,y' as b")
        .result_format(ResultFormatString::Csv)
        .send()
        .await
        .unwrap();
    let id = csv.id.unwrap();
    warehouse.over(&id).await;
    let result = warehouse
        .client
        .get_statement_result_v2()
        .id(&id)
        .send()
        .await
        .unwrap();
    let records = result.records()[0].as_csv_records().unwrap();
    assert_eq!(records, "a,b\r\n1,\"x,y\"\r\n");
    let wrong = warehouse
        .client
        .get_statement_result()
        .id(&id)
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&wrong), "ValidationException");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_keep_temporary_tables() {
    let warehouse = warehouse().await;
    let first = warehouse
        .client
        .execute_statement()
        .workgroup_name("dwh")
        .database("dev");
    let first = first
        .sql("create temp table mine as select 5 as id")
        .session_keep_alive_seconds(60)
        .send()
        .await
        .unwrap();
    warehouse.over(first.id().unwrap()).await;
    let session = first.session_id().unwrap();
    let next = warehouse.client.execute_statement().session_id(session);
    let next = next.sql("select id from mine").send().await.unwrap();
    assert_eq!(warehouse.over(next.id().unwrap()).await.result_rows(), 1);
    let alone = warehouse.submit("select id from mine").await;
    assert_eq!(warehouse.over(&alone).await.status(), Some(&Status::Failed));
    let unknown = warehouse
        .client
        .execute_statement()
        .session_id("nope")
        .sql("select 1");
    assert_eq!(
        refusal(&unknown.send().await.unwrap_err()),
        "ValidationException"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_is_listed() {
    let warehouse = warehouse().await;
    warehouse
        .run("create table t (id int not null, name varchar(10))")
        .await;
    warehouse.run("create view v as select id from t").await;
    let databases = warehouse
        .client
        .list_databases()
        .workgroup_name("dwh")
        .database("dev");
    assert_eq!(databases.send().await.unwrap().databases(), ["dev"]);
    let schemas = warehouse
        .client
        .list_schemas()
        .workgroup_name("dwh")
        .database("dev");
    let schemas = schemas.send().await.unwrap();
    assert!(
        schemas.schemas().contains(&"public".to_owned()),
        "{schemas:?}"
    );
    let tables = warehouse
        .client
        .list_tables()
        .workgroup_name("dwh")
        .database("dev");
    let tables = tables.schema_pattern("public").send().await.unwrap();
    let names: Vec<_> = tables
        .tables()
        .iter()
        .filter_map(|table| table.name())
        .collect();
    assert_eq!(names, ["t", "v"]);
    let described = warehouse
        .client
        .describe_table()
        .workgroup_name("dwh")
        .database("dev")
        .table("t");
    let described = described.send().await.unwrap();
    assert_eq!(described.column_list().len(), 2);
    assert_eq!(described.column_list()[1].type_name(), Some("varchar"));
    let statements = warehouse.client.list_statements().send().await.unwrap();
    assert_eq!(statements.statements().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_in_pages() {
    let warehouse = warehouse().await;
    for table in ["a", "b", "c", "d", "e"] {
        warehouse
            .run(&format!("create table {table} (x int, y int)"))
            .await;
    }
    let tables = || {
        let tables = warehouse.client.list_tables().workgroup_name("dwh");
        tables.schema_pattern("public")
    };
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let page = tables().database("dev").max_results(2);
        let page = page.set_next_token(token).send().await.unwrap();
        let names = page.tables().iter().filter_map(|table| table.name());
        pages.push(names.collect::<Vec<_>>().join(" "));
        token = page.next_token.clone();
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["a b", "c d", "e"]);
    let all = tables().database("dev").max_results(5);
    assert_eq!(all.send().await.unwrap().next_token(), None);
    for wrong in [
        tables().database("dev").max_results(1_001),
        tables().database("dev").max_results(-1),
        tables().database("dev").next_token("x"),
        tables().database("dev").workgroup_name("w"),
    ] {
        let refused = wrong.send().await.unwrap_err();
        assert_eq!(refusal(&refused), "ValidationException");
    }
    for unknown in [
        tables().database("other"),
        tables().database("dev").connected_database("other"),
    ] {
        let refused = unknown.send().await.unwrap_err();
        assert_eq!(refusal(&refused), "DatabaseConnectionException");
    }
    // From the database that is there, another one can be asked about.
    let other = tables().database("other").connected_database("dev");
    assert!(other.send().await.unwrap().tables().is_empty());
    let columns = || {
        let columns = warehouse.client.describe_table().workgroup_name("dwh");
        columns.database("dev").schema("public")
    };
    let first = columns().max_results(3).send().await.unwrap();
    let names = |columns: &[ColumnMetadata]| {
        let names = columns.iter().map(|column| {
            let table = column.table_name().unwrap_or_default();
            format!("{table}.{}", column.name().unwrap_or_default())
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(first.column_list()), ["a.x", "a.y", "b.x"]);
    let next = columns().table("b").max_results(1).next_token("1");
    assert_eq!(names(next.send().await.unwrap().column_list()), ["b.y"]);
    let statements = || warehouse.client.list_statements();
    let two = statements().max_results(2).send().await.unwrap();
    assert_eq!((two.statements().len(), two.next_token()), (2, Some("2")));
    let all = statements().max_results(0).send().await.unwrap();
    assert_eq!((all.statements().len(), all.next_token()), (5, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_a_statement_that_commits_alone_does_not_affect_the_others() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    let sqls = [
        "insert into t values (1)",
        "select 1 / 0",
        "insert into t values (2)",
    ];
    for (mode, states, rows) in [
        (ExecutionMode::Transaction, "FINISHED FAILED ABORTED", 0),
        (ExecutionMode::AutoCommit, "FINISHED FAILED FINISHED", 2),
    ] {
        let batch = warehouse.client.batch_execute_statement();
        let batch = batch.workgroup_name("local").database("dev");
        let batch = batch.set_sqls(Some(sqls.map(str::to_owned).to_vec()));
        let batch = batch.execution_mode(mode.clone()).send().await.unwrap();
        let described = warehouse.over(batch.id().unwrap()).await;
        assert_eq!(described.execution_mode(), Some(&mode));
        assert_eq!(described.status(), Some(&Status::Failed));
        assert_eq!(
            described.error(),
            Some("Query #2 failed with ERROR: division by zero")
        );
        let parts = described.sub_statements().iter();
        let parts = parts.filter_map(|part| Some(part.status()?.as_str()));
        assert_eq!(parts.collect::<Vec<_>>().join(" "), states);
        assert_eq!(warehouse.number("select count(*) from t").await, rows);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_kept_after_its_statements_and_busy_during_them() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    let holds = warehouse.session("begin", 60).await;
    assert_eq!(
        warehouse.run_in(&holds, "lock t").await.status(),
        Some(&Status::Finished)
    );
    let session = warehouse.session("select 1", 1).await;
    let statement = |session: &str, sql: &str| {
        let statement = warehouse.client.execute_statement();
        statement.session_id(session).sql(sql)
    };
    // It waits for longer than the session is kept.
    let waits = statement(&session, "delete from t").send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(warehouse.stands(&session).await, SessionStatusString::Busy);
    let busy = statement(&session, "select 1").send().await.unwrap_err();
    assert_eq!(refusal(&busy), "ValidationException");
    assert_eq!(said(&busy), "Session is not available");
    warehouse.run_in(&holds, "rollback").await;
    let deleted = warehouse.over(waits.id().unwrap()).await;
    assert_eq!(deleted.status(), Some(&Status::Finished));
    let next = warehouse.run_in(&session, "create temp table mine as select 1 as id");
    assert_eq!(next.await.status(), Some(&Status::Finished));
    let begun = Instant::now();
    while warehouse.stands(&session).await != SessionStatusString::Closed {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let closed = statement(&session, "select 1").send().await.unwrap_err();
    assert_eq!(said(&closed), "Session is not available");
    let unknown = "00000000-0000-0000-0000-000000000000";
    let refused = statement(unknown, "select 1").send().await.unwrap_err();
    assert_eq!(
        said(&refused),
        format!("Session with Id: {unknown} is invalid")
    );
    let again = statement(&holds, "select 1").database("dev").send().await;
    assert_eq!(
        said(&again.unwrap_err()),
        "Database cannot be specified with SessionId"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_holds_is_released_when_it_closes() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    // One that is not kept is closed after its statements, and one that is told so after its last.
    let alone = warehouse.client.batch_execute_statement();
    let alone = alone.workgroup_name("local").database("dev");
    let sqls = ["begin", "lock t"].map(str::to_owned).to_vec();
    let alone = alone.set_sqls(Some(sqls));
    let alone = alone.execution_mode(ExecutionMode::AutoCommit);
    let alone = alone.send().await.unwrap();
    warehouse.over(alone.id().unwrap()).await;
    warehouse.run("insert into t values (1)").await;
    let session = warehouse.session("begin", 60).await;
    warehouse.run_in(&session, "lock t").await;
    let last = warehouse.client.execute_statement().session_id(&session);
    let last = last.sql("select 1").session_keep_alive_seconds(0);
    let last = last.send().await.unwrap();
    warehouse.over(last.id().unwrap()).await;
    assert_eq!(
        warehouse.stands(&session).await,
        SessionStatusString::Closed
    );
    warehouse.run("insert into t values (2)").await;
    assert_eq!(warehouse.number("select count(*) from t").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed() {
    let warehouse = warehouse().await;
    let open = async |workgroup: &str| {
        let statement = warehouse.client.execute_statement();
        let statement = statement.workgroup_name(workgroup).database("dev");
        let statement = statement.sql("select 1").session_keep_alive_seconds(60);
        let submitted = statement.send().await.unwrap();
        warehouse.over(submitted.id().unwrap()).await;
        submitted.session_id.unwrap()
    };
    let (first, second) = (open("one").await, open("two").await);
    let list = || warehouse.client.list_sessions();
    let listed = list().send().await.unwrap();
    let ids: Vec<&str> = listed.sessions().iter().map(|of| of.session_id()).collect();
    assert_eq!(ids, [second.as_str(), first.as_str()]);
    let session = &listed.sessions()[1];
    assert_eq!(session.status(), &SessionStatusString::Available);
    assert_eq!(session.database(), Some("dev"));
    assert_eq!(session.workgroup_name(), Some("one"));
    assert_eq!(session.session_alive_seconds(), Some(60));
    let left = session.session_ttl().unwrap().secs() - session.created_at().secs();
    assert!((55..=120).contains(&left), "{left}");
    for (asked, expected) in [
        (list().workgroup_name("one"), vec![first.as_str()]),
        (list().cluster_identifier("one"), vec![]),
        (list().database("other"), vec![]),
        (list().status(SessionStatusString::Closed), vec![]),
        (list().session_id(&second), vec![second.as_str()]),
        (list().max_results(1), vec![second.as_str()]),
    ] {
        let found = asked.send().await.unwrap();
        let ids: Vec<&str> = found.sessions().iter().map(|of| of.session_id()).collect();
        assert_eq!(ids, expected);
    }
    let page = list().max_results(1).send().await.unwrap();
    let next = list().set_next_token(page.next_token).send().await.unwrap();
    assert_eq!(next.sessions()[0].session_id(), first);
    let wrong = list().session_id(&first).database("dev").send().await;
    assert_eq!(refusal(&wrong.unwrap_err()), "ValidationException");
    let unknown = "00000000-0000-0000-0000-000000000000";
    let missing = list().session_id(unknown).send().await.unwrap_err();
    assert_eq!(refusal(&missing), "ResourceNotFoundException");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_parameter_is_called_by_a_statement() {
    let warehouse = warehouse().await;
    let parameter = |name: &str| {
        SqlParameter::builder()
            .name(name)
            .value("1")
            .build()
            .unwrap()
    };
    let execute = async |sqls: &[&str], names: &[&str]| {
        let batch = warehouse.client.batch_execute_statement();
        let batch = batch.workgroup_name("local").database("dev");
        let sqls = sqls.iter().map(|sql| (*sql).to_owned()).collect();
        let names = names.iter().map(|name| parameter(name)).collect();
        let batch = batch.set_sqls(Some(sqls)).set_parameters(Some(names));
        match batch.send().await {
            Ok(batch) => warehouse.over(batch.id().unwrap()).await.error,
            Err(error) => Some(said(&error).to_owned()),
        }
    };
    let unused = |names: &str| {
        let what = "Parameters list contains unused parameters. Unused parameters:";
        Some(format!("{what} [{names}]"))
    };
    assert_eq!(
        execute(&["select :a", "select :B"], &["a", "B"]).await,
        None
    );
    assert_eq!(
        execute(&["select :a"], &["a", "b", "c"]).await,
        unused("b, c")
    );
    assert_eq!(execute(&["select ':a', 1::int"], &["a"]).await, unused("a"));
    assert_eq!(execute(&["select :A"], &["a"]).await, unused("a"));
    assert_eq!(
        execute(&["select :a"], &["a", "a"]).await,
        Some("Parameters have the name a twice".to_owned())
    );
    // One that is called and not given is a failure of its statement.
    assert_eq!(
        execute(&["select :a, :b"], &["a"]).await,
        Some("Query #1 failed with ERROR: there is no parameter :b".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exceptions_say_what_they_are_about() {
    let warehouse = warehouse().await;
    let unknown = "00000000-0000-0000-0000-000000000000";
    let describe = warehouse.client.describe_statement().id(unknown);
    let missing = describe.send().await.unwrap_err().into_service_error();
    assert!(missing.is_resource_not_found_exception(), "{missing:?}");
    let without = warehouse.run("create table t (id int)").await;
    let result = warehouse.client.get_statement_result().id(without.id());
    let missing = result.send().await.unwrap_err().into_service_error();
    match missing {
        GetStatementResultError::ResourceNotFoundException(missing) => {
            assert_eq!(missing.resource_id(), without.id());
        }
        other => panic!("{other:?}"),
    }
    // As on Amazon's, a database is looked for when the statement runs.
    let elsewhere = warehouse.client.execute_statement();
    let elsewhere = elsewhere.workgroup_name("local").database("other");
    let elsewhere = elsewhere.sql("select 1").session_keep_alive_seconds(60);
    let elsewhere = elsewhere.send().await.unwrap();
    let failed = warehouse.over(elsewhere.id().unwrap()).await;
    assert_eq!(failed.status(), Some(&Status::Failed));
    assert_eq!(
        failed.error(),
        Some("FATAL: database \"other\" does not exist")
    );
    let session = warehouse.stands(elsewhere.session_id().unwrap()).await;
    assert_eq!(session, SessionStatusString::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_submitted_and_what_is_described_has_all_fields() {
    let warehouse = warehouse().await;
    let execute = || {
        let statement = warehouse.client.execute_statement();
        let statement = statement.database("dev").db_user("bob");
        statement.cluster_identifier("c1").sql("select 1 as id")
    };
    let submitted = execute().send().await.unwrap();
    assert!(submitted.status().is_some());
    assert!(submitted.db_groups().is_empty());
    assert_eq!(submitted.redshift_pid(), None);
    warehouse.over(submitted.id().unwrap()).await;
    let waited = execute().wait_time_seconds(30).send().await.unwrap();
    assert_eq!(
        waited.status().map(|status| status.as_str()),
        Some("FINISHED")
    );
    assert_eq!(waited.has_result_set(), Some(true));
    assert_eq!(waited.cluster_identifier(), Some("c1"));
    let described = warehouse.over(waited.id().unwrap()).await;
    assert_eq!(waited.redshift_pid(), Some(described.redshift_pid()));
    assert_eq!(described.result_size(), 1);
    let uuid = described.redshift_query_uuid().unwrap();
    let history =
        format!("select query_id, session_id from sys_query_history where query_uuid = '{uuid}'");
    assert_eq!(
        warehouse.rows(&history).await,
        [[
            Field::LongValue(described.redshift_query_id()),
            Field::LongValue(described.redshift_pid()),
        ]]
    );
    // Lists are of statements that finished, unless others are asked for.
    warehouse
        .over(&warehouse.submit("select 1 / 0").await)
        .await;
    let list = || warehouse.client.list_statements();
    for (asked, expected) in [
        (list(), 3),
        (list().status(Status::All), 4),
        (list().status(Status::Failed), 1),
        (list().cluster_identifier("c1"), 2),
        (list().workgroup_name("local"), 1),
        (list().workgroup_name("other"), 0),
        (list().database("other"), 0),
    ] {
        let found = asked.send().await.unwrap();
        assert_eq!(found.statements().len(), expected, "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_described_those_of_the_system_too() {
    let warehouse = warehouse().await;
    warehouse
        .run("create table t (id bigint not null, name varchar(10) default 'x', price decimal(8, 2))")
        .await;
    let describe = async |schema: &str, table: &str| {
        let asked = warehouse.client.describe_table();
        let asked = asked.workgroup_name("local").database("dev");
        let asked = asked.schema(schema).table(table).send().await.unwrap();
        let columns = asked.column_list().iter().map(|column| {
            format!(
                "{} {} {} {} {} {}",
                column.name().unwrap_or_default(),
                column.type_name().unwrap_or_default(),
                column.length(),
                column.scale(),
                column.nullable(),
                column.column_default().unwrap_or("-")
            )
        });
        columns.collect::<Vec<_>>()
    };
    assert_eq!(
        describe("public", "t").await,
        [
            "id int8 19 0 0 -",
            "name varchar 10 0 1 'x'",
            "price numeric 8 2 1 -",
        ]
    );
    let classes = describe("pg_catalog", "pg_class").await;
    assert!(
        classes.iter().any(|column| column.starts_with("relname ")),
        "{classes:?}"
    );
    let tables = describe("information_schema", "tables").await;
    assert!(
        tables
            .iter()
            .any(|column| column.starts_with("table_name varchar ")),
        "{tables:?}"
    );
    assert!(describe("public", "nope").await.is_empty());
    assert!(describe("public", "pg_class").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_has_at_most_64_kb() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    let row = |last: usize| format!("select repeat('a', 65000) as a, repeat('b', {last}) as b");
    let most = warehouse.run(&row(536)).await;
    assert_eq!(most.result_size(), 65_536);
    let failed = warehouse.over(&warehouse.submit(&row(537)).await).await;
    assert_eq!(failed.status(), Some(&Status::Failed));
    let error = failed.error().unwrap();
    assert!(
        error.contains("a row of the result has 65537 bytes"),
        "{error}"
    );
    // It is a failure as any other: nothing of its transaction stays.
    let failed = warehouse
        .batch(&["insert into t values (1)", &row(537)])
        .await;
    assert_eq!(failed.status(), Some(&Status::Failed));
    assert_eq!(warehouse.number("select count(*) from t").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused() {
    let warehouse = warehouse().await;
    let execute = || warehouse.client.execute_statement().database("dev");
    let without = execute().sql("select 1").send().await.unwrap_err();
    assert_eq!(refusal(&without), "ValidationException");
    let long = "x".repeat(100_001);
    let long = execute()
        .workgroup_name("dwh")
        .sql(long)
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&long), "ValidationException");
    let many = warehouse
        .client
        .batch_execute_statement()
        .workgroup_name("dwh")
        .database("dev");
    let many = many
        .set_sqls(Some(vec!["select 1".to_owned(); 41]))
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&many), "ValidationException");
    let empty = SqlParameter::builder().name("a").value("").build().unwrap();
    let empty = execute()
        .workgroup_name("dwh")
        .sql("select :a")
        .parameters(empty)
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&empty), "ValidationException");
    let unknown = "00000000-0000-0000-0000-000000000000";
    let unknown = warehouse
        .client
        .describe_statement()
        .id(unknown)
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&unknown), "ResourceNotFoundException");
    let failed = warehouse.submit("select 1 / 0").await;
    let described = warehouse.over(&failed).await;
    assert_eq!(described.error(), Some("ERROR: division by zero"));
    let none = warehouse
        .client
        .get_statement_result()
        .id(&failed)
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&none), "ResourceNotFoundException");
    let over = warehouse
        .client
        .cancel_statement()
        .id(&failed)
        .send()
        .await
        .unwrap_err();
    assert_eq!(refusal(&over), "ValidationException");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_cancelled_and_a_restart_keeps_rows() {
    let folder = TempDir::new().unwrap();
    let local = server::start(folder.path()).await;
    let endpoint = local.endpoint().to_owned();
    let client = |endpoint: &str| {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .build();
        Client::from_conf(config)
    };
    let warehouse = Warehouse {
        client: client(&endpoint),
        local,
        _folder: TempDir::new().unwrap(),
    };
    warehouse.run("create table t as select 1 as id").await;
    let holds = warehouse
        .client
        .execute_statement()
        .workgroup_name("dwh")
        .database("dev");
    let holds = holds
        .sql("begin")
        .session_keep_alive_seconds(60)
        .send()
        .await
        .unwrap();
    warehouse.over(holds.id().unwrap()).await;
    let session = holds.session_id().unwrap();
    let lock = warehouse
        .client
        .execute_statement()
        .session_id(session)
        .sql("lock t");
    warehouse
        .over(lock.send().await.unwrap().id().unwrap())
        .await;
    let waits = warehouse.submit("delete from t").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    warehouse
        .client
        .cancel_statement()
        .id(&waits)
        .send()
        .await
        .unwrap();
    assert_eq!(
        warehouse.over(&waits).await.status(),
        Some(&Status::Aborted)
    );
    let Warehouse { local, .. } = warehouse;
    local.shutdown().await;
    let local = server::start(folder.path()).await;
    let warehouse = Warehouse {
        client: client(local.endpoint()),
        local,
        _folder: TempDir::new().unwrap(),
    };
    assert_eq!(warehouse.number("select count(*) from t").await, 1);
}

async fn with_fault(warehouse: &Warehouse, contains: &str, what: FaultKind, times: u32) {
    let fault = Fault {
        contains: contains.to_owned(),
        what,
        times,
    };
    let admin = transom_local::Client::new(warehouse.local.endpoint());
    admin.set_faults(&[fault]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_lost_after_the_commit_says_nothing_and_the_token_finds_the_statement() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    with_fault(&warehouse, "insert", FaultKind::LoseReply, 9).await;
    let insert = || {
        let statement = warehouse.client.execute_statement();
        let statement = statement.workgroup_name("local").database("dev");
        statement
            .sql("insert into t values (1)")
            .client_token("once")
            .send()
    };
    let lost = insert().await.unwrap_err();
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    assert_eq!(warehouse.number("select count(*) from t").await, 1);
    with_fault(&warehouse, "insert", FaultKind::LoseReply, 1).await;
    // The SDK asks again by itself, with the same token.
    let id = insert().await.unwrap().id.unwrap();
    assert_eq!(warehouse.over(&id).await.status(), Some(&Status::Finished));
    assert_eq!(warehouse.number("select count(*) from t").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_can_commit_and_be_reported_as_failed_or_stay_picked() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    with_fault(&warehouse, "values (1)", FaultKind::FailAfterCommit, 1).await;
    let sqls = ["insert into t values (1)", "insert into t values (2)"];
    let failed = warehouse.batch(&sqls).await;
    assert_eq!(failed.status(), Some(&Status::Failed));
    assert_eq!(warehouse.number("select count(*) from t").await, 2);
    assert_eq!(
        warehouse.batch(&sqls).await.status(),
        Some(&Status::Finished)
    );
    // What failed anyway fails for its own reason.
    with_fault(&warehouse, "nope", FaultKind::FailAfterCommit, 1).await;
    let failed = warehouse.batch(&["select * from nope"]).await;
    assert!(
        failed.error().unwrap().contains("does not exist"),
        "{failed:?}"
    );
    with_fault(&warehouse, "", FaultKind::StayPicked(300), 1).await;
    let begun = Instant::now();
    let id = warehouse.submit("select 1").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let described = warehouse.client.describe_statement().id(&id).send();
    assert_eq!(described.await.unwrap().status(), Some(&Status::Picked));
    assert_eq!(warehouse.over(&id).await.status(), Some(&Status::Finished));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_killed_while_it_runs_leaves_nothing() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    for (what, status, states) in [
        (
            FaultKind::AbortWhileRunning,
            Status::Aborted,
            "FINISHED ABORTED ABORTED",
        ),
        (
            FaultKind::FailWhileRunning,
            Status::Failed,
            "FINISHED FAILED ABORTED",
        ),
    ] {
        with_fault(&warehouse, "values (2)", what, 2).await;
        let sqls = [
            "insert into t values (1)",
            "insert into t values (2)",
            "insert into t values (3)",
        ];
        let killed = warehouse.batch(&sqls).await;
        assert_eq!(killed.status(), Some(&status), "{what:?}");
        let parts = killed.sub_statements().iter();
        let parts = parts.filter_map(|part| Some(part.status()?.as_str()));
        assert_eq!(parts.collect::<Vec<_>>().join(" "), states);
        let alone = warehouse.submit(sqls[1]).await;
        let alone = warehouse.over(&alone).await;
        assert_eq!(alone.status(), Some(&status), "{what:?}");
        assert!(alone.error().is_some());
        assert_eq!(warehouse.number("select count(*) from t").await, 0);
    }
    assert_eq!(
        warehouse
            .run("insert into t values (2)")
            .await
            .result_rows(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_can_run_after_its_client_gave_up() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    with_fault(&warehouse, "insert", FaultKind::RunLate(6_000), 99).await;
    let insert = warehouse.client.execute_statement();
    let insert = insert.workgroup_name("local").database("dev");
    let insert = insert.sql("insert into t values (1)").client_token("once");
    let lost = insert.send().await.unwrap_err();
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    // The tries of the SDK found the same statement, which has not begun.
    assert_eq!(warehouse.number("select count(*) from t").await, 0);
    let begun = Instant::now();
    while warehouse.number("select count(*) from t").await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not run");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(warehouse.number("select count(*) from t").await, 1);
    let list = warehouse.client.list_statements().status(Status::All);
    let all = list.send().await.unwrap();
    let inserts = all.statements().iter().filter_map(|of| of.query_string());
    assert_eq!(inserts.filter(|sql| sql.starts_with("insert")).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_can_be_refused_and_nothing_runs() {
    let warehouse = warehouse().await;
    warehouse.run("create table t (id int)").await;
    let insert = || {
        let statement = warehouse.client.execute_statement();
        let statement = statement.workgroup_name("local").database("dev");
        statement.sql("insert into t values (1)").send()
    };
    let exceeded = FaultKind::Refuse(Exception::ActiveStatementsExceeded);
    with_fault(&warehouse, "insert", exceeded, 1).await;
    let refused = insert().await.unwrap_err();
    assert_eq!(refusal(&refused), "ActiveStatementsExceededException");
    // The SDK tries what the service failed at again.
    let failed = FaultKind::Refuse(Exception::ExecuteStatement);
    with_fault(&warehouse, "insert", failed, 99).await;
    let refused = insert().await.unwrap_err().into_service_error();
    match refused {
        ExecuteStatementError::ExecuteStatementException(refused) => {
            assert_eq!(refused.statement_id().len(), 36);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(warehouse.number("select count(*) from t").await, 0);
    let failed = FaultKind::Refuse(Exception::InternalServer);
    with_fault(&warehouse, "insert", failed, 1).await;
    let id = insert().await.unwrap().id.unwrap();
    assert_eq!(warehouse.over(&id).await.status(), Some(&Status::Finished));
    assert_eq!(warehouse.number("select count(*) from t").await, 1);
}
