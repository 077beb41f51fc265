//! `round` and `trunc` of floats to a number of digits.
//!
//! DataFusion multiplies by a power of ten, which is infinite for large floats and many digits: `round(1e300, 10)` was `inf`. It
//! multiplies by a fraction to round to tens, which no float is: `round(1e5, -5)` was 99999.99999999999.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::math;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

pub(crate) fn functions() -> [Arc<ScalarUDF>; 2] {
    [math::round(), math::trunc()].map(|others| Arc::new(ScalarUDF::from(Rounding { others })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounding {
    /// DataFusion's function, for decimals and without digits.
    others: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Rounding {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn aliases(&self) -> &[String] {
        self.others.aliases()
    }

    fn signature(&self) -> &Signature {
        self.others.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.others.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.others.return_type(arguments)
    }

    fn return_field_from_args(
        &self,
        arguments: ReturnFieldArgs<'_>,
    ) -> Result<arrow::datatypes::FieldRef> {
        self.others.return_field_from_args(arguments)
    }

    fn is_strict(&self) -> bool {
        self.others.is_strict()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, digits] = arguments.args.as_slice() else {
            return self.others.invoke_with_args(arguments);
        };
        let data_type = value.data_type();
        if !matches!(data_type, DataType::Float32 | DataType::Float64) {
            return self.others.invoke_with_args(arguments);
        }
        let is_constant = matches!(
            (value, digits),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let whole = match self.name() {
            "trunc" => f64::trunc,
            _ => f64::round,
        };
        let float = match data_type {
            DataType::Float32 => Float::Single,
            _ => Float::Double,
        };
        let values = cast(&value.to_array(rows)?, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let rounded: Float64Array = match digits {
            ColumnarValue::Scalar(digits) => match digits.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(Some(digits)) => {
                    let power = Power::of(digits);
                    values.unary(|value| power.rounded(value, float, whole))
                }
                _ => Float64Array::new_null(rows),
            },
            ColumnarValue::Array(digits) => {
                let digits = cast(digits, &DataType::Int64)?;
                let digits = digits.as_primitive::<Int64Type>().iter();
                let rounded = values
                    .iter()
                    .zip(digits)
                    .map(|(value, digits)| Some(Power::of(digits?).rounded(value?, float, whole)));
                rounded.collect()
            }
        };
        let rounded: ArrayRef = Arc::new(rounded);
        let rounded = cast(&rounded, &data_type)?;
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&rounded, 0)?),
            false => ColumnarValue::Array(rounded),
        })
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.others.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.others.documentation()
    }
}

/// The width in which a value is computed: 2.675 as a `float32` is rounded to 2.68, though it is a bit less than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Float {
    Single,
    Double,
}

impl Float {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the value becomes a float32"
    )]
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Single => f64::from(value as f32),
            Self::Double => value,
        }
    }

    /// From here on all floats are whole numbers.
    fn whole(self) -> f64 {
        match self {
            Self::Single => 8_388_608.0,
            Self::Double => 4_503_599_627_370_496.0,
        }
    }
}

/// A power of ten in two factors, as one float holds 308 digits.
#[derive(Debug, Clone, Copy)]
struct Power {
    first: f64,
    second: f64,
    is_fraction: bool,
}

impl Power {
    fn of(digits: i64) -> Self {
        // No float has a digit beyond.
        let count = digits.unsigned_abs().min(600);
        let power = |digits: u64| i32::try_from(digits).map_or(1.0, |digits| 10_f64.powi(digits));
        Self {
            first: power(count.min(300)),
            second: power(count - count.min(300)),
            is_fraction: digits >= 0,
        }
    }

    fn rounded(self, value: f64, float: Float, whole: fn(f64) -> f64) -> f64 {
        if !self.is_fraction {
            let scaled = float.of(value / self.first / self.second);
            return whole(scaled) * self.second * self.first;
        }
        let scaled = float.of(value * self.first * self.second);
        match scaled.abs() < float.whole() {
            true => whole(scaled) / self.second / self.first,
            // Nothing is behind its last digit.
            false => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_rounded_to_any_number_of_digits() {
        for (value, digits, round, trunc) in [
            (1e300, 10, 1e300, 1e300),
            (1.5, 309, 1.5, 1.5),
            (1.5, i64::MAX, 1.5, 1.5),
            (5e-324, 309, 0.0, 0.0),
            (5e-324, 324, 5e-324, 5e-324),
            (2.675, 2, 2.68, 2.67),
            (-2.675, 2, -2.68, -2.67),
            (150_000.0, -5, 200_000.0, 100_000.0),
            (123_456.0, -5, 100_000.0, 100_000.0),
            (1e300, -309, 0.0, 0.0),
            (1e300, i64::MIN, 0.0, 0.0),
            (f64::INFINITY, 2, f64::INFINITY, f64::INFINITY),
            (f64::INFINITY, -2, f64::INFINITY, f64::INFINITY),
            (
                9_007_199_254_740_993.0,
                1,
                9_007_199_254_740_992.0,
                9_007_199_254_740_992.0,
            ),
        ] {
            let power = Power::of(digits);
            assert_eq!(
                power.rounded(value, Float::Double, f64::round),
                round,
                "{value} {digits}"
            );
            assert_eq!(
                power.rounded(value, Float::Double, f64::trunc),
                trunc,
                "{value} {digits}"
            );
        }
        assert!(
            Power::of(2)
                .rounded(f64::NAN, Float::Double, f64::round)
                .is_nan()
        );
    }
}
