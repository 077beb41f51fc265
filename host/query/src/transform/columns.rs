//! The columns of a transform that was opened for an input: those that it reads, and those that it gives.

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use transom_plugin::OutputColumn;

use super::node::transform_of;

/// The columns of a transform step.
#[derive(Debug, Clone)]
pub struct TransformColumns {
    /// All columns of the input, those that it reads in the types in which it takes them.
    pub input: SchemaRef,
    /// The columns that it reads.
    pub reads: Vec<FieldRef>,
    /// The columns that it makes.
    pub computes: Vec<FieldRef>,
    /// The columns that are carried over.
    pub passes: Vec<FieldRef>,
}

impl TransformColumns {
    /// Those of a plan whose last operator is a transform; none of other plans.
    #[must_use]
    pub fn of(plan: &LogicalPlan) -> Option<Self> {
        let spec = &transform_of(plan)?.spec;
        let fields = spec.opened.schema.fields().iter();
        let output = fields.zip(&spec.opened.output);
        let (computes, passes): (Vec<_>, Vec<_>) =
            output.partition(|(_, column)| matches!(column, OutputColumn::Computed(_)));
        let field = |(field, _): (&FieldRef, &OutputColumn)| FieldRef::clone(field);
        let reads = spec.opened.reads.iter();
        Some(Self {
            reads: reads
                .map(|&index| FieldRef::clone(&spec.offered.fields()[index]))
                .collect(),
            input: SchemaRef::clone(&spec.offered),
            computes: computes.into_iter().map(field).collect(),
            passes: passes.into_iter().map(field).collect(),
        })
    }
}
