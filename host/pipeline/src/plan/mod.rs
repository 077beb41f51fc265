//! From a pipeline to plans: every step planned, every mistake that SQL, types and plugins reveal placed in its file.

mod checks;
mod convert;
pub(crate) mod keys;
mod messages;
mod nested;
mod part;
mod planner;
mod slices;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
pub use transom_connect::Sample;
use transom_connect::{Aws, Inputs, Sink, SinkLimits, Source};
use transom_file::spec::Unknown;
use transom_plugin::{Cancel, LogicalTime};
use transom_query::{KeepsState, OrderBy, Session, SessionOptions, TransformColumns};

use self::part::Reads;
use self::planner::Planner;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::plugins::Looked;
use crate::rejects::dead_letters::DeadLetterSpool;
use transom_file::{MaxRejects, Problems};

pub(crate) use self::checks::PlannedCheck;
pub(crate) use self::convert::{DEAD_LETTERS, dead_letters, file_source, params, sink};
pub(crate) use self::messages::{error_chain, plan_message};
pub use self::part::Part;

/// Whether sources are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// Their files are listed and, without a lock file, their schemas inferred from them.
    Open,
    /// As [`Open`](Self::Open), with so many rows looked at.
    Sampled(Sample),
    /// Only the lock file says what they are; a plan made so cannot be run.
    FromLock,
    /// They are not: a source that is needed must be given ([`Part::given`]).
    Given,
}

/// What differs between two runs of one plan.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The pieces of sources, by name.
    pub inputs: BTreeMap<String, Inputs>,
    /// What plugins and SQL take for the time and draw randomness from.
    pub time: LogicalTime,
    /// Stops the run.
    pub cancel: Cancel,
}

/// A pipeline whose steps have been planned. It is planned once and can be run for one slice after another.
#[derive(Debug)]
pub struct Planned {
    pub(crate) session: Session,
    /// For the tables that a run writes beside its sinks.
    pub(crate) aws: Aws,
    /// Set by the caller to stop the run. The session has a child of it, which a plan that fails sets as well.
    pub(crate) cancel: Cancel,
    pub(crate) sources: Vec<PlannedSource>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) sinks: Vec<PlannedSink>,
    pub(crate) checks: Vec<PlannedCheck>,
}

#[derive(Debug)]
pub(crate) struct PlannedSource {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) unknown: Unknown,
    /// What was listed when it was planned: nothing else is read, and nothing is listed again.
    pub(crate) inputs: Inputs,
    pub(crate) schema: SchemaRef,
}

/// A step in the order in which steps can run.
#[derive(Debug)]
pub(crate) struct PlannedStep {
    pub(crate) name: String,
    /// The sources and steps that it reads, each once.
    pub(crate) reads: Vec<String>,
    pub(crate) plan: LogicalPlan,
    /// How often steps, sinks and checks read it.
    pub(crate) readers: usize,
    /// The state that it keeps from slice to slice.
    pub(crate) keeps: Option<KeepsState>,
    pub(crate) dead_letters: Option<Arc<DeadLetterSpool>>,
    /// Rows that it may reject.
    pub(crate) max_rejects: Option<MaxRejects>,
}

#[derive(Debug, Clone)]
pub(crate) struct PlannedSink {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) from: String,
    /// Where its rows go that a table of Redshift cannot hold, if they do not end the run.
    pub(crate) rejected: Option<Arc<DeadLetterSpool>>,
    /// The order of its rows: within a partition, if it has any.
    pub(crate) sort_by: Vec<OrderBy>,
    /// The column that says which partitions of the table a slice computes anew, if it does so by partition.
    pub(crate) by: Option<String>,
}

impl PlannedStep {
    /// Whether it runs by itself, into a spool: since it has several readers, or since it must see all of its rows, which a reader such as
    /// a join may not ask for.
    pub(crate) fn is_spooled(&self) -> bool {
        self.readers > 1 || self.kept().is_some()
    }

    /// The state that it keeps from slice to slice. A step that nothing reads does not run, and keeps none.
    pub(crate) fn kept(&self) -> Option<&KeepsState> {
        self.keeps.as_ref().filter(|_| self.readers > 0)
    }
}

impl Planned {
    /// Makes the plan ready for another slice: other pieces of its sources, another time and seed. What was run and counted is forgotten;
    /// nothing is planned again, and the columns stay those that were planned. Sources that `slice` does not name keep their pieces.
    ///
    /// # Errors
    /// If pieces cannot be read as the columns that were planned.
    pub async fn begin(&mut self, slice: Slice) -> Result<()> {
        let Slice {
            mut inputs,
            time,
            cancel,
        } = slice;
        self.session.renew(time, cancel.child());
        self.cancel = cancel;
        for planned in &mut self.sources {
            let name = planned.source.name().to_owned();
            planned.source = planned.source.fresh();
            if let Some(inputs) = inputs.remove(&name) {
                planned.inputs = inputs;
            }
            let schema = Arc::clone(&planned.schema);
            let state = self.session.context().state();
            let table = planned.source.table(&planned.inputs, Some(schema), &state);
            let table = table.await?;
            let origin = transom_connect::with_origin(&table);
            let set = self.session.set_source(&name, table, origin);
            set.map_err(|error| Error::of_query("registering sources", error))?;
        }
        let of_steps = self.steps.iter().map(|step| &step.dead_letters);
        let of_sinks = self.sinks.iter().map(|sink| &sink.rejected);
        for letters in of_steps.chain(of_sinks).flatten() {
            letters.clear()?;
        }
        Ok(())
    }

    /// The pieces of the sources by name.
    pub fn inputs(&self) -> BTreeMap<String, Inputs> {
        let sources = self.sources.iter();
        sources
            .map(|planned| (planned.source.name().to_owned(), planned.inputs.clone()))
            .collect()
    }

    /// Schemas of the sources by name.
    pub fn source_schemas(&self) -> BTreeMap<String, SchemaRef> {
        self.sources
            .iter()
            .map(|planned| {
                (
                    planned.source.name().to_owned(),
                    Arc::clone(&planned.schema),
                )
            })
            .collect()
    }

    /// Names of the steps in the order in which they can run, with their readers and schemas.
    pub fn steps(&self) -> impl Iterator<Item = (&str, usize, SchemaRef)> {
        self.steps.iter().map(|step| {
            let schema = Arc::new(Schema::new(step.plan.schema().fields().to_vec()));
            (step.name.as_str(), step.readers, schema)
        })
    }

    pub(crate) fn step(&self, name: &str) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The sources and steps that a step reads, each once; none if there is no such step.
    pub fn reads(&self, step: &str) -> &[String] {
        self.step(step).map_or(&[], |planned| &planned.reads)
    }

    /// The columns that a transform step reads and gives; none if no step of that name is one.
    pub fn transform_columns(&self, step: &str) -> Option<TransformColumns> {
        TransformColumns::of(&self.step(step)?.plan)
    }

    /// The columns by which a step keeps state from slice to slice; none if it keeps none.
    pub fn state_keys(&self, step: &str) -> Option<Vec<&str>> {
        let keys = self.step(step)?.kept()?.keys.iter();
        Some(keys.map(|(column, _)| column.as_str()).collect())
    }

    /// The operators that would run for a step, as DataFusion shows them.
    pub async fn explain(&self, step: &str) -> Result<Option<String>> {
        let Some(planned) = self.step(step) else {
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

/// Plans what a part of a pipeline needs, and nothing else; its sinks only if the part is the whole. All mistakes are reported at once; a
/// step that reads a wrong one is passed over.
///
/// # Errors
/// All mistakes in what is planned; sources that are needed and not there.
pub(crate) async fn plan_part(
    job: &Job,
    looked: &Looked,
    sources: Sources,
    part: &Part,
) -> Result<Planned> {
    let pipeline = job.pipeline.as_ref();
    let lock = job.lock.as_deref();
    let cancel = job.cancel.clone();
    let (options, sink_limits) = shared_out(&job.session);
    let mut session = Session::new(&options, cancel.child())
        .map_err(|error| Error::of_query("starting the session", error))?;
    let plugins = looked.plugins.iter();
    plugins.for_each(|plugin| session.add_plugin(Arc::clone(plugin)));
    for (name, description) in &looked.described {
        session.add_description(name, description.clone());
    }
    let mut planner = Planner {
        pipeline,
        aws: &job.aws,
        looked,
        part,
        sink_limits,
        problems: looked.problems.clone(),
        tables: BTreeSet::new(),
        remembered: BTreeSet::new(),
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
    let mut sinks = planner.sinks(&planned_sources, &steps)?;
    if pipeline.is_sliced() {
        planner.check_slices(&planned_sources, &mut steps, &mut sinks);
    }
    let checks = planner.checks(&needed).await?;
    count_readers(&mut steps, &sinks, &checks, part)?;
    let Planner {
        problems, session, ..
    } = planner;
    match problems.is_empty() {
        true => Ok(Planned {
            session,
            aws: job.aws.clone(),
            cancel,
            sources: planned_sources,
            steps,
            sinks,
            checks,
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

fn count_readers(
    steps: &mut [PlannedStep],
    sinks: &[PlannedSink],
    checks: &[PlannedCheck],
    part: &Part,
) -> Result<()> {
    let plans = steps.iter().map(|step| step.plan.clone());
    let plans: Vec<LogicalPlan> = plans
        .chain(checks.iter().map(|check| check.plan.clone()))
        .collect();
    for step in steps {
        let by_sinks = sinks.iter().filter(|sink| sink.from == step.name).count();
        let by_plans = plans
            .iter()
            .map(|plan| Session::reads_of(plan, &step.name))
            .sum::<Result<usize, _>>();
        let by_caller = usize::from(part.wants(&step.name));
        step.readers = by_caller
            + by_sinks
            + by_plans.map_err(|error| Error::of_query("counting readers", error))?;
    }
    Ok(())
}
