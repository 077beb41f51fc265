//! The Data API: JSON 1.1, one operation for each `X-Amz-Target`.
//!
//! What is asked for is checked as Amazon's model says, then the statement is submitted; what comes of it is looked at
//! with other operations. Numbers of limits are those of the documentation.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use s3s::Body;
use serde_json::{Map, Value, json};
use transom_redshift::{Parameter, Session, Source};

use super::answers;
use super::faults::FaultKind;
use super::model::{self, Wrong};
use super::refused::{Exception, Refused, invalid, missing};
use super::sessions::{Place, SessionStatus};
use super::statements::{At, NotTaken, Statement, Status, Submission, Target};
use super::{DATABASE, Redshift};
use crate::access::{Server, Warehouse};
use crate::router::{Lost, signed_region};

/// Bytes of a request.
const MOST_REQUEST: usize = 8 << 20;
/// Bytes of a statement.
const MOST_SQL: usize = 100_000;
/// Statements and sessions of a page.
const MOST_LISTED: usize = 100;
/// Databases, schemas, tables and columns of a page.
const MOST_DESCRIBED: usize = 1_000;

/// Seconds that a statement takes at most before its answer is lost.
const LONGEST: u64 = 600;

/// How long the catalog is asked before a request gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a session has already: a request that names one must not say it again.
const OF_SESSIONS: &[&str] = &[
    "Database",
    "WorkgroupName",
    "ClusterIdentifier",
    "DbUser",
    "SecretArn",
];

type Answer = Result<Value, Refused>;

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Type(message) => Self::new(Exception::Serialization, message),
            Wrong::Invalid(message) => invalid(message),
        }
    }
}

/// Answers a request of the Data API.
pub(crate) async fn answer(redshift: &Redshift, mut request: Request<Body>) -> Response<Body> {
    let target = request.headers().get("x-amz-target");
    let target = target
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let operation = target.split('.').nth(1).unwrap_or_default().to_owned();
    let region = signed_region(&request);
    let body = request.body_mut().store_all_limited(MOST_REQUEST).await;
    let answer = match body {
        Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
            Ok(Value::Object(fields)) => {
                let input = Input(fields);
                input.log(redshift, &operation, region.as_deref());
                operate(redshift, &operation, &input).await
            }
            _ => Err(Refused::new(
                Exception::Serialization,
                "the body is no JSON object",
            )),
        },
        Err(error) => Err(Refused::new(Exception::Serialization, error.to_string())),
    };
    let is_lost = matches!(answer, Err(Refused::Lost));
    let (status, value) = match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(refused) => refused.answer(),
    };
    let mut response = Response::new(Body::from(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if is_lost {
        response.extensions_mut().insert(Lost);
    }
    response
}

async fn operate(redshift: &Redshift, operation: &str, input: &Input) -> Answer {
    model::check(operation, &input.0)?;
    match operation {
        "ExecuteStatement" | "BatchExecuteStatement" => {
            submit(redshift, input, operation == "BatchExecuteStatement").await
        }
        "DescribeStatement" => {
            let (statement, place) = awaited(redshift, input).await?;
            Ok(answers::described(&statement, place))
        }
        "GetStatementResult" => result(redshift, input, false).await,
        "GetStatementResultV2" => result(redshift, input, true).await,
        "CancelStatement" => {
            let id = input.needed("Id")?;
            if redshift.statements.find(&id).is_none() {
                return Err(missing("Query does not exist.", &id));
            }
            match redshift.statements.cancel(&id).await {
                true => Ok(json!({ "Status": true })),
                false => Err(invalid(format!(
                    "Could not cancel a query that is already in FINISHED state with ID: {id}"
                ))),
            }
        }
        "ListStatements" => list(redshift, input),
        "ListSessions" => sessions(redshift, input),
        "ListDatabases" => {
            input.target()?;
            if let Some(database) = input.text("Database")? {
                check_database(&database)?;
            }
            input.page("Databases", vec![json!(DATABASE)], MOST_DESCRIBED)
        }
        "ListSchemas" => schemas(redshift, input).await,
        "ListTables" => tables(redshift, input).await,
        "DescribeTable" => describe_table(redshift, input).await,
        other => Err(Refused::new(
            Exception::UnknownOperation,
            format!("transom local has no operation `{other}` of the Data API"),
        )),
    }
}

/// The fields of a request.
struct Input(Map<String, Value>);

impl Input {
    /// Logs the request. One that names no warehouse is about a statement or in a session.
    fn log(&self, redshift: &Redshift, operation: &str, region: Option<&str>) {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str);
        let workgroup = text("WorkgroupName").map(Server::Workgroup);
        let cluster = || text("ClusterIdentifier").map(Server::Cluster);
        let warehouse = workgroup.or_else(cluster).map(|server| Warehouse {
            server,
            database: text("Database").unwrap_or_default(),
            user: text("DbUser"),
            secret: text("SecretArn"),
        });
        let access = &redshift.access;
        access.of_data_api(operation, region, warehouse.as_ref());
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refused::new(
                Exception::Serialization,
                format!("{name} must be a text"),
            )),
        }
    }

    fn needed(&self, name: &str) -> Result<String, Refused> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| invalid(model::message(&[model::missing(name)])))
    }

    /// A number, which the model has checked.
    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    /// Where the page that is asked for begins.
    fn start(&self) -> Result<usize, Refused> {
        match self.text("NextToken")? {
            None => Ok(0),
            Some(token) => token.parse().map_err(|_| invalid("NextToken is not valid")),
        }
    }

    /// The part of a list that is asked for, of `most` members unless it says how many, with a token for the rest.
    fn page(&self, name: &str, all: Vec<Value>, most: usize) -> Answer {
        let asked = self.number("MaxResults").filter(|count| *count > 0);
        let most = asked.map_or(most, |count| count as usize);
        let start = self.start()?;
        let is_last = all.len().saturating_sub(start) <= most;
        let page = all.into_iter().skip(start).take(most);
        let mut answer = Map::new();
        answer.insert(name.to_owned(), page.collect());
        if !is_last {
            answer.insert("NextToken".to_owned(), json!((start + most).to_string()));
        }
        Ok(Value::Object(answer))
    }

    /// Whether the database that a request about the catalog names is the one that is here. It connects to that one, or to another
    /// that it names.
    fn is_here(&self) -> Result<bool, Refused> {
        self.target()?;
        let database = self.needed("Database")?;
        let connected = self.text("ConnectedDatabase")?;
        check_database(connected.as_ref().unwrap_or(&database))?;
        Ok(database == DATABASE)
    }

    /// The warehouse of a request that need not name one.
    fn server(&self) -> Result<(Option<String>, Option<String>), Refused> {
        let workgroup = self.text("WorkgroupName")?;
        let cluster = self.text("ClusterIdentifier")?;
        match workgroup.is_some() && cluster.is_some() {
            true => Err(invalid(
                "Either ClusterIdentifier or WorkgroupName must be specified, not both",
            )),
            false => Ok((workgroup, cluster)),
        }
    }

    fn target(&self) -> Result<Target, Refused> {
        let (workgroup, cluster) = self.server()?;
        let target = Target {
            workgroup,
            cluster,
            user: self.text("DbUser")?,
            secret: self.text("SecretArn")?,
        };
        match (&target.workgroup, &target.cluster) {
            (None, None) => Err(invalid(
                "Either ClusterIdentifier or WorkgroupName needs to be specified.",
            )),
            (Some(_), _) if target.user.is_some() => {
                Err(invalid("DbUser cannot be specified with WorkgroupName"))
            }
            _ => Ok(target),
        }
    }

    /// Where statements are to run.
    fn at(&self) -> Result<At, Refused> {
        let Some(session) = self.text("SessionId")? else {
            return Ok(At::New(Place {
                target: self.target()?,
                database: self.needed("Database")?,
            }));
        };
        for name in OF_SESSIONS {
            if self.text(name)?.is_some() {
                let why = format!("{name} cannot be specified with SessionId");
                return Err(invalid(why));
            }
        }
        Ok(At::Session(session))
    }

    /// The values for statements, which the model has checked. Each has a name of its own, by which a statement calls it.
    fn parameters(&self, sqls: &[String]) -> Result<Vec<Parameter>, Refused> {
        let Some(given) = self.0.get("Parameters").and_then(Value::as_array) else {
            return Ok(Vec::new());
        };
        let text = |parameter: &Value, name: &str| {
            let text = parameter.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        // What does not parse fails when it runs.
        let called: Option<Vec<Vec<String>>> = sqls
            .iter()
            .map(|sql| Session::parameter_names(sql).ok())
            .collect();
        let called: Option<BTreeSet<String>> =
            called.map(|called| called.into_iter().flatten().collect());
        let (mut names, mut unused) = (BTreeSet::new(), Vec::new());
        let mut parameters = Vec::new();
        for parameter in given {
            let name = text(parameter, "name");
            if !names.insert(name.clone()) {
                return Err(invalid(format!("Parameters have the name {name} twice")));
            }
            if called
                .as_ref()
                .is_some_and(|called| !called.contains(&name))
            {
                unused.push(name.clone());
            }
            parameters.push(Parameter {
                name: Some(name),
                value: Some(text(parameter, "value")),
                data_type: None,
            });
        }
        match unused.is_empty() {
            true => Ok(parameters),
            false => Err(invalid(format!(
                "Parameters list contains unused parameters. Unused parameters: [{}]",
                unused.join(", ")
            ))),
        }
    }
}

/// Connects to a database, of which there is one.
fn check_database(name: &str) -> Result<(), Refused> {
    match name == DATABASE {
        true => Ok(()),
        false => Err(Refused::new(
            Exception::DatabaseConnection,
            format!("FATAL: database \"{name}\" does not exist"),
        )),
    }
}

fn checked_sql(sql: &str) -> Result<(), Refused> {
    match sql.len() > MOST_SQL {
        true => Err(invalid("Cannot process query string larger than 100kB")),
        false if sql.trim().is_empty() => Err(invalid("Sql must not be empty")),
        false => Ok(()),
    }
}

fn not_taken(error: NotTaken) -> Refused {
    let exceeded = |exception, what: &str| {
        Refused::new(exception, format!("{what} exceeded the allowed quota."))
    };
    match error {
        NotTaken::TooMany => exceeded(Exception::ActiveStatementsExceeded, "Active statements"),
        NotTaken::TooManySessions => exceeded(Exception::ActiveSessionsExceeded, "Active sessions"),
        NotTaken::TooManyWait => exceeded(
            Exception::ActiveWaitingRequestsExceeded,
            "Active waiting requests",
        ),
        NotTaken::NoSession(id) => invalid(format!("Session with Id: {id} is invalid")),
        NotTaken::SessionNotAvailable => invalid("Session is not available"),
    }
}

async fn submit(redshift: &Redshift, input: &Input, is_batch: bool) -> Answer {
    let statements = &redshift.statements;
    let sqls: Vec<String> = match is_batch {
        false => vec![input.needed("Sql")?],
        true => {
            let sqls = input.0.get("Sqls").and_then(Value::as_array);
            let sqls = sqls.into_iter().flatten().filter_map(Value::as_str);
            sqls.map(str::to_owned).collect()
        }
    };
    for sql in &sqls {
        checked_sql(sql)?;
    }
    let mode = input.text("ExecutionMode")?;
    let wait = input.number("WaitTimeSeconds");
    let mut submission = Submission {
        is_batch,
        parameters: input.parameters(&sqls)?,
        sqls,
        auto_commit: is_batch && mode.as_deref() == Some("AUTO_COMMIT"),
        name: input.text("StatementName")?,
        token: input.text("ClientToken")?,
        keep_alive: input
            .number("SessionKeepAliveSeconds")
            .map(Duration::from_secs),
        at: input.at()?,
        is_csv: input.text("ResultFormat")?.as_deref() == Some("CSV"),
        late: None,
    };
    let fault = statements.faults.of_request(&submission.sqls);
    match fault {
        Some(FaultKind::Refuse(exception)) => {
            let id = uuid::Uuid::new_v4().to_string();
            let message = "refused, as was asked for".to_owned();
            return Err(Refused::Because(exception, message, id));
        }
        Some(FaultKind::RunLate(milliseconds)) => {
            submission.late = Some(Duration::from_millis(milliseconds));
        }
        _ => {}
    }
    let statement = statements.submit(submission).map_err(not_taken)?;
    match fault {
        Some(FaultKind::LoseReply) => {
            statements.wait(&statement.id, LONGEST).await;
            return Err(Refused::Lost);
        }
        Some(_) => return Err(Refused::Lost),
        None => {}
    }
    let Some(seconds) = wait else {
        return Ok(answers::submitted(&statement));
    };
    statements.wait(&statement.id, seconds).await;
    let found = statements.find(&statement.id);
    let statement = found.map_or(statement, |(statement, _)| statement);
    Ok(answers::waited(&statement))
}

/// The statement that a request names, once it is over or the time to wait for it is.
async fn awaited(
    redshift: &Redshift,
    input: &Input,
) -> Result<(Statement, Option<usize>), Refused> {
    let id = input.needed("Id")?;
    if let Some(seconds) = input.number("WaitTimeSeconds") {
        let waited = redshift.statements.wait_beside(&id, seconds).await;
        waited.map_err(not_taken)?;
    }
    let found = redshift.statements.find(&id);
    found.ok_or_else(|| missing("Query does not exist.", &id))
}

async fn result(redshift: &Redshift, input: &Input, is_second: bool) -> Answer {
    let (statement, place) = awaited(redshift, input).await?;
    let none = || {
        let why = "Query does not have result. Please check query status with DescribeStatement.";
        missing(why, &statement.id)
    };
    if statement.submission.is_batch && place.is_none() {
        return Err(none());
    }
    let part = &statement.parts[place.unwrap_or(0)];
    let rows = match &part.rows {
        Some(rows) if part.status == Status::Finished => rows,
        _ => return Err(none()),
    };
    if statement.submission.is_csv != is_second {
        let other = if is_second {
            "GetStatementResult"
        } else {
            "GetStatementResultV2"
        };
        return Err(invalid(format!("use {other} for results of this format")));
    }
    Ok(answers::page(rows, input.start()?, is_second))
}

fn list(redshift: &Redshift, input: &Input) -> Answer {
    let status = input.text("Status")?;
    let name = input.text("StatementName")?;
    let (workgroup, cluster) = input.server()?;
    let database = input.text("Database")?;
    let all = redshift.statements.all().into_iter().filter(|statement| {
        let in_status = match status.as_deref() {
            Some("ALL") => true,
            Some(status) => statement.status.name() == status,
            None => statement.status == Status::Finished,
        };
        let has_name = name.as_ref().is_none_or(|name| {
            let own = statement.submission.name.as_ref();
            own.is_some_and(|own| own.starts_with(name))
        });
        in_status
            && has_name
            && statement.place.is_in(
                workgroup.as_deref(),
                cluster.as_deref(),
                database.as_deref(),
            )
    });
    let all = all.map(|statement| answers::listed(&statement)).collect();
    input.page("Statements", all, MOST_LISTED)
}

fn sessions(redshift: &Redshift, input: &Input) -> Answer {
    let all = redshift.statements.sessions();
    let status = input.text("Status")?;
    let (workgroup, cluster) = input.server()?;
    let database = input.text("Database")?;
    if let Some(id) = input.text("SessionId")? {
        for name in ["Status", "ClusterIdentifier", "WorkgroupName", "Database"] {
            if input.text(name)?.is_some() {
                let why = format!("{name} cannot be specified with SessionId");
                return Err(invalid(why));
            }
        }
        let session = all.iter().find(|session| session.id == id);
        let session = session.ok_or_else(|| missing("Session does not exist.", &id))?;
        return Ok(json!({ "Sessions": [answers::session(session)] }));
    }
    let all = all.iter().filter(|session| {
        let in_status = match status.as_deref() {
            Some(status) => session.status.name() == status,
            None => session.status != SessionStatus::Closed,
        };
        in_status
            && session.place.is_in(
                workgroup.as_deref(),
                cluster.as_deref(),
                database.as_deref(),
            )
    });
    let all = all.map(answers::session).collect();
    input.page("Sessions", all, MOST_LISTED)
}

/// A condition on a column, if a request has a field that says what it must be.
fn condition(input: &Input, field: &str, column: &str, operator: &str) -> Result<String, Refused> {
    let Some(text) = input.text(field)? else {
        return Ok(String::new());
    };
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    Ok(format!(" and {column} {operator} '{text}'"))
}

/// The rows of a query of the catalog.
async fn query(session: &Session, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refused> {
    let outcome = tokio::time::timeout(PATIENCE, session.run(sql, &[])).await;
    let outcome = outcome.map_err(|_| {
        let why = format!("the catalog did not answer in {} s", PATIENCE.as_secs());
        Refused::new(Exception::QueryTimeout, why)
    })?;
    let outcome = outcome.map_err(|error| {
        let exception = match error.rule().source {
            // A fault of this program.
            Source::Local => Exception::InternalServer,
            _ => Exception::Validation,
        };
        Refused::new(exception, format!("ERROR: {}", error.text()))
    })?;
    Ok(outcome
        .rows
        .map(|rows| rows.texts().collect())
        .unwrap_or_default())
}

async fn schemas(redshift: &Redshift, input: &Input) -> Answer {
    if !input.is_here()? {
        return input.page("Schemas", Vec::new(), MOST_DESCRIBED);
    }
    let sql = format!(
        "select schema_name from svv_all_schemas where true{} order by 1",
        condition(input, "SchemaPattern", "schema_name", "like")?
    );
    let rows = query(&redshift.session(), &sql).await?;
    let names = rows.into_iter().map(|row| json!(row[0]));
    input.page("Schemas", names.collect(), MOST_DESCRIBED)
}

async fn tables(redshift: &Redshift, input: &Input) -> Answer {
    if !input.is_here()? {
        return input.page("Tables", Vec::new(), MOST_DESCRIBED);
    }
    let sql = format!(
        "select table_schema, table_name, table_type from svv_tables where true{}{} order by 1, 2",
        condition(input, "SchemaPattern", "table_schema", "like")?,
        condition(input, "TablePattern", "table_name", "like")?
    );
    let rows = query(&redshift.session(), &sql).await?;
    let tables = rows.into_iter().map(|row| {
        let kind = match row[2].as_deref() {
            Some("VIEW") => "VIEW",
            _ => "TABLE",
        };
        json!({ "schema": row[0], "name": row[1], "type": kind })
    });
    input.page("Tables", tables.collect(), MOST_DESCRIBED)
}

/// The tables that a request to describe some means: those of users, and one of the system that it names.
async fn described(session: &Session, input: &Input) -> Result<Vec<[String; 2]>, Refused> {
    let sql = format!(
        "select table_schema, table_name from svv_tables where true{}{} order by 1, 2",
        condition(input, "Schema", "table_schema", "=")?,
        condition(input, "Table", "table_name", "=")?
    );
    let found = query(session, &sql).await?.into_iter().filter_map(|row| {
        let names: Option<Vec<String>> = row.into_iter().collect();
        names?.try_into().ok()
    });
    let mut tables: Vec<[String; 2]> = found.collect();
    if let Some(table) = input.text("Table")? {
        let schema = input.text("Schema")?;
        for of_system in ["information_schema", "pg_catalog"] {
            if schema.as_ref().is_none_or(|schema| schema == of_system) {
                tables.push([of_system.to_owned(), table.clone()]);
            }
        }
    }
    Ok(tables)
}

async fn describe_table(redshift: &Redshift, input: &Input) -> Answer {
    let is_here = input.is_here()?;
    let session = redshift.session();
    let tables = match is_here {
        true => described(&session, input).await?,
        false => Vec::new(),
    };
    let sql = format!(
        "select table_schema, table_name, column_name, is_nullable, column_default from svv_columns where true{}{}",
        condition(input, "Schema", "table_schema", "=")?,
        condition(input, "Table", "table_name", "=")?
    );
    let stated = query(&session, &sql).await?.into_iter().map(|mut row| {
        let default = row.pop().flatten();
        let is_nullable = row.pop().flatten().as_deref() != Some("NO");
        (row, (is_nullable, default))
    });
    let mut stated: HashMap<Vec<Option<String>>, _> = stated.collect();
    let mut columns = Vec::new();
    for [schema, table] in tables {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let all = format!("select * from {}.{}", quoted(&schema), quoted(&table));
        // One of the system that there is not, and a view whose tables are gone, have no columns.
        let Ok(Some(found)) = session.describe(&all, &[]).await else {
            continue;
        };
        for column in found {
            let names = [&schema, &table, &column.name];
            let stated = stated.remove(names.map(|name| Some(name.clone())).as_slice());
            let (is_nullable, default) = stated.unwrap_or((true, None));
            let names = [schema.as_str(), table.as_str()];
            columns.push(answers::column(&column, names, is_nullable, default));
        }
    }
    let mut answer = input.page("ColumnList", columns, MOST_DESCRIBED)?;
    if let Some(table) = input.text("Table")? {
        answer["TableName"] = json!(table);
    }
    Ok(answer)
}
