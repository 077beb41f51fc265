//! What a transform says when it is opened: the columns it reads, and those of its output.

use crate::Error;
use arrow_schema::{DataType, Field, Schema};

/// An input column, by name or by its place from 0 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By name; the first one of that name.
    Name(String),
    /// By place.
    Index(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<&String> for Column {
    fn from(name: &String) -> Self {
        Self::Name(name.clone())
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Column {
    fn resolve(&self, input: &Schema) -> Result<usize, Error> {
        match self {
            Self::Name(name) => input
                .fields()
                .iter()
                .position(|field| field.name() == name)
                .ok_or_else(|| no_such_column(name, input)),
            Self::Index(index) if *index < input.fields().len() => Ok(*index),
            Self::Index(index) => Err(Error::config(format!(
                "the input has {} columns, none at place {index}",
                input.fields().len()
            ))),
        }
    }
}

/// The error for a column that is not there, with those that are.
pub(super) fn no_such_column(name: &str, input: &Schema) -> Error {
    let names: Vec<String> = input
        .fields()
        .iter()
        .map(|field| format!("`{}`", field.name()))
        .collect();
    Error::config(format!(
        "there is no column `{name}`; the columns are {}",
        names.join(", ")
    ))
}

#[derive(Debug, Clone)]
enum Piece {
    Passes(Column),
    PassesAll,
    Computes(Field),
}

/// A transform that is ready for batches, with the columns it reads and those of its output, in the order of the calls.
///
/// A column that is passed and not read never leaves the host: pass what you do not need to see.
///
/// ```
/// # use transom_sdk::prelude::*;
/// # struct Visits;
/// # let visits = Visits;
/// Opened::new(visits)
///     .reads(["tailnum", "dep_time"])
///     .passes_all()
///     .computes(Field::new("visit", DataType::Int64, false))
/// # ;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Opened<T> {
    transform: T,
    reads_all: bool,
    reads: Vec<(Column, Option<DataType>)>,
    output: Vec<Piece>,
}

impl<T> Opened<T> {
    /// Reads and makes nothing yet.
    pub fn new(transform: T) -> Self {
        Self {
            transform,
            reads_all: false,
            reads: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads these input columns, by name or place; batches hold them in this order.
    pub fn reads<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(|column| (column.into(), None));
        self.reads.extend(columns);
        self
    }

    /// Reads an input column as values of a type. The host casts to it where no value is lost; a column of any other type is a mistake in
    /// the pipeline, which is found before data is read.
    ///
    /// ```
    /// # use transom_sdk::prelude::*;
    /// # struct Visits;
    /// # let visits = Visits;
    /// Opened::new(visits).reads_as("dep_delay", DataType::Int64)
    /// # ;
    /// ```
    pub fn reads_as(mut self, column: impl Into<Column>, data_type: DataType) -> Self {
        self.reads.push((column.into(), Some(data_type)));
        self
    }

    /// Reads every input column, in the order of the input.
    pub fn reads_all(mut self) -> Self {
        self.reads_all = true;
        self
    }

    /// Carries an input column over to the output.
    pub fn passes(mut self, column: impl Into<Column>) -> Self {
        self.output.push(Piece::Passes(column.into()));
        self
    }

    /// Carries every input column over to the output.
    pub fn passes_all(mut self) -> Self {
        self.output.push(Piece::PassesAll);
        self
    }

    /// Adds a column that the transform makes. `Output` takes the arrays in the order of these calls.
    pub fn computes(mut self, field: Field) -> Self {
        self.output.push(Piece::Computes(field));
        self
    }

    /// Finds the columns in the input.
    pub(super) fn resolve(self, input: &Schema) -> Result<(T, Layout), Error> {
        let reads = if self.reads_all {
            (0..input.fields().len()).collect()
        } else {
            self.reads
                .iter()
                .map(|(column, wanted)| {
                    let index = column.resolve(input)?;
                    let field = input.field(index);
                    match wanted {
                        Some(wanted) if field.data_type() != wanted => Err(Error::config(format!(
                            "the column `{}` is of type {}, not {wanted}",
                            field.name(),
                            field.data_type()
                        ))
                        .column(field.name().as_str())),
                        _ => Ok(index),
                    }
                })
                .collect::<Result<_, _>>()?
        };
        let mut output = Vec::new();
        for piece in self.output {
            match piece {
                Piece::Passes(column) => output.push(OutputColumn::Input(column.resolve(input)?)),
                Piece::PassesAll => {
                    output.extend((0..input.fields().len()).map(OutputColumn::Input))
                }
                Piece::Computes(field) => output.push(OutputColumn::Computed(field)),
            }
        }
        Ok((self.transform, Layout { reads, output }))
    }
}

/// The columns of an opened transform, by place in the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Columns that are read, in the order of the batches' columns.
    pub reads: Vec<usize>,
    /// Columns of the output.
    pub output: Vec<OutputColumn>,
}

/// A column of the output.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputColumn {
    /// Made by the transform.
    Computed(Field),
    /// Carried over.
    Input(usize),
}
