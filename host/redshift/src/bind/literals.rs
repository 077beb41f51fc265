//! A whole number in a query is an INTEGER if it fits; DataFusion plans all as 64 bits.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with the types that literals have in Redshift.
pub(super) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let typed = plan.transform_up_with_subqueries(|plan| {
        // LIMIT counts in 64 bits.
        if matches!(plan, LogicalPlan::Limit(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| Ok(narrowed(expr)))?;
            Ok(match rewritten.transformed {
                true => rewritten.update_data(|expr| name.restore(expr)),
                false => rewritten,
            })
        })?;
        plan.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(typed.data)
}

fn narrowed(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata)),
            Err(_) => Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata)),
        },
        // Beyond 63 bits it is a decimal.
        Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
            let decimal = ScalarValue::Decimal128(Some(i128::from(value)), 20, 0);
            debug_assert_eq!(decimal.data_type(), DataType::Decimal128(20, 0));
            Transformed::yes(Expr::Literal(decimal, metadata))
        }
        other => Transformed::no(other),
    }
}
