//! What the Data API answers: statements and results as JSON.

use serde_json::{Map, Value, json};
use transom_redshift::{Column, Rows, Type};

use super::statements::{Part, Statement};

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
    match &part.rows {
        Some(rows) => rows
            .texts()
            .flatten()
            .map(|cell| cell.map_or(0, |cell| cell.len() as i64))
            .sum(),
        None if part.status.is_over() => 0,
        None => -1,
    }
}

fn part_fields(part: &Part, object: &mut Map<String, Value>) {
    object.insert("Duration".to_owned(), json!(part.took.as_nanos() as i64));
    object.insert("HasResultSet".to_owned(), json!(part.rows.is_some()));
    object.insert("QueryString".to_owned(), json!(part.sql));
    object.insert("ResultRows".to_owned(), json!(result_rows(part)));
    object.insert("ResultSize".to_owned(), json!(size(part)));
    object.insert("RedshiftQueryId".to_owned(), json!(0));
}

/// The answer to what was submitted.
pub(super) fn submitted(statement: &Statement) -> Value {
    let mut object = Map::new();
    let target = &statement.submission.target;
    object.insert("Id".to_owned(), json!(statement.id));
    object.insert("CreatedAt".to_owned(), json!(statement.created));
    object.insert("Database".to_owned(), json!(statement.submission.database));
    put(&mut object, "WorkgroupName", target.workgroup.clone());
    put(&mut object, "ClusterIdentifier", target.cluster.clone());
    put(&mut object, "DbUser", target.user.clone());
    put(&mut object, "SecretArn", target.secret.clone());
    put(&mut object, "SessionId", statement.session.clone());
    Value::Object(object)
}

/// A statement, or one of its parts, as `DescribeStatement` shows it.
pub(super) fn described(statement: &Statement, place: Option<usize>) -> Value {
    let Value::Object(mut object) = submitted(statement) else {
        return Value::Null;
    };
    let status = place.map_or(statement.status, |place| statement.parts[place].status);
    object.insert("Status".to_owned(), json!(status.name()));
    object.insert("UpdatedAt".to_owned(), json!(statement.updated));
    object.insert("RedshiftPid".to_owned(), json!(statement.pid));
    let format = if statement.submission.is_csv {
        "CSV"
    } else {
        "JSON"
    };
    object.insert("ResultFormat".to_owned(), json!(format));
    let error = match place {
        Some(place) => statement.parts[place].error.clone(),
        None => statement.error.clone(),
    };
    put(&mut object, "Error", error);
    if !statement.submission.parameters.is_empty() {
        let parameters = statement
            .submission
            .parameters
            .iter()
            .map(|parameter| json!({ "name": parameter.name, "value": parameter.value }));
        object.insert("QueryParameters".to_owned(), parameters.collect());
    }
    match (statement.submission.is_batch, place) {
        (true, None) => {
            let took = statement
                .parts
                .iter()
                .map(|part| part.took.as_nanos() as i64)
                .sum::<i64>();
            let has_rows = statement.parts.iter().any(|part| part.rows.is_some());
            object.insert("Duration".to_owned(), json!(took));
            object.insert("HasResultSet".to_owned(), json!(has_rows));
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
    let mut object = Map::new();
    object.insert("Id".to_owned(), json!(statement.id));
    object.insert("Status".to_owned(), json!(statement.status.name()));
    object.insert("CreatedAt".to_owned(), json!(statement.created));
    object.insert("UpdatedAt".to_owned(), json!(statement.updated));
    object.insert(
        "IsBatchStatement".to_owned(),
        json!(statement.submission.is_batch),
    );
    let format = if statement.submission.is_csv {
        "CSV"
    } else {
        "JSON"
    };
    object.insert("ResultFormat".to_owned(), json!(format));
    put(
        &mut object,
        "StatementName",
        statement.submission.name.clone(),
    );
    put(&mut object, "SessionId", statement.session.clone());
    match statement.submission.is_batch {
        true => object.insert("QueryStrings".to_owned(), json!(statement.submission.sqls)),
        false => object.insert(
            "QueryString".to_owned(),
            json!(statement.submission.sqls[0]),
        ),
    };
    Value::Object(object)
}

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
    if start + PAGE < total {
        answer["NextToken"] = json!((start + PAGE).to_string());
    }
    answer
}
