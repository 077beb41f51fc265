//! `CREATE`: tables, also from queries; views; schemas.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SelectItem, UnaryOperator, Value, Visitor,
};

use transom_sql::walk::{visit, visit_expressions};

use super::rows::{Given, assigned, completed, default, write};
use super::{Environment, keys};
use crate::bind::{self, Binder, Resolved};
use crate::catalog::{Catalog, Column, Id, Identity, Key, Object, Schema, Table, View};
use crate::error::{self, Error, Result};
use crate::functions;
use crate::session::Outcome;
use crate::syntax::{
    ColumnDefinition, CreateTable, KeyColumn, KeyDefinition, TableAttributes, check_name,
};
use crate::transaction::Transaction;
use crate::types::{Type, parse};

/// Columns of a table.
const MOST_COLUMNS: usize = 1_600;
/// Columns of a sort key, and of one that is interleaved.
const MOST_SORTED: usize = 400;
const MOST_INTERLEAVED: usize = 8;

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
    let own = create.columns.iter().flat_map(|column| &column.keys);
    let referenced = keys::referenced(own.chain(&create.keys));
    transaction.lock_name(schema, &name).await?;
    keys::lock_referenced(environment, transaction, &referenced).await?;
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
    keys::lock_referenced(environment, transaction, &referenced).await?;
    let mut table = Table {
        id: environment.shared.new_id(),
        schema,
        name,
        columns: Vec::new(),
        keys: Vec::new(),
        distribution: "auto".to_owned(),
        sort_keys: Vec::new(),
        interleaved: false,
        next_column: 1,
        segments: Vec::new(),
        changed: 0,
    };
    check_placement(&create)?;
    let encoded = create.columns.iter();
    let encoded: BTreeSet<String> = encoded
        .filter(|column| column.encoding.is_some())
        .map(|column| column.name.value.clone())
        .collect();
    let mut keys = Vec::new();
    for definition in create.columns {
        keys.extend(add(environment, &catalog, &mut table, definition)?);
    }
    if let Some((other, with_defaults)) = &create.like {
        like(environment, &catalog, &mut table, other, *with_defaults)?;
    }
    keys.extend(create.keys);
    let primary = keys.iter().filter(|key| key.kind == Key::PRIMARY);
    let primary: BTreeSet<&str> = primary
        .flat_map(|key| key.columns.iter().map(|name| name.value.as_str()))
        .collect();
    for column in &mut table.columns {
        column.not_null |= primary.contains(column.name.as_str());
    }
    keys::add(environment, &catalog, &mut table, keys)?;
    for column in &table.columns {
        check_default(environment, &catalog, column).await?;
    }
    let Some(query) = create.query else {
        attributes(&mut table, &create.attributes)?;
        // Without any, Redshift chooses them as it goes.
        if !encoded.is_empty() {
            leave_sorted_raw(&mut table, &encoded);
        }
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
    leave_sorted_raw(&mut table, &encoded);
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

/// Columns of the sort key are not compressed, but for those whose encoding is written.
fn leave_sorted_raw(table: &mut Table, encoded: &BTreeSet<String>) {
    for column in &mut table.columns {
        if table.sort_keys.contains(&column.name) && !encoded.contains(&column.name) {
            "none".clone_into(&mut column.encoding);
        }
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
            binder.constant("DEFAULT", default.clone())?;
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
    if definition.distribution_key || definition.sort_key {
        check_key_type(data_type)?;
    }
    if definition.not_null && definition.nullable {
        return Err(Error::new(&error::CONFLICTING_NULLS, &[&name, &table.name]));
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
    table.interleaved = other.interleaved;
    Ok(())
}

/// An error for a default that is no value of its column's type.
async fn check_default(
    environment: &Environment<'_>,
    catalog: &Catalog,
    column: &Column,
) -> Result<()> {
    let mut binder = Binder::new(catalog, environment.context);
    let Some(value) = default(&mut binder, column)? else {
        return Ok(());
    };
    // A text that is written there is read at once; other values are those of their time.
    if let Expr::Value(literal) = &value
        && let Value::SingleQuotedString(text) = &literal.value
    {
        functions::check_written(&ScalarValue::from(text.as_str()), column.data_type)?;
    }
    let item = SelectItem::ExprWithAlias {
        expr: assigned(value, column),
        alias: bind::ident("value"),
    };
    let query = bind::select(vec![item], Vec::new(), None);
    environment.plan(catalog, query).await?;
    Ok(())
}

/// An error for a type of which no rows are distributed or sorted.
fn check_key_type(data_type: Type) -> Result<()> {
    match data_type {
        Type::Super | Type::Varbyte(_) => {
            let name = data_type.short_name().to_uppercase();
            let what = format!("a {name} column as DISTKEY or SORTKEY");
            Err(Error::new(&error::UNSUPPORTED, &[&what]))
        }
        _ => Ok(()),
    }
}

/// Distribution and sort keys.
pub(super) fn attributes(table: &mut Table, attributes: &TableAttributes) -> Result<()> {
    if let Some(style) = &attributes.distribution {
        table.distribution.clone_from(style);
    }
    if let Some(key) = &attributes.distribution_key {
        let key = key_name(table, key)?;
        for column in &mut table.columns {
            column.distribution_key = column.name == key;
        }
        "key".clone_into(&mut table.distribution);
    }
    if table.distribution != "key" {
        for column in &mut table.columns {
            column.distribution_key = false;
        }
    }
    if let Some(keys) = &attributes.sort_keys {
        let most = match attributes.interleaved {
            true => MOST_INTERLEAVED,
            false => MOST_SORTED,
        };
        if keys.len() > most {
            let what = format!("a SORTKEY of more than {most} columns");
            return Err(Error::new(&error::UNSUPPORTED, &[&what]));
        }
        let mut names = Vec::new();
        for key in keys {
            let name = key_name(table, key)?;
            if names.contains(&name) {
                return Err(Error::new(&error::DUPLICATE_COLUMN, &[&name]));
            }
            names.push(name);
        }
        table.sort_keys = names;
        table.interleaved = attributes.interleaved;
    }
    Ok(())
}

/// The name of a column of a distribution or sort key.
fn key_name(table: &Table, key: &KeyColumn) -> Result<String> {
    let found = match key {
        KeyColumn::Named(name) => table
            .column(name)
            .ok_or_else(|| Error::new(&error::UNDEFINED_COLUMN, &[name])),
        KeyColumn::Placed(place) => place
            .checked_sub(1)
            .and_then(|at| table.columns.get(at))
            .ok_or_else(|| Error::new(&error::UNDEFINED_COLUMN, &[place])),
    };
    let column = found?;
    check_key_type(column.data_type)?;
    Ok(column.name.clone())
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
        let columns = planned.columns()?;
        if new.columns.len() > columns.len() {
            return Err(Error::new(&error::VIEW_NAMES, &[]));
        }
        let mut names = BTreeSet::new();
        for (at, column) in columns.into_iter().enumerate() {
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
