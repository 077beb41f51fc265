//! Values that are compared, sorted, grouped or become one column: the type that they have in common, where DataFusion's choice would
//! lose some of them, and the [key](crate::keys) by which they are equal.
//!
//! This runs when a query is planned, as it changes types, which the plan's readers see.

mod common;
mod plans;
mod refuse;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{InList, InSubquery, ScalarFunction, Sort};
use datafusion::logical_expr::type_coercion::other::get_coerce_type_for_case_expression;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast, when,
};

use self::common::{common, compared, gives_way, spelled};
pub(crate) use self::common::{is_date, number, time_of_day};
pub(crate) use self::plans::projected;
use self::plans::{converted, united};
pub(crate) use self::refuse::{is_interval, refuse_interval, refuse_nested, refuse_number_of_time};
use self::refuse::{refuse_cast, refuse_mixture, refuse_try_cast};
use crate::distinct;
use crate::keys;
use crate::lists;
use crate::nested;
use crate::numbers;
use crate::ordered;
use crate::rules::rewrite;
use crate::time::{self, length as lasting};
use crate::windows;

/// A plan in which dates that meet timestamps are timestamps, and decimals that meet floats are floats.
pub(crate) fn unified(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite(plan, &expression, &united)
}

fn expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if op.supports_propagation() || op == Operator::Minus =>
        {
            let (mut left, mut right) = (*left, *right);
            let mut changed = match op {
                Operator::Minus => align(&mut [&mut left, &mut right], schema)?,
                _ => comparable(&mut [&mut left, &mut right], schema)?,
            };
            // What could become the keys of a join: some joins sort, and compare bits.
            if matches!(op, Operator::Eq | Operator::IsNotDistinctFrom)
                && left.any_column_refs()
                && right.any_column_refs()
            {
                changed |= keyed(&mut [&mut left, &mut right], schema, &DataType::is_floating)?;
            }
            let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
            transformed(expr, changed)
        }
        Expr::Between(mut between) => {
            let changed = comparable(
                &mut [&mut between.expr, &mut between.low, &mut between.high],
                schema,
            )?;
            transformed(Expr::Between(between), changed)
        }
        Expr::InList(InList {
            mut expr,
            mut list,
            negated,
        }) => {
            let mut all: Vec<&mut Expr> = list.iter_mut().collect();
            all.push(&mut expr);
            let mut changed = comparable(&mut all, schema)?;
            // Membership is looked up by bits.
            changed |= keyed(&mut all, schema, &DataType::is_floating)?;
            transformed(
                Expr::InList(InList {
                    expr,
                    list,
                    negated,
                }),
                changed,
            )
        }
        Expr::Case(mut case) => {
            let mut results: Vec<&mut Expr> = Vec::new();
            let mut conditions: Vec<&mut Expr> = Vec::new();
            for (when, then) in &mut case.when_then_expr {
                conditions.push(when);
                results.push(then);
            }
            results.extend(case.else_expr.as_deref_mut());
            refuse_mixture(&types_of(results.iter().map(|result| &**result), schema)?)?;
            let mut changed = align(&mut results, schema)?;
            changed |= unite(&mut results, schema)?;
            if let Some(expr) = case.expr.as_deref_mut() {
                conditions.push(expr);
                changed |= comparable(&mut conditions, schema)?;
                // `CASE` compares the bits of floats.
                changed |= keyed(&mut conditions, schema, &DataType::is_floating)?;
            }
            transformed(Expr::Case(case), changed)
        }
        Expr::ScalarFunction(call) if call.func.name() == "nullif" && call.args.len() == 2 => {
            null_if(call, schema)?
        }
        Expr::ScalarFunction(call) if matches!(call.func.name(), "ceil" | "floor" | "trunc") => {
            numbers::rounded(call, schema)?
        }
        Expr::ScalarFunction(call) if call.func.name() == "round" => numbers::rounded_to(call)?,
        Expr::ScalarFunction(call) if call.func.name() == "date_part" => {
            time::date_part(call, schema)?
        }
        Expr::ScalarFunction(call) if matches!(call.func.name(), "to_local_time" | "to_time") => {
            time::shown(call, schema)?
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
            let of_one_type = ["coalesce", "nvl", "nvl2", "greatest", "least", "make_array"];
            let own = lists::own(&func);
            let is_foreign = own.is_some();
            let func = own.unwrap_or(func);
            let mut changed = false;
            if of_one_type.contains(&func.name()) {
                let types = types_of(&args, schema)?;
                refuse_mixture(&types)?;
                // A column of texts stays one, and `nvl2` has a condition.
                let is_constant = args.iter().zip(&types).all(|(value, data_type)| {
                    !data_type.is_string() || matches!(value, Expr::Literal(..))
                });
                let spelled = match is_constant && func.name() != "nvl2" {
                    true => spelled(&types),
                    false => None,
                };
                let mut all: Vec<&mut Expr> = args.iter_mut().collect();
                changed = match spelled {
                    Some(timestamp) => all_cast(&mut all, &types, &timestamp),
                    None => align(&mut all, schema)?,
                };
            }
            if BY_VALUE.contains(&func.name()) {
                let mut all: Vec<&mut Expr> = args.iter_mut().collect();
                changed |= keyed(&mut all, schema, &keys::has_floats)?;
            }
            if matches!(func.name(), "greatest" | "least") {
                for arg in &args {
                    refuse_interval(&arg.get_type(schema)?, &format!("`{}`", func.name()))?;
                }
            }
            let changed = changed || is_foreign;
            transformed(Expr::ScalarFunction(ScalarFunction { func, args }), changed)
        }
        Expr::WindowFunction(window) => windows::unified(*window, schema)?,
        Expr::AggregateFunction(mut call) => {
            let mut changed = ordered::is_foreign(&call.func);
            if changed {
                call.func = ordered::ordered(&call.func);
            }
            let params = &mut call.params;
            if let Some(first) = params.args.first() {
                let data_type = first.get_type(schema)?;
                let is_extreme = matches!(call.func.name(), "min" | "max");
                if params.distinct || is_extreme {
                    refuse_interval(&data_type, &format!("`{}`", call.func.name()))?;
                }
                if is_extreme {
                    nested::refuse_without_order(&data_type, &format!("`{}`", call.func.name()))?;
                }
                // DataFusion compares bits, in which -0.0 is not 0.0.
                if params.distinct {
                    let is_constant = |value: &Expr| matches!(value, Expr::Literal(..));
                    let all = params.args.iter_mut();
                    let mut all: Vec<&mut Expr> = all.filter(|value| !is_constant(value)).collect();
                    changed |= keyed(&mut all, schema, &keys::has_floats)?;
                }
            }
            changed |= distinct::counted(&mut call);
            let params = &mut call.params;
            if !call.func.supports_within_group_clause() {
                changed |= sorted(&mut params.order_by, schema)?;
            }
            transformed(Expr::AggregateFunction(call), changed)
        }
        Expr::Cast(cast) => refuse_cast(cast, schema)?,
        Expr::TryCast(cast) => refuse_try_cast(cast, schema)?,
        Expr::InSubquery(InSubquery {
            expr,
            mut subquery,
            negated,
        }) => {
            let column = subquery.subquery.schema().field(0).data_type().clone();
            let own = expr.get_type(schema)?;
            let both = [own.clone(), column.clone()];
            refuse_mixture(&both)?;
            if own == column && own.is_floating() {
                // It becomes a join, and some joins compare bits.
                subquery.subquery =
                    projected(&subquery.subquery, |_, value| Some(keys::equal(value)))?;
                return Ok(Transformed::yes(Expr::InSubquery(InSubquery {
                    expr: Box::new(keys::equal(*expr)),
                    subquery,
                    negated,
                })));
            }
            let (common, has_all) = match compared(&both) {
                Some(compared) => (Some(compared), true),
                None => (common(&both), false),
            };
            let Some(common) = common else {
                return Ok(Transformed::no(Expr::InSubquery(InSubquery {
                    expr,
                    subquery,
                    negated,
                })));
            };
            let is_cast = |data_type: &DataType| match has_all {
                true => *data_type != common,
                false => gives_way(data_type, &common),
            };
            if is_cast(&column) {
                subquery.subquery = converted(&subquery.subquery, &[Some(common.clone())])?;
            }
            let expr = match is_cast(&own) {
                true => Box::new(cast(*expr, common)),
                false => expr,
            };
            Transformed::yes(Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }))
        }
        other => Transformed::no(other),
    })
}

pub(crate) fn transformed(expr: Expr, changed: bool) -> Transformed<Expr> {
    match changed {
        true => Transformed::yes(expr),
        false => Transformed::no(expr),
    }
}

/// Functions that compare the items of lists.
const BY_VALUE: &[&str] = &[
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_position",
    "array_positions",
    "array_distinct",
    "array_except",
    "array_intersect",
    "array_remove_all",
    "array_remove_n",
    "array_replace_all",
    "array_replace_n",
    "array_union",
];

/// Gives sort keys their order in SQL.
pub(crate) fn sorted(sorts: &mut [Sort], schema: &DFSchema) -> Result<bool> {
    let mut exprs: Vec<&mut Expr> = sorts.iter_mut().map(|sort| &mut sort.expr).collect();
    ordered(&mut exprs, schema)
}

/// [`sorted`] for expressions.
pub(crate) fn ordered(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let mut changed = false;
    for expr in exprs {
        let data_type = expr.get_type(schema)?;
        nested::refuse_without_order(&data_type, "ORDER BY")?;
        let (key, is_other) = keys::order(std::mem::take(*expr), &data_type);
        **expr = key;
        changed |= is_other;
    }
    Ok(changed)
}

/// Replaces values of some types by those that are equal where SQL says so.
fn keyed(
    exprs: &mut [&mut Expr],
    schema: &DFSchema,
    takes: &dyn Fn(&DataType) -> bool,
) -> Result<bool> {
    let mut changed = false;
    for expr in exprs {
        if takes(&expr.get_type(schema)?) {
            **expr = keys::equal(std::mem::take(*expr));
            changed = true;
        }
    }
    Ok(changed)
}

/// `nullif(a, b)` as a comparison like any other, where DataFusion's compares bits.
fn null_if(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let types = types_of(&call.args, schema)?;
    let mut all: Vec<&mut Expr> = call.args.iter_mut().collect();
    let changed = match spelled(&types) {
        Some(timestamp) => all_cast(&mut all, &types, &timestamp),
        None => align(&mut all, schema)?,
    };
    let data_type = call.args[0].get_type(schema)?;
    let is_compared = keys::has_floats(&data_type) || is_interval(&data_type);
    if !is_compared || call.args[0].is_volatile() {
        return Ok(transformed(Expr::ScalarFunction(call), changed));
    }
    let [value, other]: [Expr; 2] = match call.args.try_into() {
        Ok(both) => both,
        Err(args) => return plan_err!("`nullif` takes two arguments, not {}", args.len()),
    };
    let (mut left, mut right) = (value.clone(), other);
    comparable(&mut [&mut left, &mut right], schema)?;
    let null = Expr::Literal(ScalarValue::try_from(&data_type)?, None);
    let case = when(left.eq(right), null).otherwise(value)?;
    Ok(Transformed::yes(case))
}

fn types_of<E: std::borrow::Borrow<Expr>>(
    exprs: impl IntoIterator<Item = E>,
    schema: &DFSchema,
) -> Result<Vec<DataType>> {
    exprs
        .into_iter()
        .map(|expr| expr.borrow().get_type(schema))
        .collect()
}

/// [`align`] for values that are compared: intervals become what they last.
fn comparable(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let types = exprs
        .iter()
        .map(|expr| expr.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    refuse_mixture(&types)?;
    let are_spans = types.iter().all(|data_type| {
        is_interval(data_type) || data_type.is_null() || matches!(data_type, DataType::Duration(_))
    });
    if !are_spans || !types.iter().any(is_interval) {
        let aligned = widened(exprs, &types) || align(exprs, schema)?;
        let is_nested = |data_type: &DataType| data_type.is_nested() && keys::has_floats(data_type);
        return Ok(keyed(exprs, schema, &is_nested)? || aligned);
    }
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if is_interval(&data_type) {
            let interval = std::mem::take(*expr);
            **expr = lasting(interval);
        }
    }
    Ok(true)
}

/// Casts values that are compared to a type that holds all of them: decimals where 38 digits would not, texts among timestamps.
fn widened(exprs: &mut [&mut Expr], types: &[DataType]) -> bool {
    match compared(types) {
        Some(wide) => all_cast(exprs, types, &wide),
        None => false,
    }
}

/// Casts all to one type; whether some had another.
fn all_cast(exprs: &mut [&mut Expr], types: &[DataType], to: &DataType) -> bool {
    let mut changed = false;
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if data_type != to {
            **expr = cast(std::mem::take(*expr), to.clone());
            changed = true;
        }
    }
    changed
}

/// Casts the expressions that give way to the type that they have in common with the others.
pub(crate) fn align(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let types = exprs
        .iter()
        .map(|expr| expr.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let Some(common) = common(&types) else {
        return Ok(false);
    };
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if gives_way(&data_type, &common) {
            let value = std::mem::take(*expr);
            **expr = cast(value, common.clone());
        }
    }
    Ok(true)
}

/// Casts the results of a `CASE` to the type that they have in common: DataFusion takes the first one's until it coerces types, and the
/// plan's readers would see that.
fn unite(results: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let types = results
        .iter()
        .map(|result| result.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let Some(common) = get_coerce_type_for_case_expression(&types, None) else {
        return Ok(false);
    };
    let mut changed = false;
    for (result, data_type) in results.iter_mut().zip(types) {
        if data_type != common && !data_type.is_null() {
            let value = std::mem::take(*result);
            **result = cast(value, common.clone());
            changed = true;
        }
    }
    Ok(changed)
}
