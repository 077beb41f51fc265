//! Arithmetic of decimals: exact, or an error; only what has no end, a quotient, is rounded, half away from zero.
//!
//! A result has at most 38 digits, as everything that reads our files has. PostgreSQL's quotients have at least 16 digits that count,
//! however small they are. A type has to say it of all of its values: 16 digits after the point, and one more for each digit that the
//! divisor can have in front of it, up to 24. A product has the digits of both operands; where 38 could not hold them all, at most 22
//! after the point, and a product with more is an error. A factor that is a quotient was rounded before; so is its product.

use arrow::array::{ArrayRef, Decimal128Array, Decimal256Array};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, DecimalType, i256,
};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::logical_expr_common::type_coercion::binary::BinaryTypeCoercer;

use super::operands::{Unfit, combine, plain};
use super::{Failure, Op, Types};

/// Digits after the point of a quotient, at least.
pub(crate) const QUOTIENT_SCALE: i8 = 16;
/// Digits after the point of a quotient, at most, unless an operand has more: the others are for what is in front of it.
const SMALL_QUOTIENT_SCALE: u8 = 24;
/// Digits after the point of a product that could have more than 38 in all.
const PRODUCT_SCALE: i8 = 22;
const MAX: u8 = DECIMAL128_MAX_PRECISION;

pub(super) fn types(op: Op, left: &DataType, right: &DataType) -> Option<Types> {
    if !left.is_decimal() && !right.is_decimal() {
        return None;
    }
    if matches!(left, DataType::Decimal256(..)) || matches!(right, DataType::Decimal256(..)) {
        return wide_types(op, left, right);
    }
    let (left, right) = (digits(left)?, digits(right)?);
    Some(Types {
        left: DataType::Decimal128(left.0, left.1),
        right: DataType::Decimal128(right.0, right.1),
        result: result(op, left, right),
    })
}

/// Precision and scale that hold a number of this type; scales below zero are written out.
pub(crate) fn digits(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => match *scale < 0 {
            true => (precision.saturating_add(scale.unsigned_abs()).min(MAX), 0),
            false => (*precision, *scale),
        },
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        _ => return None,
    })
}

/// The type of a result for operands of these precisions and scales, which are not negative.
pub(super) fn result(op: Op, left: (u8, i8), right: (u8, i8)) -> DataType {
    let ((left_precision, left_scale), (right_precision, right_scale)) = (left, right);
    let scale = left_scale.max(right_scale);
    let whole = |precision: u8, scale: i8| precision.saturating_sub(scale.unsigned_abs());
    let left_whole = whole(left_precision, left_scale);
    let right_whole = whole(right_precision, right_scale);
    let (precision, scale) = match op {
        Op::Add | Op::Subtract => (
            left_whole.max(right_whole) + scale.unsigned_abs() + 1,
            scale,
        ),
        Op::Multiply => {
            let exact = left_scale + right_scale;
            let precision = left_precision + right_precision + 1;
            match precision > MAX + 1 {
                true => (MAX, exact.min(scale.max(PRODUCT_SCALE))),
                false => (precision, exact),
            }
        }
        Op::MultiplyRounded => {
            let exact = left_scale + right_scale;
            let whole = left_whole + right_whole;
            let free = MAX.saturating_sub(whole).cast_signed();
            let scale = exact.min(free.max(QUOTIENT_SCALE));
            (whole + scale.unsigned_abs() + 1, scale)
        }
        Op::Divide => {
            // The least divisor is 0.01 if it has two digits after the point.
            let whole = left_whole + right_scale.unsigned_abs();
            let small = (QUOTIENT_SCALE.unsigned_abs() + right_whole).saturating_sub(1);
            let free = MAX.saturating_sub(whole);
            let small = small.min(SMALL_QUOTIENT_SCALE).min(free).cast_signed();
            let scale = scale.max(QUOTIENT_SCALE).max(small);
            (whole + scale.unsigned_abs(), scale)
        }
        Op::DivideWhole => (left_whole, 0),
        Op::Remainder => (left_whole.min(right_whole) + scale.unsigned_abs(), scale),
    };
    DataType::Decimal128(precision.clamp(1, MAX), scale)
}

/// Operands of more than 38 digits have the types that DataFusion gives them.
fn wide_types(op: Op, left: &DataType, right: &DataType) -> Option<Types> {
    if left.is_floating() || right.is_floating() {
        return None;
    }
    let operator = match op {
        Op::Add => Operator::Plus,
        Op::Subtract => Operator::Minus,
        Op::Multiply | Op::MultiplyRounded => Operator::Multiply,
        Op::Divide | Op::DivideWhole => Operator::Divide,
        Op::Remainder => Operator::Modulo,
    };
    let coercer = BinaryTypeCoercer::new(left, &operator, right);
    let (left, right) = coercer.get_input_types().ok()?;
    let result = coercer.get_result_type().ok()?;
    matches!(result, DataType::Decimal256(..)).then_some(Types {
        left,
        right,
        result,
    })
}

pub(super) fn compute(
    op: Op,
    (left, left_scale): (&ColumnarValue, i8),
    (right, right_scale): (&ColumnarValue, i8),
    result: &DataType,
) -> Result<ColumnarValue, Failure> {
    let DataType::Decimal128(precision, scale) = *result else {
        let error = datafusion::common::internal_datafusion_err!("{result} is no decimal");
        return Err(Failure::Other(error));
    };
    let limit = pow10(precision);
    let checked = |value: Option<i128>| match value {
        Some(value) if value.unsigned_abs() < limit.unsigned_abs() => (value, false),
        _ => (0, true),
    };
    // What brings both operands to the digits of the result.
    let up = |from: i8| pow10(scale.saturating_sub(from).unsigned_abs());
    let (left_up, right_up) = (up(left_scale), up(right_scale));
    let aligned =
        |left: i128, right: i128| Some((left.checked_mul(left_up)?, right.checked_mul(right_up)?));
    let computed = match op {
        Op::Add => combine::<Decimal128Type>(left, right, result, |left, right| {
            checked(aligned(left, right).and_then(|(left, right)| left.checked_add(right)))
        }),
        Op::Subtract => combine::<Decimal128Type>(left, right, result, |left, right| {
            checked(aligned(left, right).and_then(|(left, right)| left.checked_sub(right)))
        }),
        Op::Remainder => combine::<Decimal128Type>(left, right, result, |left, right| {
            checked(aligned(left, right).and_then(|(left, right)| left.checked_rem(right)))
        }),
        Op::Multiply | Op::MultiplyRounded => {
            let surplus = (left_scale + right_scale - scale).unsigned_abs();
            let divisor = i256::from_i128(pow10(surplus));
            let may_round = op == Op::MultiplyRounded;
            combine::<Decimal128Type>(left, right, result, |left, right| {
                let exact = if surplus == 0 {
                    left.checked_mul(right)
                } else {
                    i256::from_i128(left)
                        .checked_mul(i256::from_i128(right))
                        .filter(|product| may_round || is_multiple(*product, divisor))
                        .and_then(|product| divided(product, divisor)?.to_i128())
                        // Nothing is left of a product.
                        .filter(|product| *product != 0 || left == 0 || right == 0)
                };
                checked(exact)
            })
        }
        Op::DivideWhole => combine::<Decimal128Type>(left, right, result, |left, right| {
            checked(left.checked_div(right))
        }),
        Op::Divide => {
            let factor = pow10_wide((scale - left_scale + right_scale).unsigned_abs());
            combine::<Decimal128Type>(left, right, result, |left, right| {
                let quotient = i256::from_i128(left)
                    .checked_mul(factor)
                    .and_then(|left| divided(left, i256::from_i128(right))?.to_i128())
                    .filter(|quotient| *quotient != 0 || left == 0);
                checked(quotient)
            })
        }
    };
    computed
        .map_err(Failure::Other)?
        .map_err(|Unfit(left, right)| {
            let left = Decimal128Type::format_decimal(left, MAX, left_scale);
            if right == 0 && matches!(op, Op::Divide | Op::DivideWhole | Op::Remainder) {
                return Failure::DivisionByZero { left };
            }
            Failure::Overflow {
                left,
                right: Decimal128Type::format_decimal(right, MAX, right_scale),
                result: result.clone(),
            }
        })
}

/// Decimals of more than 38 digits: Arrow's checked arithmetic, and a look at the digits of what comes out.
pub(super) fn compute_wide(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    result: &DataType,
) -> Result<ColumnarValue, Failure> {
    let computed = plain(op, left, right).and_then(|computed| {
        let array: ArrayRef = computed.to_array(1)?;
        match array.data_type() {
            DataType::Decimal256(precision, _) => array
                .as_any()
                .downcast_ref::<Decimal256Array>()
                .map_or(Ok(()), |values| {
                    values.validate_decimal_precision(*precision)
                })?,
            DataType::Decimal128(precision, _) => array
                .as_any()
                .downcast_ref::<Decimal128Array>()
                .map_or(Ok(()), |values| {
                    values.validate_decimal_precision(*precision)
                })?,
            _ => {}
        }
        Ok(computed)
    });
    match computed {
        Ok(computed) if computed.data_type() == *result => Ok(computed),
        Ok(computed) => computed.cast_to(result, None).map_err(Failure::Other),
        Err(error) => Err(Failure::Other(error)),
    }
}

fn is_multiple(value: i256, of: i256) -> bool {
    value.checked_rem(of) == Some(i256::ZERO)
}

/// Ten to the power, for powers up to 38.
fn pow10(power: u8) -> i128 {
    10i128.saturating_pow(u32::from(power))
}

fn pow10_wide(power: u8) -> i256 {
    i256::from_i128(10).wrapping_pow(u32::from(power.min(DECIMAL256_MAX_PRECISION)))
}

/// `value / divisor`, rounded half away from zero; `None` for zero.
pub(crate) fn divided(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.checked_div(divisor)?;
    let remainder = value.checked_rem(divisor)?;
    let is_half = remainder.wrapping_abs()
        >= divisor
            .wrapping_abs()
            .wrapping_sub(remainder.wrapping_abs());
    if !is_half {
        return Some(quotient);
    }
    let away = match (value < i256::ZERO) == (divisor < i256::ZERO) {
        true => i256::ONE,
        false => i256::MINUS_ONE,
    };
    quotient.checked_add(away)
}

/// A decimal of one scale in another, rounded half away from zero.
pub(crate) fn rescaled(value: i256, from: i8, to: i8) -> Option<i256> {
    let shift = i16::from(to) - i16::from(from);
    let power = pow10_wide(u8::try_from(shift.unsigned_abs()).ok()?);
    match shift >= 0 {
        true => value.checked_mul(power),
        false => divided(value, power),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        let wide = |value: i128| i256::from_i128(value);
        for (value, divisor, quotient) in [
            (5, 2, 3),
            (-5, 2, -3),
            (5, -2, -3),
            (4, 3, 1),
            (-4, 3, -1),
            (0, 7, 0),
            (1, 3, 0),
            (2, 3, 1),
            (-2, 3, -1),
        ] {
            assert_eq!(divided(wide(value), wide(divisor)), Some(wide(quotient)));
        }
        assert_eq!(divided(wide(1), wide(0)), None);
    }

    #[test]
    fn products_are_exact_where_38_digits_hold_them() {
        let product = |left, right| result(Op::Multiply, left, right);
        assert_eq!(product((10, 2), (3, 2)), DataType::Decimal128(14, 4));
        assert_eq!(product((38, 10), (38, 10)), DataType::Decimal128(38, 20));
        assert_eq!(product((38, 16), (38, 16)), DataType::Decimal128(38, 22));
    }

    #[test]
    fn small_quotients_have_more_digits_where_there_is_room() {
        let quotient = |left, right| result(Op::Divide, left, right);
        assert_eq!(quotient((2, 1), (1, 0)), DataType::Decimal128(17, 16));
        assert_eq!(quotient((1, 0), (9, 1)), DataType::Decimal128(25, 23));
        assert_eq!(quotient((4, 2), (20, 0)), DataType::Decimal128(26, 24));
        assert_eq!(quotient((18, 2), (18, 2)), DataType::Decimal128(38, 20));
        assert_eq!(quotient((38, 0), (38, 0)), DataType::Decimal128(38, 16));
    }
}
