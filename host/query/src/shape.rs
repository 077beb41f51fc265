//! Whether a plan gives the right rows when it is run for one slice of its sources after another.
//!
//! A slice reads some of an incremental source: new files, or whole partitions, all files of which it reads. What an operator computes
//! from such a part is right if it looks at one row at a time, or at rows of one partition only. All else (a sum over all rows, a join of
//! two incremental tables by something else than the partition) needs rows that the slice does not have.
//!
//! One rule for each kind of plan node stands here, and nowhere else.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::{Column, Result, tree_node::TreeNodeRecursion};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, Join, JoinType, LogicalPlan, Operator, Unnest,
    expr::WindowFunction, utils::split_conjunction,
};
use transom_plugin::OutputColumn;

use crate::session::source_of;
use crate::transform::{StateWriter, TransformNode, transform_of};

/// What a table's rows follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Whether a slice has only some of its rows.
    pub is_part: bool,
    /// For each column, whether it is the one whose values are the partitions that a slice reads. Each row follows from rows of sources
    /// that have the same value there.
    pub by: Vec<bool>,
}

/// What slices have of the tables that a plan reads.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// The shapes of tables, by name; one that is not here is whole.
    pub shapes: BTreeMap<String, Shape>,
    /// Whether slices read new files, so that a row comes in one slice only. Otherwise they read partitions, and again when these change.
    pub are_new_files: bool,
}

/// A transform that keeps its state from slice to slice.
#[derive(Debug, Clone)]
pub struct KeepsState {
    /// The plugin that is to save it.
    pub by: StateWriter,
    /// The transform's name in the plugin.
    pub transform: String,
    /// The columns of `partition_by` with their types.
    pub keys: Vec<(String, DataType)>,
}

impl Shape {
    /// A table that each slice has whole.
    fn whole(columns: usize) -> Self {
        Self {
            is_part: false,
            by: vec![false; columns],
        }
    }

    /// Whether a column says which partition a row belongs to.
    #[must_use]
    pub fn has_by(&self) -> bool {
        self.by.contains(&true)
    }
}

/// An operator that needs rows which a slice does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} needs all rows, and a slice has only some of them")]
pub struct NeedsAllRows {
    /// The operator, in the words of SQL.
    pub what: String,
}

/// The shape of a plan's rows.
///
/// # Errors
/// The first operator, from below, that needs rows which a slice does not have.
pub fn shape(plan: &LogicalPlan, tables: &Tables) -> Result<Shape, NeedsAllRows> {
    let columns = plan.schema().fields().len();
    check_subqueries(plan, tables)?;
    let refuse = |what: &str| {
        Err(NeedsAllRows {
            what: what.to_owned(),
        })
    };
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Some(table) = tables.shapes.get(source_of(scan.table_name.table())) else {
                return Ok(Shape::whole(columns));
            };
            // What is read with its origin has columns behind its own.
            let is_by = |column: usize| table.by.get(column).copied().unwrap_or(false);
            let by = match &scan.projection {
                None => (0..columns).map(is_by).collect(),
                Some(kept) => kept.iter().map(|column| is_by(*column)).collect(),
            };
            Ok(Shape {
                is_part: table.is_part,
                by,
            })
        }
        LogicalPlan::Projection(projection) => {
            let input = shape(&projection.input, tables)?;
            let by = projection.expr.iter();
            let by = by.map(|expr| is_by(expr, &projection.input, &input));
            Ok(Shape {
                by: by.collect(),
                is_part: input.is_part,
            })
        }
        LogicalPlan::Filter(filter) => shape(&filter.input, tables),
        LogicalPlan::SubqueryAlias(alias) => shape(&alias.input, tables),
        LogicalPlan::Subquery(subquery) => shape(&subquery.subquery, tables),
        LogicalPlan::Repartition(repartition) => shape(&repartition.input, tables),
        LogicalPlan::Sort(sort) => {
            let input = shape(&sort.input, tables)?;
            match (input.is_part, sort.fetch) {
                (true, Some(_)) => refuse("LIMIT"),
                _ => Ok(input),
            }
        }
        LogicalPlan::Limit(limit) => {
            let input = shape(&limit.input, tables)?;
            if input.is_part {
                refuse("LIMIT")
            } else {
                Ok(input)
            }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = shape(&aggregate.input, tables)?;
            if !input.is_part {
                return Ok(Shape::whole(columns));
            }
            let keys = aggregate.group_expr.iter();
            let mut by: Vec<bool> = keys
                .map(|key| is_by(key, &aggregate.input, &input))
                .collect();
            if !by.contains(&true) {
                let keys: Vec<String> = aggregate.group_expr.iter().map(sql).collect();
                return match keys.as_slice() {
                    [] => refuse("an aggregate without GROUP BY"),
                    keys => refuse(&format!("GROUP BY {}", keys.join(", "))),
                };
            }
            by.resize(columns, false);
            Ok(Shape { is_part: true, by })
        }
        LogicalPlan::Distinct(distinct) => {
            let input = shape(distinct.input(), tables)?;
            let (is_closed, by, what) = match distinct {
                Distinct::All(_) => (input.has_by(), input.by.clone(), "DISTINCT"),
                Distinct::On(on) => {
                    let of = |expr: &Expr| is_by(expr, &on.input, &input);
                    let is_closed = on.on_expr.iter().any(of);
                    let by = on.select_expr.iter().map(of).collect();
                    (is_closed, by, "DISTINCT ON")
                }
            };
            if input.is_part && !is_closed {
                return refuse(what);
            }
            Ok(Shape {
                is_part: input.is_part,
                by,
            })
        }
        LogicalPlan::Window(window) => {
            let input = shape(&window.input, tables)?;
            if input.is_part {
                for expr in &window.window_expr {
                    let is_closed = partition_keys(expr)
                        .iter()
                        .any(|key| is_by(key, &window.input, &input));
                    if !is_closed {
                        return refuse(&format!("the window of {}", function(expr)));
                    }
                }
            }
            let mut by = input.by;
            by.resize(columns, false);
            Ok(Shape {
                is_part: input.is_part,
                by,
            })
        }
        LogicalPlan::Join(join) => join_shape(join, tables, columns),
        LogicalPlan::Union(union) => {
            let inputs = union.inputs.iter();
            let inputs: Vec<Shape> = inputs
                .map(|input| shape(input, tables))
                .collect::<Result<_, _>>()?;
            let parts = inputs.iter().filter(|input| input.is_part).count();
            match parts {
                0 => Ok(Shape::whole(columns)),
                parts if parts < inputs.len() => {
                    refuse("UNION with a table that is not incremental")
                }
                _ => {
                    let by = |column: usize| inputs.iter().all(|input| input.by[column]);
                    Ok(Shape {
                        is_part: true,
                        by: (0..columns).map(by).collect(),
                    })
                }
            }
        }
        LogicalPlan::Unnest(unnest) => {
            let input = shape(&unnest.input, tables)?;
            Ok(Shape {
                is_part: input.is_part,
                by: unnested(unnest, &input),
            })
        }
        _ => match transform_of(plan) {
            Some(node) => transform_shape(node, tables),
            None => others(plan, tables, columns),
        },
    }
}

/// What is known of no other node: right only if all that it reads is whole.
fn others(plan: &LogicalPlan, tables: &Tables, columns: usize) -> Result<Shape, NeedsAllRows> {
    for input in plan.inputs() {
        if shape(input, tables)?.is_part {
            let what = match plan {
                LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE".to_owned(),
                plan => plan.display().to_string(),
            };
            return Err(NeedsAllRows { what });
        }
    }
    Ok(Shape::whole(columns))
}

fn join_shape(join: &Join, tables: &Tables, columns: usize) -> Result<Shape, NeedsAllRows> {
    let left = shape(&join.left, tables)?;
    let right = shape(&join.right, tables)?;
    let refuse = |what: String| Err(NeedsAllRows { what });
    match (left.is_part, right.is_part) {
        (false, false) => return Ok(Shape::whole(columns)),
        // Rows of the whole side that match nothing would come again in every slice.
        (true, false) => {
            if matches!(
                join.join_type,
                JoinType::Right
                    | JoinType::Full
                    | JoinType::RightSemi
                    | JoinType::RightAnti
                    | JoinType::RightMark
            ) {
                return refuse(format!("{} JOIN", join.join_type).to_uppercase());
            }
        }
        (false, true) => {
            if matches!(
                join.join_type,
                JoinType::Left
                    | JoinType::Full
                    | JoinType::LeftSemi
                    | JoinType::LeftAnti
                    | JoinType::LeftMark
            ) {
                return refuse(format!("{} JOIN", join.join_type).to_uppercase());
            }
        }
        (true, true) => {
            let mut pairs = equal_pairs(join).into_iter();
            let is_closed = pairs.any(|(a, b)| {
                is_by(a, &join.left, &left) && is_by(b, &join.right, &right)
                    || is_by(b, &join.left, &left) && is_by(a, &join.right, &right)
            });
            if !is_closed {
                let has_partition = |side: &Shape| side.by.contains(&true);
                return refuse(match has_partition(&left) && has_partition(&right) {
                    true => "JOIN of two incremental tables by other columns".to_owned(),
                    false => "JOIN of two incremental tables".to_owned(),
                });
            }
        }
    }
    // A side that is filled with NULL does not say the partition.
    let (left_filled, right_filled) = match join.join_type {
        JoinType::Full => (true, true),
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        _ => (false, false),
    };
    let keep = |side: &Shape, filled: bool| -> Vec<bool> {
        side.by.iter().map(|by| *by && !filled).collect()
    };
    let mut by = match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => keep(&left, false),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => keep(&right, false),
        _ => {
            let mut by = keep(&left, left_filled);
            by.extend(keep(&right, right_filled));
            by
        }
    };
    by.resize(columns, false);
    Ok(Shape { is_part: true, by })
}

/// The pairs of expressions of which a join demands that they are equal: the planner leaves them in the filter.
fn equal_pairs(join: &Join) -> Vec<(&Expr, &Expr)> {
    let on = join.on.iter().map(|(a, b)| (a, b));
    let filter = join.filter.as_ref().map(split_conjunction);
    let filter = filter.into_iter().flatten().filter_map(|expr| match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => Some((left.as_ref(), right.as_ref())),
        _ => None,
    });
    on.chain(filter).collect()
}

/// What a step keeps from slice to slice, if it is a transform with state over new rows. Over partitions, which are read again when they
/// change, and over whole tables a transform begins without state in each slice.
///
/// # Errors
/// As [`shape`].
pub fn keeps_state(
    plan: &LogicalPlan,
    tables: &Tables,
) -> Result<Option<KeepsState>, NeedsAllRows> {
    let Some(node) = transform_of(plan).filter(|node| node.spec.stateful) else {
        return Ok(None);
    };
    let keeps = tables.are_new_files && shape(&node.input, tables)?.is_part;
    let spec = &node.spec;
    let types = |column: &String| {
        let field = spec.input.field_with_name(column).ok()?;
        Some((column.clone(), field.data_type().clone()))
    };
    Ok(keeps.then(|| KeepsState {
        by: StateWriter::of(spec.pool.plugin()),
        transform: spec.step.transform.clone(),
        keys: spec.step.partition_by.iter().filter_map(types).collect(),
    }))
}

/// A transform without keys, order and state sees rows one by one; one with keys sees those of a key. One with state goes on from slice
/// to slice if no row comes twice.
fn transform_shape(node: &TransformNode, tables: &Tables) -> Result<Shape, NeedsAllRows> {
    let input = shape(&node.input, tables)?;
    let step = &node.spec.step;
    let fields = node.input.schema().fields();
    let position = |name: &str| fields.iter().position(|field| field.name() == name);
    if input.is_part {
        let is_row_wise =
            step.partition_by.is_empty() && step.order_by.is_empty() && !node.spec.stateful;
        let mut keys = step.partition_by.iter();
        let is_closed = keys.any(|key| position(key).is_some_and(|at| input.by[at]));
        let goes_on = node.spec.stateful && tables.are_new_files;
        if !is_row_wise && !is_closed && !goes_on {
            let what = match step.partition_by.as_slice() {
                [] => format!("the transform `{}.{}`", step.plugin, step.transform),
                keys => format!(
                    "the transform `{}.{}` by {}",
                    step.plugin,
                    step.transform,
                    keys.join(", ")
                ),
            };
            return Err(NeedsAllRows { what });
        }
    }
    let output = node
        .keep
        .iter()
        .map(|column| match node.spec.opened.output[*column] {
            OutputColumn::Input(index) => {
                position(node.spec.input.field(index).name()).is_some_and(|at| input.by[at])
            }
            OutputColumn::Computed(_) => false,
        });
    Ok(Shape {
        by: output.collect(),
        is_part: input.is_part,
    })
}

/// A column that is unnested is another one.
fn unnested(unnest: &Unnest, input: &Shape) -> Vec<bool> {
    let before = unnest.input.schema();
    let columns = unnest.schema.iter().zip(&unnest.dependency_indices);
    columns
        .map(|((_, field), dependency)| {
            let same = before.fields().get(*dependency);
            let is_same = same.is_some_and(|same| same.data_type() == field.data_type());
            let is_list = unnest
                .list_type_columns
                .iter()
                .any(|(index, _)| index == dependency);
            is_same && !is_list && input.by.get(*dependency).copied().unwrap_or(false)
        })
        .collect()
}

/// A subquery in an expression is computed from what the slice has.
fn check_subqueries(plan: &LogicalPlan, tables: &Tables) -> Result<(), NeedsAllRows> {
    let mut refused = None;
    let looked = plan.apply_subqueries(|subquery| {
        match shape(subquery, tables) {
            Ok(inner) if !inner.is_part => {}
            Ok(_) => {
                let what = "a subquery of an incremental table".to_owned();
                refused = Some(NeedsAllRows { what });
            }
            Err(error) => refused = Some(error),
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match (refused, looked) {
        (Some(refused), _) => Err(refused),
        (None, Ok(_)) => Ok(()),
        (None, Err(error)) => Err(NeedsAllRows {
            what: error.to_string(),
        }),
    }
}

/// Whether an expression is a column that says the partition, as it is.
fn is_by(expr: &Expr, input: &LogicalPlan, shape: &Shape) -> bool {
    match expr {
        Expr::Alias(alias) => is_by(&alias.expr, input, shape),
        Expr::Column(column) => position(column, input).is_some_and(|at| shape.by[at]),
        _ => false,
    }
}

fn position(column: &Column, input: &LogicalPlan) -> Option<usize> {
    input.schema().maybe_index_of_column(column)
}

fn partition_keys(expr: &Expr) -> &[Expr] {
    match expr {
        Expr::Alias(alias) => partition_keys(&alias.expr),
        Expr::WindowFunction(window) => {
            let window: &WindowFunction = window;
            &window.params.partition_by
        }
        _ => &[],
    }
}

/// The function over a window.
fn function(expr: &Expr) -> String {
    match expr {
        Expr::Alias(alias) => function(&alias.expr),
        Expr::WindowFunction(window) => format!("{}()", window.fun.name()),
        expr => sql(expr),
    }
}

/// An expression as a person would write it.
fn sql(expr: &Expr) -> String {
    expr.human_display().to_string()
}
