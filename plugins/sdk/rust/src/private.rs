//! What generated code calls. No promise is made about it.

pub use crate::function::column::{Column, ReturnedColumn};
pub use crate::function::row::{Argument, apply};
pub use crate::function::{Accepts, Function, Gives, Registered, Volatility, argument};
pub use crate::transform::{Cells, OpenTable, Source, Table, TransformEntry, column_of, read_cell};

use crate::Error;
use crate::error::counted;
use crate::function::column::Typed;
use crate::function::row::Returned;
use crate::function::value::Writable;
use arrow_array::Array;
use arrow_schema::DataType;

/// The Arrow type of a row function's result.
pub fn result_type<R: Returned>() -> DataType {
    R::Value::data_type()
}

/// The Arrow type of a column function's result.
pub fn column_type<R: ReturnedColumn<Array: Typed>>() -> DataType {
    <R::Array as Typed>::data_type()
}

/// The column, which has `rows` rows: row functions read it without further checks.
///
/// # Errors
///
/// Internal when it has another number of rows.
pub fn of_length<A: Array>(column: &A, rows: usize) -> Result<&A, Error> {
    if column.len() == rows {
        Ok(column)
    } else {
        Err(Error::internal(format!(
            "an argument has {}, not {rows}",
            counted(column.len(), "row")
        )))
    }
}

/// The reason for rejecting a row whose argument the Rust type cannot hold.
#[cold]
pub fn unreadable(name: &str, reason: String) -> String {
    format!("the argument `{name}`: {reason}")
}
