//! The catalog of PostgreSQL, which drivers ask for.
//!
//! Keys are not enforced; they are here as the indexes that PostgreSQL would have for them, in which drivers look for
//! the columns of a primary key.

use super::{Columns, Described, OWNER, OWNER_ID, View, described, rows};
use crate::catalog::{Key, Object, Reference, Table};
use crate::types::Type;

/// Numbers of indexes and of the rules of views follow from those of their tables and views.
const INDEXES: i64 = 2_000_000_000;
const RULES: i64 = 3_000_000_000;
/// Keys of a table that get a number.
const KEYS_OF_TABLE: i64 = 16;
/// `pg_class` and `pg_rewrite` in dependencies.
const OF_CLASS: i64 = 1259;
const OF_REWRITE: i64 = 2618;

const TYPES: &[Type] = &[
    Type::Bool,
    Type::Int8,
    Type::Int2,
    Type::Int4,
    Type::Float4,
    Type::Float8,
    Type::Char(1),
    Type::Varchar(1),
    Type::Date,
    Type::Time,
    Type::Timestamp,
    Type::TimestampTz,
    Type::Interval,
    Type::Numeric(18, 0),
    Type::Super,
    Type::Varbyte(1),
    Type::Unknown,
];

/// A key that PostgreSQL would have an index for.
struct Index<'a> {
    id: i64,
    table: &'a Table,
    name: String,
    key: &'a Key,
    is_primary: bool,
}

fn keys<'a>(view: &View<'a>) -> Vec<Index<'a>> {
    let mut all = Vec::new();
    for table in view.tables() {
        for (at, key) in table.keys.iter().enumerate() {
            if key.kind == "FOREIGN KEY" {
                continue;
            }
            all.push(Index {
                id: INDEXES + table.id as i64 * KEYS_OF_TABLE + at as i64,
                table,
                name: table.key_name(at),
                key,
                is_primary: key.kind == "PRIMARY KEY",
            });
        }
    }
    all
}

impl Index<'_> {
    fn definition(&self, view: &View<'_>) -> String {
        format!(
            "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
            self.name,
            view.catalog.schema_name(self.table.schema),
            self.table.name,
            self.key.columns.join(", ")
        )
    }
}

/// Numbers of indexes, and the statements that would create them.
pub(super) fn definitions(view: &View<'_>) -> Vec<(i64, String)> {
    let indexes = keys(view).into_iter();
    indexes
        .map(|index| (index.id, index.definition(view)))
        .collect()
}

/// The places of a key's columns in its table.
fn places(table: &Table, key: &Key) -> Vec<String> {
    let place = |name: &String| table.columns.iter().position(|column| column.name == *name);
    let places = key.columns.iter().filter_map(place);
    places.map(|place| (place + 1).to_string()).collect()
}

pub(super) fn namespaces(view: &View<'_>) -> Columns {
    rows(view.schemas())
        .number("oid", |(id, _)| *id)
        .text("nspname", |(_, name)| name.clone())
        .number("nspowner", |(id, _)| if *id < 100 { 1 } else { OWNER_ID })
        .text("nspacl", |_| None)
        .done()
}

/// A row of `pg_class`.
struct Class<'a> {
    id: i64,
    name: String,
    schema: i64,
    kind: &'static str,
    columns: usize,
    table: Option<&'a Table>,
}

pub(super) fn classes(view: &View<'_>) -> Columns {
    let relations = view.relations().map(|object| {
        let (schema, name) = object.key();
        let (kind, columns, table) = match object {
            Object::Table(table) => ("r", table.columns.len(), Some(&**table)),
            Object::View(view) => ("v", view.columns.len(), None),
            Object::Schema(_) => ("", 0, None),
        };
        Class {
            id: object.id() as i64,
            name: name.to_owned(),
            schema: schema as i64,
            kind,
            columns,
            table,
        }
    });
    let indexes = keys(view).into_iter().map(|index| Class {
        id: index.id,
        name: index.name,
        schema: index.table.schema as i64,
        kind: "i",
        columns: index.key.columns.len(),
        table: None,
    });
    rows(relations.chain(indexes))
        .number("oid", |class| class.id)
        .text("relname", |class| class.name.clone())
        .number("relnamespace", |class| class.schema)
        .number("reltype", |_| 0)
        .number("relowner", |_| OWNER_ID)
        .number("relam", |_| 0)
        .number("relfilenode", |class| class.id)
        .number("reltablespace", |_| 0)
        .number("relpages", |_| 1)
        .number("reltuples", |class| {
            class.table.map_or(0, |table| table.rows() as i64)
        })
        .number("reltoastrelid", |_| 0)
        .flag("relhasindex", |class| {
            class.table.is_some_and(|table| !table.keys.is_empty())
        })
        .flag("relisshared", |_| false)
        .text("relkind", |class| class.kind.to_owned())
        .number("relnatts", |class| class.columns as i64)
        .number("relchecks", |_| 0)
        .number("reltriggers", |_| 0)
        .flag("relhasoids", |_| false)
        .flag("relhaspkey", |class| {
            class
                .table
                .is_some_and(|table| table.keys.iter().any(|key| key.kind == "PRIMARY KEY"))
        })
        .flag("relhasrules", |class| class.kind == "v")
        .flag("relhassubclass", |_| false)
        .text("relacl", |_| None)
        .number("releffectivediststyle", |class| {
            class
                .table
                .map_or(0, |table| match table.distribution.as_str() {
                    "all" => 8,
                    "key" => 1,
                    "even" => 0,
                    _ => 10,
                })
        })
        .done()
}

/// A row of `pg_attribute`.
struct Attribute {
    relation: i64,
    name: String,
    place: i64,
    data_type: Type,
    not_null: bool,
    has_default: bool,
    is_distribution_key: bool,
    sort_key: i64,
}

pub(super) fn attributes(view: &View<'_>) -> Columns {
    let columns = described(view);
    let of_columns = columns.iter().map(|column| Attribute {
        relation: column.relation,
        name: column.name.clone(),
        place: column.place as i64,
        data_type: column.data_type,
        not_null: column.not_null,
        has_default: column.default.is_some(),
        is_distribution_key: column.is_distribution_key,
        sort_key: column.sort_key,
    });
    let of_indexes = keys(view).into_iter().flat_map(|index| {
        let columns = index.key.columns.iter().enumerate();
        let attributes = columns.filter_map(|(at, name)| {
            Some(Attribute {
                relation: index.id,
                name: name.clone(),
                place: at as i64 + 1,
                data_type: index.table.column(name)?.data_type,
                not_null: index.is_primary,
                has_default: false,
                is_distribution_key: false,
                sort_key: 0,
            })
        });
        attributes.collect::<Vec<_>>()
    });
    rows(of_columns.chain(of_indexes))
        .number("attrelid", |column| column.relation)
        .text("attname", |column| column.name.clone())
        .number("atttypid", |column| i64::from(column.data_type.oid()))
        .number("attstattarget", |_| -1)
        .number("attlen", |column| i64::from(column.data_type.size()))
        .number("attnum", |column| column.place)
        .number("attndims", |_| 0)
        .number("attcacheoff", |_| -1)
        .number("atttypmod", |column| i64::from(column.data_type.modifier()))
        .flag("attnotnull", |column| column.not_null)
        .flag("atthasdef", |column| column.has_default)
        .flag("attisdropped", |_| false)
        .flag("attislocal", |_| true)
        .number("attinhcount", |_| 0)
        .flag("attisdistkey", |column| column.is_distribution_key)
        .number("attsortkeyord", |column| column.sort_key)
        .done()
}

pub(super) fn defaults(view: &View<'_>) -> Columns {
    let columns: Vec<Described> = described(view);
    rows(
        columns
            .into_iter()
            .filter(|column| column.default.is_some()),
    )
    .number("adrelid", |column| column.relation)
    .number("adnum", |column| column.place as i64)
    .text("adbin", |column| column.default.clone())
    .text("adsrc", |column| column.default.clone())
    .done()
}

pub(super) fn types(_: &View<'_>) -> Columns {
    rows(TYPES.iter().copied())
        .number("oid", |data_type| i64::from(data_type.oid()))
        .text("typname", |data_type| data_type.short_name().to_owned())
        .number("typnamespace", |_| 11)
        .number("typowner", |_| 1)
        .number("typlen", |data_type| i64::from(data_type.size()))
        .text("typtype", |_| "b".to_owned())
        .flag("typisdefined", |_| true)
        .text("typdelim", |_| ",".to_owned())
        .number("typrelid", |_| 0)
        .number("typelem", |_| 0)
        .flag("typnotnull", |_| false)
        .number("typbasetype", |_| 0)
        .number("typtypmod", |_| -1)
        .number("typndims", |_| 0)
        .text("typdefault", |_| None)
        .done()
}

pub(super) fn indexes(view: &View<'_>) -> Columns {
    rows(keys(view))
        .number("indexrelid", |index| index.id)
        .number("indrelid", |index| index.table.id as i64)
        .text("indkey", |index| places(index.table, index.key).join(" "))
        .number("indnatts", |index| index.key.columns.len() as i64)
        .flag("indisunique", |_| true)
        .flag("indisprimary", |index| index.is_primary)
        .flag("indisclustered", |_| false)
        .text("indexprs", |_| None)
        .text("indpred", |_| None)
        .done()
}

pub(super) fn index_definitions(view: &View<'_>) -> Columns {
    let schema = |index: &Index<'_>| view.catalog.schema_name(index.table.schema).to_owned();
    rows(keys(view))
        .text("schemaname", schema)
        .text("tablename", |index| index.table.name.clone())
        .text("indexname", |index| index.name.clone())
        .text("tablespace", |_| None)
        .text("indexdef", |index| index.definition(view))
        .done()
}

pub(super) fn constraints(view: &View<'_>) -> Columns {
    let keys = view.tables().flat_map(|table| {
        let keys = table.keys.iter().enumerate();
        keys.map(move |(at, key)| (&**table, at, key))
    });
    rows(keys)
        .number("oid", |(table, at, _)| {
            INDEXES + table.id as i64 * KEYS_OF_TABLE + *at as i64
        })
        .text("conname", |(table, at, _)| table.key_name(*at))
        .number("connamespace", |(table, ..)| table.schema as i64)
        .text("contype", |(_, _, key)| {
            let kind = match key.kind.as_str() {
                "PRIMARY KEY" => "p",
                "FOREIGN KEY" => "f",
                _ => "u",
            };
            kind.to_owned()
        })
        .flag("condeferrable", |_| false)
        .flag("condeferred", |_| false)
        .number("conrelid", |(table, ..)| table.id as i64)
        .number("contypid", |_| 0)
        .number("confrelid", |(_, _, key)| {
            let reference = key.references.as_ref();
            reference.map_or(0, |reference| reference.table as i64)
        })
        .text("conkey", |(table, _, key)| {
            format!("{{{}}}", places(table, key).join(","))
        })
        .text("confkey", |(_, _, key)| {
            let reference = key.references.as_ref()?;
            let places = referenced(view.catalog.table(reference.table).ok()?, reference);
            Some(format!("{{{}}}", places.join(",")))
        })
        .done()
}

/// The places of the columns that a foreign key refers to.
fn referenced(table: &Table, reference: &Reference) -> Vec<String> {
    let place = |id: &u32| table.columns.iter().position(|column| column.id == *id);
    let places = reference.columns.iter().filter_map(place);
    places.map(|place| (place + 1).to_string()).collect()
}

pub(super) fn tables(view: &View<'_>) -> Columns {
    rows(view.tables())
        .text("schemaname", |table| {
            view.catalog.schema_name(table.schema).to_owned()
        })
        .text("tablename", |table| table.name.clone())
        .text("tableowner", |_| OWNER.to_owned())
        .text("tablespace", |_| None)
        .flag("hasindexes", |table| !table.keys.is_empty())
        .flag("hasrules", |_| false)
        .flag("hastriggers", |_| false)
        .done()
}

pub(super) fn views(view: &View<'_>) -> Columns {
    rows(view.views())
        .text("schemaname", |found| {
            view.catalog.schema_name(found.schema).to_owned()
        })
        .text("viewname", |found| found.name.clone())
        .text("viewowner", |_| OWNER.to_owned())
        .text("definition", |found| super::definition(found))
        .done()
}

pub(super) fn users(_: &View<'_>) -> Columns {
    rows([()])
        .text("usename", |()| OWNER.to_owned())
        .number("usesysid", |()| OWNER_ID)
        .flag("usecreatedb", |()| true)
        .flag("usesuper", |()| true)
        .flag("usecatupd", |()| false)
        .text("passwd", |()| "********".to_owned())
        .text("valuntil", |()| None)
        .text("useconfig", |()| None)
        .done()
}

pub(super) fn databases(view: &View<'_>) -> Columns {
    rows([view.database])
        .number("oid", |_| 100_000)
        .text("datname", |name| (*name).to_owned())
        .number("datdba", |_| OWNER_ID)
        .number("encoding", |_| 6)
        .flag("datistemplate", |_| false)
        .flag("datallowconn", |_| true)
        .number("datlastsysoid", |_| 0)
        .text("datconfig", |_| None)
        .text("datacl", |_| None)
        .done()
}

/// Rules of views.
pub(super) fn rules(view: &View<'_>) -> Columns {
    rows(view.views())
        .number("oid", |found| RULES + found.id as i64)
        .text("rulename", |_| "_RETURN".to_owned())
        .number("ev_class", |found| found.id as i64)
        .number("ev_attr", |_| -1)
        .text("ev_type", |_| "1".to_owned())
        .flag("is_instead", |_| true)
        .done()
}

/// What views were bound to.
pub(super) fn dependencies(view: &View<'_>) -> Columns {
    let all = view.views().flat_map(|found| {
        let used = found.bound.values();
        used.map(move |used| (RULES + found.id as i64, *used as i64))
    });
    rows(all)
        .number("classid", |_| OF_REWRITE)
        .number("objid", |(rule, _)| *rule)
        .number("objsubid", |_| 0)
        .number("refclassid", |_| OF_CLASS)
        .number("refobjid", |(_, used)| *used)
        .number("refobjsubid", |_| 0)
        .text("deptype", |_| "n".to_owned())
        .done()
}

/// There are no comments yet.
pub(super) fn descriptions(_: &View<'_>) -> Columns {
    rows::<()>([])
        .number("objoid", |()| 0)
        .number("classoid", |()| 0)
        .number("objsubid", |()| 0)
        .text("description", |()| None)
        .done()
}

/// There are no procedures yet.
pub(super) fn procedures(_: &View<'_>) -> Columns {
    rows::<()>([])
        .number("oid", |()| 0)
        .text("proname", |()| None)
        .number("pronamespace", |()| 0)
        .number("proowner", |()| 0)
        .number("prolang", |()| 0)
        .flag("proisagg", |()| false)
        .flag("proretset", |()| false)
        .number("pronargs", |()| 0)
        .number("prorettype", |()| 0)
        .text("proargtypes", |()| None)
        .text("prosrc", |()| None)
        .done()
}

/// Redshift has no triggers.
pub(super) fn triggers(_: &View<'_>) -> Columns {
    rows::<()>([])
        .number("oid", |()| 0)
        .number("tgrelid", |()| 0)
        .text("tgname", |()| None)
        .number("tgtype", |()| 0)
        .flag("tgenabled", |()| false)
        .flag("tgisconstraint", |()| false)
        .number("tgconstrrelid", |()| 0)
        .done()
}

/// Redshift has no inheritance.
pub(super) fn inheritance(_: &View<'_>) -> Columns {
    rows::<()>([])
        .number("inhrelid", |()| 0)
        .number("inhparent", |()| 0)
        .number("inhseqno", |()| 0)
        .done()
}

/// Columns of views that are bound late.
pub(super) fn late_binding_columns(view: &View<'_>) -> Columns {
    let columns = view.late.iter().flat_map(|(found, columns)| {
        let columns = columns.iter().enumerate();
        columns.map(move |(at, column)| (found, at, column))
    });
    rows(columns)
        .text("view_schema", |(found, ..)| {
            view.catalog.schema_name(found.schema).to_owned()
        })
        .text("view_name", |(found, ..)| found.name.clone())
        .text("col_name", |(.., column)| column.name.clone())
        .text("col_type", |(.., column)| column.data_type.name())
        .number("col_num", |(_, at, _)| *at as i64 + 1)
        .done()
}
