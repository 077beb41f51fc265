//! Blanks at the end of texts do not count where DataFusion compares for itself: in groups, in joins, in windows, in
//! subqueries of IN.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::first_value;
use datafusion::logical_expr::expr::{AggregateFunction, InSubquery, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Subquery,
};

use super::plan::{is_text, trimmed};
use crate::functions;
use crate::types::Type;

/// The plan with keys without blanks at their end. What is shown of a group is one of its values.
pub(super) fn ignored(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| of_expression(expr, &schema))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        let plan = plan.map_data(LogicalPlan::recompute_schema)?;
        Ok(Transformed::yes(of_plan(plan.data)?))
    })?;
    Ok(rewritten.data)
}

/// A text that can have blanks at its end: CHAR is kept without, and SUPER is JSON.
fn has_blanks(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema).is_ok_and(|(_, field)| {
        is_text(field.data_type()) && !matches!(Type::of(&field), Some(Type::Char(_) | Type::Super))
    })
}

/// A text that is compared with others, which can have blanks at their end.
fn is_compared(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema)
        .is_ok_and(|(_, field)| is_text(field.data_type()) && Type::of(&field) != Some(Type::Super))
}

fn key(expr: Expr, schema: &DFSchema) -> Expr {
    match has_blanks(&expr, schema) {
        true => trimmed(expr),
        false => expr,
    }
}

fn of_expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::WindowFunction(mut function) => {
            let WindowFunction { params, .. } = function.as_mut();
            let keys = std::mem::take(&mut params.partition_by).into_iter();
            params.partition_by = keys.map(|expr| key(expr, schema)).collect();
            for order in &mut params.order_by {
                order.expr = key(order.expr.clone(), schema);
            }
            Transformed::yes(Expr::WindowFunction(function))
        }
        Expr::AggregateFunction(AggregateFunction { func, mut params })
            if params.distinct && func.name() == "count" =>
        {
            params.args = params
                .args
                .into_iter()
                .map(|expr| key(expr, schema))
                .collect();
            Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params }))
        }
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) if is_compared(&expr, schema) => Transformed::yes(Expr::InSubquery(InSubquery {
            expr: Box::new(trimmed(*expr)),
            subquery: keys(&subquery)?,
            negated,
        })),
        other => Transformed::no(other),
    })
}

/// The subquery with its only column as a key.
fn keys(subquery: &Subquery) -> Result<Subquery> {
    let plan = subquery.subquery.as_ref().clone();
    let schema = plan.schema().clone();
    let columns = schema.columns().into_iter();
    let keys: Vec<Expr> = columns
        .map(|column| {
            let name = column.name.clone();
            key(Expr::Column(column), &schema).alias(name)
        })
        .collect();
    let plan = LogicalPlanBuilder::from(plan).project(keys)?.build()?;
    Ok(Subquery {
        subquery: std::sync::Arc::new(plan),
        ..subquery.clone()
    })
}

fn of_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Join(mut join) => {
            let (left, right) = (join.left.schema().clone(), join.right.schema().clone());
            let on = std::mem::take(&mut join.on).into_iter();
            join.on = on
                .map(
                    |(a, b)| match has_blanks(&a, &left) || has_blanks(&b, &right) {
                        true => (key(a, &left), key(b, &right)),
                        false => (a, b),
                    },
                )
                .collect();
            Ok(LogicalPlan::Join(join))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let columns = input.schema().columns().into_iter().map(Expr::Column);
            let columns: Vec<Expr> = columns.collect();
            let schema = input.schema().clone();
            if !columns.iter().any(|column| has_blanks(column, &schema)) {
                return Ok(LogicalPlan::Distinct(Distinct::All(input)));
            }
            grouped(input.as_ref().clone(), columns, Vec::new(), &schema)
        }
        LogicalPlan::Aggregate(aggregate)
            if aggregate
                .group_expr
                .iter()
                .any(|expr| has_blanks(expr, aggregate.input.schema())) =>
        {
            let Aggregate {
                input,
                group_expr,
                aggr_expr,
                schema,
                ..
            } = aggregate;
            grouped(input.as_ref().clone(), group_expr, aggr_expr, &schema)
        }
        other => Ok(other),
    }
}

/// Groups by keys; their values are the first of each group. The columns are those of a schema.
fn grouped(
    input: LogicalPlan,
    groups: Vec<Expr>,
    aggregates: Vec<Expr>,
    schema: &DFSchema,
) -> Result<LogicalPlan> {
    let inner = input.schema().clone();
    let mut keys = Vec::new();
    let mut all = Vec::new();
    let mut shown = Vec::new();
    for (at, expr) in groups.iter().enumerate() {
        let name = format!("\u{1}g{at}");
        let column = Expr::Column(Column::from_name(&name));
        let (_, field) = expr.to_field(&inner)?;
        let declared = Type::of(&field).filter(|declared| *declared != Type::Unknown);
        match has_blanks(expr, &inner) {
            true => {
                // The function does not hand on the type.
                shown.push(match declared {
                    Some(declared) => functions::explicit(column, declared),
                    None => column,
                });
                keys.push(trimmed(expr.clone()).alias(format!("\u{1}k{at}")));
                all.push(first_value(expr.clone(), Vec::new()).alias(name));
            }
            false => {
                shown.push(column);
                keys.push(expr.clone().alias(name));
            }
        }
    }
    for (at, expr) in aggregates.into_iter().enumerate() {
        let name = format!("\u{1}a{at}");
        shown.push(Expr::Column(Column::from_name(&name)));
        all.push(expr.alias(name));
    }
    let columns = schema.iter().zip(shown).map(|((relation, field), expr)| {
        expr.alias_qualified(relation.cloned(), field.name().clone())
    });
    LogicalPlanBuilder::from(input)
        .aggregate(keys, all)?
        .project(columns.collect::<Vec<_>>())?
        .build()
}
