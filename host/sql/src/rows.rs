//! Rows that are compared: `(a, b) = (1, 2)`, `(a, b) IN ((1, 2), (3, 4))`, `(a, b) IN (SELECT x, y ..)`, `(a, b) IS NULL`.
//!
//! DataFusion compares them as structs, for which NULL is a value: `(1, NULL) = (1, 2)` is false there and NULL in SQL. It refuses
//! subqueries of several columns. So it does with the items of `x = ANY(list)`. Here, comparisons of rows are comparisons of their columns before a statement is planned.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, SelectItem, SetExpr, TableFactor, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::statement::call;

/// The comparison of columns that a comparison of rows stands for, if the expression is one.
pub(crate) fn compared(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryOp { left, op, right } => by_operator(row(left)?, op, row(right)?),
        Expr::IsDistinctFrom(left, right) => Some(not(all(row(left)?, row(right)?, &same)?)),
        Expr::IsNotDistinctFrom(left, right) => all(row(left)?, row(right)?, &same),
        // Neither is true of a row of which one column is NULL.
        Expr::IsNull(columns) => each(row(columns)?, Expr::IsNull),
        Expr::IsNotNull(columns) => each(row(columns)?, Expr::IsNotNull),
        Expr::InList {
            expr,
            list,
            negated,
        } => {
            let own = row(expr)?;
            let rows = list.iter().map(|other| all(own, row(other)?, &equal));
            let any = rows.collect::<Option<Vec<_>>>()?.into_iter().reduce(or)?;
            Some(negated_if(*negated, any))
        }
        Expr::InSubquery {
            expr,
            subquery,
            negated,
        } => in_subquery(row(expr)?, subquery, *negated),
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => any_item(expr, left, right),
        _ => None,
    }
}

/// `value = ANY(list)`: NULL, not false, if no item is equal and one is NULL.
fn any_item(any: &Expr, value: &Expr, list: &Expr) -> Option<Expr> {
    match list {
        Expr::Nested(list) => any_item(any, value, list),
        Expr::Subquery(_) => None,
        Expr::Array(array) if array.elem.is_empty() => None,
        Expr::Array(array) => Some(Expr::InList {
            expr: Box::new(value.clone()),
            list: array.elem.clone(),
            negated: false,
        }),
        list => {
            let null = || Expr::value(Value::Null);
            let has_null = call("array_position", [list.clone(), null()]);
            let unknown = Expr::IsNotNull(Box::new(has_null));
            Some(or(any.clone(), and(null(), unknown)))
        }
    }
}

/// The columns of a row of several.
fn row(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(columns) if columns.len() > 1 => Some(columns),
        Expr::Nested(inner) => row(inner),
        _ => None,
    }
}

/// What is to be true of all columns.
fn each(columns: &[Expr], test: fn(Box<Expr>) -> Expr) -> Option<Expr> {
    let tests = columns.iter().map(|column| test(Box::new(column.clone())));
    tests.reduce(and)
}

fn by_operator(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::Eq => return all(left, right, &equal),
        BinaryOperator::NotEq => return Some(not(all(left, right, &equal)?)),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => return None,
    };
    if left.len() != right.len() {
        return None;
    }
    // The first columns that differ decide.
    let mut columns = left.iter().zip(right).rev();
    let (last_left, last_right) = columns.next()?;
    let last = binary(last_left.clone(), op.clone(), last_right.clone());
    Some(columns.fold(last, |rest, (left, right)| {
        let decided = binary(left.clone(), strict.clone(), right.clone());
        or(decided, and(equal(left.clone(), right.clone()), rest))
    }))
}

/// `EXISTS`, and NULL where a row is neither equal nor different.
fn in_subquery(own: &[Expr], subquery: &Query, negated: bool) -> Option<Expr> {
    let names: Vec<String> = (1..=own.len()).map(|n| format!("\"column {n}\"")).collect();
    let names = names.join(", ");
    let sql = format!("SELECT 1 FROM (SELECT 1) AS \"a row\" ({names}) WHERE true");
    let dialect = GenericDialect {};
    let parse = |sql: &str| {
        Parser::new(&dialect)
            .try_with_sql(sql)
            .ok()?
            .parse_query()
            .ok()
    };
    let exists = |condition: Expr| {
        let mut query = parse(&sql)?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return None;
        };
        let TableFactor::Derived { subquery: rows, .. } = &mut select.from.first_mut()?.relation
        else {
            return None;
        };
        **rows = subquery.clone();
        named(rows);
        select.selection = Some(condition);
        Some(Expr::Exists {
            subquery: query,
            negated,
        })
    };
    let theirs: Vec<Expr> = (1..=own.len())
        .map(|n| {
            let sql = format!("\"a row\".\"column {n}\"");
            Parser::new(&dialect)
                .try_with_sql(&sql)
                .ok()?
                .parse_expr()
                .ok()
        })
        .collect::<Option<_>>()?;
    let is_equal = all(&theirs, own, &equal)?;
    let (equal, unknown) = (
        exists(is_equal.clone())?,
        exists(Expr::IsNull(Box::new(Expr::Nested(Box::new(is_equal)))))?,
    );
    let null = Expr::value(Value::Null);
    Some(match negated {
        false => or(equal, and(null, unknown)),
        true => and(equal, or(null, unknown)),
    })
}

/// Gives what a query selects names: two of its columns may be called alike.
fn named(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    for (column, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::with_quote('"', format!("column {}", column + 1)),
            };
        }
    }
}

fn all(left: &[Expr], right: &[Expr], compare: &dyn Fn(Expr, Expr) -> Expr) -> Option<Expr> {
    if left.len() != right.len() {
        return None;
    }
    let columns = left.iter().zip(right);
    let compared = columns.map(|(left, right)| compare(left.clone(), right.clone()));
    compared.reduce(and)
}

fn equal(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::Eq, right)
}

fn same(left: Expr, right: Expr) -> Expr {
    Expr::IsNotDistinctFrom(Box::new(left), Box::new(right))
}

fn and(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::And, right)
}

fn or(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::Or, right)
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(expr),
    }
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    match negated {
        true => not(expr),
        false => expr,
    }
}
