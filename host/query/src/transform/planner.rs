//! From the logical node to the operator.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::exec::TransformExec;
use super::node::TransformNode;

/// DataFusion's planner, which also knows transforms.
#[derive(Debug)]
pub(crate) struct TransformQueryPlanner;

#[async_trait]
impl QueryPlanner for TransformQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(TransformPlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}

struct TransformPlanner;

#[async_trait]
impl ExtensionPlanner for TransformPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<TransformNode>() else {
            return Ok(None);
        };
        let exec = TransformExec::try_new(
            Arc::clone(&node.spec),
            Arc::clone(&physical_inputs[0]),
            node.input_columns(),
            node.keep.clone(),
        )?;
        Ok(Some(Arc::new(exec)))
    }
}
