//! Tables of the system: the catalog, and what statements did, as rows.
//!
//! Each table is a function from a [`View`] to its columns. What PostgreSQL counts by OID, they count by the numbers of
//! the catalog.

mod pg;
mod svv;
mod sys;
mod to_come;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use crate::catalog::{Catalog, Object, Table, View as SqlView};
use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::history::Statements;
use crate::load::LoadError;
use crate::types::{Column, Type};

pub(crate) use to_come::is_to_come;

/// The user who owns everything.
pub(crate) const OWNER: &str = "transom";
pub(crate) const OWNER_ID: i64 = 100;

/// Whether a schema is the system's, which only it writes to.
pub(crate) fn is_schema(name: &str) -> bool {
    matches!(name, "pg_catalog" | "information_schema" | "pg_internal")
}

/// What tables of the system show.
pub(crate) struct View<'a> {
    catalog: &'a Catalog,
    database: &'a str,
    load_errors: &'a [LoadError],
    ran: Option<&'a Statements>,
    /// Views that are bound late, with the columns that they have now.
    late: &'a [(Arc<SqlView>, Vec<Column>)],
}

/// A schema, a name, and what makes the rows.
type Known = (&'static str, &'static str, fn(&View<'_>) -> Columns);

const TABLES: &[Known] = &[
    ("information_schema", "columns", svv::columns),
    ("information_schema", "schemata", svv::schemata),
    ("information_schema", "table_constraints", svv::constraints),
    ("information_schema", "tables", svv::tables),
    ("information_schema", "views", svv::views),
    ("pg_catalog", "pg_attrdef", pg::defaults),
    ("pg_catalog", "pg_attribute", pg::attributes),
    ("pg_catalog", "pg_class", pg::classes),
    ("pg_catalog", "pg_constraint", pg::constraints),
    ("pg_catalog", "pg_database", pg::databases),
    ("pg_catalog", "pg_depend", pg::dependencies),
    ("pg_catalog", "pg_description", pg::descriptions),
    // A function of the name, without arguments, is this table.
    (
        "pg_catalog",
        "pg_get_late_binding_view_cols",
        pg::late_binding_columns,
    ),
    ("pg_catalog", "pg_index", pg::indexes),
    ("pg_catalog", "pg_indexes", pg::index_definitions),
    ("pg_catalog", "pg_inherits", pg::inheritance),
    ("pg_catalog", "pg_namespace", pg::namespaces),
    ("pg_catalog", "pg_proc", pg::procedures),
    ("pg_catalog", "pg_rewrite", pg::rules),
    ("pg_catalog", "pg_table_def", svv::table_def),
    ("pg_catalog", "pg_tables", pg::tables),
    ("pg_catalog", "pg_trigger", pg::triggers),
    ("pg_catalog", "pg_type", pg::types),
    ("pg_catalog", "pg_user", pg::users),
    ("pg_catalog", "pg_views", pg::views),
    ("pg_catalog", "svv_all_columns", svv::all_columns),
    ("pg_catalog", "svv_all_schemas", svv::all_schemas),
    ("pg_catalog", "svv_all_tables", svv::all_tables),
    ("pg_catalog", "svv_columns", svv::columns),
    ("pg_catalog", "svv_external_columns", svv::external_columns),
    ("pg_catalog", "svv_external_schemas", svv::external_schemas),
    ("pg_catalog", "svv_external_tables", svv::external_tables),
    ("pg_catalog", "svv_redshift_columns", svv::all_columns),
    ("pg_catalog", "svv_redshift_databases", svv::databases),
    ("pg_catalog", "svv_redshift_schemas", svv::all_schemas),
    ("pg_catalog", "svv_redshift_tables", svv::all_tables),
    ("pg_catalog", "svv_table_info", svv::table_info),
    ("pg_catalog", "svv_tables", svv::tables),
    ("pg_catalog", "sys_load_error_detail", sys::load_errors),
    ("pg_catalog", "sys_query_history", sys::queries),
];

fn find(schema: &str, name: &str) -> Option<&'static Known> {
    let mut tables = TABLES.iter();
    tables.find(|known| (known.0, known.1) == (schema, name))
}

/// Whether there is such a table.
pub(crate) fn has(schema: &str, name: &str) -> bool {
    find(schema, name).is_some()
}

/// The names of a table's columns; the table is called by its schema and its name.
pub(crate) fn columns(name: &str) -> Vec<&'static str> {
    let known = name
        .split_once('.')
        .and_then(|(schema, name)| find(schema, name));
    let Some((_, _, rows)) = known else {
        return Vec::new();
    };
    rows(&View::of(&Catalog::default()))
        .0
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// A table of the system over a version of the catalog.
pub(crate) fn table(
    name: &str,
    catalog: &Catalog,
    shared: &Shared,
    late: &[(Arc<SqlView>, Vec<Column>)],
) -> Result<Arc<dyn TableProvider>> {
    let known = name
        .split_once('.')
        .and_then(|(schema, name)| find(schema, name));
    let Some((_, _, rows)) = known else {
        return Err(Error::not_yet(format_args!("the table {name}")));
    };
    let columns = {
        let load_errors = shared.load_errors.lock();
        rows(&View {
            catalog,
            database: &shared.database,
            load_errors: &load_errors,
            ran: Some(&shared.ran),
            late,
        })
    };
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = columns
        .0
        .into_iter()
        .map(|(name, values)| values.into_array(name))
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(Error::internal)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// The values of a column.
enum Values {
    Text(Vec<Option<String>>),
    Number(Vec<Option<i64>>),
    Flag(Vec<bool>),
    Moment(Vec<i64>),
}

impl Values {
    fn into_array(self, name: &str) -> (arrow::datatypes::FieldRef, ArrayRef) {
        match self {
            Self::Text(values) => {
                // Names, and texts of statements.
                let longest = values.iter().flatten().map(String::len).max();
                let length = u32::try_from(longest.unwrap_or(0))
                    .unwrap_or(u32::MAX)
                    .max(256);
                let data_type = Type::Varchar(length.min(crate::types::MAX_VARCHAR));
                (data_type.field(name), Arc::new(StringArray::from(values)))
            }
            Self::Number(values) => (Type::Int8.field(name), Arc::new(Int64Array::from(values))),
            Self::Moment(values) => (
                Type::Timestamp.field(name),
                Arc::new(TimestampMicrosecondArray::from(values)),
            ),
            Self::Flag(values) => (Type::Bool.field(name), Arc::new(BooleanArray::from(values))),
        }
    }
}

/// Columns of a table, in their order.
struct Columns(Vec<(&'static str, Values)>);

/// Columns that are made from rows of anything.
struct Rows<T> {
    rows: Vec<T>,
    columns: Columns,
}

fn rows<T>(rows: impl IntoIterator<Item = T>) -> Rows<T> {
    Rows {
        rows: rows.into_iter().collect(),
        columns: Columns(Vec::new()),
    }
}

impl<T> Rows<T> {
    fn with(mut self, name: &'static str, values: Values) -> Self {
        self.columns.0.push((name, values));
        self
    }

    fn text<V: Into<Option<String>>>(self, name: &'static str, value: impl Fn(&T) -> V) -> Self {
        let values = self.rows.iter().map(|row| value(row).into()).collect();
        self.with(name, Values::Text(values))
    }

    fn number<V: Into<Option<i64>>>(self, name: &'static str, value: impl Fn(&T) -> V) -> Self {
        let values = self.rows.iter().map(|row| value(row).into()).collect();
        self.with(name, Values::Number(values))
    }

    fn flag(self, name: &'static str, value: impl Fn(&T) -> bool) -> Self {
        let values = self.rows.iter().map(value).collect();
        self.with(name, Values::Flag(values))
    }

    fn moment(self, name: &'static str, value: impl Fn(&T) -> i64) -> Self {
        let values = self.rows.iter().map(value).collect();
        self.with(name, Values::Moment(values))
    }

    fn done(self) -> Columns {
        self.columns
    }
}

impl<'a> View<'a> {
    /// Tables and views.
    fn relations(&self) -> impl Iterator<Item = &'a Object> {
        let objects = self.catalog.objects();
        objects.filter(|object| !matches!(object, Object::Schema(_)))
    }

    fn tables(&self) -> impl Iterator<Item = &'a Arc<Table>> {
        self.catalog.objects().filter_map(|object| match object {
            Object::Table(table) => Some(table),
            _ => None,
        })
    }

    fn views(&self) -> impl Iterator<Item = &'a Arc<SqlView>> {
        self.catalog.objects().filter_map(|object| match object {
            Object::View(view) => Some(view),
            _ => None,
        })
    }

    /// Numbers and names of schemas, those of the system among them.
    fn schemas(&self) -> Vec<(i64, String)> {
        let own = self.catalog.objects().filter_map(|object| match object {
            Object::Schema(schema) => Some((schema.id as i64, schema.name.clone())),
            _ => None,
        });
        let system = [(11, "pg_catalog"), (12, "information_schema")];
        own.chain(system.map(|(id, name)| (id, name.to_owned())))
            .collect()
    }

    fn schema_of(&self, object: &Object) -> String {
        self.catalog.schema_name(object.key().0).to_owned()
    }
}

/// A column of a table or a view.
struct Described {
    relation: i64,
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

fn described(view: &View<'_>) -> Vec<Described> {
    let mut all = Vec::new();
    for object in view.relations() {
        let schema = view.schema_of(object);
        let plain = |place: usize, name: &str, data_type: Type| Described {
            relation: object.id() as i64,
            schema: schema.clone(),
            table: object.key().1.to_owned(),
            name: name.to_owned(),
            place: place + 1,
            data_type,
            not_null: false,
            default: None,
            encoding: "none".to_owned(),
            is_distribution_key: false,
            sort_key: 0,
        };
        match object {
            Object::Table(found) => {
                for (at, column) in found.columns.iter().enumerate() {
                    let sorted = found.sort_keys.iter().position(|key| *key == column.name);
                    all.push(Described {
                        not_null: column.not_null,
                        default: match column.identity {
                            Some(identity) => Some(format!(
                                "\"{}\"({}, 0, '{},{}'::text)",
                                match identity.by_default {
                                    true => "default_identity",
                                    false => "identity",
                                },
                                found.id,
                                identity.seed,
                                identity.step
                            )),
                            None => column.default.clone(),
                        },
                        encoding: column.encoding.clone(),
                        is_distribution_key: column.distribution_key,
                        sort_key: sorted.map_or(0, |at| at as i64 + 1),
                        ..plain(at, &column.name, column.data_type)
                    });
                }
            }
            Object::View(found) => {
                for (at, (name, data_type)) in found.columns.iter().enumerate() {
                    all.push(plain(at, name, *data_type));
                }
            }
            Object::Schema(_) => {}
        }
    }
    all
}

/// The query of a view.
fn definition(view: &SqlView) -> String {
    let query = crate::syntax::view_query(&view.query);
    query.map_or_else(|_| view.query.clone(), |query| format!("{query};"))
}

impl<'a> View<'a> {
    /// The catalog alone.
    fn of(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            database: "",
            load_errors: &[],
            ran: None,
            late: &[],
        }
    }
}

/// Numbers of views, and their queries.
pub(crate) fn view_definitions(catalog: &Catalog) -> Vec<(i64, String)> {
    let view = View::of(catalog);
    let views = view
        .views()
        .map(|found| (found.id as i64, definition(found)));
    views.collect()
}

/// Numbers of indexes, and the statements that would create them.
pub(crate) fn index_definitions(catalog: &Catalog) -> Vec<(i64, String)> {
    pg::definitions(&View::of(catalog))
}
