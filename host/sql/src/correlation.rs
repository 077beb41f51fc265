//! `corr` with the digits that its values leave, in groups too.
//!
//! DataFusion's totals of squares cancel out in groups: the correlation with timestamps was -1, 0 or none
//! (<https://github.com/apache/datafusion/blob/55.2.0/datafusion/functions-aggregate/src/correlation.rs>). Its `regr_r2` follows the
//! means instead, and finds that equal values do not vary, however they are divided among partitions.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::correlation::corr_udaf;
use datafusion::functions_aggregate::regr::{RegrAccumulator, RegrType};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature,
};

pub(crate) fn function() -> Arc<AggregateUDF> {
    let others = corr_udaf();
    Arc::new(AggregateUDF::from(Correlation { others }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Correlation {
    others: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Correlation {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn signature(&self) -> &Signature {
        self.others.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.others.return_type(arguments)
    }

    /// A count and five floats, as [`RegrAccumulator`] has them.
    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.others.state_fields(args)
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Deviations(RegrAccumulator::try_new(
            &RegrType::R2,
        )?)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.others.documentation()
    }
}

/// How far the values of both columns are from their means.
#[derive(Debug)]
struct Deviations(RegrAccumulator);

impl Accumulator for Deviations {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.0.state()?;
        let [
            _,
            _,
            _,
            ScalarValue::Float64(Some(x)),
            ScalarValue::Float64(Some(y)),
            ScalarValue::Float64(Some(both)),
        ] = state.as_slice()
        else {
            return internal_err!("the state of `corr` is {state:?}");
        };
        let is_constant = *x == 0.0 || *y == 0.0;
        let product = x * y;
        let scale = match product.is_normal() {
            true => product.sqrt(),
            // Too large or too small for a float.
            false => x.sqrt() * y.sqrt(),
        };
        let correlation = both / scale;
        Ok(ScalarValue::Float64(
            (!is_constant).then_some(correlation.clamp(-1.0, 1.0)),
        ))
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
