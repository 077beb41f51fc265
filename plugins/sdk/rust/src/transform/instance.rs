//! An opened transform behind one object-safe trait, so that the border knows no author's type.

use super::{End, Layout, Output, OutputColumn, SortKey, Transform, is_stateful};
use crate::Error;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use std::sync::Arc;

/// An opened transform, and the columns it reads and makes.
pub type OpenTable = (Box<dyn Table>, Layout);

/// A transform with everything the host asks about it. Made by `plugin!`, not by hand.
#[derive(Debug, Clone, Copy)]
pub struct TransformEntry {
    /// Name in pipelines.
    pub name: &'static str,
    /// The doc comment.
    pub doc: &'static str,
    /// JSON Schema of the options.
    pub options: fn() -> String,
    /// Whether anything is kept between slices.
    pub stateful: fn() -> bool,
    /// See [`Described::PARTITION_BY`](super::Described::PARTITION_BY).
    pub partition_by: &'static [&'static str],
    /// See [`Described::ORDER_BY`](super::Described::ORDER_BY).
    pub order_by: &'static [SortKey],
    /// Opens it on an input, with options as a JSON object.
    pub open: fn(&Schema, &str) -> Result<OpenTable, Error>,
}

impl TransformEntry {
    /// The entry of a transform.
    pub const fn of<T: Transform>() -> Self {
        Self {
            name: T::NAME,
            doc: T::DOC,
            options: || schemars::schema_for!(T::Options).to_value().to_string(),
            stateful: is_stateful::<T>,
            partition_by: T::PARTITION_BY,
            order_by: T::ORDER_BY,
            open: open::<T>,
        }
    }
}

/// Rows that a transform emitted.
#[derive(Debug, Clone)]
pub struct Part {
    /// The computed columns.
    pub columns: Vec<ArrayRef>,
    /// Their rows; it counts when there is no computed column.
    pub rows: usize,
    /// Where they come from.
    pub source: Source,
}

/// Where emitted rows come from, for the columns that are carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From the rows of the current batch, one to one.
    OneToOne,
    /// Each from this row of the current batch.
    Rows(Vec<u32>),
    /// From none: nothing is carried over.
    None,
}

/// All that one call gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Emitted rows.
    pub parts: Vec<Part>,
    /// Rejected rows of the current batch, and why.
    pub rejected: Vec<(u32, String)>,
    /// Whether `pull` is to be called.
    pub more: bool,
}

/// An opened transform of any type.
pub trait Table {
    /// The columns of a batch.
    fn reads(&self) -> &SchemaRef;
    /// The computed columns.
    fn computes(&self) -> &SchemaRef;
    /// Place in the input of a column named in an error.
    fn place(&self, column: &str) -> Option<usize>;
    /// See [`Transform::process`].
    ///
    /// # Errors
    ///
    /// The author's, or internal when what was emitted is not as promised.
    fn process(&mut self, batch: &RecordBatch) -> Result<Outcome, Error>;
    /// See [`Transform::pull`].
    ///
    /// # Errors
    ///
    /// As `process`.
    fn pull(&mut self) -> Result<Outcome, Error>;
    /// See [`Transform::finish`].
    ///
    /// # Errors
    ///
    /// As `process`.
    fn finish(&mut self, end: End) -> Result<Outcome, Error>;
    /// The state as JSON; empty for a transform without.
    ///
    /// # Errors
    ///
    /// The author's, or internal when the state has no JSON form.
    fn save(&self) -> Result<Vec<u8>, Error>;
    /// Goes on from what `save` gave.
    ///
    /// # Errors
    ///
    /// Config when `state` is not such a state, as after a change of the plugin; or the author's.
    fn restore(&mut self, state: &[u8]) -> Result<(), Error>;
}

struct Instance<T> {
    transform: T,
    input: SchemaRef,
    reads: SchemaRef,
    computes: SchemaRef,
    passes: bool,
    /// Rows of the batch that `pull` goes on with.
    rows: Option<usize>,
}

fn open<T: Transform>(input: &Schema, options: &str) -> Result<OpenTable, Error> {
    let options = if options.is_empty() { "{}" } else { options };
    let mut json = serde_json::Deserializer::from_str(options);
    let options = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // The place in a JSON text that the author of a pipeline never sees.
        let message = error.inner().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        // Of an option that is missing or not known the message has the name already.
        let message = match path.as_str() {
            "." => message.to_owned(),
            path if message.contains(&format!("`{path}`")) => message.to_owned(),
            path => format!("`{path}`: {message}"),
        };
        Error::config(format!(
            "the options of the transform `{}` are wrong: {message}",
            T::NAME
        ))
    })?;
    let (transform, layout) = T::open(input, options)?.resolve(input)?;
    let computes: Vec<_> = layout
        .output
        .iter()
        .filter_map(|column| match column {
            OutputColumn::Computed(field) => Some(field.clone()),
            OutputColumn::Input(_) => None,
        })
        .collect();
    let instance = Instance {
        transform,
        reads: Arc::new(input.project(&layout.reads)?),
        input: Arc::new(input.clone()),
        passes: computes.len() < layout.output.len(),
        computes: Arc::new(Schema::new(computes)),
        rows: None,
    };
    Ok((Box::new(instance), layout))
}

impl<T: Transform> Instance<T> {
    fn output(&self) -> Output {
        Output::new(self.computes.clone(), self.passes, self.rows)
    }
}

impl<T: Transform> Table for Instance<T> {
    fn reads(&self) -> &SchemaRef {
        &self.reads
    }

    fn computes(&self) -> &SchemaRef {
        &self.computes
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.input.index_of(column).ok()
    }

    fn process(&mut self, batch: &RecordBatch) -> Result<Outcome, Error> {
        self.rows = Some(batch.num_rows());
        let mut output = self.output();
        self.transform.process(batch, &mut output)?;
        output.finish()
    }

    fn pull(&mut self) -> Result<Outcome, Error> {
        let mut output = self.output();
        self.transform.pull(&mut output)?;
        output.finish()
    }

    fn finish(&mut self, end: End) -> Result<Outcome, Error> {
        self.rows = None;
        let mut output = self.output();
        self.transform.finish(end, &mut output)?;
        output.finish()
    }

    fn save(&self) -> Result<Vec<u8>, Error> {
        if !is_stateful::<T>() {
            return Ok(Vec::new());
        }
        Ok(serde_json::to_vec(&self.transform.save()?)?)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        if !is_stateful::<T>() && state.is_empty() {
            return Ok(());
        }
        let state = serde_json::from_slice(state).map_err(|error| {
            Error::config(format!(
                "the saved state does not fit this version of the transform `{}`: {error}",
                T::NAME
            ))
        })?;
        self.transform.restore(state)
    }
}
