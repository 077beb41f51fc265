//! Types of texts that DataFusion does not hand on: those of literals, and of the least and the greatest of a column.

use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use crate::types::Type;

const EXTREMES: [&str; 2] = ["redshift_min_input", "redshift_max_input"];

/// The declared type of a column of texts; none if it is any text.
pub(super) fn declared(plan: &LogicalPlan, place: usize) -> Option<Type> {
    if let Some(declared) = Type::declared(plan.schema().fields().get(place)?) {
        return Some(declared);
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            of_expression(projection.expr.get(place)?, &projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let mut outputs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            of_expression(outputs.nth(place)?, &aggregate.input)
        }
        LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => declared(plan.inputs().first()?, place),
        _ => None,
    }
}

fn of_expression(expr: &Expr, input: &LogicalPlan) -> Option<Type> {
    match expr {
        Expr::Alias(alias) => of_expression(&alias.expr, input),
        Expr::Literal(value, _) => {
            let bytes = u32::try_from(value.try_as_str()??.len()).ok()?;
            Some(Type::Varchar(bytes.max(1)))
        }
        Expr::Column(column) => declared(input, input.schema().maybe_index_of_column(column)?),
        Expr::AggregateFunction(call) if ["min", "max"].contains(&call.func.name()) => {
            let argument = call.params.args.first()?;
            of_expression(argument, input)
        }
        // What the binder puts around it.
        Expr::ScalarFunction(call) if EXTREMES.contains(&call.name()) => {
            of_expression(call.args.first()?, input)
        }
        _ => None,
    }
}
