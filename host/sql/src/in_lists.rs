//! `x IN (a, b, ..)` where DataFusion gets it wrong.
//!
//! - It looks values up in a set if each item of the list gives one value for a batch without rows. `CASE WHEN b THEN 2 ELSE y END` does:
//!   2 stood for every row.
//! - Lists of one column that meet in `AND` or `OR` become one, by rules that know no NULL and take items for different values that are
//!   written differently: `x IN (1, y) AND x IN (1, z)` became `x IN (1)`; `x NOT IN (1, 2) OR x NOT IN (3, 4)` became true, also where
//!   `x` is NULL.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{disjunction, split_binary, split_binary_owned};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// A node whose lists are compared item by item unless all items are constants, just before operators are made of it.
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

/// The place of an item that could be taken for a constant. Where a column is listed, nothing is.
fn computed(expr: &Expr) -> Option<usize> {
    let Expr::InList(list) = expr else {
        return None;
    };
    let is_column = |item: &Expr| matches!(item, Expr::Column(_));
    let is_constant = |item: &Expr| matches!(item, Expr::Literal(..));
    match list.list.iter().any(is_column) {
        true => None,
        false => list.list.iter().position(|item| !is_constant(item)),
    }
}

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// A rule of the optimizer that puts no lists together.
pub(crate) fn apart(rule: Rule) -> Rule {
    match rule.name() {
        "simplify_expressions" => Arc::new(Apart(rule)),
        _ => rule,
    }
}

/// A rule that sees no two lists at once.
#[derive(Debug)]
struct Apart(Rule);

impl OptimizerRule for Apart {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let names = NamePreserver::new(&plan);
        let hidden = map_keys(plan, |expr| match lists(&expr)? {
            0 | 1 => Ok(Transformed::no(expr)),
            _ => {
                let name = names.save(&expr);
                Ok(hidden(expr)?.update_data(|expr| name.restore(expr)))
            }
        })?;
        let simplified = self.0.rewrite(hidden.data, config)?;
        if !hidden.transformed {
            return Ok(simplified);
        }
        // The rule may have put a node on top of this one.
        let shown = simplified.data.transform_down(|node| {
            node.map_expressions(|expr| expr.transform_down(|expr| Ok(shown(expr))))
        })?;
        Ok(Transformed::yes(shown.data))
    }
}

/// How many lists an expression has.
fn lists(expr: &Expr) -> Result<usize> {
    let mut count = 0;
    expr.apply(|expr| {
        if is_list(expr) {
            count += 1;
            return Ok(TreeNodeRecursion::Jump);
        }
        if !is_or(expr) {
            return Ok(TreeNodeRecursion::Continue);
        }
        for operand in split_binary(expr, Operator::Or) {
            count += lists(operand)?;
        }
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(count)
}

fn hidden(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_down(|expr| {
        if is_list(&expr) {
            return Ok(Transformed::new(kept(expr), true, TreeNodeRecursion::Jump));
        }
        if !is_or(&expr) {
            return Ok(Transformed::no(expr));
        }
        let operands = split_binary_owned(expr, Operator::Or).into_iter();
        let operands = operands
            .map(|operand| hidden(operand).data())
            .collect::<Result<Vec<_>>>()?;
        let joined = disjunction(operands).unwrap_or_else(|| lit(false));
        Ok(Transformed::new(joined, true, TreeNodeRecursion::Jump))
    })
}

fn shown(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(mut call) if call.func.inner().downcast_ref::<Kept>().is_some() => {
            match call.args.pop() {
                Some(list) => Transformed::yes(list),
                None => Transformed::no(Expr::ScalarFunction(call)),
            }
        }
        other => Transformed::no(other),
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

/// The value, as something of which nothing is known before there are rows.
fn kept(value: Expr) -> Expr {
    ScalarUDF::from(Kept {
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kept {
    signature: Signature,
}

impl ScalarUDFImpl for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(FieldRef::clone(&arguments.arg_fields[0]))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.into_iter().next() {
            Some(value) => Ok(ColumnarValue::Array(
                value.into_array(arguments.number_rows)?,
            )),
            None => internal_err!("`kept` has a value"),
        }
    }
}
