//! Scalar functions: what `#[function]` registers, and how a call goes from columns to the author's function and back.
//!
//! [`row`] holds the types of functions that see one row at a time, [`column`] those of functions that see whole columns.

pub mod column;
pub mod row;
pub mod value;

use crate::Error;
use crate::error::counted;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// How far a function's result may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// The same arguments always give the same result.
    Immutable,
    /// The same within a run.
    Stable,
    /// May differ from row to row.
    Volatile,
}

/// What an argument takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// This type alone.
    Exact(DataType),
    /// Any type.
    Any,
}

/// What a function gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gives {
    /// This type.
    Exact(DataType),
    /// The type of its first argument.
    First,
}

/// A function with everything the host asks about it. Made by `#[function]`, not by hand.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name in SQL.
    pub name: &'static str,
    /// The doc comment.
    pub doc: &'static str,
    /// Names and types of the arguments.
    pub arguments: fn() -> Vec<(&'static str, Accepts)>,
    /// Type of the result.
    pub gives: fn() -> Gives,
    /// How far a result may be kept.
    pub volatility: Volatility,
    /// Calls the author's function with columns of that many rows.
    pub call: fn(&[ArrayRef], usize) -> Result<Called, Error>,
}

/// Result of one call.
#[derive(Debug, Clone)]
pub struct Called {
    /// One value a row; that of a rejected row is null.
    pub column: ArrayRef,
    /// Rows that failed, and why.
    pub rejected: Vec<(u32, String)>,
}

/// The item beside an author's function that `plugin!` picks up.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a plugin",
    label = "put `#[function]` on its definition"
)]
pub trait Registered {
    /// The function.
    const FUNCTION: Function;
}

impl Function {
    /// Checks the types a query gives and returns the type of the result.
    ///
    /// # Errors
    ///
    /// Config, naming the function and the argument.
    pub fn open(&self, given: &[DataType]) -> Result<DataType, Error> {
        let arguments = (self.arguments)();
        if arguments.len() != given.len() {
            return Err(Error::config(format!(
                "the function `{}` takes {}, not {}",
                self.name,
                counted(arguments.len(), "argument"),
                given.len()
            )));
        }
        for ((name, accepts), given) in arguments.iter().zip(given) {
            match accepts {
                Accepts::Exact(expected) if !expected.equals_datatype(given) => {
                    return Err(Error::config(format!(
                        "the argument `{name}` of the function `{}` is {expected}, not {given}",
                        self.name
                    )));
                }
                Accepts::Exact(_) | Accepts::Any => {}
            }
        }
        match (self.gives)() {
            Gives::Exact(data_type) => Ok(data_type),
            Gives::First => given.first().cloned().ok_or_else(|| {
                Error::internal(format!(
                    "the function `{}` gives the type of its first argument, and has no argument",
                    self.name
                ))
            }),
        }
    }

    /// Calls the function with columns of `rows` rows whose types `open` has accepted, and checks what it gives.
    ///
    /// # Errors
    ///
    /// The author's, or internal when the result has another type or number of rows than promised.
    pub fn call(
        &self,
        arguments: &[ArrayRef],
        rows: usize,
        promised: &DataType,
    ) -> Result<Called, Error> {
        let called = (self.call)(arguments, rows)?;
        let column = &called.column;
        if column.len() != rows {
            return Err(Error::internal(format!(
                "the function `{}` gave {} for {rows}",
                self.name,
                counted(column.len(), "row")
            )));
        }
        if !column.data_type().equals_datatype(promised) {
            return Err(Error::internal(format!(
                "the function `{}` gave {}, not {promised}",
                self.name,
                column.data_type()
            )));
        }
        Ok(called)
    }
}

/// The argument at `index` as the array type that generated code works on.
///
/// # Errors
///
/// Internal when it is another array: `open` has checked the types, so the caller did not keep to them.
pub fn argument<A: Array + 'static>(arguments: &[ArrayRef], index: usize) -> Result<&A, Error> {
    let column = arguments
        .get(index)
        .ok_or_else(|| Error::internal(format!("argument {index} is missing")))?;
    column.as_any().downcast_ref::<A>().ok_or_else(|| {
        Error::internal(format!(
            "argument {index} is {}, not {}",
            column.data_type(),
            std::any::type_name::<A>()
        ))
    })
}

#[cfg(test)]
mod tests;
