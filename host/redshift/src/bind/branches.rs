//! The values of COALESCE, GREATEST, LEAST, CASE and UNION are of one kind: a number does not become a text.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::functions::core;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Union};

use super::plan::{is_literal, is_text};
use crate::functions::{self, BRANCHES};
use crate::types::{Type, common};

/// The plan with texts that were written into it as values of the kind that the others are of.
///
/// # Errors
/// If two values are of different kinds.
pub(super) fn matched(plan: LogicalPlan) -> Result<LogicalPlan> {
    let matched = plan.transform_up_with_subqueries(|plan| {
        if let LogicalPlan::Union(union) = &plan {
            check_union(union)?;
        }
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let matched = expr.transform_up(|expr| of_expression(expr, &schema))?;
            Ok(match matched.transformed {
                true => matched.update_data(|expr| name.restore(expr)),
                false => matched,
            })
        })?;
        plan.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(matched.data)
}

fn of_expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(call) => of_call(call, schema),
        Expr::Case(mut case) => {
            let results = case.when_then_expr.iter_mut();
            let results = results.map(|(_, result)| result.as_mut());
            let otherwise = case.else_expr.iter_mut().map(AsMut::as_mut);
            let changed = of_one_kind("CASE", results.chain(otherwise).collect(), schema)?;
            Ok(match changed {
                true => Transformed::yes(Expr::Case(case)),
                false => Transformed::no(Expr::Case(case)),
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// DataFusion's function, over values of one kind.
fn of_call(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let name = call.func.name();
    let Some((name, shown)) = BRANCHES.iter().find(|(branch, _)| *branch == name) else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    of_one_kind(shown, call.args.iter_mut().collect(), schema)?;
    call.func = match *name {
        "redshift_coalesce" => core::coalesce(),
        "redshift_greatest" => core::greatest(),
        _ => core::least(),
    };
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

/// Casts texts that were written into the statement to the type of the other values; whether there were some.
fn of_one_kind(what: &str, values: Vec<&mut Expr>, schema: &DFSchema) -> Result<bool> {
    let types = values.iter().filter_map(|value| type_of(value, schema));
    let Some(common) = common(what, types)?.filter(|common| !common.is_text()) else {
        return Ok(false);
    };
    let mut changed = false;
    for value in values.into_iter().filter(|value| is_written(value)) {
        changed = true;
        *value = functions::explicit(value.clone(), common);
    }
    Ok(changed)
}

fn check_union(union: &Union) -> Result<()> {
    for place in 0..union.schema.fields().len() {
        let inputs = union.inputs.iter();
        let types = inputs.filter(|input| !is_literal(input, place));
        let types = types.filter_map(|input| Type::of(input.schema().fields().get(place)?));
        common("UNION", types)?;
    }
    Ok(())
}

/// The type of a value; none of a text or NULL that was written into the statement.
fn type_of(expr: &Expr, schema: &DFSchema) -> Option<Type> {
    match is_written(expr) {
        true => None,
        false => Type::of(&expr.to_field(schema).ok()?.1),
    }
}

fn is_written(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null() || is_text(&value.data_type()))
}
