//! `a IS DISTINCT FROM b AND c`: `IS` binds tighter than `AND`, `OR` and `NOT`.
//!
//! sqlparser 0.62 reads everything up to the next bracket as the right side, `a IS DISTINCT FROM (b AND c)`. The tree still has all parts
//! in the order of the text, so that it is taken apart and read again.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Statement, UnaryOperator, Value};

use crate::walk::visit_expressions_mut;

/// Reads conditions again that were read with the wrong precedence. Before anything else changes the statement: what was put together
/// later has no brackets.
pub(crate) fn restore(statement: &mut Statement) {
    // Inner conditions come before those that they are in.
    let _ = visit_expressions_mut(statement, |expr| {
        if is_out_of_order(expr) {
            let mut parts = Vec::new();
            take_apart(
                std::mem::replace(expr, Expr::value(Value::Null)),
                &mut parts,
            );
            parts.reverse();
            *expr = disjunction(&mut parts);
        }
        ControlFlow::<()>::Continue(())
    });
}

/// A part of a condition, in the order of the text.
enum Part {
    And,
    Or,
    Not,
    Value(Box<Expr>),
}

/// Whether an operand binds weaker than what it is an operand of.
fn is_out_of_order(expr: &Expr) -> bool {
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            starts_with_value(right) && strength(right) < IS
        }
        Expr::BinaryOp { left, right, .. } if strength(expr) < NOT => {
            strength(left) < strength(expr) || strength(right) < strength(expr)
        }
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: operand,
        } => strength(operand) < NOT,
        _ => false,
    }
}

const OR: u8 = 0;
const AND: u8 = 1;
const NOT: u8 = 2;
const IS: u8 = 3;

/// How tight the operator binds, of those that matter here.
fn strength(expr: &Expr) -> u8 {
    match expr {
        Expr::BinaryOp {
            op: BinaryOperator::Or,
            ..
        } => OR,
        Expr::BinaryOp {
            op: BinaryOperator::And,
            ..
        } => AND,
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            ..
        } => NOT,
        _ => IS,
    }
}

/// Whether the first part is a value: `NOT` cannot be an operand of `IS`.
fn starts_with_value(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, .. } if strength(expr) < NOT => starts_with_value(left),
        _ => strength(expr) != NOT,
    }
}

fn take_apart(expr: Expr, parts: &mut Vec<Part>) {
    match expr {
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            right,
        } => {
            take_apart(*left, parts);
            parts.push(match op {
                BinaryOperator::And => Part::And,
                _ => Part::Or,
            });
            take_apart(*right, parts);
        }
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => {
            parts.push(Part::Not);
            take_apart(*expr, parts);
        }
        Expr::IsDistinctFrom(left, right) if starts_with_value(&right) => {
            compared(*left, *right, Expr::IsDistinctFrom, parts);
        }
        Expr::IsNotDistinctFrom(left, right) if starts_with_value(&right) => {
            compared(*left, *right, Expr::IsNotDistinctFrom, parts);
        }
        value => parts.push(Part::Value(Box::new(value))),
    }
}

/// A comparison takes the first value of its right side; the rest follows it.
fn compared(
    left: Expr,
    right: Expr,
    compare: fn(Box<Expr>, Box<Expr>) -> Expr,
    parts: &mut Vec<Part>,
) {
    let at = parts.len();
    take_apart(right, parts);
    if let Some(Part::Value(value)) = parts.get_mut(at) {
        let first = std::mem::replace(value.as_mut(), Expr::value(Value::Null));
        **value = compare(Box::new(left), Box::new(first));
    }
}

/// `parts` are taken from their end.
fn disjunction(parts: &mut Vec<Part>) -> Expr {
    let mut all = conjunction(parts);
    while parts.pop_if(|part| matches!(part, Part::Or)).is_some() {
        all = joined(all, BinaryOperator::Or, conjunction(parts));
    }
    all
}

fn conjunction(parts: &mut Vec<Part>) -> Expr {
    let mut all = negation(parts);
    while parts.pop_if(|part| matches!(part, Part::And)).is_some() {
        all = joined(all, BinaryOperator::And, negation(parts));
    }
    all
}

fn negation(parts: &mut Vec<Part>) -> Expr {
    match parts.pop() {
        Some(Part::Not) => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(negation(parts)),
        },
        Some(Part::Value(value)) => *value,
        // Operators stand between values.
        Some(Part::And | Part::Or) | None => Expr::value(Value::Null),
    }
}

fn joined(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn read(condition: &str) -> Statement {
        let sql = format!("SELECT 1 WHERE {condition}");
        let mut statements = Parser::parse_sql(&GenericDialect {}, &sql).unwrap();
        statements.pop().unwrap()
    }

    /// The tree with a bracket around each comparison is the one that is meant.
    fn without_brackets(statement: &mut Statement) {
        let _ = visit_expressions_mut(statement, |expr| {
            if let Expr::Nested(inner) = expr {
                *expr = std::mem::replace(inner, Expr::value(Value::Null));
            }
            ControlFlow::<()>::Continue(())
        });
    }

    #[test]
    fn is_distinct_from_binds_tighter_than_and() {
        for (written, meant) in [
            ("a IS DISTINCT FROM b AND c", "(a IS DISTINCT FROM b) AND c"),
            (
                "a IS NOT DISTINCT FROM b OR c",
                "(a IS NOT DISTINCT FROM b) OR c",
            ),
            (
                "x AND a IS DISTINCT FROM b OR c",
                "x AND (a IS DISTINCT FROM b) OR c",
            ),
            (
                "x OR a IS DISTINCT FROM b AND c",
                "x OR (a IS DISTINCT FROM b) AND c",
            ),
            (
                "NOT a IS DISTINCT FROM b AND c",
                "NOT (a IS DISTINCT FROM b) AND c",
            ),
            (
                "a IS DISTINCT FROM b AND c IS NOT DISTINCT FROM d AND e OR f",
                "(a IS DISTINCT FROM b) AND (c IS NOT DISTINCT FROM d) AND e OR f",
            ),
            (
                "a IS DISTINCT FROM b AND c = d OR NOT e IS DISTINCT FROM f OR g",
                "(a IS DISTINCT FROM b) AND c = d OR NOT (e IS DISTINCT FROM f) OR g",
            ),
            (
                "CASE WHEN a IS DISTINCT FROM b AND c THEN d END AND e",
                "CASE WHEN (a IS DISTINCT FROM b) AND c THEN d END AND e",
            ),
            (
                "EXISTS (SELECT 1 WHERE a IS DISTINCT FROM b + 1 AND c) OR d",
                "EXISTS (SELECT 1 WHERE (a IS DISTINCT FROM b + 1) AND c) OR d",
            ),
        ] {
            let (mut written, mut meant) = (read(written), read(meant));
            restore(&mut written);
            without_brackets(&mut meant);
            assert_eq!(written, meant);
        }
    }

    #[test]
    fn what_stands_in_brackets_stays_there() {
        for condition in ["a IS DISTINCT FROM (b AND c)", "(a OR b) AND NOT (c OR d)"] {
            let mut restored = read(condition);
            restore(&mut restored);
            assert_eq!(restored, read(condition));
        }
    }
}
