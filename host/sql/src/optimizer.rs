//! DataFusion's rules for physical plans, kept from parts of a plan in which they lose rows.
//!
//! - Filters that move towards files find their columns by name. Below a join whose sides have a column of the same name, a filter or
//!   the threshold of `ORDER BY .. LIMIT` reached the wrong one (<https://github.com/apache/datafusion/pull/25259>).
//! - A projection that moves below a sort-merge join leaves the condition of the join at columns that are elsewhere then
//!   (<https://github.com/apache/datafusion/issues/24414>).

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execution_plan::{
    ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};

type Plan = Arc<dyn ExecutionPlan>;
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rules of a session.
pub(crate) fn rules() -> Vec<Rule> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    rules
        .map(|rule| match rule.name() {
            name if name.starts_with("FilterPushdown") => Arc::new(ByName(rule)) as Rule,
            "ProjectionPushdown" => Arc::new(AboveJoins(rule)),
            _ => rule,
        })
        .collect()
}

/// A rule that finds columns by name sees only parts of a plan in which names are unique.
#[derive(Debug)]
struct ByName(Rule);

impl PhysicalOptimizerRule for ByName {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        if has_unique_names(&plan)? {
            return self.0.optimize(plan, config);
        }
        let children = plan.children().into_iter().map(Arc::clone);
        let children = children
            .map(|child| self.optimize(child, config))
            .collect::<Result<Vec<_>>>()?;
        replace_children_if_necessary(plan, children)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Whether no operator of a plan has two columns of one name.
fn has_unique_names(plan: &Plan) -> Result<bool> {
    let mut is_unique = true;
    plan.apply(|node| {
        let schema = node.schema();
        let mut names = HashSet::new();
        let mut fields = schema.fields().iter();
        is_unique = fields.all(|field| names.insert(field.name()));
        Ok(match is_unique {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(is_unique)
}

/// A rule that moves projections leaves them above sort-merge joins with a condition.
#[derive(Debug)]
struct AboveJoins(Rule);

impl PhysicalOptimizerRule for AboveJoins {
    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        let fenced = plan.transform_up(|node| {
            let join = node.downcast_ref::<SortMergeJoinExec>();
            Ok(match join.is_some_and(|join| join.filter().is_some()) {
                true => Transformed::yes(Arc::new(Fence(node)) as Plan),
                false => Transformed::no(node),
            })
        })?;
        let optimized = self.0.optimize(fenced.data, config)?;
        optimized
            .transform_up(|node| {
                Ok(match node.downcast_ref::<Fence>() {
                    Some(Fence(join)) => Transformed::yes(Arc::clone(join)),
                    None => Transformed::no(node),
                })
            })
            .data()
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// What no projection passes; it is in a plan only while a rule runs.
#[derive(Debug)]
struct Fence(Plan);

impl DisplayAs for Fence {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
}

impl ExecutionPlan for Fence {
    fn name(&self) -> &'static str {
        "Fence"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Plan> {
        vec![&self.0]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Plan>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Plan> {
        match (children.pop(), children.len()) {
            (Some(child), 0) => Ok(Arc::new(Self(child))),
            _ => internal_err!("a fence has one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Plan>) -> Result<Plan> {
        match (children.pop(), children.len()) {
            (Some(child), 0) => Ok(Arc::new(Self(child))),
            _ => internal_err!("a fence has one input"),
        }
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        internal_err!("a fence is no operator")
    }
}
