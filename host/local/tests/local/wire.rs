//! The wire protocol of the local Redshift, as a driver speaks it: prepared statements and binary values, and the
//! simple protocol that psql speaks. [`Raw`] sends bytes that no driver would.

use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::message::backend::{self, Message};
use postgres_protocol::message::frontend;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::fallible_iterator::FallibleIterator;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use transom_local::LocalAws;

use crate::server;

struct Warehouse {
    local: LocalAws,
    _folder: TempDir,
}

async fn warehouse() -> Warehouse {
    let folder = TempDir::new().unwrap();
    Warehouse {
        local: server::start(folder.path()).await,
        _folder: folder,
    }
}

impl Warehouse {
    fn address(&self, database: &str, password: &str) -> String {
        let port = self.local.redshift_port().unwrap();
        format!("host=127.0.0.1 port={port} user=bob dbname={database} password={password}")
    }

    async fn connect(&self) -> Client {
        let address = self.address("dev", "transom-local");
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

async fn simple(client: &Client, query: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(query).await.unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        (0..row.len())
            .map(|at| row.get(at).map(str::to_owned))
            .collect()
    })
    .collect()
}

fn code(error: &tokio_postgres::Error) -> String {
    error
        .code()
        .map(|code| code.code().to_owned())
        .unwrap_or_else(|| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_prepared_and_values_are_binary() {
    let warehouse = warehouse().await;
    let client = warehouse.connect().await;
    client
        .execute(
            "create table t (id int, n bigint, f float8, ok bool, name varchar(10))",
            &[],
        )
        .await
        .unwrap();
    let inserted = client
        .execute(
            "insert into t values (1, 2, 2.5, true, 'a'), (2, null, null, false, 'é')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(inserted, 2);
    let rows = client
        .query(
            "select id, n, f, ok, name from t where name <> $1 order by id",
            &[&"x"],
        )
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, i32>(0), 1);
    assert_eq!(rows[0].get::<_, Option<i64>>(1), Some(2));
    assert_eq!(rows[0].get::<_, f64>(2), 2.5);
    assert!(rows[0].get::<_, bool>(3));
    assert_eq!(rows[1].get::<_, Option<i64>>(1), None);
    assert_eq!(rows[1].get::<_, &str>(4), "é");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_failed_takes_nothing_but_its_end() {
    let warehouse = warehouse().await;
    let client = warehouse.connect().await;
    simple(&client, "create table t (id int)").await;
    simple(&client, "begin").await;
    simple(&client, "insert into t values (1)").await;
    let divided = client.simple_query("select 1 / 0").await.unwrap_err();
    assert_eq!(code(&divided), "22012");
    let ignored = client.simple_query("select 1").await.unwrap_err();
    assert_eq!(code(&ignored), "25P02");
    simple(&client, "rollback").await;
    assert_eq!(
        simple(&client, "select count(*) from t").await[0][0].as_deref(),
        Some("0")
    );
    // Several statements of one message are one transaction.
    let failed = client
        .simple_query("insert into t values (1); insert into nope values (1)")
        .await;
    assert_eq!(code(&failed.unwrap_err()), "42P01");
    assert_eq!(
        simple(&client, "select count(*) from t").await[0][0].as_deref(),
        Some("0")
    );
    simple(
        &client,
        "insert into t values (1); insert into t values (2)",
    )
    .await;
    assert_eq!(
        simple(&client, "select count(*) from t").await[0][0].as_deref(),
        Some("2")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_connects_is_checked() {
    let warehouse = warehouse().await;
    let wrong = warehouse.address("dev", "wrong");
    let wrong = tokio_postgres::connect(&wrong, NoTls).await.err().unwrap();
    assert_eq!(code(&wrong), "28P01");
    let nowhere = warehouse.address("nope", "transom-local");
    let nowhere = tokio_postgres::connect(&nowhere, NoTls)
        .await
        .err()
        .unwrap();
    assert_eq!(code(&nowhere), "3D000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_stay_when_all_data_is_deleted() {
    let warehouse = warehouse().await;
    let (mut raw, _) = Raw::session(&warehouse).await;
    raw.query("create table t (id int)").await;
    assert_eq!(raw.query("begin; insert into t values (1)").await[2], "ZT");
    let admin = transom_local::Client::new(warehouse.local.endpoint());
    admin.reset().await.unwrap();
    let said = raw.query("commit").await;
    assert_eq!(said.last().unwrap(), "ZI", "{said:?}");
    assert_ne!(said[0], "COMMIT");
    assert_eq!(raw.query("select * from t").await, ["42P01", "ZI"]);
    assert_eq!(
        raw.query("create table t (id int)").await,
        ["CREATE TABLE", "ZI"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_waits_is_cancelled() {
    let warehouse = warehouse().await;
    let (a, b) = (warehouse.connect().await, warehouse.connect().await);
    simple(&a, "create table t (id int)").await;
    simple(&a, "begin").await;
    simple(&a, "lock t").await;
    let token = b.cancel_token();
    let waiting = tokio::spawn(async move { b.simple_query("delete from t").await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    token.cancel_query(NoTls).await.unwrap();
    let cancelled = waiting.await.unwrap().unwrap_err();
    assert_eq!(code(&cancelled), "57014");
    simple(&a, "commit").await;
}

/// The bytes of a value.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl<'a> FromSql<'a> for Bytes {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_type_has_the_binary_form_of_postgresql() {
    let warehouse = warehouse().await;
    let client = warehouse.connect().await;
    let query = "select 1::int2, -1::real, 1.5::numeric(10,2), date '1999-12-31', \
         timestamp '2000-01-01 00:00:01', timestamptz '2000-01-01 01:00:00+01', time '00:00:01', \
         'ab'::char(3), null::int, 1::numeric(18,0), 0::numeric(5,2)";
    let row = client.query_one(query, &[]).await.unwrap();
    let bytes = |at: usize| row.get::<_, Option<Bytes>>(at).map(|bytes| bytes.0);
    assert_eq!(bytes(0).unwrap(), [0, 1]);
    assert_eq!(bytes(1).unwrap(), (-1f32).to_be_bytes());
    // Groups, the weight of the first, the sign, the scale; 1 and 5000.
    assert_eq!(
        bytes(2).unwrap(),
        [0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x13, 0x88]
    );
    assert_eq!(bytes(3).unwrap(), (-1i32).to_be_bytes());
    assert_eq!(bytes(4).unwrap(), 1_000_000i64.to_be_bytes());
    assert_eq!(bytes(5).unwrap(), 0i64.to_be_bytes());
    assert_eq!(bytes(6).unwrap(), 1_000_000i64.to_be_bytes());
    assert_eq!(bytes(7).unwrap(), b"ab ");
    assert_eq!(bytes(8), None);
    assert_eq!(bytes(9).unwrap(), [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(bytes(10).unwrap(), [0, 0, 0, 0, 0, 0, 0, 2]);
    let oids: Vec<u32> = row
        .columns()
        .iter()
        .map(|column| column.type_().oid())
        .collect();
    assert_eq!(oids[2], 1700);
    let refused = client.query_one("select 1 / 0", &[]).await.unwrap_err();
    assert_eq!(code(&refused), "22012");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_gives_its_rows_in_parts() {
    let warehouse = warehouse().await;
    let mut client = warehouse.connect().await;
    simple(&client, "create table t (id int)").await;
    simple(&client, "insert into t values (1), (2), (3), (4), (5)").await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("select id from t order by id", &[])
        .await
        .unwrap();
    let mut parts = Vec::new();
    for _ in 0..4 {
        let rows = transaction.query_portal(&portal, 2).await.unwrap();
        parts.push(
            rows.iter()
                .map(|row| row.get::<_, i32>(0))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(parts, [vec![1, 2], vec![3, 4], vec![5], vec![]]);
    transaction.rollback().await.unwrap();
}

/// A connection below what drivers show.
struct Raw {
    stream: TcpStream,
    read: BytesMut,
}

/// What the server said, in short: a letter for a message, the code of an error, `Z` with the state.
type Said = Vec<String>;

impl Raw {
    async fn connect(warehouse: &Warehouse) -> Self {
        Self::connect_to(warehouse.local.redshift_port().unwrap()).await
    }

    async fn connect_to(port: u16) -> Self {
        Self {
            stream: TcpStream::connect(("127.0.0.1", port)).await.unwrap(),
            read: BytesMut::new(),
        }
    }

    /// Connects and logs in; returns the parameters of the server.
    async fn session(warehouse: &Warehouse) -> (Self, Vec<(String, String)>) {
        Self::session_at(warehouse.local.redshift_port().unwrap()).await
    }

    async fn session_at(port: u16) -> (Self, Vec<(String, String)>) {
        let mut raw = Self::connect_to(port).await;
        let login = [("user", "bob"), ("database", "dev")];
        raw.send(|out| frontend::startup_message(login, out).unwrap())
            .await;
        let Message::AuthenticationMd5Password(body) = raw.next().await.unwrap() else {
            panic!("no MD5");
        };
        let hashed = md5_hash(b"bob", b"transom-local", body.salt());
        raw.send(|out| frontend::password_message(hashed.as_bytes(), out).unwrap())
            .await;
        let mut parameters = Vec::new();
        loop {
            match raw.next().await.unwrap() {
                Message::ParameterStatus(body) => {
                    parameters.push((
                        body.name().unwrap().to_owned(),
                        body.value().unwrap().to_owned(),
                    ));
                }
                Message::ReadyForQuery(_) => return (raw, parameters),
                _ => {}
            }
        }
    }

    /// Whether the server takes one more session.
    async fn connect_again(warehouse: &Warehouse) -> Option<()> {
        let mut raw = Self::connect(warehouse).await;
        raw.send(|out| frontend::startup_message([("user", "bob")], out).unwrap())
            .await;
        match raw.next().await? {
            Message::AuthenticationMd5Password(_) => Some(()),
            _ => None,
        }
    }

    async fn send(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut out = BytesMut::new();
        write(&mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    /// The next message; none if the server has closed the connection.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.read).unwrap() {
                return Some(message);
            }
            let read = self.stream.read_buf(&mut self.read);
            match tokio::time::timeout(Duration::from_secs(60), read)
                .await
                .unwrap()
            {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// What is said up to the end of an answer, or of the connection.
    async fn said(&mut self) -> Said {
        let mut said = Vec::new();
        while let Some(message) = self.next().await {
            let (text, is_end) = short(message);
            said.push(text);
            if is_end {
                return said;
            }
        }
        said.push("closed".to_owned());
        said
    }

    async fn query(&mut self, sql: &str) -> Said {
        self.send(|out| frontend::query(sql, out).unwrap()).await;
        self.said().await
    }
}

fn short(message: Message) -> (String, bool) {
    let text = match message {
        Message::ReadyForQuery(body) => return (format!("Z{}", body.status() as char), true),
        Message::ErrorResponse(body) => error_code(&body),
        Message::CommandComplete(body) => body.tag().unwrap().to_owned(),
        Message::DataRow(_) => "row".to_owned(),
        Message::RowDescription(_) => "columns".to_owned(),
        Message::NoData => "no columns".to_owned(),
        Message::ParameterStatus(body) => {
            format!("{}={}", body.name().unwrap(), body.value().unwrap())
        }
        Message::ParseComplete => "parsed".to_owned(),
        Message::BindComplete => "bound".to_owned(),
        Message::PortalSuspended => "suspended".to_owned(),
        Message::EmptyQueryResponse => "empty".to_owned(),
        Message::NoticeResponse(_) => "notice".to_owned(),
        Message::ParameterDescription(_) => "parameters".to_owned(),
        _ => "other".to_owned(),
    };
    (text, false)
}

fn error_code(body: &backend::ErrorResponseBody) -> String {
    let code = body
        .fields()
        .find(|field| Ok(field.type_() == b'C'))
        .unwrap();
    String::from_utf8(code.unwrap().value_bytes().to_vec()).unwrap()
}

/// Parse, Bind and Execute of a statement without parameters.
fn execute(sql: &str, out: &mut BytesMut) {
    frontend::parse("", sql, [], out).unwrap();
    bind(out);
    frontend::execute("", 0, out).unwrap();
}

fn bind(out: &mut BytesMut) {
    let no_values = std::iter::empty::<&[u8]>();
    let bound = frontend::bind("", "", [], no_values, |_, _| Ok(IsNull::Yes), [], out);
    assert!(bound.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_says_what_redshift_says_and_no_protocol_of_its_own() {
    let warehouse = warehouse().await;
    let (mut raw, parameters) = Raw::session(&warehouse).await;
    let value = |name: &str| {
        let found = parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("server_version"), Some("8.0.2"));
    assert_eq!(value("standard_conforming_strings"), Some("off"));
    assert_eq!(value("server_protocol_version"), None);
    // The name of the encoding that Redshift has, until a client chooses one.
    assert_eq!(value("client_encoding"), Some("UNICODE"));
    let said = raw.query("set client_encoding to 'utf8'").await;
    assert_eq!(said, ["SET", "client_encoding=UTF8", "ZI"]);
    // It goes with the transaction that has set it: with that of a text, too.
    let said = raw
        .query("set local client_encoding to unicode; set query_group to 'a'")
        .await;
    assert_eq!(said, ["SET", "SET", "ZI"]);
    raw.query("begin").await;
    let said = raw.query("set client_encoding to unicode").await;
    assert_eq!(said, ["SET", "client_encoding=UNICODE", "ZT"]);
    let said = raw.query("rollback").await;
    assert_eq!(said, ["ROLLBACK", "client_encoding=UTF8", "ZI"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_before_a_sync_is_one_transaction() {
    let warehouse = warehouse().await;
    let (mut raw, _) = Raw::session(&warehouse).await;
    assert_eq!(
        raw.query("create table t (id int)").await,
        ["CREATE TABLE", "ZI"]
    );
    raw.send(|out| {
        execute("insert into t values (1)", out);
        execute("insert into t values (1 / 0)", out);
        execute("insert into t values (3)", out);
        frontend::sync(out);
    })
    .await;
    let said = raw.said().await;
    let expected = [
        "parsed",
        "bound",
        "INSERT 0 1",
        "parsed",
        "bound",
        "22012",
        "ZI",
    ];
    assert_eq!(said, expected);
    assert_eq!(
        raw.query("select id from t").await,
        ["columns", "SELECT", "ZI"]
    );
    // Results come at a Flush, before the end of the transaction.
    raw.send(|out| {
        execute("insert into t values (1)", out);
        frontend::flush(out);
    })
    .await;
    for expected in ["parsed", "bound", "INSERT 0 1"] {
        assert_eq!(short(raw.next().await.unwrap()).0, expected);
    }
    let (mut other, _) = Raw::session(&warehouse).await;
    assert_eq!(
        other.query("select id from t").await,
        ["columns", "SELECT", "ZI"]
    );
    raw.send(frontend::sync).await;
    assert_eq!(raw.said().await, ["ZI"]);
    assert_eq!(
        other.query("select id from t").await,
        ["columns", "row", "SELECT", "ZI"]
    );
    // A BEGIN among them, and what cannot be in a transaction.
    let said = raw
        .query("insert into t values (2); begin; insert into t values (3)")
        .await;
    assert_eq!(said, ["INSERT 0 1", "BEGIN", "INSERT 0 1", "ZT"]);
    assert_eq!(
        raw.query("rollback; vacuum; vacuum").await,
        ["ROLLBACK", "VACUUM", "VACUUM", "ZI"]
    );
    assert_eq!(
        raw.query("select 1; vacuum").await,
        ["columns", "row", "SELECT", "25001", "ZI"]
    );
    assert_eq!(raw.query("").await, ["empty", "ZI"]);
    assert_eq!(raw.query("select count(*) from t").await[1], "row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_statement_is_forgotten_by_its_name() {
    let warehouse = warehouse().await;
    let (mut raw, _) = Raw::session(&warehouse).await;
    assert_eq!(raw.query("deallocate nothing").await, ["26000", "ZI"]);
    assert_eq!(raw.query("DEALLOCATE ALL").await, ["42601", "ZI"]);
    for (name, forget) in [
        ("_pg_0", "DEALLOCATE PREPARE \"_pg_0\";"),
        ("s", "deallocate S"),
    ] {
        raw.send(|out| {
            frontend::parse(name, "select 1", [], out).unwrap();
            frontend::sync(out);
        })
        .await;
        assert_eq!(raw.said().await, ["parsed", "ZI"]);
        assert_eq!(raw.query(forget).await, ["DEALLOCATE", "ZI"]);
        assert_eq!(raw.query(forget).await, ["26000", "ZI"]);
    }
    // By the extended protocol, too.
    raw.send(|out| {
        frontend::parse("s", "select 1", [], out).unwrap();
        frontend::parse("", "deallocate s", [], out).unwrap();
        bind(out);
        frontend::describe(b'P', "", out).unwrap();
        frontend::execute("", 0, out).unwrap();
        frontend::sync(out);
    })
    .await;
    let expected = [
        "parsed",
        "parsed",
        "bound",
        "no columns",
        "DEALLOCATE",
        "ZI",
    ];
    assert_eq!(raw.said().await, expected);
    assert_eq!(raw.query("deallocate s").await, ["26000", "ZI"]);
    // Not in a transaction that has failed.
    let said = raw.query("begin; select 1 / 0").await;
    assert_eq!(said.last().unwrap(), "ZE", "{said:?}");
    assert_eq!(raw.query("deallocate s").await, ["25P02", "ZE"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_ends_a_transaction_whatever_it_is_about() {
    let warehouse = warehouse().await;
    let (mut raw, _) = Raw::session(&warehouse).await;
    for wrong in [
        |out: &mut BytesMut| frontend::parse("", "select '", [], out).unwrap(),
        |out: &mut BytesMut| frontend::execute("nope", 0, out).unwrap(),
        |out: &mut BytesMut| frontend::describe(b'S', "nope", out).unwrap(),
        |out: &mut BytesMut| {
            frontend::parse("", "select $2", [], out).unwrap();
            bind(out);
        },
        |out: &mut BytesMut| frontend::parse("again", "select nope", [], out).unwrap(),
    ] {
        assert_eq!(raw.query("begin").await, ["BEGIN", "ZT"]);
        raw.send(|out| {
            wrong(out);
            frontend::sync(out);
        })
        .await;
        let said = raw.said().await;
        assert_eq!(said.last().unwrap(), "ZE", "{said:?}");
        assert_eq!(raw.query("select 1").await, ["25P02", "ZE"]);
        // A name is free as long as no statement could be prepared under it.
        for _ in 0..2 {
            raw.send(|out| {
                frontend::parse("again", "select 1", [], out).unwrap();
                frontend::sync(out);
            })
            .await;
            assert_eq!(raw.said().await, ["25P02", "ZE"]);
        }
        // As drivers end it: described first.
        raw.send(|out| {
            frontend::parse("", "rollback", [], out).unwrap();
            frontend::describe(b'S', "", out).unwrap();
            bind(out);
            frontend::execute("", 0, out).unwrap();
            frontend::sync(out);
        })
        .await;
        let expected = [
            "parsed",
            "parameters",
            "no columns",
            "bound",
            "ROLLBACK",
            "ZI",
        ];
        assert_eq!(raw.said().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bytes_end_their_connection_and_nothing_else() {
    let warehouse = warehouse().await;
    let starts: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        // Version 3.2, and a name without an end.
        &[0, 0, 0, 8, 0, 3, 0, 2],
        &[0, 0, 0, 12, 0, 3, 0, 0, b'u', b's', b'e', b'r'],
    ];
    for start in starts {
        let mut raw = Raw::connect(&warehouse).await;
        raw.send(|out| out.extend_from_slice(start)).await;
        let said = raw.said().await;
        assert!(
            said[0] == "08P01" || said[0] == "0A000",
            "{start:?}: {said:?}"
        );
        assert_eq!(said.last().unwrap(), "closed");
    }
    let messages: [&[u8]; 6] = [
        // A gigabyte, a negative length, no known kind, a count of 65,535, a text without an end, bytes left over.
        &[b'Q', 0x3f, 0xff, 0xff, 0xff, b's'],
        &[b'Q', 0xff, 0xff, 0xff, 0xff],
        &[b'!', 0, 0, 0, 4],
        &[b'B', 0, 0, 0, 8, 0, 0, 0xff, 0xff],
        &[b'Q', 0, 0, 0, 6, b'a', b'b'],
        &[b'S', 0, 0, 0, 5, 0],
    ];
    for message in messages {
        let (mut raw, _) = Raw::session(&warehouse).await;
        raw.send(|out| out.extend_from_slice(message)).await;
        assert_eq!(raw.said().await, ["08P01", "closed"], "{message:?}");
    }
    // What ends within a message is a client that is gone.
    let (mut raw, _) = Raw::session(&warehouse).await;
    raw.send(|out| out.extend_from_slice(&[b'Q', 0, 1, 0, 0, b's']))
        .await;
    drop(raw);
    // Not UTF-8: refused, and nothing is put in its place.
    let (mut raw, _) = Raw::session(&warehouse).await;
    raw.send(|out| out.extend_from_slice(b"Q\0\0\0\x0fselect '\xff'\0"))
        .await;
    assert_eq!(raw.said().await, ["22021", "ZI"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_and_deep_statements_are_refused_and_the_session_goes_on() {
    let warehouse = warehouse().await;
    let (mut raw, _) = Raw::session(&warehouse).await;
    let long = |bytes: usize| {
        let select = "select length('')";
        format!("select length('{}')", "a".repeat(bytes - select.len()))
    };
    assert_eq!(
        raw.query(&long(60_000)).await,
        ["columns", "row", "SELECT", "ZI"]
    );
    assert_eq!(raw.query(&long((16 << 20) + 1)).await, ["54000", "ZI"]);
    assert_eq!(raw.query(&long(40 << 20)).await, ["54000", "ZI"]);
    let comment = format!("select 1 /* {} */", "-".repeat((16 << 20) - 20));
    assert_eq!(
        raw.query(&comment).await,
        ["columns", "row", "SELECT", "ZI"]
    );
    for depth in [50, 100, 5_000, 200_000] {
        let nested = format!("select {}1{}", "(".repeat(depth), ")".repeat(depth));
        let said = raw.query(&nested).await;
        let is_taken = said == ["columns", "row", "SELECT", "ZI"];
        assert!(is_taken || said == ["54001", "ZI"], "{depth}: {said:?}");
    }
    for depth in [20, 100, 1_000] {
        let nested = format!(
            "{}select 1 as a{}",
            "select a from (".repeat(depth),
            ") t".repeat(depth)
        );
        let said = raw.query(&nested).await;
        let is_taken = said == ["columns", "row", "SELECT", "ZI"];
        assert!(is_taken || said == ["54001", "ZI"], "{depth}: {said:?}");
    }
    assert_eq!(raw.query("create table t (a bigint)").await[1], "ZI");
    assert_eq!(raw.query("insert into t values (1)").await[1], "ZI");
    let taken = ["columns", "row", "SELECT", "ZI"];
    for (term, operator, taken_up_to) in [
        ("a", " + ", 60),
        ("a = 1", " or ", 2_000),
        ("a = 1", " and ", 2_000),
        ("a", " is null is null ", 1),
        ("'a'", " || ", 100),
        ("1", "", 0),
    ] {
        for count in [taken_up_to, 100_000] {
            let query = format!(
                "select {}{term} from t",
                format!("{term}{operator}").repeat(count)
            );
            let said = raw.query(&query).await;
            match count {
                100_000 => assert_eq!(said.last().unwrap(), "ZI", "{operator}: {said:?}"),
                _ if operator.contains("null") => {}
                _ => assert_eq!(said, taken, "{operator}"),
            }
        }
    }
    let unions = format!("{}select 1", "select 1 union all ".repeat(50));
    assert_eq!(raw.query(&unions).await.len(), 54);
    assert_eq!(
        raw.query("select 1").await,
        ["columns", "row", "SELECT", "ZI"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_sessions_are_served_at_once() {
    let warehouse = warehouse().await;
    let mut sessions = Vec::new();
    for _ in 0..300 {
        sessions.push(Raw::session(&warehouse).await.0);
    }
    for session in &mut sessions {
        session
            .send(|out| frontend::query("select pg_backend_pid()", out).unwrap())
            .await;
    }
    for session in &mut sessions {
        assert_eq!(session.said().await, ["columns", "row", "SELECT", "ZI"]);
    }
    // A client that says nothing does not stop others.
    let _silent = Raw::connect(&warehouse).await;
    for _ in 0..199 {
        sessions.push(Raw::session(&warehouse).await.0);
    }
    let mut refused = Raw::connect(&warehouse).await;
    refused
        .send(|out| frontend::startup_message([("user", "bob")], out).unwrap())
        .await;
    assert_eq!(refused.said().await, ["53300", "closed"]);
    sessions.truncate(1);
    while Raw::connect_again(&warehouse).await.is_none() {}
}

/// The most memory that a process has had, in bytes.
#[cfg(target_os = "linux")]
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = most.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

/// Of a process of its own, so that no other test's memory counts.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_bounded_whatever_is_sent() {
    const MORE: u64 = 64 << 20;
    let folder = TempDir::new().unwrap();
    let (_server, owner) = crate::kills::spawn(folder.path()).await;
    let port = owner.redshift_port.unwrap();
    let (mut raw, _) = Raw::session_at(port).await;
    let taken = ["columns", "row", "SELECT", "ZI"];
    let long = format!("select 1 /* {} */", "-".repeat((16 << 20) - 20));
    // What an allocator keeps for more of the same is not what is held for ever.
    for _ in 0..2 {
        assert_eq!(raw.query(&long).await, taken);
    }
    let before = most_memory(owner.process);
    for _ in 0..8 {
        assert_eq!(raw.query(&long).await, taken);
    }
    assert_eq!(raw.query(&"-".repeat(64 << 20)).await, ["54000", "ZI"]);
    let mut held = Vec::new();
    for _ in 0..100 {
        // Two gigabytes before a login, one after it; half of a message that may be as long as it says.
        let mut start = Raw::connect_to(port).await;
        start
            .send(|out| out.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]))
            .await;
        held.push(start);
        for length in [1 << 30, 16 << 20] {
            let (mut session, _) = Raw::session_at(port).await;
            session
                .send(|out| {
                    out.extend_from_slice(b"Q");
                    out.extend_from_slice(&u32::to_be_bytes(length));
                    out.extend_from_slice(&[b's'; 1_000]);
                })
                .await;
            held.push(session);
        }
    }
    assert_eq!(raw.query("select 1").await, taken);
    let more = most_memory(owner.process).saturating_sub(before);
    assert!(more < MORE, "{} MiB more", more >> 20);
}
