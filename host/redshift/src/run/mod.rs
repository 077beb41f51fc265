//! Statements, run within a transaction.

mod alter;
mod constants;
mod create;
mod delete;
mod drop;
mod insert;
mod keys;
mod merge;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod settings;
pub(crate) mod system;
mod update;

use std::sync::Arc;

use crate::bind::{Binder, Context, Query};
use crate::catalog::{Catalog, Id};
use crate::engine::Shared;
use crate::error::Result;
use crate::load;
use crate::session::Outcome;
use crate::syntax::Statement;
use crate::transaction::Transaction;

/// What statements run with.
pub(crate) struct Environment<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) context: &'a Context,
    /// Whether an UPDATE with several matches for a row is an error.
    pub(crate) one_match: bool,
}

impl Environment<'_> {
    /// Plans a query that a binder has rewritten.
    pub(crate) async fn plan(
        &self,
        catalog: &Catalog,
        query: datafusion::sql::sqlparser::ast::Query,
    ) -> Result<Query> {
        Query::plan(self.shared, catalog, query, self.context.digits).await
    }
}

/// What a statement did, and what the session remembers of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) copied: Option<i64>,
    pub(crate) unloaded: Option<i64>,
    /// Whether it read or changed rows of tables, which the leader node does not have.
    pub(crate) on_compute_nodes: bool,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            ..Self::default()
        }
    }
}

pub(crate) async fn run(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    statement: Statement,
) -> Result<Done> {
    let changes = !statement.is_read()
        && !matches!(statement, Statement::Lock(_) | Statement::Maintain { .. });
    if changes && transaction.read_only {
        return Err(crate::error::Error::new(&crate::error::READ_ONLY, &[]));
    }
    let has_rows = match &statement {
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::RemoveDuplicates { .. }
        | Statement::Copy { .. }
        | Statement::Unload { .. } => true,
        Statement::CreateTable(table) => table.query.is_some(),
        _ => false,
    };
    let mut done: Done = match statement {
        Statement::Query(query) => match query::into(&query) {
            Some((name, temporary, query)) => {
                let table = crate::syntax::CreateTable::of_query(name, temporary, query);
                create::table(environment, transaction, table).await?.into()
            }
            None => query::run(environment, transaction, *query).await?,
        },
        Statement::Insert(insert) => insert::insert(environment, transaction, *insert)
            .await?
            .into(),
        Statement::Update(update) => update::update(environment, transaction, *update)
            .await?
            .into(),
        Statement::Delete(delete) => delete::delete(environment, transaction, *delete)
            .await?
            .into(),
        Statement::Merge(merge) => merge::merge(environment, transaction, *merge).await?.into(),
        Statement::RemoveDuplicates {
            target,
            source,
            alias,
            on,
        } => {
            let merge = merge::Duplicates {
                target,
                source,
                alias,
                on: *on,
            };
            merge::remove_duplicates(environment, transaction, merge)
                .await?
                .into()
        }
        Statement::Truncate(name) => delete::truncate(environment, transaction, &name)
            .await?
            .into(),
        Statement::CreateTable(table) => create::table(environment, transaction, *table)
            .await?
            .into(),
        Statement::CreateView {
            name,
            columns,
            or_replace,
            late_binding,
            query,
            text,
        } => {
            let view = create::NewView {
                name,
                columns,
                or_replace,
                late_binding,
                query,
                text,
            };
            create::view(environment, transaction, view).await?.into()
        }
        Statement::CreateSchema {
            name,
            if_not_exists,
        } => create::schema(environment, transaction, &name.value, if_not_exists)
            .await?
            .into(),
        Statement::Drop {
            kind,
            names,
            if_exists,
            cascade,
        } => drop::drop(environment, transaction, kind, &names, if_exists, cascade)
            .await?
            .into(),
        Statement::Alter { table, action } => {
            alter::alter(environment, transaction, &table, *action)
                .await?
                .into()
        }
        Statement::Copy {
            table,
            columns,
            from,
            options,
        } => load::copy(environment, transaction, &table, &columns, &from, options).await?,
        Statement::Unload { query, to, options } => {
            load::unload(environment, transaction, &query, &to, options).await?
        }
        Statement::Lock(names) => {
            for name in names {
                let id = locked(environment, transaction, &name, false).await?;
                // The snapshot is taken once all are locked.
                tracing::trace!(id, "locked");
            }
            transaction.catalog();
            Outcome::tagged("LOCK TABLE").into()
        }
        Statement::Maintain { tag, table } => {
            if let Some(table) = table {
                let catalog = transaction.catalog().clone();
                Binder::new(&catalog, environment.context).target(&table)?;
            }
            Outcome::tagged(tag).into()
        }
        Statement::Begin { .. }
        | Statement::Commit
        | Statement::Rollback
        | Statement::Set { .. }
        | Statement::Reset(_)
        | Statement::Show(_) => Outcome::default().into(),
    };
    done.on_compute_nodes |= has_rows;
    Ok(done)
}

/// Waits for a table that a statement changes. A first statement takes its snapshot only then.
pub(crate) async fn locked(
    environment: &Environment<'_>,
    transaction: &mut Transaction,
    name: &datafusion::sql::sqlparser::ast::ObjectName,
    appends: bool,
) -> Result<Id> {
    let preview = transaction.preview();
    let id = Binder::new(&preview, environment.context).target(name)?.id;
    transaction.lock(id, appends).await?;
    // It may have been dropped, or replaced, while this waited.
    let catalog = transaction.catalog();
    let now = Binder::new(catalog, environment.context).target(name)?.id;
    if now != id {
        transaction.lock(now, appends).await?;
    }
    Ok(now)
}
