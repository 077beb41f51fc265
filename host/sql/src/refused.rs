//! What DataFusion accepts and does not carry out, or silently gets wrong: refused, with what to write.
//!
//! - Clauses that its planner passes over, such as `TABLESAMPLE`, `PREWHERE`, `GROUP BY .. WITH ROLLUP`, and `DISTINCT`, `FILTER` and
//!   `ORDER BY` of functions that are no aggregates.
//! - Of `a RIGHT JOIN b USING (x)` and `FULL JOIN` the column `x` is that of `a` alone, NULL for rows that `b`
//!   has alone. PostgreSQL has `coalesce(a.x, b.x)`.
//! - `EXCEPT ALL` leaves out every copy of a row, and `INTERSECT ALL` keeps every copy, whatever their number in the other query.

use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, Function, FunctionArguments, GroupByExpr, JoinConstraint, JoinOperator, Query,
    Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Statement as SqlStatement,
    TableFactor, TableWithJoins, Visit, Visitor, WildcardAdditionalOptions,
};

use crate::error::ValueError;
use crate::walk::{visit, visit_expressions};

type Flow = ControlFlow<ValueError>;

/// An error for a statement with one of them. `is_scalar` says of a function's name whether it stands for one value of one row.
pub(crate) fn refuse(statement: &SqlStatement, is_scalar: &dyn Fn(&str) -> bool) -> Result<()> {
    match visit(statement, &mut Refused { is_scalar }) {
        ControlFlow::Break(error) => Err(error.into()),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// An error for `CROSS APPLY`: the function behind it would be looked for as a table.
pub(crate) fn refuse_apply(statement: &SqlStatement) -> Result<()> {
    match visit(statement, &mut Applied) {
        ControlFlow::Break(error) => Err(error.into()),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Applied;

impl Visitor for Applied {
    type Break = ValueError;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        let mut open = vec![query.body.as_ref()];
        while let Some(body) = open.pop() {
            match body {
                SetExpr::Select(select) => {
                    let mut joins = select.from.iter().flat_map(|tables| &tables.joins);
                    let is_applied = joins.any(|join| {
                        matches!(
                            join.join_operator,
                            JoinOperator::CrossApply | JoinOperator::OuterApply
                        )
                    });
                    ignored("APPLY", is_applied, ROWS_OF_LISTS)?;
                }
                SetExpr::SetOperation { left, right, .. } => {
                    open.extend([left.as_ref(), right.as_ref()]);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

struct Refused<'a> {
    is_scalar: &'a dyn Fn(&str) -> bool,
}

impl Visitor for Refused<'_> {
    type Break = ValueError;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        ignored("FOR UPDATE", !query.locks.is_empty(), "leave it out")?;
        ignored("FOR", query.for_clause.is_some(), "leave it out")?;
        ignored("SETTINGS", query.settings.is_some(), "leave it out")?;
        let is_open = |fetch: &Fetch| fetch.with_ties || fetch.percent;
        ignored(
            "FETCH .. WITH TIES or PERCENT",
            query.fetch.as_ref().is_some_and(is_open),
            TIES,
        )?;
        let format = "the sink in the pipeline file has the format";
        ignored("FORMAT", query.format_clause.is_some(), format)?;
        body(&query.body)
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> Flow {
        match table {
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => joins(table_with_joins),
            TableFactor::Table {
                with_hints,
                partitions,
                sample,
                index_hints,
                version,
                ..
            } => {
                ignored("a version of a table", version.is_some(), "leave it out")?;
                let hints = !with_hints.is_empty() || !index_hints.is_empty();
                ignored("a hint of a table", hints, "leave it out")?;
                let partitions = !partitions.is_empty();
                ignored("PARTITION of a table", partitions, "write WHERE")?;
                ignored("TABLESAMPLE", sample.is_some(), SAMPLE)
            }
            TableFactor::Derived { sample, .. } => ignored("TABLESAMPLE", sample.is_some(), SAMPLE),
            TableFactor::UNNEST {
                array_exprs,
                with_offset,
                with_ordinality,
                ..
            } => {
                rows_of_columns("unnest(..)", array_exprs)?;
                let ordinality = *with_ordinality || *with_offset;
                ignored("unnest(..) WITH ORDINALITY", ordinality, NUMBERED)
            }
            TableFactor::Function { name, args, .. } => {
                rows_of_columns(&format!("{name}(..)"), args)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(call) => self.call(call),
            Expr::Collate { .. } => {
                let order = "texts have the order of their characters' numbers; lower(x) brings capitals and small letters together";
                ignored("COLLATE", true, order)
            }
            Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => {
                ignored("LIKE ANY", true, "write x LIKE 'a%' OR x LIKE 'b%'")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

const SAMPLE: &str = "write `WHERE random() < 0.1` for about every tenth row";

const TIES: &str = "number the rows with `rank() OVER (ORDER BY ..) AS place`, and write WHERE place <= 10 around them";

const ROWS_OF_LISTS: &str = "write `SELECT *, unnest(tags) AS tag FROM t`";

const ORDERED: &str = "write ORDER BY";

const NUMBERED: &str = "with a table `t` and its column `tags`, write \
     `SELECT unnest(tags) AS tag, unnest(range(1, CAST(array_length(tags) AS BIGINT) + 1)) AS n FROM t`";

/// An error for a function in FROM whose arguments are columns of the tables beside it: DataFusion knows none of them there.
fn rows_of_columns(function: &str, arguments: &impl Visit) -> Flow {
    let column = visit_expressions(arguments, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(expr.to_string()),
        _ => ControlFlow::Continue(()),
    });
    match column {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(column) => ControlFlow::Break(
            ValueError::refused(format!("{function} in FROM takes no column, as `{column}`")).hint(
                "with a table `t` and its column `tags`, write `FROM (SELECT *, unnest(tags) AS tag FROM t) AS u`; \
                 `array_has(tags, 'x')` looks for an item",
            ),
        ),
    }
}

impl Refused<'_> {
    fn call(&self, call: &Function) -> Flow {
        let Some(name) = call.name.0.last().and_then(|part| part.as_ident()) else {
            return ControlFlow::Continue(());
        };
        let name = match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        };
        let (is_distinct, has_clauses) = match &call.args {
            FunctionArguments::List(list) => {
                (list.duplicate_treatment.is_some(), !list.clauses.is_empty())
            }
            _ => (false, false),
        };
        let clause = match (is_distinct, has_clauses, &call.filter) {
            (true, ..) => "DISTINCT",
            (_, true, _) => "ORDER BY",
            (.., Some(_)) => "FILTER",
            _ => return ControlFlow::Continue(()),
        };
        if call.over.is_some() || !(self.is_scalar)(&name) {
            return ControlFlow::Continue(());
        }
        let message = format!("`{name}` is no aggregate, so that {clause} has no meaning there");
        ControlFlow::Break(ValueError::refused(message).hint("leave it out"))
    }
}

/// An error for a clause that would change nothing.
fn ignored(clause: &str, is_there: bool, hint: &str) -> Flow {
    match is_there {
        true => {
            let message = format!("{clause} is not supported here");
            ControlFlow::Break(ValueError::refused(message).hint(hint))
        }
        false => ControlFlow::Continue(()),
    }
}

fn body(part: &SetExpr) -> Flow {
    match part {
        SetExpr::Select(one) => select(one),
        SetExpr::SetOperation {
            op: op @ (SetOperator::Except | SetOperator::Intersect | SetOperator::Minus),
            set_quantifier: SetQuantifier::All | SetQuantifier::AllByName,
            ..
        } => ControlFlow::Break(
            ValueError::refused(format!("{op} ALL does not count how often a row is there")).hint(format!(
                "number equal rows in both queries with `row_number() OVER (PARTITION BY ..)` and write {op} without ALL"
            )),
        ),
        SetExpr::SetOperation { left, right, .. } => {
            body(left)?;
            body(right)
        }
        _ => ControlFlow::Continue(()),
    }
}

fn select(select: &Select) -> Flow {
    ignored("PREWHERE", select.prewhere.is_some(), "write WHERE")?;
    let recursive = "write `WITH RECURSIVE`";
    ignored("CONNECT BY", !select.connect_by.is_empty(), recursive)?;
    ignored("CLUSTER BY", !select.cluster_by.is_empty(), ORDERED)?;
    ignored("SORT BY", !select.sort_by.is_empty(), ORDERED)?;
    let distributed = !select.distribute_by.is_empty();
    ignored("DISTRIBUTE BY", distributed, "leave it out")?;
    let has_views = !select.lateral_views.is_empty();
    ignored("LATERAL VIEW", has_views, ROWS_OF_LISTS)?;
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
    let modifier = modifiers.first().map(ToString::to_string);
    let modifier = format!("GROUP BY .. {}", modifier.unwrap_or_default());
    let sets = "write `GROUP BY ROLLUP (..)`, `CUBE (..)` or `GROUPING SETS (..)`";
    ignored(&modifier, !modifiers.is_empty(), sets)?;
    for item in &select.projection {
        if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
            let WildcardAdditionalOptions { opt_ilike, .. } = options;
            ignored("* ILIKE", opt_ilike.is_some(), "name the columns")?;
        }
    }
    select.from.iter().try_for_each(joins)
}

fn joins(tables: &TableWithJoins) -> Flow {
    tables.joins.iter().try_for_each(|join| {
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT", constraint)
            }
            JoinOperator::FullOuter(constraint) => ("FULL", constraint),
            _ => return ControlFlow::Continue(()),
        };
        let (what, column) = match constraint {
            JoinConstraint::Using(columns) => {
                let column = columns.first().map(ToString::to_string);
                (format!("{kind} JOIN .. USING"), column)
            }
            JoinConstraint::Natural => (format!("NATURAL {kind} JOIN"), None),
            _ => return ControlFlow::Continue(()),
        };
        let column = column.unwrap_or_else(|| "x".to_owned());
        ControlFlow::Break(
            ValueError::refused(format!(
                "{what} gives NULL for rows of the second table alone"
            ))
            .hint(format!(
                "with tables `a` and `b`, write `ON a.{column} = b.{column}` and `coalesce(a.{column}, b.{column}) AS {column}`"
            )),
        )
    })
}
