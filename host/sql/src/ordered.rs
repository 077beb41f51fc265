//! `array_agg`, `string_agg` and `nth_value`, each in its own order.
//!
//! DataFusion sorts the input of an aggregation once, for all of its functions. One in the opposite order is reversed, but not with
//! DISTINCT, which had the order of another function then. A third order is refused
//! (<https://github.com/apache/datafusion/blob/55.2.0/datafusion/physical-plan/src/aggregates/mod.rs>). Here each of them sorts its
//! own values, and wants no order of its input.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::nth_value::nth_value_udaf;
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    Signature,
};
use datafusion::physical_expr::expressions::Literal;

use crate::error::ValueError;
use crate::{lists, nested};

pub(crate) fn functions() -> [Arc<AggregateUDF>; 3] {
    [array_agg_udaf(), string_agg_udaf(), nth_value_udaf()].map(|others| ordered(&others))
}

/// The function in its own order.
pub(crate) fn ordered(others: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Ordered {
        others: Arc::clone(others),
        lists: array_agg_udaf(),
    }))
}

/// Whether DataFusion wrote this function itself: it makes `nth_value` of the item of an `array_agg`.
pub(crate) fn is_foreign(function: &AggregateUDF) -> bool {
    function.name() == "nth_value" && function.inner().downcast_ref::<Ordered>().is_none()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ordered {
    others: Arc<AggregateUDF>,
    /// `array_agg`, of which `nth_value` takes an item.
    lists: Arc<AggregateUDF>,
}

impl Ordered {
    fn is_item(&self) -> bool {
        self.others.name() == "nth_value"
    }

    /// The values as a list. DataFusion sorts what DISTINCT leaves by the values; those that have keys are sorted by them here.
    fn list(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.order_bys {
            [by] if args.is_distinct && nested::is_key_of(&by.expr, &args.exprs[0]) => {
                Ok(Box::new(Sorted {
                    options: by.options,
                    values: self.lists.accumulator(AccumulatorArgs {
                        order_bys: &[],
                        ..args
                    })?,
                }))
            }
            _ => self.lists.accumulator(args),
        }
    }
}

impl AggregateUDFImpl for Ordered {
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

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        self.others.return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.others.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.others.default_value(data_type)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let place = args
            .exprs
            .get(1)
            .and_then(|place| place.downcast_ref::<Literal>());
        match place.map(Literal::value) {
            Some(ScalarValue::Int64(Some(0))) if self.is_item() => {
                Err(ValueError::new("`nth_value` counts from 1, not from 0").into())
            }
            Some(ScalarValue::Int64(Some(place))) if self.is_item() => {
                let result = args.return_field.data_type().clone();
                Ok(Box::new(Item {
                    place: *place,
                    result,
                    values: self.list(AccumulatorArgs {
                        exprs: &args.exprs[..1],
                        expr_fields: &args.expr_fields[..1],
                        ..args
                    })?,
                }))
            }
            _ if self.others.name() == self.lists.name() => self.list(args),
            _ => self.others.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        match self.is_item() {
            true => self.lists.state_fields(args),
            false => self.others.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.others.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.others.create_groups_accumulator(args)
    }

    /// It keeps its `ORDER BY`, and the input need not be sorted.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.others.supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.others.documentation()
    }
}

/// A list whose values are sorted in the end.
#[derive(Debug)]
struct Sorted {
    options: SortOptions,
    values: Box<dyn Accumulator>,
}

impl Accumulator for Sorted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let ScalarValue::List(list) = self.values.evaluate()? else {
            return internal_err!("`array_agg` makes lists");
        };
        ScalarValue::try_from_array(&lists::sorted(list.as_ref(), self.options)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.size()
    }
}

/// One value of a list; negative places count from its end.
#[derive(Debug)]
struct Item {
    place: i64,
    values: Box<dyn Accumulator>,
    result: DataType,
}

/// The columns without the place.
fn columns(values: &[ArrayRef]) -> Vec<ArrayRef> {
    let mut columns = values.to_vec();
    if columns.len() > 1 {
        columns.remove(1);
    }
    columns
}

impl Accumulator for Item {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(&columns(values))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let ScalarValue::List(list) = self.values.evaluate()? else {
            return internal_err!("`array_agg` makes lists");
        };
        let values = list.value(0);
        let distance = usize::try_from(self.place.unsigned_abs()).ok();
        let place = match self.place > 0 {
            true => distance.and_then(|distance| distance.checked_sub(1)),
            false => distance.and_then(|distance| values.len().checked_sub(distance)),
        };
        match place.filter(|place| list.is_valid(0) && *place < values.len()) {
            Some(place) => ScalarValue::try_from_array(&values, place),
            None => ScalarValue::try_from(&self.result),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.size()
    }
}
