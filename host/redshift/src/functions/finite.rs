//! Sums and variances of floats: what comes of finite numbers is finite, or an error, as in PostgreSQL. DataFusion's give infinity and NaN.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result as Outcome, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

use crate::error::{self, Error};

/// The functions, by their names in plans. An average is a sum that is divided.
const NAMES: [&str; 5] = ["sum", "stddev", "stddev_pop", "var", "var_pop"];

/// Those that are among functions, of which the last one of a name counts.
pub(super) fn functions(all: &[Arc<AggregateUDF>]) -> Vec<Arc<AggregateUDF>> {
    let named = |name: &&str| all.iter().rfind(|function| function.name() == *name);
    let found = NAMES.iter().filter_map(named);
    let finite = found.map(|function| Finite {
        function: Arc::clone(function),
    });
    finite.map(AggregateUDF::from).map(Arc::new).collect()
}

/// A function of numbers that checks what comes of floats.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Finite {
    function: Arc<AggregateUDF>,
}

fn is_of_floats(fields: &[FieldRef]) -> bool {
    let first = fields.first();
    first.is_some_and(|field| field.data_type() == &DataType::Float64)
}

impl AggregateUDFImpl for Finite {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Outcome<DataType> {
        self.function.return_type(arguments)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Outcome<FieldRef> {
        self.function.return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.function.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Outcome<ScalarValue> {
        self.function.default_value(data_type)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Outcome<Vec<DataType>> {
        self.function.coerce_types(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Outcome<Box<dyn Accumulator>> {
        let is_of_floats = is_of_floats(args.expr_fields);
        Ok(One::of(self.function.accumulator(args)?, is_of_floats))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Outcome<Box<dyn Accumulator>> {
        let is_of_floats = is_of_floats(args.expr_fields);
        let values = self.function.create_sliding_accumulator(args)?;
        Ok(One::of(values, is_of_floats))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Outcome<Vec<FieldRef>> {
        let is_finite = format_state_name(args.name, "is_finite");
        let is_of_floats = is_of_floats(args.input_fields);
        let mut fields = self.function.state_fields(args)?;
        if is_of_floats {
            fields.push(Arc::new(Field::new(is_finite, DataType::Boolean, false)));
        }
        Ok(fields)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.function.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Outcome<Box<dyn GroupsAccumulator>> {
        let is_of_floats = is_of_floats(args.expr_fields);
        let values = self.function.create_groups_accumulator(args)?;
        Ok(match is_of_floats {
            true => Box::new(Groups {
                values,
                are_finite: Vec::new(),
            }),
            false => values,
        })
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.function.reverse_udf() {
            ReversedUDAF::Identical => ReversedUDAF::Identical,
            _ => ReversedUDAF::NotSupported,
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.function.order_sensitivity()
    }
}

fn overflow() -> Error {
    Error::new(&error::FLOAT_RANGE, &[])
}

/// Whether all values of a column are finite.
fn is_finite(column: &ArrayRef) -> bool {
    let numbers = column.as_primitive::<Float64Type>();
    numbers.iter().flatten().all(f64::is_finite)
}

/// The last column of a state says whether all that was added is finite.
fn split(states: &[ArrayRef]) -> Outcome<(&[ArrayRef], &BooleanArray)> {
    match states.split_last() {
        Some((are_finite, rest)) => Ok((rest, are_finite.as_boolean())),
        None => internal_err!("a state without columns"),
    }
}

/// The values of one group.
#[derive(Debug)]
struct One {
    values: Box<dyn Accumulator>,
    is_finite: bool,
}

impl One {
    fn of(values: Box<dyn Accumulator>, is_of_floats: bool) -> Box<dyn Accumulator> {
        match is_of_floats {
            true => Box::new(Self {
                values,
                is_finite: true,
            }),
            false => values,
        }
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.is_finite &= is_finite(&values[0]);
        self.values.update_batch(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Outcome<()> {
        self.values.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.values.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Outcome<ScalarValue> {
        let value = self.values.evaluate()?;
        match value {
            ScalarValue::Float64(Some(number)) if self.is_finite && !number.is_finite() => {
                Err(overflow().into())
            }
            value => Ok(value),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.size()
    }

    fn state(&mut self) -> Outcome<Vec<ScalarValue>> {
        let mut state = self.values.state()?;
        state.push(self.is_finite.into());
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Outcome<()> {
        let (rest, are_finite) = split(states)?;
        self.is_finite &= are_finite.iter().all(|is_finite| is_finite == Some(true));
        self.values.merge_batch(rest)
    }
}

/// The values of many groups.
struct Groups {
    values: Box<dyn GroupsAccumulator>,
    are_finite: Vec<bool>,
}

/// Whether the value of a row is added, and not finite.
fn is_endless(values: &[ArrayRef], filter: Option<&BooleanArray>, row: usize) -> bool {
    let numbers = values[0].as_primitive::<Float64Type>();
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
        && numbers.is_valid(row)
        && !numbers.value(row).is_finite()
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Outcome<()> {
        self.are_finite.resize(count, true);
        if !is_finite(&values[0]) {
            for (row, group) in groups.iter().enumerate() {
                self.are_finite[*group] &= !is_endless(values, filter, row);
            }
        }
        self.values.update_batch(values, groups, filter, count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Outcome<ArrayRef> {
        let values = self.values.evaluate(emit_to)?;
        let are_finite = emit_to.take_needed(&mut self.are_finite);
        let numbers = values.as_primitive::<Float64Type>().iter();
        let has_overflow = numbers
            .zip(are_finite)
            .any(|(number, are_finite)| are_finite && number.is_some_and(|it| !it.is_finite()));
        match has_overflow {
            true => Err(overflow().into()),
            false => Ok(values),
        }
    }

    fn state(&mut self, emit_to: EmitTo) -> Outcome<Vec<ArrayRef>> {
        let mut state = self.values.state(emit_to)?;
        let are_finite = emit_to.take_needed(&mut self.are_finite);
        state.push(Arc::new(BooleanArray::from(are_finite)));
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Outcome<()> {
        let (rest, are_finite) = split(states)?;
        self.are_finite.resize(count, true);
        for (row, group) in groups.iter().enumerate() {
            self.are_finite[*group] &= are_finite.value(row);
        }
        self.values.merge_batch(rest, groups, count)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Outcome<Vec<ArrayRef>> {
        let mut state = self.values.convert_to_state(values, filter)?;
        let are_finite = (0..values[0].len()).map(|row| Some(!is_endless(values, filter, row)));
        state.push(Arc::new(are_finite.collect::<BooleanArray>()));
        Ok(state)
    }

    fn size(&self) -> usize {
        self.values.size() + self.are_finite.capacity()
    }
}
