//! A plugin's function as a DataFusion scalar function: `plugin.function(..)` in SQL.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, make_array};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use transom_file::ErrorPolicy;
use transom_plugin::{Accepts, FunctionDescription, Rejected, border_type};
use transom_sql::lossless;
use transom_sql::type_name;

use crate::arguments::{ArgumentMistake, CountMistake, Mistake, Mistakes, accepts_name, fits};
use crate::error::{self, CallError, FailedRow, RowOf, RowsFailed};
use crate::pool::InstancePool;
use crate::spans;

/// A function that takes so long for a row alone is taken for one that does not come to an end with it.
const LONG_FOR_A_ROW: Duration = Duration::from_secs(1);

/// One function of one plugin, as one step of a pipeline uses it.
#[derive(Debug)]
pub(crate) struct PluginFunction {
    /// `plugin.function`.
    name: String,
    /// The step whose query calls it, for messages.
    step: Option<String>,
    description: FunctionDescription,
    /// None of a plugin that is known by its description alone: its functions can be planned and not called.
    pool: Option<Arc<InstancePool>>,
    on_error: ErrorPolicy,
    signature: Signature,
    /// What is wrong with the arguments of calls that were planned so far.
    mistakes: Mistakes,
}

impl PluginFunction {
    pub(crate) fn udf(
        step: Option<&str>,
        plugin: &str,
        description: &FunctionDescription,
        pool: Option<&Arc<InstancePool>>,
        on_error: ErrorPolicy,
        mistakes: &Mistakes,
    ) -> ScalarUDF {
        let volatility = match description.volatility {
            transom_plugin::Volatility::Immutable => Volatility::Immutable,
            transom_plugin::Volatility::Stable => Volatility::Stable,
            transom_plugin::Volatility::Volatile => Volatility::Volatile,
        };
        ScalarUDF::new_from_impl(Self {
            name: format!("{plugin}.{}", description.name),
            step: step.map(str::to_owned),
            description: description.clone(),
            pool: pool.map(Arc::clone),
            on_error,
            signature: Signature::user_defined(volatility),
            mistakes: Arc::clone(mistakes),
        })
    }

    fn what(&self) -> String {
        format!("function `{}`{}", self.name, self.in_step())
    }

    fn in_step(&self) -> String {
        let step = self.step.as_ref();
        step.map(|step| format!(" in step `{step}`"))
            .unwrap_or_default()
    }

    fn row_of(&self) -> RowOf {
        RowOf::Call {
            step: self.step.clone(),
            function: self.name.clone(),
        }
    }

    fn pool(&self) -> Result<&Arc<InstancePool>> {
        self.pool.as_ref().ok_or_else(|| {
            plan_datafusion_err!("`{}` is known by its description alone", self.name)
        })
    }

    /// `geo.great_circle(lat1 float64, ..)`, for messages.
    fn usage(&self) -> String {
        let arguments: Vec<String> = self
            .description
            .arguments
            .iter()
            .map(|argument| format!("{} {}", argument.name, accepts_name(&argument.accepts)))
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
            && match (&self.pool, &other.pool) {
                (Some(pool), Some(other)) => Arc::ptr_eq(pool, other),
                (pool, other) => pool.is_none() && other.is_none(),
            }
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

    /// Types stay as they are: what has to be cast is cast when it is called, where each value is looked at. What is no argument, or
    /// one too many, is a mistake that is reported with all others of the query.
    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
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
        let mistakes = self.mistakes_in(&arguments);
        let declared = || {
            let output = self.description.output.as_deref();
            let data_type = output.and_then(|name| name.parse().ok());
            Arc::new(Field::new(
                &self.name,
                data_type.unwrap_or(DataType::Null),
                true,
            ))
        };
        let output = match (&self.pool, mistakes.is_empty()) {
            (Some(pool), true) => {
                let fields = self.argument_fields(arguments.arg_fields);
                let opened = pool.with_function(&self.description.name, &fields, |_, opened| {
                    Ok(Arc::clone(&opened.output))
                });
                opened.map_err(|error| CallError::new(self.what(), error))?
            }
            // What is planned further is not run; it shows what else is wrong.
            _ => declared(),
        };
        let mut known = self.mistakes.lock();
        for mistake in mistakes {
            if !known.contains(&mistake) {
                known.push(mistake);
            }
        }
        let nullable = output.is_nullable() || self.on_error == ErrorPolicy::Null;
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
        let given: Vec<ArrayRef> = arguments
            .args
            .iter()
            .map(|argument| argument.to_array(rows))
            .collect::<Result<_>>()?;
        let fields = self.argument_fields(&arguments.arg_fields);
        let (columns, unfit) = self.cast(&fields, &given)?;
        let pool = self.pool()?;
        let _step = self.step.as_deref().map(|step| spans::step(step).entered());
        let _call = spans::call(pool.plugin().name(), &self.description.name, rows);
        let outcome = pool
            .with_function(&self.description.name, &fields, |instance, opened| {
                instance.call_function(opened, &columns, rows)
            })
            .map_err(|error| {
                let row = self.failing_row(&error, &fields, &columns, rows);
                let error = match row.filter(|_| error.is_out_of_time()) {
                    Some(row) => error.at_line(self.slow_line(&fields, &columns, row)),
                    None => error,
                };
                CallError::new(self.what(), error)
                    .at_row(row)
                    .with_row(self.row_of(), || error::arguments(&fields, &given))
            })?;
        let mut rejected = outcome.rejected;
        if !unfit.is_empty() {
            // A row that could not be handed over has its reason already, whatever was computed in its place.
            rejected.retain(|rejected| unfit.iter().all(|unfit| unfit.row != rejected.row));
            rejected.extend(unfit);
        }
        let row = || error::arguments(&fields, &given);
        let column = self.without_rejected(outcome.column, &rejected, row)?;
        let column = transom_sql::column_with_one_nan(&column)?;
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
                let accepts = expected
                    .get(index.min(expected.len().saturating_sub(1)))
                    .map(|argument| &argument.accepts);
                let data_type = match accepts {
                    Some(Accepts::Exact(data_type)) => data_type,
                    _ => field.data_type(),
                };
                let data_type = border_type(data_type).unwrap_or_else(|| data_type.clone());
                Arc::new(Field::new(name, data_type, true))
            })
            .collect()
    }

    /// The row that the function crashes on or does not come to an end with: a guest cannot say so itself, and is asked for ever
    /// smaller parts of the rows, a fresh instance each time. None where it does neither on a row alone.
    fn failing_row(
        &self,
        error: &transom_plugin::Error,
        fields: &[FieldRef],
        columns: &[ArrayRef],
        rows: usize,
    ) -> Option<u32> {
        use transom_plugin::Error::Crash;
        let call_time = match error {
            Crash { .. } => None,
            error if error.is_out_of_time() => Some(LONG_FOR_A_ROW),
            _ => return None,
        };
        if self.signature.volatility == Volatility::Volatile {
            return None;
        }
        let fails = |from: usize, to: usize| {
            let rows = to - from;
            let part: Vec<ArrayRef> = columns
                .iter()
                .map(|column| column.slice(from, rows))
                .collect();
            let name = &self.description.name;
            let tried = self.pool().ok()?;
            let tried = tried.try_function(name, fields, &part, rows, call_time, false);
            Some(match tried {
                Err(Crash { .. }) => call_time.is_none(),
                Err(error) => call_time.is_some() && error.is_out_of_time(),
                Ok(_) => false,
            })
        };
        let (mut from, mut to) = (0, rows);
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            match fails(from, middle)? {
                true => to = middle,
                false => from = middle,
            }
        }
        fails(from, to)?.then_some(u32::try_from(from).ok()?)
    }

    /// The line of the plugin's source at which the function takes too long for a row, if its language tells.
    fn slow_line(&self, fields: &[FieldRef], columns: &[ArrayRef], row: u32) -> Option<String> {
        let row: Vec<ArrayRef> = columns
            .iter()
            .map(|column| column.slice(row as usize, 1))
            .collect();
        let name = &self.description.name;
        let pool = self.pool().ok()?;
        let tried = pool.try_function(name, fields, &row, 1, Some(LONG_FOR_A_ROW), true);
        tried.err()?.line().map(str::to_owned)
    }

    /// Arguments that the function does not take.
    fn mistakes_in(&self, arguments: &ReturnFieldArgs<'_>) -> Vec<Mistake> {
        let expected = &self.description.arguments;
        let count = arguments.arg_fields.len();
        let count_fits = count == expected.len()
            || self.description.variadic && !expected.is_empty() && count >= expected.len();
        if !count_fits {
            return vec![Mistake::Count(CountMistake {
                function: self.name.clone(),
                usage: self.usage(),
                expected: expected.len(),
                given: count,
            })];
        }
        let Some(last) = expected.len().checked_sub(1) else {
            return Vec::new();
        };
        let given = arguments.arg_fields.iter().zip(arguments.scalar_arguments);
        let mistakes = given.enumerate().filter_map(|(index, (field, constant))| {
            let argument = &expected[index.min(last)];
            let given = field.data_type();
            (!fits(&argument.accepts, given, *constant)).then(|| {
                Mistake::Argument(ArgumentMistake {
                    function: self.name.clone(),
                    index,
                    argument: argument.name.clone(),
                    accepts: argument.accepts.clone(),
                    given: given.clone(),
                    constant: constant.cloned(),
                    column: field.name().clone(),
                })
            })
        });
        mistakes.collect()
    }

    /// The arguments in the types in which they cross. A value that would be lost on the way fails its row.
    fn cast(
        &self,
        fields: &[FieldRef],
        given: &[ArrayRef],
    ) -> Result<(Vec<ArrayRef>, Vec<Rejected>)> {
        let mut unfit: Vec<Rejected> = Vec::new();
        let mut columns = Vec::with_capacity(given.len());
        for (field, column) in fields.iter().zip(given) {
            let to = field.data_type();
            columns.push(match lossless::cast(column, to) {
                Ok(cast) => cast,
                Err(first) => {
                    let lost = match self.on_error {
                        ErrorPolicy::Fail => vec![first],
                        ErrorPolicy::Null => all_losses(column, to),
                    };
                    let failed: Vec<bool> = {
                        let mut failed = vec![false; column.len()];
                        lost.iter().for_each(|loss| failed[loss.row] = true);
                        failed
                    };
                    for loss in &lost {
                        let row = u32::try_from(loss.row).unwrap_or(u32::MAX);
                        if unfit.iter().all(|known| known.row != row) {
                            let (name, to) = (field.name(), type_name(&loss.to));
                            let (path, value) = (&loss.path, &loss.value);
                            let reason =
                                format!("`{name}{path}` must be {to}, which cannot hold {value}");
                            unfit.push(Rejected { row, reason });
                        }
                    }
                    if self.on_error == ErrorPolicy::Fail {
                        let row = || error::arguments(fields, given);
                        self.without_rejected(Arc::clone(column), &unfit, row)?;
                    }
                    let rest = null_where(column, &BooleanArray::from(failed))?;
                    lossless::cast(&rest, to)
                        .map_err(|loss| DataFusionError::External(Box::new(loss)))?
                }
            });
        }
        Ok((columns, unfit))
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
            ErrorPolicy::Fail => {
                let row = |given: RecordBatch| FailedRow::of(&given, first.row, self.row_of());
                Err(DataFusionError::from(RowsFailed {
                    what: format!(
                        "`{}`{} failed on {} of {} rows",
                        self.name,
                        self.in_step(),
                        rejected.len(),
                        column.len()
                    ),
                    place: format!("first at row {} of the batch", u64::from(first.row) + 1),
                    reason: first.reason.clone(),
                    row: given().and_then(row),
                }))
            }
            ErrorPolicy::Null => {
                let function = &self.description.name;
                self.pool()?
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

/// Every row of a column that a type does not hold.
fn all_losses(column: &ArrayRef, to: &DataType) -> Vec<lossless::Loss> {
    let rows = (0..column.len()).filter_map(|row| {
        let loss = lossless::cast(&column.slice(row, 1), to).err()?;
        Some(lossless::Loss { row, ..loss })
    });
    rows.collect()
}
