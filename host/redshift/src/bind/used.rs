//! Which columns of its tables a view refers to. It has all of them in its plan, since a view keeps the columns that it was made with.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use super::names::TABLE;
use super::{Context, late};
use crate::catalog::{Catalog, Id, View};
use crate::engine::Shared;
use crate::error::Result;

/// Whether the query of a view refers to a column of a table.
///
/// # Errors
/// If the view cannot be planned.
pub(crate) async fn uses(
    shared: &Arc<Shared>,
    catalog: &Catalog,
    context: &Context,
    view: &Arc<View>,
    table: Id,
    column: &str,
) -> Result<bool> {
    let plan = late::whole(shared, catalog, context, view).await?.plan;
    let table = format!("{TABLE}{table}");
    let mut uses = false;
    plan.apply_with_subqueries(|node| {
        if is_bound(node) {
            return Ok(TreeNodeRecursion::Continue);
        }
        let inputs = node.inputs();
        let is_meant = |asked: &Column| {
            let mut origins = inputs.iter().filter_map(|input| {
                let place = input.schema().maybe_index_of_column(asked)?;
                origin(input, place)
            });
            origins.any(|found| found == (table.as_str(), column))
        };
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                uses |= match expr {
                    Expr::Column(asked) => is_meant(asked),
                    Expr::ScalarSubquery(subquery)
                    | Expr::Exists(Exists { subquery, .. })
                    | Expr::InSubquery(InSubquery { subquery, .. })
                    | Expr::SetComparison(SetComparison { subquery, .. }) => {
                        let mut outer = subquery.outer_ref_columns.iter();
                        outer.any(|outer| match outer {
                            Expr::OuterReferenceColumn(_, asked) => is_meant(asked),
                            _ => false,
                        })
                    }
                    _ => false,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(uses)
}

/// The table and the column that a column of a plan is as it is; none if it is computed, or one of a SELECT list.
fn origin(plan: &LogicalPlan, place: usize) -> Option<(&str, &str)> {
    let field = plan.schema().fields().get(place)?;
    match plan {
        LogicalPlan::TableScan(scan) => Some((scan.table_name.table(), field.name().as_str())),
        LogicalPlan::Projection(projection) if is_bound(plan) => {
            let column = plain(projection.expr.get(place)?)?;
            let place = projection.input.schema().maybe_index_of_column(column)?;
            origin(&projection.input, place)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                    origin(&join.right, place)
                }
                _ if place < left => origin(&join.left, place),
                _ => origin(&join.right, place - left),
            }
        }
        LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => {
            let input = plan.inputs().first().copied()?;
            origin(input, place)
        }
        _ => None,
    }
}

/// Whether a plan is what a view was bound to: all columns of a table, under the names that they had.
fn is_bound(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            matches!(projection.input.as_ref(), LogicalPlan::TableScan(_))
                && projection.expr.iter().all(|expr| plain(expr).is_some())
        }
        _ => false,
    }
}

/// The column that an expression is, whatever it is called.
fn plain(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain(&alias.expr),
        _ => None,
    }
}
