//! Casts as functions, since Arrow's types have no lengths.

use std::hash::{Hash, Hasher};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as Outcome, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};

use super::{ASSIGN, CAST, TRY_CAST};
use crate::error::{self, Error, Result};
use crate::types::cast::{self, Mode};
use crate::types::show::Digits;
use crate::types::{Type, parse};

/// What a cast does with a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Explicit,
    Try,
    Assign,
}

#[derive(Debug)]
struct Cast {
    kind: Kind,
    signature: Signature,
}

impl PartialEq for Cast {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Cast {}

impl Hash for Cast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

fn function(kind: Kind) -> ScalarUDF {
    ScalarUDF::from(Cast {
        kind,
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    [Kind::Explicit, Kind::Try, Kind::Assign]
        .map(function)
        .to_vec()
}

/// A cast in a plan.
pub(crate) fn explicit(value: Expr, to: Type) -> Expr {
    function(Kind::Explicit).call(vec![value, lit(to.name())])
}

/// Whether a text that is written into a statement is a value of a type: Redshift says so whatever rows there are.
///
/// # Errors
/// If it is none.
pub(crate) fn check_written(value: &ScalarValue, to: Type) -> Outcome<()> {
    let column = value.to_array()?;
    cast::cast(&column, Type::Unknown, to, Mode::Explicit)?;
    Ok(())
}

/// What an assignment to a column does to a value.
pub(crate) fn assigned(value: Expr, to: Type) -> Expr {
    function(Kind::Assign).call(vec![value, lit(to.name())])
}

fn target(constant: Option<&ScalarValue>) -> Result<Type> {
    let name = constant.and_then(|constant| constant.try_as_str().flatten());
    parse::name(name.unwrap_or_default())
}

fn source(field: &FieldRef, is_constant: bool) -> Result<Type> {
    match field.data_type() {
        DataType::Utf8 if is_constant && field.metadata().is_empty() => Ok(Type::Unknown),
        _ => Type::of(field).ok_or_else(|| {
            Error::not_yet(format_args!("values of the type {}", field.data_type()))
        }),
    }
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Explicit => CAST,
            Kind::Try => TRY_CAST,
            Kind::Assign => ASSIGN,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Outcome<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, _arguments: &[DataType]) -> Outcome<DataType> {
        internal_err!("`{}` is asked for a field", self.name())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Outcome<FieldRef> {
        let to = target(arguments.scalar_arguments.get(1).copied().flatten())?;
        let is_constant = arguments
            .scalar_arguments
            .first()
            .copied()
            .flatten()
            .is_some();
        let from = source(&arguments.arg_fields[0], is_constant)?;
        // A column that is written is named, since not all casts are made for it.
        if let Some(column) = arguments.scalar_arguments.get(2).copied().flatten()
            && !cast::is_assignable(from, to)
        {
            let column = column.try_as_str().flatten().unwrap_or_default();
            let names = [to.base_name(), from.base_name()];
            let mismatch = [&column as &dyn std::fmt::Display, &names[0], &names[1]];
            return Err(Error::new(&error::DATATYPE_MISMATCH, &mismatch).into());
        }
        if !cast::is_allowed(from, to) {
            let names = [from.base_name(), to.base_name()];
            return Err(Error::new(&error::CANNOT_CAST, &[&names[0], &names[1]]).into());
        }
        Ok(to.field(self.name()))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Outcome<ColumnarValue> {
        let [value, ColumnarValue::Scalar(to), ..] = arguments.args.as_slice() else {
            return internal_err!("`{}` takes a value and the name of a type", self.name());
        };
        let to = target(Some(to))?;
        let is_constant = matches!(value, ColumnarValue::Scalar(_));
        let from = source(&arguments.arg_fields[0], is_constant)?;
        let digits = super::digits(&arguments.config_options);
        let convert = |column: &ArrayRef| -> Outcome<ArrayRef> {
            Ok(match self.kind {
                Kind::Explicit => cast::cast_with(column, from, to, Mode::Explicit, digits)?,
                Kind::Assign => cast::cast_with(column, from, to, Mode::Assignment, digits)?,
                Kind::Try => tried(column, from, to, digits)?,
            })
        };
        Ok(match value {
            ColumnarValue::Array(column) => ColumnarValue::Array(convert(column)?),
            ColumnarValue::Scalar(constant) => {
                let column = convert(&constant.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?)
            }
        })
    }
}

fn tried(column: &ArrayRef, from: Type, to: Type, digits: Digits) -> Result<ArrayRef> {
    if let Ok(all) = cast::cast_with(column, from, to, Mode::Explicit, digits) {
        return Ok(all);
    }
    let each: Vec<ArrayRef> = (0..column.len())
        .map(|row| {
            let one = column.slice(row, 1);
            cast::cast_with(&one, from, to, Mode::Explicit, digits)
                .unwrap_or_else(|_| arrow::array::new_null_array(&to.arrow(), 1))
        })
        .collect();
    let each: Vec<&dyn arrow::array::Array> = each.iter().map(AsRef::as_ref).collect();
    arrow::compute::concat(&each).map_err(Error::internal)
}
