//! Values of which one is taken, in COALESCE, GREATEST, LEAST, CASE and set operations, are of one kind: a number does not become a text.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Union};

use super::plan::{is_literal, is_text};
use crate::error::{self, Error};
use crate::functions;
use crate::types::Type;

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

fn of_expression(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (what, values): (_, Vec<&mut Expr>) = match &mut expr {
        Expr::ScalarFunction(call) => {
            let what = match call.func.name() {
                "coalesce" => "COALESCE",
                "greatest" => "GREATEST",
                "least" => "LEAST",
                _ => return Ok(Transformed::no(expr)),
            };
            (what, call.args.iter_mut().collect())
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter_mut();
            let results = results.map(|(_, result)| result.as_mut());
            let otherwise = case.else_expr.iter_mut().map(AsMut::as_mut);
            ("CASE", results.chain(otherwise).collect())
        }
        _ => return Ok(Transformed::no(expr)),
    };
    let types = values.iter().filter_map(|value| type_of(value, schema));
    let Some(common) = common(what, types)? else {
        return Ok(Transformed::no(expr));
    };
    let mut changed = false;
    for value in values {
        if is_written(value) && !common.is_text() {
            changed = true;
            *value = functions::explicit(value.clone(), common);
        }
    }
    Ok(match changed {
        true => Transformed::yes(expr),
        false => Transformed::no(expr),
    })
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

/// The widest of types that are of one kind; none if none says of which kind it is.
fn common(what: &str, types: impl Iterator<Item = Type>) -> Result<Option<Type>, Error> {
    let mut common: Option<Type> = None;
    for next in types.filter(|data_type| kind(*data_type).is_some()) {
        match common {
            Some(known) if kind(known) != kind(next) => {
                let (known, next) = (known.base_name(), next.base_name());
                return Err(Error::new(&error::TYPES_MATCH, &[&what, &known, &next]));
            }
            Some(known) if rank(known) >= rank(next) => {}
            _ => common = Some(next),
        }
    }
    Ok(common)
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

/// Types that are cast to one another; none of those that go with any.
fn kind(data_type: Type) -> Option<u8> {
    Some(match data_type {
        Type::Bool => 0,
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric(..) | Type::Float4 | Type::Float8 => 1,
        Type::Char(_) | Type::Varchar(_) => 2,
        Type::Date | Type::Timestamp | Type::TimestampTz => 3,
        Type::Time => 4,
        Type::Varbyte(_) => 5,
        Type::Interval => 6,
        Type::Super | Type::Unknown => return None,
    })
}

fn rank(data_type: Type) -> u8 {
    match data_type {
        Type::Int4 | Type::Timestamp => 1,
        Type::Int8 | Type::TimestampTz => 2,
        Type::Numeric(..) => 3,
        Type::Float4 => 4,
        Type::Float8 => 5,
        _ => 0,
    }
}
