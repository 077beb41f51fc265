//! Rules over plans: what the planner offers no hook for.
//!
//! [`Checked`] runs after DataFusion's type coercion, so that it sees the casts and the arithmetic which that adds.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, GroupingSet, Like, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast};
use datafusion::optimizer::AnalyzerRule;

use crate::arithmetic::{self, Op};
use crate::casts::{self, Unfit};
use crate::error::ValueError;
use crate::patterns;
use crate::time::{between, is_shifted, shifted};
use crate::unify::{is_date, is_interval, projected, refuse_nested, transformed};
use crate::{keys, lazy, nested, windows};

/// Checked arithmetic and casts, also where DataFusion itself wrote them; patterns with any escape character.
#[derive(Debug)]
pub(crate) struct Checked;

impl AnalyzerRule for Checked {
    fn name(&self) -> &str {
        "checked"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite(plan, &checked, &one_nan)
    }
}

/// Rewrites every expression of a plan with the schema of what it reads, then the node that holds it.
pub(crate) fn rewrite(
    plan: LogicalPlan,
    expression: &dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
    node: &dyn Fn(LogicalPlan) -> Result<Transformed<LogicalPlan>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            let table = scan.table_name.clone();
            schema.merge(&DFSchema::try_from_qualified_schema(
                table,
                &scan.source.schema(),
            )?);
        }
        let names = NamePreserver::new(&plan);
        let rewritten = |expr: Expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| expression(expr, &schema))?;
            Ok(match rewritten.transformed {
                true => rewritten.update_data(|expr| name.restore(expr)),
                false => rewritten,
            })
        };
        let plan = plan.map_expressions(|expr| match expr {
            // The columns of the result are called as its keys are.
            Expr::GroupingSet(set) => grouping_set(set, &rewritten),
            expr => rewritten(expr),
        })?;
        // What it reads may have other types than before, too.
        plan.transform_data(node)?
            .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

fn grouping_set(
    set: GroupingSet,
    rewritten: &dyn Fn(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<Expr>> {
    let mut changed = false;
    let mut keys = |keys: Vec<Expr>| {
        keys.into_iter()
            .map(|key| {
                let key = rewritten(key)?;
                changed |= key.transformed;
                Ok(key.data)
            })
            .collect::<Result<Vec<_>>>()
    };
    let set = match set {
        GroupingSet::Rollup(all) => GroupingSet::Rollup(keys(all)?),
        GroupingSet::Cube(all) => GroupingSet::Cube(keys(all)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(keys).collect::<Result<_>>()?)
        }
    };
    Ok(Transformed::new_transformed(
        Expr::GroupingSet(set),
        changed,
    ))
}

fn is_regex(op: Operator) -> bool {
    matches!(
        op,
        Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
    )
}

/// Where a function of regular expressions has its flags.
fn flags_of(function: &str) -> Option<usize> {
    match function {
        "regexp_like" | "regexp_match" => Some(2),
        "regexp_replace" | "regexp_count" => Some(3),
        "regexp_instr" => Some(4),
        _ => None,
    }
}

/// The function with its pattern translated, and the flags in it: only that all matches count is left.
fn regex_call(mut call: ScalarFunction) -> Result<Transformed<Expr>> {
    let name = call.func.name().to_owned();
    let mut flags = String::new();
    if let Some(argument) = flags_of(&name).and_then(|place| call.args.get_mut(place)) {
        let Expr::Literal(literal, metadata) = argument else {
            return Err(
                ValueError::refused(format!("the flags of `{name}` must be a constant"))
                    .hint("write them, for example 'gi', or (?i) in the pattern")
                    .into(),
            );
        };
        if let Some(Some(written)) = literal.try_as_str() {
            flags = written.to_owned();
            // `u` changes nothing.
            let left = if flags.contains('g') { "g" } else { "u" };
            let left = ScalarValue::from(left).cast_to(&literal.data_type())?;
            *argument = Expr::Literal(left, metadata.take());
        }
    }
    if let Some(pattern) = call.args.get_mut(1) {
        *pattern = patterns::regex(std::mem::take(pattern), &flags)?;
    }
    if name == "regexp_replace"
        && let Some(text) = call.args.get_mut(2)
    {
        *text = patterns::replacement(std::mem::take(text));
    }
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

/// What aggregate functions and windows compute, with one NaN.
fn one_nan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let computed = match &plan {
        LogicalPlan::Aggregate(aggregate) => &aggregate.aggr_expr,
        LogicalPlan::Window(window) => &window.window_expr,
        _ => return Ok(Transformed::no(plan)),
    };
    let passes = |name: &str| matches!(name, "min" | "max" | "first_value" | "last_value");
    let computes = computed.iter().map(|expr| match expr.clone().unalias() {
        Expr::AggregateFunction(call) => !passes(call.func.name()),
        Expr::WindowFunction(call) => !passes(call.fun.name()),
        _ => false,
    });
    let fields = plan.schema().fields();
    let first = fields.len() - computed.len();
    let changes: Vec<bool> = std::iter::repeat_n(false, first)
        .chain(computes)
        .zip(fields)
        .map(|(computes, field)| computes && field.data_type().is_floating())
        .collect();
    if !changes.contains(&true) {
        return Ok(Transformed::no(plan));
    }
    let mut changes = changes.into_iter();
    let plan = projected(&Arc::new(plan), |_, value| {
        changes
            .next()
            .unwrap_or(false)
            .then(|| keys::one_nan(value))
    })?;
    Ok(Transformed::yes(Arc::unwrap_or_clone(plan)))
}

/// Functions of numbers that can have no value.
fn makes_nan(call: &ScalarFunction) -> bool {
    matches!(
        call.func.name(),
        "power"
            | "ln"
            | "log"
            | "log2"
            | "log10"
            | "exp"
            | "sqrt"
            | "cbrt"
            | "sin"
            | "cos"
            | "tan"
            | "cot"
            | "asin"
            | "acos"
            | "atan"
            | "atan2"
            | "sinh"
            | "cosh"
            | "tanh"
            | "asinh"
            | "acosh"
            | "atanh"
            | "add"
            | "subtract"
            | "multiply"
            | "divide"
            | "remainder"
    )
}

/// The cast of a value that can change by it as a function of ours; any other value itself, whose cast is left to DataFusion.
fn changing(
    value: Expr,
    to: &DataType,
    unfit: Unfit,
    schema: &DFSchema,
) -> Result<std::result::Result<Expr, Expr>> {
    let from = value.get_type(schema)?;
    refuse_nested(&from, to)?;
    Ok(match casts::can_change(&from, to) {
        true => Ok(casts::call(value, to.clone(), unfit)),
        false => Err(value),
    })
}

fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let original =
                |left, right| Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }));
            if is_regex(op) {
                // Patterns of SIMILAR TO are translated already.
                let regex = patterns::regex(*right, "")?;
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                    left,
                    op,
                    right: Box::new(regex),
                })));
            }
            if nested::is_order(op) {
                let (mut left, mut right) = (*left, *right);
                let changed = nested::compared(&mut [&mut left, &mut right], schema)?;
                let expr = BinaryExpr::new(Box::new(left), op, Box::new(right));
                return Ok(transformed(Expr::BinaryExpr(expr), changed));
            }
            let Some(operator) = Op::of(op) else {
                return Ok(original(left, right));
            };
            let types = (left.get_type(schema)?, right.get_type(schema)?);
            if operator == Op::Subtract && is_date(&types.0) && is_date(&types.1) {
                return Ok(Transformed::yes(between(*left, *right)));
            }
            if matches!(operator, Op::Add | Op::Subtract)
                && is_shifted(&types.0)
                && is_interval(&types.1)
            {
                return Ok(Transformed::yes(shifted(operator, *left, *right)));
            }
            if operator == Op::Add && is_interval(&types.0) && is_shifted(&types.1) {
                return Ok(Transformed::yes(shifted(operator, *right, *left)));
            }
            // The types of other results could differ from those that the plan was made with.
            match types.0.is_integer() && types.0 == types.1 {
                true => Transformed::yes(arithmetic::call(operator, *left, *right)),
                // What has no value has one of many bits, of either sign.
                false if types.0.is_floating() && types.1.is_floating() => {
                    Transformed::yes(keys::one_nan(original(left, right).data))
                }
                false => original(left, right),
            }
        }
        Expr::Between(mut between) => {
            let changed = nested::compared(
                &mut [&mut between.expr, &mut between.low, &mut between.high],
                schema,
            )?;
            transformed(Expr::Between(between), changed)
        }
        Expr::SetComparison(comparison) if nested::is_order(comparison.op) => {
            if comparison.expr.get_type(schema)?.is_nested() {
                let op = comparison.op;
                return Err(ValueError::refused(format!(
                    "lists, structs and maps have no `{op} ANY` and `{op} ALL` of a subquery"
                ))
                .hint(format!(
                    "for ANY write EXISTS (SELECT 1 FROM t WHERE x {op} y), for ALL compare with its min(y) or max(y)"
                ))
                .into());
            }
            Transformed::no(Expr::SetComparison(comparison))
        }
        Expr::Negative(value) => match arithmetic::can_negate(&value.get_type(schema)?) {
            true => Transformed::yes(arithmetic::negated(*value)),
            false => {
                // DataFusion plans it, and has no kernel for it.
                if let moment @ DataType::Timestamp(..) = value.get_type(schema)? {
                    let moment = crate::type_name(&moment);
                    let message = format!("`-` takes a number or an interval, not {moment}");
                    return Err(ValueError::refused(message)
                        .hint("a difference is written `a - b`")
                        .into());
                }
                Transformed::no(Expr::Negative(value))
            }
        },
        Expr::Cast(Cast { expr, field }) => {
            match changing(*expr, field.data_type(), Unfit::Error, schema)? {
                Ok(call) => Transformed::yes(call),
                Err(value) => {
                    let expr = Box::new(value);
                    Transformed::no(Expr::Cast(Cast { expr, field }))
                }
            }
        }
        Expr::TryCast(TryCast { expr, field }) => {
            match changing(*expr, field.data_type(), Unfit::Null, schema)? {
                Ok(call) => Transformed::yes(call),
                Err(value) => {
                    let expr = Box::new(value);
                    Transformed::no(Expr::TryCast(TryCast { expr, field }))
                }
            }
        }
        // Becomes a cast later.
        Expr::ScalarFunction(call)
            if matches!(call.func.name(), "arrow_cast" | "arrow_try_cast") =>
        {
            let call = Expr::ScalarFunction(call);
            let to = call.get_type(schema)?;
            let Expr::ScalarFunction(ScalarFunction { func, mut args }) = call else {
                return Ok(Transformed::no(call));
            };
            let unfit = match func.name() {
                "arrow_cast" => Unfit::Error,
                _ => Unfit::Null,
            };
            let Some(value) = args.first_mut().map(std::mem::take) else {
                return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction {
                    func,
                    args,
                })));
            };
            match changing(value, &to, unfit, schema)? {
                Ok(call) => Transformed::yes(call),
                Err(value) => {
                    args[0] = value;
                    Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))
                }
            }
        }
        Expr::ScalarFunction(mut call) if call.func.name() == "array_to_string" => {
            let mut changed = false;
            if let Some(list) = call.args.first_mut()
                && let Some(texts) = casts::items_as_text(&list.get_type(schema)?)
            {
                *list = casts::call(std::mem::take(list), texts, Unfit::Error);
                changed = true;
            }
            Transformed::new_transformed(Expr::ScalarFunction(call), changed)
        }
        Expr::ScalarFunction(call) if call.func.name() == "array_sort" => {
            let mut words = call.args.iter().skip(1);
            if words.any(Expr::any_column_refs) {
                return Err(ValueError::refused(
                    "the order of `array_sort` must be the same for all rows",
                )
                .hint("write CASE WHEN .. THEN array_sort(x, 'ASC') ELSE array_sort(x, 'DESC') END")
                .into());
            }
            Transformed::no(Expr::ScalarFunction(call))
        }
        Expr::ScalarFunction(call) if flags_of(call.func.name()).is_some() => regex_call(call)?,
        Expr::ScalarFunction(call) if makes_nan(&call) => {
            let call = Expr::ScalarFunction(call);
            match call.get_type(schema)?.is_floating() {
                true => Transformed::yes(keys::one_nan(call)),
                false => Transformed::no(call),
            }
        }
        Expr::AggregateFunction(call) => lazy::guarded_arguments(call, schema)?,
        Expr::WindowFunction(mut window) => {
            let is_guarded = lazy::guard_window(&mut window, schema)?;
            let mut exact = windows::exact(*window, schema)?;
            exact.transformed |= is_guarded;
            exact
        }
        Expr::Like(like) => Transformed::yes(Expr::Like(Like {
            pattern: Box::new(patterns::like(*like.pattern)),
            ..like
        })),
        Expr::SimilarTo(similar) => {
            let op = match similar.negated {
                true => Operator::RegexNotMatch,
                false => Operator::RegexMatch,
            };
            let regex = patterns::similar(*similar.pattern);
            let regex = match similar.expr.get_type(schema)? {
                DataType::Utf8 | DataType::Null => regex,
                other => cast(regex, other),
            };
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
                similar.expr,
                op,
                Box::new(regex),
            )))
        }
        other => Transformed::no(other),
    })
}
