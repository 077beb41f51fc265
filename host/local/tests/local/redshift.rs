//! The local Redshift through the Data API, as the AWS SDK for Rust speaks it: what a loading pipeline does.

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::types::{
    ColumnMetadata, Field, ResultFormatString, SqlParameter, StatusString as Status,
};
use tempfile::TempDir;
use transom_local::{Fault, FaultKind, LocalAws};

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
                _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
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
    assert_eq!(
        described.column_list()[1].type_name(),
        Some("character varying")
    );
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
        tables().database("other"),
        tables().database("dev").connected_database("other"),
        tables().database("dev").workgroup_name("w"),
    ] {
        let refused = wrong.send().await.unwrap_err();
        assert_eq!(refusal(&refused), "ValidationException");
    }
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
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
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
    let begun = std::time::Instant::now();
    let id = warehouse.submit("select 1").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let described = warehouse.client.describe_statement().id(&id).send();
    assert_eq!(described.await.unwrap().status(), Some(&Status::Picked));
    assert_eq!(warehouse.over(&id).await.status(), Some(&Status::Finished));
    assert!(begun.elapsed() >= std::time::Duration::from_millis(300));
}
