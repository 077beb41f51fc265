//! DataFusion's functions behind a look at their arguments: values too large for memory, formats of other dialects, numbers that
//! they would cut, base64 that would end without its `=`.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

use crate::error::ValueError;
use crate::made::Made;
use crate::{time, type_name};

/// The functions; `bytes` is what one of them may make of a batch of rows.
pub(crate) fn functions(bytes: u64) -> Vec<Arc<ScalarUDF>> {
    use datafusion::{functions, functions_nested};
    let sized = |inner, made| sized(inner, made, bytes);
    vec![
        sized(functions::string::repeat(), Made::Times),
        sized(functions::unicode::lpad(), Made::Length),
        sized(functions::unicode::rpad(), Made::Length),
        sized(functions_nested::repeat::array_repeat_udf(), Made::Items),
        sized(functions::string::concat(), Made::Together),
        sized(functions::string::concat_ws(), Made::Between),
        sized(
            functions_nested::string::array_to_string_udf(),
            Made::Joined,
        ),
        sized(functions::string::replace(), Made::Replaced),
        sized(functions::regex::regexp_replace(), Made::Matched),
        guarded(time::to_char(), Guard::Format),
        guarded(functions::datetime::to_date(), Guard::Date),
        guarded(functions::string::chr(), Guard::Character),
        guarded(functions::encoding::encode(), Guard::Padding),
    ]
}

/// A function that may make so many bytes of a batch of rows.
pub(crate) fn sized(inner: Arc<ScalarUDF>, made: Made, bytes: u64) -> Arc<ScalarUDF> {
    guarded(inner, Guard::Size(made, bytes))
}

fn guarded(inner: Arc<ScalarUDF>, guard: Guard) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Guarded { inner, guard }))
}

/// What to do where a function would make too much.
pub(crate) const MORE_MEMORY: &str =
    "`--memory` sets the memory of the run; a function may use a quarter of it at once";

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guard {
    /// What it makes, and the bytes of it that are allowed.
    Size(Made, u64),
    /// Formats are those of `strftime`; DataFusion gives others back as they are.
    Format,
    /// The same; and a number is one of days, of which no part can be kept.
    Date,
    /// The number of a character, of which 0 is none in texts of warehouses.
    Character,
    /// The encoding: base64 has padding.
    Padding,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
    guard: Guard,
}

impl Guarded {
    fn check(&self, arguments: &ScalarFunctionArgs) -> Result<()> {
        let (made, limit) = match self.guard {
            Guard::Size(made, limit) => (made, limit),
            Guard::Character => return self.check_character(&arguments.args[0]),
            Guard::Padding => return Ok(()),
            Guard::Format | Guard::Date => {
                for format in &arguments.args[1..] {
                    self.check_format(format)?;
                }
                return Ok(());
            }
        };
        // One value stands for all rows only where all arguments do.
        let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let rows = match arguments.args.iter().all(is_constant) {
            true => 1,
            false => arguments.number_rows,
        };
        let total = made.bytes(&arguments.args, rows, limit)?;
        if total <= limit {
            return Ok(());
        }
        let of = match rows {
            1 => "one value".to_owned(),
            rows => format!("{rows} values"),
        };
        Err(ValueError::memory(format!(
            "`{}` would make {total} bytes of {of}; at most {limit} are allowed",
            self.inner.name()
        ))
        .hint(MORE_MEMORY)
        .into())
    }

    /// PostgreSQL's rule: its texts, as Redshift's, have no character 0.
    fn check_character(&self, numbers: &ColumnarValue) -> Result<()> {
        let numbers = cast(&numbers.to_array(1)?, &DataType::Int64)?;
        match numbers
            .as_primitive::<Int64Type>()
            .iter()
            .any(|number| number == Some(0))
        {
            true => Err(ValueError::new("`chr(0)` is no character: texts cannot hold it").into()),
            false => Ok(()),
        }
    }

    fn check_format(&self, format: &ColumnarValue) -> Result<()> {
        let ColumnarValue::Scalar(format) = format else {
            return Ok(());
        };
        let (ScalarValue::Utf8(Some(format))
        | ScalarValue::LargeUtf8(Some(format))
        | ScalarValue::Utf8View(Some(format))) = format
        else {
            return Ok(());
        };
        check_format(self.inner.name(), format)
    }
}

/// An error for a format that has none of strftime's parts.
pub(crate) fn check_format(function: &str, format: &str) -> Result<()> {
    match format.contains('%') {
        true => Ok(()),
        false => Err(ValueError::refused(format!(
            "the format '{format}' of `{function}` is of another dialect"
        ))
        .hint("formats are strftime's: '%Y-%m-%d %H:%M:%S'; '%b' is a month's short name")
        .into()),
    }
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let value = arguments.arg_fields.first();
        if self.guard == Guard::Date
            && let Some(value) = value
            && (value.data_type().is_floating() || value.data_type().is_decimal())
        {
            let name = self.inner.name();
            return Err(ValueError::new(format!(
                "`{name}` takes whole days since 1970, and no {}",
                type_name(value.data_type())
            ))
            .hint("CAST(floor(x) AS INT) are whole days; of seconds, CAST(to_timestamp(x) AS DATE) is the day")
            .into());
        }
        if matches!(self.guard, Guard::Format | Guard::Date) {
            for format in arguments.scalar_arguments.iter().skip(1).flatten() {
                self.check_format(&ColumnarValue::Scalar((*format).clone()))?;
            }
        }
        self.inner.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&arguments)?;
        if self.guard == Guard::Padding
            && let Some(ColumnarValue::Scalar(encoding)) = arguments.args.get_mut(1)
            && encoding.try_as_str() == Some(Some("base64"))
        {
            *encoding = ScalarValue::from("base64pad");
        }
        self.inner.invoke_with_args(arguments)
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        self.inner.schema_name(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
