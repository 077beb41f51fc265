//! A date plus or minus a number of days, and the days between two dates.
//!
//! DataFusion makes nanoseconds of the number, which end after 292 years. It takes the days between two dates for a duration where it
//! estimates rows, and panics.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int32Array, Int64Array};
use arrow::compute::kernels::arity::binary;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::arithmetic::Op;
use crate::error::ValueError;

/// `date + days` or `date - days` as a function.
pub(crate) fn days(op: Op, date: Expr, days: Expr) -> Expr {
    ScalarUDF::from(Days {
        op,
        signature: Signature::any(2, Volatility::Immutable),
    })
    .call(vec![date, days])
}

/// `left - right` of two dates as a function: a number of days.
pub(crate) fn between(left: Expr, right: Expr) -> Expr {
    ScalarUDF::from(Between {
        signature: Signature::any(2, Volatility::Immutable),
    })
    .call(vec![left, right])
}

/// The days since 1970 of dates.
fn numbers(dates: &ColumnarValue, rows: usize) -> Result<Int32Array> {
    let dates = cast(&dates.to_array(rows)?, &DataType::Date32)?;
    let days = cast(&dates, &DataType::Int32)?;
    Ok(days.as_primitive::<Int32Type>().clone())
}

/// How many rows two arguments have, and whether both are constants.
fn rows(arguments: &ScalarFunctionArgs) -> (usize, bool) {
    let is_constant = |argument: &ColumnarValue| matches!(argument, ColumnarValue::Scalar(_));
    match arguments.args.iter().all(is_constant) {
        true => (1, true),
        false => (arguments.number_rows, false),
    }
}

fn result(values: ArrayRef, is_constant: bool) -> Result<ColumnarValue> {
    Ok(match is_constant {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?),
        false => ColumnarValue::Array(values),
    })
}

/// As DataFusion calls a column that holds the operator's result.
fn operation(op: Op, arguments: &[Expr]) -> Result<String> {
    let [left, right] = arguments else {
        return internal_err!("`{op}` has two operands");
    };
    Ok(format!(
        "{} {op} {}",
        left.schema_name(),
        right.schema_name()
    ))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Between {
    signature: Signature,
}

impl ScalarUDFImpl for Between {
    fn name(&self) -> &str {
        "days_between"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes two dates", self.name());
        };
        let (rows, is_constant) = rows(&arguments);
        let days: Int64Array = binary(
            &numbers(left, rows)?,
            &numbers(right, rows)?,
            |left, right| i64::from(left) - i64::from(right),
        )?;
        result(Arc::new(days), is_constant)
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        operation(Op::Subtract, arguments)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Days {
    op: Op,
    signature: Signature,
}

impl ScalarUDFImpl for Days {
    fn name(&self) -> &str {
        match self.op {
            Op::Subtract => "subtract_days",
            _ => "add_days",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [dates, days] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes a date and a number", self.name());
        };
        let (rows, is_constant) = rows(&arguments);
        let checked = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let days = cast_with_options(&days.to_array(rows)?, &DataType::Int64, &checked)?;
        let dates = numbers(dates, rows)?;
        let sums = dates
            .iter()
            .zip(days.as_primitive::<Int64Type>())
            .map(|(date, days)| {
                let (Some(date), Some(days)) = (date, days) else {
                    return Ok(None);
                };
                let sum = match self.op {
                    Op::Subtract => i64::from(date).checked_sub(days),
                    _ => i64::from(date).checked_add(days),
                };
                let sum = sum.and_then(|sum| i32::try_from(sum).ok());
                sum.map(Some).ok_or_else(|| {
                    let date = Date32Type::to_naive_date_opt(date);
                    let date = date.map_or_else(|| "a date".to_owned(), |date| date.to_string());
                    ValueError::new(format!("{date} {} {days} is out of range", self.op))
                })
            })
            .collect::<std::result::Result<Date32Array, ValueError>>()?;
        result(Arc::new(sums), is_constant)
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        operation(self.op, arguments)
    }
}
