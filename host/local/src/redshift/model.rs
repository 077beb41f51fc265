//! What Amazon's model of the Data API says of requests: the fields that an operation needs, and what each field may hold. Fields that it
//! does not name are ignored, as there.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value};

/// Why a request does not go with the model.
#[derive(Debug)]
pub(super) enum Wrong {
    /// A field is no text, no number, ..
    Type(String),
    Invalid(String),
}

/// What a whole text must match.
#[derive(Debug)]
struct Pattern {
    written: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    const fn new(written: &'static str) -> Self {
        Self {
            written,
            compiled: OnceLock::new(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            let whole = format!("(?-u)^(?:{})$", self.written);
            Regex::new(&whole).expect("a regular expression")
        });
        compiled.is_match(text)
    }
}

static CLUSTER: Pattern = Pattern::new("[a-z][a-z0-9]*(-[a-z0-9]+)*");
static WORKGROUP: Pattern = Pattern::new(
    r"([a-z0-9-]{3,63}|arn:(aws(-[a-z]+)*):redshift-serverless:([a-z]{2}(-gov|(-iso[a-z]?))?|eusc-[a-z]+)-[a-z]+-\d{1}:\d{12}:workgroup/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[a-z0-9-]{1,63}/[a-z0-9-]{1,63}))",
);
static UUID: Pattern = Pattern::new(r"[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\d{0,2})?");
static PARAMETER: Pattern = Pattern::new("[0-9a-zA-Z_]+");

const ANY: RangeInclusive<usize> = 0..=usize::MAX;

/// What a field may hold.
enum Shape {
    /// So many letters, and of a form if there is one.
    Text(RangeInclusive<usize>, Option<&'static Pattern>),
    Number(RangeInclusive<i64>),
    OneOf(&'static [&'static str]),
    Flag,
    /// So many texts.
    Texts(RangeInclusive<usize>),
    Parameters,
}

/// The fields that an operation needs.
fn needed(operation: &str) -> &'static [&'static str] {
    match operation {
        "ExecuteStatement" => &["Sql"],
        "BatchExecuteStatement" => &["Sqls"],
        "CancelStatement" | "DescribeStatement" | "GetStatementResult" | "GetStatementResultV2" => {
            &["Id"]
        }
        "DescribeTable" | "ListSchemas" | "ListTables" => &["Database"],
        _ => &[],
    }
}

fn shape(operation: &str, field: &str) -> Option<Shape> {
    let of_statements = ["ListStatements", "ListSessions"].contains(&operation);
    Some(match field {
        "ClusterIdentifier" => Shape::Text(1..=63, Some(&CLUSTER)),
        "WorkgroupName" => Shape::Text(3..=128, Some(&WORKGROUP)),
        "Id" | "SessionId" => Shape::Text(ANY, Some(&UUID)),
        "ClientToken" => Shape::Text(1..=64, None),
        "StatementName" => Shape::Text(0..=2_048, None),
        "ConnectedDatabase" | "Database" | "DbUser" | "NextToken" | "Schema" | "SchemaPattern"
        | "SecretArn" | "Sql" | "Table" | "TablePattern" => Shape::Text(ANY, None),
        "MaxResults" if of_statements => Shape::Number(0..=100),
        "MaxResults" => Shape::Number(0..=1_000),
        "WaitTimeSeconds" => Shape::Number(1..=30),
        "SessionKeepAliveSeconds" => Shape::Number(0..=86_400),
        "Status" if operation == "ListSessions" => Shape::OneOf(&["AVAILABLE", "BUSY", "CLOSED"]),
        "Status" => Shape::OneOf(&[
            "SUBMITTED",
            "PICKED",
            "STARTED",
            "FINISHED",
            "ABORTED",
            "FAILED",
            "ALL",
        ]),
        "ExecutionMode" => Shape::OneOf(&["TRANSACTION", "AUTO_COMMIT"]),
        "ResultFormat" => Shape::OneOf(&["JSON", "CSV"]),
        "RoleLevel" | "WithEvent" => Shape::Flag,
        "Sqls" => Shape::Texts(1..=40),
        "Parameters" => Shape::Parameters,
        _ => return None,
    })
}

/// A field as messages call it: `Sql` is `sql`.
fn member(field: &str) -> String {
    let mut letters = field.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_ascii_lowercase(), letters.as_str())
    })
}

/// What is wrong with a field that is not there.
pub(super) fn missing(field: &str) -> String {
    format!(
        "Value null at '{}' failed to satisfy constraint: Member must not be null",
        member(field)
    )
}

/// A message of what is wrong with a request.
pub(super) fn message(wrong: &[String]) -> String {
    let plural = if wrong.len() == 1 { "" } else { "s" };
    let count = wrong.len();
    format!(
        "{count} validation error{plural} detected: {}",
        wrong.join("; ")
    )
}

/// Checks the fields of a request; all that is wrong is one error.
pub(super) fn check(operation: &str, fields: &Map<String, Value>) -> Result<(), Wrong> {
    let mut wrong = Vec::new();
    let is_given = |field: &str| fields.get(field).is_some_and(|value| !value.is_null());
    let absent = needed(operation).iter().filter(|field| !is_given(field));
    wrong.extend(absent.map(|field| missing(field)));
    for (field, value) in fields {
        match shape(operation, field) {
            Some(shape) if !value.is_null() => shape.check(&member(field), value, &mut wrong)?,
            _ => {}
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Wrong::Invalid(message(&wrong))),
    }
}

impl Shape {
    fn check(&self, at: &str, value: &Value, wrong: &mut Vec<String>) -> Result<(), Wrong> {
        let other = |what: &str| Wrong::Type(format!("{at} must be {what}"));
        let mut must = |shown: String, what: String| {
            wrong.push(format!(
                "Value {shown}at '{at}' failed to satisfy constraint: Member must {what}"
            ));
        };
        match self {
            Self::Text(length, pattern) => {
                let text = value.as_str().ok_or_else(|| other("a text"))?;
                let shown = || format!("'{text}' ");
                if let Some(what) = bound("length", length, &text.chars().count()) {
                    must(shown(), what);
                }
                if let Some(pattern) = pattern
                    && !pattern.matches(text)
                {
                    let written = pattern.written;
                    let what = format!("satisfy regular expression pattern: {written}");
                    must(shown(), what);
                }
            }
            Self::Number(range) => {
                let number = value.as_i64().ok_or_else(|| other("a whole number"))?;
                if let Some(what) = bound("value", range, &number) {
                    must(format!("'{number}' "), what);
                }
            }
            Self::OneOf(words) => {
                let text = value.as_str().ok_or_else(|| other("a text"))?;
                if !words.contains(&text) {
                    let what = format!("satisfy enum value set: [{}]", words.join(", "));
                    must(format!("'{text}' "), what);
                }
            }
            Self::Flag => {
                value.as_bool().ok_or_else(|| other("true or false"))?;
            }
            Self::Texts(length) => {
                let texts = value.as_array().ok_or_else(|| other("a list"))?;
                if !texts.iter().all(Value::is_string) {
                    return Err(other("a list of texts"));
                }
                if let Some(what) = bound("length", length, &texts.len()) {
                    must(String::new(), what);
                }
            }
            Self::Parameters => {
                let parameters = value.as_array().ok_or_else(|| other("a list"))?;
                if let Some(what) = bound("length", &(1..=usize::MAX), &parameters.len()) {
                    must(String::new(), what);
                }
                for (number, parameter) in (1..).zip(parameters) {
                    let at = format!("{at}.{number}.member");
                    let fields = parameter.as_object();
                    let fields = fields
                        .ok_or_else(|| Wrong::Type(format!("{at} must be a name and a value")))?;
                    for (field, shape) in [
                        ("name", Self::Text(ANY, Some(&PARAMETER))),
                        ("value", Self::Text(1..=usize::MAX, None)),
                    ] {
                        let at = format!("{at}.{field}");
                        match fields.get(field) {
                            None | Some(Value::Null) => wrong.push(missing(&at)),
                            Some(value) => shape.check(&at, value, wrong)?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a length or value must be that is out of its range.
fn bound<T: PartialOrd + std::fmt::Display>(
    what: &str,
    range: &RangeInclusive<T>,
    given: &T,
) -> Option<String> {
    let (than, limit) = match () {
        () if given < range.start() => ("greater", range.start()),
        () if given > range.end() => ("less", range.end()),
        () => return None,
    };
    Some(format!("have {what} {than} than or equal to {limit}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(operation: &str, fields: Value) -> String {
        let Value::Object(fields) = fields else {
            panic!("{fields}");
        };
        match check(operation, &fields) {
            Ok(()) => String::new(),
            Err(Wrong::Type(message)) => format!("type: {message}"),
            Err(Wrong::Invalid(message)) => message,
        }
    }

    #[test]
    fn requests_that_go_with_the_model_are_taken() {
        let id = "d8aeddb1-1ba6-4bc1-9a3a-b6cbb1a4a1c1";
        let arn = "arn:aws:redshift-serverless:eu-west-1:123456789012:workgroup/loads/a-1";
        for (operation, fields) in [
            (
                "ListTables",
                json!({ "Database": "dev", "WorkgroupName": "dwh", "MaxResults": 0 }),
            ),
            (
                "ListTables",
                json!({ "Database": "", "WorkgroupName": arn, "MaxResults": 1000 }),
            ),
            (
                "ListDatabases",
                json!({ "ClusterIdentifier": "a-b2-c", "MaxResults": null }),
            ),
            (
                "ListStatements",
                json!({ "MaxResults": 100, "Status": "ALL", "RoleLevel": true }),
            ),
            ("ListSessions", json!({ "Status": "BUSY" })),
            (
                "GetStatementResult",
                json!({ "Id": format!("{id}:1"), "WaitTimeSeconds": 30 }),
            ),
            (
                "ExecuteStatement",
                json!({
                    "Sql": "select :a", "SessionId": id, "ClientToken": "x", "StatementName": "", "Unknown": [],
                    "Parameters": [{ "name": "a_1", "value": " " }],
                }),
            ),
        ] {
            assert_eq!(
                refused(operation, fields.clone()),
                "",
                "{operation} {fields}"
            );
        }
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let number = "have value less than or equal to";
        for (operation, fields, expected) in [
            (
                "ListTables",
                json!({ "MaxResults": 1001 }),
                vec![
                    "'database' failed to satisfy constraint: Member must not be null",
                    "Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000",
                ],
            ),
            (
                "ListSchemas",
                json!({ "Database": "dev", "MaxResults": -1 }),
                vec!["greater than or equal to 0"],
            ),
            (
                "ListDatabases",
                json!({ "MaxResults": 1.5 }),
                vec!["type: maxResults must be a whole number"],
            ),
            ("ListStatements", json!({ "MaxResults": 101 }), vec![number]),
            (
                "DescribeStatement",
                json!({ "Id": "D8AEDDB1-1BA6-4BC1-9A3A-B6CBB1A4A1C1" }),
                vec!["'id'"],
            ),
            (
                "DescribeStatement",
                json!({ "Id": "d8aeddb1-1ba6-4bc1-9a3a-b6cbb1a4a1c1\n" }),
                vec!["pattern"],
            ),
            (
                "ListDatabases",
                json!({ "WorkgroupName": "w" }),
                vec!["greater than or equal to 3", "pattern"],
            ),
            (
                "ListDatabases",
                json!({ "WorkgroupName": "Loads" }),
                vec!["pattern"],
            ),
            (
                "ListDatabases",
                json!({ "ClusterIdentifier": "1a" }),
                vec!["pattern"],
            ),
            (
                "ListDatabases",
                json!({ "ClusterIdentifier": "a-" }),
                vec!["pattern"],
            ),
            (
                "ExecuteStatement",
                json!({ "Sql": "x", "ClientToken": "" }),
                vec!["greater than or equal to 1"],
            ),
            (
                "ExecuteStatement",
                json!({ "Sql": "x", "ResultFormat": "csv" }),
                vec!["[JSON, CSV]"],
            ),
            (
                "ExecuteStatement",
                json!({ "Sql": 1 }),
                vec!["type: sql must be a text"],
            ),
            (
                "ExecuteStatement",
                json!({ "Sql": "x", "Parameters": [{ "name": "a-b", "value": "" }] }),
                vec![
                    "2 validation errors detected",
                    "'parameters.1.member.name'",
                    "'parameters.1.member.value'",
                ],
            ),
            (
                "BatchExecuteStatement",
                json!({ "Sqls": [] }),
                vec!["greater than or equal to 1"],
            ),
            (
                "BatchExecuteStatement",
                json!({ "Sqls": vec!["x"; 41] }),
                vec!["less than or equal to 40"],
            ),
            (
                "ListSessions",
                json!({ "Status": "FINISHED" }),
                vec!["[AVAILABLE, BUSY, CLOSED]"],
            ),
        ] {
            let message = refused(operation, fields.clone());
            for part in expected {
                assert!(message.contains(part), "{operation} {fields}: {message}");
            }
        }
    }
}
