//! What values are ordered, grouped and compared by where Arrow's own order differs from SQL's.
//!
//! In SQL -0.0 is 0.0, and every NaN is the same one, larger than all other numbers. Arrow's order of bits sets them apart wherever rows
//! are sorted or lists are compared. Intervals are ordered by what they last, lists, structs and maps by a [key](nested::key) of their own.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait,
    RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};

use crate::nested;
use crate::time::length;

/// What rows are sorted or divided by, and whether that is another expression than the value.
pub(crate) fn order(value: Expr, data_type: &DataType) -> (Expr, bool) {
    match data_type {
        // What DISTINCT has by value is sorted by the key of the same.
        nested if nested.is_nested() && has_floats(nested) => (nested::key(equal(value)), true),
        nested if nested.is_nested() => (nested::key(value), true),
        DataType::Interval(_) => (cast(length(value), DataType::Int64), true),
        // Only numbers have ranges.
        DataType::Duration(_) => (cast(value, DataType::Int64), true),
        other if has_floats(other) => (equal(value), true),
        _ => (value, false),
    }
}

/// The value with -0.0 as 0.0 and one NaN, inside lists and structs too.
pub(crate) fn equal(value: Expr) -> Expr {
    floats(Change::Equal, value)
}

/// The value with one NaN: what computes has NaNs of either sign.
pub(crate) fn one_nan(value: Expr) -> Expr {
    floats(Change::OneNan, value)
}

/// Rows in which every NaN is the same one, as computations need it. What comes from files and plugins may have others.
///
/// # Errors
/// If a list or struct cannot be put together again, which is a mistake here.
pub fn with_one_nan(batch: RecordBatch) -> Result<RecordBatch> {
    let (schema, columns, rows) = batch.into_parts();
    let columns = columns
        .iter()
        .map(column_with_one_nan)
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// [`with_one_nan`] for one column.
///
/// # Errors
/// As [`with_one_nan`].
pub fn column_with_one_nan(column: &ArrayRef) -> Result<ArrayRef> {
    changed(column, Change::OneNan)
}

/// The column with -0.0 as 0.0 and one NaN, inside lists and structs too.
pub(crate) fn column_as_equal(column: &ArrayRef) -> Result<ArrayRef> {
    changed(column, Change::Equal)
}

/// Whether values of this type are or hold floats.
pub fn has_floats(data_type: &DataType) -> bool {
    holds(data_type, &DataType::is_floating)
}

/// Whether values of a type are or hold some of a kind.
pub(crate) fn holds(data_type: &DataType, is: &dyn Fn(&DataType) -> bool) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds(item.data_type(), is)
        }
        DataType::Struct(fields) => fields.iter().any(|field| holds(field.data_type(), is)),
        DataType::Map(entries, _) => holds(entries.data_type(), is),
        other => is(other),
    }
}

fn floats(change: Change, value: Expr) -> Expr {
    ScalarUDF::from(Floats {
        change,
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Change {
    Equal,
    OneNan,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Floats {
    change: Change,
    signature: Signature,
}

impl ScalarUDFImpl for Floats {
    fn name(&self) -> &str {
        match self.change {
            Change::Equal => "equal_floats",
            Change::OneNan => "one_nan",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(values) => ColumnarValue::Array(changed(values, self.change)?),
            ColumnarValue::Scalar(value) => {
                let value = changed(&value.to_array()?, self.change)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?)
            }
        })
    }

    /// Rows sorted by the values are sorted by this, too.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match (self.change, inputs) {
            (Change::Equal, [value]) => value.sort_properties,
            _ => SortProperties::Unordered,
        })
    }
}

macro_rules! numbers {
    ($values:expr, $change:expr, $type:ty, $float:ty) => {{
        let is_same = |number: $float| match $change {
            _ if number.is_nan() => number.to_bits() == <$float>::NAN.to_bits(),
            Change::Equal => number != 0.0 || number.is_sign_positive(),
            Change::OneNan => true,
        };
        let numbers = $values.as_primitive::<$type>();
        // Hardly a column has any.
        match numbers.values().iter().all(|&number| is_same(number)) {
            true => Arc::clone($values),
            false => Arc::new(numbers.unary::<_, $type>(|number| match number {
                _ if is_same(number) => number,
                _ if number.is_nan() => <$float>::NAN,
                _ => 0.0,
            })),
        }
    }};
}

fn changed(values: &ArrayRef, change: Change) -> Result<ArrayRef> {
    if !has_floats(values.data_type()) {
        return Ok(Arc::clone(values));
    }
    Ok(match values.data_type() {
        DataType::Float32 => numbers!(values, change, Float32Type, f32),
        DataType::Float64 => numbers!(values, change, Float64Type, f64),
        DataType::List(_) => list::<i32>(values, change)?,
        DataType::LargeList(_) => list::<i64>(values, change)?,
        DataType::FixedSizeList(item, size) => {
            let lists = values.as_fixed_size_list();
            let items = changed(lists.values(), change)?;
            let nulls = lists.nulls().cloned();
            Arc::new(FixedSizeListArray::try_new(
                Arc::clone(item),
                *size,
                items,
                nulls,
            )?)
        }
        DataType::Struct(fields) => {
            let structs = values.as_struct();
            let columns = structs
                .columns()
                .iter()
                .map(|column| changed(column, change))
                .collect::<Result<Vec<_>>>()?;
            let nulls = structs.nulls().cloned();
            Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?)
        }
        DataType::Map(entries, is_sorted) => {
            let maps = values.as_map();
            let inner: ArrayRef = Arc::new(maps.entries().clone());
            let inner = changed(&inner, change)?.as_struct().clone();
            let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
            Arc::new(MapArray::try_new(
                Arc::clone(entries),
                offsets,
                inner,
                nulls,
                *is_sorted,
            )?)
        }
        _ => Arc::clone(values),
    })
}

fn list<O: OffsetSizeTrait>(values: &ArrayRef, change: Change) -> Result<ArrayRef> {
    let lists = values.as_list::<O>();
    let (item, offsets, items, nulls) = lists.clone().into_parts();
    let items = changed(&items, change)?;
    Ok(Arc::new(GenericListArray::<O>::try_new(
        item, offsets, items, nulls,
    )?))
}
