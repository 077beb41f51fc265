//! A function over columns of Redshift's types, in terms of two others: its types, and its values.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as Outcome, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error::{Error, Result};
use crate::types::Type;
use crate::types::cast::{Mode, cast_with};

/// What a function is called with.
pub(crate) struct Arguments<'a> {
    pub(crate) name: &'a str,
    pub(crate) types: &'a [Type],
    /// Those that are literals.
    constants: &'a [Option<&'a ScalarValue>],
}

impl Arguments<'_> {
    /// A whole number that is written as an argument.
    pub(crate) fn number(&self, at: usize) -> Option<i64> {
        let constant = self.constants.get(at).copied().flatten()?;
        match constant.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(number)) => number,
            _ => None,
        }
    }

    /// A text that is written as an argument.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.constants
            .get(at)
            .copied()
            .flatten()?
            .try_as_str()
            .flatten()
    }

    /// An error: the function does not take these types.
    pub(crate) fn refused(&self) -> Error {
        let types: Vec<_> = self
            .types
            .iter()
            .map(|data_type| data_type.base_name())
            .collect();
        let name = self
            .name
            .trim_start_matches("redshift_")
            .trim_end_matches("_input");
        Error::new(&crate::error::WRONG_ARGUMENTS, &[&name, &types.join(", ")])
    }
}

/// The types that the arguments are cast to, and the type of the result.
type Types = dyn Fn(&Arguments<'_>) -> Result<(Vec<Type>, Type)> + Send + Sync;
/// Columns of those types to a column of the result's.
type Compute = dyn Fn(&[ArrayRef], &[Type], Type) -> Result<ArrayRef> + Send + Sync;

/// A function by the types that it takes and by what it does with columns. Those of one name are the same.
pub(crate) fn scalar(
    name: impl Into<String>,
    types: impl Fn(&Arguments<'_>) -> Result<(Vec<Type>, Type)> + Send + Sync + 'static,
    compute: impl Fn(&[ArrayRef], &[Type], Type) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    ScalarUDF::from(Scalar {
        name: name.into(),
        signature: Signature::user_defined(Volatility::Immutable),
        types: Box::new(types),
        compute: Box::new(compute),
    })
}

struct Scalar {
    name: String,
    signature: Signature,
    types: Box<Types>,
    compute: Box<Compute>,
}

impl fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Scalar").field(&self.name).finish()
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Scalar {
    fn typed(
        &self,
        fields: &[FieldRef],
        constants: &[Option<&ScalarValue>],
    ) -> Result<(Vec<Type>, Vec<Type>, Type)> {
        let types = own_types(fields, constants)?;
        let arguments = Arguments {
            name: &self.name,
            types: &types,
            constants,
        };
        let (wanted, result) = (self.types)(&arguments)?;
        Ok((types, wanted, result))
    }
}

fn own_types(fields: &[FieldRef], constants: &[Option<&ScalarValue>]) -> Result<Vec<Type>> {
    let types = fields.iter().enumerate().map(|(at, field)| {
        let is_constant = constants.get(at).copied().flatten().is_some();
        let is_bare = field.metadata().is_empty();
        match field.data_type() {
            // A literal has no type of its own.
            DataType::Utf8 if is_constant && is_bare => Ok(Type::Unknown),
            _ => Type::of(field).ok_or_else(|| {
                Error::not_yet(format_args!("values of the type {}", field.data_type()))
            }),
        }
    });
    types.collect()
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Outcome<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, _arguments: &[DataType]) -> Outcome<DataType> {
        internal_err!("`{}` is asked for a field", self.name)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Outcome<FieldRef> {
        let (_, _, result) = self.typed(arguments.arg_fields, arguments.scalar_arguments)?;
        Ok(result.field(&self.name))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Outcome<ColumnarValue> {
        let constants: Vec<Option<&ScalarValue>> = arguments
            .args
            .iter()
            .map(|argument| match argument {
                ColumnarValue::Scalar(value) => Some(value),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let (types, wanted, result) = self.typed(&arguments.arg_fields, &constants)?;
        let is_constant = constants.iter().all(Option::is_some);
        let rows = if is_constant {
            1
        } else {
            arguments.number_rows
        };
        let digits = super::digits(&arguments.config_options);
        let cast = |column: &ArrayRef, from: &Type, to: &Type| {
            cast_with(column, *from, *to, Mode::Explicit, digits)
        };
        let columns = arguments.args.iter().zip(types.iter().zip(&wanted)).map(
            |(argument, (from, to))| -> Outcome<ArrayRef> {
                let column = match argument {
                    // Cast once, not for each row.
                    ColumnarValue::Scalar(value) => {
                        let one = cast(&value.to_array()?, from, to)?;
                        ScalarValue::try_from_array(&one, 0)?.to_array_of_size(rows)?
                    }
                    ColumnarValue::Array(column) => cast(column, from, to)?,
                };
                Ok(column)
            },
        );
        let columns = columns.collect::<Outcome<Vec<_>>>()?;
        let computed = (self.compute)(&columns, &wanted, result)?;
        match is_constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &computed, 0,
            )?)),
            false => Ok(ColumnarValue::Array(computed)),
        }
    }
}

/// A column with a value for each row in which no argument is NULL, by the row's number; NULL in the others.
pub(crate) fn by_row<T, A: FromIterator<Option<T>>>(
    columns: &[ArrayRef],
    mut compute: impl FnMut(usize) -> Result<Option<T>>,
) -> Result<A> {
    let rows = columns.first().map_or(0, |column| column.len());
    let is_null = |row: usize| columns.iter().any(|column| column.is_null(row));
    let computed = (0..rows).map(|row| match is_null(row) {
        true => Ok(None),
        false => compute(row),
    });
    computed.collect()
}

/// Rows in which no argument is NULL, as texts of the arguments.
pub(crate) fn by_text<T, A: FromIterator<Option<T>> + Array + 'static>(
    columns: &[ArrayRef],
    compute: impl Fn(&[&str]) -> Result<Option<T>>,
) -> Result<ArrayRef> {
    by_text_and_flag::<T, A>(columns, None, |values, _| compute(values))
}

/// Whether a flag is set in a row. It is an argument that may be left out.
pub(crate) fn is_set(flags: Option<&ArrayRef>, row: usize) -> bool {
    flags.is_some_and(|flags| {
        let flags = flags.as_boolean();
        flags.is_valid(row) && flags.value(row)
    })
}

/// The same as [`by_text`], with the flag of the row.
pub(crate) fn by_text_and_flag<T, A: FromIterator<Option<T>> + Array + 'static>(
    columns: &[ArrayRef],
    flags: Option<&ArrayRef>,
    compute: impl Fn(&[&str], bool) -> Result<Option<T>>,
) -> Result<ArrayRef> {
    let texts: Vec<_> = columns
        .iter()
        .map(|column| column.as_string::<i32>())
        .collect();
    let column = by_row::<_, A>(columns, |row| {
        let values: Vec<&str> = texts.iter().map(|column| column.value(row)).collect();
        compute(&values, is_set(flags, row))
    })?;
    Ok(Arc::new(column))
}
