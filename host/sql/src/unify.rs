//! Values that are compared, sorted, grouped or become one column: the type that they have in common, where DataFusion's choice would
//! lose some of them, and the [key](crate::keys) by which they are equal.
//!
//! This runs when a query is planned, as it changes types, which the plan's readers see.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL128_MAX_SCALE, DataType, Field, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{Cast, InList, InSubquery, ScalarFunction, Sort, TryCast};
use datafusion::logical_expr::type_coercion::other::get_coerce_type_for_case_expression;
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union,
    cast, when,
};
use datafusion::logical_expr_common::type_coercion::binary::type_union_coercion;

use crate::arithmetic::stored;
use crate::casts::{self, Unfit};
use crate::error::ValueError;
use crate::keys;
use crate::numbers;
use crate::rules::rewrite;
use crate::time::{self, length as lasting};
use crate::type_name;
use crate::type_names::length;
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
        Expr::ScalarFunction(call) if call.func.name() == "date_part" => {
            time::date_part(call, schema)?
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
            let of_one_type = ["coalesce", "nvl", "nvl2", "greatest", "least", "make_array"];
            let mut changed = false;
            if of_one_type.contains(&func.name()) {
                refuse_mixture(&types_of(&args, schema)?)?;
                let mut all: Vec<&mut Expr> = args.iter_mut().collect();
                changed = align(&mut all, schema)?;
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
            transformed(Expr::ScalarFunction(ScalarFunction { func, args }), changed)
        }
        Expr::WindowFunction(window) => windows::unified(*window, schema)?,
        Expr::AggregateFunction(mut call) => {
            let params = &mut call.params;
            let mut changed = false;
            if let Some(first) = params.args.first() {
                let data_type = first.get_type(schema)?;
                if params.distinct || matches!(call.func.name(), "min" | "max") {
                    refuse_interval(&data_type, &format!("`{}`", call.func.name()))?;
                }
                if params.distinct && data_type.is_nested() {
                    let mut all: Vec<&mut Expr> = params.args.iter_mut().collect();
                    changed |= keyed(&mut all, schema, &keys::has_floats)?;
                }
            }
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
            let Some(common) = numbers::comparable(&both).or_else(|| common(&both)) else {
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
    let mut all: Vec<&mut Expr> = call.args.iter_mut().collect();
    let changed = align(&mut all, schema)?;
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

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

/// Where DataFusion takes 30 days and a month for different intervals.
fn refuse_interval(data_type: &DataType, by: &str) -> Result<()> {
    match is_interval(data_type) {
        false => Ok(()),
        true => Err(ValueError::new(format!(
            "{by} would take 1 month and 30 days for different intervals, which are equal in SQL"
        ))
        .hint("write date_part('epoch', ..) of the interval: its seconds")
        .into()),
    }
}

/// Numbers and dates have no type in common. DataFusion makes days of the numbers, or a count of the dates.
fn refuse_mixture(types: &[DataType]) -> Result<()> {
    let find =
        |is: &dyn Fn(&DataType) -> bool| types.iter().find(|data_type| is(stored(data_type)));
    let moment = find(&|data_type| is_date(data_type) || is_timestamp(data_type));
    let number = find(&|data_type| data_type.is_numeric());
    match (moment, number) {
        (Some(moment), Some(number)) => Err(ValueError::new(format!(
            "{} and {} have no type in common",
            type_name(moment),
            type_name(number)
        ))
        .hint("to_timestamp_seconds(..) makes a timestamp of a number, date_part('epoch', ..) a number of a timestamp")
        .into()),
        _ => Ok(()),
    }
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

/// Numbers as dates and the other way around: PostgreSQL has no such cast, and readers disagree about the unit.
fn refuse_cast(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let from = cast.expr.get_type(schema)?;
    refuse_number_of_time(&from, cast.field.data_type())?;
    Ok(match length(&cast.field)? {
        Some(length) => Transformed::yes(casts::cut(*cast.expr, length, Unfit::Error)),
        None => Transformed::no(Expr::Cast(cast)),
    })
}

fn refuse_try_cast(cast: TryCast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let from = cast.expr.get_type(schema)?;
    refuse_number_of_time(&from, cast.field.data_type())?;
    Ok(match length(&cast.field)? {
        Some(length) => Transformed::yes(casts::cut(*cast.expr, length, Unfit::Null)),
        None => Transformed::no(Expr::TryCast(cast)),
    })
}

fn refuse_number_of_time(from: &DataType, to: &DataType) -> Result<()> {
    let hint = match (stored(from), stored(to)) {
        (from, to) if from.is_numeric() && is_date(to) => "DATE '1970-01-01' + .. counts days",
        (from, to) if from.is_numeric() && is_timestamp(to) => {
            "to_timestamp_seconds(..) and to_timestamp_millis(..) count from 1970"
        }
        (from, to) if is_date(from) && to.is_numeric() => ".. - DATE '1970-01-01' counts days",
        (from, to) if is_timestamp(from) && to.is_numeric() => {
            "date_part('epoch', ..) counts seconds since 1970"
        }
        _ => return Ok(()),
    };
    Err(ValueError::new(format!(
        "a cast from {} to {} does not say what the number counts",
        type_name(from),
        type_name(to)
    ))
    .hint(hint)
    .into())
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
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

/// Casts decimals that are compared to one that holds all of them, where 38 digits would not.
fn widened(exprs: &mut [&mut Expr], types: &[DataType]) -> bool {
    let Some(wide) = numbers::comparable(types) else {
        return false;
    };
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if *data_type != wide {
            **expr = cast(std::mem::take(*expr), wide.clone());
        }
    }
    true
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

/// The type of the values of all, where DataFusion's would not hold them.
fn common(types: &[DataType]) -> Option<DataType> {
    moment(types).or_else(|| number(types))
}

/// Whether values of this type have to be cast to the common one.
fn gives_way(data_type: &DataType, common: &DataType) -> bool {
    match common {
        DataType::Float64 | DataType::Decimal256(..) => {
            stored(data_type).is_numeric() && data_type != common
        }
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

/// The type of a column of a union. Until DataFusion coerces types, it has the first one's.
fn column_of_union(types: &[DataType]) -> Result<Option<DataType>> {
    refuse_mixture(types)?;
    if let Some(common) = common(types) {
        return Ok(Some(common));
    }
    let Some((first, others)) = types.split_first() else {
        return Ok(None);
    };
    if others.iter().all(|other| other == first) {
        return Ok(None);
    }
    let mut common = first.clone();
    for other in others {
        common = type_union_coercion(&common, other).ok_or_else(|| {
            ValueError::new(format!(
                "a column of a set operation is {} in one query and {} in another",
                type_name(&common),
                type_name(other)
            ))
            .hint("CAST one of them to the type of the other")
        })?;
    }
    // No reader of files knows more digits.
    Ok(Some(match common {
        DataType::Decimal256(_, scale) if !types.iter().any(is_wide) => {
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale.min(DECIMAL128_MAX_SCALE))
        }
        other => other,
    }))
}

fn is_wide(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal256(..))
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
                    column_of_union(&types)
                })
                .collect::<Result<_>>()?;
            // What it reads may have other types than before.
            let is_stale = union.inputs.first().is_some_and(|input| {
                let types = |schema: &DFSchema| -> Vec<DataType> {
                    let fields = schema.fields().iter();
                    fields.map(|field| field.data_type().clone()).collect()
                };
                types(input.schema()) != types(&union.schema)
            });
            if common.iter().all(Option::is_none) && !is_stale {
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
                refuse_mixture(&types)?;
                if widened(&mut [&mut *left, &mut *right], &types) {
                    changed = true;
                    continue;
                }
                let common = common(&types);
                for (key, data_type) in [(left, &types[0]), (right, &types[1])] {
                    if let Some(common) = &common
                        && gives_way(data_type, common)
                    {
                        *key = cast(std::mem::take(key), common.clone());
                        changed = true;
                    }
                    // Joins that sort compare bits.
                    if keys::has_floats(data_type) || common == Some(DataType::Float64) {
                        *key = keys::equal(std::mem::take(key));
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
        LogicalPlan::Sort(mut sort) => {
            let schema = Arc::clone(sort.input.schema());
            let changed = sorted(&mut sort.expr, &schema)?;
            let sort = LogicalPlan::Sort(sort);
            Ok(match changed {
                true => Transformed::yes(sort),
                false => Transformed::no(sort),
            })
        }
        LogicalPlan::Aggregate(mut aggregate) => {
            let schema = Arc::clone(aggregate.input.schema());
            let mut changed = false;
            for group in &mut aggregate.group_expr {
                if matches!(group, Expr::GroupingSet(_)) {
                    continue;
                }
                let data_type = group.get_type(&schema)?;
                refuse_interval(&data_type, "GROUP BY")?;
                if data_type.is_nested() && keys::has_floats(&data_type) {
                    let (relation, name) = group.qualified_name();
                    let key = keys::equal(std::mem::take(group));
                    *group = key.alias_qualified(relation, name);
                    changed = true;
                }
            }
            let aggregate = LogicalPlan::Aggregate(aggregate);
            Ok(match changed {
                true => Transformed::yes(aggregate),
                false => Transformed::no(aggregate),
            })
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let fields = || {
                input
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| field.data_type())
            };
            for data_type in fields() {
                refuse_interval(data_type, "DISTINCT or a set operation")?;
            }
            let has_key =
                |data_type: &DataType| data_type.is_nested() && keys::has_floats(data_type);
            if !fields().any(has_key) {
                return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::All(input))));
            }
            let input = projected(&input, |field, expr| {
                has_key(field.data_type()).then(|| keys::equal(expr))
            })?;
            Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::All(
                input,
            ))))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The plan with columns cast to the types given for them.
fn converted(plan: &Arc<LogicalPlan>, types: &[Option<DataType>]) -> Result<Arc<LogicalPlan>> {
    let mut types = types.iter();
    projected(plan, |field, expr| match types.next() {
        Some(Some(to)) if field.data_type() != to => Some(cast(expr, to.clone())),
        _ => None,
    })
}

/// The plan with some of its columns computed from themselves.
pub(crate) fn projected(
    plan: &Arc<LogicalPlan>,
    mut computed: impl FnMut(&Field, Expr) -> Option<Expr>,
) -> Result<Arc<LogicalPlan>> {
    let exprs: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(plan.schema().fields())
        .map(|(column, field)| {
            let (relation, name) = (column.relation.clone(), column.name.clone());
            match computed(field, Expr::Column(column.clone())) {
                Some(expr) => expr.alias_qualified(relation, name),
                None => Expr::Column(column),
            }
        })
        .collect();
    let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(Arc::clone(plan)));
    Ok(Arc::new(plan.project(exprs)?.build()?))
}
