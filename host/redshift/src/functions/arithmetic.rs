//! `+ - * / %` of numbers, with Redshift's types: whole numbers overflow, decimals have documented digits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::scalar::{Arguments, scalar};
use crate::error::{self, Error, Result};
use crate::types::cast::divided;
use crate::types::{Type, read};

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

macro_rules! operator {
    ($op:ident, $name:literal) => {
        scalar(
            $name,
            |arguments| types(Op::$op, arguments),
            |columns, types, result| compute(Op::$op, columns, types[0], result),
        )
    };
}

fn function(op: Op) -> ScalarUDF {
    match op {
        Op::Add => operator!(Add, "redshift_add"),
        Op::Subtract => operator!(Subtract, "redshift_subtract"),
        Op::Multiply => operator!(Multiply, "redshift_multiply"),
        Op::Divide => operator!(Divide, "redshift_divide"),
        Op::Remainder => operator!(Remainder, "redshift_mod"),
    }
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![function(Op::Remainder)]
}

/// `left op right`
pub(crate) fn arithmetic(op: Op, left: Expr, right: Expr) -> Expr {
    function(op).call(vec![left, right])
}

/// `left = right` of floats, where NaN is equal to nothing.
pub(crate) fn equal_floats(left: Expr, right: Expr) -> Expr {
    float_equality().call(vec![left, right])
}

fn float_equality() -> ScalarUDF {
    scalar(
        "redshift_equal_floats",
        |_| Ok((vec![Type::Float8, Type::Float8], Type::Bool)),
        |columns, _, _| {
            let left = columns[0].as_primitive::<Float64Type>().iter();
            let right = columns[1].as_primitive::<Float64Type>().iter();
            let equal = left.zip(right).map(|(left, right)| Some(left? == right?));
            Ok(Arc::new(equal.collect::<BooleanArray>()))
        },
    )
}

/// The digits of a whole number as a decimal.
fn digits(data_type: Type) -> Option<(u8, u8)> {
    Some(match data_type {
        Type::Int2 => (5, 0),
        Type::Int4 => (10, 0),
        Type::Int8 => (19, 0),
        Type::Numeric(precision, scale) => (precision, scale),
        _ => return None,
    })
}

fn types(op: Op, arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let [left, right] = arguments.types else {
        return Err(arguments.refused());
    };
    // A literal becomes what it meets.
    let (left, right) = match (*left, *right) {
        (Type::Unknown, Type::Unknown) => (Type::Float8, Type::Float8),
        (Type::Unknown, right) => (right, right),
        (left, Type::Unknown) => (left, left),
        both => both,
    };
    let same = |data_type| Ok((vec![data_type, data_type], data_type));
    if left.is_whole() && right.is_whole() {
        let wide = |data_type| match data_type {
            Type::Int2 => 2,
            Type::Int4 => 4,
            _ => 8,
        };
        return same(if wide(left) >= wide(right) {
            left
        } else {
            right
        });
    }
    if let (Some(left), Some(right)) = (digits(left), digits(right)) {
        let result = decimal(op, left, right);
        let own = |(precision, scale)| Type::Numeric(precision, scale);
        return Ok((vec![own(left), own(right)], result));
    }
    match left.is_number() && right.is_number() {
        true if left == Type::Float4 && right == Type::Float4 => same(Type::Float4),
        true => same(Type::Float8),
        false => Err(arguments.refused()),
    }
}

/// Precision and scale by Amazon's table of computations with numeric values.
fn decimal(op: Op, left: (u8, u8), right: (u8, u8)) -> Type {
    let (p1, s1) = (i32::from(left.0), i32::from(left.1));
    let (p2, s2) = (i32::from(right.0), i32::from(right.1));
    let (precision, scale) = match op {
        Op::Add | Op::Subtract => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + 1 + scale, scale)
        }
        Op::Multiply => (p1 + p2 + 1, s1 + s2),
        Op::Divide => {
            let scale = 4.max(s1 + p2 - s2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        Op::Remainder => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    let (precision, scale) = match precision > 38 {
        true if op == Op::Divide => (38, (38 + scale - precision).max(scale.min(4))),
        true => (38, scale.min(37)),
        false => (precision.max(1), scale.min(37)),
    };
    // Both are between 0 and 38.
    Type::Numeric(precision as u8, scale as u8)
}

fn compute(op: Op, columns: &[ArrayRef], operands: Type, result: Type) -> Result<ArrayRef> {
    let [left, right] = columns else {
        return Err(Error::internal("an operator takes two columns"));
    };
    if let Type::Numeric(precision, scale) = result {
        return decimals(op, left, right, precision, scale);
    }
    if matches!(operands, Type::Float4 | Type::Float8) && matches!(op, Op::Divide | Op::Remainder) {
        let zeros = match operands {
            Type::Float4 => {
                let divisors = right.as_primitive::<Float32Type>();
                divisors.iter().any(|divisor| divisor == Some(0.0))
            }
            _ => {
                let divisors = right.as_primitive::<Float64Type>();
                divisors.iter().any(|divisor| divisor == Some(0.0))
            }
        };
        if zeros {
            return Err(Error::new(&error::DIVISION_BY_ZERO, &[]));
        }
    }
    let kernel = match op {
        Op::Add => numeric::add,
        Op::Subtract => numeric::sub,
        Op::Multiply => numeric::mul,
        Op::Divide => numeric::div,
        Op::Remainder => numeric::rem,
    };
    kernel(left, right).map_err(|failure| match failure {
        ArrowError::DivideByZero => Error::new(&error::DIVISION_BY_ZERO, &[]),
        ArrowError::ArithmeticOverflow(_) => read::out_of_range(result),
        other => Error::internal(other),
    })
}

fn decimals(
    op: Op,
    left: &ArrayRef,
    right: &ArrayRef,
    precision: u8,
    scale: u8,
) -> Result<ArrayRef> {
    let (left, right) = (
        left.as_primitive::<Decimal128Type>(),
        right.as_primitive::<Decimal128Type>(),
    );
    let (s1, s2) = (i32::from(left.scale()), i32::from(right.scale()));
    let scale = i32::from(scale);
    let power = |digits: i32| i256::from_i128(10).wrapping_pow(digits.max(0).unsigned_abs());
    let (left_up, right_up) = (power(scale - s1), power(scale - s2));
    let value = |a: i128, b: i128| -> Result<i128> {
        let (wide_a, wide_b) = (i256::from_i128(a), i256::from_i128(b));
        let aligned = || Some((wide_a.checked_mul(left_up)?, wide_b.checked_mul(right_up)?));
        if b == 0 && matches!(op, Op::Divide | Op::Remainder) {
            return Err(Error::new(&error::DIVISION_BY_ZERO, &[]));
        }
        let computed = match op {
            Op::Add => aligned().and_then(|(a, b)| a.checked_add(b)),
            Op::Subtract => aligned().and_then(|(a, b)| a.checked_sub(b)),
            Op::Remainder => aligned().and_then(|(a, b)| a.checked_rem(b)),
            Op::Multiply => {
                let surplus = s1 + s2 - scale;
                wide_a
                    .checked_mul(wide_b)
                    .and_then(|product| divided(product, power(surplus)))
            }
            Op::Divide => {
                let shift = scale - s1 + s2;
                match shift >= 0 {
                    true => wide_a
                        .checked_mul(power(shift))
                        .and_then(|a| divided(a, wide_b)),
                    false => wide_b
                        .checked_mul(power(-shift))
                        .and_then(|b| divided(wide_a, b)),
                }
            }
        };
        let computed = computed
            .and_then(i256::to_i128)
            .ok_or_else(read::overflow)?;
        read::fits(computed, precision)
    };
    let rows = (0..left.len()).map(|row| match left.is_null(row) || right.is_null(row) {
        true => Ok(None),
        false => value(left.value(row), right.value(row)).map(Some),
    });
    let column = rows.collect::<Result<Decimal128Array>>()?;
    let data_type = Type::Numeric(precision, scale as u8).arrow();
    Ok(Arc::new(column.with_data_type(data_type)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_the_documented_digits() {
        let money = (18, 2);
        assert_eq!(decimal(Op::Add, money, money), Type::Numeric(19, 2));
        assert_eq!(decimal(Op::Multiply, money, money), Type::Numeric(37, 4));
        assert_eq!(decimal(Op::Divide, money, money), Type::Numeric(37, 19));
        assert_eq!(
            decimal(Op::Divide, (38, 10), (38, 10)),
            Type::Numeric(38, 4)
        );
    }
}
