//! Expressions that a subquery compares with columns of the outer query: DataFusion makes a join only where they are columns.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator,
};

/// The subquery with `lower(name) = outer.name` as a comparison of a column that is computed before.
pub(super) fn keyed(plan: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    let plan = plan.as_ref().clone();
    // Keys of several filters may meet in one join.
    let mut number = 0;
    let keyed = plan.transform_up(|node| match node {
        LogicalPlan::Filter(filter) if filter.predicate.contains_outer() => {
            of_filter(filter, &mut number)
        }
        node => Ok(Transformed::no(node)),
    });
    Ok(Arc::new(keyed.data()?))
}

fn of_filter(filter: Filter, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let mut keys = Vec::new();
    let operands = split_conjunction_owned(filter.predicate.clone());
    let (outer, own): (Vec<Expr>, Vec<Expr>) = operands.into_iter().partition(Expr::contains_outer);
    let outer = outer.into_iter();
    let outer = outer.map(|operand| of_operand(operand, &mut keys, number));
    let Some(predicate) = conjunction(outer).filter(|_| !keys.is_empty()) else {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    };
    let columns = filter.input.schema().columns().into_iter();
    let columns: Vec<Expr> = columns.map(Expr::Column).collect();
    let mut rows = LogicalPlanBuilder::from(filter.input);
    // Keys are computed of the rows that the other conditions leave.
    if let Some(own) = conjunction(own) {
        rows = rows.filter(own)?;
    }
    let plan = rows
        .project(columns.iter().cloned().chain(keys))?
        .filter(predicate)?
        .project(columns)?
        .build()?;
    Ok(Transformed::yes(plan))
}

fn of_operand(operand: Expr, keys: &mut Vec<Expr>, number: &mut usize) -> Expr {
    let Expr::BinaryExpr(BinaryExpr {
        mut left,
        op: Operator::Eq,
        mut right,
    }) = operand
    else {
        return operand;
    };
    let own = match (is_outer(&left), is_outer(&right)) {
        (true, false) => right.as_mut(),
        (false, true) => left.as_mut(),
        _ => return (*left).eq(*right),
    };
    if is_computed(own) {
        let name = format!("\u{1}key{number}");
        *number += 1;
        let computed = std::mem::replace(own, Expr::Column(Column::from_name(&name)));
        keys.push(computed.alias(name));
    }
    (*left).eq(*right)
}

fn is_outer(expr: &Expr) -> bool {
    expr.contains_outer() && !expr.any_column_refs()
}

/// Whether the rows of the subquery have a value that is none of their columns.
fn is_computed(expr: &Expr) -> bool {
    !matches!(expr, Expr::Column(_)) && expr.any_column_refs() && !expr.contains_outer()
}
