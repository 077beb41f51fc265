//! A statement before it is planned: literals of numbers, and what becomes a function of ours.

use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, ExactNumberInfo, Expr, Fetch, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Interval, LimitClause,
    ObjectName, Query, SetExpr, Statement as SqlStatement, UnaryOperator, Value, Values,
    VisitorMut,
};

use crate::error::ValueError;
use crate::walk::{visit_expressions_mut, visit_mut};
use crate::{aliases, casts, named, precedence, refused, rows, using, window_names};

/// Digits that a decimal has at most.
const DIGITS: usize = 38;

/// An error for a statement that is no query, or one whose tables cannot be told.
pub fn only_query(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Statement(statement) if matches!(**statement, SqlStatement::Query(_)) => {
            refused::refuse_apply(statement)
        }
        _ => Err(ValueError::refused(
            "a step is a query; it cannot create, change or set anything",
        )
        .hint("write the SELECT alone: the name of the step is the name of its table")
        .into()),
    }
}

/// Numbers with a point or an exponent are exact decimals; `AT TIME ZONE` and `ESCAPE` follow PostgreSQL.
/// `is_scalar` says of a function's name whether it stands for one value of one row.
///
/// # Errors
/// If a number has too many digits, or the statement has what DataFusion passes over or gets wrong.
pub fn prepare(statement: &mut Statement, is_scalar: &dyn Fn(&str) -> bool) -> Result<()> {
    let Statement::Statement(statement) = statement else {
        return Ok(());
    };
    precedence::restore(statement);
    aliases::restore(statement)?;
    window_names::write_out(statement)?;
    refused::refuse(statement, is_scalar)?;
    using::qualify(statement);
    let outcome = visit_expressions_mut(statement.as_mut(), |expr| {
        let prepared = match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => match literal(number) {
                    Ok(Literal::AsWritten) => return ControlFlow::Continue(()),
                    Ok(Literal::Decimal(plain)) => {
                        let mut value = value.clone();
                        value.value = Value::Number(plain, false);
                        Expr::Value(value)
                    }
                    Ok(Literal::Float) => {
                        let mut value = value.clone();
                        value.value = Value::SingleQuotedString(number.clone());
                        double(Expr::Value(value))
                    }
                    Err(error) => return ControlFlow::Break(error),
                },
                _ => return ControlFlow::Continue(()),
            },
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => call(
                "at_time_zone",
                [timestamp, time_zone].map(|expr| (**expr).clone()),
            ),
            Expr::Interval(interval) => match plain_interval(interval) {
                Ok(plain) => Expr::Interval(plain),
                Err(error) => return ControlFlow::Break(error),
            },
            // DataFusion puts the sign before the first number of the text.
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: interval,
            } if matches!(**interval, Expr::Interval(_)) => Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: Box::new(Expr::Nested(interval.clone())),
            },
            // DataFusion takes one ASCII character alone.
            Expr::Like {
                pattern,
                escape_char,
                ..
            }
            | Expr::ILike {
                pattern,
                escape_char,
                ..
            }
            | Expr::SimilarTo {
                pattern,
                escape_char,
                ..
            } => {
                if let Some(escape) = escape_char.take() {
                    let arguments = [
                        std::mem::replace(&mut **pattern, Expr::value(Value::Null)),
                        Expr::Value(escape),
                    ];
                    **pattern = call("like_escape", arguments);
                }
                return ControlFlow::Continue(());
            }
            _ => match rows::compared(expr) {
                Some(compared) => compared,
                None => return ControlFlow::Continue(()),
            },
        };
        *expr = prepared;
        ControlFlow::Continue(())
    });
    match outcome {
        ControlFlow::Break(error) => return Err(error),
        ControlFlow::Continue(()) => {}
    }
    let _ = visit_mut(statement.as_mut(), &mut Queries);
    Ok(())
}

/// `INTERVAL '3 04:05:06'` or `INTERVAL '5' DAY` as months, days and nanoseconds, which DataFusion reads as well.
fn plain_interval(interval: &Interval) -> Result<Interval> {
    let unit = interval.leading_field.as_ref().map(ToString::to_string);
    let Some(mut text) = text_of_interval(&interval.value) else {
        let value = &interval.value;
        let unit = unit.unwrap_or_else(|| "day".to_owned()).to_lowercase();
        return Err(
            ValueError::refused(format!("INTERVAL takes a text, not `{value}`"))
                .hint(format!("write {value} * INTERVAL '1 {unit}'"))
                .into(),
        );
    };
    let is_qualified = interval.last_field.is_some()
        || interval.leading_precision.is_some()
        || interval.fractional_seconds_precision.is_some();
    if is_qualified {
        return Err(ValueError::refused(format!(
            "`{interval}` has more than one unit behind its text"
        ))
        .hint("write the units in the text: INTERVAL '1 year 2 months 3 days 04:05:06'")
        .into());
    }
    if let Some(unit) = unit {
        text = format!("{text} {unit}");
    }
    let Some(value) = casts::interval(&text) else {
        return Err(ValueError::refused(format!("'{text}' is not an interval"))
            .hint("write INTERVAL '1 year 2 months 3 days 04:05:06', or INTERVAL 'P1Y2M3DT4H5M6S'")
            .into());
    };
    let (months, days, nanos) = (value.months, value.days, value.nanoseconds);
    let plain = format!("{months} months {days} days {nanos} nanoseconds");
    Ok(Interval {
        value: Box::new(Expr::value(Value::SingleQuotedString(plain))),
        leading_field: None,
        ..interval.clone()
    })
}

fn text_of_interval(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => Some(text.clone()),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } if is_number(expr) => Some(format!("-{}", text_of_interval(expr)?)),
        _ => None,
    }
}

/// Makes the numbers in a column of `VALUES` floats if one of them is: DataFusion would make decimals of all. `FETCH FIRST` is a `LIMIT`.
struct Queries;

impl VisitorMut for Queries {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        values(&mut query.body);
        fetch(query);
        named::casts(query);
        ControlFlow::Continue(())
    }
}

/// `FETCH FIRST 5 ROWS ONLY` is `LIMIT 5`.
fn fetch(query: &mut Query) {
    let is_plain = |fetch: &Fetch| !fetch.with_ties && !fetch.percent;
    let offset = match &mut query.limit_clause {
        None => None,
        Some(LimitClause::LimitOffset {
            limit: None,
            offset,
            ..
        }) => offset.take(),
        Some(_) => return,
    };
    if let Some(fetch) = query.fetch.take_if(|fetch| is_plain(fetch)) {
        let one = || Expr::value(Value::Number("1".to_owned(), false));
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(fetch.quantity.unwrap_or_else(one)),
            offset,
            limit_by: vec![],
        });
    } else if let Some(LimitClause::LimitOffset { offset: own, .. }) = &mut query.limit_clause {
        *own = offset;
    }
}

fn values(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            values(left);
            values(right);
        }
        SetExpr::Values(Values { rows, .. }) => {
            let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
            for column in 0..columns {
                let cells = || rows.iter().filter_map(|row| row.get(column));
                if !cells().any(is_float) {
                    continue;
                }
                for row in rows.iter_mut() {
                    if let Some(cell) = row.get_mut(column)
                        && is_number(cell)
                    {
                        *cell = double(cell.clone());
                    }
                }
            }
        }
        _ => {}
    }
}

fn is_float(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            SqlType::Double(_)
                | SqlType::DoublePrecision
                | SqlType::Real
                | SqlType::Float(_)
                | SqlType::Float4
                | SqlType::Float8
                | SqlType::Float32
                | SqlType::Float64
        ),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_float(expr),
        Expr::BinaryOp { left, right, .. } => is_float(left) || is_float(right),
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            OF_FLOATS.contains(&name.as_str())
        }
        _ => false,
    }
}

/// Functions whose result is a float, whatever they are given.
const OF_FLOATS: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "cot",
    "degrees", "exp", "ln", "log", "log10", "log2", "pi", "pow", "power", "radians", "random",
    "signum", "sin", "sinh", "sqrt", "tan", "tanh",
];

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_number(expr),
        _ => false,
    }
}

fn double(expr: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type: SqlType::Double(ExactNumberInfo::None),
        array: false,
        format: None,
    }
}

pub(crate) fn call<const N: usize>(name: &str, arguments: [Expr; N]) -> Expr {
    let arguments = arguments
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .into();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments,
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Literal {
    AsWritten,
    /// With a point and no exponent.
    Decimal(String),
    /// With an exponent beyond what a decimal holds.
    Float,
}

/// `1e3` is the decimal 1000, `1.5e-2` is 0.015. DataFusion makes decimals of scale -3 of the first, which hardly anything reads.
fn literal(number: &str) -> Result<Literal> {
    let plain = number.replace('_', "");
    let (digits, exponent) = match plain.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (plain.as_str(), None),
    };
    let has_point = digits.contains('.');
    if plain.starts_with("0x") || (exponent.is_none() && !has_point && plain.len() < DIGITS / 2) {
        return Ok(Literal::AsWritten);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let shift: i64 = match exponent {
        None => 0,
        Some(exponent) => match exponent.parse() {
            Ok(shift) => shift,
            Err(_) => return Ok(Literal::Float),
        },
    };
    let written = format!("{whole}{fraction}");
    let point = shift.saturating_add(whole.len() as i64);
    let (whole, fraction) = if shift.unsigned_abs() > DIGITS as u64 * 2 {
        return Ok(Literal::Float);
    } else if point <= 0 {
        let zeros = "0".repeat(usize::try_from(-point).unwrap_or(0));
        (String::new(), format!("{zeros}{written}"))
    } else {
        let point = usize::try_from(point).unwrap_or(0);
        let zeros = "0".repeat(point.saturating_sub(written.len()));
        let padded = format!("{written}{zeros}");
        (padded[..point].to_owned(), padded[point..].to_owned())
    };
    let whole = whole.trim_start_matches('0');
    if whole.len() + fraction.len() > DIGITS {
        return match exponent {
            Some(_) => Ok(Literal::Float),
            None => Err(too_long(number)),
        };
    }
    if exponent.is_none() {
        return Ok(Literal::AsWritten);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { "0" } else { &fraction };
    Ok(Literal::Decimal(format!("{whole}.{fraction}")))
}

fn too_long(number: &str) -> DataFusionError {
    ValueError::refused(format!("{number} has more than {DIGITS} digits"))
        .hint(format!("CAST('{number}' AS DOUBLE) is the nearest float64"))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_written_out() {
        for (number, plain) in [
            ("1e3", "1000.0"),
            ("1.5e3", "1500.0"),
            ("1.5e-2", "0.015"),
            ("12.34E1", "123.4"),
            ("1e0", "1.0"),
            ("1_000e1", "10000.0"),
            ("0e5", "0.0"),
        ] {
            let decimal = Literal::Decimal(plain.to_owned());
            assert_eq!(literal(number).unwrap(), decimal, "{number}");
        }
        for number in ["1", "1.5", "12345678901234567.89", "18446744073709551615"] {
            assert_eq!(literal(number).unwrap(), Literal::AsWritten, "{number}");
        }
        for number in [
            "1e300",
            "1e-300",
            "1e9223372036854775807",
            "1e99999999999999999999",
        ] {
            assert_eq!(literal(number).unwrap(), Literal::Float, "{number}");
        }
        assert!(literal("0.123456789012345678901234567890123456789").is_err());
        assert!(literal("123456789012345678901234567890123456789").is_err());
        assert!(literal(&"1".repeat(100_000)).is_err());
    }
}
