//! A slice from its files to what an entry of the log says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use transom_commit::{
    self as commit, After, Counts, Draft, Log, LogId, Object, Part as EntryPart, Position,
    SinkError, SinkKind, SinkName, Store, Work,
};
use transom_connect::{self as connect, Attempt, ErrorKind, Inputs, Sink, SinkLimits, Source as _};
use transom_file::spec::Incremental;
use transom_plugin::LogicalTime;

use super::choose::{Candidate, Chosen, Value, choose};
use super::seen::{Seen, write};
use super::{SliceOptions, estimate};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::plan::{self, Part, Planned, Slice, Sources};
use crate::report::RunReport;
use crate::run::{Observer, RunFailure, StagedSlice, stage_slice};

/// What a run has staged.
#[derive(Debug)]
pub(super) struct Staged {
    attempt: commit::Attempt,
    /// Its number, once it is known that it has won one.
    pub(super) entry: Option<u64>,
    /// Files of incremental sources.
    pub(super) files: u64,
    pub(super) report: RunReport,
}

/// Plans, computes and stages slices, and owns the sinks.
pub(super) struct Slicer<'a> {
    job: &'a Job,
    options: &'a SliceOptions,
    observer: &'a dyn Observer,
    store: &'a dyn Store,
    /// All that entries can name, tables of dead letters included.
    sinks: BTreeMap<String, Arc<dyn Sink>>,
    /// The columns of the sources, which are those of the lock file in every slice.
    schemas: BTreeMap<String, SchemaRef>,
    /// The sources as they were listed when the run began.
    listed: Option<BTreeMap<String, Inputs>>,
    /// What counts as loaded of each source, as it was last read or written.
    seen: BTreeMap<String, (Option<Object>, Seen)>,
    planned: Option<Planned>,
    took: Vec<Duration>,
    pub(super) staged: Vec<Staged>,
    /// Why the last slice could not be computed.
    pub(super) failure: Option<Box<RunFailure>>,
    /// Whether the last look found nothing to load.
    pub(super) is_done: bool,
}

impl<'a> Slicer<'a> {
    pub(super) fn new(
        job: &'a Job,
        options: &'a SliceOptions,
        observer: &'a dyn Observer,
        store: &'a dyn Store,
    ) -> Result<Self> {
        Ok(Self {
            sinks: sinks(job),
            schemas: locked_schemas(job)?,
            job,
            options,
            observer,
            store,
            listed: None,
            seen: BTreeMap::new(),
            planned: None,
            took: Vec::new(),
            staged: Vec::new(),
            failure: None,
            is_done: false,
        })
    }

    /// Notes which of the slices that were staged have come into the log.
    fn settle(&mut self, log: &Log) {
        let mut entries = BTreeMap::new();
        let mut seq = log.tail();
        while let Some(entry) = log.get(seq) {
            entries.insert(entry.attempt, seq);
            seq = match seq.checked_sub(1) {
                Some(before) => before,
                None => break,
            };
        }
        for staged in &mut self.staged {
            staged.entry = staged.entry.or(entries.get(&staged.attempt).copied());
        }
        // Another process was faster: its slice counts.
        self.staged.retain(|staged| staged.entry.is_some());
    }

    /// Whether the run is to end before another slice.
    fn ends_here(&self) -> bool {
        let loaded = self.staged.len() as u64;
        let is_late = |deadline: Instant| Instant::now() + estimate(&self.took) >= deadline;
        self.options.after_slice.is_cancelled()
            || self.options.max_slices.is_some_and(|most| loaded >= most)
            || self.options.deadline.is_some_and(is_late)
    }

    async fn next_slice(
        &mut self,
        log: &Log,
    ) -> Result<Option<(commit::Attempt, Draft)>, Box<RunFailure>> {
        self.settle(log);
        let state = log.state();
        let chosen = match self.choose(&state).await {
            Ok(chosen) => chosen,
            Err(error) => return Err(self.failed(error)),
        };
        self.is_done = chosen.is_none();
        let Some(chosen) = chosen else {
            return Ok(None);
        };
        if self.ends_here() {
            return Ok(None);
        }
        let begun = Instant::now();
        let attempt = commit::Attempt::random();
        let time = self.time(&state, attempt);
        let id = log.id().map(|id| id.to_string());
        let staged = self.stage(&state, &chosen, (attempt, id), time).await?;
        let draft = match self.draft(&state, &chosen, &staged, time).await {
            Ok(draft) => draft,
            Err(error) => {
                let StagedSlice { report, .. } = staged;
                return Err(Box::new(RunFailure { error, report }));
            }
        };
        self.took.push(begun.elapsed());
        self.staged.push(Staged {
            attempt,
            entry: None,
            files: chosen
                .inputs
                .values()
                .map(|read| read.pieces.len() as u64)
                .sum(),
            report: staged.report,
        });
        Ok(Some((attempt, draft)))
    }

    fn failed(&self, error: Error) -> Box<RunFailure> {
        let report = RunReport::nothing(&self.job.pipeline);
        Box::new(RunFailure { error, report })
    }

    /// The time of a slice is never before that of an earlier one.
    fn time(&self, state: &After, attempt: commit::Attempt) -> LogicalTime {
        let given = self.job.session.time;
        let before = state.clock.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
        if before > given.now {
            tracing::warn!(
                target: "transom",
                "`now()` is {} in this run: an earlier slice had that time, and time does not go back",
                DateTime::<Utc>::from(before).format("%Y-%m-%d %H:%M:%S"),
            );
        }
        LogicalTime {
            now: given.now.max(before),
            // Each attempt has random numbers of its own, and its entry says which.
            seed: given.seed ^ u64::try_from(attempt.number() >> 64).unwrap_or_default(),
        }
    }

    /// What the next slice reads; none if nothing is new.
    async fn choose(&mut self, state: &After) -> Result<Option<Chosen>> {
        if self.listed.is_none() {
            self.listed = Some(self.list(state).await?);
        }
        let incremental: Vec<_> = self
            .job
            .pipeline
            .sources
            .iter()
            .filter_map(|source| Some((source, &source.incremental.as_ref()?.value)))
            .collect();
        for (source, _) in &incremental {
            let name = &source.name.value;
            let object = state.sources.get(name).and_then(|state| state.seen);
            if self
                .seen
                .get(name)
                .is_none_or(|(known, _)| *known != object)
            {
                let seen = Seen::load(self.store, object).await?;
                self.seen.insert(name.clone(), (object, seen));
            }
        }
        if incremental.is_empty() {
            // Every run reads all there is, once.
            return Ok(self.staged.is_empty().then(Chosen::default));
        }
        let listed = self.listed.as_ref();
        let mut partitions = BTreeMap::new();
        let mut columns = BTreeMap::new();
        for (source, incremental) in &incremental {
            let name = source.name.value.as_str();
            let Some(inputs) = listed.and_then(|listed| listed.get(name)) else {
                continue;
            };
            if let Incremental::By { column, .. } = incremental {
                let field = self.field(name, column)?;
                partitions.insert(name, partitions_of(name, inputs, &field)?);
                columns.insert(name, field);
            }
        }
        let partition_of = |field: Option<&Field>, path: &str| -> Value {
            let field = field?;
            connect::partition_value(Path::new(path), field).unwrap_or_default()
        };
        let lookups: BTreeMap<&str, Lookup> = incremental
            .iter()
            .map(|(source, _)| {
                let name = source.name.value.as_str();
                let field = columns.get(name).cloned();
                let lookup = move |path: &str| partition_of(field.as_ref(), path);
                (name, Box::new(lookup) as Lookup)
            })
            .collect();
        let candidates = incremental.iter().filter_map(|(source, incremental)| {
            let name = source.name.value.as_str();
            Some(Candidate {
                name,
                incremental,
                inputs: listed?.get(name)?,
                partitions: partitions.get(name).map_or(&[], Vec::as_slice),
                partition_of: lookups.get(name)?.as_ref(),
                seen: &self.seen.get(name)?.1,
            })
        });
        choose(&candidates.collect::<Vec<_>>(), self.job.pipeline.slices)
    }

    fn field(&self, source: &str, column: &str) -> Result<Field> {
        let schema = self.schemas.get(source);
        let field = schema.and_then(|schema| schema.field_with_name(column).ok());
        field.cloned().ok_or_else(|| Error::Slice {
            message: format!("the source `{source}` has no column `{column}`"),
            hint: "`incremental: { by: .. }` names a column that is in the names of the source's folders".to_owned(),
        })
    }

    /// All sources, as they are now. One whose files are all gone has been loaded before.
    async fn list(&self, state: &After) -> Result<BTreeMap<String, Inputs>> {
        let mut listed = BTreeMap::new();
        for source in &self.job.pipeline.sources {
            let name = &source.name.value;
            let files = plan::file_source(&self.job.pipeline, source, &self.job.aws);
            let inputs = match files.list().await {
                Ok(inputs) => inputs,
                Err(error) if error.is_empty() && state.sources.contains_key(name) => {
                    Inputs::default()
                }
                Err(error) if error.kind() == ErrorKind::Data => {
                    return Err(self.problem(source, &error).into());
                }
                Err(error) => return Err(error.into()),
            };
            listed.insert(name.clone(), inputs);
        }
        Ok(listed)
    }

    fn problem(
        &self,
        source: &transom_file::FileSource,
        error: &connect::SourceError,
    ) -> transom_file::Problems {
        let message = plan::error_chain(error);
        let mut problem = self.job.pipeline.problem_at(source.path.span, message);
        problem.hint = error.hint();
        problem.in_data = true;
        transom_file::Problems(vec![problem])
    }

    /// Computes a slice and stages what comes of it.
    async fn stage(
        &mut self,
        state: &After,
        chosen: &Chosen,
        (attempt, log): (commit::Attempt, Option<String>),
        time: LogicalTime,
    ) -> Result<StagedSlice, Box<RunFailure>> {
        let mut inputs = self.listed.clone().unwrap_or_default();
        inputs.extend(chosen.inputs.clone());
        let ready = match self.planned.take() {
            Some(mut planned) => {
                let slice = Slice {
                    inputs,
                    time,
                    cancel: self.job.cancel.clone(),
                };
                planned.begin(slice).await.map(|()| planned)
            }
            None => {
                let part = Part {
                    inputs,
                    ..Part::default()
                };
                let mut job = self.job.clone();
                job.session.time = time;
                job.plan(Sources::Open, &part).await
            }
        };
        let mut planned = match ready {
            Ok(planned) => planned,
            Err(error) => return Err(self.failed(error)),
        };
        commit::fault::at("plan.made");
        let id = attempt.to_string();
        let attempts = self.attempts(&planned, state, chosen, &id, log);
        let staged = stage_slice(
            &self.job.pipeline,
            &mut planned,
            &self.options.into(),
            self.observer,
            &id,
            attempts,
        )
        .await;
        self.planned = Some(planned);
        staged
    }

    /// What the attempt is for each sink: after which result it comes, and which partitions it replaces.
    fn attempts(
        &self,
        planned: &Planned,
        state: &After,
        chosen: &Chosen,
        id: &str,
        log: Option<String>,
    ) -> BTreeMap<String, Attempt> {
        let by: BTreeMap<&str, Option<&String>> = planned
            .sinks
            .iter()
            .map(|sink| (sink.sink.name(), sink.by.as_ref()))
            .collect();
        let attempt = |name: &String| {
            let at = state.sinks.iter().find(|at| at.name.as_str() == name);
            let column = by.get(name.as_str()).copied().flatten();
            let replaces = column.map(|column| connect::Replaces {
                column: column.clone(),
                values: chosen.partitions.clone(),
            });
            Attempt {
                id: id.to_owned(),
                log: log.clone(),
                after: at
                    .filter(|at| at.position.seq > 0)
                    .map(|at| at.position.attempt_text()),
                replaces,
            }
        };
        let names = self.sinks.keys();
        names.map(|name| (name.clone(), attempt(name))).collect()
    }

    /// What the log is to say of a slice.
    async fn draft(
        &mut self,
        state: &After,
        chosen: &Chosen,
        staged: &StagedSlice,
        time: LogicalTime,
    ) -> Result<Draft> {
        let mut sources = state.sources.clone();
        let mut inputs = BTreeMap::new();
        for (name, read) in &chosen.inputs {
            let mut seen = chosen.seen.get(name).cloned().unwrap_or_default();
            let object = seen.save(self.store).await?;
            self.seen.insert(name.clone(), (Some(object), seen));
            let after = commit::SourceState {
                seen: Some(object),
                ..commit::SourceState::default()
            };
            sources.insert(name.clone(), after);
            let list = write(self.store, &FilesRead::of(read), &BTreeSet::new()).await?;
            let read = commit::Inputs {
                files: read.pieces.len() as u64,
                bytes: read.bytes(),
                list,
            };
            inputs.insert(name.clone(), read);
        }
        let mut parts = Vec::new();
        for (sink, result) in &staged.results {
            let Some(committed) = sink.committed() else {
                continue;
            };
            parts.push(EntryPart {
                name: SinkName::from(sink.name()),
                kind: kind_of(committed),
                // The log's own counts.
                prev: Position::START,
                rows: result.written.rows,
                staged: serde_json::to_value(&result.publish)
                    .expect("what was staged has text for keys"),
            });
        }
        parts.sort_by_key(|part| part.kind);
        let report = &staged.report;
        let plugins = report.plugins.iter();
        let slice = commit::Slice {
            pipeline: commit::Pipeline {
                digest: digest_of(self.job),
                plugins: plugins
                    .map(|plugin| (plugin.name.clone(), plugin.digest.clone()))
                    .collect(),
            },
            clock: DateTime::<Utc>::from(time.now),
            seed: time.seed,
            inputs,
            sinks: parts,
            counts: Counts {
                rows_in: report.rows_read,
                rows_out: report.sinks.iter().map(|sink| sink.rows).sum(),
                rejected: report.rows_rejected,
            },
        };
        Ok(Draft::Slice {
            slice: Box::new(slice),
            sources,
            buckets: state.buckets.clone(),
        })
    }
}

#[async_trait]
impl Work for Slicer<'_> {
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(commit::Attempt, Draft)>, Box<dyn StdError + Send + Sync>> {
        match self.next_slice(log).await {
            Ok(next) => Ok(next),
            Err(failure) => {
                let message = failure.error.to_string();
                self.failure = Some(failure);
                Err(message.into())
            }
        }
    }

    fn sink(&self, name: &SinkName) -> Option<commit::Sink<'_>> {
        self.sinks.get(name.as_str())?.committed()
    }

    async fn delete_staged(
        &self,
        log: LogId,
        attempts: &[commit::Attempt],
    ) -> Result<(), SinkError> {
        delete_staged(&self.sinks, log, attempts).await
    }
}

/// Deletes what these attempts have staged for any of these sinks.
pub(super) async fn delete_staged(
    sinks: &BTreeMap<String, Arc<dyn Sink>>,
    log: LogId,
    attempts: &[commit::Attempt],
) -> Result<(), SinkError> {
    let log = log.to_string();
    for sink in sinks.values() {
        for attempt in attempts {
            sink.delete_attempt(&log, &attempt.to_string()).await?;
            commit::fault::at("gc.deleted_half");
        }
    }
    Ok(())
}

/// All sinks that entries of a pipeline's log can name.
pub(super) fn sinks(job: &Job) -> BTreeMap<String, Arc<dyn Sink>> {
    let pipeline = &job.pipeline;
    let limits = SinkLimits::default();
    let sinks = pipeline.sinks.iter();
    let sinks = sinks.map(|sink| plan::sink(pipeline, sink, &job.aws, limits));
    let dead_letters = pipeline
        .steps
        .iter()
        .filter(|step| matches!(&step.kind, transom_file::StepKind::Transform(transform) if transform.on_reject == transom_file::OnReject::DeadLetter))
        .map(|step| plan::dead_letters(pipeline, &step.name.value, &job.aws));
    sinks
        .chain(dead_letters)
        .map(|sink| (sink.name().to_owned(), sink))
        .collect()
}

/// The columns of all sources, which must be those of the lock file: they may not differ from one slice to the next.
fn locked_schemas(job: &Job) -> Result<BTreeMap<String, SchemaRef>> {
    let lock = job.lock.as_ref();
    let mut schemas = BTreeMap::new();
    for source in &job.pipeline.sources {
        let name = &source.name.value;
        let schema = lock.and_then(|lock| lock.schema(source));
        let schema = schema.ok_or_else(|| Error::Lock {
            message: format!(
                "the pipeline runs in slices, and the lock file does not have the source `{name}` as it is written here"
            ),
            hint: "run `transom lock`: every slice must have the same columns".to_owned(),
        })?;
        schemas.insert(name.clone(), schema);
    }
    Ok(schemas)
}

/// The partition of a path.
type Lookup = Box<dyn Fn(&str) -> Value + Sync>;

fn partitions_of(source: &str, inputs: &Inputs, field: &Field) -> Result<Vec<Value>> {
    let pieces = inputs.pieces.iter();
    let values = pieces.map(|piece| {
        connect::partition_value(&piece.path, field).map_err(|why| Error::Slice {
            message: format!("source `{source}`: `{}` {why}", piece.path.display()),
            hint: format!(
                "`incremental: {{ by: {} }}` needs files in folders that are named `{0}=..`",
                field.name()
            ),
        })
    });
    values.collect()
}

fn kind_of(sink: commit::Sink<'_>) -> SinkKind {
    match sink {
        commit::Sink::Warehouse(_) => SinkKind::Warehouse,
        commit::Sink::Files(_) => SinkKind::Files,
        commit::Sink::Pointer(_) => SinkKind::Pointer,
    }
}

/// The pipeline as it was checked, without where it lies.
fn digest_of(job: &Job) -> String {
    let checked = serde_json::to_vec(job.pipeline.as_ref()).unwrap_or_default();
    commit::Digest::of(&checked).to_string()
}

/// The files that a slice has read.
#[derive(Debug, Serialize)]
struct FilesRead<'a> {
    files: Vec<&'a connect::Input>,
}

impl<'a> FilesRead<'a> {
    fn of(inputs: &'a Inputs) -> Self {
        Self {
            files: inputs.pieces.iter().collect(),
        }
    }
}
