//! What a transform step is: the plugin's transform, its input's keys and order, and what becomes of rejected rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use parking_lot::Mutex;
use transom_plugin::OpenedTransform;

use super::state::StateStore;
use crate::error::RowOf;
use crate::pool::InstancePool;

/// A transform step as a pipeline says it.
#[derive(Debug, Clone)]
pub struct TransformStep {
    /// Name of the step.
    pub name: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Name of the transform in the plugin.
    pub transform: String,
    /// Columns that make up a key: rows of one key reach the same instance, one after another.
    pub partition_by: Vec<String>,
    /// Order of the rows of a key.
    pub order_by: Vec<OrderBy>,
    /// Options, a JSON object.
    pub options: String,
    /// What becomes of rows that the transform rejects.
    pub on_reject: OnReject,
    /// Rows that may be rejected; one more ends the run.
    pub max_rejects: Option<u64>,
    /// Whether the input, if it is a source that knows where its rows are from, is read with columns that say it. Only dead letters get to
    /// see them.
    pub with_origin: bool,
}

/// One column of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// Name of the column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
    /// NULLs before values.
    pub nulls_first: bool,
}

/// What becomes of rejected rows.
#[derive(Debug, Clone)]
pub enum OnReject {
    /// The run fails at the first.
    Fail,
    /// They are counted and forgotten.
    Drop,
    /// They are kept with their reason.
    DeadLetter(Arc<dyn DeadLetters>),
}

/// Where rejected rows go.
pub trait DeadLetters: Send + Sync + std::fmt::Debug {
    /// Takes rows; called from the plan's threads, so it may block for as long as writing takes.
    fn put(&self, rejected: RejectedRows) -> Result<()>;
}

/// Rows that a transform did not take.
#[derive(Debug)]
pub struct RejectedRows {
    /// Name of the step.
    pub step: String,
    /// Name of the plugin as it calls itself.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The rows as they came in.
    pub rows: RecordBatch,
    /// The columns that the source has beside the input's ([`TransformStep::with_origin`]).
    pub origin: Option<RecordBatch>,
    /// The partition of the plan, from 0.
    pub partition: usize,
    /// The number of each row among those that the transform was given of this partition, from 0.
    pub numbers: Vec<u64>,
    /// A reason for each row.
    pub reasons: Vec<String>,
}

/// A step that has been opened against the schema of its input.
#[derive(Debug)]
pub(crate) struct TransformSpec {
    pub(crate) step: TransformStep,
    pub(crate) pool: Arc<InstancePool>,
    /// Schema of the input before any pruning; the indices in `opened` count its columns.
    pub(crate) input: SchemaRef,
    /// The same with the types in which the guest takes the columns.
    pub(crate) offered: SchemaRef,
    pub(crate) opened: OpenedTransform,
    pub(crate) stateful: bool,
    /// Where its state lies from slice to slice; without it, an execution begins with no state and ends with the input.
    pub(crate) state: Mutex<Option<Arc<dyn StateStore>>>,
    /// It moves to a new instance after each of its first batches, which are small.
    pub(crate) moves: bool,
}

impl TransformSpec {
    pub(crate) fn row_of(&self) -> RowOf {
        RowOf::Input {
            step: self.step.name.clone(),
        }
    }

    pub(crate) fn what(&self) -> String {
        let TransformStep {
            name,
            plugin,
            transform,
            ..
        } = &self.step;
        format!("step `{name}` (transform `{plugin}.{transform}`)")
    }
}
