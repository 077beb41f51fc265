//! Subqueries where DataFusion has no join for them: in aggregates, windows, ORDER BY, and conditions of outer joins. They become columns
//! of the input, for which it has one.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::{Counted, inside, is_correlated};

/// Whether this is a subquery that needs a join.
pub(super) fn is_asked(expr: &Expr) -> bool {
    match expr {
        Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => true,
        Expr::ScalarSubquery(subquery) => is_correlated(subquery),
        _ => false,
    }
}

/// Whether a node's expressions have subqueries that become columns of its only input.
pub(super) fn is_lifted(node: &LogicalPlan) -> Result<bool> {
    let is_kind = matches!(
        node,
        LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Sort(_)
    );
    if !is_kind {
        return Ok(false);
    }
    for expr in node.expressions() {
        if expr.exists(|expr| Ok(is_asked(expr)))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The node above a projection that has the values of its subqueries.
pub(super) fn lifted(node: &LogicalPlan) -> Result<LogicalPlan> {
    let names = NamePreserver::new(node);
    let mut asked = Columns::default();
    let mut exprs = Vec::new();
    for expr in node.expressions() {
        let name = names.save(&expr);
        exprs.push(name.restore(asked.take(expr, &|_| true)?));
    }
    let inputs = node.inputs().into_iter().cloned();
    let inputs: Result<Vec<LogicalPlan>> = inputs.map(|input| asked.below(input)).collect();
    let above = node.with_new_exprs(exprs, inputs?)?;
    without(above, node)
}

/// An outer join whose subqueries are columns of its sides. What uses columns of both stays where it is.
pub(super) fn beside(join: Join) -> Result<LogicalPlan> {
    let (mut left, mut right) = (Columns::named("left"), Columns::named("right"));
    let within = |side: &LogicalPlan, expr: &Expr| {
        let columns = columns_of(expr);
        columns
            .iter()
            .all(|column| side.schema().has_column(column))
    };
    let filter = join.filter.clone().map(|filter| {
        let filter = left.take(filter, &|expr| within(&join.left, expr))?;
        right.take(filter, &|expr| within(&join.right, expr))
    });
    let below = Join::try_new(
        Arc::new(left.below(join.left.as_ref().clone())?),
        Arc::new(right.below(join.right.as_ref().clone())?),
        join.on.clone(),
        filter.transpose()?,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    without(LogicalPlan::Join(below), &LogicalPlan::Join(join))
}

/// The columns of the outer query that a subquery, or the value that it is compared with, uses.
fn columns_of(expr: &Expr) -> Vec<Column> {
    let of_outer = |subquery: &Subquery| {
        let columns = subquery.outer_ref_columns.iter().map(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => column.clone(),
            other => Column::from_name(other.schema_name().to_string()),
        });
        columns.collect::<Vec<Column>>()
    };
    let own = expr.column_refs().into_iter().cloned();
    let asked = match expr {
        Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::Exists(Exists { subquery, .. })
        | Expr::ScalarSubquery(subquery) => of_outer(subquery),
        Expr::SetComparison(set) => of_outer(&set.subquery),
        _ => Vec::new(),
    };
    own.chain(asked).collect()
}

/// A plan with more columns, behind its own.
pub(crate) fn with(plan: LogicalPlan, more: Vec<Expr>) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    let columns: Vec<Expr> = columns.chain(more).collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// A plan with the columns that another has, in its order.
pub(crate) fn without(plan: LogicalPlan, like: &LogicalPlan) -> Result<LogicalPlan> {
    let columns = like.schema().columns();
    if plan.schema().fields().len() == columns.len() {
        return Ok(plan);
    }
    let columns = columns.into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Subqueries that become columns.
#[derive(Default)]
struct Columns {
    of: &'static str,
    asked: Vec<Expr>,
}

impl Columns {
    fn named(of: &'static str) -> Self {
        Self {
            of,
            asked: Vec::new(),
        }
    }

    /// The expression with columns in place of subqueries.
    fn take(&mut self, expr: Expr, is_taken: &dyn Fn(&Expr) -> bool) -> Result<Expr> {
        let taken = expr.transform_down(|expr| {
            if !is_asked(&expr) || !is_taken(&expr) {
                return Ok(Transformed::no(expr));
            }
            let name = format!("\u{1}asked {} {}", self.of, self.asked.len());
            self.asked.push(expr.alias(&name));
            let column = Expr::Column(Column::from_name(name));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        });
        Ok(taken?.data)
    }

    /// An input with the columns.
    fn below(&self, input: LogicalPlan) -> Result<LogicalPlan> {
        if self.asked.is_empty() {
            return Ok(input);
        }
        let asked = self.asked.iter().cloned();
        let asked = asked.map(|asked| Ok(inside(asked, input.schema(), &Counted)?.data));
        let asked = asked.collect::<Result<Vec<_>>>()?;
        with(input, asked)
    }
}
