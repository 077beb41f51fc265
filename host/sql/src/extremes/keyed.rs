//! `min` and `max` of lists, structs and maps, by their [keys](crate::nested).

use std::cmp::Ordering;
use std::mem::size_of;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::{is_passed, of_rows_that_pass};
use crate::nested::Order;

/// The key of the best value of each group; a group without one has none yet.
#[derive(Debug)]
pub(super) struct Keyed {
    order: Order,
    /// What the best key is to all others.
    best: Ordering,
    data_type: DataType,
    keys: Vec<Option<Box<[u8]>>>,
    /// Of all keys.
    bytes: usize,
}

impl Keyed {
    pub(super) fn new(data_type: &DataType, is_max: bool) -> Result<Self> {
        Ok(Self {
            order: Order::of(data_type)?,
            best: match is_max {
                true => Ordering::Greater,
                false => Ordering::Less,
            },
            data_type: data_type.clone(),
            keys: Vec::new(),
            bytes: 0,
        })
    }

    /// The function without groups.
    pub(super) fn one(mut self) -> One {
        self.keys.resize(1, None);
        One(self)
    }

    fn update(
        &mut self,
        values: &ArrayRef,
        group: impl Fn(usize) -> usize,
        passes: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let keys = self.order.keys(values)?;
        for row in 0..values.len() {
            if values.is_null(row) || !passes(row) {
                continue;
            }
            let key = keys.row(row);
            let current = &mut self.keys[group(row)];
            let known = current.as_deref();
            if known.is_none_or(|known| key.data().cmp(known) == self.best) {
                self.bytes -= known.map_or(0, <[u8]>::len);
                self.bytes += key.data().len();
                *current = Some(key.data().into());
            }
        }
        Ok(())
    }

    fn values(&self, keys: &[Option<Box<[u8]>>]) -> Result<ArrayRef> {
        let present = self
            .order
            .values(keys.iter().filter_map(Option::as_deref))?;
        if present.len() == keys.len() {
            return Ok(present);
        }
        if present.is_empty() {
            return Ok(new_null_array(&self.data_type, keys.len()));
        }
        let mut places = 0_u64..;
        let places: UInt64Array = keys
            .iter()
            .map(|key| key.as_ref().and_then(|_| places.next()))
            .collect();
        Ok(take(&present, &places, None)?)
    }
}

impl GroupsAccumulator for Keyed {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.keys.resize(total_num_groups, None);
        self.update(&values[0], |row| group_indices[row], is_passed(opt_filter))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let keys = emit_to.take_needed(&mut self.keys);
        self.bytes -= keys.iter().flatten().map(|key| key.len()).sum::<usize>();
        self.values(&keys)
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
        self.order.size() + self.keys.capacity() * size_of::<Option<Box<[u8]>>>() + self.bytes
    }
}

/// The best value of all rows.
#[derive(Debug)]
pub(super) struct One(Keyed);

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update(&values[0], |_| 0, |_| true)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.0.values(&self.0.keys)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.size()
    }
}
