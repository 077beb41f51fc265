//! `array_sum` and `array_avg`: [the totals](super) of lists.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::accumulators::{Input, Total};
use super::{Outcome, functions, is_ours};

/// `others` are DataFusion's functions, which compute in floats.
pub(crate) fn lists(others: &[Arc<ScalarUDF>]) -> Vec<Arc<ScalarUDF>> {
    let [sum, average] = functions();
    [(Outcome::Sum, sum), (Outcome::Average, average)]
        .into_iter()
        .filter_map(|(outcome, total)| {
            let name = match outcome {
                Outcome::Sum => "array_sum",
                Outcome::Average => "array_avg",
            };
            let others = others.iter().find(|function| function.name() == name)?;
            let function = ListTotal {
                outcome,
                total,
                others: Arc::clone(others),
                signature: Signature::user_defined(Volatility::Immutable),
            };
            Some(Arc::new(ScalarUDF::from(function)))
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListTotal {
    outcome: Outcome,
    /// The aggregate function that knows the types.
    total: Arc<AggregateUDF>,
    others: Arc<ScalarUDF>,
    signature: Signature,
}

impl ListTotal {
    fn item(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Null] => Ok(DataType::Null),
            [
                DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _),
            ] => Ok(self
                .total
                .coerce_types(&[item.data_type().clone()])?
                .remove(0)),
            _ => plan_err!("`{}` takes a list of numbers", self.name()),
        }
    }

    fn compute(&self, lists: &ArrayRef, item: &DataType, result: &DataType) -> Result<ArrayRef> {
        let totals = lists
            .as_list::<i32>()
            .iter()
            .map(|list| match list {
                None => ScalarValue::try_from(result),
                Some(items) => match item {
                    DataType::Int64 => self.total::<Int64Type>(items, item, result),
                    DataType::UInt64 => self.total::<UInt64Type>(items, item, result),
                    DataType::Decimal128(..) => self.total::<Decimal128Type>(items, item, result),
                    _ => self.total::<Decimal256Type>(items, item, result),
                },
            })
            .collect::<Result<Vec<_>>>()?;
        match totals.is_empty() {
            true => Ok(arrow::array::new_empty_array(result)),
            false => ScalarValue::iter_to_array(totals),
        }
    }

    fn total<T: Input>(
        &self,
        items: ArrayRef,
        item: &DataType,
        result: &DataType,
    ) -> Result<ScalarValue> {
        let mut total = Total::<T>::new(self.outcome, item, result);
        total.update_batch(&[items])?;
        total.evaluate()
    }
}

impl ScalarUDFImpl for ListTotal {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn aliases(&self) -> &[String] {
        self.others.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let item = self.item(arguments)?;
        Ok(vec![DataType::List(Arc::new(Field::new_list_field(
            item, true,
        )))])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.total.return_type(&[self.item(arguments)?])
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let item = self.item(&[arguments.args[0].data_type()])?;
        if !is_ours(&item) {
            return self.others.invoke_with_args(arguments);
        }
        let result = arguments.return_type();
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(lists) => {
                ColumnarValue::Array(self.compute(lists, &item, result)?)
            }
            ColumnarValue::Scalar(list) => {
                let total = self.compute(&list.to_array()?, &item, result)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&total, 0)?)
            }
        })
    }
}
