//! The table as it is, and as the rows need it: what differs, and the statements that change it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use transom_file::spec::{LoadMode, RedshiftTable, SchemaChange, TableName};
use transom_sql::type_name;

use super::api::{DataApi, Row};
use super::error::{ApiError, RedshiftError};
use super::sql::{identifier, literal, table_name};
use super::types::{MOST_VARBYTE, MOST_VARCHAR, Type};
use super::values::{Column, Columns};
use crate::format::Unwritable;

/// The column that says which entry of the log a row was appended by.
pub(super) const SEQ: &str = "_transom_seq";
/// Bytes of a column's name at most.
const MOST_NAME: usize = 127;
/// Columns of a table at most.
const MOST_COLUMNS: usize = 1_600;
/// Names of the columns that every table has.
const SYSTEM_COLUMNS: [&str; 9] = [
    "cmax",
    "cmin",
    "ctid",
    "deletexid",
    "insertxid",
    "oid",
    "tableoid",
    "xmax",
    "xmin",
];
/// Bytes that a VARCHAR or VARBYTE has at least which is created.
const LEAST_LENGTH: u32 = 256;

/// A column of the table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    /// As the catalog writes it; none if no rows can be loaded into it.
    pub(super) data_type: Result<Type, String>,
    pub(super) not_null: bool,
    /// Whether a row may leave it out though it is NOT NULL.
    pub(super) has_default: bool,
}

/// A column that is loaded: its name and type in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoadColumn {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) data_type: Type,
}

/// The columns of the table; none if there is no such table.
pub(super) async fn columns_of(
    api: &DataApi<'_>,
    table: &TableName,
) -> Result<Option<Vec<TargetColumn>>, ApiError> {
    let text = format!(
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default \
         FROM svv_columns WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
        literal(&table.schema),
        literal(&table.name)
    );
    let rows = api.query(&text).await?;
    let columns: Vec<TargetColumn> = rows.into_iter().map(column_of).collect();
    Ok((!columns.is_empty()).then_some(columns))
}

fn column_of(row: Row) -> TargetColumn {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let (name, data_type) = (next(), next());
    let (length, precision, scale) = (next(), next(), next());
    let (nullable, default) = (next(), next());
    let written = data_type.unwrap_or_default().to_lowercase();
    // Newer catalogs have the modifiers in the name.
    let full = match (&length, &precision, &scale) {
        _ if written.contains('(') => written.clone(),
        (_, Some(precision), Some(scale)) if written == "numeric" => {
            format!("{written}({precision},{scale})")
        }
        (Some(length), ..) if length != "0" => format!("{written}({length})"),
        _ => written.clone(),
    };
    TargetColumn {
        name: name.unwrap_or_default(),
        data_type: full.parse().map_err(|_| full),
        not_null: nullable.is_some_and(|nullable| nullable.eq_ignore_ascii_case("no")),
        has_default: default.is_some_and(|default| !default.is_empty()),
    }
}

/// A column's name as the table has it: names are folded, also in quotes.
pub(super) fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The options of a table with the names of columns as the table has them.
pub(super) fn with_folded_names(table: &RedshiftTable) -> RedshiftTable {
    let fold = |names: &[String]| names.iter().map(|name| folded(name)).collect();
    RedshiftTable {
        keys: fold(&table.keys),
        order_by: fold(&table.order_by),
        partition_by: fold(&table.partition_by),
        distkey: table.distkey.as_deref().map(folded),
        sortkey: fold(&table.sortkey),
        ..table.clone()
    }
}

/// Whether rows of these columns can be loaded, as far as it is known without a look at the warehouse.
///
/// # Errors
/// What Redshift has no name or type for; keys of the sink that name no column.
pub(super) fn check(table: &RedshiftTable, schema: &Schema) -> Result<(), RedshiftError> {
    let mut seen = HashSet::new();
    for field in schema.fields() {
        let name = folded(field.name());
        let wrong = if name.is_empty() {
            Some("it is empty".to_owned())
        } else if name.len() > MOST_NAME {
            Some(format!(
                "it has {} bytes; {MOST_NAME} are allowed",
                name.len()
            ))
        } else if name == SEQ || SYSTEM_COLUMNS.contains(&name.as_str()) {
            Some("tables have another column of this name".to_owned())
        } else if name.contains(char::is_control) {
            Some("it has control characters".to_owned())
        } else if !seen.insert(name) {
            Some("another column has it, but for small and large letters, which Redshift does not tell apart".to_owned())
        } else {
            None
        };
        if let Some(why) = wrong {
            return Err(RedshiftError::ColumnName {
                column: field.name().clone(),
                why,
            });
        }
        match Type::of(field.name(), field.data_type()) {
            Ok(_) => {}
            // NULLs are values of every type that a table may have.
            Err(_) if field.data_type().is_null() => {}
            Err(reason) => return Err(reason.into()),
        }
    }
    if seen.len() > MOST_COLUMNS {
        return Err(RedshiftError::TooWide(seen.len()));
    }
    let sortkey = table.sortkey.iter().map(|column| ("sortkey", column));
    let named = table.keys.iter().map(|column| ("keys", column));
    let named = named.chain(table.order_by.iter().map(|column| ("order_by", column)));
    let named = named.chain(
        table
            .partition_by
            .iter()
            .map(|column| ("partition_by", column)),
    );
    let named = named.chain(table.distkey.iter().map(|column| ("distkey", column)));
    for (key, column) in named.chain(sortkey) {
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        let found = schema
            .fields()
            .iter()
            .find(|field| folded(field.name()) == folded(column));
        match found {
            None => {
                let columns: Vec<_> = names().map(|name| format!("`{name}`")).collect();
                return Err(RedshiftError::MissingColumn {
                    key,
                    column: column.clone(),
                    columns: columns.join(", "),
                    similar: transom_file::nearest(column, names()).map(str::to_owned),
                });
            }
            Some(field) if field.data_type().is_nested() => {
                let reason = Unwritable::Type {
                    column: column.clone(),
                    data_type: type_name(field.data_type()),
                    format: "a column that rows are compared by",
                    why: format!("`{key}` names it"),
                    hint: "take a column with plain values".to_owned(),
                };
                return Err(reason.into());
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// How the rows' columns become those of the table, which is as `existing` says.
///
/// # Errors
/// All differences that must not or cannot be settled by changing the table.
pub(super) fn plan(
    table: &RedshiftTable,
    schema: &SchemaRef,
    existing: Option<&[TargetColumn]>,
) -> Result<Columns, RedshiftError> {
    check(table, schema)?;
    let table = with_folded_names(table);
    let mut problems = Vec::new();
    let mut statements = Vec::new();
    let mut columns = Vec::new();
    for field in schema.fields() {
        let name = folded(field.name());
        let found = existing.and_then(|columns| columns.iter().find(|column| column.name == name));
        let is_key = table.keys.contains(&name) || table.order_by.contains(&name);
        let (data_type, grows) = match found {
            Some(found) => match &found.data_type {
                Ok(Type::Varchar(_)) if table.schema >= SchemaChange::Widen => {
                    (Type::Varchar(MOST_VARCHAR), true)
                }
                Ok(data_type) => (*data_type, false),
                Err(written) => {
                    problems.push(format!("`{name}` is {written}, which cannot be loaded"));
                    continue;
                }
            },
            None => {
                let created = match Type::of(field.name(), field.data_type())? {
                    Type::Varchar(most) => Type::Varchar(table.varchar.unwrap_or(most)),
                    other => other,
                };
                if existing.is_some() && table.schema < SchemaChange::AddColumns {
                    problems.push(format!("it has no column `{name}`"));
                    statements.push(add_column(&table.table, &name, shortest(created)));
                    continue;
                }
                (created, true)
            }
        };
        if !data_type.takes(field.data_type()) {
            let has = type_name(field.data_type());
            problems.push(format!("`{name}` is {data_type}, and the rows have {has}"));
            continue;
        }
        let too_long = match (found, grows) {
            (Some(_), false) => format!(
                "make the column longer: `schema: widen`, or `ALTER TABLE {} ALTER COLUMN {} TYPE VARCHAR(..)`",
                table.table,
                identifier(&name)
            ),
            (None, _) if table.varchar.is_some() => "choose a larger `varchar`".to_owned(),
            _ => "cut such texts, or write them in several columns".to_owned(),
        };
        columns.push(Column {
            from: field.name().clone(),
            not_null: is_key || found.is_some_and(|found| found.not_null),
            not_nan: is_key || table.partition_by.contains(&name),
            not_padded: table.keys.contains(&name) || table.partition_by.contains(&name),
            name,
            data_type,
            arrow: field.data_type().clone(),
            longest: AtomicU32::new(0),
            too_long,
        });
    }
    problems.extend(left_out(&table, schema, existing));
    if table.mode == LoadMode::Append
        && let Some(existing) = existing
        && !is_counted(existing)
        && table.schema < SchemaChange::AddColumns
    {
        problems.push(format!(
            "it has no column `{SEQ}`, by which appended rows can be taken back"
        ));
        statements.push(add_column(&table.table, SEQ, Type::BigInt));
    }
    match problems.is_empty() {
        true => Ok(Columns::new(columns)),
        false => Err(RedshiftError::Misfit {
            table: table.table.clone(),
            problems,
            hint: match statements.is_empty() {
                true => "change the last step, or the table".to_owned(),
                false => format!(
                    "`schema: add_columns` adds them, or: `{}`",
                    statements.join("; ")
                ),
            },
        }),
    }
}

/// Whether the rows of a table have the number of their entry.
pub(super) fn is_counted(columns: &[TargetColumn]) -> bool {
    columns.iter().any(|column| column.name == SEQ)
}

/// Columns of the table that the rows lack and cannot do without.
fn left_out(
    table: &RedshiftTable,
    schema: &Schema,
    existing: Option<&[TargetColumn]>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for column in existing.unwrap_or_default() {
        let mut names = schema.fields().iter().map(|field| folded(field.name()));
        if column.name == SEQ || names.any(|name| name == column.name) {
            continue;
        }
        let name = &column.name;
        if column.not_null && !column.has_default {
            problems.push(format!("`{name}` is NOT NULL, and the rows do not have it"));
        } else if table.mode != LoadMode::Append {
            problems.push(format!(
                "the rows do not have `{name}`, so that rows which are replaced would lose its values"
            ));
        }
    }
    problems
}

/// As a message shows what would be created, before the lengths of values are known.
fn shortest(data_type: Type) -> Type {
    match data_type {
        Type::Varchar(MOST_VARCHAR) => Type::Varchar(LEAST_LENGTH),
        Type::Varbyte(_) => Type::Varbyte(LEAST_LENGTH),
        other => other,
    }
}

/// The columns that a load has, once all values were seen: new ones and those that grow are as long as their values
/// need.
pub(super) fn loaded(
    table: &RedshiftTable,
    columns: &Columns,
    existing: Option<&[TargetColumn]>,
) -> Vec<LoadColumn> {
    let column = |column: &Column| {
        let found =
            existing.and_then(|existing| existing.iter().find(|one| one.name == column.name));
        let longest = column.longest.load(Ordering::Relaxed);
        let roomy = |most: u32| longest.saturating_mul(2).clamp(LEAST_LENGTH, most);
        let data_type = match (column.data_type, found.map(|found| &found.data_type)) {
            (Type::Varchar(_), Some(Ok(Type::Varchar(length)))) if longest <= *length => {
                Type::Varchar(*length)
            }
            (Type::Varchar(_), None) if table.varchar.is_some() => column.data_type,
            (Type::Varchar(_), _) => Type::Varchar(roomy(MOST_VARCHAR)),
            (Type::Varbyte(_), None) => Type::Varbyte(roomy(MOST_VARBYTE)),
            (other, _) => other,
        };
        LoadColumn {
            name: column.name.clone(),
            data_type,
        }
    };
    columns.columns.iter().map(column).collect()
}

fn add_column(table: &TableName, name: &str, data_type: Type) -> String {
    format!(
        "ALTER TABLE {} ADD COLUMN {} {data_type}",
        table_name(table),
        identifier(name)
    )
}

/// The next statement that makes the table ready for a load; none if it is.
///
/// # Errors
/// How the table differs from the one that the rows were staged for.
pub(super) fn next_change(
    table: &RedshiftTable,
    columns: &[LoadColumn],
    existing: Option<&[TargetColumn]>,
) -> Result<Option<String>, Vec<String>> {
    let Some(existing) = existing else {
        return Ok(Some(create_table(table, columns)));
    };
    let mut problems = Vec::new();
    let mut change = None;
    let find = |name: &str| existing.iter().find(|column| column.name == name);
    let seq = (table.mode == LoadMode::Append).then(|| LoadColumn {
        name: SEQ.to_owned(),
        data_type: Type::BigInt,
    });
    for LoadColumn { name, data_type } in columns.iter().chain(&seq) {
        match find(name).map(|found| &found.data_type) {
            None if table.schema >= SchemaChange::AddColumns => {
                change.get_or_insert(add_column(&table.table, name, *data_type));
            }
            None => problems.push(format!("it has no column `{name}`")),
            Some(Ok(found)) if found == data_type => {}
            Some(Ok(Type::Varchar(found))) => match data_type {
                Type::Varchar(needed) if needed <= found => {}
                Type::Varchar(_) if table.schema >= SchemaChange::Widen => {
                    change.get_or_insert(format!(
                        "ALTER TABLE {} ALTER COLUMN {} TYPE {data_type}",
                        table_name(&table.table),
                        identifier(name)
                    ));
                }
                _ => problems.push(format!(
                    "`{name}` is varchar({found}), and the rows were staged for {data_type}"
                )),
            },
            // The catalog does not give the length of bytes.
            Some(Ok(Type::Varbyte(_))) if matches!(data_type, Type::Varbyte(_)) => {}
            Some(Ok(found)) => problems.push(format!(
                "`{name}` is {found}, and the rows were staged for {data_type}"
            )),
            Some(Err(found)) => problems.push(format!("`{name}` is {found}")),
        }
    }
    match problems.is_empty() {
        true => Ok(change),
        false => Err(problems),
    }
}

fn create_table(table: &RedshiftTable, columns: &[LoadColumn]) -> String {
    let column = |column: &LoadColumn| {
        let LoadColumn { name, data_type } = column;
        let is_key = table.keys.contains(name) || table.order_by.contains(name);
        let not_null = if is_key { " NOT NULL" } else { "" };
        format!("{} {data_type}{not_null}", identifier(name))
    };
    let mut parts: Vec<String> = columns.iter().map(column).collect();
    if table.mode == LoadMode::Append {
        parts.push(format!("{SEQ} bigint"));
    }
    let mut text = format!(
        "CREATE TABLE {} ({})",
        table_name(&table.table),
        parts.join(", ")
    );
    if let Some(distkey) = &table.distkey {
        text.push_str(&format!(" DISTKEY ({})", identifier(distkey)));
    }
    if !table.sortkey.is_empty() {
        let names: Vec<String> = table.sortkey.iter().map(|name| identifier(name)).collect();
        text.push_str(&format!(" SORTKEY ({})", names.join(", ")));
    }
    text
}
