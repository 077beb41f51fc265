//! The one place where a session gets all of this.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::optimizer::{Analyzer, Optimizer};
use datafusion::prelude::SessionConfig;

use crate::lazy::{Guarding, RiskyLast};
use crate::planner::Operators;
use crate::rules::Checked;
use crate::same::Same;
use crate::type_names::SqlTypes;
use crate::{
    captures, correlation, extremes, guard, in_lists, items, lists, nested, optimizer, ordered,
    patterns, quantiles, rounding, subqueries, time, totals, unify,
};

/// What a function may make of a batch of rows, in bytes.
const AT_ONCE: u64 = 256 << 20;

/// Settings that go with [`install`].
#[must_use]
pub fn configure(mut config: SessionConfig) -> SessionConfig {
    // 0.1 + 0.2 is 0.3.
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    // The smallest and largest values that are known until then let files pass over rows that another aggregate needs: of
    // `min(a), max(b + 1)`, and of one whose FILTER has found no row yet. https://github.com/apache/datafusion/issues/24816 and
    // https://github.com/apache/datafusion/issues/25147
    config
        .options_mut()
        .optimizer
        .enable_aggregate_dynamic_filter_pushdown = false;
    // It compares what is nullable, which operators see in other ways than plans do, and refuses plans that are right.
    config
        .options_mut()
        .execution
        .skip_physical_aggregate_schema_check = true;
    config
}

/// A plan as its readers see it: dates that meet timestamps become timestamps of microseconds, decimals that meet floats become floats.
pub fn planned(plan: LogicalPlan) -> Result<LogicalPlan> {
    subqueries::exact(unify::unified(plan)?)
}

/// Makes a session compute as PostgreSQL does. `memory` is the run's memory in bytes if it has a limit: a function may use a quarter of it
/// for a batch, or 256 MiB. The builder must have its features; [`prepare`](crate::prepare) and
/// [`planned`](crate::planned) do the rest, one before and one after a statement is planned.
#[must_use]
pub fn install(mut builder: SessionStateBuilder, memory: Option<usize>) -> SessionStateBuilder {
    let at_once = memory.map_or(AT_ONCE, |memory| AT_ONCE.min(memory as u64 / 4));
    builder
        .expr_planners()
        .get_or_insert_default()
        .insert(0, Arc::new(Operators));
    // The last function of a name is the one that counts.
    let functions = builder.scalar_functions().get_or_insert_default();
    // It cuts what is before 1970 to the wrong second.
    functions.retain(|function| function.name() != "to_unixtime");
    let list_totals = totals::lists(functions);
    let best = nested::functions(functions);
    functions.extend(time::functions());
    functions.extend(guard::functions(at_once));
    functions.extend(time::series(at_once));
    functions.extend(list_totals);
    functions.extend(best);
    functions.extend(items::functions());
    functions.extend(lists::functions());
    functions.extend(rounding::functions());
    functions.push(captures::function());
    functions.push(Arc::new(ScalarUDF::from(Same::Named)));
    functions.push(Arc::new(patterns::like_escape()));
    let aggregates = builder.aggregate_functions().get_or_insert_default();
    aggregates.extend(totals::functions());
    aggregates.extend(extremes::functions());
    aggregates.extend(quantiles::functions());
    aggregates.extend(ordered::functions());
    aggregates.push(correlation::function());
    let mut rules = Analyzer::new().rules;
    rules.push(Arc::new(Checked));
    let optimizer = Optimizer::new().rules.into_iter();
    let mut optimizer: Vec<_> = optimizer.map(in_lists::seen).collect();
    let common = optimizer
        .iter()
        .position(|rule| rule.name() == "common_sub_expression_eliminate");
    optimizer.insert(common.unwrap_or(optimizer.len()), Arc::new(RiskyLast));
    let planner = builder.query_planner().take();
    builder
        .with_type_planner(Arc::new(SqlTypes))
        .with_analyzer_rules(rules)
        .with_optimizer_rules(optimizer)
        .with_physical_optimizer_rules(optimizer::rules())
        .with_query_planner(Arc::new(Guarding(planner)))
}
