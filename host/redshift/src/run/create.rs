//! `CREATE`: tables, also from queries; views; schemas.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, UnaryOperator, Value, Visitor,
};

use transom_sql::walk::{visit, visit_expressions};

use super::Environment;
use super::rows::{Given, completed, write};
use crate::bind::{self, Binder, Resolved};
use crate::catalog::{Catalog, Column, Id, Identity, Key, Object, Schema, Table, View};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::syntax::{ColumnDefinition, CreateTable, KeyDefinition, TableAttributes, check_name};
use crate::transaction::Transaction;
use crate::types::{Type, parse};

/// Columns of a table.
const MOST_COLUMNS: usize = 1_600;

/// How columns are compressed, beside `raw`.
const ENCODINGS: &[&str] = &[
    "az64",
    "bytedict",
    "delta",
    "delta32k",
    "lzo",
    "mostly8",
    "mostly16",
    "mostly32",
    "runlength",
    "text255",
    "text32k",
    "zstd",
];

/// Names of columns that every table has.
const RESERVED: &[&str] = &[
    "oid",
    "tableoid",
    "xmin",
    "cmin",
    "xmax",
    "cmax",
    "ctid",
    "deletexid",
    "insertxid",
];

pub(super) async fn table(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    create: CreateTable,
) -> Result<Outcome> {
    let preview = transaction.preview();
    let binder = Binder::new(&preview, environment.context);
    let (schema, name) = binder.new_name(&create.name, create.temporary)?;
    transaction.lock_name(schema, &name).await?;
    let catalog = transaction.catalog().clone();
    if catalog.find(schema, &name).is_some() {
        return match create.if_not_exists {
            true => Ok(Outcome {
                notices: vec![format!(
                    "Relation \"{name}\" already exists and will be skipped"
                )],
                ..Outcome::tagged("CREATE TABLE")
            }),
            false => Err(Error::new(&error::DUPLICATE_TABLE, &[&name])),
        };
    }
    let mut table = Table {
        id: environment.shared.new_id(),
        schema,
        name,
        columns: Vec::new(),
        keys: Vec::new(),
        distribution: "auto".to_owned(),
        sort_keys: Vec::new(),
        next_column: 1,
        segments: Vec::new(),
        changed: 0,
    };
    check_placement(&create)?;
    let mut keys = Vec::new();
    for definition in create.columns {
        keys.extend(add(environment, &catalog, &mut table, definition)?);
    }
    if let Some((other, with_defaults)) = &create.like {
        like(environment, &catalog, &mut table, other, *with_defaults)?;
    }
    keys.extend(create.keys);
    add_keys(environment, &catalog, &mut table, keys)?;
    let Some(query) = create.query else {
        attributes(&mut table, &create.attributes)?;
        transaction.put(Object::Table(Arc::new(table)))?;
        return Ok(Outcome::tagged("CREATE TABLE"));
    };
    let mut binder = Binder::new(&catalog, environment.context);
    let bound = binder.statement(*query)?;
    transaction.has_read(binder.tables);
    let planned = environment.plan(&catalog, bound).await?;
    let columns = planned.columns()?;
    if !create.names.is_empty() && create.names.len() != columns.len() {
        return Err(Error::new(&error::TOO_FEW_EXPRESSIONS, &[])
            .hint("CREATE TABLE AS lists other columns than its query has"));
    }
    for (at, column) in columns.iter().enumerate() {
        let name = match create.names.get(at) {
            Some(name) => name.value.clone(),
            None => column.name.clone(),
        };
        let data_type = match column.data_type {
            Type::Unknown => Type::Varchar(256),
            Type::Interval => return Err(Error::not_yet("columns of intervals")),
            other => other,
        };
        push(&mut table, name, data_type)?;
    }
    attributes(&mut table, &create.attributes)?;
    let given = Given::new(&table, &[])?;
    let query = completed(environment, &catalog, &table, &given, planned).await?;
    let streams = bind::streams(query).await?;
    let written = write(environment, &table, streams, false).await?;
    table.segments = written.segments;
    transaction.put(Object::Table(Arc::new(table)))?;
    Ok(Outcome {
        tag: "SELECT".to_owned(),
        affected: Some(written.rows),
        ..Outcome::default()
    })
}

/// A table has one distribution and one sort key, whether its columns or its attributes say them.
fn check_placement(create: &CreateTable) -> Result<()> {
    let refused = |what: &str| Err(Error::new(&error::UNSUPPORTED, &[&what]));
    let attributes = &create.attributes;
    let columns = || create.columns.iter();
    let distribution_keys = columns().filter(|column| column.distribution_key).count();
    if distribution_keys > 1 {
        return refused("a second DISTKEY");
    }
    let has_key = attributes.distribution_key.is_some();
    let style = attributes.distribution.as_deref();
    match (style, distribution_keys == 1, has_key) {
        (_, true, true) => return refused("a second distribution"),
        (Some("key"), false, false) => return refused("DISTSTYLE KEY without DISTKEY"),
        (None | Some("key"), _, _) | (_, false, false) => {}
        _ => return refused("a second distribution"),
    }
    let sort_keys = columns().filter(|column| column.sort_key).count();
    match sort_keys + usize::from(attributes.sort_keys.is_some()) {
        0 | 1 => Ok(()),
        _ => refused("a second SORTKEY"),
    }
}

/// Adds a column without anything but its type.
fn push(table: &mut Table, name: String, data_type: Type) -> Result<&mut Column> {
    if RESERVED.contains(&name.as_str()) {
        return Err(Error::new(&error::RESERVED_COLUMN, &[&name]));
    }
    if table.column(&name).is_some() {
        return Err(Error::new(&error::DUPLICATE_COLUMN, &[&name]));
    }
    if table.columns.len() == MOST_COLUMNS {
        return Err(Error::new(&error::TOO_MANY_COLUMNS, &[]));
    }
    let column = Column {
        id: table.next_column,
        name,
        data_type,
        not_null: false,
        default: None,
        before: None,
        identity: None,
        encoding: encoding(data_type).to_owned(),
        distribution_key: false,
    };
    table.next_column += 1;
    table.columns.push(column);
    let last = table.columns.len() - 1;
    Ok(&mut table.columns[last])
}

/// The encoding that Redshift chooses.
fn encoding(data_type: Type) -> &'static str {
    match data_type {
        Type::Bool | Type::Float4 | Type::Float8 => "none",
        Type::Char(_) | Type::Varchar(_) | Type::Varbyte(_) => "lzo",
        Type::Super => "zstd",
        _ => "az64",
    }
}

/// Adds a column as a definition has it; its keys are left.
pub(super) fn add(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &mut Table,
    definition: ColumnDefinition,
) -> Result<Vec<KeyDefinition>> {
    let name = definition.name.value;
    let data_type = parse::sql(&definition.data_type, Some(&name))?;
    let default = match definition.default {
        Some(default) => {
            let mut binder = Binder::new(catalog, environment.context);
            binder.constant(default.clone())?;
            if has_columns(&default) {
                return Err(Error::new(&error::UNSUPPORTED, &[&"a column in a default"]));
            }
            Some(written(&default)?)
        }
        None => None,
    };
    let identity = match definition.identity {
        Some(identity) => {
            if !matches!(data_type, Type::Int4 | Type::Int8) || identity.step == 0 {
                return Err(Error::new(&error::UNSUPPORTED, &[&"IDENTITY of this type"])
                    .hint("IDENTITY columns are INT or BIGINT"));
            }
            if table.columns.iter().any(|column| column.identity.is_some()) {
                return Err(Error::new(
                    &error::UNSUPPORTED,
                    &[&"a second IDENTITY column"],
                ));
            }
            Some(Identity {
                seed: identity.seed,
                step: identity.step,
                by_default: identity.by_default,
            })
        }
        None => None,
    };
    let is_super = data_type == Type::Super;
    if is_super && (definition.distribution_key || definition.sort_key) {
        return Err(Error::new(
            &error::UNSUPPORTED,
            &[&"a SUPER column as DISTKEY or SORTKEY"],
        ));
    }
    let column = push(table, name.clone(), data_type)?;
    column.not_null = definition.not_null || identity.is_some();
    column.default = default;
    column.identity = identity;
    column.distribution_key = definition.distribution_key;
    if let Some(encoding) = definition.encoding {
        column.encoding = known_encoding(&name, data_type, encoding)?;
    }
    if definition.distribution_key {
        "key".clone_into(&mut table.distribution);
    }
    if definition.sort_key {
        table.sort_keys.push(name.clone());
    }
    Ok(definition.keys)
}

/// Adds keys to a table whose columns are all there.
pub(super) fn add_keys(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &mut Table,
    keys: Vec<KeyDefinition>,
) -> Result<()> {
    let mut references = Vec::new();
    for definition in keys {
        let columns: Vec<String> = texts(definition.columns);
        for name in &columns {
            let column = table.columns.iter_mut().find(|column| column.name == *name);
            let column = column.ok_or_else(|| Error::new(&error::UNDEFINED_COLUMN, &[name]))?;
            column.not_null |= definition.kind == PRIMARY;
        }
        if let Some((other, named)) = definition.references {
            references.push((columns.len(), other, texts(named)));
        }
        table.keys.push(Key {
            kind: definition.kind.to_owned(),
            columns,
        });
    }
    let primary = table.keys.iter().filter(|key| key.kind == PRIMARY);
    if primary.count() > 1 {
        return Err(Error::new(&error::SECOND_KEY, &[&table.name]));
    }
    // A table may refer to itself.
    let mut catalog = catalog.clone();
    catalog.put(Object::Table(Arc::new(table.clone())));
    for (count, other, named) in references {
        let other = Binder::new(&catalog, environment.context).target(&other)?;
        check_reference(count, &other, named)?;
    }
    Ok(())
}

const PRIMARY: &str = "PRIMARY KEY";

fn texts(names: Vec<Ident>) -> Vec<String> {
    names.into_iter().map(|name| name.value).collect()
}

/// A foreign key of so many columns refers to a key of another table.
fn check_reference(count: usize, other: &Table, named: Vec<String>) -> Result<()> {
    if let Some(name) = named.iter().find(|name| other.column(name).is_none()) {
        return Err(Error::new(&error::UNDEFINED_REFERENCE, &[name]));
    }
    let is_named = !named.is_empty();
    let primary = other.keys.iter().find(|key| key.kind == PRIMARY);
    let mut wanted = match primary {
        Some(key) if !is_named => key.columns.clone(),
        None if !is_named => return Err(Error::new(&error::NO_PRIMARY_KEY, &[&other.name])),
        _ => named,
    };
    if wanted.len() != count {
        return Err(Error::new(&error::REFERENCE_COUNT, &[]));
    }
    wanted.sort_unstable();
    let is_key = other.keys.iter().any(|key| {
        let mut columns = key.columns.clone();
        columns.sort_unstable();
        key.kind != "FOREIGN KEY" && columns == wanted
    });
    match is_key {
        true => Ok(()),
        false => Err(Error::new(&error::NO_REFERENCED_KEY, &[&other.name])),
    }
}

/// An encoding of a column as catalogs show it.
pub(super) fn known_encoding(column: &str, data_type: Type, encoding: String) -> Result<String> {
    match encoding.as_str() {
        "raw" => Ok("none".to_owned()),
        encoding if ENCODINGS.contains(&encoding) && fits(encoding, data_type) => {
            Ok(encoding.to_owned())
        }
        _ => Err(Error::new(&error::INVALID_ENCODING, &[&column])),
    }
}

/// Whether a type can have an encoding, by the table that Amazon documents. That is older than some types, such as TIME and SUPER: they go
/// with what it does not say to be for certain types alone.
fn fits(encoding: &str, data_type: Type) -> bool {
    let is_moment = data_type.is_moment() || data_type == Type::Time;
    let is_float = matches!(data_type, Type::Float4 | Type::Float8);
    match encoding {
        "az64" => data_type.is_exact() || is_moment,
        "delta" => (data_type.is_exact() || is_moment) && data_type != Type::TimestampTz,
        // A difference of two bytes is no shorter than the value.
        "delta32k" => fits("delta", data_type) && data_type != Type::Int2,
        "bytedict" => data_type != Type::Bool,
        "lzo" => data_type != Type::Bool && !is_float,
        "text255" | "text32k" => matches!(data_type, Type::Varchar(_)),
        "mostly8" => data_type.is_exact(),
        // Only for types that are wider than what is stored.
        "mostly16" => data_type.is_exact() && data_type != Type::Int2,
        "mostly32" => matches!(data_type, Type::Int8 | Type::Numeric(..)),
        _ => true,
    }
}

fn has_columns(expr: &Expr) -> bool {
    use std::ops::ControlFlow;
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Identifier(word)
            if !["sysdate", "current_user", "user"].contains(&word.value.as_str()) =>
        {
            ControlFlow::Break(())
        }
        Expr::CompoundIdentifier(_) | Expr::Subquery(_) | Expr::Exists { .. } => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// An expression as text that parses to it again.
fn written(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => {
                let text = text.replace('\\', "\\\\").replace('\'', "''");
                return Ok(format!("'{text}'"));
            }
            other => return Ok(other.to_string()),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => return Ok(format!("-{}", written(expr)?)),
        _ => {}
    }
    let text = expr.to_string();
    match text.contains('\\') {
        true => Err(Error::not_yet(
            "a backslash within an expression that is a default",
        )),
        false => Ok(text),
    }
}

fn like(
    environment: &Environment<'_>,
    catalog: &Catalog,
    table: &mut Table,
    other: &ObjectName,
    with_defaults: bool,
) -> Result<()> {
    let other = Binder::new(catalog, environment.context).target(other)?;
    for column in &other.columns {
        let copy = push(table, column.name.clone(), column.data_type)?;
        copy.not_null = column.not_null;
        copy.encoding.clone_from(&column.encoding);
        copy.distribution_key = column.distribution_key;
        if with_defaults {
            copy.default.clone_from(&column.default);
        }
    }
    table.distribution.clone_from(&other.distribution);
    table.sort_keys.clone_from(&other.sort_keys);
    Ok(())
}

/// Distribution and sort keys.
pub(super) fn attributes(table: &mut Table, attributes: &TableAttributes) -> Result<()> {
    let known = |table: &Table, name: &String| match table.column(name) {
        Some(column) if column.data_type == Type::Super => Err(Error::new(
            &error::UNSUPPORTED,
            &[&"a SUPER column as DISTKEY or SORTKEY"],
        )),
        Some(_) => Ok(()),
        None => Err(Error::new(&error::UNDEFINED_COLUMN, &[name])),
    };
    if let Some(style) = &attributes.distribution {
        table.distribution.clone_from(style);
    }
    if let Some(key) = &attributes.distribution_key {
        known(table, key)?;
        for column in &mut table.columns {
            column.distribution_key = column.name == *key;
        }
        "key".clone_into(&mut table.distribution);
    }
    if table.distribution != "key" {
        for column in &mut table.columns {
            column.distribution_key = false;
        }
    }
    if let Some(keys) = &attributes.sort_keys {
        for key in keys {
            known(table, key)?;
        }
        table.sort_keys.clone_from(keys);
    }
    Ok(())
}

/// `CREATE VIEW`
pub(super) struct NewView {
    pub(super) name: ObjectName,
    pub(super) columns: Vec<Ident>,
    pub(super) or_replace: bool,
    pub(super) late_binding: bool,
    pub(super) query: Box<Query>,
    pub(super) text: String,
}

pub(super) async fn view(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    new: NewView,
) -> Result<Outcome> {
    let preview = transaction.preview();
    let binder = Binder::new(&preview, environment.context);
    let (schema, name) = binder.new_name(&new.name, false)?;
    transaction.lock_name(schema, &name).await?;
    let catalog = transaction.catalog().clone();
    let existing = match catalog.find(schema, &name) {
        None => None,
        Some(Object::View(view)) if new.or_replace => Some(Arc::clone(view)),
        Some(_) if new.or_replace => return Err(Error::new(&error::NOT_A_VIEW, &[&name])),
        Some(_) => return Err(Error::new(&error::DUPLICATE_TABLE, &[&name])),
    };
    let mut view = View {
        id: existing
            .as_ref()
            .map_or_else(|| environment.shared.new_id(), |view| view.id),
        schema,
        name,
        columns: Vec::new(),
        query: new.text,
        bound: Default::default(),
        bound_columns: Default::default(),
        late_binding: new.late_binding,
        search_path: environment
            .context
            .path
            .iter()
            .map(|schema| catalog.schema_name(*schema).to_owned())
            .collect(),
    };
    new.columns.iter().try_for_each(check_name)?;
    // What is bound late need not be there yet.
    if new.late_binding {
        check_qualified(&new.query)?;
    } else {
        let mut binder = Binder::new(&catalog, environment.context);
        let bound = binder.statement(*new.query)?;
        view.bound = std::mem::take(&mut binder.used);
        for id in view.bound.values() {
            if let Some(Object::Table(table)) = catalog.get(*id) {
                let columns = table.columns.iter();
                let columns = columns.map(|column| (column.id, column.name.clone()));
                view.bound_columns.push((*id, columns.collect()));
            }
        }
        let temporary = view.bound.values().any(|id| {
            let object = catalog.get(*id);
            object.is_some_and(|object| object.key().0 == environment.context.temporary)
        });
        if temporary {
            return Err(Error::not_yet("views of temporary tables"));
        }
        let planned = environment.plan(&catalog, bound).await?;
        let mut names = BTreeSet::new();
        for (at, column) in planned.columns()?.into_iter().enumerate() {
            let name = new
                .columns
                .get(at)
                .map_or(column.name, |name| name.value.clone());
            if !names.insert(name.clone()) {
                return Err(Error::new(&error::DUPLICATE_COLUMN, &[&name]));
            }
            view.columns.push((name, column.data_type));
        }
        if let Some(existing) = existing.filter(|existing| !existing.late_binding) {
            check_columns(&existing.columns, &view.columns)?;
        }
    }
    transaction.put(Object::View(Arc::new(view)))?;
    Ok(Outcome::tagged("CREATE VIEW"))
}

/// A view is replaced by one with the same columns.
fn check_columns(old: &[(String, Type)], new: &[(String, Type)]) -> Result<()> {
    let changed = |what: &dyn std::fmt::Display| Err(Error::new(&error::VIEW_COLUMNS, &[what]));
    if old.len() != new.len() {
        return changed(&"number of columns in view");
    }
    for ((old_name, old_type), (new_name, new_type)) in old.iter().zip(new) {
        if old_name != new_name {
            return changed(&format_args!("name of view column \"{old_name}\""));
        }
        if old_type != new_type {
            return changed(&format_args!("data type of view column \"{old_name}\""));
        }
    }
    Ok(())
}

/// All tables of a view that is bound late have their schema before their name.
fn check_qualified(query: &Query) -> Result<()> {
    struct Names {
        of_with: BTreeSet<String>,
        bare: BTreeSet<String>,
    }
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            let names = tables.map(|table| table.alias.name.value.clone());
            self.of_with.extend(names);
            ControlFlow::Continue(())
        }

        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            if let [name] = bind::plain_name(name).as_slice() {
                self.bare.insert(name.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names {
        of_with: BTreeSet::new(),
        bare: BTreeSet::new(),
    };
    let _ = visit(query, &mut names);
    match names.bare.is_subset(&names.of_with) {
        true => Ok(()),
        false => Err(Error::new(&error::LATE_NAMES, &[])),
    }
}

pub(super) async fn schema(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    name: &str,
    if_not_exists: bool,
) -> Result<Outcome> {
    transaction.lock_name(0, name).await?;
    let is_there = super::system::is_schema(name) || transaction.catalog().schema(name).is_some();
    match (is_there, if_not_exists) {
        (true, true) => return Ok(Outcome::tagged("CREATE SCHEMA")),
        (true, false) => return Err(Error::new(&error::DUPLICATE_SCHEMA, &[&name])),
        _ => {}
    }
    let schema = Schema {
        id: environment.shared.new_id(),
        name: name.to_owned(),
    };
    transaction.put(Object::Schema(Arc::new(schema)))?;
    Ok(Outcome::tagged("CREATE SCHEMA"))
}

/// Views that were bound to an object, and what was bound to those.
pub(super) fn dependents(catalog: &Catalog, id: Id) -> Vec<Id> {
    let mut all = vec![id];
    let mut at = 0;
    while let Some(id) = all.get(at).copied() {
        for object in catalog.objects() {
            if let Object::View(view) = object
                && view.bound.values().any(|bound| *bound == id)
                && !all.contains(&view.id)
            {
                all.push(view.id);
            }
        }
        at += 1;
    }
    all.split_off(1)
}

/// The object of a name, for statements that take tables and views.
pub(super) fn existing(
    environment: &Environment<'_>,
    catalog: &Catalog,
    name: &ObjectName,
) -> Result<Object> {
    match Binder::new(catalog, environment.context).resolve(name)? {
        Resolved::Object(object) => Ok(object),
        Resolved::System(name) => {
            let schema = name.split('.').next().unwrap_or_default().to_owned();
            Err(Error::new(&error::RESERVED_SCHEMA, &[&schema]))
        }
    }
}
