//! Tables of the system: the catalog as rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use crate::catalog::{Catalog, Object};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::load::LoadError;
use crate::types::Type;

/// Schemas that nobody writes to.
pub(crate) fn is_schema(name: &str) -> bool {
    matches!(name, "pg_catalog" | "information_schema" | "pg_internal")
}

const TABLES: &[(&str, &str)] = &[
    ("information_schema", "tables"),
    ("information_schema", "columns"),
    ("pg_catalog", "svv_tables"),
    ("pg_catalog", "svv_columns"),
    ("pg_catalog", "pg_table_def"),
    ("pg_catalog", "svv_table_info"),
    ("pg_catalog", "sys_load_error_detail"),
    ("pg_catalog", "svv_all_schemas"),
];

/// Whether there is such a table.
pub(crate) fn has(schema: &str, name: &str) -> bool {
    TABLES.contains(&(schema, name))
}

/// A column of such a table.
enum Values {
    Text(Vec<Option<String>>),
    Number(Vec<Option<i64>>),
    Flag(Vec<bool>),
    Moment(Vec<i64>),
}

/// A table of the system over a version of the catalog.
pub(crate) fn table(
    name: &str,
    catalog: &Catalog,
    shared: &Shared,
) -> Result<Arc<dyn TableProvider>> {
    let database = shared.database.as_str();
    let columns = match name {
        "information_schema.tables" | "pg_catalog.svv_tables" => tables(catalog, database),
        "information_schema.columns" | "pg_catalog.svv_columns" => columns(catalog, database),
        "pg_catalog.pg_table_def" => table_def(catalog),
        "pg_catalog.svv_table_info" => table_info(catalog, database),
        "pg_catalog.svv_all_schemas" => schemas(catalog, database),
        "pg_catalog.sys_load_error_detail" => load_errors(shared),
        _ => return Err(Error::not_yet(format_args!("the table {name}"))),
    };
    let text = Type::Varchar(256);
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, values)| match values {
            Values::Text(values) => {
                let array: ArrayRef = Arc::new(StringArray::from(values));
                (text.field(name), array)
            }
            Values::Number(values) => (
                Type::Int8.field(name),
                Arc::new(Int64Array::from(values)) as ArrayRef,
            ),
            Values::Moment(values) => {
                let data_type = Type::Timestamp;
                let array = TimestampMicrosecondArray::from(values);
                (data_type.field(name), Arc::new(array) as ArrayRef)
            }
            Values::Flag(values) => (
                Type::Bool.field(name),
                Arc::new(BooleanArray::from(values)) as ArrayRef,
            ),
        })
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(Error::internal)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

type Named = Vec<(&'static str, Values)>;

fn text<T>(rows: &[T], value: impl Fn(&T) -> String) -> Values {
    Values::Text(rows.iter().map(|row| Some(value(row))).collect())
}

fn tables(catalog: &Catalog, database: &str) -> Named {
    let objects: Vec<&Object> = catalog
        .objects()
        .filter(|object| !matches!(object, Object::Schema(_)))
        .collect();
    vec![
        ("table_catalog", text(&objects, |_| database.to_owned())),
        (
            "table_schema",
            text(&objects, |object| {
                catalog.schema_name(object.key().0).to_owned()
            }),
        ),
        (
            "table_name",
            text(&objects, |object| object.key().1.to_owned()),
        ),
        (
            "table_type",
            text(&objects, |object| {
                let kind = match object {
                    Object::View(_) => "VIEW",
                    _ => "BASE TABLE",
                };
                kind.to_owned()
            }),
        ),
        ("remarks", Values::Text(vec![None; objects.len()])),
    ]
}

fn schemas(catalog: &Catalog, database: &str) -> Named {
    let mut names: Vec<String> = catalog
        .objects()
        .filter_map(|object| match object {
            Object::Schema(schema) => Some(schema.name.clone()),
            _ => None,
        })
        .collect();
    names.extend(["information_schema", "pg_catalog"].map(str::to_owned));
    vec![
        ("database_name", text(&names, |_| database.to_owned())),
        ("schema_name", text(&names, String::clone)),
        ("schema_type", text(&names, |_| "local".to_owned())),
    ]
}

/// A column of a table or a view.
struct Described {
    schema: String,
    table: String,
    name: String,
    place: usize,
    data_type: Type,
    not_null: bool,
    default: Option<String>,
    encoding: String,
    is_distribution_key: bool,
    sort_key: i64,
}

fn described(catalog: &Catalog) -> Vec<Described> {
    let mut all = Vec::new();
    for object in catalog.objects() {
        let (schema, table) = object.key();
        let schema = catalog.schema_name(schema);
        match object {
            Object::Table(found) => {
                for (at, column) in found.columns.iter().enumerate() {
                    let sorted = found.sort_keys.iter().position(|key| *key == column.name);
                    all.push(Described {
                        schema: schema.to_owned(),
                        table: table.to_owned(),
                        name: column.name.clone(),
                        place: at + 1,
                        data_type: column.data_type,
                        not_null: column.not_null,
                        default: match column.identity {
                            Some(identity) => Some(format!(
                                "\"identity\"({}, 0, '{},{}'::text)",
                                found.id, identity.seed, identity.step
                            )),
                            None => column.default.clone(),
                        },
                        encoding: column.encoding.clone(),
                        is_distribution_key: column.distribution_key,
                        sort_key: sorted.map_or(0, |at| at as i64 + 1),
                    });
                }
            }
            Object::View(view) => {
                for (at, (name, data_type)) in view.columns.iter().enumerate() {
                    all.push(Described {
                        schema: schema.to_owned(),
                        table: table.to_owned(),
                        name: name.clone(),
                        place: at + 1,
                        data_type: *data_type,
                        not_null: false,
                        default: None,
                        encoding: "none".to_owned(),
                        is_distribution_key: false,
                        sort_key: 0,
                    });
                }
            }
            Object::Schema(_) => {}
        }
    }
    all
}

fn columns(catalog: &Catalog, database: &str) -> Named {
    let all = described(catalog);
    let number = |value: fn(Type) -> Option<i64>| {
        Values::Number(all.iter().map(|column| value(column.data_type)).collect())
    };
    vec![
        ("table_catalog", text(&all, |_| database.to_owned())),
        ("table_schema", text(&all, |column| column.schema.clone())),
        ("table_name", text(&all, |column| column.table.clone())),
        ("column_name", text(&all, |column| column.name.clone())),
        (
            "ordinal_position",
            Values::Number(all.iter().map(|column| Some(column.place as i64)).collect()),
        ),
        (
            "column_default",
            Values::Text(all.iter().map(|column| column.default.clone()).collect()),
        ),
        (
            "is_nullable",
            text(&all, |column| {
                (if column.not_null { "NO" } else { "YES" }).to_owned()
            }),
        ),
        (
            "data_type",
            text(&all, |column| column.data_type.base_name().to_owned()),
        ),
        (
            "character_maximum_length",
            number(|data_type| match data_type {
                Type::Char(length) | Type::Varchar(length) => Some(i64::from(length)),
                _ => None,
            }),
        ),
        (
            "numeric_precision",
            number(|data_type| match data_type {
                Type::Int2 => Some(16),
                Type::Int4 => Some(32),
                Type::Int8 => Some(64),
                Type::Numeric(precision, _) => Some(i64::from(precision)),
                _ => None,
            }),
        ),
        (
            "numeric_scale",
            number(|data_type| match data_type {
                data_type if data_type.is_whole() => Some(0),
                Type::Numeric(_, scale) => Some(i64::from(scale)),
                _ => None,
            }),
        ),
    ]
}

fn table_def(catalog: &Catalog) -> Named {
    let all = described(catalog);
    vec![
        ("schemaname", text(&all, |column| column.schema.clone())),
        ("tablename", text(&all, |column| column.table.clone())),
        ("column", text(&all, |column| column.name.clone())),
        ("type", text(&all, |column| column.data_type.name())),
        ("encoding", text(&all, |column| column.encoding.clone())),
        (
            "distkey",
            Values::Flag(
                all.iter()
                    .map(|column| column.is_distribution_key)
                    .collect(),
            ),
        ),
        (
            "sortkey",
            Values::Number(all.iter().map(|column| Some(column.sort_key)).collect()),
        ),
        (
            "notnull",
            Values::Flag(all.iter().map(|column| column.not_null).collect()),
        ),
    ]
}

fn table_info(catalog: &Catalog, database: &str) -> Named {
    let tables: Vec<_> = catalog
        .objects()
        .filter_map(|object| match object {
            Object::Table(table) => Some(table),
            _ => None,
        })
        .collect();
    let number = |value: &dyn Fn(&crate::catalog::Table) -> i64| {
        Values::Number(tables.iter().map(|table| Some(value(table))).collect())
    };
    vec![
        ("database", text(&tables, |_| database.to_owned())),
        (
            "schema",
            text(&tables, |table| {
                catalog.schema_name(table.schema).to_owned()
            }),
        ),
        ("table_id", number(&|table| table.id as i64)),
        ("table", text(&tables, |table| table.name.clone())),
        (
            "diststyle",
            text(&tables, |table| {
                let key = table.columns.iter().find(|column| column.distribution_key);
                match key {
                    Some(key) => format!("KEY({})", key.name),
                    None => table.distribution.to_uppercase(),
                }
            }),
        ),
        (
            "sortkey1",
            Values::Text(
                tables
                    .iter()
                    .map(|table| table.sort_keys.first().cloned())
                    .collect(),
            ),
        ),
        ("tbl_rows", number(&|table| table.rows() as i64)),
        (
            "size",
            number(&|table| {
                let bytes: u64 = table.files.iter().map(|file| file.bytes).sum();
                bytes.div_ceil(1 << 20) as i64
            }),
        ),
    ]
}

/// Rows that COPY did not load.
fn load_errors(shared: &Shared) -> Named {
    let errors = shared.load_errors.lock();
    let number = |value: &dyn Fn(&LoadError) -> i64| {
        Values::Number(errors.iter().map(|error| Some(value(error))).collect())
    };
    vec![
        ("query_id", number(&|error| error.transaction as i64)),
        ("transaction_id", number(&|error| error.transaction as i64)),
        ("session_id", number(&|error| i64::from(error.pid))),
        ("database_name", text(&errors, |_| shared.database.clone())),
        ("table_id", number(&|error| error.table as i64)),
        (
            "start_time",
            Values::Moment(errors.iter().map(|error| error.at).collect()),
        ),
        ("file_name", text(&errors, |error| error.file.clone())),
        ("line_number", number(&|error| error.line as i64)),
        ("column_name", text(&errors, |error| error.column.clone())),
        (
            "column_type",
            text(&errors, |error| error.data_type.clone()),
        ),
        ("column_length", text(&errors, |error| error.length.clone())),
        ("error_code", number(&|error| error.code)),
        (
            "error_message",
            text(&errors, |error| error.message.clone()),
        ),
        (
            "raw_field_value",
            text(&errors, |error| error.value.clone()),
        ),
    ]
}
