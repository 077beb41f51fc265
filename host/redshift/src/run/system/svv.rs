//! `information_schema`, and the views that are Redshift's own.

use super::{Columns, Described, Rows, View, described, rows};
use crate::catalog::{Object, Table};
use crate::types::Type;

fn kind(object: &Object) -> &'static str {
    match object {
        Object::View(_) => "VIEW",
        _ => "BASE TABLE",
    }
}

pub(super) fn tables(view: &View<'_>) -> Columns {
    rows(view.relations())
        .text("table_catalog", |_| view.database.to_owned())
        .text("table_schema", |object| view.schema_of(object))
        .text("table_name", |object| object.key().1.to_owned())
        .text("table_type", |object| kind(object).to_owned())
        .text("remarks", |_| None)
        .done()
}

pub(super) fn all_tables(view: &View<'_>) -> Columns {
    rows(view.relations())
        .text("database_name", |_| view.database.to_owned())
        .text("schema_name", |object| view.schema_of(object))
        .text("table_name", |object| object.key().1.to_owned())
        .text("table_type", |object| {
            let kind = match object {
                Object::View(_) => "VIEW",
                _ => "TABLE",
            };
            kind.to_owned()
        })
        .text("table_acl", |_| None)
        .text("remarks", |_| None)
        .done()
}

pub(super) fn views(view: &View<'_>) -> Columns {
    rows(view.views())
        .text("table_catalog", |_| view.database.to_owned())
        .text("table_schema", |found| {
            view.catalog.schema_name(found.schema).to_owned()
        })
        .text("table_name", |found| found.name.clone())
        .text("view_definition", |found| super::definition(found))
        .text("check_option", |_| "NONE".to_owned())
        .text("is_updatable", |_| "NO".to_owned())
        .done()
}

pub(super) fn databases(view: &View<'_>) -> Columns {
    rows([view.database])
        .text("database_name", |name| (*name).to_owned())
        .number("database_owner", |_| super::OWNER_ID)
        .text("database_type", |_| "local".to_owned())
        .text("database_acl", |_| None)
        .text("database_options", |_| None)
        .text("database_isolation_level", |_| None)
        .done()
}

pub(super) fn all_schemas(view: &View<'_>) -> Columns {
    rows(view.schemas())
        .text("database_name", |_| view.database.to_owned())
        .text("schema_name", |(_, name)| name.clone())
        .number("schema_owner", |_| super::OWNER_ID)
        .text("schema_type", |_| "local".to_owned())
        .text("schema_acl", |_| None)
        .text("source_database", |_| None)
        .text("schema_option", |_| None)
        .done()
}

pub(super) fn schemata(view: &View<'_>) -> Columns {
    rows(view.schemas())
        .text("catalog_name", |_| view.database.to_owned())
        .text("schema_name", |(_, name)| name.clone())
        .text("schema_owner", |_| super::OWNER.to_owned())
        .text("default_character_set_catalog", |_| None)
        .text("default_character_set_schema", |_| None)
        .text("default_character_set_name", |_| None)
        .text("sql_path", |_| None)
        .done()
}

pub(super) fn constraints(view: &View<'_>) -> Columns {
    let keys = view.tables().flat_map(|table| {
        let keys = table.keys.iter().enumerate();
        keys.map(move |(at, key)| (table, at, key))
    });
    rows(keys)
        .text("constraint_catalog", |_| view.database.to_owned())
        .text("constraint_schema", |(table, ..)| {
            view.catalog.schema_name(table.schema).to_owned()
        })
        .text("constraint_name", |(table, at, _)| table.key_name(*at))
        .text("table_catalog", |_| view.database.to_owned())
        .text("table_schema", |(table, ..)| {
            view.catalog.schema_name(table.schema).to_owned()
        })
        .text("table_name", |(table, ..)| table.name.clone())
        .text("constraint_type", |(_, _, key)| key.kind.clone())
        .text("is_deferrable", |_| "NO".to_owned())
        .text("initially_deferred", |_| "NO".to_owned())
        .done()
}

impl Described {
    fn length(&self) -> Option<i64> {
        match self.data_type {
            Type::Char(length) | Type::Varchar(length) => Some(i64::from(length)),
            _ => None,
        }
    }

    fn precision(&self) -> Option<i64> {
        match self.data_type {
            Type::Int2 => Some(16),
            Type::Int4 => Some(32),
            Type::Int8 => Some(64),
            Type::Numeric(precision, _) => Some(i64::from(precision)),
            _ => None,
        }
    }

    fn scale(&self) -> Option<i64> {
        match self.data_type {
            data_type if data_type.is_whole() => Some(0),
            Type::Numeric(_, scale) => Some(i64::from(scale)),
            _ => None,
        }
    }

    fn nullable(&self) -> String {
        (if self.not_null { "NO" } else { "YES" }).to_owned()
    }
}

pub(super) fn columns(view: &View<'_>) -> Columns {
    described_columns(view, "table_catalog", "table_schema")
}

pub(super) fn all_columns(view: &View<'_>) -> Columns {
    described_columns(view, "database_name", "schema_name")
}

/// The columns of all tables. The two views of them differ in what they call the database and the schema.
fn described_columns(view: &View<'_>, database: &'static str, schema: &'static str) -> Columns {
    rows(described(view))
        .text(database, |_| view.database.to_owned())
        .text(schema, |column| column.schema.clone())
        .text("table_name", |column| column.table.clone())
        .text("column_name", |column| column.name.clone())
        .number("ordinal_position", |column| column.place as i64)
        .text("column_default", |column| column.default.clone())
        .text("is_nullable", Described::nullable)
        .text("data_type", |column| {
            column.data_type.base_name().to_owned()
        })
        .number("character_maximum_length", Described::length)
        .number("numeric_precision", Described::precision)
        .number("numeric_scale", Described::scale)
        .text("remarks", |_| None)
        .done()
}

pub(super) fn table_def(view: &View<'_>) -> Columns {
    rows(described(view))
        .text("schemaname", |column| column.schema.clone())
        .text("tablename", |column| column.table.clone())
        .text("column", |column| column.name.clone())
        .text("type", |column| column.data_type.name())
        .text("encoding", |column| column.encoding.clone())
        .flag("distkey", |column| column.is_distribution_key)
        .number("sortkey", |column| column.sort_key)
        .flag("notnull", |column| column.not_null)
        .done()
}

/// What this program does not measure is NULL.
pub(super) fn table_info(view: &View<'_>) -> Columns {
    let lengths = |table: &Table| {
        let lengths = table.columns.iter().map(|column| match column.data_type {
            Type::Varchar(length) => i64::from(length),
            _ => 0,
        });
        lengths.max()
    };
    let first = |table: &Table| {
        let name = table.sort_keys.first()?;
        table.column(name).cloned()
    };
    rows(view.tables())
        .text("database", |_| view.database.to_owned())
        .text("schema", |table| {
            view.catalog.schema_name(table.schema).to_owned()
        })
        .number("table_id", |table| table.id as i64)
        .text("table", |table| table.name.clone())
        .text("encoded", |table| {
            let mut columns = table.columns.iter();
            let is_encoded = columns.any(|column| column.encoding != "none");
            (if is_encoded { "Y" } else { "N" }).to_owned()
        })
        .text("diststyle", |table| {
            let key = table.columns.iter().find(|column| column.distribution_key);
            match key {
                Some(key) => format!("KEY({})", key.name),
                None => table.distribution.to_uppercase(),
            }
        })
        .text("sortkey1", |table| first(table).map(|column| column.name))
        .number("max_varchar", |table| lengths(table))
        .text("sortkey1_enc", |table| {
            first(table).map(|column| column.encoding)
        })
        .number("sortkey_num", |table| table.sort_keys.len() as i64)
        .number("size", |table| {
            let bytes: u64 = table.segments.iter().map(|segment| segment.bytes).sum();
            bytes.div_ceil(1 << 20) as i64
        })
        .number("pct_used", |_| None)
        .number("empty", |_| 0)
        .number("unsorted", |_| None)
        .number("stats_off", |_| None)
        .number("tbl_rows", |table| table.rows() as i64)
        .number("skew_sortkey1", |_| None)
        .number("skew_rows", |_| None)
        .number("estimated_visible_rows", |table| table.rows() as i64)
        .text("risk_event", |_| None)
        .number("vacuum_sort_benefit", |_| None)
        .done()
}

/// There are no external schemas yet, and nothing in them.
fn none() -> Rows<()> {
    rows([])
}

pub(super) fn external_schemas(_: &View<'_>) -> Columns {
    none()
        .number("esoid", |()| 0)
        .number("eskind", |()| 0)
        .text("schemaname", |()| None)
        .number("esowner", |()| 0)
        .text("databasename", |()| None)
        .text("esoptions", |()| None)
        .done()
}

pub(super) fn external_tables(_: &View<'_>) -> Columns {
    none()
        .text("redshift_database_name", |()| None)
        .text("schemaname", |()| None)
        .text("tablename", |()| None)
        .text("tabletype", |()| None)
        .text("location", |()| None)
        .text("input_format", |()| None)
        .text("output_format", |()| None)
        .text("serialization_lib", |()| None)
        .text("serde_parameters", |()| None)
        .number("compressed", |()| 0)
        .text("parameters", |()| None)
        .done()
}

pub(super) fn external_columns(_: &View<'_>) -> Columns {
    none()
        .text("redshift_database_name", |()| None)
        .text("schemaname", |()| None)
        .text("tablename", |()| None)
        .text("columnname", |()| None)
        .text("external_type", |()| None)
        .number("columnnum", |()| 0)
        .number("part_key", |()| 0)
        .text("is_nullable", |()| None)
        .done()
}
