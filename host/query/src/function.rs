//! A plugin's function as a DataFusion scalar function: `plugin.function(..)` in SQL.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, make_array};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use transom_plugin::{Accepts, FunctionDescription, Rejected, border_type};

use crate::error::{self, CallError, FailedRow, RowsFailed};
use crate::pool::InstancePool;

/// What becomes of a row whose function call fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The value is NULL.
    Null,
}

/// One function of one plugin, as one step of a pipeline uses it.
#[derive(Debug)]
pub(crate) struct PluginFunction {
    /// `plugin.function`.
    name: String,
    description: FunctionDescription,
    pool: Arc<InstancePool>,
    on_error: OnError,
    signature: Signature,
}

impl PluginFunction {
    pub(crate) fn udf(
        description: &FunctionDescription,
        pool: &Arc<InstancePool>,
        on_error: OnError,
    ) -> ScalarUDF {
        let volatility = match description.volatility {
            transom_plugin::Volatility::Immutable => Volatility::Immutable,
            transom_plugin::Volatility::Stable => Volatility::Stable,
            transom_plugin::Volatility::Volatile => Volatility::Volatile,
        };
        ScalarUDF::new_from_impl(Self {
            name: format!("{}.{}", pool.plugin().name(), description.name),
            description: description.clone(),
            pool: Arc::clone(pool),
            on_error,
            signature: Signature::user_defined(volatility),
        })
    }

    fn what(&self) -> String {
        format!("function `{}`", self.name)
    }

    /// `geo.great_circle(lat1 Float64, ..)`, for messages.
    fn usage(&self) -> String {
        let arguments: Vec<String> = self
            .description
            .arguments
            .iter()
            .map(|argument| format!("{} {}", argument.name, argument.accepts))
            .collect();
        format!(
            "{}({}{})",
            self.name,
            arguments.join(", "),
            if self.description.variadic {
                ", .."
            } else {
                ""
            }
        )
    }
}

// Two uses are the same function if they have the same name, plugin and way with errors.
impl PartialEq for PluginFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.on_error == other.on_error
            && Arc::ptr_eq(&self.pool, &other.pool)
    }
}

impl Eq for PluginFunction {}

impl Hash for PluginFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.on_error.hash(state);
    }
}

impl ScalarUDFImpl for PluginFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let expected = &self.description.arguments;
        let count_fits = given.len() == expected.len()
            || self.description.variadic && !expected.is_empty() && given.len() >= expected.len();
        if !count_fits {
            return plan_err!(
                "`{}` takes {} arguments, not {}",
                self.usage(),
                expected.len(),
                given.len()
            );
        }
        given
            .iter()
            .enumerate()
            .map(|(index, given)| {
                // A variadic function repeats its last argument.
                let argument = &expected[index.min(expected.len() - 1)];
                match coerced(&argument.accepts, given) {
                    Some(data_type) => Ok(data_type),
                    None => plan_err!(
                        "`{}`: argument {} (`{}`) is {} and the SQL gives {given}",
                        self.usage(),
                        index + 1,
                        argument.name,
                        argument.accepts
                    ),
                }
            })
            .collect()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arguments
            .iter()
            .map(|data_type| Arc::new(Field::new("", data_type.clone(), true)))
            .collect();
        let arguments = ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &vec![None; fields.len()],
        };
        Ok(self.return_field_from_args(arguments)?.data_type().clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let fields = self.argument_fields(arguments.arg_fields);
        let output = self
            .pool
            .with_function(&self.description.name, &fields, |_, opened| {
                Ok(Arc::clone(&opened.output))
            })
            .map_err(|error| CallError::new(self.what(), error))?;
        let nullable = output.is_nullable() || self.on_error == OnError::Null;
        Ok(Arc::new(
            output
                .as_ref()
                .clone()
                .with_name(&self.name)
                .with_nullable(nullable),
        ))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // With nothing but constants one row tells the value of all; a volatile function is asked for every row.
        let constant = self.signature.volatility != Volatility::Volatile
            && arguments
                .args
                .iter()
                .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let columns: Vec<ArrayRef> = arguments
            .args
            .iter()
            .map(|argument| argument.to_array(rows))
            .collect::<Result<_>>()?;
        let fields = self.argument_fields(&arguments.arg_fields);
        let outcome = self
            .pool
            .with_function(&self.description.name, &fields, |instance, opened| {
                instance.call_function(opened, &columns, rows)
            })
            .map_err(|error| {
                CallError::new(self.what(), error).with_row(|| error::arguments(&fields, &columns))
            })?;
        let given = || error::arguments(&fields, &columns);
        let column = self.without_rejected(outcome.column, &outcome.rejected, given)?;
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &column, 0,
            )?)),
            false => Ok(ColumnarValue::Array(column)),
        }
    }
}

impl PluginFunction {
    /// The arguments as the guest knows them: its own names, nullable, in the type in which they cross. Always the same for the
    /// same types, so that a function is opened once per instance.
    fn argument_fields(&self, given: &[FieldRef]) -> Vec<FieldRef> {
        let expected = &self.description.arguments;
        given
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let name = expected
                    .get(index.min(expected.len().saturating_sub(1)))
                    .map_or("", |a| a.name.as_str());
                let data_type =
                    border_type(field.data_type()).unwrap_or_else(|| field.data_type().clone());
                Arc::new(Field::new(name, data_type, true))
            })
            .collect()
    }

    fn without_rejected(
        &self,
        column: ArrayRef,
        rejected: &[Rejected],
        given: impl FnOnce() -> Option<RecordBatch>,
    ) -> Result<ArrayRef> {
        let Some(first) = rejected.first() else {
            return Ok(column);
        };
        match self.on_error {
            OnError::Fail => {
                let message = format!(
                    "`{}` failed on {} of {} rows, first: {}",
                    self.name,
                    rejected.len(),
                    column.len(),
                    first.reason
                );
                let row = given().and_then(|given| FailedRow::of(&given, first.row));
                Err(RowsFailed::external(message, row))
            }
            OnError::Null => {
                let function = &self.description.name;
                self.pool
                    .count_failures(function, rejected.len(), &first.reason);
                let mut failed = vec![false; column.len()];
                rejected
                    .iter()
                    .for_each(|rejected| failed[rejected.row as usize] = true);
                null_where(&column, &BooleanArray::from(failed))
            }
        }
    }
}

fn null_where(column: &ArrayRef, failed: &BooleanArray) -> Result<ArrayRef> {
    match column.data_type() {
        // A null array has no validity bitmap to change.
        DataType::Null => Ok(make_array(column.to_data())),
        _ => Ok(nullif(column, failed)?),
    }
}

/// The type in which an argument is handed over, or `None` if it does not fit.
fn coerced(accepts: &Accepts, given: &DataType) -> Option<DataType> {
    let fits = |accepted: bool| (accepted || *given == DataType::Null).then(|| given.clone());
    match accepts {
        Accepts::Exact(expected) => {
            let fits =
                expected == given || *given == DataType::Null || casts_safely(expected, given);
            fits.then(|| expected.clone())
        }
        Accepts::Any => Some(given.clone()),
        Accepts::Numeric => fits(given.is_numeric()),
        Accepts::Temporal => fits(given.is_temporal()),
        Accepts::Text => fits(matches!(
            given,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )),
    }
}

/// Casts that SQL makes by itself: no value is lost or read in another way.
fn casts_safely(to: &DataType, from: &DataType) -> bool {
    use DataType::*;
    match (to, from) {
        (to, Dictionary(_, values)) => to == values.as_ref() || casts_safely(to, values),
        (Utf8 | LargeUtf8, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary, Binary | LargeBinary | BinaryView | FixedSizeBinary(_)) => true,
        (Float64, from) => from.is_numeric(),
        (Float32, from) => matches!(from, Float16 | Int8 | Int16 | UInt8 | UInt16),
        (Decimal128(..) | Decimal256(..), from) => from.is_integer() || from.is_decimal(),
        (Int64, from) => matches!(from, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32),
        (Int32, from) => matches!(from, Int8 | Int16 | UInt8 | UInt16),
        (Int16, from) => matches!(from, Int8 | UInt8),
        (UInt64, from) => matches!(from, UInt8 | UInt16 | UInt32),
        (UInt32, from) => matches!(from, UInt8 | UInt16),
        (UInt16, from) => matches!(from, UInt8),
        (Timestamp(_, None), Date32 | Date64 | Timestamp(_, None)) => true,
        // An instant stays the same instant, whatever the zone it is shown in.
        (Timestamp(_, Some(_)), Timestamp(_, Some(_))) => true,
        (Date32 | Date64, Date32 | Date64) => true,
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Duration(_), Duration(_)) => true,
        // Nested types may differ in the names of their inner fields.
        (to, from) => to.equals_datatype(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::TimeUnit;

    #[test]
    fn arguments_are_cast_only_where_nothing_is_lost() {
        let exact = |data_type: DataType| Accepts::Exact(data_type);
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let plain = DataType::Timestamp(TimeUnit::Nanosecond, None);
        for (accepts, given, fits) in [
            (exact(DataType::Float64), DataType::Int64, true),
            (exact(DataType::Int64), DataType::Int32, true),
            (exact(DataType::Int32), DataType::Int64, false),
            (exact(DataType::Int64), DataType::Utf8, false),
            (exact(DataType::Utf8), DataType::Utf8View, true),
            (exact(DataType::Utf8), DataType::Int64, false),
            (exact(DataType::Decimal128(12, 2)), DataType::Int64, true),
            (exact(zoned.clone()), plain.clone(), false),
            (exact(plain), DataType::Date32, true),
            (exact(DataType::Int64), DataType::Null, true),
            (Accepts::Temporal, zoned, true),
            (Accepts::Text, DataType::Int64, false),
            (Accepts::Numeric, DataType::Decimal128(10, 2), true),
        ] {
            assert_eq!(
                coerced(&accepts, &given).is_some(),
                fits,
                "{accepts} from {given}"
            );
        }
    }
}
