//! `x IN (a, b, ..)` where DataFusion gets it wrong.
//!
//! - It looks values up in a set if each item of the list gives one value for a batch without rows. `CASE WHEN b THEN 2 ELSE y END` does:
//!   2 stood for every row. So it does where it asks whether a condition above an outer join leaves out rows that the join fills with NULL.
//! - Lists of one column that meet in `AND` or `OR` become one, by rules that know no NULL and take items for different values that are
//!   written differently: `x IN (1, y) AND x IN (1, z)` became `x IN (1)`; `x NOT IN (1, 2) OR x NOT IN (3, 4)` became true, also where
//!   `x` is NULL.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{disjunction, split_binary, split_binary_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::same::{is_kept, kept};

/// A node whose lists are compared item by item unless all items are constants.
pub(crate) fn compared(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    map_keys(node, |expr| {
        if !expr.exists(|expr| Ok(computed(expr).is_some()))? {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        let compared = expr.transform_up(|mut expr| {
            let Some(place) = computed(&expr) else {
                return Ok(Transformed::no(expr));
            };
            if let Expr::InList(list) = &mut expr
                && let Some(item) = list.list.get_mut(place)
            {
                *item = kept(std::mem::take(item));
            }
            Ok(Transformed::yes(expr))
        })?;
        Ok(compared.update_data(|expr| name.restore(expr)))
    })
}

/// The place of an item that could be taken for a constant. Where a column is listed, or something that is kept, nothing is.
fn computed(expr: &Expr) -> Option<usize> {
    let Expr::InList(list) = expr else {
        return None;
    };
    let is_for_rows = |item: &Expr| matches!(item, Expr::Column(_)) || is_kept(item);
    let is_constant = |item: &Expr| matches!(item, Expr::Literal(..));
    match list.list.iter().any(is_for_rows) {
        true => None,
        false => list.list.iter().position(|item| !is_constant(item)),
    }
}

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// A rule of the optimizer that sees lists as they are computed.
pub(crate) fn seen(rule: Rule) -> Rule {
    let rewrite = match rule.name() {
        "simplify_expressions" => apart,
        "push_down_filter" => item_by_item,
        _ => return rule,
    };
    Arc::new(Seen { rule, rewrite })
}

type Rewrite = fn(&Rule, LogicalPlan, &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>>;

/// A rule that sees the lists of a plan otherwise than they stand there.
#[derive(Debug)]
struct Seen {
    rule: Rule,
    rewrite: Rewrite,
}

impl OptimizerRule for Seen {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        (self.rewrite)(&self.rule, plan, config)
    }
}

/// For a rule that computes conditions for a row of NULL.
fn item_by_item(
    rule: &Rule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<LogicalPlan>> {
    match plan {
        plan @ LogicalPlan::Filter(_) => {
            compared(plan)?.transform_data(|plan| rule.rewrite(plan, config))
        }
        plan => rule.rewrite(plan, config),
    }
}

/// For a rule that must not see two lists at once.
fn apart(
    rule: &Rule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    let hidden = map_keys(plan, |expr| {
        let mut lists = 0;
        let hidden = hidden(expr.clone(), &mut lists)?.data;
        Ok(match lists {
            0 | 1 => Transformed::no(expr),
            _ => Transformed::yes(names.save(&expr).restore(hidden)),
        })
    })?;
    let simplified = rule.rewrite(hidden.data, config)?;
    if !hidden.transformed {
        return Ok(simplified);
    }
    // The rule may have put a node on top of this one.
    let shown = simplified.data.transform_down(|node| {
        node.map_expressions(|expr| expr.transform_down(|expr| Ok(shown(expr))))
    })?;
    Ok(Transformed::yes(shown.data))
}

/// The expression with its lists hidden, which are counted.
fn hidden(expr: Expr, lists: &mut usize) -> Result<Transformed<Expr>> {
    expr.transform_down(|expr| {
        if is_list(&expr) {
            *lists += 1;
            return Ok(Transformed::new(kept(expr), true, TreeNodeRecursion::Jump));
        }
        if !is_or(&expr) {
            return Ok(Transformed::no(expr));
        }
        let operands = split_binary_owned(expr, Operator::Or).into_iter();
        let operands = operands
            .map(|operand| hidden(operand, lists).data())
            .collect::<Result<Vec<_>>>()?;
        let joined = disjunction(operands).unwrap_or_else(|| lit(false));
        Ok(Transformed::new(joined, true, TreeNodeRecursion::Jump))
    })
}

fn shown(expr: Expr) -> Transformed<Expr> {
    match expr {
        expr if !is_kept(&expr) => Transformed::no(expr),
        Expr::ScalarFunction(mut call) => match call.args.pop() {
            Some(list) => Transformed::yes(list),
            None => Transformed::no(Expr::ScalarFunction(call)),
        },
        expr => Transformed::no(expr),
    }
}

fn is_or(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(BinaryExpr { op, .. }) if *op == Operator::Or)
}

/// Whether an expression is a list, or becomes one: `x = 1 OR x IN (2, 3)`, which are put together rightly.
fn is_list(expr: &Expr) -> bool {
    match expr {
        Expr::InList(_) => true,
        _ => is_or(expr) && split_binary(expr, Operator::Or).into_iter().all(is_listed),
    }
}

/// Whether an operand of `OR` can be part of a list.
fn is_listed(operand: &Expr) -> bool {
    match operand {
        Expr::InList(list) => !list.negated,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            *op == Operator::Eq && !(left.any_column_refs() && right.any_column_refs())
        }
        _ => false,
    }
}

/// Changes the expressions of a node. Of a set of groups these are its keys, whose names its columns have.
fn map_keys(
    node: LogicalPlan,
    mut change: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    node.map_expressions(|expr| match expr {
        Expr::GroupingSet(_) => expr.map_children(&mut change),
        expr => change(expr),
    })
}
