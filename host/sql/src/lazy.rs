//! Conditions that guard others: `y <> 0 AND x / y > 1`, `sum(x / y) FILTER (WHERE y <> 0)`.
//!
//! DataFusion evaluates both sides of `AND` unless the first one happens to decide most rows of a batch, and the arguments of an aggregate
//! for rows that its `FILTER` leaves out. A division by zero there would end the run, depending on what else is in the batch. Here
//! operands that can fail come last, whatever their order in the query, and are evaluated only for rows that the others leave
//! undecided. That is written as `CASE`, when the plan is optimized: the optimizer takes `CASE` apart.

use std::sync::Arc;

use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{
    conjunction, disjunction, merge_schema, split_binary_owned, split_conjunction,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, binary_expr, lit, when,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use crate::casts::{self, Unfit};
use crate::error::ValueError;
use crate::in_lists;
use crate::lossless::{self, Fit};

/// A planner of physical plans whose conditions guard others.
#[derive(Debug)]
pub(crate) struct Guarding(pub(crate) Option<Arc<dyn QueryPlanner + Send + Sync>>);

#[async_trait]
impl QueryPlanner for Guarding {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        refuse_correlated(plan)?;
        let plan = guarded(plan.clone())?;
        match &self.0 {
            Some(planner) => planner.create_physical_plan(&plan, session).await,
            None => {
                let planner = DefaultPhysicalPlanner::default();
                planner.create_physical_plan(&plan, session).await
            }
        }
    }
}

/// An error for a subquery that cannot be carried out, which would be found only when the plan is run.
pub fn check_subqueries(state: &SessionState, plan: &LogicalPlan) -> Result<()> {
    let mut is_correlated = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            is_correlated |=
                expr.exists(|expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..))))?;
            Ok(match is_correlated {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })
    })?;
    match is_correlated {
        true => refuse_correlated(&state.optimize(plan)?),
        false => Ok(()),
    }
}

/// Subqueries that the optimizer has not made joins of cannot be carried out.
fn refuse_correlated(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let is_left = match expr {
                    Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..) => true,
                    Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
                    _ => false,
                };
                match is_left {
                    false => Ok(TreeNodeRecursion::Continue),
                    true => Err(ValueError::refused(
                        "a subquery uses columns of the outer query in a way that is not supported",
                    )
                    .hint(
                        "write it as a join; a subquery that gives a value takes columns of the outer query only in its own WHERE, \
                         compared with `=`, and has no LIMIT",
                    )
                    .into()),
                }
            })
        })
    })?;
    Ok(())
}

fn guarded(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| guarded_node(node)?.transform_data(in_lists::compared))
        .data()
}

fn guarded_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Filter(mut filter) => {
            let schema = Arc::clone(filter.input.schema());
            let predicate = days(filter.predicate, &schema)?;
            filter.predicate = Guard(&schema).filter(predicate)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        LogicalPlan::Join(mut join) => {
            if let Some(filter) = join.filter.take() {
                let (left, right) = (join.left.schema(), join.right.schema());
                for (left_key, right_key) in &mut join.on {
                    *left_key = Guard(left).key(std::mem::take(left_key), &filter)?;
                    *right_key = Guard(right).key(std::mem::take(right_key), &filter)?;
                }
                let schema = merge_schema(&[join.left.as_ref(), join.right.as_ref()]);
                join.filter = Some(Guard(&schema).filter(filter)?);
            }
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        LogicalPlan::TableScan(scan) => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        // Rows are in the order of the keys as they are.
        node @ LogicalPlan::Window(_) => {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let guarded = expr.transform_up(|expr| Guard(&schema).window(expr))?;
                Ok(guarded.update_data(|expr| name.restore(expr)))
            })
        }
        node => {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let guarded = Guard(&schema).value(expr)?;
                Ok(guarded.update_data(|expr| name.restore(expr)))
            })
        }
    }
}

/// An aggregate whose `FILTER` guards its arguments, before the optimizer computes what several have in common for all rows.
pub(crate) fn guarded_arguments(
    mut call: AggregateFunction,
    schema: &DFSchema,
) -> Result<Transformed<Expr>> {
    let params = &mut call.params;
    let order = params.order_by.iter_mut().map(|sort| &mut sort.expr);
    let values = params.args.iter_mut().chain(order);
    let changed = guard_by(params.filter.as_deref(), values, schema)?;
    let call = Expr::AggregateFunction(call);
    Ok(Transformed::new_transformed(call, changed))
}

/// The same of a function over a window. Its keys are computed for all rows: they say where a row is.
pub(crate) fn guard_window(window: &mut WindowFunction, schema: &DFSchema) -> Result<bool> {
    let params = &mut window.params;
    guard_by(params.filter.as_deref(), params.args.iter_mut(), schema)
}

/// Has values that can fail computed for those rows alone that pass the filter.
fn guard_by<'a>(
    filter: Option<&Expr>,
    values: impl Iterator<Item = &'a mut Expr>,
    schema: &DFSchema,
) -> Result<bool> {
    let Some(filter) = filter.filter(|filter| !filter.is_volatile()) else {
        return Ok(false);
    };
    let guard = Guard(schema);
    let mut changed = false;
    for value in values {
        if depends_on_row(value) && guard.can_fail(value) {
            *value = when(filter.clone(), std::mem::take(value)).end()?;
            changed = true;
        }
    }
    Ok(changed)
}

/// What is the same for all rows must stay so: a percentile, a separator.
fn depends_on_row(value: &Expr) -> bool {
    value.any_column_refs() || value.contains_outer()
}

/// A rule that puts operands that can fail last, before the optimizer computes what several of them have in common: it does so for all rows
/// if the first operand has it.
#[derive(Debug)]
pub(crate) struct RiskyLast;

impl OptimizerRule for RiskyLast {
    fn name(&self) -> &str {
        "risky_last"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(mut filter) = plan else {
            return Ok(Transformed::no(plan));
        };
        let schema = Arc::clone(filter.input.schema());
        let guard = Guard(&schema);
        let operands = split_conjunction(&filter.predicate).into_iter();
        let operands = operands.map(|operand| (guard.can_fail(operand), operand));
        let operands: Vec<(bool, &Expr)> = operands.collect();
        if operands.is_sorted_by_key(|(can_fail, _)| *can_fail) {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let (risky, safe): (Vec<_>, Vec<_>) =
            operands.into_iter().partition(|(can_fail, _)| *can_fail);
        let operands = safe.into_iter().chain(risky);
        let operands = operands.map(|(_, operand)| operand.clone());
        if let Some(predicate) = conjunction(operands.collect::<Vec<_>>()) {
            filter.predicate = predicate;
        }
        Ok(Transformed::yes(LogicalPlan::Filter(filter)))
    }
}

/// What guards expressions over the columns of a schema.
struct Guard<'a>(&'a DFSchema);

impl Guard<'_> {
    /// A condition of rows. What cannot fail stays apart too, for what moves filters and skips row groups.
    fn filter(&self, predicate: Expr) -> Result<Expr> {
        let operands = split_conjunction(&predicate).into_iter().cloned();
        let (safe, risky): (Vec<Expr>, Vec<Expr>) =
            operands.partition(|operand| self.is_safe(operand));
        match conjunction(safe) {
            Some(safe) if !risky.is_empty() => Ok(safe.and(self.condition(predicate)?)),
            _ => self.condition(predicate),
        }
    }

    /// A condition for which NULL is as good as false.
    fn condition(&self, expr: Expr) -> Result<Expr> {
        let Some(op) = connective(&expr) else {
            return self.value(expr).data();
        };
        let operands = split_binary_owned(expr, op).into_iter();
        let operands = operands.map(|operand| self.condition(operand));
        self.chain(
            operands.collect::<Result<_>>()?,
            op,
            &|first, rest| match op {
                Operator::And => when(first, rest).otherwise(lit(false)),
                _ => when(first, lit(true)).otherwise(rest),
            },
        )
    }

    /// Any expression.
    fn value(&self, expr: Expr) -> Result<Transformed<Expr>> {
        expr.transform_down(|expr| {
            if let Expr::AggregateFunction(mut call) = expr {
                if let Some(filter) = call.params.filter.as_deref_mut() {
                    *filter = self.condition(std::mem::take(filter))?;
                }
                return Ok(Transformed::yes(Expr::AggregateFunction(call)));
            }
            let Some(op) = connective(&expr).filter(|_| self.can_fail(&expr)) else {
                return Ok(Transformed::no(expr));
            };
            let operands = split_binary_owned(expr, op).into_iter();
            let operands = operands.map(|operand| self.value(operand).data());
            let chain = self.chain(operands.collect::<Result<_>>()?, op, &|first, rest| {
                let both = binary_expr(first.clone(), op, rest);
                match op {
                    Operator::And => when(first.is_false(), lit(false)).otherwise(both),
                    _ => when(first.is_true(), lit(true)).otherwise(both),
                }
            })?;
            Ok(Transformed::new(chain, true, TreeNodeRecursion::Jump))
        })
    }

    /// A function over a window with the condition of its `FILTER`.
    fn window(&self, expr: Expr) -> Result<Transformed<Expr>> {
        let Expr::WindowFunction(mut window) = expr else {
            return Ok(Transformed::no(expr));
        };
        let changed = window.params.filter.is_some();
        if let Some(filter) = window.params.filter.as_deref_mut() {
            *filter = self.condition(std::mem::take(filter))?;
        }
        let window = Expr::WindowFunction(window);
        Ok(Transformed::new_transformed(window, changed))
    }

    /// The operands of `AND` or `OR`, each evaluated only where those before it leave something to decide.
    fn chain(
        &self,
        operands: Vec<Expr>,
        op: Operator,
        decide: &dyn Fn(Expr, Expr) -> Result<Expr>,
    ) -> Result<Expr> {
        let joined = |operands: Vec<Expr>| match op {
            Operator::And => conjunction(operands),
            _ => disjunction(operands),
        };
        let (mut volatile, mut safe, mut risky) = (vec![], vec![], vec![]);
        for operand in operands {
            // What comes first is written twice.
            match operand {
                operand if operand.is_volatile() => volatile.push(operand),
                operand if self.can_fail(&operand) => risky.push(operand),
                operand => safe.push(operand),
            }
        }
        if risky.is_empty() {
            safe.append(&mut volatile);
        }
        let mut parts: Vec<Expr> = joined(safe).into_iter().chain(risky).collect();
        parts.extend(joined(volatile));
        let Some(mut rest) = parts.pop() else {
            return Ok(lit(op == Operator::And));
        };
        while let Some(first) = parts.pop() {
            rest = decide(first, rest)?;
        }
        Ok(rest)
    }

    /// A key of a join with this condition. Rows that fail the condition match nothing, as NULL does.
    fn key(&self, key: Expr, condition: &Expr) -> Result<Expr> {
        if !self.can_fail(&key) {
            return Ok(key);
        }
        let is_own = |expr: &&Expr| {
            let columns = expr.column_refs();
            self.is_safe(expr) && columns.iter().all(|column| self.0.has_column(column))
        };
        let guards = split_conjunction(condition).into_iter().filter(is_own);
        match conjunction(guards.cloned()) {
            Some(guard) => when(guard, key).end(),
            None => Ok(key),
        }
    }

    /// Whether an expression can be evaluated for any row, and twice.
    fn is_safe(&self, expr: &Expr) -> bool {
        !expr.is_volatile() && !self.can_fail(expr)
    }

    /// Whether evaluating an expression for some row could end the run.
    fn can_fail(&self, expr: &Expr) -> bool {
        let fails = expr.exists(|expr| {
            Ok(match expr {
                Expr::ScalarFunction(call) => !is_total(call),
                Expr::Cast(cast) => {
                    let to = cast.field.data_type();
                    cast.expr
                        .get_type(self.0)
                        .is_ok_and(|from| loses(&from, to))
                }
                _ => false,
            })
        });
        fails.unwrap_or(true)
    }
}

/// Days of timestamps that are compared with other columns, as functions of ours: DataFusion estimates more rows than there are for its
/// own cast, and refuses the plan.
fn days(predicate: Expr, schema: &DFSchema) -> Result<Expr> {
    let is_compared = |expr: &Expr| match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            op.supports_propagation() && left.any_column_refs() && right.any_column_refs()
        }
        _ => false,
    };
    predicate
        .transform_down(|expr| match is_compared(&expr) {
            false => Ok(Transformed::no(expr)),
            true => expr.transform_up(|expr| match expr {
                Expr::Cast(cast)
                    if cast.field.data_type() == &DataType::Date32
                        && matches!(cast.expr.get_type(schema)?, DataType::Timestamp(..)) =>
                {
                    let day = casts::call(*cast.expr, DataType::Date32, Unfit::Error);
                    Ok(Transformed::yes(day))
                }
                other => Ok(Transformed::no(other)),
            }),
        })
        .data()
}

/// `AND` or `OR`, if the expression is one.
fn connective(expr: &Expr) -> Option<Operator> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            op: op @ (Operator::And | Operator::Or),
            ..
        }) => Some(*op),
        _ => None,
    }
}

/// Whether a cast of DataFusion's can meet a value that does not fit.
fn loses(from: &DataType, to: &DataType) -> bool {
    let is_time = |data_type: &DataType| data_type.is_temporal();
    from != to
        && !from.is_null()
        && lossless::fit(from, to) != Some(Fit::Always)
        && !(is_time(from) && is_time(to))
}

/// Whether a function has a result for all arguments.
fn is_total(call: &ScalarFunction) -> bool {
    casts::can_fail(&call.func) == Some(false)
        || matches!(
            call.func.name(),
            "arrow_typeof"
                | "btrim"
                | "character_length"
                | "coalesce"
                | "concat"
                | "concat_ws"
                | "contains"
                | "date_part"
                | "days_between"
                | "ends_with"
                | "equal_floats"
                | "get_field"
                | "greatest"
                | "initcap"
                | "isnan"
                | "iszero"
                | "kept"
                | "least"
                | "length_of_interval"
                | "like_pattern"
                | "lower"
                | "ltrim"
                | "named"
                | "named_struct"
                | "now"
                | "nullif"
                | "nvl"
                | "octet_length"
                | "one_nan"
                | "order_key"
                | "random"
                | "replace"
                | "rtrim"
                | "similar_pattern"
                | "starts_with"
                | "strpos"
                | "struct"
                | "upper"
        )
}
