//! FROM: tables, views, subqueries, and how they are joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins,
};

use super::names::{ident, named};
use super::query::DEPTH;
use super::scope::Place;
use super::{Binder, syntax, unsupported};
use crate::catalog::View;
use crate::error::{self, Error, Result};
use crate::syntax::check_name;

/// A function that gives the columns of views that are bound late.
pub(super) const LATE_BINDING: &str = "pg_get_late_binding_view_cols";

impl Binder<'_> {
    pub(crate) fn tables(&mut self, tables: TableWithJoins) -> Result<TableWithJoins> {
        let relation = self.factor(tables.relation)?;
        let mut joins = Vec::new();
        for join in tables.joins {
            let Join {
                relation,
                global: false,
                join_operator,
            } = join
            else {
                return Err(syntax("global"));
            };
            let relation = self.factor(relation)?;
            use JoinOperator as Op;
            let is_outer = matches!(
                join_operator,
                Op::Left(_)
                    | Op::LeftOuter(_)
                    | Op::Right(_)
                    | Op::RightOuter(_)
                    | Op::FullOuter(_)
            );
            if let Some(scope) = self.scopes.last_mut() {
                scope.is_on_outer = is_outer;
            }
            let join_operator = match join_operator {
                Op::Join(on) => Op::Join(self.constraint(on)?),
                Op::Inner(on) => Op::Inner(self.constraint(on)?),
                Op::Left(on) => Op::Left(self.constraint(on)?),
                Op::LeftOuter(on) => Op::LeftOuter(self.constraint(on)?),
                Op::Right(on) => Op::Right(self.constraint(on)?),
                Op::RightOuter(on) => Op::RightOuter(self.constraint(on)?),
                Op::FullOuter(on) => Op::FullOuter(self.constraint(on)?),
                Op::CrossJoin(JoinConstraint::None) => Op::CrossJoin(JoinConstraint::None),
                _ => return Err(syntax("join")),
            };
            if let Some(scope) = self.scopes.last_mut() {
                scope.is_on_outer = false;
            }
            joins.push(Join {
                relation,
                global: false,
                join_operator,
            });
        }
        Ok(TableWithJoins { relation, joins })
    }

    fn constraint(&mut self, constraint: JoinConstraint) -> Result<JoinConstraint> {
        Ok(match constraint {
            JoinConstraint::On(on) => JoinConstraint::On(self.condition("redshift_on", on)?),
            JoinConstraint::Using(columns) => JoinConstraint::Using(columns),
            JoinConstraint::Natural => JoinConstraint::Natural,
            JoinConstraint::None => return Err(syntax("join")),
        })
    }

    fn factor(&mut self, factor: TableFactor) -> Result<TableFactor> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if let Some(args) = &args
                    && args.args.is_empty()
                    && super::plain_name(&name)
                        .last()
                        .is_some_and(|name| name == LATE_BINDING)
                {
                    let mut alias = alias.unwrap_or_else(|| named(LATE_BINDING));
                    // Their types are those that the function has.
                    for column in &mut alias.columns {
                        column.data_type = None;
                    }
                    return self.relation(name, Some(alias));
                }
                if args.is_some() {
                    let name = super::plain_name(&name).join(".");
                    return Err(unsupported(&format!("the table function {name}()")));
                }
                let is_foreign = !with_hints.is_empty()
                    || version.is_some()
                    || with_ordinality
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || sample.is_some()
                    || !index_hints.is_empty();
                if is_foreign {
                    return Err(syntax("table"));
                }
                self.relation(name, alias.map(plain_alias).transpose()?)
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample,
            } => {
                if lateral {
                    return Err(unsupported("LATERAL"));
                }
                if sample.is_some() {
                    return Err(syntax("tablesample"));
                }
                // Drivers send such a subquery without an alias, so Redshift takes it.
                let alias = match alias {
                    Some(alias) => plain_alias(alias)?,
                    None => named(&self.unnamed()),
                };
                self.place = Place::From;
                let subquery = Box::new(self.query(*subquery)?);
                let columns = named_columns(&alias, self.finished.columns.take());
                self.add_relation(&alias.name.value, BTreeSet::new(), columns);
                Ok(TableFactor::Derived {
                    lateral: false,
                    subquery,
                    alias: Some(alias),
                    sample: None,
                })
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let before = self.relations();
                let table_with_joins = Box::new(self.tables(*table_with_joins)?);
                let alias = alias.map(plain_alias).transpose()?;
                if let Some(alias) = &alias {
                    self.alias_join(before, &alias.name.value);
                }
                Ok(TableFactor::NestedJoin {
                    table_with_joins,
                    alias,
                })
            }
            TableFactor::Pivot { .. } => Err(Error::not_yet("PIVOT")),
            TableFactor::Unpivot { .. } => Err(Error::not_yet("UNPIVOT")),
            TableFactor::Function { lateral: true, .. } => Err(unsupported("LATERAL")),
            TableFactor::Function { name, .. } => {
                let name = super::plain_name(&name).join(".");
                Err(unsupported(&format!("the table function {name}()")))
            }
            TableFactor::TableFunction { .. } => Err(unsupported("TABLE()")),
            TableFactor::UNNEST { .. } => Err(unsupported("UNNEST")),
            _ => Err(syntax("from")),
        }
    }

    /// A view is its query.
    pub(super) fn view(
        &mut self,
        view: &Arc<View>,
        alias: Option<TableAlias>,
    ) -> Result<TableFactor> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Error::new(&error::TOO_DEEP, &[]));
        }
        let query = crate::syntax::parse(&view.query, &crate::syntax::Parameters::None)?;
        let Some(crate::syntax::Statement::CreateView { query, .. }) = query else {
            return Err(Error::internal("a view is no query"));
        };
        let path: Vec<_> = view
            .search_path
            .iter()
            .filter_map(|name| self.catalog.schema(name))
            .collect();
        let context = super::Context {
            path,
            ..self.context.clone()
        };
        let mut inner = Binder {
            bound: vec![view.bound.clone()],
            bound_columns: view.bound_columns.iter().cloned().collect(),
            depth: self.depth,
            copied: self.copied,
            ..Binder::new(self.catalog, &context)
        };
        let query = inner.query(*query)?;
        self.tables.extend(inner.tables);
        self.leader = self.leader.take().or(inner.leader);
        self.is_for_tables |= inner.is_for_tables;
        self.copied = inner.copied;
        self.depth -= 1;
        let mut alias = alias.unwrap_or_else(|| named(&view.name));
        if alias.columns.is_empty() {
            let columns = view.columns.iter();
            alias.columns = columns
                .map(
                    |(name, _)| datafusion::sql::sqlparser::ast::TableAliasColumnDef {
                        name: ident(name),
                        data_type: None,
                    },
                )
                .collect();
        }
        Ok(TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: Some(alias),
            sample: None,
        })
    }
}

pub(super) fn plain_alias(alias: TableAlias) -> Result<TableAlias> {
    check_name(&alias.name)?;
    for column in &alias.columns {
        check_name(&column.name)?;
    }
    match alias.at.is_some()
        || alias
            .columns
            .iter()
            .any(|column| column.data_type.is_some())
    {
        true => Err(Error::not_yet("AT, and types of columns, in an alias")),
        false => Ok(alias),
    }
}

/// The columns of a subquery under its alias.
pub(super) fn named_columns(
    alias: &TableAlias,
    output: Option<BTreeSet<String>>,
) -> Option<BTreeSet<String>> {
    match alias.columns.is_empty() {
        true => output,
        false => {
            let columns = alias.columns.iter();
            Some(columns.map(|column| column.name.value.clone()).collect())
        }
    }
}

/// Two tables of one FROM clause have different names.
pub(super) fn distinct_names(from: &[TableWithJoins]) -> Result<()> {
    let mut names = BTreeSet::new();
    let joined = from.iter().flat_map(|tables| {
        std::iter::once(&tables.relation).chain(tables.joins.iter().map(|join| &join.relation))
    });
    for table in joined {
        let alias = match table {
            TableFactor::Table { alias, name, .. } => match alias {
                Some(alias) => Some(alias.name.value.clone()),
                None => super::plain_name(name).pop(),
            },
            TableFactor::Derived { alias, .. } => {
                alias.as_ref().map(|alias| alias.name.value.clone())
            }
            _ => None,
        };
        if let Some(alias) = alias
            && !names.insert(alias.clone())
        {
            return Err(Error::new(&error::DUPLICATE_ALIAS, &[&alias]));
        }
    }
    Ok(())
}
