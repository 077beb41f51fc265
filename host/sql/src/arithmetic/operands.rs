//! Columns and constants as operands.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr_common::datum::apply;

use super::Op;

/// An operand: a value for every row, or one for all rows.
pub(super) enum Operand<T: ArrowPrimitiveType> {
    Column(PrimitiveArray<T>),
    Constant(Option<T::Native>),
}

impl<T: ArrowPrimitiveType> Operand<T> {
    pub(super) fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(column) => Self::Column(column.as_primitive::<T>().clone()),
            ColumnarValue::Scalar(constant) => {
                let one: ArrayRef = constant.to_array()?;
                let one = one.as_primitive::<T>();
                Self::Constant(one.is_valid(0).then(|| one.value(0)))
            }
        })
    }

    fn value(&self, row: usize) -> T::Native {
        match self {
            Self::Column(column) => column.value(row),
            Self::Constant(constant) => constant.unwrap_or_default(),
        }
    }

    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Column(column) => column.nulls(),
            Self::Constant(_) => None,
        }
    }
}

/// The operands of a row that have no result.
pub(super) struct Unfit<T: ArrowPrimitiveType>(pub(super) T::Native, pub(super) T::Native);

/// `f` says for two values the result, and whether there is none. It must take any values: rows that are NULL hold some.
pub(super) fn combine<T: ArrowPrimitiveType>(
    left: &ColumnarValue,
    right: &ColumnarValue,
    result: &DataType,
    f: impl Fn(T::Native, T::Native) -> (T::Native, bool),
) -> Result<std::result::Result<ColumnarValue, Unfit<T>>> {
    let operands = (Operand::<T>::of(left)?, Operand::<T>::of(right)?);
    let mut unfit = false;
    let mut apply = |left, right| {
        let (value, is_unfit) = f(left, right);
        unfit |= is_unfit;
        value
    };
    // The loops have no branch but their end, so that the compiler can make vectors of them.
    let values: Vec<T::Native> = match &operands {
        (Operand::Constant(None), _) | (_, Operand::Constant(None)) => {
            let null = ScalarValue::try_from(result)?;
            return Ok(Ok(ColumnarValue::Scalar(null)));
        }
        (Operand::Constant(Some(left)), Operand::Constant(Some(right))) => {
            let value = apply(*left, *right);
            if unfit {
                return Ok(Err(Unfit(*left, *right)));
            }
            let value = ScalarValue::new_primitive::<T>(Some(value), result)?;
            return Ok(Ok(ColumnarValue::Scalar(value)));
        }
        (Operand::Column(left), Operand::Column(right)) => left
            .values()
            .iter()
            .zip(right.values())
            .map(|(&left, &right)| apply(left, right))
            .collect(),
        (Operand::Column(left), Operand::Constant(Some(right))) => left
            .values()
            .iter()
            .map(|&left| apply(left, *right))
            .collect(),
        (Operand::Constant(Some(left)), Operand::Column(right)) => right
            .values()
            .iter()
            .map(|&right| apply(*left, right))
            .collect(),
    };
    let (left, right) = &operands;
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    if unfit {
        // Only now it matters which row it was, and whether it counts.
        let is_valid = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let unfit = (0..values.len())
            .filter(|&row| is_valid(row))
            .map(|row| Unfit(left.value(row), right.value(row)))
            .find(|Unfit(left, right)| f(*left, *right).1);
        if let Some(unfit) = unfit {
            return Ok(Err(unfit));
        }
    }
    let column = PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(result.clone());
    Ok(Ok(ColumnarValue::Array(Arc::new(column))))
}

/// Arrow's own arithmetic.
pub(super) fn plain(op: Op, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    use arrow::compute::kernels::numeric::{add, div, mul, rem, sub};
    let kernel = match op {
        Op::Add => add,
        Op::Subtract => sub,
        Op::Multiply | Op::MultiplyRounded => mul,
        Op::Divide | Op::DivideWhole => div,
        Op::Remainder => rem,
    };
    apply(left, right, kernel)
}
