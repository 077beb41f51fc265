//! `min` and `max` of floats in groups, where NaN is larger than every number, and of lists, structs and maps, which have
//! [one order](crate::nested) here.
//!
//! DataFusion begins a group with the largest or smallest finite number, and passes over NaN: an infinity became 1.8e308
//! (<https://github.com/apache/datafusion/blob/55.2.0/datafusion/functions-aggregate/src/min_max.rs>). Without groups, and over windows, it
//! is right.

mod keyed;

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::compute::{not, nullif};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    ReversedUDAF, SetMonotonicity, Signature, StatisticsArgs,
};

use self::keyed::Keyed;

/// `min` and `max`.
pub(crate) fn functions() -> [Arc<AggregateUDF>; 2] {
    [min_udaf(), max_udaf()].map(|others| Arc::new(AggregateUDF::from(Extreme { others })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    /// DataFusion's function, for all others.
    others: Arc<AggregateUDF>,
}

impl Extreme {
    fn is_max(&self) -> bool {
        self.others.name() == "max"
    }
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn signature(&self) -> &Signature {
        self.others.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.others.return_type(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.others.coerce_types(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let result = args.return_field.data_type();
        match result.is_nested() {
            true => Ok(Box::new(Keyed::new(result, self.is_max())?.one())),
            false => self.others.accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        self.others.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match args.return_field.data_type() {
            // One accumulator for each group, which is slow and right.
            DataType::Float16 => false,
            nested if nested.is_nested() => true,
            _ => self.others.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let is_max = self.is_max();
        Ok(match args.return_field.data_type() {
            nested if nested.is_nested() => Box::new(Keyed::new(nested, is_max)?),
            DataType::Float32 => Box::new(Groups::<Float32Type>::new(is_max)),
            DataType::Float64 => Box::new(Groups::<Float64Type>::new(is_max)),
            _ => return self.others.create_groups_accumulator(args),
        })
    }

    fn is_descending(&self) -> Option<bool> {
        self.others.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.others.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        match args.return_type.is_nested() {
            true => None,
            false => self.others.value_from_stats(args),
        }
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.others.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.others.documentation()
    }
}

/// Whether a row counts.
fn is_passed(filter: Option<&BooleanArray>) -> impl Fn(usize) -> bool {
    move |row| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// The state of every row alone.
fn of_rows_that_pass(values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
    let Some(filter) = filter else {
        return Ok(vec![Arc::clone(&values[0])]);
    };
    // What does not pass, or is neither, is left out.
    let passes: BooleanArray = filter
        .iter()
        .map(|passes| Some(passes == Some(true)))
        .collect();
    Ok(vec![nullif(&values[0], &not(&passes)?)?])
}

trait Float: Copy + Send + 'static {
    /// Whether this is smaller; NaN is not smaller than anything.
    fn is_below(self, other: Self) -> bool;
}

impl Float for f32 {
    fn is_below(self, other: Self) -> bool {
        self < other || (other.is_nan() && !self.is_nan())
    }
}

impl Float for f64 {
    fn is_below(self, other: Self) -> bool {
        self < other || (other.is_nan() && !self.is_nan())
    }
}

/// The values of all groups; a group without one has none yet.
#[derive(Debug)]
struct Groups<T: ArrowPrimitiveType> {
    is_max: bool,
    values: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType<Native: Float>> Groups<T> {
    fn new(is_max: bool) -> Self {
        Self {
            is_max,
            values: Vec::new(),
        }
    }

    fn take(&mut self, group: usize, value: T::Native) {
        let current = &mut self.values[group];
        let is_better = match *current {
            None => true,
            Some(current) if self.is_max => current.is_below(value),
            Some(current) => value.is_below(current),
        };
        if is_better {
            *current = Some(value);
        }
    }
}

impl<T: ArrowPrimitiveType<Native: Float>> GroupsAccumulator for Groups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.values.resize(total_num_groups, None);
        let values = values[0].as_primitive::<T>();
        if values.null_count() == 0 && opt_filter.is_none() {
            for (&group, &value) in group_indices.iter().zip(values.values()) {
                self.take(group, value);
            }
            return Ok(());
        }
        let passes = is_passed(opt_filter);
        for (row, (&group, value)) in group_indices.iter().zip(values).enumerate() {
            if let Some(value) = value
                && passes(row)
            {
                self.take(group, value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let values = emit_to.take_needed(&mut self.values);
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(values)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        of_rows_that_pass(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<T::Native>>()
    }
}
