//! The one order of lists, structs and maps: item by item and field by field, a list before those that it begins, NULL within a value larger
//! than everything else. `ASC`, `DESC`, `NULLS FIRST` and `NULLS LAST` are about whole values. All of this is PostgreSQL's.
//!
//! DataFusion has several orders. Its comparisons take a NULL within a value for the smallest, and so does the threshold of
//! `ORDER BY .. LIMIT`, which lost rows that its sort puts first
//! (<https://github.com/apache/datafusion/blob/55.2.0/datafusion/physical-expr-common/src/datum.rs>). Its sorts put them where `NULLS FIRST`
//! or `NULLS LAST` says; its `min` and `max` of structs know no order for them, and end with an error for lists within structs
//! (<https://github.com/apache/datafusion/blob/55.2.0/datafusion/common/src/scalar/mod.rs>).
//!
//! Here a value has a key: bytes that are in the order of the values. What is sorted or compared is the key.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray};
use arrow::compute::{SortOptions, cast, interleave};
use arrow::datatypes::{DataType, FieldRef};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExprSchemable, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use crate::error::ValueError;
use crate::keys;
use crate::type_name;
use crate::unify::refuse_interval;

/// The order of the values of a type.
#[derive(Debug)]
pub(crate) struct Order {
    converter: RowConverter,
    data_type: DataType,
}

impl Order {
    pub(crate) fn of(data_type: &DataType) -> Result<Self> {
        Ok(Self {
            converter: RowConverter::new(vec![field(data_type)])?,
            data_type: data_type.clone(),
        })
    }

    /// The keys of values. That of a NULL is one, too, and larger than all others.
    pub(crate) fn keys(&self, values: &ArrayRef) -> Result<Rows> {
        let values = keys::column_as_equal(values)?;
        Ok(self.converter.convert_columns(&[values])?)
    }

    /// The values that keys stand for: -0.0 has become 0.0.
    pub(crate) fn values<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef> {
        let parser = self.converter.parser();
        let rows = keys.map(|key| parser.parse(key));
        let mut columns = self.converter.convert_rows(rows)?;
        let Some(values) = columns.pop() else {
            return internal_err!("a key has one column");
        };
        // Dictionaries have become what their values are.
        Ok(match *values.data_type() == self.data_type {
            true => values,
            false => cast(&values, &self.data_type)?,
        })
    }

    pub(crate) fn size(&self) -> usize {
        self.converter.size()
    }
}

fn field(data_type: &DataType) -> SortField {
    let options = SortOptions {
        descending: false,
        nulls_first: false,
    };
    SortField::new_with_options(data_type.clone(), options)
}

/// An error for nested values that have no order; `by` is what would need one.
pub(crate) fn refuse_without_order(data_type: &DataType, by: &str) -> Result<()> {
    if !data_type.is_nested() {
        return Ok(());
    }
    refuse_interval(data_type, by)?;
    match RowConverter::supports_fields(&[field(data_type)]) {
        true => Ok(()),
        false => {
            let data_type = type_name(data_type);
            Err(
                ValueError::refused(format!("{by} would need an order of {data_type}"))
                    .hint("take a field or an item of it: x['name'], x[1]")
                    .into(),
            )
        }
    }
}

/// The key of a list, struct or map.
pub(crate) fn key(value: Expr) -> Expr {
    ScalarUDF::from(Key {
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value])
}

/// Whether an expression is the key of a value.
pub(crate) fn is_key_of(expr: &Arc<dyn PhysicalExpr>, value: &Arc<dyn PhysicalExpr>) -> bool {
    expr.downcast_ref::<ScalarFunctionExpr>()
        .is_some_and(|call| {
            call.fun().inner().downcast_ref::<Key>().is_some()
                && matches!(call.args(), [of] if of.eq(value))
        })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    signature: Signature,
}

impl ScalarUDFImpl for Key {
    fn name(&self) -> &'static str {
        "order_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &arguments.args[0] {
            ColumnarValue::Array(values) => ColumnarValue::Array(key_column(values)?),
            ColumnarValue::Scalar(value) => {
                let key = key_column(&value.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&key, 0)?)
            }
        })
    }
}

/// The keys of a column; the key of NULL is NULL.
fn key_column(values: &ArrayRef) -> Result<ArrayRef> {
    let keys = Order::of(values.data_type())?.keys(values)?;
    let (offsets, bytes, _) = keys.try_into_binary()?.into_parts();
    let nulls = values.logical_nulls();
    Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?))
}

/// Whether an operator asks for the order of its operands.
pub(crate) fn is_order(op: Operator) -> bool {
    matches!(
        op,
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    )
}

/// Replaces nested values whose order is asked for by their keys; all must have come to one type. Whether there were any.
pub(crate) fn compared(exprs: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let types = exprs
        .iter()
        .map(|expr| expr.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let Some(first) = types.iter().find(|data_type| data_type.is_nested()) else {
        return Ok(false);
    };
    refuse_without_order(first, "a comparison")?;
    let differs = |other: &&DataType| !other.is_null() && !has_keys_of(first, other);
    if let Some(other) = types.iter().find(differs) {
        let (first, other) = (type_name(first), type_name(other));
        return Err(
            ValueError::refused(format!("{first} and {other} are not compared"))
                .hint("CAST one of them to the type of the other")
                .into(),
        );
    }
    for expr in exprs {
        **expr = key(std::mem::take(*expr));
    }
    Ok(true)
}

/// Whether two types have the same keys for the same values: they differ in names and in what may be NULL at most.
fn has_keys_of(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::List(a), DataType::List(b))
        | (DataType::LargeList(a), DataType::LargeList(b))
        | (DataType::Map(a, _), DataType::Map(b, _)) => has_keys_of(a.data_type(), b.data_type()),
        (DataType::FixedSizeList(a, a_length), DataType::FixedSizeList(b, b_length)) => {
            a_length == b_length && has_keys_of(a.data_type(), b.data_type())
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| has_keys_of(a.data_type(), b.data_type()))
        }
        (a, b) => a == b,
    }
}

/// `greatest` and `least` among DataFusion's functions, for nested values too.
pub(crate) fn functions(others: &[Arc<ScalarUDF>]) -> Vec<Arc<ScalarUDF>> {
    let mine = others.iter().filter_map(|others| {
        let best = match others.name() {
            "greatest" => Ordering::Greater,
            "least" => Ordering::Less,
            _ => return None,
        };
        let others = Arc::clone(others);
        Some(Arc::new(ScalarUDF::from(Best { others, best })))
    });
    mine.collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Best {
    /// DataFusion's function, for values that are not nested.
    others: Arc<ScalarUDF>,
    /// What the result is to all other arguments.
    best: Ordering,
}

impl ScalarUDFImpl for Best {
    fn name(&self) -> &str {
        self.others.name()
    }

    fn signature(&self) -> &Signature {
        self.others.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let types = self.others.coerce_types(arguments)?;
        if let Some(data_type) = types.first() {
            refuse_without_order(data_type, &format!("`{}`", self.name()))?;
        }
        Ok(types)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.others.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.others.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !arguments.return_type().is_nested() {
            return self.others.invoke_with_args(arguments);
        }
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let order = Order::of(arguments.return_type())?;
        let keys = columns
            .iter()
            .map(|column| order.keys(column))
            .collect::<Result<Vec<_>>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        // The first argument where all are NULL.
        let places: Vec<(usize, usize)> = (0..rows)
            .map(|row| {
                let present = (0..columns.len()).filter(|&column| columns[column].is_valid(row));
                let best = present.reduce(|best, other| {
                    match keys[other].row(row).cmp(&keys[best].row(row)) == self.best {
                        true => other,
                        false => best,
                    }
                });
                (best.unwrap_or(0), row)
            })
            .collect();
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let best = interleave(&columns, &places)?;
        let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        Ok(match arguments.args.iter().all(is_constant) {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&best, 0)?),
            false => ColumnarValue::Array(best),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.others.documentation()
    }
}
