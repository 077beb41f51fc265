//! A date plus or minus a number of days. DataFusion makes nanoseconds of the number, which end after 292 years.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array};
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
        let is_constant = matches!(
            (dates, days),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let checked = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let days = cast_with_options(&days.to_array(rows)?, &DataType::Int64, &checked)?;
        let dates = cast(&dates.to_array(rows)?, &DataType::Date32)?;
        let dates = cast(&dates, &DataType::Int32)?;
        let dates = dates.as_primitive::<Int32Type>().iter();
        let sums = dates
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
        let sums: ArrayRef = Arc::new(sums);
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&sums, 0)?),
            false => ColumnarValue::Array(sums),
        })
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }

    /// As DataFusion calls a column that holds the operator's result.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [date, days] = arguments else {
            return internal_err!("`{}` has two operands", self.op);
        };
        Ok(format!(
            "{} {} {}",
            date.schema_name(),
            self.op,
            days.schema_name()
        ))
    }
}
