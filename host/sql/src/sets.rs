//! Joins and set operations that DataFusion gets wrong without a word: refused, with what to write.
//!
//! - Of `a RIGHT JOIN b USING (x)` and `FULL JOIN` the column `x` is that of `a` alone, NULL for rows that `b`
//!   has alone. PostgreSQL has `coalesce(a.x, b.x)`.
//! - `EXCEPT ALL` leaves out every copy of a row, and `INTERSECT ALL` keeps every copy, whatever their number in the other query.

use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{
    JoinConstraint, JoinOperator, Query, SetExpr, SetOperator, SetQuantifier,
    Statement as SqlStatement, TableFactor, TableWithJoins, Visit, Visitor,
};

use crate::error::ValueError;

/// An error for a statement with one of them.
pub(crate) fn refuse(statement: &SqlStatement) -> Result<()> {
    match statement.visit(&mut Refused) {
        ControlFlow::Break(error) => Err(error.into()),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Refused;

impl Visitor for Refused {
    type Break = ValueError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<ValueError> {
        body(&query.body)
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<ValueError> {
        match table {
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => joins(table_with_joins),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn body(part: &SetExpr) -> ControlFlow<ValueError> {
    match part {
        SetExpr::Select(select) => select.from.iter().try_for_each(joins),
        SetExpr::SetOperation {
            op: op @ (SetOperator::Except | SetOperator::Intersect | SetOperator::Minus),
            set_quantifier: SetQuantifier::All | SetQuantifier::AllByName,
            ..
        } => ControlFlow::Break(
            ValueError::new(format!("{op} ALL does not count how often a row is there")).hint(format!(
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

fn joins(tables: &TableWithJoins) -> ControlFlow<ValueError> {
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
            ValueError::new(format!(
                "{what} gives NULL for rows of the second table alone"
            ))
            .hint(format!(
                "with tables `a` and `b`, write `ON a.{column} = b.{column}` and `coalesce(a.{column}, b.{column}) AS {column}`"
            )),
        )
    })
}
