//! Functions that give their first argument. They differ in what is known of it elsewhere.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// The function of [`Same::Named`] in a statement.
pub(crate) const NAMED: &str = "named";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Same {
    /// `named(value, 'name')` is called by the name while a query is planned, and is the value when it is optimized.
    Named,
    /// Of `kept(value)` nothing is known before there are rows.
    Kept,
}

/// The value, as something of which nothing is known before there are rows.
pub(crate) fn kept(value: Expr) -> Expr {
    ScalarUDF::from(Same::Kept).call(vec![value])
}

/// Whether an expression is a value that is [`kept`].
pub(crate) fn is_kept(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Same>() == Some(&Same::Kept),
        _ => false,
    }
}

static ONE: LazyLock<Signature> = LazyLock::new(|| Signature::any(1, Volatility::Immutable));
static TWO: LazyLock<Signature> = LazyLock::new(|| Signature::any(2, Volatility::Immutable));

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        match self {
            Self::Named => NAMED,
            Self::Kept => "kept",
        }
    }

    fn signature(&self) -> &Signature {
        match self {
            Self::Named => &TWO,
            Self::Kept => &ONE,
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(FieldRef::clone(&arguments.arg_fields[0]))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = arguments.args.into_iter().next() else {
            return internal_err!("`{}` has a value", self.name());
        };
        Ok(match self {
            Self::Named => value,
            Self::Kept => ColumnarValue::Array(value.into_array(arguments.number_rows)?),
        })
    }

    fn simplify(
        &self,
        mut arguments: Vec<Expr>,
        _context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        Ok(match self {
            Self::Named if !arguments.is_empty() => {
                ExprSimplifyResult::Simplified(arguments.swap_remove(0))
            }
            _ => ExprSimplifyResult::Original(arguments),
        })
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(match (self, arguments) {
            (Self::Named, [_, Expr::Literal(name, _)]) => name.to_string(),
            (_, [value, ..]) => value.schema_name().to_string(),
            _ => self.name().to_owned(),
        })
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        self.schema_name(arguments)
    }
}
