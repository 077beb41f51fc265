//! A part of a pipeline: some of its tables and what they need, with other tables in place of its sources.
//!
//! What computes one step (a test, a preview) reads and plans nothing else: a mistake in a step that was not asked for is not its
//! concern, and a source that is not read need not be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Result as QueryResult, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::LogicalPlanBuilder;
use transom_connect::Inputs;
use transom_query::Session;

use super::messages::sql_problem;
use crate::plugins::Looked;
use transom_file::{CheckKind, OnReject, Pipeline, Problem, StepKind};

/// What is planned of a pipeline. The default is all of it.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Sources and steps that the caller reads; `None` for the sinks and all steps.
    pub tables: Option<Vec<String>>,
    /// Of the sinks, those of these names; `None` for all.
    pub sinks: Option<Vec<String>>,
    /// Tables that stand in place of the sources and steps of these names.
    pub given: BTreeMap<String, Arc<dyn TableProvider>>,
    /// Pieces of sources that were listed already, by the sources' names.
    pub inputs: BTreeMap<String, Inputs>,
    /// Rows that are read of each source at most; `None` for all.
    pub source_rows: Option<usize>,
    /// Keep the rows that steps in `tables` reject, also where the pipeline drops them.
    pub keep_rejected: bool,
}

impl Part {
    /// The part that computes `table`.
    #[must_use]
    pub fn of(table: &str) -> Self {
        Self {
            tables: Some(vec![table.to_owned()]),
            ..Self::default()
        }
    }

    /// Whether the caller reads `table`.
    pub(super) fn wants(&self, table: &str) -> bool {
        let tables = self.tables.as_deref().unwrap_or_default();
        tables.iter().any(|wanted| wanted == table)
    }

    /// The sources and steps of this part: those that are wanted and, unless they are given, all that they read.
    pub(super) fn needs<'r>(&'r self, reads: &'r Reads) -> BTreeSet<&'r str> {
        let mut open: Vec<&str> = match (&self.tables, &self.sinks) {
            (Some(tables), _) => tables.iter().map(String::as_str).collect(),
            (None, None) => return reads.tables.iter().map(String::as_str).collect(),
            (None, Some(_)) => {
                let sinks = reads.sinks.iter().filter(|(sink, _)| self.writes(sink));
                sinks.map(|(_, from)| from.as_str()).collect()
            }
        };
        let mut needed = BTreeSet::new();
        while let Some(table) = open.pop() {
            if needed.insert(table) && !self.given.contains_key(table) {
                open.extend(reads.by(table));
                // Who computes single tables publishes nothing and checks nothing.
                if self.tables.is_none() {
                    open.extend(reads.by_checks_of(table));
                }
            }
        }
        needed
    }

    /// Whether the sink is one of this part.
    pub(super) fn writes(&self, sink: &str) -> bool {
        let chosen = self.sinks.as_ref();
        self.tables.is_none() && chosen.is_none_or(|chosen| chosen.iter().any(|name| name == sink))
    }

    /// The problem of a source that is needed and not given.
    pub(super) fn not_given(&self, source: &str) -> Problem {
        let tables = self.tables.as_deref().unwrap_or_default();
        let message = format!(
            "`{}` needs the source `{source}`, which is not given",
            tables.join("`, `")
        );
        Problem::new(message).with_hint(format!(
            "add `{source}` below `given`; `{source}: []` is a table without rows"
        ))
    }

    pub(super) fn keeps_rejected(
        &self,
        step: &str,
        transform: &transom_file::TransformStep,
    ) -> bool {
        match transform.on_reject {
            OnReject::DeadLetter => true,
            OnReject::Drop => self.keep_rejected && self.wants(step),
            OnReject::Fail => false,
        }
    }

    /// The table of a source, cut to the rows that are wanted of it.
    pub(super) fn limited(
        &self,
        table: Arc<dyn TableProvider>,
    ) -> QueryResult<Arc<dyn TableProvider>> {
        let Some(rows) = self.source_rows else {
            return Ok(table);
        };
        // A plan instead of a scan with a limit: the optimizer must not move a filter below it. No step has this name.
        let name = TableReference::bare("first rows");
        let first = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?
            .limit(0, Some(rows))?
            .build()?;
        Ok(Arc::new(ViewTable::new(first, None)))
    }
}

/// Which table each step reads, as its query or its `input` says.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// All sources and steps.
    tables: Vec<String>,
    /// A step and a table that it reads, each pair once.
    pub(super) edges: Vec<(String, String)>,
    /// A table and another that its checks look into.
    checks: Vec<(String, String)>,
    /// A sink and the table that it writes.
    sinks: Vec<(String, String)>,
    /// Steps whose query does not parse.
    pub(super) unparsed: Vec<(String, Problem)>,
}

impl Reads {
    pub(super) fn of(pipeline: &Pipeline, session: &Session) -> Self {
        let sources = pipeline.sources.iter().map(|source| &source.name.value);
        let steps = pipeline.steps.iter().map(|step| &step.name.value);
        let mut reads = Self {
            tables: sources.chain(steps).cloned().collect(),
            ..Self::default()
        };
        for step in &pipeline.steps {
            let name = &step.name.value;
            match &step.kind {
                StepKind::Transform(transform) => {
                    let input = transform.input.value.clone();
                    reads.edges.push((name.clone(), input));
                }
                StepKind::Sql(sql) => match session.tables_of(&sql.text) {
                    Ok(tables) => {
                        let edges = tables.into_iter().map(|table| (name.clone(), table));
                        reads.edges.extend(edges);
                    }
                    Err(error) => {
                        let problem = sql_problem(pipeline, &Looked::default(), sql, &error);
                        reads.unparsed.push((name.clone(), problem));
                    }
                },
            }
        }
        for (table, check) in pipeline.checks() {
            let others = match &check.kind {
                CheckKind::Relationships { to, .. } => vec![to.value.clone()],
                CheckKind::Sql(sql) => session.tables_of(&sql.text).unwrap_or_default(),
                _ => vec![],
            };
            let others = others.into_iter().map(|other| (table.value.clone(), other));
            reads.checks.extend(others);
        }
        let sinks = pipeline.sinks.iter();
        reads.sinks = sinks
            .map(|sink| (sink.name.value.clone(), sink.from.value.clone()))
            .collect();
        reads
    }

    /// The tables that the checks of `table` look into.
    fn by_checks_of<'r>(&'r self, table: &str) -> impl Iterator<Item = &'r str> {
        let checks = self.checks.iter();
        checks
            .filter(move |(checked, _)| *checked == table)
            .map(|(_, other)| other.as_str())
    }

    /// The tables that `step` reads.
    pub(super) fn by<'r>(&'r self, step: &str) -> impl Iterator<Item = &'r str> {
        let edges = self.edges.iter();
        edges
            .filter(move |(reader, _)| *reader == step)
            .map(|(_, table)| table.as_str())
    }
}
