//! Runs transforms natively in unit tests, as the host would: through the same calls, without Wasm.

use crate::Error;
use crate::transform::{
    End, Layout, Outcome, OutputColumn, Part, Source, Table, Transform, TransformEntry,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, make_array, new_empty_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::{Field, Schema, SchemaRef};
use std::sync::Arc;

/// A row that a transform left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Number of the batch, from 0 on.
    pub batch: usize,
    /// Row of that batch, from 0 on.
    pub row: usize,
    /// Why.
    pub reason: String,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The output, columns that were passed on among them, one batch for each `emit`.
    pub batches: Vec<RecordBatch>,
    /// Rows left out.
    pub rejected: Vec<Rejected>,
    /// The saved state as JSON; None for a transform without.
    pub state: Option<String>,
}

/// Runs a transform over batches to the end of the input.
///
/// `options` is a JSON object, as in the pipeline file. All batches have the same schema.
///
/// # Errors
///
/// The transform's; config when there is no batch, hence no schema, or the batches differ.
pub fn run_transform<T: Transform>(options: &str, batches: Vec<RecordBatch>) -> Result<Ran, Error> {
    run::<T>(options, None, batches, End::Input)
}

/// Runs a transform over one slice, from the state that an earlier run saved.
///
/// # Errors
///
/// As [`run_transform`]; config when the state is not this transform's.
pub fn run_slice<T: Transform>(
    options: &str,
    state: Option<&str>,
    batches: Vec<RecordBatch>,
) -> Result<Ran, Error> {
    run::<T>(options, state, batches, End::Slice)
}

fn run<T: Transform>(
    options: &str,
    state: Option<&str>,
    batches: Vec<RecordBatch>,
    end: End,
) -> Result<Ran, Error> {
    let schema = batches
        .first()
        .map(RecordBatch::schema)
        .ok_or_else(|| Error::config("a run needs at least one batch, which may be empty"))?;
    let entry = TransformEntry::of::<T>();
    let (mut table, layout) = (entry.open)(&schema, options)?;
    if let Some(state) = state {
        table.restore(state.as_bytes())?;
    }
    let mut collected = Collected {
        schema: output_schema(&schema, &layout),
        layout,
        batches: Vec::new(),
        rejected: Vec::new(),
    };
    for (number, batch) in batches.iter().enumerate() {
        if batch.schema() != schema {
            return Err(Error::config(format!(
                "batch {number} has another schema than the first"
            )));
        }
        let read = batch.project(&collected.layout.reads)?;
        let mut outcome = table.process(&read)?;
        while collected.take(outcome, Some((number, batch)))? {
            outcome = table.pull()?;
        }
    }
    let outcome = table.finish(end)?;
    if collected.take(outcome, None)? {
        pull_rest(table.as_mut(), &mut collected)?;
    }
    let state = if (entry.stateful)() {
        let saved = table.save()?;
        Some(String::from_utf8(saved)?)
    } else {
        None
    };
    Ok(Ran {
        batches: collected.batches,
        rejected: collected.rejected,
        state,
    })
}

fn pull_rest(table: &mut dyn Table, collected: &mut Collected) -> Result<(), Error> {
    loop {
        let outcome = table.pull()?;
        if !collected.take(outcome, None)? {
            return Ok(());
        }
    }
}

fn output_schema(input: &Schema, layout: &Layout) -> SchemaRef {
    let fields = layout.output.iter().map(|column| match column {
        OutputColumn::Computed(field) => field.clone(),
        OutputColumn::Input(index) => input.field(*index).clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
}

/// Does what the host does with an outcome.
struct Collected {
    schema: SchemaRef,
    layout: Layout,
    batches: Vec<RecordBatch>,
    rejected: Vec<Rejected>,
}

impl Collected {
    /// Takes an outcome; true when there is more.
    fn take(
        &mut self,
        outcome: Outcome,
        input: Option<(usize, &RecordBatch)>,
    ) -> Result<bool, Error> {
        for part in outcome.parts {
            let batch = self.assemble(part, input.map(|(_, batch)| batch))?;
            self.batches.push(batch);
        }
        if let Some((batch, _)) = input {
            self.rejected
                .extend(outcome.rejected.into_iter().map(|(row, reason)| Rejected {
                    batch,
                    row: row as usize,
                    reason,
                }));
        }
        Ok(outcome.more)
    }

    fn assemble(&self, part: Part, input: Option<&RecordBatch>) -> Result<RecordBatch, Error> {
        let mut computed = part.columns.into_iter();
        let mut columns = Vec::with_capacity(self.layout.output.len());
        for (column, field) in self.layout.output.iter().zip(self.schema.fields()) {
            let column = match (column, input) {
                (OutputColumn::Computed(_), _) => computed.next(),
                (OutputColumn::Input(index), Some(input)) => {
                    Some(carry(input.column(*index), &part.source)?)
                }
                // At the end nothing can be carried over; `Output` has refused rows that would need it.
                (OutputColumn::Input(_), None) => Some(new_empty_array(field.data_type())),
            };
            columns.extend(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(part.rows));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            columns,
            &options,
        )?)
    }
}

/// An input column along the source rows.
fn carry(column: &ArrayRef, source: &Source) -> Result<ArrayRef, Error> {
    let Source::Rows(source_rows) = source else {
        return Ok(column.clone());
    };
    let data = column.to_data();
    let mut taken = MutableArrayData::new(vec![&data], false, source_rows.len());
    for row in source_rows {
        taken.try_extend(0, *row as usize, *row as usize + 1)?;
    }
    Ok(make_array(taken.freeze()))
}

#[cfg(test)]
mod tests;
