//! Sorts, groups, joins and set operations: nodes of a plan whose values meet.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{
    Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Union, cast,
};

use super::common::{column_of_union, common, gives_way};
use super::refuse::{refuse_interval, refuse_mixture};
use super::{ordered, sorted, widened};
use crate::keys;
use crate::windows;

/// The inputs of a union, the keys of a join.
pub(super) fn united(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
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
        LogicalPlan::Window(window) => windows::above_keys(window),
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
        LogicalPlan::Distinct(Distinct::On(mut distinct)) => {
            let schema = Arc::clone(distinct.input.schema());
            let sorts = distinct.sort_expr.iter_mut().flatten();
            let keys = sorts.map(|sort| &mut sort.expr);
            let mut changed = false;
            // DataFusion sorts by what it groups by, so that both have keys or none.
            for key in distinct.on_expr.iter_mut().chain(keys) {
                if key.get_type(&schema)?.is_nested() {
                    changed |= ordered(&mut [key], &schema)?;
                }
            }
            let distinct = LogicalPlan::Distinct(Distinct::On(distinct));
            Ok(match changed {
                true => Transformed::yes(distinct),
                false => Transformed::no(distinct),
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The plan with columns cast to the types given for them.
pub(super) fn converted(
    plan: &Arc<LogicalPlan>,
    types: &[Option<DataType>],
) -> Result<Arc<LogicalPlan>> {
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
