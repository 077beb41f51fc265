//! From a pipeline to plans: every step planned, every mistake that SQL, types and plugins reveal placed in its file.

mod convert;
mod messages;
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use transom_connect::{FileSink, FileSource, SinkLimits};
use transom_plugin::{Cancel, Plugin};
use transom_query::{OnError, OnReject, OrderBy, Session, SessionOptions, TransformStep};

use self::convert::sink_format;
use self::messages::{find_word, sql_problem};
use self::part::Reads;
use crate::dead_letters::{self, DeadLetterSpool};
use crate::error::{Error, Result};
use crate::file::{
    self, ErrorPolicy, MaxRejects, Pipeline, Problem, Problems, SqlStep, Step, StepKind,
};
use crate::lock::Lock;

pub(crate) use self::convert::{data_type, file_source, open_source, params};
pub(crate) use self::messages::{error_chain, plan_message};
pub use self::part::Part;

/// Whether sources are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// Their files are listed and, without a lock file, their schemas told from them.
    Open,
    /// Only the lock file says what they are; a plan made so cannot be run.
    FromLock,
    /// They are not: a source that is needed must be given ([`Part::given`]).
    Given,
}

/// A pipeline whose steps have been planned.
#[derive(Debug)]
pub struct Planned {
    pub(crate) session: Session,
    /// Set by the caller to stop the run. The session has a child of it, which a plan that fails sets as well.
    pub(crate) cancel: Cancel,
    pub(crate) sources: Vec<PlannedSource>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) sinks: Vec<PlannedSink>,
}

#[derive(Debug)]
pub(crate) struct PlannedSource {
    pub(crate) source: FileSource,
    pub(crate) schema: SchemaRef,
}

/// A step in the order in which steps can run.
#[derive(Debug)]
pub(crate) struct PlannedStep {
    pub(crate) name: String,
    /// The sources and steps that it reads, each once.
    pub(crate) reads: Vec<String>,
    pub(crate) plan: LogicalPlan,
    /// How often steps and sinks read it; more than once makes it run once, into a spool.
    pub(crate) readers: usize,
    pub(crate) dead_letters: Option<Arc<DeadLetterSpool>>,
    /// Rows that it may reject.
    pub(crate) max_rejects: Option<MaxRejects>,
}

#[derive(Debug)]
pub(crate) struct PlannedSink {
    pub(crate) sink: FileSink,
    pub(crate) from: String,
}

impl Planned {
    /// Schemas of the sources by name.
    pub fn source_schemas(&self) -> BTreeMap<String, SchemaRef> {
        self.sources
            .iter()
            .map(|planned| (planned.source.name.clone(), Arc::clone(&planned.schema)))
            .collect()
    }

    /// Names of the steps in the order in which they can run, with their readers and schemas.
    pub fn steps(&self) -> impl Iterator<Item = (&str, usize, SchemaRef)> {
        self.steps.iter().map(|step| {
            let schema = Arc::new(Schema::new(step.plan.schema().fields().to_vec()));
            (step.name.as_str(), step.readers, schema)
        })
    }

    /// The sources and steps that a step reads, each once; none if there is no such step.
    pub fn reads(&self, step: &str) -> &[String] {
        self.steps
            .iter()
            .find(|planned| planned.name == step)
            .map_or(&[], |planned| &planned.reads)
    }

    /// The operators that would run for a step, as DataFusion shows them.
    pub async fn explain(&self, step: &str) -> Result<Option<String>> {
        let Some(planned) = self.steps.iter().find(|planned| planned.name == step) else {
            return Ok(None);
        };
        let what = format!("planning step `{step}`");
        let plan = self
            .session
            .optimize(planned.plan.clone())
            .await
            .map_err(|error| Error::of_query(&what, error))?;
        Ok(Some(
            datafusion::physical_plan::displayable(plan.as_ref())
                .indent(false)
                .to_string(),
        ))
    }
}

/// Plans a pipeline. All mistakes are reported at once; a step that reads a wrong one is passed over.
pub async fn plan(
    pipeline: &Pipeline,
    plugins: &[Arc<Plugin>],
    lock: Option<&Lock>,
    sources: Sources,
    options: &SessionOptions,
    cancel: Cancel,
) -> Result<Planned> {
    let whole = Part::default();
    plan_part(pipeline, plugins, lock, sources, &whole, options, cancel).await
}

/// Plans what a part of a pipeline needs, and nothing else; its sinks only if the part is the whole.
///
/// # Errors
/// All mistakes in what is planned; sources that are needed and not there.
pub async fn plan_part(
    pipeline: &Pipeline,
    plugins: &[Arc<Plugin>],
    lock: Option<&Lock>,
    sources: Sources,
    part: &Part,
    options: &SessionOptions,
    cancel: Cancel,
) -> Result<Planned> {
    let (options, sink_limits) = shared_out(options);
    let mut session = Session::new(&options, cancel.child())
        .map_err(|error| Error::of_query("starting the session", error))?;
    plugins
        .iter()
        .for_each(|plugin| session.add_plugin(Arc::clone(plugin)));
    let mut planner = Planner {
        pipeline,
        plugins,
        part,
        sink_limits,
        problems: Vec::new(),
        tables: BTreeSet::new(),
        columns: match (sources, lock) {
            (Sources::Given, _) => Some(
                "the columns of a source are those in `transom.lock`, or else of the rows that the test gives",
            ),
            (_, Some(_)) => Some(
                "the columns of a source are those in `transom.lock`: `transom lock` looks at the files again",
            ),
            (_, None) => None,
        },
        origins: BTreeMap::new(),
        session,
    };
    let reads = Reads::of(pipeline, &planner.session);
    let needed = part.needs(&reads);
    let planned_sources = planner.sources(lock, sources, &needed).await?;
    let order = planner.order(&reads, &needed)?;
    let mut steps = Vec::new();
    for step in order {
        if let Some(planned) = planner.step(step).await? {
            steps.push(planned);
        }
    }
    let sinks = match part.tables {
        None => planner.sinks(&planned_sources, &steps),
        Some(_) => Vec::new(),
    };
    count_readers(&mut steps, &sinks, part)?;
    let Planner {
        problems, session, ..
    } = planner;
    match problems.is_empty() {
        true => Ok(Planned {
            session,
            cancel,
            sources: planned_sources,
            steps,
            sinks,
        }),
        false => Err(Problems(problems).into()),
    }
}

/// A memory limit is for the query and the sink that takes its rows, which run at the same time: the sink gets a quarter.
fn shared_out(options: &SessionOptions) -> (SessionOptions, SinkLimits) {
    let mut session = options.clone();
    let mut sinks = SinkLimits::default();
    if let Some(memory) = &mut session.memory {
        sinks.buffered_bytes = sinks.buffered_bytes.min(*memory / 4);
        *memory -= sinks.buffered_bytes;
    }
    (session, sinks)
}

fn count_readers(steps: &mut [PlannedStep], sinks: &[PlannedSink], part: &Part) -> Result<()> {
    let plans: Vec<LogicalPlan> = steps.iter().map(|step| step.plan.clone()).collect();
    for step in steps {
        let by_sinks = sinks.iter().filter(|sink| sink.from == step.name).count();
        let by_steps = plans
            .iter()
            .map(|plan| Session::reads_of(plan, &step.name))
            .sum::<Result<usize, _>>();
        let by_caller = usize::from(part.wants(&step.name));
        step.readers = by_caller
            + by_sinks
            + by_steps.map_err(|error| Error::of_query("counting readers", error))?;
    }
    Ok(())
}

struct Planner<'a> {
    pipeline: &'a Pipeline,
    plugins: &'a [Arc<Plugin>],
    part: &'a Part,
    sink_limits: SinkLimits,
    problems: Vec<Problem>,
    /// Sources and steps that can be read.
    tables: BTreeSet<String>,
    /// Where the columns of sources are from, if that is not their files.
    columns: Option<&'static str>,
    /// Sources with columns that say where a row comes from.
    origins: BTreeMap<String, Arc<dyn TableProvider>>,
    session: Session,
}

impl<'a> Planner<'a> {
    async fn sources(
        &mut self,
        lock: Option<&Lock>,
        how: Sources,
        needed: &BTreeSet<&str>,
    ) -> Result<Vec<PlannedSource>> {
        let mut planned = Vec::new();
        for (name, table) in &self.part.given {
            self.add_table(name, Arc::clone(table))?;
        }
        for source in &self.pipeline.sources {
            let name = &source.name.value;
            if !needed.contains(name.as_str()) || self.part.given.contains_key(name) {
                continue;
            }
            let locked = lock.and_then(|lock| lock.schema(source));
            let files = file_source(self.pipeline, source);
            let state = self.session.context().state();
            let table = match (how, locked) {
                (Sources::Open, locked) => match open_source(&files, &state, locked).await {
                    Ok(table) => table,
                    Err(error) => {
                        let mut problem = self
                            .pipeline
                            .problem_at(source.path.span, error_chain(&error));
                        problem.hint = error.hint();
                        problem.in_data = true;
                        self.problems.push(problem);
                        continue;
                    }
                },
                (Sources::FromLock, Some(schema)) => Arc::new(EmptyTable::new(schema)) as _,
                (Sources::Given, _) => {
                    self.problems.push(self.part.not_given(name));
                    continue;
                }
                (Sources::FromLock, None) => {
                    let message = format!(
                        "source `{name}` is not in the lock file, so its columns are not known"
                    );
                    let problem = self.pipeline.problem_at(source.name.span, message);
                    self.problems.push(
                        problem.with_hint("run `transom lock`, which looks at the sources once"),
                    );
                    continue;
                }
            };
            let schema = table.schema();
            // A part of a pipeline is computed for its rows alone: nobody keeps its dead letters.
            if self.part.tables.is_none()
                && let Some(origin) = transom_connect::with_origin(&table)
            {
                self.origins.insert(name.clone(), origin);
            }
            let table = self.part.limited(table);
            let table = table.map_err(|error| Error::of_query("limiting sources", error))?;
            self.add_table(name, table)?;
            planned.push(PlannedSource {
                source: files,
                schema,
            });
        }
        Ok(planned)
    }

    fn add_table(&mut self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.session
            .add_table(name, table)
            .map_err(|error| Error::of_query("registering sources", error))?;
        self.tables.insert(name.to_owned());
        Ok(())
    }

    /// The needed steps in an order in which each comes after what it reads.
    fn order(&mut self, reads: &Reads, needed: &BTreeSet<&str>) -> Result<Vec<&'a Step>> {
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

    async fn step(&mut self, step: &Step) -> Result<Option<PlannedStep>> {
        let name = &step.name.value;
        let mut dead_letters = None;
        let plan = match &step.kind {
            StepKind::Sql(sql) => self.sql(sql).await?,
            StepKind::Transform(transform) => {
                if self.part.keeps_rejected(name, transform) {
                    dead_letters = Some(Arc::new(DeadLetterSpool::new(name)?));
                }
                self.transform(name, transform, dead_letters.clone())
                    .await?
            }
        };
        let Some(plan) = plan else { return Ok(None) };
        let mut names = BTreeSet::new();
        if let Some(twice) = plan
            .schema()
            .fields()
            .iter()
            .find(|field| !names.insert(field.name()))
        {
            let message = format!("step `{name}` has two columns named `{}`", twice.name());
            let problem = self.pipeline.problem_at(step.name.span, message);
            self.problems
                .push(problem.with_hint("give one of them another name with `AS`"));
            return Ok(None);
        }
        self.session
            .add_step(name, plan.clone())
            .map_err(|error| Error::of_query(&format!("step `{name}`"), error))?;
        self.tables.insert(name.clone());
        let mut reads = match &step.kind {
            StepKind::Sql(sql) => self.session.tables_of(&sql.text).unwrap_or_default(),
            StepKind::Transform(transform) => vec![transform.input.value.clone()],
        };
        let mut seen = BTreeSet::new();
        reads.retain(|table| seen.insert(table.clone()));
        Ok(Some(PlannedStep {
            name: name.clone(),
            reads,
            plan,
            readers: 0,
            dead_letters,
            max_rejects: match &step.kind {
                StepKind::Transform(transform) => transform.max_rejects,
                StepKind::Sql(_) => None,
            },
        }))
    }

    async fn sql(&mut self, sql: &SqlStep) -> Result<Option<LogicalPlan>> {
        let Ok(tables) = self.session.tables_of(&sql.text) else {
            return Ok(None);
        };
        let mut complete = true;
        for table in tables.iter().filter(|table| !self.tables.contains(*table)) {
            complete = false;
            // A table that is declared but could not be planned has a problem of its own.
            if self.pipeline.source(table).is_some() || self.pipeline.step(table).is_some() {
                continue;
            }
            let known = self
                .pipeline
                .sources
                .iter()
                .map(|source| source.name.value.as_str());
            let known: Vec<&str> = known
                .chain(
                    self.pipeline
                        .steps
                        .iter()
                        .map(|step| step.name.value.as_str()),
                )
                .collect();
            let message = format!(
                "there is no source or step `{table}`; there are: {}",
                known.join(", ")
            );
            let problem = self
                .pipeline
                .problem_in_sql(sql, find_word(&sql.text, table), message);
            self.problems.push(problem.with_near_name(table, known));
        }
        if !complete {
            return Ok(None);
        }
        let params = params(self.pipeline);
        let on_error = |function: &str| match sql.on_error.policy(function) {
            ErrorPolicy::Fail => OnError::Fail,
            ErrorPolicy::Null => OnError::Null,
        };
        match self.session.plan_sql(&sql.text, &params, on_error).await {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => {
                let problem = sql_problem(self.pipeline, self.plugins, sql, &error);
                let error = Error::of_query("", error);
                if matches!(&error, Error::Plugin { source, .. } if !is_of_the_pipeline(source)) {
                    return Err(error);
                }
                let problem = self.with_origin_of_columns(problem, &tables);
                self.problems.push(problem);
                Ok(None)
            }
        }
    }

    /// Says where the columns of sources are from, to whom one is missed that a file may well have.
    fn with_origin_of_columns(&self, problem: Problem, tables: &[String]) -> Problem {
        let reads_a_source = tables
            .iter()
            .any(|table| self.pipeline.source(table).is_some());
        let is_missing = problem.message.contains("No field named");
        match self.columns {
            Some(origin) if is_missing && reads_a_source && problem.hint.is_none() => {
                problem.with_hint(origin)
            }
            _ => problem,
        }
    }

    async fn transform(
        &mut self,
        name: &str,
        transform: &file::TransformStep,
        dead_letters: Option<Arc<DeadLetterSpool>>,
    ) -> Result<Option<LogicalPlan>> {
        if !self.tables.contains(&transform.input.value) {
            return Ok(None);
        }
        if dead_letters.is_some() && !self.dead_letters_fit(name, transform).await? {
            return Ok(None);
        }
        let origin = dead_letters
            .as_ref()
            .and_then(|_| self.origins.get(&transform.input.value).cloned());
        let step = TransformStep {
            name: name.to_owned(),
            plugin: transform.plugin.clone(),
            transform: transform.transform.value.clone(),
            partition_by: transform
                .partition_by
                .iter()
                .map(|column| column.value.clone())
                .collect(),
            order_by: transform
                .order_by
                .iter()
                .map(|order| OrderBy {
                    column: order.column.value.clone(),
                    descending: order.desc,
                    nulls_first: order.nulls_first,
                })
                .collect(),
            options: serde_json::Value::Object(transform.options.clone()).to_string(),
            on_reject: match (&transform.on_reject, dead_letters) {
                (_, Some(spool)) => OnReject::DeadLetter(spool),
                (file::OnReject::Drop, None) => OnReject::Drop,
                _ => OnReject::Fail,
            },
            // A test gives a few rows to see them rejected; a limit is for the data that is published.
            max_rejected: match transform.max_rejects {
                Some(MaxRejects::Rows(rows)) if self.part.tables.is_none() => Some(rows),
                _ => None,
            },
            origin,
        };
        let planned = self
            .session
            .plan_transform(step, &transform.input.value)
            .await;
        let Err(error) = planned else {
            return Ok(planned.ok());
        };
        self.problems
            .push(self.transform_problem(transform, error)?);
        Ok(None)
    }

    /// Dead letters have columns of their own beside the row's; a row that has one of them already is refused here.
    async fn dead_letters_fit(
        &mut self,
        name: &str,
        transform: &file::TransformStep,
    ) -> Result<bool> {
        let input = self.session.plan_scan(&transform.input.value).await;
        let input = input.map_err(|error| Error::of_query(&format!("step `{name}`"), error))?;
        let clash = input
            .schema()
            .fields()
            .iter()
            .find(|field| dead_letters::is_added(field.name()));
        if let Some(clash) = clash {
            let message = format!(
                "`{}` has a column `{}`, which dead letters add to a rejected row",
                transform.input.value,
                clash.name()
            );
            let problem = self.pipeline.problem_at(transform.input.span, message);
            self.problems
                .push(problem.with_hint("give the column another name in the step before"));
            return Ok(false);
        }
        Ok(true)
    }

    /// Where in the file a transform's mistake is: at a column of its keys, at one of its options, at the transform's name.
    fn transform_problem(
        &self,
        transform: &file::TransformStep,
        error: DataFusionError,
    ) -> Result<Problem> {
        let message = plan_message(&error);
        let columns = transform
            .partition_by
            .iter()
            .chain(transform.order_by.iter().map(|order| &order.column));
        let column = columns
            .into_iter()
            .find(|column| message.contains(&format!("no column `{}`", column.value)));
        let option = transform
            .option_spans
            .iter()
            .find(|(option, _)| message.contains(&format!("`{option}`")));
        let span = match (column, option) {
            (Some(column), _) => column.span,
            (None, Some((_, span))) => *span,
            (None, None) => transform.transform.span,
        };
        let mut problem = self.pipeline.problem_at(span, message);
        let plugin = self
            .plugins
            .iter()
            .find(|plugin| plugin.name() == transform.plugin);
        if let Some(plugin) = plugin {
            let name = &transform.transform.value;
            let description = plugin.description();
            if description.transform(name).is_none() {
                let names = description
                    .transforms
                    .iter()
                    .map(|known| known.name.as_str());
                problem = problem.with_near_name(name, names);
            }
        }
        if let Error::Plugin { source, .. } = Error::of_query("", error) {
            if !is_of_the_pipeline(&source) {
                let (plugin, name) = (&transform.plugin, &transform.transform.value);
                return Err(Error::Plugin {
                    what: format!("opening `{plugin}.{name}` failed"),
                    source,
                    row: None,
                });
            }
            problem.hint = source.hint();
        }
        Ok(problem)
    }

    fn sinks(&mut self, sources: &[PlannedSource], steps: &[PlannedStep]) -> Vec<PlannedSink> {
        let mut sinks = Vec::new();
        for sink in &self.pipeline.sinks {
            let from = &sink.from.value;
            let planned = FileSink {
                name: sink.name.value.clone(),
                path: sink.path.value.clone(),
                format: sink_format(&sink.format),
                partition_by: sink
                    .partition_by
                    .iter()
                    .map(|column| column.value.clone())
                    .collect(),
                limits: self.sink_limits,
            };
            let of_source = sources.iter().find(|planned| planned.source.name == *from);
            let of_step = steps.iter().find(|step| step.name == *from);
            let schema = of_source
                .map(|planned| Arc::clone(&planned.schema))
                .or_else(|| {
                    of_step.map(|step| Arc::new(Schema::new(step.plan.schema().fields().to_vec())))
                });
            if let Some(Err(error)) = schema.map(|schema| planned.check(&schema)) {
                let message = error_chain(&error);
                let column = sink
                    .partition_by
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
            });
        }
        sinks
    }
}

/// What a guest says of options and columns while it is opened is the pipeline's mistake; a crash or a limit is not.
fn is_of_the_pipeline(error: &transom_plugin::Error) -> bool {
    matches!(
        error,
        transom_plugin::Error::Guest { .. } | transom_plugin::Error::Unsupported { .. }
    )
}
