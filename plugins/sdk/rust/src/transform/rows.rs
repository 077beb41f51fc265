//! Transforms over rows: structs whose fields are columns, read and gathered column by column.

use super::{Described, End, Opened, Output, Transform};
use crate::Error;
use crate::function::row::{Argument, Nullable, Refusal, refusal};
use crate::function::value::Writable;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBufferBuilder;
use arrow_schema::{Field, Schema};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Rows of a table as values of a struct. Made by `#[row]` on it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no row of a table",
    label = "put `#[row]` on its definition"
)]
pub trait Row: Sized + 'static {
    /// The columns, in the order of the fields.
    #[doc(hidden)]
    fn columns() -> Vec<Field>;

    /// Reads a row of these columns; an Err is why the row is rejected.
    #[doc(hidden)]
    fn read(columns: &[ArrayRef], row: usize) -> Result<Self, String>;

    /// Makes these columns of rows.
    ///
    /// # Errors
    ///
    /// Internal, for a value that Arrow cannot hold.
    #[doc(hidden)]
    fn write(rows: Vec<Self>) -> Result<Vec<ArrayRef>, Error>;
}

/// A transform that takes one row at a time and emits any number of rows.
///
/// One value lives for one partition of the input. A column of `Input` whose type is no `Option` must not be NULL: such a row is
/// rejected.
///
/// ```
/// use transom_sdk::prelude::*;
///
/// #[row]
/// struct Flight {
///     carrier: String,
///     delay: Option<i64>,
/// }
///
/// #[row]
/// struct Rated {
///     late: bool,
/// }
///
/// /// Whether a flight was late.
/// #[transform]
/// struct Rate;
///
/// impl RowTransform for Rate {
///     type Options = NoOptions;
///     type State = ();
///     type Input = Flight;
///     type Output = Rated;
///
///     fn open(_options: NoOptions) -> Result<Self, Error> {
///         Ok(Rate)
///     }
///
///     fn row(&mut self, flight: Flight, output: &mut Emitter<Rated>) -> Result<(), Error> {
///         let delay = flight.delay.ok_or_else(|| Error::bad_data("the delay is missing"))?;
///         output.emit(Rated { late: delay > 15 });
///         Ok(())
///     }
/// }
///
/// plugin! { transforms: [Rate] }
/// # fn main() {}
/// ```
pub trait RowTransform: Described + Sized + 'static {
    /// The options in the pipeline file: a struct with `#[options]`, or [`super::NoOptions`].
    type Options: DeserializeOwned + JsonSchema;

    /// What is kept between slices: a type with `#[state]`, or `()` for none.
    type State: Serialize + DeserializeOwned + 'static;

    /// The columns that are read: a struct with `#[row]`.
    type Input: Row;

    /// The columns that are made: a struct with `#[row]`.
    type Output: Row;

    /// Whether a row that is emitted has all columns of the row that it was emitted for; a column that is made takes the place of
    /// one of the same name. Otherwise the output has the columns of `Output` and no other.
    const CARRIES: bool = true;

    /// Makes it from its options. Called while a pipeline is checked, too.
    ///
    /// # Errors
    ///
    /// Config, when it cannot work with such options.
    fn open(options: Self::Options) -> Result<Self, Error>;

    /// Takes a row and emits any number of rows.
    ///
    /// # Errors
    ///
    /// Rejects the row, and takes back what was emitted for it, if the error is one of the data or came through `?`; otherwise it
    /// ends the run.
    fn row(&mut self, row: Self::Input, output: &mut Emitter<Self::Output>) -> Result<(), Error>;

    /// Emits what was held back, if `CARRIES` is false.
    ///
    /// # Errors
    ///
    /// Ends the run.
    fn finish(&mut self, end: End, output: &mut Emitter<Self::Output>) -> Result<(), Error> {
        let _ = (end, output);
        Ok(())
    }

    /// See [`Transform::save`].
    ///
    /// # Errors
    ///
    /// Ends the run.
    fn save(&self) -> Result<Self::State, Error> {
        if super::is_stateful::<Self>() {
            return Err(super::unwritten::<Self>("save"));
        }
        Ok(serde_json::from_value(serde_json::Value::Null)?)
    }

    /// See [`Transform::restore`].
    ///
    /// # Errors
    ///
    /// Ends the run.
    fn restore(&mut self, state: Self::State) -> Result<(), Error> {
        let _ = state;
        if super::is_stateful::<Self>() {
            return Err(super::unwritten::<Self>("restore"));
        }
        Ok(())
    }
}

/// Takes the rows that a transform emits.
#[derive(Debug)]
pub struct Emitter<T> {
    rows: Vec<T>,
    /// For each of them the row of the batch that it was emitted for.
    sources: Vec<u32>,
    /// None at the end, when there is no current row.
    current: Option<u32>,
}

impl<T> Emitter<T> {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            sources: Vec::new(),
            current: None,
        }
    }

    /// Emits a row.
    pub fn emit(&mut self, row: T) {
        self.rows.push(row);
        self.sources.extend(self.current);
    }
}

impl<T: Row> Emitter<T> {
    /// Hands all rows to the output, whose columns may be in another order than the fields.
    fn hand_over(self, carries: bool, output: &mut Output) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if carries && self.current.is_none() {
            return Err(Error::internal(
                "columns are carried over from the rows of the input, so no row can be emitted at the end",
            ));
        }
        let columns = T::columns();
        let made = T::write(self.rows)?;
        let names = output.computed_fields().iter();
        let ordered = names.filter_map(|field| {
            let at = columns
                .iter()
                .position(|column| column.name() == field.name())?;
            Some(made[at].clone())
        });
        let ordered: Vec<ArrayRef> = ordered.collect();
        match carries {
            true => output.emit_rows(ordered, self.sources),
            false => output.emit_new(ordered),
        }
    }
}

impl<T: RowTransform> Transform for T {
    type Options = <T as RowTransform>::Options;
    type State = <T as RowTransform>::State;

    fn open(input: &Schema, options: Self::Options) -> Result<Opened<Self>, Error> {
        let mut opened = Opened::new(<T as RowTransform>::open(options)?);
        for column in T::Input::columns() {
            opened = opened.reads_as(column.name().as_str(), column.data_type().clone());
        }
        let mut made = T::Output::columns();
        let carried = input.fields().iter().filter(|_| T::CARRIES);
        for (place, field) in carried.enumerate() {
            opened = match made.iter().position(|column| column.name() == field.name()) {
                Some(at) => opened.computes(made.remove(at)),
                None => opened.passes(place),
            };
        }
        Ok(made.into_iter().fold(opened, Opened::computes))
    }

    fn process(&mut self, batch: &RecordBatch, output: &mut Output) -> Result<(), Error> {
        let mut emitter = Emitter::new();
        for row in 0..batch.num_rows() {
            emitter.current = u32::try_from(row).ok();
            let emitted = emitter.rows.len();
            let value = match T::Input::read(batch.columns(), row) {
                Ok(value) => value,
                Err(reason) => {
                    output.reject(row, reason);
                    continue;
                }
            };
            let Err(error) = self.row(value, &mut emitter) else {
                continue;
            };
            match refusal(&error) {
                Refusal::Row(reason) => {
                    emitter.rows.truncate(emitted);
                    emitter.sources.truncate(emitted);
                    output.reject(row, reason);
                }
                Refusal::Run(error) if error.row.is_none() => return Err(error.row(row)),
                Refusal::Run(error) => return Err(*error),
            }
        }
        emitter.hand_over(T::CARRIES, output)
    }

    fn finish(&mut self, end: End, output: &mut Output) -> Result<(), Error> {
        let mut emitter = Emitter::new();
        RowTransform::finish(self, end, &mut emitter)?;
        emitter.hand_over(T::CARRIES, output)
    }

    fn save(&self) -> Result<Self::State, Error> {
        RowTransform::save(self)
    }

    fn restore(&mut self, state: Self::State) -> Result<(), Error> {
        RowTransform::restore(self, state)
    }
}

/// The column of a field of type `T`.
pub fn column_of<T: Nullable>(name: &str) -> Field {
    Field::new(name, T::Value::data_type(), T::NULLABLE)
}

/// Reads a field of a row.
///
/// # Errors
///
/// Why the row is rejected.
pub fn read_cell<T: for<'a> Argument<'a>>(
    column: &ArrayRef,
    row: usize,
    name: &str,
) -> Result<T, String> {
    read_from(column, row, name)
}

fn read_from<'a, T: Argument<'a>>(
    column: &'a ArrayRef,
    row: usize,
    name: &str,
) -> Result<T, String> {
    let Some(column) = column.as_any().downcast_ref::<T::Column>() else {
        return Err(format!("`{name}` is of another type than `open` said"));
    };
    if T::skips(column).is_some_and(|nulls| nulls.is_null(row)) {
        return Err(format!("`{name}` is null"));
    }
    if row >= column.len() {
        return Err(format!("`{name}` has no row {row}"));
    }
    // SAFETY: the row is one of the column's.
    unsafe { T::read(column, row) }.map_err(|reason| format!("`{name}`: {reason}"))
}

/// Gathers the values of a field.
pub struct Cells<T: Nullable> {
    name: &'static str,
    gathered: <T::Value as Writable>::Gathered,
    nulls: NullBufferBuilder,
}

impl<T: Nullable> std::fmt::Debug for Cells<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cells")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<T: Nullable> Cells<T> {
    /// Room for the values of that many rows.
    pub fn new(name: &'static str, rows: usize) -> Self {
        Self {
            name,
            gathered: T::Value::gather(rows),
            nulls: NullBufferBuilder::new(rows),
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// Internal, when Arrow cannot hold it.
    pub fn add(&mut self, value: T) -> Result<(), Error> {
        match value.value() {
            Some(value) => {
                let added = value.add(&mut self.gathered);
                added.map_err(|reason| {
                    Error::internal(format!("the column `{}`: {reason}", self.name))
                })?;
                self.nulls.append_non_null();
            }
            None => {
                T::Value::add_null(&mut self.gathered);
                self.nulls.append_null();
            }
        }
        Ok(())
    }

    /// The column.
    pub fn finish(mut self) -> ArrayRef {
        T::Value::finish(self.gathered, self.nulls.finish())
    }
}

#[cfg(test)]
mod tests;
