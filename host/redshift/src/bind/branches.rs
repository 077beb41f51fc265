//! The values of COALESCE, GREATEST, LEAST, CASE, UNION, INTERSECT and EXCEPT are of one kind: a number does not become a text. Conditions
//! are booleans.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, JoinType, NullEquality, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::core;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, Projection, Union};

use super::plan::{is_literal, is_text, written};
use crate::functions::{self, BRANCHES, CONDITIONS};
use crate::types::{MAX_VARCHAR, Type, common};

/// The plan with texts that were written into it as values of the kind that the others are of.
///
/// # Errors
/// If two values are of different kinds.
pub(super) fn matched(plan: LogicalPlan) -> Result<LogicalPlan> {
    let matched = plan.transform_up_with_subqueries(|plan| {
        let plan = match plan {
            LogicalPlan::Union(union) => return of_union(union),
            LogicalPlan::Join(join) if is_set_operation(&join) => return of_join(join),
            plan => plan,
        };
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

/// DataFusion's function, over values of one kind; of a condition, what is in it.
fn of_call(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let name = call.func.name();
    if let Some((_, shown)) = CONDITIONS.iter().find(|(condition, _)| *condition == name)
        && let Some(condition) = call.args.pop()
    {
        if let Some(data_type) = type_of(&condition, schema) {
            functions::check_condition(shown, data_type)?;
        }
        return Ok(Transformed::yes(condition));
    }
    if let (functions::MOD, [left, right]) = (name, call.args.as_slice()) {
        functions::check_mod(type_of(left, schema), type_of(right, schema))?;
    }
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

/// Casts texts that were written into the statement to the type of the other values, and texts of several types to one; whether there were
/// some.
fn of_one_kind(what: &str, values: Vec<&mut Expr>, schema: &DFSchema) -> Result<bool> {
    let types = values.iter().filter_map(|value| type_of(value, schema));
    let has_written = values.iter().any(|value| is_written(value));
    let Some(common) = common(what, types)?.map(|common| beside(common, has_written)) else {
        return Ok(false);
    };
    let mut changed = false;
    for value in values {
        let is_cast = match common.is_text() {
            false => is_written(value),
            true => type_of(value, schema).is_some_and(|data_type| data_type != common),
        };
        if is_cast {
            if let Expr::Literal(written, _) = &value {
                functions::check_written(written, common)?;
            }
            changed = true;
            *value = functions::explicit(value.clone(), common);
        }
    }
    Ok(changed)
}

/// The type of values beside texts that were written into the statement: these have the blanks that a CHAR does not keep.
fn beside(common: Type, has_written: bool) -> Type {
    match common {
        Type::Char(_) if has_written => Type::Varchar(MAX_VARCHAR),
        common => common,
    }
}

fn of_union(mut union: Union) -> Result<Transformed<LogicalPlan>> {
    of_inputs("UNION", union.inputs.iter_mut().collect())?;
    // Also where nothing was cast: a union among the inputs may have become of another type.
    let union = Union::try_new_with_loose_types(union.inputs)?;
    Ok(Transformed::yes(LogicalPlan::Union(union)))
}

/// DataFusion makes joins of INTERSECT and EXCEPT, in which NULL is NULL.
fn is_set_operation(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
}

fn of_join(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let what = match join.join_type {
        JoinType::LeftSemi => "INTERSECT",
        _ => "EXCEPT",
    };
    of_inputs(what, vec![&mut join.left, &mut join.right])?;
    let plan = LogicalPlan::Join(join).recompute_schema()?;
    Ok(Transformed::yes(plan))
}

/// Casts texts that were written into one of these queries to the type of the others' column, and texts of several types to one.
fn of_inputs(what: &str, inputs: Vec<&mut Arc<LogicalPlan>>) -> Result<()> {
    let columns = inputs
        .first()
        .map_or(0, |input| input.schema().fields().len());
    let type_at = |input: &LogicalPlan, place: usize| {
        Type::of(input.schema().fields().get(place)?).filter(|_| !is_literal(input, place))
    };
    let mut types = Vec::with_capacity(columns);
    for place in 0..columns {
        let of_column = inputs.iter().filter_map(|input| type_at(input, place));
        let all_written: Vec<Vec<ScalarValue>> = inputs
            .iter()
            .filter_map(|input| written(input, place))
            .collect();
        let common = common(what, of_column)?;
        let common = common.map(|common| beside(common, !all_written.is_empty()));
        types.push(common.map(|common| holding(common, &all_written.concat())));
    }
    for input in inputs {
        let cast_to = |(place, common): (usize, &Option<Type>)| {
            common.filter(|common| {
                let is_other = type_at(input, place).is_some_and(|known| known != *common);
                is_literal(input, place) || common.is_text() && is_other
            })
        };
        let casts: Vec<Option<Type>> = types.iter().enumerate().map(cast_to).collect();
        for (place, to) in casts.iter().enumerate() {
            let Some(to) = to else { continue };
            for value in written(input, place).unwrap_or_default() {
                functions::check_written(&value, *to)?;
            }
        }
        if casts.iter().any(Option::is_some) {
            *input = cast(input, &casts)?;
        }
    }
    Ok(())
}

/// A VARCHAR as long as the longest of the texts that were written beside its values.
fn holding(common: Type, written: &[ScalarValue]) -> Type {
    let Type::Varchar(length) = common else {
        return common;
    };
    let texts = written
        .iter()
        .filter_map(|value| value.try_as_str().flatten());
    let longest = texts.map(str::len).max().unwrap_or_default();
    let longest = u32::try_from(longest).unwrap_or(MAX_VARCHAR);
    Type::Varchar(length.max(longest).min(MAX_VARCHAR))
}

/// The query with columns cast to the types given for them.
fn cast(input: &Arc<LogicalPlan>, types: &[Option<Type>]) -> Result<Arc<LogicalPlan>> {
    let columns = input.schema().columns().into_iter().zip(types);
    let columns = columns.map(|(column, to)| match to {
        None => Expr::Column(column),
        Some(to) => functions::explicit(Expr::Column(column.clone()), *to)
            .alias_qualified(column.relation, column.name),
    });
    let projection = Projection::try_new(columns.collect(), Arc::clone(input))?;
    Ok(Arc::new(LogicalPlan::Projection(projection)))
}

/// The type of a value; none of a text or NULL that was written into the statement.
fn type_of(expr: &Expr, schema: &DFSchema) -> Option<Type> {
    match is_written(expr) {
        true => None,
        false => Type::of(&expr.to_field(schema).ok()?.1),
    }
}

pub(super) fn is_written(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null() || is_text(&value.data_type()))
}
