//! What the Data API answers: statements and results as JSON.

use serde_json::{Map, Value, json};
use transom_redshift::{Column, Rows, Type};

use super::sessions::{Listed, Place};
use super::statements::{Part, Statement, Submission};

/// Rows of a page.
const PAGE: usize = 1_000;

fn put(object: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value.into());
    }
}

/// Rows that a statement gave or changed; -1 for none.
fn result_rows(part: &Part) -> i64 {
    match (&part.rows, part.affected) {
        (Some(rows), _) => rows.len() as i64,
        (None, Some(affected)) => affected as i64,
        (None, None) if part.status.is_over() => 0,
        (None, None) => -1,
    }
}

fn size(part: &Part) -> i64 {
    match part.status.is_over() {
        true => part.bytes as i64,
        false => -1,
    }
}

fn part_fields(part: &Part, object: &mut Map<String, Value>) {
    object.insert("Duration".to_owned(), json!(part.took.as_nanos() as i64));
    object.insert("HasResultSet".to_owned(), json!(part.rows.is_some()));
    object.insert("QueryString".to_owned(), json!(part.sql));
    object.insert("ResultRows".to_owned(), json!(result_rows(part)));
    object.insert("ResultSize".to_owned(), json!(size(part)));
    let number = part.query.map_or(0, |query| query.number);
    object.insert("RedshiftQueryId".to_owned(), json!(number));
    let uuid = part.query.map(|query| query.uuid.to_string());
    put(object, "RedshiftQueryUuid", uuid);
}

fn result_format(submission: &Submission) -> &'static str {
    match submission.is_csv {
        true => "CSV",
        false => "JSON",
    }
}

/// The values of a statement's parameters, if it has any.
fn parameters(submission: &Submission) -> Option<Value> {
    let parameters = submission.parameters.iter();
    let parameters = parameters
        .map(|parameter| json!({ "name": parameter.name, "value": parameter.value }))
        .collect::<Vec<_>>();
    (!parameters.is_empty()).then_some(Value::Array(parameters))
}

/// Where something runs, and as whom.
fn place_fields(place: &Place, object: &mut Map<String, Value>) {
    object.insert("Database".to_owned(), json!(place.database));
    put(object, "WorkgroupName", place.target.workgroup.clone());
    put(object, "ClusterIdentifier", place.target.cluster.clone());
    put(object, "DbUser", place.target.user.clone());
}

fn has_rows(statement: &Statement) -> bool {
    statement.parts.iter().any(|part| part.rows.is_some())
}

/// What is said of a statement each time.
fn identity(statement: &Statement) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("Id".to_owned(), json!(statement.id));
    object.insert("CreatedAt".to_owned(), json!(statement.created));
    object.insert("Status".to_owned(), json!(statement.status.name()));
    place_fields(&statement.place, &mut object);
    put(
        &mut object,
        "SecretArn",
        statement.place.target.secret.clone(),
    );
    put(&mut object, "SessionId", statement.session.clone());
    object
}

/// The answer to what was submitted.
pub(super) fn submitted(statement: &Statement) -> Value {
    let mut object = identity(statement);
    // The users here are in no groups.
    object.insert("DbGroups".to_owned(), json!([]));
    Value::Object(object)
}

/// The answer to what was submitted by somebody who waited for it.
pub(super) fn waited(statement: &Statement) -> Value {
    let mut answer = submitted(statement);
    answer["RedshiftPid"] = json!(statement.pid);
    if statement.status.is_over() {
        answer["HasResultSet"] = json!(has_rows(statement));
    }
    answer
}

/// A statement, or one of its parts, as `DescribeStatement` shows it.
pub(super) fn described(statement: &Statement, place: Option<usize>) -> Value {
    let mut object = identity(statement);
    let submission = &statement.submission;
    let status = place.map_or(statement.status, |place| statement.parts[place].status);
    object.insert("Status".to_owned(), json!(status.name()));
    object.insert("UpdatedAt".to_owned(), json!(statement.updated));
    object.insert("RedshiftPid".to_owned(), json!(statement.pid));
    object.insert("ResultFormat".to_owned(), json!(result_format(submission)));
    let error = match place {
        Some(place) => statement.parts[place].error.clone(),
        None => statement.error.clone(),
    };
    put(&mut object, "Error", error);
    put(&mut object, "QueryParameters", parameters(submission));
    if submission.is_batch {
        let mode = match submission.auto_commit {
            true => "AUTO_COMMIT",
            false => "TRANSACTION",
        };
        object.insert("ExecutionMode".to_owned(), json!(mode));
    }
    match (submission.is_batch, place) {
        (true, None) => {
            let took = statement
                .parts
                .iter()
                .map(|part| part.took.as_nanos() as i64)
                .sum::<i64>();
            object.insert("Duration".to_owned(), json!(took));
            object.insert("HasResultSet".to_owned(), json!(has_rows(statement)));
            object.insert("ResultRows".to_owned(), json!(-1));
            object.insert("ResultSize".to_owned(), json!(-1));
            object.insert("RedshiftQueryId".to_owned(), json!(0));
            let parts = statement.parts.iter().enumerate().map(|(at, part)| {
                let mut object = Map::new();
                object.insert(
                    "Id".to_owned(),
                    json!(format!("{}:{}", statement.id, at + 1)),
                );
                object.insert("Status".to_owned(), json!(part.status.name()));
                object.insert("CreatedAt".to_owned(), json!(part.created));
                object.insert("UpdatedAt".to_owned(), json!(part.updated));
                put(&mut object, "Error", part.error.clone());
                part_fields(part, &mut object);
                Value::Object(object)
            });
            object.insert("SubStatements".to_owned(), parts.collect());
        }
        (_, place) => {
            let part = &statement.parts[place.unwrap_or(0)];
            object.insert(
                "Id".to_owned(),
                match place {
                    Some(place) => json!(format!("{}:{}", statement.id, place + 1)),
                    None => json!(statement.id),
                },
            );
            part_fields(part, &mut object);
        }
    }
    Value::Object(object)
}

/// A statement of a list.
pub(super) fn listed(statement: &Statement) -> Value {
    let submission = &statement.submission;
    let mut object = Map::new();
    object.insert("Id".to_owned(), json!(statement.id));
    object.insert("Status".to_owned(), json!(statement.status.name()));
    object.insert("CreatedAt".to_owned(), json!(statement.created));
    object.insert("UpdatedAt".to_owned(), json!(statement.updated));
    object.insert("IsBatchStatement".to_owned(), json!(submission.is_batch));
    object.insert("ResultFormat".to_owned(), json!(result_format(submission)));
    put(&mut object, "StatementName", submission.name.clone());
    put(
        &mut object,
        "SecretArn",
        statement.place.target.secret.clone(),
    );
    put(&mut object, "SessionId", statement.session.clone());
    put(&mut object, "QueryParameters", parameters(submission));
    match submission.is_batch {
        true => object.insert("QueryStrings".to_owned(), json!(submission.sqls)),
        false => object.insert("QueryString".to_owned(), json!(submission.sqls[0])),
    };
    Value::Object(object)
}

/// A session of a list.
pub(super) fn session(session: &Listed) -> Value {
    let mut object = Map::new();
    object.insert("SessionId".to_owned(), json!(session.id));
    object.insert("Status".to_owned(), json!(session.status.name()));
    object.insert("CreatedAt".to_owned(), json!(session.created));
    object.insert("UpdatedAt".to_owned(), json!(session.updated));
    let keep_alive = session.keep_alive.as_secs();
    object.insert("SessionAliveSeconds".to_owned(), json!(keep_alive));
    place_fields(&session.place, &mut object);
    put(&mut object, "SessionTtl", session.closes);
    put(&mut object, "CurrentStatementId", session.statement.clone());
    Value::Object(object)
}

/// A column of a result.
fn metadata(column: &Column) -> Value {
    let (precision, scale) = match column.data_type {
        Type::Numeric(precision, scale) => (i64::from(precision), i64::from(scale)),
        Type::Char(length) | Type::Varchar(length) => (i64::from(length), 0),
        Type::Int2 => (5, 0),
        Type::Int4 => (10, 0),
        Type::Int8 => (19, 0),
        Type::Float4 => (8, 8),
        Type::Float8 => (17, 17),
        Type::Timestamp | Type::TimestampTz => (29, 6),
        Type::Date => (13, 0),
        _ => (0, 0),
    };
    let is_signed = matches!(
        column.data_type,
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8 | Type::Numeric(..)
    );
    let is_text = matches!(column.data_type, Type::Char(_) | Type::Varchar(_));
    json!({
        "isCaseSensitive": is_text,
        "isCurrency": false,
        "isSigned": is_signed,
        "label": column.name,
        "length": 0,
        "name": column.name,
        "nullable": 1,
        "precision": precision,
        "scale": scale,
        "schemaName": "",
        "tableName": "",
        "typeName": column.data_type.short_name(),
    })
}

/// A column of a table, which has a schema and a name.
pub(super) fn column(
    column: &Column,
    [schema, table]: [&str; 2],
    is_nullable: bool,
    default: Option<String>,
) -> Value {
    let mut object = metadata(column);
    object["length"] = object["precision"].clone();
    object["nullable"] = json!(i64::from(is_nullable));
    object["schemaName"] = json!(schema);
    object["tableName"] = json!(table);
    if let Some(default) = default {
        object["columnDefault"] = json!(default);
    }
    object
}

fn cell(text: Option<String>, data_type: Type) -> Value {
    let Some(text) = text else {
        return json!({ "isNull": true });
    };
    match data_type {
        Type::Bool => json!({ "booleanValue": text == "t" }),
        Type::Int2 | Type::Int4 | Type::Int8 => match text.parse::<i64>() {
            Ok(value) => json!({ "longValue": value }),
            Err(_) => json!({ "stringValue": text }),
        },
        Type::Float4 | Type::Float8 => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => json!({ "doubleValue": value }),
            _ => json!({ "stringValue": text }),
        },
        _ => json!({ "stringValue": text }),
    }
}

/// A page of a result; it begins where a token says.
pub(super) fn page(rows: &Rows, start: usize, is_csv: bool) -> Value {
    let columns = rows.columns();
    let total = rows.len();
    let texts = rows.texts().skip(start).take(PAGE);
    let records: Value = match is_csv {
        false => texts
            .map(|row| {
                let cells = row.into_iter().zip(columns);
                cells
                    .map(|(text, column)| cell(text, column.data_type))
                    .collect::<Value>()
            })
            .collect(),
        true => {
            let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
                true => format!("\"{}\"", text.replace('"', "\"\"")),
                false => text.to_owned(),
            };
            let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
            let mut csv = if start == 0 {
                names.join(",") + "\r\n"
            } else {
                String::new()
            };
            for row in texts {
                let cells: Vec<String> = row
                    .into_iter()
                    .map(|cell| cell.map(|cell| quoted(&cell)).unwrap_or_default())
                    .collect();
                csv.push_str(&(cells.join(",") + "\r\n"));
            }
            json!([{ "CSVRecords": csv }])
        }
    };
    let mut answer = json!({
        "ColumnMetadata": columns.iter().map(metadata).collect::<Value>(),
        "Records": records,
        "TotalNumRows": total,
    });
    if is_csv {
        answer["ResultFormat"] = json!("CSV");
    }
    let end = start.saturating_add(PAGE);
    if end < total {
        answer["NextToken"] = json!(end.to_string());
    }
    answer
}
