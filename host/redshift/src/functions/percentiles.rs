//! `redshift_percentile_disc`: the value of a group that so many of its values are not greater than.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, concat, sort};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as Outcome, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

use crate::error::{self, Error};
use crate::types::Type;

/// Its name in plans. The arguments are the value, the percentile, and whether the greatest value comes first.
pub(crate) const PERCENTILE_DISC: &str = "redshift_percentile_disc";

pub(super) fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(PercentileDisc {
        signature: Signature::any(3, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PercentileDisc {
    signature: Signature,
}

/// A constant among the arguments.
fn constant(args: &AccumulatorArgs<'_>, at: usize, to: &DataType) -> Outcome<ScalarValue> {
    let literal = args
        .exprs
        .get(at)
        .and_then(|expr| expr.downcast_ref::<Literal>());
    match literal {
        Some(literal) => literal.value().cast_to(to),
        None => Err(Error::not_yet("a percentile that is computed").into()),
    }
}

impl AggregateUDFImpl for PercentileDisc {
    fn name(&self) -> &str {
        PERCENTILE_DISC
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Outcome<DataType> {
        internal_err!("`{PERCENTILE_DISC}` is asked for a field")
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Outcome<FieldRef> {
        match Type::of(&arguments[0]) {
            Some(data_type) if data_type.is_number() || data_type.is_moment() => {
                let value = Field::clone(&arguments[0]);
                Ok(Arc::new(
                    value.with_name(PERCENTILE_DISC).with_nullable(true),
                ))
            }
            other => {
                let name = other.map_or("unknown", Type::base_name);
                Err(Error::new(&error::WRONG_ARGUMENTS, &[&"percentile_disc", &name]).into())
            }
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Outcome<Box<dyn Accumulator>> {
        let fraction = match constant(&args, 1, &DataType::Float64)? {
            ScalarValue::Float64(Some(fraction)) if (0.0..=1.0).contains(&fraction) => fraction,
            other => {
                let refused = Error::new(&error::INVALID_ARGUMENT, &[&"percentile_disc", &other]);
                return Err(refused.hint("a number between 0 and 1").into());
            }
        };
        let descending = constant(&args, 2, &DataType::Boolean)?;
        Ok(Box::new(Values {
            fraction,
            descending: descending == ScalarValue::Boolean(Some(true)),
            values: Vec::new(),
            data_type: args.expr_fields[0].data_type().clone(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Outcome<Vec<FieldRef>> {
        let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        let name = format_state_name(args.name, "values");
        Ok(vec![Arc::new(Field::new_list(name, item, true))])
    }
}

/// All values of a group.
#[derive(Debug)]
struct Values {
    fraction: f64,
    descending: bool,
    values: Vec<ArrayRef>,
    data_type: DataType,
}

impl Values {
    /// All of them as one column.
    fn column(&self) -> Outcome<ArrayRef> {
        let all: Vec<&dyn Array> = self.values.iter().map(AsRef::as_ref).collect();
        Ok(match all.is_empty() {
            true => new_empty_array(&self.data_type),
            false => concat(&all)?,
        })
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.values.push(Arc::clone(&values[0]));
        Ok(())
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        let options = SortOptions {
            descending: self.descending,
            nulls_first: false,
        };
        let sorted = sort(&self.column()?, Some(options))?;
        let count = sorted.len() - sorted.null_count();
        // The shares are compared, as the guide says it: a product would be rounded.
        let share = |number: usize| number as f64 / count as f64;
        match (1..=count).find(|number| share(*number) >= self.fraction) {
            Some(number) => ScalarValue::try_from_array(&sorted, number - 1),
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        let values = self
            .values
            .iter()
            .map(|values| values.get_array_memory_size());
        size_of_val(self) + values.sum::<usize>()
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        let values = self.column()?;
        let list = ListArray::new(
            Arc::new(Field::new_list_field(self.data_type.clone(), true)),
            OffsetBuffer::from_lengths([values.len()]),
            values,
            None,
        );
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        let lists = states[0].as_list::<i32>();
        self.values.extend(lists.iter().flatten());
        Ok(())
    }
}
