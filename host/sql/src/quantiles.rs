//! `median` and `percentile_cont`, exact between the two values in the middle.
//!
//! DataFusion's `median` adds them up, which is infinite for large floats and cuts decimals; its `percentile_cont` weighs them in steps of
//! a millionth.

use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float64Type, i256,
};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

use crate::arithmetic::{rescaled, stored};
use crate::casts::fits;
use crate::error::ValueError;

pub(crate) fn functions() -> [Arc<AggregateUDF>; 2] {
    [true, false].map(|is_median| {
        let function = Quantile {
            is_median,
            others: percentile_cont_udaf(),
            signature: Signature::user_defined(Volatility::Immutable),
        };
        Arc::new(AggregateUDF::from(function))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantile {
    /// Otherwise `percentile_cont`.
    is_median: bool,
    others: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for Quantile {
    fn name(&self) -> &str {
        match self.is_median {
            true => "median",
            false => self.others.name(),
        }
    }

    fn aliases(&self) -> &[String] {
        match self.is_median {
            true => &[],
            false => self.others.aliases(),
        }
    }

    fn signature(&self) -> &Signature {
        match self.is_median {
            true => &self.signature,
            false => self.others.signature(),
        }
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return plan_err!("`median` takes one argument");
        };
        Ok(vec![match stored(argument) {
            DataType::Null => DataType::Float64,
            float if float.is_floating() => DataType::Float64,
            whole if whole.is_integer() => DataType::Decimal128(20, 0),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                DataType::Decimal128(*precision, *scale)
            }
            DataType::Decimal128(..) => stored(argument).clone(),
            other => {
                return plan_err!(
                    "`median` takes numbers, not {}; write a CAST",
                    crate::type_name(other)
                );
            }
        }])
    }

    /// A decimal has one digit more: half of the last one.
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match &arguments[0] {
            DataType::Decimal128(20, 0) => DataType::Float64,
            DataType::Decimal128(precision, scale) if self.is_median => {
                DataType::Decimal128((precision + 1).min(38), (scale + 1).min(38))
            }
            _ if self.is_median => DataType::Float64,
            _ => self.others.return_type(arguments)?,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let mut fraction = 0.5;
        if !self.is_median {
            // It checks the fraction.
            self.others.accumulator(AccumulatorArgs {
                return_field: Arc::clone(&args.return_field),
                ..args
            })?;
            if let Some(Some(literal)) =
                args.exprs.get(1).map(|expr| expr.downcast_ref::<Literal>())
            {
                let value = cast(&literal.value().to_array()?, &DataType::Float64)?;
                fraction = value.as_primitive::<Float64Type>().value(0);
            }
        }
        let first = args.order_bys.first().filter(|_| !self.is_median);
        let is_descending = first.is_some_and(|sort| sort.options.descending);
        Ok(Box::new(Values {
            fraction,
            is_descending,
            is_distinct: args.is_distinct,
            values: match args.expr_fields[0].data_type() {
                DataType::Decimal128(..) => Numbers::Decimals(Vec::new()),
                _ => Numbers::Floats(Vec::new()),
            },
            input: args.expr_fields[0].data_type().clone(),
            result: args.return_field.data_type().clone(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        let name = format_state_name(args.name, "values");
        Ok(vec![Arc::new(Field::new_list(name, item, true))])
    }

    fn supports_within_group_clause(&self) -> bool {
        !self.is_median
    }
}

#[derive(Debug)]
enum Numbers {
    Floats(Vec<f64>),
    Decimals(Vec<i128>),
}

/// All values of a group.
#[derive(Debug)]
struct Values {
    fraction: f64,
    /// Whether places count from the greatest value.
    is_descending: bool,
    is_distinct: bool,
    values: Numbers,
    input: DataType,
    result: DataType,
}

impl Values {
    fn sort(&mut self) {
        match &mut self.values {
            Numbers::Floats(values) => {
                values.sort_unstable_by(f64::total_cmp);
                if self.is_distinct {
                    values.dedup_by(|a, b| a == b || (a.is_nan() && b.is_nan()));
                }
            }
            Numbers::Decimals(values) => {
                values.sort_unstable();
                if self.is_distinct {
                    values.dedup();
                }
            }
        }
    }

    /// The places of the values around the one that is wanted, in their order, and how far that is between them.
    fn places(&self, count: usize) -> (usize, usize, f64) {
        #[expect(clippy::cast_precision_loss, reason = "rows can be counted in a float")]
        let place = self.fraction * (count - 1) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a place of a value"
        )]
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        // What is left of 1 would be rounded: of 0.9 it is less than 0.1.
        let from_start = |place: usize| match self.is_descending {
            true => count - 1 - place,
            false => place,
        };
        (from_start(low), from_start(high), place.fract())
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match &mut self.values {
            Numbers::Floats(known) => {
                let floats = cast(&values[0], &DataType::Float64)?;
                known.extend(floats.as_primitive::<Float64Type>().iter().flatten());
            }
            Numbers::Decimals(known) => {
                known.extend(values[0].as_primitive::<Decimal128Type>().iter().flatten());
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: ArrayRef = match &mut self.values {
            Numbers::Floats(values) => Arc::new(Float64Array::from(std::mem::take(values))),
            Numbers::Decimals(values) => {
                let values = Decimal128Array::from(std::mem::take(values));
                Arc::new(values.with_data_type(self.input.clone()))
            }
        };
        let values = cast(&values, &self.input)?;
        let list = ListArray::new(
            Arc::new(Field::new_list_field(self.input.clone(), true)),
            OffsetBuffer::from_lengths([values.len()]),
            values,
            None,
        );
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.sort();
        match (&self.values, &self.input) {
            (Numbers::Floats(values), _) if !values.is_empty() => {
                let (low, high, fraction) = self.places(values.len());
                let value = between(values[low], values[high], fraction);
                ScalarValue::Float64(Some(value)).cast_to(&self.result)
            }
            (Numbers::Decimals(values), DataType::Decimal128(_, scale)) if !values.is_empty() => {
                let (low, high, _) = self.places(values.len());
                let wide = |place: usize| i256::from_i128(values[place]);
                self.half(wide(low) + wide(high), *scale)
            }
            _ => ScalarValue::try_from(&self.result),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + match &self.values {
                Numbers::Floats(values) => size_of_val(values.as_slice()),
                Numbers::Decimals(values) => size_of_val(values.as_slice()),
            }
    }
}

impl Values {
    /// Half of a number, which has one digit more.
    fn half(&self, twice: i256, scale: i8) -> Result<ScalarValue> {
        let tenths = twice * i256::from_i128(5);
        match self.result {
            DataType::Decimal128(precision, to) => {
                match rescaled(tenths, scale + 1, to).and_then(|half| fits(half, precision)) {
                    Some(half) => Ok(ScalarValue::Decimal128(Some(half), precision, to)),
                    None => Err(ValueError::overflow(
                        &self.result,
                        format!(
                            "median overflow: the median does not fit {}",
                            crate::type_name(&self.result)
                        ),
                    )
                    .hint("median(CAST(.. AS DOUBLE))")
                    .into()),
                }
            }
            _ => {
                let text = <Decimal256Type as arrow::datatypes::DecimalType>::format_decimal(
                    tenths,
                    76,
                    scale + 1,
                );
                Ok(ScalarValue::Float64(text.parse().ok()))
            }
        }
    }
}

/// What is so far between two floats.
fn between(low: f64, high: f64, fraction: f64) -> f64 {
    if fraction == 0.0 || low == high {
        return low;
    }
    let distance = high - low;
    match distance.is_finite() || !low.is_finite() || !high.is_finite() {
        true => low + distance * fraction,
        false => low * (1.0 - fraction) + high * fraction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_large_floats_are_finite() {
        for (low, high, fraction, expected) in [
            (1e308, 1.5e308, 0.5, 1.25e308),
            (-1.5e308, 1.5e308, 0.5, 0.0),
            (1.0, 2.0, 0.25, 1.25),
            (1.0, f64::INFINITY, 0.5, f64::INFINITY),
            (f64::INFINITY, f64::INFINITY, 0.5, f64::INFINITY),
        ] {
            assert_eq!(between(low, high, fraction), expected, "{low} {high}");
        }
    }
}
