//! A transform's place in the logical plan.
//!
//! The node tells the optimizer which input columns it needs: those the guest reads, those of keys and order, and those carried
//! over into columns that a later step reads. All others are pruned down to the scan.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{DFSchema, DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use transom_plugin::OutputColumn;

use super::step::{OnReject, TransformSpec};

/// A transform over the output of another plan.
#[derive(Debug, Clone)]
pub(crate) struct TransformNode {
    pub(crate) spec: Arc<TransformSpec>,
    pub(crate) input: LogicalPlan,
    /// Columns of the transform's output that this node gives, in order.
    pub(crate) keep: Vec<usize>,
    schema: DFSchemaRef,
}

/// The transform that a step's plan is, if it is one.
pub(crate) fn transform_of(plan: &LogicalPlan) -> Option<&TransformNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

impl TransformNode {
    pub(crate) fn try_new(spec: Arc<TransformSpec>, input: LogicalPlan) -> Result<Self> {
        // A column that was pruned from the input is missing from the output too; no later step reads it.
        let keep: Vec<usize> = spec
            .opened
            .output
            .iter()
            .enumerate()
            .filter(|(_, column)| match column {
                OutputColumn::Computed(_) => true,
                OutputColumn::Input(index) => position(&spec, *index, &input).is_some(),
            })
            .map(|(index, _)| index)
            .collect();
        let schema: Schema = spec.opened.schema.project(&keep)?;
        let schema = Arc::new(DFSchema::try_from(schema)?);
        Ok(Self {
            spec,
            input,
            keep,
            schema,
        })
    }

    /// For each column of the unpruned input its position in the input as it is now.
    pub(crate) fn input_columns(&self) -> Vec<Option<usize>> {
        (0..self.spec.input.fields().len())
            .map(|index| position(&self.spec, index, &self.input))
            .collect()
    }

    fn key_columns(&self) -> impl Iterator<Item = usize> {
        let step = &self.spec.step;
        let names = step
            .partition_by
            .iter()
            .chain(step.order_by.iter().map(|order| &order.column));
        names.filter_map(|name| self.spec.input.index_of(name).ok())
    }
}

fn position(spec: &TransformSpec, index: usize, input: &LogicalPlan) -> Option<usize> {
    let name = spec.input.field(index).name();
    input
        .schema()
        .fields()
        .iter()
        .position(|field| field.name() == name)
}

impl UserDefinedLogicalNodeCore for TransformNode {
    fn name(&self) -> &str {
        "Transform"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    /// A filter may not move below a transform: it would change what the guest sees of a key.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.spec.step;
        write!(f, "Transform: {}.{}", step.plugin, step.transform)?;
        if !step.partition_by.is_empty() {
            write!(f, ", partition_by=[{}]", step.partition_by.join(", "))?;
        }
        if !step.order_by.is_empty() {
            let order: Vec<&str> = step
                .order_by
                .iter()
                .map(|order| order.column.as_str())
                .collect();
            write!(f, ", order_by=[{}]", order.join(", "))?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        match (inputs.pop(), inputs.len()) {
            (Some(input), 0) => Self::try_new(Arc::clone(&self.spec), input),
            _ => plan_err!("a transform has one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        if matches!(self.spec.step.on_reject, OnReject::DeadLetter(_)) {
            // A dead letter keeps the whole row.
            return Some(vec![(0..self.input.schema().fields().len()).collect()]);
        }
        let carried = output_columns.iter().filter_map(|&column| {
            match self.spec.opened.output[*self.keep.get(column)?] {
                OutputColumn::Input(index) => Some(index),
                OutputColumn::Computed(_) => None,
            }
        });
        let needed: BTreeSet<usize> = self
            .spec
            .opened
            .reads
            .iter()
            .copied()
            .chain(self.key_columns())
            .chain(carried)
            .filter_map(|index| position(&self.spec, index, &self.input))
            .collect();
        Some(vec![needed.into_iter().collect()])
    }
}

// A node is its step over its input; steps have names of their own within a session.
impl PartialEq for TransformNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spec, &other.spec) && self.input == other.input
    }
}

impl Eq for TransformNode {}

impl Hash for TransformNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.step.name.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for TransformNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.spec.step.name.cmp(&other.spec.step.name) {
            Ordering::Equal => self.input.partial_cmp(&other.input),
            different => Some(different),
        }
    }
}
