//! Subqueries of expressions.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Query, SelectItem, SetExpr, Value,
};

use transom_sql::walk::visit_expressions;

use super::Binder;
use super::calls::case;
use super::expr::{balanced, call};
use super::query::width;
use super::scope::Relations;
use crate::error::{self, Error, Result};
use crate::functions;

impl Binder<'_> {
    /// A subquery, which the expression around remembers.
    pub(super) fn subquery(&mut self, query: Query) -> Result<Query> {
        let query = self.query(query)?;
        self.note_subquery();
        Ok(query)
    }

    /// A subquery that is one value.
    pub(super) fn scalar_subquery(&mut self, query: Query) -> Result<Expr> {
        let query = self.subquery(query)?;
        if width(&query.body).is_some_and(|columns| columns > 1) {
            let only_one = "must return only one column";
            return Err(Error::new(&error::SUBQUERY_COLUMNS, &[&only_one]));
        }
        Ok(
            match self.finished.is_correlated && !self.finished.has_aggregate {
                true => single(query, &self.finished.relations),
                false => Expr::Subquery(Box::new(query)),
            },
        )
    }
}

/// A scalar subquery without groups or limits as one that has one row at most. Conditions that are about the query
/// around alone are checked there: DataFusion joins by columns of both.
fn single(mut query: Query, relations: &Relations) -> Expr {
    let mut around = Vec::new();
    if query.limit_clause.is_some() {
        return Expr::Subquery(Box::new(query));
    }
    if let SetExpr::Select(select) = query.body.as_mut()
        && select.distinct.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
        && let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
            select.projection.as_mut_slice()
    {
        let inner = std::mem::replace(value, Expr::value(Value::Null));
        *value = call(functions::SINGLE, vec![inner]);
        // One row has no order.
        query.order_by = None;
        if let Some(selection) = select.selection.take() {
            let mut within = Vec::new();
            divide(selection, relations, &mut within, &mut around);
            select.selection = (!within.is_empty()).then(|| balanced(within, &BinaryOperator::And));
        }
    }
    let query = Expr::Subquery(Box::new(query));
    match around.is_empty() {
        true => query,
        false => case(vec![(balanced(around, &BinaryOperator::And), query)], None),
    }
}

/// Divides a condition into those that a subquery needs and those that are about the query around alone.
fn divide(condition: Expr, relations: &Relations, within: &mut Vec<Expr>, around: &mut Vec<Expr>) {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            divide(*left, relations, within, around);
            divide(*right, relations, within, around);
        }
        condition => {
            let mut has_name = false;
            let visited = visit_expressions(&condition, |expr| match expr {
                Expr::CompoundIdentifier(parts)
                    if parts.len() == 2 && !relations.contains_key(&parts[0].value) =>
                {
                    has_name = true;
                    ControlFlow::Continue(())
                }
                Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::Subquery(_)
                | Expr::Exists { .. }
                | Expr::InSubquery { .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            });
            match has_name && visited.is_continue() {
                true => around.push(condition),
                false => within.push(condition),
            }
        }
    }
}
