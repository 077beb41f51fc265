//! What opening and calling a function or a transform gives.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};

use crate::batch::format::one_field_from_wire;
use crate::bindings::table;
use crate::limits::Limits;
use crate::text::cut;

/// A function opened for arguments of certain types.
#[derive(Debug, Clone)]
pub struct OpenedFunction {
    pub(super) handle: u32,
    pub(super) name: String,
    /// The result, named after the function.
    pub output: FieldRef,
}

/// A transform opened for input of a certain schema.
#[derive(Debug, Clone)]
pub struct OpenedTransform {
    pub(super) handle: u32,
    /// Input columns that the guest reads, as indices of the input's schema.
    pub reads: Vec<usize>,
    /// Where the columns of the output come from.
    pub output: Vec<OutputColumn>,
    /// Schema of the output.
    pub schema: SchemaRef,
    pub(super) computed: Vec<FieldRef>,
    pub(super) reads_schema: SchemaRef,
}

/// Where a column of a transform's output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputColumn {
    /// The guest makes it; the number counts computed columns.
    Computed(usize),
    /// An input column carried over, as an index of the input's schema.
    Input(usize),
}

/// A row that the guest did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Row of the current input batch.
    pub row: u32,
    /// Why.
    pub reason: String,
}

/// Result of a function over one batch.
#[derive(Debug)]
pub struct FunctionOutcome {
    /// As many rows as the arguments had.
    pub column: ArrayRef,
    /// Rows whose value in `column` must not be used.
    pub rejected: Vec<Rejected>,
}

/// Result of one call of a transform.
#[derive(Debug)]
pub struct TransformOutcome {
    /// Batches of the output's schema, or of the columns that were asked for.
    pub batches: Vec<RecordBatch>,
    /// Rows of the current input that the guest did not take.
    pub rejected: Vec<Rejected>,
    /// The guest has more for the current input: [`Instance::pull`](crate::Instance::pull).
    pub more: bool,
}

/// Which end a transform has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Of a slice: state is saved after it.
    Slice,
    /// Of all input.
    Input,
}

impl OpenedTransform {
    /// Checks what a guest said when it was opened for `input`, which crosses as `border`.
    pub(super) fn from_wire(
        opened: table::Opened,
        input: &SchemaRef,
        border: &Schema,
        limits: &Limits,
    ) -> Result<Self, String> {
        let table::Opened {
            handle,
            reads,
            output,
        } = opened;
        let columns = input.fields().len();
        let known = |index: u32| match (index as usize) < columns {
            true => Ok(index as usize),
            false => Err(format!("input column {index} of {columns}")),
        };
        if reads.len() > limits.fields {
            return Err(format!(
                "it reads {} columns; allowed are {}",
                reads.len(),
                limits.fields
            ));
        }
        let reads = reads
            .into_iter()
            .map(known)
            .collect::<Result<Vec<_>, _>>()?;
        let fields_of = |column: &table::Output| match column {
            table::Output::Computed(fields) => fields.len().max(1),
            table::Output::Input(_) => 1,
        };
        let all: usize = output.iter().map(fields_of).sum();
        if all > limits.fields {
            return Err(format!(
                "output columns of {all} fields; allowed are {}",
                limits.fields
            ));
        }
        let (mut origin, mut fields, mut computed) =
            (Vec::new(), Vec::<FieldRef>::new(), Vec::new());
        for column in output {
            match column {
                table::Output::Computed(field) => {
                    let field = Arc::new(one_field_from_wire(&field, limits)?);
                    origin.push(OutputColumn::Computed(computed.len()));
                    computed.push(Arc::clone(&field));
                    fields.push(field);
                }
                table::Output::Input(index) => {
                    let index = known(index)?;
                    origin.push(OutputColumn::Input(index));
                    fields.push(Arc::clone(&input.fields()[index]));
                }
            }
        }
        let mut names = HashSet::new();
        if let Some(twice) = fields
            .iter()
            .find(|field| !names.insert(field.name().as_str()))
        {
            return Err(format!(
                "the output has two columns named `{}`",
                cut(twice.name(), 256)
            ));
        }
        if let Some(nameless) = fields.iter().position(|field| field.name().is_empty()) {
            return Err(format!("output column {nameless} has no name"));
        }
        let reads_schema = Schema::new(
            reads
                .iter()
                .map(|&index| border.field(index).clone())
                .collect::<Vec<Field>>(),
        );
        Ok(Self {
            handle,
            reads,
            output: origin,
            schema: Arc::new(Schema::new(fields)),
            computed,
            reads_schema: Arc::new(reads_schema),
        })
    }
}
