//! Backfills: many files or partitions, divided into shares that processes compute side by side and a run loads in order.
//!
//! ```text
//! log/42           the backfill: how many shares there are; `Plan`, beside the log, says what each of them reads
//! backfill/42/3    the attempt that stands for share 3, by the first process that has computed it
//! log/43 ..        a slice for each share, in order, then the end of the backfill
//! ```
//!
//! A share is computed as if those before it were loaded, and must not need their results: what it stages is brought behind them when it
//! is loaded ([`transom_connect::Sink::follow`]).

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use transom_commit::{
    self as commit, After, By, Decision, Draft, Log, OpenBackfill, Runner, Share, SinkError,
    SinkName, StagedAttempt, Store, StoredLog, Task, Work, keys,
};
use transom_connect::Inputs;
use transom_plugin::LogicalTime;

use super::choose::{Chosen, Value};
use super::runs::{Amounts, KeptRun};
use super::seen::{Seen, There, read, write};
use super::work::{Slicer, keep_failure};
use super::{SliceOptions, SlicesFailure, by, open_store};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::report::counted;
use crate::run::{Observer, RunFailure};

const FORMAT: u32 = 1;
/// Shares at most: the largest array of jobs that AWS Batch takes.
const MOST_SHARES: u32 = 10_000;

/// Which inputs a backfill loads, and how they are divided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackfillOptions {
    /// Of a source that is read by partition: the first partition, which is loaded again if it was loaded before.
    pub from: Option<String>,
    /// The last partition, likewise.
    pub to: Option<String>,
    /// Shares at most, of about the same size; `None` for as many as the pipeline's `slices` give.
    pub shares: Option<u32>,
}

/// A backfill that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Backfill {
    /// The entry that opened it.
    pub entry: u64,
    /// How many shares it has.
    pub shares: u32,
    /// How many of them are loaded.
    pub loaded: u32,
    /// How many of them no process has computed yet.
    pub missing: u32,
}

impl Backfill {
    /// What to do about an open one.
    pub const HINT: &str =
        "`transom backfill` or its jobs go on with it; `transom backfill end` closes it";

    /// How far an open backfill is.
    pub(super) async fn read(store: &dyn Store, open: OpenBackfill) -> Result<Self> {
        let computed = store.list(&keys::shares(open.seq), None).await?;
        let computed = computed.iter().filter_map(|key| keys::share_of(key));
        let ahead = computed.filter(|share| (open.next..open.shares).contains(&share.index));
        let ahead = u32::try_from(ahead.count()).unwrap_or(u32::MAX);
        Ok(Self {
            entry: open.seq,
            shares: open.shares,
            loaded: open.next,
            missing: (open.shares - open.next).saturating_sub(ahead),
        })
    }
}

impl fmt::Display for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "backfill {} is open: {} of {} loaded, {} not computed yet; nothing else is loaded until it is over",
            self.entry,
            self.loaded,
            counted(u64::from(self.shares), "share"),
            self.missing
        )
    }
}

/// A share that was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StagedShare {
    /// The backfill.
    pub backfill: Backfill,
    /// Which of its shares, from 0.
    pub share: u32,
    /// Whether this process has computed it; another one had before if not.
    pub computed: bool,
}

/// What the shares read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    format: u32,
    /// What `now()` is in all of them: they are loaded in order, and time does not go back.
    clock: DateTime<Utc>,
    /// The digests of the variables' values, which may be secret; none in plans of earlier builds.
    #[serde(default)]
    variables: Option<BTreeMap<String, String>>,
    shares: Vec<SharePlan>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharePlan {
    sources: BTreeMap<String, ShareInputs>,
    /// The partitions that are read whole.
    partitions: BTreeSet<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareInputs {
    inputs: Inputs,
    /// Files that count as loaded before, and not after it.
    gone: Vec<String>,
}

impl From<Chosen> for SharePlan {
    fn from(chosen: Chosen) -> Self {
        let Chosen {
            inputs,
            mut gone,
            partitions,
            ..
        } = chosen;
        let of = |(name, inputs)| {
            let gone = gone.remove(&name).unwrap_or_default();
            (name, ShareInputs { inputs, gone })
        };
        Self {
            sources: inputs.into_iter().map(of).collect(),
            partitions,
        }
    }
}

/// An open backfill, as it was read.
#[derive(Debug)]
pub(super) struct Frozen {
    seq: u64,
    plan: Plan,
    /// The state before its first share.
    before: After,
}

impl Frozen {
    /// Reads what the backfill's entry has frozen.
    pub(super) async fn read(store: &dyn Store, seq: u64) -> Result<Self> {
        let mut log = StoredLog::open(store, Some(seq)).await?;
        log.reach(seq).await?;
        let entry = log.log().get(seq);
        let Some((Decision::Backfill { plan, .. }, before)) =
            entry.map(|entry| (&entry.decision, entry.after.clone()))
        else {
            return Err(Error::State {
                message: format!("entry {seq} of the log is no backfill"),
                hint: None,
            });
        };
        let plan: Plan = read(store, *plan).await?;
        Ok(Self { seq, plan, before })
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// The time that all shares see as now.
    pub(super) fn time(&self, seed: u64) -> LogicalTime {
        LogicalTime {
            now: self.plan.clock.into(),
            seed,
        }
    }

    /// Refuses values of variables that are not those of the plan: shares of one backfill have the same.
    pub(super) fn check_variables(&self, job: &Job) -> Result<()> {
        let Some(planned) = &self.plan.variables else {
            return Ok(());
        };
        let now = digests(job);
        let mut names = planned.keys().chain(now.keys());
        let differs = names.find(|name| planned.get(*name) != now.get(*name));
        differs.map_or(Ok(()), |name| {
            Err(Error::Slice {
                message: format!(
                    "the variable `{name}` has not the value with which the backfill of entry {} was planned",
                    self.seq
                ),
                hint: format!(
                    "give each share that value, with `--var {name}=..` or in the target; or close the backfill with `transom backfill \
                     end`, and plan it anew"
                ),
            })
        })
    }

    /// What a share reads, and what counts as loaded after it.
    pub(super) async fn share(&self, store: &dyn Store, index: u32) -> Result<Chosen> {
        let until = index as usize;
        let Some(share) = self.plan.shares.get(until) else {
            return Err(Error::Slice {
                message: format!(
                    "there is no share {index}: the backfill of entry {} has {}, numbered from 0",
                    self.seq,
                    counted(self.plan.shares.len() as u64, "share")
                ),
                hint: "the array of jobs has as many children as the backfill has shares"
                    .to_owned(),
            });
        };
        let mut chosen = Chosen {
            partitions: share.partitions.clone(),
            ..Chosen::default()
        };
        for (name, inputs) in &share.sources {
            let before = self.before.sources.get(name).and_then(|state| state.seen);
            let mut seen = Seen::load(store, before).await?;
            let upto = self.plan.shares[..=until].iter();
            for read in upto.filter_map(|share| share.sources.get(name)) {
                read.gone.iter().for_each(|path| seen.remove(path));
                read.inputs
                    .pieces
                    .iter()
                    .for_each(|piece| seen.insert(piece));
            }
            chosen.seen.insert(name.clone(), seen);
            chosen.inputs.insert(name.clone(), inputs.inputs.clone());
        }
        Ok(chosen)
    }

    /// How many files of incremental sources a share reads.
    fn files(&self, index: u32) -> u64 {
        let share = self.plan.shares.get(index as usize);
        let sources = share.into_iter().flat_map(|share| share.sources.values());
        let files = sources.map(|source| source.inputs.pieces.len() as u64);
        files.sum()
    }

    /// The attempt that stands for a share; none if it is not computed.
    pub(super) async fn staged(
        &self,
        store: &dyn Store,
        index: u32,
    ) -> Result<Option<StagedAttempt>> {
        let key = keys::share(Share {
            backfill: self.seq,
            index,
        });
        let Some(bytes) = store.get(&key).await? else {
            return Ok(None);
        };
        let staged = StagedAttempt::parse(&key, &bytes).map_err(|error| Error::State {
            message: format!("{error}"),
            hint: None,
        })?;
        Ok(Some(staged))
    }
}

/// The digest of each variable's value.
fn digests(job: &Job) -> BTreeMap<String, String> {
    let variables = job.pipeline.variables.iter();
    let digests = variables.map(|(name, value)| {
        let text = serde_json::to_vec(value).unwrap_or_default();
        (name.clone(), commit::Digest::of(&text).to_string())
    });
    digests.collect()
}

pub(super) fn none_open() -> Error {
    Error::Slice {
        message: "no backfill is open".to_owned(),
        hint: "`transom backfill plan` opens one".to_owned(),
    }
}

impl Job {
    /// The backfill that is open.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn open_backfill(&self) -> Result<Option<Backfill>> {
        let store = open_store(self).await?;
        let log = StoredLog::open(store.as_ref(), None).await?;
        match log.log().state().backfill {
            Some(open) => Ok(Some(Backfill::read(store.as_ref(), open).await?)),
            None => Ok(None),
        }
    }

    /// Opens a backfill: the log then says what each of its shares reads. `None` if there is nothing to load.
    ///
    /// # Errors
    /// If one is open already, the options do not fit the pipeline, the tables do not belong to the log, or that or a source cannot be read.
    pub async fn plan_backfill(
        &self,
        options: &BackfillOptions,
        observer: &dyn Observer,
    ) -> Result<Option<Backfill>> {
        let store = open_store(self).await?;
        let by = by(None);
        let mut kept = KeptRun::begin(&by);
        kept.keep(store.as_ref()).await;
        let opened = Box::pin(self.plan_backfill_in(options, observer, &store, by)).await;
        kept.end_plan(&opened);
        kept.keep(store.as_ref()).await;
        opened
    }

    async fn plan_backfill_in(
        &self,
        options: &BackfillOptions,
        observer: &dyn Observer,
        store: &Arc<dyn Store>,
        by: By,
    ) -> Result<Option<Backfill>> {
        let slice_options = SliceOptions::default();
        let mut planner = Planner {
            slicer: Slicer::new(self, &slice_options, observer, store)?,
            options,
            store: store.as_ref(),
            failure: None,
        };
        let runner = Runner::new(store.as_ref(), &mut planner, by, Task::Once, None);
        let ran = async { runner.await?.run().await }.await;
        if let Some(error) = planner.failure {
            return Err(error);
        }
        match ran?.appended.is_empty() {
            true => Ok(None),
            false => self.open_backfill().await,
        }
    }

    /// Computes a share of the open backfill and stages its results. It may be killed and begun again, or computed twice at once: one
    /// attempt stands for it.
    ///
    /// # Errors
    /// If no backfill is open, it has no such share, the tables do not belong to the log, or whatever stops a slice.
    pub async fn stage_share(
        &self,
        index: u32,
        observer: &dyn Observer,
    ) -> Result<StagedShare, Box<SlicesFailure>> {
        let store = open_store(self).await;
        let store = store.map_err(|error| SlicesFailure::new(self, error))?;
        let mut kept = KeptRun::begin(&by(None));
        kept.share = Some(index);
        kept.keep(store.as_ref()).await;
        let staged = Box::pin(self.stage_share_in(index, observer, &store)).await;
        kept.end_share(&staged);
        kept.keep(store.as_ref()).await;
        staged.map(|(staged, _)| staged)
    }

    /// A share, and what it has read and written if this process has computed it.
    async fn stage_share_in(
        &self,
        index: u32,
        observer: &dyn Observer,
        store: &Arc<dyn Store>,
    ) -> Result<(StagedShare, Amounts), Box<SlicesFailure>> {
        let failed = |error: Error| SlicesFailure::new(self, error);
        let options = SliceOptions::default();
        let mut slicer = Slicer::new(self, &options, observer, store).map_err(failed)?;
        let log = StoredLog::open(store.as_ref(), None).await;
        let log = log.map_err(|error| failed(error.into()))?;
        let open = log.log().state().backfill;
        let open = open.ok_or_else(|| failed(none_open()))?;
        let frozen = Frozen::read(store.as_ref(), open.seq)
            .await
            .map_err(failed)?;
        let staged = async |computed: Option<Amounts>| {
            let backfill = Backfill::read(store.as_ref(), open).await;
            let staged = StagedShare {
                backfill: backfill.map_err(failed)?,
                share: index,
                computed: computed.is_some(),
            };
            Ok((staged, computed.unwrap_or_default()))
        };
        let there = frozen.staged(store.as_ref(), index).await.map_err(failed)?;
        if there.is_some() || index < open.next {
            return staged(None).await;
        }
        let checked = slicer.check_for_shares(log.log()).await;
        checked.map_err(failed)?;
        let computed = tokio::select! {
            computed = slicer.compute_share(log.log(), &frozen, index) => computed,
            () = self.stopped() => Err(RunFailure::new(self, Error::Cancelled)),
        };
        match computed {
            Ok(report) => {
                let amounts = report.map(|report| Amounts {
                    files: frozen.files(index),
                    ..Amounts::of_run(&report)
                });
                staged(amounts).await
            }
            Err(failure) => {
                let RunFailure { error, report } = *failure;
                let mut failure = failed(error);
                failure.slice = Some(Box::new(report));
                Err(failure)
            }
        }
    }
}

/// Plans a backfill: one entry.
struct Planner<'a> {
    slicer: Slicer<'a>,
    options: &'a BackfillOptions,
    store: &'a dyn Store,
    failure: Option<Error>,
}

impl Planner<'_> {
    async fn draft(&mut self, log: &Log, attempt: commit::Attempt) -> Result<Option<Draft>> {
        let state = log.state();
        if let Some(open) = state.backfill {
            return Err(Error::Slice {
                message: format!(
                    "the backfill of entry {} is open, with {} of {} shares loaded",
                    open.seq, open.next, open.shares
                ),
                hint: "`transom backfill` goes on with it, `transom backfill end` closes it"
                    .to_owned(),
            });
        }
        self.slicer.check_backfill().await?;
        // What would end the run that loads the shares is said before they are computed.
        self.slicer.check_for_shares(log).await?;
        self.slicer.check_places(log).await?;
        let shares = self.slicer.divide(&state, self.options).await?;
        let count = shares.len();
        if count == 0 {
            return Ok(None);
        }
        let most = u32::try_from(count).ok();
        let Some(count) = most.filter(|count| *count <= MOST_SHARES) else {
            return Err(Error::Slice {
                message: format!(
                    "the backfill would have {count} shares, and {MOST_SHARES} are the most"
                ),
                hint: "say how many there shall be with `--shares`".to_owned(),
            });
        };
        let plan = Plan {
            format: FORMAT,
            clock: self.slicer.now(&state).into(),
            variables: Some(digests(self.slicer.job)),
            shares: shares.into_iter().map(SharePlan::from).collect(),
        };
        let plan = write(self.store, attempt, &plan, &There::new()).await?;
        Ok(Some(Draft::Backfill {
            shares: count,
            plan,
        }))
    }
}

#[async_trait]
impl Work for Planner<'_> {
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(commit::Attempt, Draft)>, Box<dyn StdError + Send + Sync>> {
        let attempt = commit::Attempt::random();
        let draft = self.draft(log, attempt).await;
        let draft = keep_failure(draft, &mut self.failure)?;
        Ok(draft.map(|draft| (attempt, draft)))
    }

    async fn compare(&mut self, log: &Log) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let compared = self.slicer.check_tables(log).await;
        keep_failure(compared, &mut self.failure)
    }

    fn sink(&self, name: &SinkName) -> Option<commit::Sink<'_>> {
        self.slicer.sink(name)
    }

    async fn delete_staged(
        &self,
        log: commit::LogId,
        attempts: &[commit::Attempt],
    ) -> Result<(), SinkError> {
        self.slicer.delete_staged(log, attempts).await
    }
}
