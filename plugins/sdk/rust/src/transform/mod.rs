//! Transforms: the trait an author implements, what it says when opened, and what it emits.

mod instance;
mod opened;
mod output;
mod rows;

pub use instance::{OpenTable, Outcome, Part, Source, Table, TransformEntry};
pub use opened::{Column, Layout, Opened, OutputColumn};
pub use output::Output;
pub use rows::{Cells, Emitter, Row, RowTransform, column_of, read_cell};

use crate::Error;
use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::TypeId;

/// Name and description of a transform, and the keys it requires. Made by `#[transform]` on the type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name and description",
    label = "put `#[transform]` on its definition"
)]
pub trait Described {
    /// The name by which pipelines use it.
    const NAME: &'static str;
    /// The doc comment.
    const DOC: &'static str;
    /// The columns by which its step has to partition the rows.
    const PARTITION_BY: &'static [&'static str];
    /// The columns by which its step has to sort the rows of a partition. If both are empty, the step decides.
    const ORDER_BY: &'static [SortKey];
}

/// One column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// Its name.
    pub column: &'static str,
    /// Largest first.
    pub descending: bool,
}

/// Which end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The slice ends: the state is saved afterwards, and input goes on another day.
    Slice,
    /// No input will ever follow.
    Input,
}

/// The options of a transform that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// A function from a table to a table: batches in, batches out.
///
/// One value lives for one partition of the input: `open`, then `restore` if there is a state, then `process` for each
/// batch (and `pull` while the output says there is more), then `finish`, then `save`.
pub trait Transform: Described + Sized + 'static {
    /// The options in the pipeline file: a struct with `#[options]`, or [`NoOptions`].
    type Options: DeserializeOwned + JsonSchema;

    /// What is kept between slices: a type with `#[state]`, or `()` for none.
    type State: Serialize + DeserializeOwned + 'static;

    /// Says which columns it reads and makes, given the columns of its input.
    ///
    /// Called while a pipeline is checked, too: it must not need data.
    ///
    /// # Errors
    ///
    /// Config, when it cannot work on such an input or with such options.
    fn open(input: &Schema, options: Self::Options) -> Result<Opened<Self>, Error>;

    /// Takes a batch, which holds the columns read and no other.
    ///
    /// # Errors
    ///
    /// Ends the run; a row that is wrong is better rejected.
    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error>;

    /// Goes on with the output for the current batch; called as long as [`Output::more`] was said.
    ///
    /// # Errors
    ///
    /// As `process`.
    fn pull(&mut self, output: &mut Output) -> Result<(), Error> {
        let _ = output;
        Err(Error::internal(format!(
            "the transform `{}` said there was more output, but has no `pull`",
            Self::NAME
        )))
    }

    /// Emits what was held back. There is no current batch: rows cannot be rejected nor columns carried over.
    ///
    /// # Errors
    ///
    /// As `process`.
    fn finish(&mut self, end: End, output: &mut Output) -> Result<(), Error> {
        let _ = (end, output);
        Ok(())
    }

    /// The state to go on from in the next slice. Need not be written for a `State` of `()`.
    ///
    /// # Errors
    ///
    /// Ends the run.
    fn save(&self) -> Result<Self::State, Error> {
        if is_stateful::<Self>() {
            return Err(unwritten::<Self>("save"));
        }
        Ok(serde_json::from_value(serde_json::Value::Null)?)
    }

    /// Goes on from a state. Need not be written for a `State` of `()`.
    ///
    /// # Errors
    ///
    /// Ends the run.
    fn restore(&mut self, state: Self::State) -> Result<(), Error> {
        let _ = state;
        if is_stateful::<Self>() {
            return Err(unwritten::<Self>("restore"));
        }
        Ok(())
    }
}

/// Whether anything is kept between slices.
fn is_stateful<T: Transform>() -> bool {
    TypeId::of::<T::State>() != TypeId::of::<()>()
}

fn unwritten<T: Transform>(method: &str) -> Error {
    Error::internal(format!(
        "the transform `{}` keeps state, but has no `{method}`",
        T::NAME
    ))
}

/// A column of a batch as an array of type `A`.
///
/// ```
/// # use transom_sdk::prelude::*;
/// # use std::sync::Arc;
/// # let delays: ArrayRef = Arc::new(Int64Array::from(vec![4, -2]));
/// # let batch = RecordBatch::try_from_iter([("dep_delay", delays)])?;
/// let delays = column::<Int64Array>(&batch, "dep_delay")?;
/// assert_eq!(delays.value(1), -2);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
///
/// Config, naming the column, when there is none of that name or it is of another type.
pub fn column<'a, A: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a A, Error> {
    let schema = batch.schema_ref();
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| opened::no_such_column(name, schema))?;
    column.as_any().downcast_ref::<A>().ok_or_else(|| {
        let wanted = std::any::type_name::<A>();
        let wanted = wanted
            .rsplit("::")
            .next()
            .unwrap_or(wanted)
            .trim_end_matches('>');
        Error::config(format!(
            "the column `{name}` is of type {}, which is not the expected {wanted}",
            column.data_type()
        ))
        .column(name)
    })
}
