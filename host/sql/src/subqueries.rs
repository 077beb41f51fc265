//! `IN (SELECT ..)` and `EXISTS` as SQL has them where DataFusion's differ.
//!
//! In a condition of rows, DataFusion's `IN` is false where SQL's is NULL, which only shows under `NOT`, `IS NULL` or `CASE`:
//! `NOT (x IN (SELECT y ..) AND z)` kept rows that SQL leaves out. In other places it has neither; there they become counts.

mod keyed;
mod lifted;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, JoinType, Result, ScalarValue, Spans};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, ExprSchemable, FetchType, Join, LogicalPlan, LogicalPlanBuilder,
    Operator, SkipType, Subquery, lit,
};

use self::keyed::keyed;
use crate::error::ValueError;
pub(crate) use lifted::{with, without};

/// A plan in which every `IN (SELECT ..)` is NULL where SQL says so.
pub(crate) fn exact(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match of_one_row(node)? {
        LogicalPlan::Filter(mut filter) => {
            let schema = Arc::clone(filter.input.schema());
            let predicate = conjuncts(filter.predicate, &schema)?;
            filter.predicate = predicate.data;
            let changed = predicate.transformed;
            Ok(Transformed::new_transformed(
                LogicalPlan::Filter(filter),
                changed,
            ))
        }
        LogicalPlan::Join(join) => above(join),
        node if lifted::is_lifted(&node)? => Ok(Transformed::yes(lifted::lifted(&node)?)),
        node => {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let counted = inside(expr, &schema, &Counted)?;
                Ok(counted.update_data(|expr| name.restore(expr)))
            })
        }
    })
    .data()
}

/// Subqueries that DataFusion gets wrong, as others. `EXISTS` and `IN` of those that have one row whatever the outer row is: DataFusion
/// makes a join of them, which has no row where nothing is counted.
fn of_one_row(node: LogicalPlan) -> Result<LogicalPlan> {
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| match expr {
            Expr::Exists(exists) if is_correlated(&exists.subquery) => {
                match rows_of(&exists.subquery, "EXISTS")? {
                    Rows::One => Ok(Transformed::yes(lit(!exists.negated))),
                    Rows::Any => Ok(Transformed::no(Expr::Exists(exists))),
                }
            }
            Expr::InSubquery(is_in) if is_correlated(&is_in.subquery) => {
                match rows_of(&is_in.subquery, "IN")? {
                    Rows::One => {
                        let value = Expr::ScalarSubquery(is_in.subquery);
                        Ok(Transformed::yes(match is_in.negated {
                            true => is_in.expr.not_eq(value),
                            false => (*is_in.expr).eq(value),
                        }))
                    }
                    Rows::Any => Ok(Transformed::no(Expr::InSubquery(is_in))),
                }
            }
            Expr::ScalarSubquery(mut subquery) if is_correlated(&subquery) => {
                subquery.subquery = keyed(&subquery.subquery)?;
                Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
            }
            // DataFusion makes a comparison within the subquery of it.
            Expr::SetComparison(mut set) => {
                set.subquery.subquery = apart(set.subquery.subquery)?;
                Ok(Transformed::yes(Expr::SetComparison(set)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })
    .data()
}

fn is_correlated(subquery: &Subquery) -> bool {
    !subquery.outer_ref_columns.is_empty()
}

/// How many rows a subquery has.
enum Rows {
    /// An aggregate without `GROUP BY`.
    One,
    Any,
}

fn rows_of(subquery: &Subquery, asked: &str) -> Result<Rows> {
    let mut plan = subquery.subquery.as_ref();
    loop {
        plan = match plan {
            LogicalPlan::Projection(node) => &node.input,
            LogicalPlan::SubqueryAlias(node) => &node.input,
            LogicalPlan::Sort(node) => &node.input,
            LogicalPlan::Aggregate(node) if node.group_expr.is_empty() => return Ok(Rows::One),
            // What is left of one row.
            LogicalPlan::Filter(node) if matches!(node.input.as_ref(), LogicalPlan::Aggregate(node) if node.group_expr.is_empty()) =>
            {
                return Err(ValueError::refused(format!(
                    "{asked} of a subquery with HAVING and without GROUP BY cannot use columns of the outer query"
                ))
                .hint("write what HAVING says as a comparison: `2 < (SELECT count(*) ..)`")
                .into());
            }
            LogicalPlan::Limit(node) => {
                let is_first = matches!(node.get_skip_type()?, SkipType::Literal(0));
                let has_rows = matches!(node.get_fetch_type()?, FetchType::Literal(Some(1..)));
                if asked == "EXISTS" && is_first && has_rows {
                    &node.input
                } else {
                    return Err(ValueError::refused(format!(
                        "{asked} of a subquery with LIMIT or OFFSET cannot use columns of the outer query"
                    ))
                    .hint("number its rows with row_number() and compare the number")
                    .into());
                }
            }
            _ => return Ok(Rows::Any),
        };
    }
}

/// A join whose conditions with subqueries are in a filter above it, or columns of its sides if it is an outer join.
fn above(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let asks = |expr: &Expr| expr.exists(|expr| Ok(lifted::is_asked(expr)));
    let (mut own, mut moved) = (Vec::new(), Vec::new());
    for operand in join.filter.iter().flat_map(split_conjunction) {
        match asks(operand)? {
            true => moved.push(operand.clone()),
            false => own.push(operand.clone()),
        }
    }
    let Some(predicate) = conjunction(moved) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    if join.join_type != JoinType::Inner {
        return Ok(Transformed::yes(lifted::beside(join)?));
    }
    let predicate = conjuncts(predicate, &join.schema)?.data;
    join.filter = conjunction(own);
    let join = LogicalPlanBuilder::from(LogicalPlan::Join(join));
    Ok(Transformed::yes(join.filter(predicate)?.build()?))
}

/// How a place asks whether there are rows.
trait Asks {
    /// Whether the subquery has a row.
    fn some(&self, subquery: Subquery) -> Result<Expr>;
    /// Whether the subquery has a row whose value is equal, or NULL or false if it has none.
    fn equal(&self, value: Expr, subquery: Subquery, schema: &DFSchema) -> Result<Expr>;
}

/// In a condition of rows.
struct Marked;

impl Asks for Marked {
    fn some(&self, subquery: Subquery) -> Result<Expr> {
        Ok(Expr::Exists(Exists::new(subquery, false)))
    }

    fn equal(&self, value: Expr, subquery: Subquery, _schema: &DFSchema) -> Result<Expr> {
        let expr = Box::new(value);
        Ok(Expr::InSubquery(InSubquery::new(expr, subquery, false)))
    }
}

/// Anywhere else.
struct Counted;

impl Asks for Counted {
    fn some(&self, subquery: Subquery) -> Result<Expr> {
        let mut plan = Arc::clone(&subquery.subquery);
        // What is selected does not matter, and hides columns that the outer query compares with.
        loop {
            plan = match plan.as_ref() {
                LogicalPlan::Projection(node) => Arc::clone(&node.input),
                LogicalPlan::SubqueryAlias(node) => Arc::clone(&node.input),
                LogicalPlan::Sort(node) if node.fetch.is_none() => Arc::clone(&node.input),
                LogicalPlan::Distinct(Distinct::All(input)) => Arc::clone(input),
                _ => break,
            };
        }
        counted(plan, subquery.outer_ref_columns)
    }

    fn equal(&self, value: Expr, subquery: Subquery, schema: &DFSchema) -> Result<Expr> {
        let mut outer = subquery.outer_ref_columns.clone();
        let value = value.transform_up(|expr| match expr {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                let reference = Expr::OuterReferenceColumn(field, column);
                outer.push(reference.clone());
                Ok(Transformed::yes(reference))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let rows = apart(subquery.subquery)?;
        let own = Expr::Column(Column::from(rows.schema().qualified_field(0)));
        let plan = LogicalPlanBuilder::from(rows).filter(own.eq(value.data))?;
        counted(Arc::new(plan.build()?), outer)
    }
}

/// The rows of a subquery under a name of their own: its columns can be called as those of the outer query are.
fn apart(plan: Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    let plan = LogicalPlanBuilder::from(plan).alias("\u{1}rows")?;
    Ok(Arc::new(plan.build()?))
}

fn counted(plan: Arc<LogicalPlan>, outer_ref_columns: Vec<Expr>) -> Result<Expr> {
    refuse_unequal(&plan)?;
    let plan = LogicalPlanBuilder::from(keyed(&plan)?)
        .aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?
        .build()?;
    let subquery = Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns,
        spans: Spans::new(),
    });
    Ok(subquery.gt(lit(0_i64)))
}

/// DataFusion counts rows for each of the outer query only where that is a join of equal columns.
fn refuse_unequal(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|node| {
        let LogicalPlan::Filter(filter) = node else {
            return Ok(TreeNodeRecursion::Continue);
        };
        for operand in split_conjunction(&filter.predicate) {
            if !operand.contains_outer() {
                continue;
            }
            let how = match operand {
                Expr::BinaryExpr(BinaryExpr { op, .. }) => match op {
                    Operator::Eq => continue,
                    op => format!("with `{op}`"),
                },
                _ => "in another way than with `=`".to_owned(),
            };
            return Err(ValueError::refused(format!(
                "a subquery in a column, or below OR, compares a column of the outer query {how}"
            ))
            .hint(
                "only `=` works there; make it a condition of WHERE, or count what is joined: with tables `t` and `k`, \
                 `SELECT t.id, count(k.id) > 0 FROM t LEFT JOIN k ON k.a > t.a GROUP BY t.id`",
            )
            .into());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// A condition of rows. Operands of `AND` are NULL or false alike, which is what DataFusion computes.
fn conjuncts(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => {
            let (left, right) = (conjuncts(*left, schema)?, conjuncts(*right, schema)?);
            let changed = left.transformed || right.transformed;
            Ok(Transformed::new_transformed(
                left.data.and(right.data),
                changed,
            ))
        }
        Expr::InSubquery(ref is_in) if !is_in.negated || is_joined(is_in) => {
            Ok(Transformed::no(expr))
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            let (equal, unknown) = found(*expr, subquery, schema, &Marked)?;
            // The optimizer would make `NOT IN` of `NOT`, which takes NULL of other rows for one of these.
            let none = equal.is_not_true();
            Ok(Transformed::yes(match unknown {
                Some(unknown) => none.and(!unknown),
                None => none,
            }))
        }
        other => match only_operand(other) {
            Ok(operand) => Ok(Transformed::yes(conjuncts(operand, schema)?.data)),
            Err(other) => disjuncts(other, schema),
        },
    }
}

/// Whether DataFusion has the right join for `NOT IN`: one that knows NULL needs a column, and takes no condition beside it.
fn is_joined(is_in: &InSubquery) -> bool {
    is_in.subquery.outer_ref_columns.is_empty() && is_in.expr.any_column_refs()
}

/// The only operand of `OR` that can be true, or the expression itself if there are others.
fn only_operand(expr: Expr) -> std::result::Result<Expr, Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => match (is_never_true(&left), is_never_true(&right)) {
            (true, _) => Ok(*right),
            (_, true) => Ok(*left),
            _ => Err(left.or(*right)),
        },
        other => Err(other),
    }
}

fn is_never_true(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => is_never_true(left) || is_never_true(right),
        _ => false,
    }
}

/// The same below `OR`, where `NOT IN` is another matter.
fn disjuncts(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::And | Operator::Or),
            right,
        }) => {
            let (left, right) = (disjuncts(*left, schema)?, disjuncts(*right, schema)?);
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(
                Expr::BinaryExpr(both),
                changed,
            ))
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(Transformed::no(expr)),
        other => inside(other, schema, &Marked),
    }
}

/// An expression anywhere.
fn inside(expr: Expr, schema: &DFSchema, asks: &dyn Asks) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) => {
            let is_in = is_in(*expr, subquery, schema, asks)?;
            Ok(Transformed::yes(match negated {
                true => !is_in,
                false => is_in,
            }))
        }
        // `= ANY` is `IN`, `<> ALL` is `NOT IN`.
        Expr::SetComparison(SetComparison {
            expr,
            subquery,
            op: Operator::Eq,
            quantifier: SetQuantifier::Any,
        }) => Ok(Transformed::yes(is_in(*expr, subquery, schema, asks)?)),
        Expr::SetComparison(SetComparison {
            expr,
            subquery,
            op: Operator::NotEq,
            quantifier: SetQuantifier::All,
        }) => Ok(Transformed::yes(!is_in(*expr, subquery, schema, asks)?)),
        Expr::Exists(exists) => {
            let negated = exists.negated;
            let some = asks.some(exists.subquery)?;
            Ok(Transformed::yes(match (negated, some) {
                (true, Expr::Exists(exists)) => Expr::Exists(Exists::new(exists.subquery, true)),
                (true, some) => !some,
                (false, some) => some,
            }))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// `value IN (subquery)`: true if a row is equal; else NULL if one is NULL, or the value is and there are rows.
fn is_in(value: Expr, subquery: Subquery, schema: &DFSchema, asks: &dyn Asks) -> Result<Expr> {
    let (equal, unknown) = found(value, subquery, schema, asks)?;
    Ok(match unknown {
        Some(unknown) => equal.or(Expr::Literal(ScalarValue::Boolean(None), None).and(unknown)),
        None => equal,
    })
}

/// Whether a row is equal, and whether the answer is NULL if none is.
fn found(
    value: Expr,
    subquery: Subquery,
    schema: &DFSchema,
    asks: &dyn Asks,
) -> Result<(Expr, Option<Expr>)> {
    let column = only_column(&subquery);
    let mut unknown = Vec::new();
    if value.nullable(schema)? {
        unknown.push(value.clone().is_null().and(asks.some(subquery.clone())?));
    }
    if subquery.subquery.schema().field(0).is_nullable() {
        let rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery));
        let nulls = rows.filter(Expr::Column(column).is_null())?.build()?;
        unknown.push(asks.some(Subquery {
            subquery: Arc::new(nulls),
            ..subquery.clone()
        })?);
    }
    let equal = asks.equal(value, subquery, schema)?;
    Ok((equal, unknown.into_iter().reduce(Expr::or)))
}

fn only_column(subquery: &Subquery) -> Column {
    Column::from(subquery.subquery.schema().qualified_field(0))
}
