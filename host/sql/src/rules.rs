//! Rules over plans: what the planner offers no hook for.
//!
//! [`Checked`] runs after DataFusion's type coercion, so that it sees the casts and the arithmetic which that adds. [`moments`] runs when
//! a query is planned, as it changes types, which the plan's readers see.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{InList, Like, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::other::get_coerce_type_for_case_expression;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, cast,
};
use datafusion::optimizer::AnalyzerRule;

use crate::arithmetic::{self, Op};
use crate::casts::{self, Unfit};
use crate::patterns;

/// Checked arithmetic and casts, also where DataFusion itself wrote them; patterns with any escape character.
#[derive(Debug)]
pub(crate) struct Checked;

impl AnalyzerRule for Checked {
    fn name(&self) -> &str {
        "checked"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite(plan, &checked)
    }
}

/// Rewrites every expression of a plan with the schema of what it reads.
fn rewrite(
    plan: LogicalPlan,
    expression: &dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
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
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| expression(expr, &schema))?;
            Ok(match rewritten.transformed {
                true => rewritten.update_data(|expr| name.restore(expr)),
                false => rewritten,
            })
        })?;
        let plan = plan.transform_data(united)?;
        match plan.transformed {
            true => plan.map_data(LogicalPlan::recompute_schema),
            false => Ok(plan),
        }
    })?;
    Ok(rewritten.data)
}

fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let original =
                |left, right| Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }));
            let Some(operator) = Op::of(op) else {
                return Ok(original(left, right));
            };
            let types = (left.get_type(schema)?, right.get_type(schema)?);
            // The types of other results could differ from those that the plan was made with.
            match types.0.is_integer() && types.0 == types.1 {
                true => Transformed::yes(arithmetic::call(operator, *left, *right)),
                false => original(left, right),
            }
        }
        Expr::Negative(value) => match arithmetic::can_negate(&value.get_type(schema)?) {
            true => Transformed::yes(arithmetic::negated(*value)),
            false => Transformed::no(Expr::Negative(value)),
        },
        Expr::Cast(cast) => {
            match casts::can_change(&cast.expr.get_type(schema)?, cast.field.data_type()) {
                true => {
                    let to = cast.field.data_type().clone();
                    Transformed::yes(casts::call(*cast.expr, to, Unfit::Error))
                }
                false => Transformed::no(Expr::Cast(cast)),
            }
        }
        Expr::TryCast(cast) => {
            match casts::can_change(&cast.expr.get_type(schema)?, cast.field.data_type()) {
                true => {
                    let to = cast.field.data_type().clone();
                    Transformed::yes(casts::call(*cast.expr, to, Unfit::Null))
                }
                false => Transformed::no(Expr::TryCast(cast)),
            }
        }
        Expr::Like(like) => match like.escape_char {
            None | Some('\\') => Transformed::no(Expr::Like(like)),
            Some(escape) => Transformed::yes(Expr::Like(Like {
                pattern: Box::new(patterns::like(*like.pattern, escape)),
                escape_char: None,
                ..like
            })),
        },
        Expr::SimilarTo(similar) => {
            let op = match similar.negated {
                true => Operator::RegexNotMatch,
                false => Operator::RegexMatch,
            };
            let regex = patterns::similar(*similar.pattern, similar.escape_char.unwrap_or('\\'));
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

/// Dates that meet timestamps become timestamps of the same unit. DataFusion makes nanoseconds of both, which end in 2262.
pub(crate) fn moments(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite(plan, &|expr, schema| {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if op.supports_propagation() || op == Operator::Minus =>
            {
                let (mut left, mut right) = (*left, *right);
                let changed = align(&mut [&mut left, &mut right], schema)?;
                let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
                transformed(expr, changed)
            }
            Expr::Between(mut between) => {
                let changed = align(
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
                let changed = align(&mut all, schema)?;
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
                    changed |= align(&mut conditions, schema)?;
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
            other => Transformed::no(other),
        })
    })
}

fn transformed(expr: Expr, changed: bool) -> Transformed<Expr> {
    match changed {
        true => Transformed::yes(expr),
        false => Transformed::no(expr),
    }
}

/// Casts the dates among expressions to the type of the timestamps among them.
fn align(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let types = exprs
        .iter()
        .map(|expr| expr.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let Some(moment) = moment(&types) else {
        return Ok(false);
    };
    for (expr, data_type) in exprs.iter_mut().zip(types) {
        if is_date(&data_type) {
            let date = std::mem::take(*expr);
            **expr = cast(date, moment.clone());
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

pub(crate) fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

/// The timestamp that dates and timestamps have in common, where there are both.
pub(crate) fn moment(types: &[DataType]) -> Option<DataType> {
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

/// The inputs of a union whose columns are dates here and timestamps there; the keys of a join.
fn united(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Union(mut union) => {
            let mut changed = false;
            let columns = union
                .inputs
                .first()
                .map_or(0, |input| input.schema().fields().len());
            let moments: Vec<Option<DataType>> = (0..columns)
                .map(|column| {
                    let types: Vec<DataType> = union
                        .inputs
                        .iter()
                        .filter_map(|input| input.schema().fields().get(column))
                        .map(|field| field.data_type().clone())
                        .collect();
                    moment(&types)
                })
                .collect();
            if moments.iter().all(Option::is_none) {
                return Ok(Transformed::no(LogicalPlan::Union(union)));
            }
            for input in &mut union.inputs {
                let exprs: Vec<Expr> = input
                    .schema()
                    .columns()
                    .into_iter()
                    .zip(input.schema().fields())
                    .zip(&moments)
                    .map(|((column, field), moment)| match moment {
                        Some(moment) if field.data_type() != moment => {
                            let (relation, name) = (column.relation.clone(), column.name.clone());
                            cast(Expr::Column(column), moment.clone())
                                .alias_qualified(relation, name)
                        }
                        _ => Expr::Column(column),
                    })
                    .collect();
                let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(Arc::clone(input)));
                *input = Arc::new(plan.project(exprs)?.build()?);
                changed = true;
            }
            let inputs = union.inputs;
            let union = datafusion::logical_expr::Union::try_new_with_loose_types(inputs)?;
            let union = LogicalPlan::Union(union);
            Ok(Transformed::new(
                union,
                changed,
                datafusion::common::tree_node::TreeNodeRecursion::Continue,
            ))
        }
        LogicalPlan::Join(mut join) => {
            let mut changed = false;
            for (left, right) in &mut join.on {
                let types = [
                    left.get_type(join.left.schema())?,
                    right.get_type(join.right.schema())?,
                ];
                let Some(moment) = moment(&types) else {
                    continue;
                };
                for (key, data_type) in [(left, &types[0]), (right, &types[1])] {
                    if is_date(data_type) {
                        *key = cast(std::mem::take(key), moment.clone());
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
