//! `+ - * / %` of numbers, with Redshift's types: whole numbers overflow, decimals have documented digits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::scalar::{Arguments, scalar};
use crate::error::{self, Error, Result};
use crate::types::cast::{Mode, cast, divided};
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

impl Op {
    const ALL: [Self; 5] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];

    fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
            Self::Remainder => '%',
        }
    }
}

/// Before the operators of [`chain`] in its name.
const CHAIN: &str = "redshift_";
pub(crate) const MOD: &str = "redshift_mod";

/// `a + b - c ..`, from left to right, as one call: each pass over a plan asks an expression for its type, which asks what is in it,
/// so that a long chain of calls within calls would be planned in the cube of its length.
fn chain(ops: Vec<Op>) -> ScalarUDF {
    let symbols = ops.iter().map(|op| op.symbol());
    let name: String = CHAIN.chars().chain(symbols).collect();
    let last = ops.clone();
    scalar(
        name,
        move |arguments| chain_types(&last, arguments),
        move |columns, types, _| chained(&ops, columns, types),
    )
}

/// The operators of a chain.
fn ops(call: &ScalarFunction) -> Option<Vec<Op>> {
    let symbols = call.name().strip_prefix(CHAIN)?;
    let op = |symbol| Op::ALL.into_iter().find(|op| op.symbol() == symbol);
    symbols.chars().map(op).collect()
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![scalar(MOD, mod_types, |columns, types, result| {
        let remainder = chained(&[Op::Remainder], columns, types)?;
        match (types[0], result) {
            // What remains is no greater than either number, so it fits.
            (Type::Int8, Type::Int4) => cast(&remainder, Type::Int8, Type::Int4, Mode::Explicit),
            _ => Ok(remainder),
        }
    })]
}

/// Those of `%`, but for what the page of MOD says: the remainder of an INTEGER and a BIGINT is an INTEGER.
fn mod_types(arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let (wanted, result) = chain_types(&[Op::Remainder], arguments)?;
    match arguments.types {
        [Type::Int4, Type::Int8] | [Type::Int8, Type::Int4] => Ok((wanted, Type::Int4)),
        _ => Ok((wanted, result)),
    }
}

/// An error for a SMALLINT and a BIGINT, which MOD does not take together. Before literals have their types, nobody knows.
pub(crate) fn check_mod(left: Option<Type>, right: Option<Type>) -> Result<()> {
    match (left, right) {
        (Some(left), Some(right))
            if [left, right].contains(&Type::Int2) && [left, right].contains(&Type::Int8) =>
        {
            let types = format!("{}, {}", left.base_name(), right.base_name());
            let error = Error::new(&error::WRONG_ARGUMENTS, &[&"mod", &types]);
            Err(error.hint("cast one of the numbers"))
        }
        _ => Ok(()),
    }
}

/// Whether an expression is made by [`arithmetic`]: a number, whatever is in it.
pub(crate) fn is_arithmetic(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if ops(call).is_some())
}

/// `left op right`
pub(crate) fn arithmetic(op: Op, left: Expr, right: Expr) -> Expr {
    let is_constant = |expr: &Expr| !expr.any_column_refs();
    let (mut all, mut arguments) = match left {
        // What begins with constants alone is computed while it is planned, and fails then.
        Expr::ScalarFunction(call)
            if is_constant(&right) || !call.args.iter().take(2).rev().all(is_constant) =>
        {
            match ops(&call) {
                Some(all) => (all, call.args),
                None => (Vec::new(), vec![Expr::ScalarFunction(call)]),
            }
        }
        left => (Vec::new(), vec![left]),
    };
    all.push(op);
    arguments.push(right);
    chain(all).call(arguments)
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

fn chain_types(ops: &[Op], arguments: &Arguments<'_>) -> Result<(Vec<Type>, Type)> {
    let [first, rest @ ..] = arguments.types else {
        return Err(arguments.refused());
    };
    if rest.len() != ops.len() {
        return Err(arguments.refused());
    }
    let mut wanted = Vec::with_capacity(arguments.types.len());
    let mut result = *first;
    for (op, next) in ops.iter().zip(rest) {
        let refused = || match arguments.name == MOD {
            true => arguments.refused(),
            false => {
                let (left, right) = (result.base_name(), next.base_name());
                let symbol = op.symbol();
                Error::new(&error::UNDEFINED_OPERATOR, &[&left, &symbol, &right])
            }
        };
        let (left, right, sum) = types(*op, result, *next).ok_or_else(refused)?;
        if wanted.is_empty() {
            wanted.push(left);
        }
        wanted.push(right);
        result = sum;
    }
    Ok((wanted, result))
}

/// The types that two operands are cast to, and that of the result.
fn types(op: Op, left: Type, right: Type) -> Option<(Type, Type, Type)> {
    // A literal becomes what it meets.
    let (left, right) = match (left, right) {
        (Type::Unknown, Type::Unknown) => (Type::Float8, Type::Float8),
        (Type::Unknown, right) => (right, right),
        (left, Type::Unknown) => (left, left),
        both => both,
    };
    let same = |data_type| Some((data_type, data_type, data_type));
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
    if let (Some(left), Some(right)) = (left.digits(), right.digits()) {
        let result = decimal(op, left, right);
        let own = |(precision, scale)| Type::Numeric(precision, scale);
        return Some((own(left), own(right), result));
    }
    match left.is_number() && right.is_number() {
        // As in PostgreSQL.
        true if op == Op::Remainder => None,
        true if left == Type::Float4 && right == Type::Float4 => same(Type::Float4),
        true => same(Type::Float8),
        false => None,
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

fn chained(ops: &[Op], columns: &[ArrayRef], own: &[Type]) -> Result<ArrayRef> {
    let pairs = columns.iter().zip(own);
    let mut result: Option<(ArrayRef, Type)> = None;
    let mut ops = ops.iter();
    for (column, own) in pairs {
        result = Some(match result {
            None => (Arc::clone(column), *own),
            Some((sum, so_far)) => {
                let typed = ops
                    .next()
                    .and_then(|op| Some((*op, types(*op, so_far, *own)?)));
                let (op, (left, _, result)) =
                    typed.ok_or_else(|| Error::internal("operands without an operator"))?;
                let sum = cast(&sum, so_far, left, Mode::Explicit)?;
                (compute(op, &sum, column, left, result)?, result)
            }
        });
    }
    match result {
        Some((result, _)) => Ok(result),
        None => Err(Error::internal("an operator without operands")),
    }
}

fn compute(
    op: Op,
    left: &ArrayRef,
    right: &ArrayRef,
    operands: Type,
    result: Type,
) -> Result<ArrayRef> {
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
    let computed = kernel(left, right).map_err(|failure| match failure {
        ArrowError::DivideByZero => Error::new(&error::DIVISION_BY_ZERO, &[]),
        ArrowError::ArithmeticOverflow(_) => read::out_of_range(result),
        other => Error::internal(other),
    })?;
    let all = [left, right, &computed];
    let is_over = match operands {
        Type::Float4 => has_overflow::<Float32Type>(all, f32::is_infinite),
        Type::Float8 => has_overflow::<Float64Type>(all, f64::is_infinite),
        _ => false,
    };
    match is_over {
        true => Err(Error::new(&error::FLOAT_RANGE, &[])),
        false => Ok(computed),
    }
}

/// Whether one of the results is infinite, and both of its operands are not.
fn has_overflow<T: ArrowPrimitiveType>(
    [left, right, results]: [&ArrayRef; 3],
    is_infinite: fn(T::Native) -> bool,
) -> bool {
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let mut results = results.as_primitive::<T>().iter().enumerate();
    results.any(|(row, result)| {
        result.is_some_and(is_infinite)
            && !is_infinite(left.value(row))
            && !is_infinite(right.value(row))
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
    fn a_chain_is_one_call() {
        let column = |name: &str| Expr::Column(name.into());
        let one = || datafusion::logical_expr::lit(1);
        let ab = arithmetic(Op::Add, column("a"), column("b"));
        let product = arithmetic(Op::Multiply, column("c"), one());
        let all = arithmetic(Op::Subtract, arithmetic(Op::Divide, ab, product), one());
        assert_eq!(
            all.to_string(),
            "redshift_+/-(a, b, redshift_*(c, Int32(1)), Int32(1))"
        );
        assert!(is_arithmetic(&all));
        let constants = arithmetic(Op::Divide, one(), one());
        let constants = arithmetic(Op::Divide, constants, one());
        let all = arithmetic(Op::Add, arithmetic(Op::Add, constants, column("a")), one());
        let constants = "redshift_//(Int32(1), Int32(1), Int32(1))";
        assert_eq!(
            all.to_string(),
            format!("redshift_++({constants}, a, Int32(1))")
        );
    }

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
