//! `MERGE`: one query for rows that match, one for those that do not, both of the state before.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, Merge, MergeAction,
    MergeClause, MergeClauseKind, MergeInsertKind, ObjectName, Query, SelectItem, TableAlias,
    TableFactor, TableWithJoins, Value,
};
use parking_lot::Mutex;

use transom_sql::walk::{visit_expressions, visit_expressions_mut};

use super::rows::{Again, Given, Marked, assigned, completed, marked, without, write};
use super::update::{new_row, qualified};
use super::{Environment, locked};
use crate::bind::{self, Binder, Resolved};
use crate::catalog::{Catalog, Id, Object, Table};
use crate::error::{self, Error, Result};
use crate::session::Outcome;
use crate::store::{ROW, Written};
use crate::transaction::Transaction;

/// `MERGE .. REMOVE DUPLICATES`
pub(super) struct Duplicates {
    pub(super) target: ObjectName,
    pub(super) source: ObjectName,
    pub(super) alias: Option<Ident>,
    pub(super) on: Expr,
}

fn clauses_refused() -> Error {
    Error::new(&error::MERGE_CLAUSES, &[])
}

/// A table of a MERGE, and what its expressions call it.
struct Side {
    id: Id,
    /// Its schema; none if it has an alias.
    schema: Option<String>,
    name: String,
    /// Its name in queries, which no other table has.
    shown: String,
}

/// The two tables of a MERGE.
struct Tables {
    database: String,
    target: Side,
    source: Side,
    relation: TableFactor,
}

async fn tables(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    target: &ObjectName,
    source: &ObjectName,
    alias: Option<TableAlias>,
) -> Result<Tables> {
    let id = locked(environment, transaction, target, false).await?;
    let catalog = transaction.catalog().clone();
    let binder = Binder::new(&catalog, environment.context);
    let from = match binder.resolve(source)? {
        Resolved::Object(Object::Table(table)) if table.id != id => table,
        _ => return Err(Error::new(&error::MERGE_SOURCE, &[])),
    };
    let side = |table: &Table| Side {
        id: table.id,
        schema: Some(catalog.schema_name(table.schema).to_owned()),
        name: table.name.clone(),
        shown: table.name.clone(),
    };
    let target = side(catalog.table(id)?);
    let mut source_side = side(&from);
    if let Some(alias) = &alias {
        let name = &alias.name.value;
        if *name == target.name {
            return Err(Error::new(&error::DUPLICATE_ALIAS, &[name]));
        }
        source_side.schema = None;
        source_side.name.clone_from(name);
        source_side.shown.clone_from(name);
    } else if let (true, Some(schema)) = (source_side.name == target.name, &source_side.schema) {
        source_side.shown = format!("{schema}.{}", source_side.name);
    }
    let alias = alias.unwrap_or_else(|| named(&source_side.shown));
    Ok(Tables {
        database: environment.context.database.clone(),
        target,
        relation: bind::table(source.clone(), Some(alias)),
        source: source_side,
    })
}

fn named(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: bind::ident(name),
        columns: Vec::new(),
        at: None,
    }
}

impl Tables {
    /// An expression in which each column stands behind the name that queries have for its table, as `table.column`.
    fn named(&self, catalog: &Catalog, mut expr: Expr) -> Result<Expr> {
        // A subquery has names of its own.
        let has_query = has_query(&expr);
        let sides = [&self.target, &self.source];
        let tables = [
            catalog.table(self.target.id)?,
            catalog.table(self.source.id)?,
        ];
        let is_column = |name: &Ident| {
            let mut tables = tables.iter();
            tables.any(|table| table.column(&name.value).is_some())
        };
        let renamed = visit_expressions_mut(&mut expr, |expr| {
            let Expr::CompoundIdentifier(parts) = expr else {
                return ControlFlow::Continue(());
            };
            let unknown = || {
                let parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
                Error::new(&error::UNDEFINED_COLUMN, &[&parts.join(".")])
            };
            let places: Vec<(usize, usize)> = (0..sides.len())
                .filter_map(|side| {
                    Some((side, sides[side].length(&self.database, parts.as_slice())?))
                })
                .collect();
            // What has a schema before it is no path into a column.
            let longest = places.iter().map(|(_, length)| *length).max();
            let mut found = places.iter().filter(|(_, length)| Some(*length) == longest);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) if !has_query => {
                    let error = Error::new(
                        &error::AMBIGUOUS_COLUMN,
                        &[&Expr::CompoundIdentifier(parts.clone())],
                    );
                    ControlFlow::Break(error.hint("write the schema of the table before it"))
                }
                (Some((side, length)), None)
                    if tables[*side].column(&parts[*length].value).is_some() =>
                {
                    parts.drain(..*length - 1);
                    parts[0].value.clone_from(&sides[*side].shown);
                    ControlFlow::Continue(())
                }
                // A path into a column, for which MERGE has an error of its own.
                (None, _) if is_column(&parts[0]) => ControlFlow::Continue(()),
                _ if has_query => ControlFlow::Continue(()),
                (None, _) => {
                    let table = parts.iter().rev().nth(1);
                    let table = table.map_or("", |table| table.value.as_str());
                    ControlFlow::Break(Error::new(&error::MISSING_FROM, &[&table]))
                }
                _ => ControlFlow::Break(unknown()),
            }
        });
        match renamed {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(expr),
        }
    }

    /// An error for a condition in which no column of one table is equal to one of the other. What else it asks for is free: dbt adds
    /// conditions on the target.
    fn check(&self, catalog: &Catalog, on: &Expr) -> Result<()> {
        self.check_whole(catalog, on)?;
        match self.has_equality(catalog.table(self.target.id)?, on) {
            true => Ok(()),
            false => Err(Error::new(&error::MERGE_CONDITION, &[])),
        }
    }

    fn has_equality(&self, target: &Table, on: &Expr) -> bool {
        match on {
            Expr::Nested(inner) => self.has_equality(target, inner),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => self.has_equality(target, left) || self.has_equality(target, right),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                let sides = (self.sides(target, left), self.sides(target, right));
                matches!(
                    sides,
                    ((true, false), (false, true)) | ((false, true), (true, false))
                )
            }
            _ => false,
        }
    }

    /// An error for an expression that takes parts of SUPER values.
    fn check_whole(&self, catalog: &Catalog, expr: &Expr) -> Result<()> {
        let target = catalog.table(self.target.id)?;
        let source = catalog.table(self.source.id)?;
        let is_table =
            |name: &Ident| name.value == self.target.shown || name.value == self.source.shown;
        let is_column = |name: &Ident| {
            target.column(&name.value).is_some() || source.column(&name.value).is_some()
        };
        let is_partial = finds(expr, |expr| match expr {
            Expr::CompoundFieldAccess { .. } | Expr::JsonAccess { .. } => true,
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, ..] if is_table(table) => parts.len() > 2,
                [column, ..] => is_column(column),
                [] => false,
            },
            _ => false,
        });
        match is_partial {
            true => Err(Error::new(&error::MERGE_PARTIAL, &[])),
            false => Ok(()),
        }
    }

    /// An error for a new row with columns of the target, where no row matches.
    fn check_new(&self, catalog: &Catalog, value: &Expr) -> Result<()> {
        let target = catalog.table(self.target.id)?;
        let source = catalog.table(self.source.id)?;
        if has_query(value) {
            return Ok(());
        }
        let found = visit_expressions(value, |expr| {
            let is_target = match expr {
                Expr::Identifier(name) => {
                    target.column(&name.value).is_some() && source.column(&name.value).is_none()
                }
                Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [table, _] => table.value == self.target.shown,
                    _ => false,
                },
                _ => false,
            };
            match is_target {
                true => ControlFlow::Break(expr.to_string()),
                false => ControlFlow::Continue(()),
            }
        });
        match found {
            ControlFlow::Break(name) => Err(Error::new(&error::UNDEFINED_COLUMN, &[&name])
                .hint("a row that matches none of the target has columns of the source only")),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Whether an expression has columns of the target, and of the source.
    fn sides(&self, target: &Table, expr: &Expr) -> (bool, bool) {
        let mut sides = (false, false);
        let _ = visit_expressions(expr, |expr| {
            let is_source = match expr {
                Expr::Identifier(name) => target.column(&name.value).is_none(),
                Expr::CompoundIdentifier(parts) => parts
                    .first()
                    .is_some_and(|table| table.value == self.source.shown),
                _ => return ControlFlow::<()>::Continue(()),
            };
            match is_source {
                true => sides.1 = true,
                false => sides.0 = true,
            }
            ControlFlow::Continue(())
        });
        sides
    }
}

impl Side {
    /// How many of a name's parts name this table, with at least one after them; `None` if they do not.
    fn length(&self, database: &str, parts: &[Ident]) -> Option<usize> {
        let (skipped, parts) = match parts {
            [first, rest @ ..] if first.value == database && rest.len() > 2 => (1, rest),
            parts => (0, parts),
        };
        match parts {
            [schema, table, _, ..]
                if self.schema.as_ref() == Some(&schema.value) && table.value == self.name =>
            {
                Some(skipped + 2)
            }
            [table, _, ..] if skipped == 0 && table.value == self.name => Some(1),
            _ => None,
        }
    }
}

fn has_query(expr: &Expr) -> bool {
    finds(expr, |expr| {
        matches!(
            expr,
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. }
        )
    })
}

/// Whether some part of an expression is what is looked for.
fn finds(expr: &Expr, look: impl Fn(&Expr) -> bool) -> bool {
    let found = visit_expressions(expr, |expr| match look(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

pub(super) async fn merge(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    merge: Merge,
) -> Result<Outcome> {
    let Merge {
        merge_token: _,
        optimizer_hints: _,
        into: _,
        table,
        source,
        on,
        clauses,
        output: None,
    } = merge
    else {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&"output"]));
    };
    let TableFactor::Table {
        name: target,
        alias: target_alias,
        ..
    } = table
    else {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&"merge"]));
    };
    if let Some(alias) = target_alias {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&alias.name.value])
            .hint("the target of MERGE has no alias"));
    }
    let TableFactor::Table {
        name: source,
        alias,
        ..
    } = source
    else {
        return Err(Error::new(&error::MERGE_SOURCE, &[]));
    };
    let mut matched = None;
    let mut unmatched = None;
    for clause in clauses {
        let MergeClause {
            when_token: _,
            clause_kind,
            predicate: None,
            action,
        } = clause
        else {
            return Err(clauses_refused());
        };
        match (clause_kind, action) {
            (MergeClauseKind::Matched, MergeAction::Insert(_)) => return Err(clauses_refused()),
            (MergeClauseKind::Matched, action) if matched.is_none() => matched = Some(action),
            (MergeClauseKind::NotMatched, MergeAction::Insert(insert)) if unmatched.is_none() => {
                unmatched = Some(insert);
            }
            _ => return Err(clauses_refused()),
        }
    }
    let (Some(mut matched), Some(unmatched)) = (matched, unmatched) else {
        return Err(clauses_refused());
    };
    let tables = tables(environment, transaction, &target, &source, alias).await?;
    let catalog = transaction.catalog().clone();
    let on = tables.named(&catalog, *on)?;
    tables.check(&catalog, &on)?;
    if unmatched.insert_predicate.is_some() {
        return Err(clauses_refused());
    }
    let names = bind::column_names(&unmatched.columns)?;
    let MergeInsertKind::Values(values) = unmatched.kind else {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&"row"]));
    };
    let [values] = values.rows.as_slice() else {
        return Err(Error::new(&error::SYNTAX_ERROR, &[&","]));
    };
    let values = values.content.iter().map(|value| {
        let value = tables.named(&catalog, value.clone())?;
        tables.check_whole(&catalog, &value)?;
        tables.check_new(&catalog, &value)?;
        Ok(value)
    });
    let values: Vec<Expr> = values.collect::<Result<_>>()?;
    if let MergeAction::Update(update) = &mut matched {
        for assignment in &mut update.assignments {
            let value = tables.named(&catalog, assignment.value.clone())?;
            tables.check_whole(&catalog, &value)?;
            assignment.value = value;
        }
    }
    let table = Table::clone(catalog.table(tables.target.id)?);
    let mut work = Work::new(environment, &catalog, &table, &tables, on)?;
    let (rows, new) = match matched {
        MergeAction::Update(update) => {
            if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                return Err(clauses_refused());
            }
            let items = new_row(
                &mut work.binder,
                &table,
                &tables.target.shown,
                update.assignments,
            )?;
            let query = work.matched(items);
            work.rewritten(query).await?
        }
        _ => {
            let query = work.matched(vec![row(&tables.target.shown)]);
            (work.numbers(query).await?, Written::default())
        }
    };
    let added = work.unmatched(&names, &values).await?;
    transaction.has_read([tables.target.id, tables.source.id]);
    let changed = new.rows.max(rows.len() as u64) + added.rows;
    apply(transaction, &table, rows, [new, added])?;
    Ok(Outcome::changed("MERGE", changed))
}

/// Matching rows of the target give way to those of the source.
pub(super) async fn remove_duplicates(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    merge: Duplicates,
) -> Result<Outcome> {
    let alias = merge.alias.map(|name| named(&name.value));
    let tables = tables(
        environment,
        transaction,
        &merge.target,
        &merge.source,
        alias,
    )
    .await?;
    let catalog = transaction.catalog().clone();
    let on = tables.named(&catalog, merge.on)?;
    tables.check(&catalog, &on)?;
    let table = Table::clone(catalog.table(tables.target.id)?);
    let source = catalog.table(tables.source.id)?;
    let types = |table: &Table| -> Vec<_> {
        table
            .columns
            .iter()
            .map(|column| column.data_type)
            .collect()
    };
    if types(&table) != types(source) {
        return Err(Error::new(&error::MERGE_DUPLICATES, &[]));
    }
    let mut identities = table.columns.iter().filter_map(|column| column.identity);
    if identities.any(|identity| !identity.by_default) {
        return Err(Error::new(&error::IDENTITY_INSERT, &[]));
    }
    let work = Work::new(environment, &catalog, &table, &tables, on)?;
    let query = work.matched(vec![row(&tables.target.shown)]);
    let rows = work.numbers(query).await?;
    let shown = &tables.source.shown;
    let items = source
        .columns
        .iter()
        .map(|column| SelectItem::ExprWithAlias {
            expr: qualified(shown, &column.name),
            alias: bind::ident(&column.name),
        });
    let query = bind::select(items.collect(), vec![work.source.clone()], None);
    let streams = bind::streams(environment.plan(&catalog, query).await?).await?;
    let added = write(environment, &table, streams, false).await?;
    transaction.has_read([tables.target.id, tables.source.id]);
    let changed = added.rows;
    apply(transaction, &table, rows, [added, Written::default()])?;
    Ok(Outcome::changed("MERGE", changed))
}

fn row(target: &str) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr: qualified(target, ROW),
        alias: bind::ident(ROW),
    }
}

fn alone(relation: TableFactor) -> TableWithJoins {
    TableWithJoins {
        relation,
        joins: Vec::new(),
    }
}

fn apply(
    transaction: &mut Transaction,
    table: &Table,
    rows: Vec<u64>,
    written: [Written; 2],
) -> Result<()> {
    let mut changed = without(table, rows);
    let written = written.into_iter().flat_map(|written| written.segments);
    changed.segments.extend(written);
    transaction.put(Object::Table(Arc::new(changed)))
}

/// What both queries of a MERGE need.
struct Work<'a> {
    environment: &'a Environment<'a>,
    catalog: &'a Catalog,
    binder: Binder<'a>,
    table: &'a Table,
    tables: &'a Tables,
    target: TableFactor,
    source: TableWithJoins,
    on: Expr,
}

impl<'a> Work<'a> {
    fn new(
        environment: &'a Environment<'a>,
        catalog: &'a Catalog,
        table: &'a Table,
        tables: &'a Tables,
        on: Expr,
    ) -> Result<Self> {
        let mut binder = Binder::new(catalog, environment.context);
        // Whatever is bound then sees both.
        binder.begin_change();
        let target = binder.numbered(tables.target.id, None)?;
        let source = binder.tables(alone(tables.relation.clone()))?;
        let on = binder.of_row("ON", on)?;
        Ok(Self {
            environment,
            catalog,
            binder,
            table,
            tables,
            target,
            source,
            on,
        })
    }
}

impl Work<'_> {
    /// Rows of the target with a row of the source.
    fn matched(&self, items: Vec<SelectItem>) -> Query {
        let from = vec![alone(self.target.clone()), self.source.clone()];
        bind::select(items, from, Some(self.on.clone()))
    }

    async fn rewritten(&self, query: Query) -> Result<(Vec<u64>, Written)> {
        let marks = Arc::new(Mutex::new(Marked::default()));
        let streams = bind::streams(self.environment.plan(self.catalog, query).await?).await?;
        let streams = streams.into_iter();
        let streams = streams
            .map(|stream| marked(&marks, Again::Error, stream))
            .collect();
        let written = write(self.environment, self.table, streams, false).await?;
        let rows = std::mem::take(&mut marks.lock().rows);
        Ok((rows, written))
    }

    async fn numbers(&self, query: Query) -> Result<Vec<u64>> {
        let batches = bind::run(self.environment.plan(self.catalog, query).await?).await?;
        let rows = batches.iter().flat_map(|batch| {
            let numbers = batch.column(0).as_primitive::<UInt64Type>();
            numbers.values().iter().copied()
        });
        let mut rows: Vec<u64> = rows.collect();
        let count = rows.len();
        rows.sort_unstable();
        rows.dedup();
        match rows.len() == count {
            true => Ok(rows),
            false => Err(Error::new(&error::MULTIPLE_MATCHES, &[])),
        }
    }

    /// Rows of the source without a row of the target.
    async fn unmatched(&mut self, names: &[String], values: &[Expr]) -> Result<Written> {
        let given = Given::new(self.table, names)?;
        given.check(values.len(), !names.is_empty())?;
        let mut numbered = given.is_numbered(self.table, values.len());
        let mut items = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let place = given.places.iter().position(|place| *place == Some(at));
            let column = place.map(|place| &self.table.columns[place]);
            let column = column.ok_or_else(|| Error::new(&error::TOO_MANY_EXPRESSIONS, &[]))?;
            let value = match value {
                Expr::Identifier(word) if word.value == "default" => {
                    numbered |= column.identity.is_some();
                    super::rows::default(&mut self.binder, column)?
                        .unwrap_or(Expr::value(Value::Null))
                }
                value => self.binder.of_row("VALUES", value.clone())?,
            };
            items.push(SelectItem::ExprWithAlias {
                expr: assigned(value, column),
                alias: bind::ident(&format!("\u{1}c{at}")),
            });
        }
        let mut from = self.source.clone();
        from.joins.push(Join {
            relation: self.target.clone(),
            global: false,
            join_operator: JoinOperator::LeftOuter(JoinConstraint::On(self.on.clone())),
        });
        let is_new = Expr::IsNull(Box::new(qualified(&self.tables.target.shown, ROW)));
        let query = bind::select(items, vec![from], Some(is_new));
        let planned = self.environment.plan(self.catalog, query).await?;
        let query = completed(self.environment, self.catalog, self.table, &given, planned).await?;
        let streams = bind::streams(query).await?;
        write(self.environment, self.table, streams, numbered).await
    }
}
