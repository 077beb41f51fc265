//! Arithmetic of whole numbers.

use arrow::array::{ArrowNativeTypeOp, ArrowPrimitiveType};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use datafusion::common::internal_datafusion_err;
use datafusion::logical_expr::ColumnarValue;

use super::operands::{Unfit, combine};
use super::{Failure, Op};

/// The narrowest type that holds the values of both.
pub(super) fn common(left: &DataType, right: &DataType) -> DataType {
    use DataType::{Decimal128, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    let bits = |data_type: &DataType| match data_type {
        Int8 | UInt8 => 8,
        Int16 | UInt16 => 16,
        Int32 | UInt32 => 32,
        _ => 64,
    };
    let signed = |bits| match bits {
        8 => Int8,
        16 => Int16,
        32 => Int32,
        64 => Int64,
        _ => Decimal128(20, 0),
    };
    let (left_bits, right_bits) = (bits(left), bits(right));
    match (left.is_signed_integer(), right.is_signed_integer()) {
        (true, true) => signed(left_bits.max(right_bits)),
        (false, false) => match left_bits.max(right_bits) {
            8 => UInt8,
            16 => UInt16,
            32 => UInt32,
            _ => UInt64,
        },
        (true, false) => signed(left_bits.max(right_bits * 2)),
        (false, true) => signed(right_bits.max(left_bits * 2)),
    }
}

/// What the macro needs of a whole number; the standard library has these as methods of each type.
pub(super) trait Whole: ArrowNativeTypeOp {
    fn overflowing(self, op: Op, other: Self) -> (Self, bool);
}

macro_rules! whole {
    ($($native:ty),*) => {$(
        impl Whole for $native {
            #[inline(always)]
            fn overflowing(self, op: Op, other: Self) -> (Self, bool) {
                match op {
                    Op::Add => self.overflowing_add(other),
                    Op::Subtract => self.overflowing_sub(other),
                    Op::Multiply | Op::MultiplyRounded => self.overflowing_mul(other),
                    Op::Divide | Op::DivideWhole if other == 0 => (0, true),
                    Op::Divide | Op::DivideWhole => self.overflowing_div(other),
                    Op::Remainder if other == 0 => (0, true),
                    // The least number divided by -1 leaves 0, as in PostgreSQL, though its quotient fits nowhere.
                    Op::Remainder => (self.wrapping_rem(other), false),
                }
            }
        }
    )*};
}

whole!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! for_type {
    ($data_type:expr, $function:ident ( $($argument:expr),* )) => {
        match $data_type {
            DataType::Int8 => $function::<Int8Type>($($argument),*),
            DataType::Int16 => $function::<Int16Type>($($argument),*),
            DataType::Int32 => $function::<Int32Type>($($argument),*),
            DataType::Int64 => $function::<Int64Type>($($argument),*),
            DataType::UInt8 => $function::<UInt8Type>($($argument),*),
            DataType::UInt16 => $function::<UInt16Type>($($argument),*),
            DataType::UInt32 => $function::<UInt32Type>($($argument),*),
            _ => $function::<UInt64Type>($($argument),*),
        }
    };
}

pub(super) fn compute(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    result: &DataType,
) -> Result<ColumnarValue, Failure> {
    if left.data_type() != *result || right.data_type() != *result {
        let error = internal_datafusion_err!("the operands of `{op}` were not cast to {result}");
        return Err(Failure::Other(error));
    }
    for_type!(result, compute_type(op, left, right, result))
}

fn compute_type<T: ArrowPrimitiveType<Native: Whole>>(
    op: Op,
    left: &ColumnarValue,
    right: &ColumnarValue,
    result: &DataType,
) -> Result<ColumnarValue, Failure> {
    // A loop for each operator: which one it is must not be asked for every row.
    let computed = match op {
        Op::Add => combine::<T>(left, right, result, |l, r| l.overflowing(Op::Add, r)),
        Op::Subtract => combine::<T>(left, right, result, |l, r| l.overflowing(Op::Subtract, r)),
        Op::Multiply | Op::MultiplyRounded => {
            combine::<T>(left, right, result, |l, r| l.overflowing(Op::Multiply, r))
        }
        Op::Divide | Op::DivideWhole => {
            combine::<T>(left, right, result, |l, r| l.overflowing(Op::Divide, r))
        }
        Op::Remainder => combine::<T>(left, right, result, |l, r| l.overflowing(Op::Remainder, r)),
    };
    computed
        .map_err(Failure::Other)?
        .map_err(|Unfit(left, right)| {
            if right == T::Native::ZERO
                && matches!(op, Op::Divide | Op::DivideWhole | Op::Remainder)
            {
                return Failure::DivisionByZero {
                    left: format!("{left:?}"),
                };
            }
            Failure::Overflow {
                left: format!("{left:?}"),
                right: format!("{right:?}"),
                result: result.clone(),
            }
        })
}

/// `0 - value`; the value that has no counterpart if there is one.
pub(super) fn negate(value: &ColumnarValue, result: &DataType) -> Result<ColumnarValue, String> {
    let zero = match result {
        DataType::Int8 => 0i8.into(),
        DataType::Int16 => 0i16.into(),
        DataType::Int32 => 0i32.into(),
        _ => datafusion::common::ScalarValue::Int64(Some(0)),
    };
    compute(Op::Subtract, &ColumnarValue::Scalar(zero), value, result).map_err(|failure| {
        match failure {
            Failure::Overflow { right, .. } => right,
            Failure::DivisionByZero { left } => left,
            Failure::Other(error) => error.to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Int32Array};

    use super::*;

    fn column(values: Vec<Option<i32>>) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(Int32Array::from(values)))
    }

    #[test]
    fn what_a_null_row_holds_does_not_overflow() {
        let nulls = arrow::buffer::NullBuffer::from(vec![true, false]);
        let left = Int32Array::new(vec![1, i32::MAX].into(), Some(nulls));
        let left = ColumnarValue::Array(Arc::new(left));
        let right = column(vec![Some(1), Some(1)]);
        let sum = compute(Op::Add, &left, &right, &DataType::Int32);
        let Ok(ColumnarValue::Array(sum)) = sum else {
            panic!("no sum")
        };
        assert_eq!(sum.as_primitive::<Int32Type>().value(0), 2);
        assert!(sum.is_null(1));
        let halves = compute(Op::Divide, &right, &left, &DataType::Int32);
        assert!(halves.is_ok());
    }

    #[test]
    fn the_first_row_that_overflows_is_named() {
        let left = column(vec![Some(1), None, Some(70000), Some(80000)]);
        let right = column(vec![Some(1), Some(2), Some(40000), Some(90000)]);
        let product = compute(Op::Multiply, &left, &right, &DataType::Int32);
        let Err(Failure::Overflow { left, right, .. }) = product else {
            panic!("no overflow")
        };
        assert_eq!((left.as_str(), right.as_str()), ("70000", "40000"));
    }
}
