//! Values of different types that are compared or become one column: the type that they have in common, where DataFusion's choice would
//! lose some of them.
//!
//! This runs when a query is planned, as it changes types, which the plan's readers see.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{InList, InSubquery, ScalarFunction};
use datafusion::logical_expr::type_coercion::other::get_coerce_type_for_case_expression;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union,
    WindowFrameBound, WindowFrameUnits, cast,
};
use datafusion::logical_expr_common::type_coercion::binary::type_union_coercion;

use crate::arithmetic::stored;
use crate::rules::rewrite;
use crate::time::{length, micros};

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
            let changed = match op {
                Operator::Minus => align(&mut [&mut left, &mut right], schema)?,
                _ => comparable(&mut [&mut left, &mut right], schema)?,
            };
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
            let changed = comparable(&mut all, schema)?;
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
            let mut changed = align(&mut results, schema)?;
            changed |= unite(&mut results, schema)?;
            if let Some(expr) = case.expr.as_deref_mut() {
                conditions.push(expr);
                changed |= comparable(&mut conditions, schema)?;
            }
            transformed(Expr::Case(case), changed)
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
            let of_one_type = [
                "coalesce",
                "nullif",
                "nvl",
                "nvl2",
                "greatest",
                "least",
                "make_array",
            ];
            let mut changed = false;
            if of_one_type.contains(&func.name()) {
                let mut all: Vec<&mut Expr> = args.iter_mut().collect();
                changed = align(&mut all, schema)?;
            }
            transformed(Expr::ScalarFunction(ScalarFunction { func, args }), changed)
        }
        Expr::WindowFunction(mut window) => {
            let params = &mut window.params;
            let frame = &params.window_frame;
            let is_span = |bound: &WindowFrameBound| match bound {
                WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) => !by.is_null(),
                WindowFrameBound::CurrentRow => false,
            };
            let is_range = frame.units == WindowFrameUnits::Range
                && (is_span(&frame.start_bound) || is_span(&frame.end_bound));
            let mut changed = false;
            if is_range
                && let Some(sort) = params.order_by.first_mut()
                && is_date(&sort.expr.get_type(schema)?)
            {
                // Dates plus intervals are timestamps here, too: DataFusion's drop the hours.
                sort.expr = cast(std::mem::take(&mut sort.expr), micros());
                changed = true;
            }
            transformed(Expr::WindowFunction(window), changed)
        }
        Expr::InSubquery(InSubquery {
            expr,
            mut subquery,
            negated,
        }) => {
            let column = subquery.subquery.schema().field(0).data_type().clone();
            let own = expr.get_type(schema)?;
            let Some(common) = common(&[own.clone(), column.clone()]) else {
                return Ok(Transformed::no(Expr::InSubquery(InSubquery {
                    expr,
                    subquery,
                    negated,
                })));
            };
            if gives_way(&column, &common) {
                subquery.subquery = converted(&subquery.subquery, &[Some(common.clone())])?;
            }
            let expr = match gives_way(&own, &common) {
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

fn transformed(expr: Expr, changed: bool) -> Transformed<Expr> {
    match changed {
        true => Transformed::yes(expr),
        false => Transformed::no(expr),
    }
}

/// [`align`] for values that are compared: intervals become what they last.
fn comparable(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let is_interval = |data_type: &DataType| matches!(data_type, DataType::Interval(_));
    let types = exprs
        .iter()
        .map(|expr| expr.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let are_spans = types.iter().all(|data_type| {
        is_interval(data_type) || data_type.is_null() || matches!(data_type, DataType::Duration(_))
    });
    if !are_spans || !types.iter().any(is_interval) {
        return align(exprs, schema);
    }
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if is_interval(&data_type) {
            let interval = std::mem::take(*expr);
            **expr = length(interval);
        }
    }
    Ok(true)
}

/// Casts the expressions that give way to the type that they have in common with the others.
fn align(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
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

/// The type of the values of all, where DataFusion's would not hold them.
fn common(types: &[DataType]) -> Option<DataType> {
    moment(types).or_else(|| number(types))
}

/// Whether values of this type have to be cast to the common one.
fn gives_way(data_type: &DataType, common: &DataType) -> bool {
    match common {
        DataType::Float64 => stored(data_type).is_numeric() && data_type != common,
        _ => is_date(data_type),
    }
}

pub(crate) fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

/// The timestamp that dates and timestamps have in common, where there are both. DataFusion makes nanoseconds of both, which end in 2262.
fn moment(types: &[DataType]) -> Option<DataType> {
    if !types.iter().any(is_date) {
        return None;
    }
    let moments = types.iter().filter_map(|data_type| match data_type {
        DataType::Timestamp(unit, zone) => Some((*unit, zone.clone())),
        _ => None,
    });
    let (unit, zone) = moments
        .reduce(|(unit, zone), (other, other_zone)| (unit.max(other), zone.or(other_zone)))?;
    Some(DataType::Timestamp(unit.max(TimeUnit::Microsecond), zone))
}

/// `float64` for floats among decimals, and for `float32` among whole numbers, as in PostgreSQL. DataFusion makes decimals of the first,
/// which have no NaN and few digits, and `float32` of the others, which holds 24 bits of them.
pub(crate) fn number(types: &[DataType]) -> Option<DataType> {
    let types = || types.iter().map(stored);
    let is_mixed = types().any(DataType::is_decimal)
        || (types().any(DataType::is_integer) && !types().any(|other| *other == DataType::Float64));
    (is_mixed && types().any(DataType::is_floating)).then_some(DataType::Float64)
}

/// DataFusion's type for different numbers. Until it coerces types, the column of a union has the first one's.
fn numbers(types: &[DataType]) -> Option<DataType> {
    let (first, others) = types.split_first()?;
    let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    if !types.iter().all(is_number) || others.iter().all(|other| other == first) {
        return None;
    }
    others.iter().try_fold(first.clone(), |common, other| {
        type_union_coercion(&common, other)
    })
}

/// The inputs of a union, the keys of a join.
fn united(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Union(mut union) => {
            let columns = union
                .inputs
                .first()
                .map_or(0, |input| input.schema().fields().len());
            let common: Vec<Option<DataType>> = (0..columns)
                .map(|column| {
                    let types: Vec<DataType> = union
                        .inputs
                        .iter()
                        .filter_map(|input| input.schema().fields().get(column))
                        .map(|field| field.data_type().clone())
                        .collect();
                    common(&types).or_else(|| numbers(&types))
                })
                .collect();
            if common.iter().all(Option::is_none) {
                return Ok(Transformed::no(LogicalPlan::Union(union)));
            }
            for input in &mut union.inputs {
                *input = converted(input, &common)?;
            }
            let inputs = union.inputs;
            let union = Union::try_new_with_loose_types(inputs)?;
            Ok(Transformed::yes(LogicalPlan::Union(union)))
        }
        LogicalPlan::Join(mut join) => {
            let mut changed = false;
            for (left, right) in &mut join.on {
                let types = [
                    left.get_type(join.left.schema())?,
                    right.get_type(join.right.schema())?,
                ];
                let Some(common) = common(&types) else {
                    continue;
                };
                for (key, data_type) in [(left, &types[0]), (right, &types[1])] {
                    if gives_way(data_type, &common) {
                        *key = cast(std::mem::take(key), common.clone());
                        changed = true;
                    }
                }
            }
            let join = LogicalPlan::Join(join);
            Ok(match changed {
                true => Transformed::yes(join),
                false => Transformed::no(join),
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The plan with columns cast to the types given for them.
fn converted(plan: &Arc<LogicalPlan>, types: &[Option<DataType>]) -> Result<Arc<LogicalPlan>> {
    let exprs: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(plan.schema().fields())
        .zip(types)
        .map(|((column, field), to)| match to {
            Some(to) if field.data_type() != to => {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                cast(Expr::Column(column), to.clone()).alias_qualified(relation, name)
            }
            _ => Expr::Column(column),
        })
        .collect();
    let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(Arc::clone(plan)));
    Ok(Arc::new(plan.project(exprs)?.build()?))
}
