//! A slice from its files to what an entry of the log says of it.

mod ahead;
pub(super) mod compare;
mod computer;
mod inputs;
mod shares;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::{join, try_join_all};
use tracing::Instrument as _;
use transom_commit::{
    self as commit, After, Counts, Draft, Log, LogId, Object, SinkError, SinkName, StagedAttempt,
    Store, Work,
};
use transom_connect::{self as connect, ErrorKind, Inputs, Sink, SinkLimits, Source as _};
use transom_file::spec::{Incremental, OnChange};
use transom_file::{FileSource, Pipeline};
use transom_plugin::LogicalTime;

use self::ahead::Ahead;
use self::computer::{Computed, Computer, Order};
use self::inputs::NotedInputs;
use super::backfill::{Backfill, Frozen};
use super::buckets::check_shares;
use super::choose::{
    Bounds, Candidate, Chosen, Loaded, Moved, Paths, Range, Value, alike, choose, paths_of,
};
use super::comparisons::Comparisons;
use super::pace::{Allowed, Measured, Pace};
use super::seen::{Seen, path_of};
use super::staged::keep;
use super::unfinished::Sizes;
use super::{SliceOptions, StagedReport};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::lock::Lock;
use crate::plan::{self, Part, Sources};
use crate::rejects;
use crate::report::{Bytes, RunReport, counted};
use crate::run::{FailingRows, Observer, RunFailure};

/// Why documents can be written.
const TEXT_KEYS: &str = "what was staged has text for keys";

/// Files that are looked at at once.
const AT_ONCE: usize = 16;

/// What counts as loaded, by sources, each with the document that says so.
type SeenOf = BTreeMap<String, (Option<Object>, Seen)>;

/// Reads what counts as loaded of a source, unless that is known; says whether it was read.
async fn read_again(
    known: &mut SeenOf,
    store: &dyn Store,
    source: &str,
    object: Option<Object>,
) -> Result<bool> {
    if known.get(source).is_some_and(|(known, _)| *known == object) {
        return Ok(false);
    }
    let seen = Seen::load(store, object).await?;
    known.insert(source.to_owned(), (object, seen));
    Ok(true)
}

/// The time that a run has until its deadline, if it has one.
fn left(options: &SliceOptions) -> Option<Duration> {
    let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    options.deadline.map(until)
}

/// What a run has compared with the log.
#[derive(Debug, Default)]
struct Compared {
    tables: bool,
    sinks: bool,
    new: bool,
}

/// What a run has staged.
#[derive(Debug)]
pub(super) struct Staged {
    attempt: commit::Attempt,
    /// Its number, once it is known that it has won one.
    pub(super) entry: Option<u64>,
    /// Files of incremental sources.
    pub(super) files: u64,
    /// From its plan until all sinks had it, once that is known.
    pub(super) seconds: f64,
    pub(super) report: RunReport,
}

/// Plans, computes and stages slices, and owns the sinks.
pub(super) struct Slicer<'a> {
    pub(super) job: &'a Job,
    options: &'a SliceOptions,
    observer: &'a dyn Observer,
    store: Arc<dyn Store>,
    /// All that entries can name, tables of dead letters included.
    sinks: Arc<BTreeMap<String, Arc<dyn Sink>>>,
    /// The columns of the sources, which are those of the lock file in every slice.
    schemas: BTreeMap<String, SchemaRef>,
    /// The sources as they were listed when the run began; none before.
    listed: Arc<BTreeMap<String, Inputs>>,
    /// The paths of what was listed of the incremental sources.
    paths: BTreeMap<String, Paths>,
    /// Of each of them, what was loaded before as other files.
    moved: BTreeMap<String, Moved>,
    /// What counts as loaded of each source, as it was last read or written.
    seen: SeenOf,
    /// What was loaded of sources that the pipeline does not have any more, once it was read.
    former: SeenOf,
    /// What was compared with the log.
    has_compared: Compared,
    /// What came of comparing files that look changed.
    comparisons: Comparisons,
    /// What checks have found in the slices of the run.
    failing: Arc<FailingRows>,
    /// Those that compute nothing just now.
    idle: Vec<Computer>,
    /// The slices that come next and are being computed already, each after the one before it.
    ahead: VecDeque<Ahead>,
    /// Whether slices need nothing of those before them, once a plan has said so.
    stand_alone: Option<bool>,
    pace: Pace,
    /// Whether the time that is left is too short for another slice.
    is_late: bool,
    sizes: Sizes,
    /// The last slice until its time is known: its attempt, when it was begun, what it has read.
    under_way: Option<(commit::Attempt, Instant, Measured)>,
    pub(super) staged: Vec<Staged>,
    /// Why the last slice could not be computed.
    pub(super) failure: Option<Box<RunFailure>>,
    /// Whether the last look found nothing to load.
    pub(super) is_done: bool,
    /// The open backfill, once it was read.
    frozen: Option<Arc<Frozen>>,
    /// The open backfill, if the share that comes next is computed by another process.
    pub(super) backfill: Option<Backfill>,
    /// The slice that was staged for later.
    pub(super) kept: Option<StagedReport>,
}

impl<'a> Slicer<'a> {
    pub(super) fn new(
        job: &'a Job,
        options: &'a SliceOptions,
        observer: &'a dyn Observer,
        store: &Arc<dyn Store>,
    ) -> Result<Self> {
        Ok(Self {
            sinks: Arc::new(sinks(job)),
            schemas: locked_schemas(&job.pipeline, job.lock.as_deref())?,
            job,
            options,
            observer,
            store: Arc::clone(store),
            listed: Arc::default(),
            paths: BTreeMap::new(),
            moved: BTreeMap::new(),
            seen: BTreeMap::new(),
            former: BTreeMap::new(),
            has_compared: Compared::default(),
            comparisons: Comparisons::default(),
            failing: Arc::default(),
            idle: Vec::new(),
            ahead: VecDeque::new(),
            stand_alone: None,
            pace: Pace::new(job.pipeline.slices, left(options)),
            is_late: false,
            sizes: Sizes::default(),
            under_way: None,
            staged: Vec::new(),
            failure: None,
            is_done: false,
            frozen: None,
            backfill: None,
            kept: None,
        })
    }

    /// A slice was planned, computed and staged; what is left is to bring it into the log and the sinks.
    fn note_staged(
        &mut self,
        attempt: commit::Attempt,
        begun: Instant,
        draft: &Draft,
        report: RunReport,
    ) {
        let mut measured = Measured::default();
        if let Draft::Slice { slice, .. } = draft {
            measured.rows = slice.counts.rows_in;
            for read in slice.inputs.values() {
                measured.files += read.files;
                measured.bytes += read.bytes;
            }
        }
        self.under_way = Some((attempt, begun, measured));
        self.staged.push(Staged {
            attempt,
            entry: None,
            files: measured.files,
            seconds: 0.0,
            report,
        });
    }

    /// Notes how long the last slice took, if it is over.
    pub(super) fn measure(&mut self) {
        let Some((attempt, begun, mut measured)) = self.under_way.take() else {
            return;
        };
        measured.took = begun.elapsed();
        self.pace.add(measured);
        if let Some(staged) = self
            .staged
            .last_mut()
            .filter(|staged| staged.attempt == attempt)
        {
            staged.seconds = measured.took.as_secs_f64();
        }
    }

    /// Notes which of the slices that were staged have come into the log.
    async fn settle(&mut self, log: &Log) {
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
            if let (None, Some(&entry)) = (staged.entry, entries.get(&staged.attempt)) {
                staged.entry = Some(entry);
                let Staged {
                    files,
                    seconds,
                    report,
                    ..
                } = staged;
                let (rows_read, rows_written) = (report.rows_read, report.rows_out());
                tracing::info!(target: "transom", seq = entry, files, rows_read, rows_written, seconds, "slice loaded");
            }
        }
        // Another process was faster: its slice counts.
        for lost in self.staged.iter().filter(|staged| staged.entry.is_none()) {
            self.failing.forget(&lost.attempt.to_string()).await;
        }
        let before = self.staged.len();
        self.staged.retain(|staged| staged.entry.is_some());
        if self.staged.len() < before {
            // What the other process has read may be newer than this listing, and must not be replaced by what is older.
            self.listed = Arc::default();
            self.paths.clear();
        }
    }

    /// Whether the run is to end before another slice.
    fn ends_here(&self) -> bool {
        let loaded = self.staged.len() as u64;
        self.options.after_slice.is_cancelled()
            || self.options.max_slices.is_some_and(|most| loaded >= most)
            || self.is_late
    }

    async fn next_slice(
        &mut self,
        log: &Log,
    ) -> Result<Option<(commit::Attempt, Draft)>, Box<RunFailure>> {
        self.measure();
        self.settle(log).await;
        let state = log.state();
        self.keep_ahead(log).await;
        if let Some(open) = state.backfill {
            // Boxed: the future of a slice is deep, and would be twice in this one.
            return Box::pin(self.next_share(log, &state, open)).await;
        }
        if let Err(error) = self.check_sinks(log).await {
            return Err(RunFailure::new(self.job, error));
        }
        let order = match self.ahead.front() {
            Some(ahead) => Some(Arc::clone(&ahead.order)),
            None => match self.choose(&state).await {
                Ok(chosen) => chosen.map(|chosen| Arc::new(self.order(log, &state, chosen))),
                Err(error) => return Err(RunFailure::new(self.job, error)),
            },
        };
        self.is_done = order.is_none();
        let Some(order) = order else {
            return Ok(None);
        };
        if self.ends_here() {
            return Ok(None);
        }
        if let Err(error) = self.check_tables(log).await {
            return Err(RunFailure::new(self.job, error));
        }
        let ahead = self.ahead.pop_front();
        let begun = ahead
            .as_ref()
            .map_or_else(Instant::now, |ahead| ahead.begun);
        let computed = match ahead {
            None => self.compute_beside(log, &order).await?,
            Some(ahead) => {
                self.begin_ahead(log, &order, None).await?;
                let size = self.size_under_way(&order);
                let saying = self.sizes.begin(&self.store, size);
                let (computed, ()) = join(ahead.computed(self.observer), saying).await;
                match computed {
                    Some((computer, computed)) => {
                        self.idle.push(computer);
                        computed
                    }
                    // It is computed again, and an error is reported then.
                    None => {
                        self.stop_ahead().await;
                        return Box::pin(self.next_slice(log)).await;
                    }
                }
            }
        };
        let attempt = order.attempt;
        let (draft, report) = self.draft(&state, computed);
        if self.options.stage_only {
            let staged = StagedAttempt::new(attempt, log.tail(), draft);
            if let Err(error) = keep(self.store.as_ref(), &staged).await {
                return Err(Box::new(RunFailure { error, report }));
            }
            self.kept = Some(StagedReport {
                attempt: attempt.to_string(),
                report,
            });
            return Ok(None);
        }
        self.note_staged(attempt, begun, &draft, report);
        Ok(Some((attempt, draft)))
    }

    /// Says that this run computes no slice any more.
    pub(super) async fn end_sizes(&mut self) {
        self.sizes.end(self.store.as_ref()).await;
    }

    /// Computes a slice and stages its results.
    async fn compute(&mut self, order: &Order) -> Result<Computed, Box<RunFailure>> {
        let mut computer = self.idle_computer();
        let computed = computer.compute(order, self.observer).await;
        self.idle.push(computer);
        computed
    }

    /// The same, with the size where the next run would look for it. The slices after it are begun as well, if they can be computed at the
    /// same time.
    async fn compute_beside(
        &mut self,
        log: &Log,
        order: &Order,
    ) -> Result<Computed, Box<RunFailure>> {
        let mut computer = self.idle_computer();
        let computing = async {
            self.begin_ahead(log, order, Some(&mut computer)).await?;
            let size = self.size_under_way(order);
            let saying = self.sizes.begin(&self.store, size);
            let computing = computer.compute(order, self.observer);
            let computing = computing.instrument(slice_span(log));
            let (computed, ()) = join(computing, saying).await;
            computed
        };
        let computed = computing.await;
        self.idle.push(computer);
        let failed = computed.as_ref().err();
        if failed.is_some_and(|failure| failure.error.lack().is_some()) {
            self.sizes.leave(self.store.as_ref(), order.size()).await;
        }
        computed
    }

    /// How large this slice is, and those that are computed beside it.
    fn size_under_way(&self, order: &Order) -> Bounds {
        let ahead = self.ahead.iter().map(|ahead| ahead.order.size());
        ahead.fold(order.size(), Bounds::around)
    }

    fn idle_computer(&mut self) -> Computer {
        let options = self.options.into();
        let new = || Computer::new(self.job, options, &self.store, &self.sinks, &self.failing);
        let idle = self.idle.pop();
        idle.unwrap_or_else(new)
    }

    /// The slice that comes after the log's last entry.
    fn order(&self, log: &Log, state: &After, chosen: Chosen) -> Order {
        let attempt = commit::Attempt::random();
        Order {
            attempt,
            log: log.id().map(|id| id.to_string()),
            time: LogicalTime {
                now: self.now(state),
                seed: self.seed(attempt),
            },
            state: state.clone(),
            chosen,
            listed: Arc::clone(&self.listed),
        }
    }

    /// The time of a slice is never before that of an earlier one.
    pub(super) fn now(&self, state: &After) -> SystemTime {
        let given = self.job.session.time;
        let before = state.clock.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
        if before > given.now {
            tracing::warn!(
                target: "transom",
                "`now()` is {} in this run: an earlier slice had that time, and time does not go back",
                DateTime::<Utc>::from(before).format("%Y-%m-%d %H:%M:%S"),
            );
        }
        given.now.max(before)
    }

    /// Each attempt has random numbers of its own, and its entry says which.
    fn seed(&self, attempt: commit::Attempt) -> u64 {
        self.job.session.time.seed ^ u64::try_from(attempt.number() >> 64).unwrap_or_default()
    }

    /// What the next slice reads; none if nothing is new.
    async fn choose(&mut self, state: &After) -> Result<Option<Chosen>> {
        self.look(state).await?;
        let mut allowed = self.pace.next(left(self.options));
        let mut chosen = self.choose_within(allowed)?;
        // Without news, or where all there is is read, there is nothing to take less of.
        if chosen.is_some()
            && self.incremental().next().is_some()
            && let Some(unfinished) = self.sizes.left(self.store.as_ref()).await
        {
            let Bounds { files, bytes } = self.pace.halve(unfinished);
            tracing::warn!(
                target: "transom",
                "an earlier run did not come to the end of a slice of {} ({}): each slice of this run takes {} and {} at most, or one file or partition",
                counted(unfinished.files, "file"),
                Bytes(unfinished.bytes),
                counted(files, "file"),
                Bytes(bytes),
            );
            allowed = self.pace.next(left(self.options));
            chosen = self.choose_within(allowed)?;
        }
        self.is_late = allowed.is_none();
        if let (Some(_), Some(allowed)) = (&chosen, allowed) {
            self.pace.begin(allowed);
        }
        Ok(chosen)
    }

    /// What a slice reads that may read so much. If there is no time for one, it is only asked whether there is something.
    fn choose_within(&self, allowed: Option<Allowed>) -> Result<Option<Chosen>> {
        if self.incremental().next().is_none() {
            // Every run reads all there is, once.
            return Ok(self.staged.is_empty().then(Chosen::default));
        }
        let bounds = allowed.map_or(Bounds { files: 1, bytes: 0 }, |allowed| allowed.bounds);
        let seen = |name: &str| Some(&self.seen.get(name)?.1);
        self.choose_from(&seen, bounds, None)
    }

    /// The sources that are loaded by and by.
    fn incremental(&self) -> impl Iterator<Item = (&'a FileSource, &'a Incremental)> + use<'a> {
        let sources = self.job.pipeline.sources.iter();
        sources.filter_map(|source| Some((source, &source.incremental.as_ref()?.value)))
    }

    /// Lists the sources once, and reads what counts as loaded of them.
    async fn look(&mut self, state: &After) -> Result<()> {
        let mut is_changed = self.listed.is_empty();
        if is_changed {
            let is_loaded = |name: &str| state.sources.contains_key(name);
            self.listed = Arc::new(list_sources(self.job, is_loaded).await?);
        }
        let store: &dyn Store = self.store.as_ref();
        for (source, _) in self.incremental() {
            let name = &source.name.value;
            if let Some(inputs) = self.listed.get(name) {
                let paths = self.paths.entry(name.clone());
                paths.or_insert_with(|| paths_of(inputs));
            }
            let object = state.sources.get(name).and_then(|state| state.seen);
            is_changed |= read_again(&mut self.seen, store, name, object).await?;
        }
        let sources = &self.job.pipeline.sources;
        for (name, loaded) in &state.sources {
            let is_here = sources.iter().any(|source| source.name.value == *name);
            if !is_here {
                is_changed |= read_again(&mut self.former, store, name, loaded.seen).await?;
            }
        }
        self.former
            .retain(|name, _| state.sources.contains_key(name));
        match is_changed {
            true => {
                self.find_same().await?;
                self.find_moved().await
            }
            false => Ok(()),
        }
    }

    /// Finds the files that look changed, and whose content is the one that was loaded: they are known by how they look now, and no slice
    /// reads them. The next slice writes that down; until then no run reads them again for what it knows.
    async fn find_same(&mut self) -> Result<()> {
        let listed = Arc::clone(&self.listed);
        let store: &dyn Store = self.store.as_ref();
        let mut same = Vec::new();
        for (source, incremental) in self.incremental() {
            let name = source.name.value.as_str();
            let on_change = match incremental {
                Incremental::NewFiles { on_change } => *on_change,
                Incremental::By { .. } => OnChange::Load,
            };
            let (Some(inputs), Some((_, seen))) = (listed.get(name), self.seen.get(name)) else {
                continue;
            };
            if on_change == OnChange::Ignore {
                // Whatever their content is.
                continue;
            }
            let files = &plan::file_source(&self.job.pipeline, source, &self.job.aws);
            let pieces = inputs.pieces.iter();
            let like = pieces.filter_map(|piece| Some((piece, seen.if_like(piece)?)));
            let like: Vec<_> = like.collect();
            if like.is_empty() {
                continue;
            }
            self.comparisons.look(store).await;
            let mut unknown = Vec::new();
            for (piece, noted) in like {
                match self.comparisons.get(piece, noted) {
                    Some(true) => same.push((name, piece)),
                    Some(false) => {}
                    None => unknown.push((piece, noted)),
                }
            }
            for some in unknown.chunks(AT_ONCE) {
                let asked = some.iter().map(|(piece, noted)| async move {
                    let is_same = files.has_content(piece, noted).await?;
                    Ok::<_, Error>((*piece, *noted, is_same))
                });
                for (piece, noted, is_same) in try_join_all(asked).await? {
                    // What could not be told now is asked again.
                    let Some(is_same) = is_same else {
                        continue;
                    };
                    self.comparisons.add(piece, noted, is_same);
                    if is_same {
                        same.push((name, piece));
                    }
                }
                self.comparisons.keep_now_and_then(store).await;
            }
        }
        self.comparisons.keep(store).await;
        for (name, piece) in same {
            tracing::debug!(target: "transom", source = name, path = %piece.path.display(), "looks changed, and has the content that was loaded");
            if let Some((_, seen)) = self.seen.get_mut(name) {
                seen.keep(piece);
            }
        }
        Ok(())
    }

    /// Finds the files that look new and were loaded before, as others that are gone. That is asked of their place in each run: a hint that
    /// they were gone would decide of files that have come back.
    async fn find_moved(&mut self) -> Result<()> {
        let listed = Arc::clone(&self.listed);
        let mut moved = BTreeMap::new();
        for (source, incremental) in self.incremental() {
            let name = source.name.value.as_str();
            let (Incremental::NewFiles { on_change }, Some(inputs)) =
                (incremental, listed.get(name))
            else {
                continue;
            };
            if *on_change == OnChange::Load {
                // They are loaded again.
                continue;
            }
            let all = self.loaded(&|name| Some(&self.seen.get(name)?.1));
            let alike = alike((name, &source.path.value), inputs, &all);
            let files = &plan::file_source(&self.job.pipeline, source, &self.job.aws);
            let of_source: &mut Moved = moved.entry(name.to_owned()).or_default();
            for some in alike.chunks(AT_ONCE) {
                let asked = some.iter().map(|(piece, before)| async move {
                    // A source may have been made narrower: what it does not list any more may be there.
                    let is_there = before.path != path_of(piece)
                        && files.is_beside(&before.path, piece).await?;
                    Ok::<_, Error>((!is_there).then(|| (path_of(piece), before.clone())))
                });
                let gone = try_join_all(asked).await?;
                of_source.extend(gone.into_iter().flatten());
                if *on_change == OnChange::Fail && !of_source.is_empty() {
                    // It ends the run.
                    break;
                }
            }
        }
        self.moved = moved;
        Ok(())
    }

    /// What was loaded of all sources, those included that the pipeline does not have any more.
    fn loaded<'s>(&'s self, seen: &dyn Fn(&str) -> Option<&'s Seen>) -> Vec<Loaded<'s>> {
        let present = self.incremental().filter_map(|(source, _)| {
            let source = source.name.value.as_str();
            Some(Loaded {
                source,
                seen: seen(source)?,
                listed: self.paths.get(source),
            })
        });
        let former = self.former.iter().map(|(source, (_, seen))| Loaded {
            source,
            seen,
            listed: None,
        });
        present.chain(former).collect()
    }

    /// What the next slice reads, of what is listed and not in these sets.
    fn choose_from<'s>(
        &'s self,
        seen: &dyn Fn(&str) -> Option<&'s Seen>,
        bounds: Bounds,
        range: Option<&Range>,
    ) -> Result<Option<Chosen>> {
        let incremental: Vec<_> = self.incremental().collect();
        let listed = self.listed.as_ref();
        let mut partitions = BTreeMap::new();
        let mut lookups: BTreeMap<&str, Lookup> = BTreeMap::new();
        for (source, incremental) in &incremental {
            let name = source.name.value.as_str();
            let Some(inputs) = listed.get(name) else {
                continue;
            };
            let field = match incremental {
                Incremental::By { column, .. } => Some(self.field(name, column)?),
                Incremental::NewFiles { .. } => None,
            };
            if let Some(field) = &field {
                partitions.insert(name, partitions_of(name, inputs, field)?);
            }
            let lookup = move |path: &str| -> Value {
                connect::partition_value(Path::new(path), field.as_ref()?).unwrap_or_default()
            };
            lookups.insert(name, Box::new(lookup));
        }
        let all = self.loaded(seen);
        let candidates = incremental.iter().filter_map(|(source, incremental)| {
            let name = source.name.value.as_str();
            Some(Candidate {
                name,
                path: &source.path.value,
                incremental,
                inputs: listed.get(name)?,
                paths: self.paths.get(name)?,
                partitions: partitions.get(name).map_or(&[], Vec::as_slice),
                partition_of: lookups.get(name)?.as_ref(),
                seen: seen(name)?,
                moved: self.moved.get(name),
                all: &all,
            })
        });
        choose(&candidates.collect::<Vec<_>>(), bounds, range)
    }

    fn field(&self, source: &str, column: &str) -> Result<Field> {
        let schema = self.schemas.get(source);
        let field = schema.and_then(|schema| schema.field_with_name(column).ok());
        let field = field.ok_or_else(|| Error::Slice {
            message: format!("the source `{source}` has no column `{column}`"),
            hint: "`incremental: { by: .. }` names a column that is in the names of the source's folders".to_owned(),
        })?;
        if field.data_type().is_floating() {
            // `x=0` and `x=-0.0`, or `x=1` and `x=1.0`, would be two partitions with the same rows.
            return Err(Error::Slice {
                message: format!(
                    "the source `{source}` cannot be read by `{column}`: its values are floats"
                ),
                hint: format!(
                    "declare it as text or as a decimal: `columns: {{ {column}: utf8 }}`"
                ),
            });
        }
        Ok(field.clone())
    }

    /// Refuses a backfill of a pipeline in which a step keeps state.
    pub(super) async fn check_backfill(&self) -> Result<()> {
        let planned = self.job.plan(Sources::FromLock, &Part::default()).await?;
        check_shares(&planned)
    }

    /// What the log is to say of a slice that comes after this state.
    fn draft(&mut self, state: &After, computed: Computed) -> (Draft, RunReport) {
        let Computed {
            report,
            noted,
            parts,
            buckets,
            time,
        } = computed;
        let mut sources = state.sources.clone();
        let mut inputs = BTreeMap::new();
        for NotedInputs {
            source,
            seen,
            object,
            inputs: read,
        } in noted
        {
            self.seen.insert(source.clone(), (Some(object), seen));
            let after = commit::SourceState {
                seen: Some(object),
                ..commit::SourceState::default()
            };
            sources.insert(source.clone(), after);
            inputs.insert(source, read);
        }
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
        let draft = Draft::Slice {
            slice: Box::new(slice),
            sources,
            buckets,
        };
        (draft, report)
    }
}

#[async_trait]
impl Work for Slicer<'_> {
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(commit::Attempt, Draft)>, Box<dyn StdError + Send + Sync>> {
        let next = self.next_slice(log).await;
        keep_failure(next, &mut self.failure)
    }

    async fn compare(&mut self, log: &Log) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let compared = self.check_tables(log).await;
        let compared = compared.map_err(|error| RunFailure::new(self.job, error));
        keep_failure(compared, &mut self.failure)
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

/// Keeps why work has failed for who asked for it: the runner gets the text alone.
pub(super) fn keep_failure<T, E: fmt::Display>(
    outcome: Result<T, E>,
    failure: &mut Option<E>,
) -> Result<T, Box<dyn StdError + Send + Sync>> {
    outcome.map_err(|error| {
        let message = error.to_string();
        *failure = Some(error);
        message.into()
    })
}

/// What is logged while a slice is computed belongs to the entry that it is to become.
fn slice_span(log: &Log) -> tracing::Span {
    tracing::info_span!(target: "transom", "slice", seq = log.tail() + 1)
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
    let sinks = sinks.map(|sink| plan::sink(pipeline, sink, &job.aws, limits, None));
    let dead_letters = rejects::tables(pipeline);
    let dead_letters = dead_letters
        .iter()
        .map(|table| plan::dead_letters(pipeline, table, &job.aws));
    sinks
        .chain(dead_letters)
        .map(|sink| (sink.name().to_owned(), sink))
        .collect()
}

/// The columns of all sources, which must be those of the lock file: they may not differ from one slice to the next.
///
/// # Errors
/// If the lock file does not have a source as it is written.
pub fn locked_schemas(
    pipeline: &Pipeline,
    lock: Option<&Lock>,
) -> Result<BTreeMap<String, SchemaRef>> {
    let mut schemas = BTreeMap::new();
    for source in &pipeline.sources {
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

/// All sources, as they are now. Of those whose files are `known` already, all files may be gone.
pub(super) async fn list_sources(
    job: &Job,
    known: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Inputs>> {
    let mut listed = BTreeMap::new();
    for source in &job.pipeline.sources {
        let name = &source.name.value;
        let files = plan::file_source(&job.pipeline, source, &job.aws);
        let inputs = match files.list().await {
            Ok(inputs) => inputs,
            Err(error) if error.is_empty() && known(name) => Inputs::default(),
            Err(error) if error.kind() == ErrorKind::Data => {
                return Err(problem(job, source, &error).into());
            }
            Err(error) => return Err(error.into()),
        };
        listed.insert(name.clone(), inputs);
    }
    Ok(listed)
}

fn problem(
    job: &Job,
    source: &transom_file::FileSource,
    error: &connect::SourceError,
) -> transom_file::Problems {
    let message = plan::error_chain(error);
    let mut problem = job.pipeline.problem_at(source.path.span, message);
    problem.hint = error.hint();
    problem.in_data = true;
    transom_file::Problems(vec![problem])
}

/// Whether a sink's table has rows of entries that are in force: it must be there then.
pub(super) fn has_rows(state: &After, sink: &str) -> bool {
    // After a reset nothing counts as loaded.
    !state.sources.is_empty() && after_of(state, sink).is_some()
}

/// The attempt whose result a sink has, if an entry says so.
pub(super) fn after_of(state: &After, sink: &str) -> Option<String> {
    let at = state.sink(sink)?;
    (at.position.seq > 0).then(|| at.position.attempt_text())
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

/// The pipeline as it was checked, without where it lies.
fn digest_of(job: &Job) -> String {
    let checked = serde_json::to_vec(job.pipeline.as_ref()).unwrap_or_default();
    commit::Digest::of(&checked).to_string()
}
