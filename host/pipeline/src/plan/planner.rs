//! What is being planned: sources, the order of the steps, sinks.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use transom_connect::{Aws, ErrorKind, Inputs, RefusedRows, SinkLimits, Source, SourceError};
use transom_plugin::Description;
use transom_query::Session;

use super::convert::{self, file_source};
use super::messages::error_chain;
use super::part::{Part, Reads};
use super::{PlannedSink, PlannedSource, PlannedStep, Sources};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::plugins::Looked;
use crate::rejects::dead_letters::{self, DeadLetterSpool};
use transom_file::{OnReject, OrderBy, Pipeline, Problem, SinkKind, Spanned, Step};

/// A pipeline that is being planned, with the mistakes that were found.
pub(super) struct Planner<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) aws: &'a Aws,
    pub(super) looked: &'a Looked,
    pub(super) part: &'a Part,
    pub(super) sink_limits: SinkLimits,
    pub(super) problems: Vec<Problem>,
    /// Sources and steps that can be read.
    pub(super) tables: BTreeSet<String>,
    /// Sources whose columns are those of the lock file or of a test, whatever their files have by now.
    pub(super) remembered: BTreeSet<String>,
    pub(super) session: Session,
}

impl<'a> Planner<'a> {
    /// What a plugin of the pipeline offers; none of one that is not known, not even from the lock file.
    pub(super) fn described(&self, plugin: &str) -> Option<&'a Description> {
        self.looked.described(plugin)
    }

    /// Whether a plugin is declared and has to be built before its transforms can be planned.
    pub(super) fn is_unbuilt(&self, plugin: &str) -> bool {
        let mut declared = self.pipeline.plugins.iter();
        let mut loaded = self.looked.plugins.iter();
        declared.any(|declared| declared.name.value == plugin)
            && !loaded.any(|loaded| loaded.name() == plugin)
    }

    pub(super) async fn sources(
        &mut self,
        lock: Option<&Lock>,
        how: Sources,
        needed: &BTreeSet<&str>,
    ) -> Result<Vec<PlannedSource>> {
        let mut planned = Vec::new();
        for (name, table) in &self.part.given {
            self.add_table(name, Arc::clone(table))?;
            if self.pipeline.source(name).is_some() {
                self.remembered.insert(name.clone());
            }
        }
        for source in &self.pipeline.sources {
            let name = &source.name.value;
            if !needed.contains(name.as_str()) || self.part.given.contains_key(name) {
                continue;
            }
            let locked = lock.and_then(|lock| lock.schema(source));
            if locked.is_some() {
                self.remembered.insert(name.clone());
            }
            let mut files = file_source(self.pipeline, source, self.aws);
            if let Sources::Sampled(sample) = how {
                files.sample = sample;
            }
            let state = self.session.context().state();
            let (inputs, table) = match (how, locked) {
                (Sources::Open | Sources::Sampled(_), locked) => {
                    let opened = async {
                        let inputs = match self.part.inputs.get(name) {
                            Some(listed) => listed.clone(),
                            None => files.list().await?,
                        };
                        let table = files.table(&inputs, locked, &state).await?;
                        Ok::<_, SourceError>((inputs, table))
                    };
                    match opened.await {
                        Ok(opened) => opened,
                        // No mistake of the pipeline: there is nothing in its file to be changed. Nor if a file is gone that was listed.
                        Err(error)
                            if error.kind() != ErrorKind::Data || error.unlisted().is_some() =>
                        {
                            return Err(error.into());
                        }
                        Err(error) => {
                            let mut problem = self
                                .pipeline
                                .problem_at(source.path.span, error_chain(&error));
                            problem.hint = error.hint();
                            problem.in_data = true;
                            self.problems.push(problem);
                            continue;
                        }
                    }
                }
                (Sources::FromLock, Some(schema)) => {
                    let table: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(schema));
                    (Inputs::default(), table)
                }
                (Sources::Given, _) => {
                    self.problems.push(self.part.not_given(name));
                    continue;
                }
                (Sources::FromLock, None) => {
                    let message = format!(
                        "the lock file does not have source `{name}` as it is written here, so its columns are not known"
                    );
                    let problem = self.pipeline.problem_at(source.name.span, message);
                    self.problems.push(
                        problem.with_hint("run `transom lock`, which looks at the sources once"),
                    );
                    continue;
                }
            };
            let schema = table.schema();
            // A part of a pipeline is computed for its rows alone: its dead letters are not kept.
            let origin = match self.part.tables {
                None => transom_connect::with_origin(&table),
                Some(_) => None,
            };
            let table = self.part.limited(table);
            let table = table.map_err(|error| Error::of_query("limiting sources", error))?;
            let set = self.session.set_source(name, table, origin);
            set.map_err(|error| Error::of_query("registering sources", error))?;
            self.tables.insert(name.clone());
            planned.push(PlannedSource {
                source: Arc::new(files),
                unknown: source.unknown,
                inputs,
                schema,
            });
        }
        Ok(planned)
    }

    pub(super) fn add_table(&mut self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.session
            .add_table(name, table)
            .map_err(|error| Error::of_query("registering sources", error))?;
        self.tables.insert(name.to_owned());
        Ok(())
    }

    /// The needed steps in an order in which each comes after what it reads.
    pub(super) fn order(
        &mut self,
        reads: &Reads,
        needed: &BTreeSet<&str>,
    ) -> Result<Vec<&'a Step>> {
        let pipeline = self.pipeline;
        let is_needed = |name: &str| needed.contains(name) && !self.part.given.contains_key(name);
        let unparsed = reads.unparsed.iter().filter(|(name, _)| is_needed(name));
        self.problems
            .extend(unparsed.map(|(_, problem)| problem.clone()));
        pipeline.check_cycles(&reads.edges)?;
        let steps = pipeline.steps.iter();
        let steps: Vec<&Step> = steps.filter(|step| is_needed(&step.name.value)).collect();
        let is_step = |table: &str| steps.iter().any(|step| step.name.value == table);
        let mut order: Vec<&Step> = Vec::new();
        // Steps come in the file's order wherever they can; there is no cycle, so every round places at least one.
        while order.len() < steps.len() {
            let placed: BTreeSet<&str> =
                order.iter().map(|step| step.name.value.as_str()).collect();
            let ready = |step: &&&Step| {
                let name = step.name.value.as_str();
                !placed.contains(name)
                    && reads
                        .by(name)
                        .all(|table| !is_step(table) || placed.contains(table) || table == name)
            };
            match steps.iter().find(ready) {
                Some(step) => order.push(step),
                None => break,
            }
        }
        Ok(order)
    }

    pub(super) fn sinks(
        &mut self,
        sources: &[PlannedSource],
        steps: &[PlannedStep],
    ) -> Result<Vec<PlannedSink>> {
        let mut sinks = Vec::new();
        let part = self.part;
        let written = self.pipeline.sinks.iter();
        for sink in written.filter(|sink| part.writes(&sink.name.value)) {
            let from = &sink.from.value;
            let on_reject = match &sink.kind {
                SinkKind::Redshift { on_reject, .. } => *on_reject,
                SinkKind::Files(_) => OnReject::Fail,
            };
            let rejected = match on_reject {
                OnReject::Fail => None,
                _ => {
                    let keeps = on_reject == OnReject::DeadLetter;
                    let spool = DeadLetterSpool::for_sink(&sink.name.value, keeps)?;
                    Some(Arc::new(spool))
                }
            };
            let refused = rejected.clone().map(|spool| spool as Arc<dyn RefusedRows>);
            let limits = self.sink_limits;
            let planned = convert::sink(self.pipeline, sink, self.aws, limits, refused);
            let of_source = sources.iter().find(|planned| planned.source.name() == from);
            let of_step = steps.iter().find(|step| step.name == *from);
            let schema = of_source
                .map(|planned| Arc::clone(&planned.schema))
                .or_else(|| {
                    of_step.map(|step| Arc::new(Schema::new(step.plan.schema().fields().to_vec())))
                });
            let sort_by: &[OrderBy] = match &sink.kind {
                SinkKind::Files(files) => &files.sort_by,
                SinkKind::Redshift { .. } => &[],
            };
            if let Some(schema) = &schema {
                self.check_sort(from, sort_by, schema);
                if on_reject == OnReject::DeadLetter {
                    self.check_dead_letters(&sink.from, schema);
                }
            }
            if let Some(Err(error)) = schema.map(|schema| planned.check(&schema)) {
                let message = error_chain(&error);
                let partition_by = match &sink.kind {
                    SinkKind::Files(files) => files.partition_by.as_slice(),
                    SinkKind::Redshift { .. } => &[],
                };
                let column = partition_by
                    .iter()
                    .find(|column| message.contains(&format!("`{}`", column.value)));
                let mut problem = self
                    .pipeline
                    .problem_at(column.map_or(sink.name.span, |column| column.span), message);
                problem.hint = error.hint();
                self.problems.push(problem);
            }
            sinks.push(PlannedSink {
                sink: planned,
                from: from.clone(),
                rejected,
                sort_by: sort_by.iter().map(convert::order_by).collect(),
                by: None,
            });
        }
        Ok(sinks)
    }

    /// Reports a column that dead letters have for themselves.
    pub(super) fn check_dead_letters(&mut self, table: &Spanned<String>, schema: &Schema) -> bool {
        let mut fields = schema.fields().iter();
        let Some(clash) = fields.find(|field| dead_letters::is_added(field.name())) else {
            return true;
        };
        let message = format!(
            "`{}` has a column `{}`, which dead letters add to a rejected row",
            table.value,
            clash.name()
        );
        let problem = self.pipeline.problem_at(table.span, message);
        self.problems
            .push(problem.with_hint("give the column another name in the step before"));
        false
    }

    /// Reports columns by which the rows of a table cannot be sorted.
    fn check_sort(&mut self, table: &str, sort_by: &[OrderBy], schema: &Schema) {
        for OrderBy { column, .. } in sort_by {
            let fields = schema.fields().iter();
            let names = || fields.clone().map(|field| field.name().as_str());
            let (message, hint) = match schema.field_with_name(&column.value) {
                Ok(field) if field.data_type().is_nested() => {
                    let of = format!("rows cannot be sorted by `{}`", column.value);
                    let hint = "sort by a column of a single value".to_owned();
                    (format!("{of}, which has several values"), hint)
                }
                Ok(_) => continue,
                Err(_) => {
                    let hint = match transom_file::nearest(&column.value, names()) {
                        Some(similar) => format!("did you mean `{similar}`?"),
                        None => format!("it has: {}", transom_file::list(names())),
                    };
                    (format!("`{table}` has no column `{}`", column.value), hint)
                }
            };
            let problem = self.pipeline.problem_at(column.span, message);
            self.problems.push(problem.with_hint(hint));
        }
    }
}
