//! Where a transform puts its rows, and the rows it rejects.

use crate::Error;
use crate::error::counted;
use arrow_array::{Array, ArrayRef, UInt32Array, make_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::{Field, SchemaRef};
use std::collections::BTreeSet;
use std::fmt::Display;

use super::{Outcome, Part, Source};

/// Takes what a transform emits for the current batch.
#[derive(Debug)]
pub struct Output {
    computed: SchemaRef,
    /// Whether the output has columns that the host carries over.
    passes: bool,
    /// Rows of the current batch; None at the end, when there is none.
    rows: Option<usize>,
    parts: Vec<Part>,
    rejected: Vec<(u32, String)>,
    more: bool,
}

impl Output {
    pub(super) fn new(computed: SchemaRef, passes: bool, rows: Option<usize>) -> Self {
        Self {
            computed,
            passes,
            rows,
            parts: Vec::new(),
            rejected: Vec::new(),
            more: false,
        }
    }

    /// Emits the computed columns, in the order in which `open` named them: one row for each row of the current batch.
    ///
    /// Rows that were or will be rejected in this call are left out.
    ///
    /// # Errors
    ///
    /// Internal, when number, type or length of the columns are not as promised, or there is no current batch.
    pub fn emit(&mut self, columns: impl IntoIterator<Item = ArrayRef>) -> Result<(), Error> {
        let columns: Vec<ArrayRef> = columns.into_iter().collect();
        let input = self.current()?;
        let rows = columns.first().map_or(input, |first| first.len());
        if rows != input {
            return Err(Error::internal(format!(
                "emitted {} for a batch of {input}: a rejected row needs a value too; other rows are for `emit_rows` \
                 and `emit_new`",
                counted(rows, "row")
            )));
        }
        self.push(columns, rows, Source::OneToOne)
    }

    /// Emits any number of rows that stem from no single row of the current batch, as totals do; the only way at the end.
    ///
    /// # Errors
    ///
    /// As [`Self::emit`]; also when the output has columns that are carried over, which such rows cannot have.
    pub fn emit_new(&mut self, columns: impl IntoIterator<Item = ArrayRef>) -> Result<(), Error> {
        if self.passes {
            return Err(Error::internal(
                "columns are carried over from the current batch, so every row must have a row there",
            ));
        }
        let columns: Vec<ArrayRef> = columns.into_iter().collect();
        let rows = columns.first().map_or(0, |first| first.len());
        self.push(columns, rows, Source::None)
    }

    /// The computed columns, in the order in which they are emitted.
    pub(super) fn computed_fields(&self) -> &arrow_schema::Fields {
        self.computed.fields()
    }

    /// Rows of the current batch, which there is none of at the end.
    fn current(&self) -> Result<usize, Error> {
        let none = || Error::internal("there is no current batch at the end: use `emit_new`");
        self.rows.ok_or_else(none)
    }

    /// Emits the computed columns, each row with the row of the current batch whose columns are carried over.
    ///
    /// # Errors
    ///
    /// As [`Self::emit`]; also when a source row does not exist.
    pub fn emit_rows(
        &mut self,
        columns: impl IntoIterator<Item = ArrayRef>,
        source_rows: impl Into<SourceRows>,
    ) -> Result<(), Error> {
        let SourceRows(source_rows) = source_rows.into();
        let input = self.current()?;
        if let Some(row) = source_rows.iter().find(|row| **row as usize >= input) {
            return Err(Error::internal(format!(
                "source row {row} is not in a batch of {input} rows"
            )));
        }
        let rows = source_rows.len();
        self.push(
            columns.into_iter().collect(),
            rows,
            Source::Rows(source_rows),
        )
    }

    /// Leaves a row of the current batch out, and says why. What happens to it is the pipeline's choice (`on_reject`).
    pub fn reject(&mut self, row: usize, reason: impl Display) {
        // A batch on the wire has at most u32::MAX rows; a row beyond is refused when the call ends.
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        self.rejected.push((row, reason.to_string()));
    }

    /// Asks for a call of [`super::Transform::pull`] before the next batch: there is more output than should be held at once.
    pub fn more(&mut self) {
        self.more = true;
    }

    /// Rows of the current batch; None at the end.
    pub fn rows(&self) -> Option<usize> {
        self.rows
    }

    fn push(&mut self, columns: Vec<ArrayRef>, rows: usize, source: Source) -> Result<(), Error> {
        let fields = self.computed.fields();
        if fields.len() != columns.len() {
            return Err(Error::internal(format!(
                "emitted {} columns; `open` promised {}",
                columns.len(),
                fields.len()
            )));
        }
        for (field, column) in fields.iter().zip(&columns) {
            check(field, column, rows)?;
        }
        self.parts.push(Part {
            columns,
            rows,
            source,
        });
        Ok(())
    }

    /// All that was emitted, rejected rows taken out of what was emitted one to one.
    pub(super) fn finish(self) -> Result<Outcome, Error> {
        let input = self.rows.unwrap_or(0);
        if let Some((row, _)) = self.rejected.iter().find(|(row, _)| *row as usize >= input) {
            return Err(Error::internal(format!(
                "rejected row {row}, which is not in a batch of {input} rows"
            )));
        }
        let rejected: BTreeSet<u32> = self.rejected.iter().map(|(row, _)| *row).collect();
        let parts = self.parts.into_iter().map(|part| {
            if part.source == Source::OneToOne && !rejected.is_empty() {
                without(part, &rejected)
            } else {
                Ok(part)
            }
        });
        Ok(Outcome {
            parts: parts.collect::<Result<_, _>>()?,
            rejected: self.rejected,
            more: self.more,
        })
    }
}

fn check(field: &Field, column: &ArrayRef, rows: usize) -> Result<(), Error> {
    let name = field.name();
    if column.len() != rows {
        return Err(Error::internal(format!(
            "the column `{name}` has {}, not {rows}",
            counted(column.len(), "row")
        )));
    }
    if !column.data_type().equals_datatype(field.data_type()) {
        return Err(Error::internal(format!(
            "the column `{name}` is of type {}; `open` promised {}",
            column.data_type(),
            field.data_type()
        )));
    }
    if !field.is_nullable() && column.logical_null_count() > 0 {
        return Err(Error::internal(format!(
            "the column `{name}` contains nulls; its field in `computes` is not nullable"
        )));
    }
    Ok(())
}

/// The part without the rejected rows, each row with the row it came from.
fn without(part: Part, rejected: &BTreeSet<u32>) -> Result<Part, Error> {
    let kept: Vec<u32> = (0..part.rows as u32)
        .filter(|row| !rejected.contains(row))
        .collect();
    let columns = part.columns.into_iter().map(|column| {
        let data = column.to_data();
        let mut taken = MutableArrayData::new(vec![&data], false, kept.len());
        for run in kept.chunk_by(|row, next| row + 1 == *next) {
            taken.try_extend(0, run[0] as usize, run[0] as usize + run.len())?;
        }
        Ok(make_array(taken.freeze()))
    });
    Ok(Part {
        columns: columns.collect::<Result<_, Error>>()?,
        rows: kept.len(),
        source: Source::Rows(kept),
    })
}

/// Rows of the current batch: a `Vec<u32>` or an array without nulls.
#[derive(Debug, Clone)]
pub struct SourceRows(Vec<u32>);

impl From<Vec<u32>> for SourceRows {
    fn from(rows: Vec<u32>) -> Self {
        Self(rows)
    }
}

impl From<&[u32]> for SourceRows {
    fn from(rows: &[u32]) -> Self {
        Self(rows.to_vec())
    }
}

impl From<UInt32Array> for SourceRows {
    fn from(rows: UInt32Array) -> Self {
        let (_, values, _) = rows.into_parts();
        Self(values.to_vec())
    }
}
