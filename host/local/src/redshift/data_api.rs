//! The Data API: JSON 1.1, one operation for each `X-Amz-Target`.
//!
//! What is asked for is checked as Amazon's model says, then the statement is submitted; what comes of it is looked at
//! with other operations. Numbers of limits are those of the documentation.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use s3s::Body;
use serde_json::{Map, Value, json};
use transom_redshift::Parameter;

use super::answers;
use super::model::{self, Wrong};
use super::statements::{NotTaken, Statement, Status, Submission, Target};
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

/// Why a request is refused: a name, a message.
struct Refused(&'static str, String);

impl Refused {
    /// No answer at all.
    const LOST: Self = Self("", String::new());
}

type Answer = Result<Value, Refused>;

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Type(message) => Self("SerializationException", message),
            Wrong::Invalid(message) => invalid(message),
        }
    }
}

fn invalid(message: impl Into<String>) -> Refused {
    Refused("ValidationException", message.into())
}

fn missing(message: impl Into<String>) -> Refused {
    Refused("ResourceNotFoundException", message.into())
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
            _ => Err(Refused(
                "SerializationException",
                "the body is no JSON object".to_owned(),
            )),
        },
        Err(error) => Err(Refused("SerializationException", error.to_string())),
    };
    let is_lost = matches!(answer, Err(Refused("", _)));
    let (status, value) = match answer {
        Ok(value) => (StatusCode::OK, value),
        Err(Refused(kind, message)) => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": kind, "message": message, "Message": message }),
        ),
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
                return Err(missing("Query does not exist."));
            }
            match redshift.statements.cancel(&id).await {
                true => Ok(json!({ "Status": true })),
                false => Err(invalid(format!(
                    "Could not cancel a query that is already in FINISHED state with ID: {id}"
                ))),
            }
        }
        "ListStatements" => list(redshift, input),
        "ListSessions" => {
            let mut sessions = redshift.statements.sessions();
            // Pages are of one order.
            sessions.sort_unstable();
            let sessions = sessions.into_iter().map(|id| json!({ "SessionId": id }));
            input.page("Sessions", sessions.collect(), MOST_LISTED)
        }
        "ListDatabases" => {
            input.place()?;
            input.page("Databases", vec![json!(DATABASE)], MOST_DESCRIBED)
        }
        "ListSchemas" => schemas(redshift, input).await,
        "ListTables" => tables(redshift, input).await,
        "DescribeTable" => describe_table(redshift, input).await,
        other => Err(Refused(
            "UnknownOperationException",
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
            Some(_) => Err(Refused(
                "SerializationException",
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

    /// Checks the warehouse and the databases that a request about the catalog names.
    fn place(&self) -> Result<(), Refused> {
        self.target()?;
        for name in ["ConnectedDatabase", "Database"] {
            if let Some(database) = self.text(name)? {
                check_database(&database)?;
            }
        }
        Ok(())
    }

    fn target(&self) -> Result<Target, Refused> {
        let target = Target {
            workgroup: self.text("WorkgroupName")?,
            cluster: self.text("ClusterIdentifier")?,
            user: self.text("DbUser")?,
            secret: self.text("SecretArn")?,
        };
        match (&target.workgroup, &target.cluster) {
            (Some(_), Some(_)) => Err(invalid(
                "Either ClusterIdentifier or WorkgroupName must be specified, not both",
            )),
            (None, None) => Err(invalid(
                "Either ClusterIdentifier or WorkgroupName must be specified",
            )),
            (Some(_), None) if target.user.is_some() => {
                Err(invalid("DbUser cannot be specified with WorkgroupName"))
            }
            _ => Ok(target),
        }
    }

    fn parameters(&self) -> Result<Vec<Parameter>, Refused> {
        let parameters = match self.0.get("Parameters") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(parameters)) if !parameters.is_empty() => parameters,
            Some(_) => return Err(invalid("Parameters must have at least one member")),
        };
        let text = |parameter: &Value, name: &str| {
            let text = parameter
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned);
            text.filter(|text| !text.is_empty())
                .ok_or_else(|| invalid(format!("a parameter has no {name}, or an empty one")))
        };
        let parameters = parameters.iter().map(|parameter| {
            Ok(Parameter {
                name: Some(text(parameter, "name")?.to_lowercase()),
                value: Some(text(parameter, "value")?),
                data_type: None,
            })
        });
        parameters.collect()
    }
}

fn check_database(name: &str) -> Result<(), Refused> {
    match name == DATABASE {
        true => Ok(()),
        false => Err(invalid(format!(
            "FATAL: database \"{name}\" does not exist"
        ))),
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
    match error {
        NotTaken::TooMany => Refused(
            "ActiveStatementsExceededException",
            "Active statements exceeded the allowed quota.".to_owned(),
        ),
        NotTaken::NoSession(id) => invalid(format!("Session {id} is not available")),
    }
}

async fn submit(redshift: &Redshift, input: &Input, is_batch: bool) -> Answer {
    let session = input.text("SessionId")?;
    // A session knows where it is.
    let (target, database) = match session {
        Some(_) => (Target::default(), DATABASE.to_owned()),
        None => (input.target()?, input.needed("Database")?),
    };
    let sqls = match is_batch {
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
    let auto_commit = input.text("ExecutionMode")?.as_deref() == Some("AUTO_COMMIT");
    let is_csv = input.text("ResultFormat")?.as_deref() == Some("CSV");
    check_database(&database)?;
    let wait = input.number("WaitTimeSeconds");
    let submission = Submission {
        sqls,
        is_batch,
        parameters: input.parameters()?,
        auto_commit,
        database,
        target,
        name: input.text("StatementName")?,
        token: input.text("ClientToken")?,
        keep_alive: input.number("SessionKeepAliveSeconds"),
        session,
        is_csv,
    };
    let sqls = submission.sqls.clone();
    let statement = redshift.statements.submit(submission).map_err(not_taken)?;
    if redshift.statements.faults.loses_reply(&sqls) {
        redshift.statements.wait(&statement.id, LONGEST).await;
        return Err(Refused::LOST);
    }
    let Some(seconds) = wait else {
        return Ok(answers::submitted(&statement));
    };
    redshift.statements.wait(&statement.id, seconds).await;
    let mut answer = answers::submitted(&statement);
    if let Some((statement, _)) = redshift.statements.find(&statement.id) {
        answer["Status"] = json!(statement.status.name());
    }
    Ok(answer)
}

/// The statement that a request names, once it is over or the time to wait for it is.
async fn awaited(
    redshift: &Redshift,
    input: &Input,
) -> Result<(Statement, Option<usize>), Refused> {
    let id = input.needed("Id")?;
    if let Some(seconds) = input.number("WaitTimeSeconds") {
        redshift.statements.wait(&id, seconds).await;
    }
    let found = redshift.statements.find(&id);
    found.ok_or_else(|| missing("Query does not exist."))
}

async fn result(redshift: &Redshift, input: &Input, is_second: bool) -> Answer {
    let (statement, place) = awaited(redshift, input).await?;
    let none =
        || missing("Query does not have result. Please check query status with DescribeStatement.");
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
    let all = redshift.statements.all().into_iter().filter(|statement| {
        let in_status = match status.as_deref() {
            None | Some("ALL") => true,
            Some(status) => statement.status.name() == status,
        };
        let has_name = name.as_ref().is_none_or(|name| {
            let own = statement.submission.name.as_ref();
            own.is_some_and(|own| own.starts_with(name))
        });
        in_status && has_name
    });
    let all = all.map(|statement| answers::listed(&statement)).collect();
    input.page("Statements", all, MOST_LISTED)
}

/// A condition on a column, if a request has a field that says what it must be.
fn condition(input: &Input, field: &str, column: &str, operator: &str) -> Result<String, Refused> {
    let Some(text) = input.text(field)? else {
        return Ok(String::new());
    };
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    Ok(format!(" and {column} {operator} '{text}'"))
}

async fn query(redshift: &Redshift, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refused> {
    let outcome = redshift.session().run(sql, &[]).await;
    let outcome = outcome.map_err(|error| invalid(format!("ERROR: {}", error.text())))?;
    Ok(outcome
        .rows
        .map(|rows| rows.texts().collect())
        .unwrap_or_default())
}

async fn schemas(redshift: &Redshift, input: &Input) -> Answer {
    input.place()?;
    let sql = format!(
        "select schema_name from svv_all_schemas where true{} order by 1",
        condition(input, "SchemaPattern", "schema_name", "like")?
    );
    let rows = query(redshift, &sql).await?;
    let names = rows.into_iter().map(|row| json!(row[0]));
    input.page("Schemas", names.collect(), MOST_DESCRIBED)
}

async fn tables(redshift: &Redshift, input: &Input) -> Answer {
    input.place()?;
    let sql = format!(
        "select table_schema, table_name, table_type from svv_tables where true{}{} order by 1, 2",
        condition(input, "SchemaPattern", "table_schema", "like")?,
        condition(input, "TablePattern", "table_name", "like")?
    );
    let rows = query(redshift, &sql).await?;
    let tables = rows.into_iter().map(|row| {
        let kind = match row[2].as_deref() {
            Some("VIEW") => "VIEW",
            _ => "TABLE",
        };
        json!({ "schema": row[0], "name": row[1], "type": kind })
    });
    input.page("Tables", tables.collect(), MOST_DESCRIBED)
}

async fn describe_table(redshift: &Redshift, input: &Input) -> Answer {
    input.place()?;
    let sql = format!(
        "select column_name, data_type, is_nullable, character_maximum_length, numeric_precision, \
         numeric_scale, table_schema, table_name, column_default from svv_columns \
         where true{}{} order by table_schema, table_name, ordinal_position",
        condition(input, "Schema", "table_schema", "=")?,
        condition(input, "Table", "table_name", "=")?
    );
    let rows = query(redshift, &sql).await?;
    let columns = rows.into_iter().map(|row| {
        let number = |at: usize| row[at].as_ref().and_then(|text| text.parse::<i64>().ok());
        json!({
            "name": row[0],
            "label": row[0],
            "typeName": row[1],
            "nullable": i64::from(row[2].as_deref() == Some("YES")),
            "length": number(3).unwrap_or(0),
            "precision": number(4).or(number(3)).unwrap_or(0),
            "scale": number(5).unwrap_or(0),
            "schemaName": row[6],
            "tableName": row[7],
            "columnDefault": row[8],
            "isCaseSensitive": number(3).is_some(),
            "isCurrency": false,
            "isSigned": number(5).is_some(),
        })
    });
    let mut answer = input.page("ColumnList", columns.collect(), MOST_DESCRIBED)?;
    if let Some(table) = input.text("Table")? {
        answer["TableName"] = json!(table);
    }
    Ok(answer)
}
