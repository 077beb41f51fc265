//! Puts a transform's output together: the columns that the guest computed and those that are carried over.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow_schema::SchemaRef;

use super::carried::bytes_of;
use super::fault::invalid;
use super::opened::{OpenedTransform, OutputColumn, Rejected, TransformOutcome};
use crate::batch::lift::lift;
use crate::bindings::{scalar, table};
use crate::error::{Error, Result};
use crate::limits::Exceeded;
use crate::plugin::Plugin;
use crate::text::{counted, cut};

/// A batch of input for a transform: the columns of the schema it was opened with, some of them perhaps pruned.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    columns: &'a [Option<ArrayRef>],
    /// What the guest reads in place of `columns`, where it was offered other types.
    reads: &'a [Option<ArrayRef>],
    pub(super) rows: usize,
    keep: &'a [usize],
    schema: &'a SchemaRef,
}

impl<'a> Input<'a> {
    /// `columns` by index of the input's schema (`None` = pruned), `keep` the output columns wanted and `schema` theirs.
    pub fn new(
        columns: &'a [Option<ArrayRef>],
        rows: usize,
        keep: &'a [usize],
        schema: &'a SchemaRef,
    ) -> Self {
        Self {
            columns,
            reads: &[],
            rows,
            keep,
            schema,
        }
    }

    /// `reads`, by index of the input's schema, are what the guest reads in place of these columns; `None` where that is the column itself.
    #[must_use]
    pub fn with_reads(self, reads: &'a [Option<ArrayRef>]) -> Self {
        Self { reads, ..self }
    }

    pub(super) fn read(&self, index: usize) -> Option<&'a ArrayRef> {
        let read = self.reads.get(index).and_then(Option::as_ref);
        read.or_else(|| self.column(index))
    }

    pub(super) fn column(&self, index: usize) -> Option<&'a ArrayRef> {
        self.columns.get(index).and_then(Option::as_ref)
    }
}

pub(super) fn rejects(
    wire: Vec<scalar::Rejected>,
    rows: usize,
    plugin: &Plugin,
) -> Result<Vec<Rejected>> {
    let mut seen = vec![false; if wire.is_empty() { 0 } else { rows }];
    wire.into_iter()
        .map(|rejected| {
            let row = rejected.row;
            let twice = seen
                .get_mut(row as usize)
                .map(|seen| std::mem::replace(seen, true));
            match twice {
                Some(false) => Ok(Rejected {
                    row,
                    reason: cut(&rejected.reason, plugin.limits.text),
                }),
                Some(true) => Err(invalid(plugin, format!("it rejects row {row} twice"))),
                None => Err(invalid(
                    plugin,
                    format!("it rejects row {row} of a batch of {rows}"),
                )),
            }
        })
        .collect()
}

/// Puts the computed columns and those carried over together.
pub(super) fn assemble(
    outcome: table::Outcome,
    transform: &OpenedTransform,
    input: Option<&Input<'_>>,
    plugin: &Plugin,
) -> Result<TransformOutcome> {
    let table::Outcome {
        parts,
        rejected,
        more,
    } = outcome;
    // Rows cost the guest nothing where all its columns are carried over, so the bytes it returns do not bound them.
    let rows: usize = parts.iter().map(|part| part.batch.rows as usize).sum();
    if rows > plugin.limits.rows {
        return Err(Error::Limit {
            plugin: plugin.name.clone(),
            exceeded: Exceeded::Rows {
                allowed: plugin.limits.rows,
                returned: rows,
            },
        });
    }
    let rejected = rejects(rejected, input.map_or(0, |input| input.rows), plugin)?;
    let mut carried = Carried {
        left: plugin.limits.output,
        rows: plugin.limits.rows,
    };
    let batches = parts
        .into_iter()
        .map(|part| {
            assemble_part(part, transform, input, &mut carried).map_err(|problem| match problem {
                Problem::Invalid(reason) => invalid(plugin, reason),
                Problem::TooMuch => Error::Limit {
                    plugin: plugin.name.clone(),
                    exceeded: Exceeded::Output(plugin.limits.output),
                },
            })
        })
        .collect::<Result<_>>()?;
    Ok(TransformOutcome {
        batches,
        rejected,
        more,
    })
}

/// What is left of the limits on what one call hands over.
struct Carried {
    /// Bytes that the host may copy for it.
    left: usize,
    rows: usize,
}

/// What is wrong with a part.
enum Problem {
    Invalid(String),
    /// So many bytes would be copied.
    TooMuch,
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

fn assemble_part(
    part: table::Part,
    transform: &OpenedTransform,
    input: Option<&Input<'_>>,
    carried: &mut Carried,
) -> Result<RecordBatch, Problem> {
    let table::Part { batch, source_rows } = part;
    let rows = batch.rows as usize;
    let computed = lift(batch, &transform.computed, carried.rows)?;
    let all: Vec<usize>;
    let (keep, schema) = match input {
        Some(input) => (input.keep, input.schema),
        None => {
            all = (0..transform.output.len()).collect();
            (all.as_slice(), &transform.schema)
        }
    };
    // Asked of all columns, not only of those kept: whether a guest does right must not depend on who reads it.
    let carries_over = transform
        .output
        .iter()
        .any(|column| matches!(column, OutputColumn::Input(_)));
    let source = match (source_rows, input) {
        (_, None) if carries_over && rows > 0 => {
            let reason = "rows with columns carried over, but there is no current input";
            return Err(Problem::Invalid(reason.to_owned()));
        }
        (None, Some(input)) if carries_over && rows != input.rows => {
            let of = input.rows;
            return Err(format!("{rows} rows one to one with {of} rows of input").into());
        }
        (Some(bytes), Some(input)) => Some(source_rows_of(&bytes, rows, input.rows)?),
        (_, _) => None,
    };
    let columns = keep
        .iter()
        .map(|&column| match (transform.output[column], input) {
            (OutputColumn::Computed(index), _) => Ok(Arc::clone(&computed[index])),
            (OutputColumn::Input(index), Some(input)) => {
                let column = input
                    .column(index)
                    .ok_or_else(|| format!("input column {index} was not given"))?;
                match &source {
                    Some(source) => {
                        // A long text, named by many rows, is copied for each of them.
                        let bytes = bytes_of(column.as_ref(), source.values());
                        carried.left = carried.left.checked_sub(bytes).ok_or(Problem::TooMuch)?;
                        Ok(take(column, source, None).map_err(|error| error.to_string())?)
                    }
                    None => Ok(Arc::clone(column)),
                }
            }
            // No rows, as checked above.
            (OutputColumn::Input(_), None) => Ok(arrow::array::new_empty_array(
                transform.schema.field(column).data_type(),
            )),
        })
        .collect::<Result<Vec<ArrayRef>, Problem>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Problem::Invalid(error.to_string()))
}

fn source_rows_of(bytes: &[u8], rows: usize, input_rows: usize) -> Result<UInt32Array, String> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if numbers.len() != rows || !rest.is_empty() {
        return Err(format!(
            "source rows of {} for {}",
            counted(bytes.len(), "byte"),
            counted(rows, "row")
        ));
    }
    let numbers: Vec<u32> = numbers
        .iter()
        .map(|&number| u32::from_le_bytes(number))
        .collect();
    match numbers
        .iter()
        .find(|&&number| number as usize >= input_rows)
    {
        Some(number) => Err(format!("source row {number} of a batch of {input_rows}")),
        None => Ok(numbers.into()),
    }
}
