//! The totals themselves: of one group, of many, of values that count once.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array,
    PrimitiveArray, UInt64Array,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, DecimalType, Int64Type, UInt64Type, i256,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::Outcome;
use crate::arithmetic::{divided, rescaled};
use crate::casts::{Wide, fits, fits_wide};
use crate::error::ValueError;

/// A type whose values are added.
pub(super) trait Input: ArrowPrimitiveType<Native: Eq + Hash + Ord> + fmt::Debug {
    /// What holds the total, in memory and between partitions.
    type State: DecimalType<Native: Into<Wide>>;

    fn state_type(input: &DataType) -> DataType;

    fn widened(value: Self::Native) -> <Self::State as ArrowPrimitiveType>::Native;

    /// The total of a few thousand values.
    fn total(values: &[Self::Native]) -> Option<<Self::State as ArrowPrimitiveType>::Native> {
        values.iter().try_fold(
            ArrowNativeTypeOp::ZERO,
            |total: <Self::State as ArrowPrimitiveType>::Native, &value| {
                total.add_checked(Self::widened(value)).ok()
            },
        )
    }
}

impl Input for Int64Type {
    type State = Decimal128Type;

    fn state_type(_input: &DataType) -> DataType {
        DataType::Decimal128(38, 0)
    }

    fn widened(value: i64) -> i128 {
        i128::from(value)
    }

    /// The upper and the lower halves, each in a loop that becomes vectors; neither overflows within a batch.
    fn total(values: &[i64]) -> Option<i128> {
        let mut total = 0i128;
        for values in values.chunks(1 << 20) {
            let upper: i64 = values.iter().map(|value| value >> 32).sum();
            let lower: i64 = values.iter().map(|value| value & 0xffff_ffff).sum();
            total += (i128::from(upper) << 32) + i128::from(lower);
        }
        Some(total)
    }
}

impl Input for UInt64Type {
    type State = Decimal128Type;

    fn state_type(_input: &DataType) -> DataType {
        DataType::Decimal128(38, 0)
    }

    fn widened(value: u64) -> i128 {
        i128::from(value)
    }
}

impl Input for Decimal128Type {
    type State = Decimal256Type;

    fn state_type(input: &DataType) -> DataType {
        DataType::Decimal256(76, scale(input))
    }

    fn widened(value: i128) -> i256 {
        i256::from_i128(value)
    }

    fn total(values: &[i128]) -> Option<i256> {
        let (mut total, mut is_over) = (0i128, false);
        for value in values {
            let (next, over) = total.overflowing_add(*value);
            total = next;
            is_over |= over;
        }
        if !is_over {
            return Some(i256::from_i128(total));
        }
        values.iter().try_fold(i256::ZERO, |total, &value| {
            total.checked_add(i256::from_i128(value))
        })
    }
}

impl Input for Decimal256Type {
    type State = Self;

    fn state_type(input: &DataType) -> DataType {
        DataType::Decimal256(76, scale(input))
    }

    fn widened(value: i256) -> i256 {
        value
    }
}

fn scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    }
}

type Native<T> = <T as ArrowPrimitiveType>::Native;
type State<T> = Native<<T as Input>::State>;

/// What totals become in the end.
#[derive(Debug, Clone)]
struct Ending {
    outcome: Outcome,
    input: DataType,
    result: DataType,
}

impl Ending {
    fn finish(&self, totals: impl Iterator<Item = (i256, u64)>) -> Result<ArrayRef> {
        let from = scale(&self.input);
        let value = |total: i256, count: u64| match self.outcome {
            Outcome::Sum => Some(total),
            Outcome::Average => {
                let total = rescaled(total, from, scale(&self.result))?;
                divided(total, i256::from_i128(i128::from(count)))
            }
        };
        macro_rules! finish {
            ($type:ty, $fit:expr) => {{
                let values = totals
                    .map(|(total, count)| {
                        if count == 0 {
                            return Ok(None);
                        }
                        let fit = value(total, count).and_then($fit);
                        fit.map(Some).ok_or_else(|| self.overflow(total))
                    })
                    .collect::<std::result::Result<PrimitiveArray<$type>, _>>()?;
                Arc::new(values.with_data_type(self.result.clone()))
            }};
        }
        Ok(match self.result {
            DataType::Int64 => finish!(Int64Type, |total: i256| total.to_i128()?.try_into().ok()),
            DataType::UInt64 => finish!(UInt64Type, |total: i256| total.to_i128()?.try_into().ok()),
            DataType::Decimal128(precision, _) => {
                finish!(Decimal128Type, |total| fits(total, precision))
            }
            DataType::Decimal256(precision, _) => {
                finish!(Decimal256Type, |total| fits_wide(total, precision)
                    .then_some(total))
            }
            // The average of whole numbers: the total is exact, its quotient the nearest float.
            DataType::Float64 => {
                let average =
                    |total: i256, count| total.to_i128().unwrap_or(0) as f64 / count as f64;
                let values: Float64Array = totals
                    .map(|(total, count)| (count > 0).then(|| average(total, count)))
                    .collect();
                Arc::new(values)
            }
            ref other => return internal_err!("{other} is not the type of a total"),
        })
    }

    fn overflow(&self, total: i256) -> ValueError {
        let total = Decimal256Type::format_decimal(total, 76, scale(&self.input));
        let result = crate::type_name(&self.result);
        let (name, wider) = match self.outcome {
            Outcome::Sum => ("sum", "the sum is"),
            Outcome::Average => ("avg", "the sum of the values is"),
        };
        let message = format!("{name} overflow: {wider} {total}, which does not fit {result}");
        let error = ValueError::overflow(&self.result, message);
        match self.result {
            DataType::Int64 | DataType::UInt64 => {
                error.hint(format!("{name}(CAST(.. AS DECIMAL(38, 0)))"))
            }
            _ => error.hint(format!("{name}(CAST(.. AS DOUBLE))")),
        }
    }
}

fn added<N: ArrowNativeTypeOp>(total: N, value: N) -> Result<N> {
    total
        .add_checked(value)
        .map_err(|_| beyond_decimals().into())
}

fn beyond_decimals() -> ValueError {
    let widest = DataType::Decimal256(76, 0);
    ValueError::overflow(&widest, "decimal overflow: a sum has more than 76 digits")
}

/// The total and the count of the valid values.
fn total_of<T: Input>(values: &PrimitiveArray<T>) -> Result<(State<T>, u64)> {
    let mut total = State::<T>::ZERO;
    let parts = match values.nulls() {
        None => vec![(0, values.len())],
        Some(nulls) => nulls.valid_slices().collect(),
    };
    for (from, to) in parts {
        let part = T::total(&values.values()[from..to]);
        let part = part.ok_or_else(beyond_decimals)?;
        total = added(total, part)?;
    }
    Ok((total, (values.len() - values.null_count()) as u64))
}

/// The total of one group, or of the frame of a window.
#[derive(Debug)]
pub(super) struct Total<T: Input> {
    total: State<T>,
    count: u64,
    ending: Ending,
}

impl<T: Input> Total<T> {
    pub(super) fn new(outcome: Outcome, input: &DataType, result: &DataType) -> Self {
        Self {
            total: State::<T>::ZERO,
            count: 0,
            ending: Ending {
                outcome,
                input: input.clone(),
                result: result.clone(),
            },
        }
    }
}

impl<T: Input> Accumulator for Total<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (total, count) = total_of::<T>(values[0].as_primitive())?;
        self.total = added(self.total, total)?;
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (total, count) = total_of::<T>(values[0].as_primitive())?;
        self.total = self.total.sub_checked(total)?;
        self.count -= count;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let totals = states[0].as_primitive::<T::State>();
        for total in totals.iter().flatten() {
            self.total = added(self.total, total)?;
        }
        let counts = states[1].as_primitive::<UInt64Type>();
        self.count += counts.iter().flatten().sum::<u64>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = T::state_type(&self.ending.input);
        Ok(vec![
            ScalarValue::new_primitive::<T::State>(Some(self.total), &state)?,
            ScalarValue::from(self.count),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let total: Wide = self.total.into();
        let value = self.ending.finish(std::iter::once((total.0, self.count)))?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The total of the values that differ, with how often each is in the frame.
#[derive(Debug)]
pub(super) struct Distinct<T: Input> {
    counts: HashMap<Native<T>, u64>,
    ending: Ending,
}

impl<T: Input> Distinct<T> {
    pub(super) fn new(outcome: Outcome, input: &DataType, result: &DataType) -> Self {
        Self {
            counts: HashMap::new(),
            ending: Total::<T>::new(outcome, input, result).ending,
        }
    }
}

impl<T: Input> Accumulator for Distinct<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            *self.counts.entry(value).or_default() += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            if let Some(count) = self.counts.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&value);
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self
            .counts
            .keys()
            .map(|&value| ScalarValue::new_primitive::<T>(Some(value), &self.ending.input))
            .collect::<Result<Vec<_>>>()?;
        let list = ScalarValue::new_list_nullable(&values, &self.ending.input);
        Ok(vec![ScalarValue::List(list)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = State::<T>::ZERO;
        for &value in self.counts.keys() {
            total = added(total, T::widened(value))?;
        }
        let total: Wide = total.into();
        let count = self.counts.len() as u64;
        let value = self.ending.finish(std::iter::once((total.0, count)))?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() * size_of::<(Native<T>, u64)>()
    }
}

/// The totals of many groups.
#[derive(Debug)]
pub(super) struct Groups<T: Input> {
    totals: Vec<State<T>>,
    counts: Vec<u64>,
    ending: Ending,
}

impl<T: Input> Groups<T> {
    pub(super) fn new(outcome: Outcome, input: &DataType, result: &DataType) -> Self {
        Self {
            totals: Vec::new(),
            counts: Vec::new(),
            ending: Total::<T>::new(outcome, input, result).ending,
        }
    }

    fn grow(&mut self, groups: usize) {
        self.totals.resize(groups, State::<T>::ZERO);
        self.counts.resize(groups, 0);
    }

    fn add(&mut self, group: usize, value: Native<T>) -> Result<()> {
        let total = &mut self.totals[group];
        *total = added(*total, T::widened(value))?;
        self.counts[group] += 1;
        Ok(())
    }
}

/// Whether a filter takes a row: NULL does not.
fn takes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl<T: Input> GroupsAccumulator for Groups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let values = values[0].as_primitive::<T>();
        if values.null_count() == 0 && filter.is_none() {
            for (&group, &value) in group_indices.iter().zip(values.values()) {
                self.add(group, value)?;
            }
            return Ok(());
        }
        for (row, (&group, value)) in group_indices.iter().zip(values).enumerate() {
            if let Some(value) = value
                && takes(filter, row)
            {
                self.add(group, value)?;
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let totals = values[0].as_primitive::<T::State>();
        let counts = values[1].as_primitive::<UInt64Type>();
        for ((&group, total), count) in group_indices.iter().zip(totals).zip(counts) {
            if let (Some(total), Some(count)) = (total, count) {
                self.totals[group] = added(self.totals[group], total)?;
                self.counts[group] += count;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = emit_to.take_needed(&mut self.totals);
        let counts = emit_to.take_needed(&mut self.counts);
        let totals = totals.into_iter().map(|total| {
            let total: Wide = total.into();
            total.0
        });
        self.ending.finish(totals.zip(counts))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let totals = emit_to.take_needed(&mut self.totals);
        let counts = emit_to.take_needed(&mut self.counts);
        let state = T::state_type(&self.ending.input);
        let totals = PrimitiveArray::<T::State>::new(totals.into(), None).with_data_type(state);
        Ok(vec![Arc::new(totals), Arc::new(UInt64Array::from(counts))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<T>();
        let taken = |row: usize| values.is_valid(row) && takes(filter, row);
        let totals: Vec<State<T>> = (0..values.len())
            .map(|row| match taken(row) {
                true => T::widened(values.value(row)),
                false => State::<T>::ZERO,
            })
            .collect();
        let counts: UInt64Array = (0..values.len())
            .map(|row| Some(u64::from(taken(row))))
            .collect();
        let state = T::state_type(&self.ending.input);
        let totals = PrimitiveArray::<T::State>::new(totals.into(), None).with_data_type(state);
        Ok(vec![Arc::new(totals), Arc::new(counts)])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<State<T>>() + self.counts.capacity() * size_of::<u64>()
    }
}
