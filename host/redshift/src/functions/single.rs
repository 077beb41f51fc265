//! `redshift_single`: the value of a scalar subquery, which has one row at most.
//!
//! DataFusion computes a subquery that refers to the query around it only if it aggregates its rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as Outcome, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::error::{self, Error};

/// Its name in plans.
pub(crate) const SINGLE: &str = "redshift_single";

pub(super) fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Single {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Single {
    signature: Signature,
}

impl AggregateUDFImpl for Single {
    fn name(&self) -> &str {
        SINGLE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Outcome<DataType> {
        internal_err!("`{SINGLE}` is asked for a field")
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Outcome<FieldRef> {
        let value = Field::clone(&arguments[0]);
        Ok(Arc::new(value.with_name(SINGLE).with_nullable(true)))
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Outcome<Box<dyn Accumulator>> {
        Ok(Box::new(Value {
            value: ScalarValue::try_from(arguments.return_field.data_type())?,
            has_row: false,
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Outcome<Vec<FieldRef>> {
        let data_type = arguments.return_field.data_type().clone();
        let value = Field::new(format_state_name(arguments.name, "value"), data_type, true);
        let has_row = format_state_name(arguments.name, "has_row");
        let has_row = Field::new(has_row, DataType::Boolean, false);
        Ok(vec![Arc::new(value), Arc::new(has_row)])
    }
}

#[derive(Debug)]
struct Value {
    value: ScalarValue,
    has_row: bool,
}

impl Value {
    fn add(&mut self, value: ScalarValue) -> Outcome<()> {
        if self.has_row {
            return Err(Error::new(&error::SUBQUERY_ROWS, &[]).into());
        }
        self.value = value;
        self.has_row = true;
        Ok(())
    }
}

impl Accumulator for Value {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        for row in 0..values[0].len() {
            self.add(ScalarValue::try_from_array(&values[0], row)?)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.has_row.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        for row in 0..states[0].len() {
            let has_row = ScalarValue::try_from_array(&states[1], row)?;
            if has_row == ScalarValue::Boolean(Some(true)) {
                self.add(ScalarValue::try_from_array(&states[0], row)?)?;
            }
        }
        Ok(())
    }
}
