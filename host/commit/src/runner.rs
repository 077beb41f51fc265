//! Carries out what a [`Process`] says, on a store and sinks.
//!
//! No decision is made here. What fails for a while is tried again with growing pauses; after some tries in a row the
//! runner gives up, which is safe at any point: the next one goes on.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use uuid::Uuid;

use crate::entry::{By, Decision, Done, Draft, Entry, FORMAT};
use crate::fault;
use crate::head::{SinkAt, SinkKind};
use crate::id::{Attempt, LogId, Object, Position, SinkName};
use crate::keys;
use crate::ledger::Settled;
use crate::log::{Log, LogError, StoredLog, Wanted};
use crate::process::{Answer, Next, Process, RandomIds, Stop, Task};
use crate::sink::{
    Applying, Files, Pointer, Published, Sink, SinkError, SinkErrorKind, Version, Warehouse,
};
use crate::store::{Store, StoreError, StoreErrorKind};

/// What plans entries and owns the sinks: a pipeline.
#[async_trait]
pub trait Work: Send {
    /// Plans the next entry from the log, computes it and stages what it names, completely; none if there is nothing
    /// to do. Called again when another process was faster: what was staged for the earlier attempt stays where it is.
    ///
    /// # Errors
    ///
    /// If that fails. Nothing that is staged is seen by anyone.
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(Attempt, Draft)>, Box<dyn Error + Send + Sync>>;

    /// Whether the sinks belong to the log. Asked once, before the process changes them by an entry that it has not appended: a log that was
    /// restored from a backup is behind sinks which note what they have, and the notes would be set back.
    ///
    /// # Errors
    ///
    /// If they do not, or that cannot be seen.
    async fn compare(&mut self, _log: &Log) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// A sink of the pipeline.
    fn sink(&self, name: &SinkName) -> Option<Sink<'_>>;

    /// Deletes what these attempts at entries of this log have staged, for all sinks. Harmless later, since no attempt
    /// comes back.
    ///
    /// # Errors
    ///
    /// If something staged may still be there.
    async fn delete_staged(&self, log: LogId, attempts: &[Attempt]) -> Result<(), SinkError>;
}

/// How long a runner tries.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often in a row something is tried that fails for a while.
    pub tries: u32,
    /// The pause after the first try; it doubles with each, and is varied by chance.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            pause: Duration::from_millis(200),
        }
    }
}

/// What a process has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The entries that it appended.
    pub appended: Vec<u64>,
    /// The entries that it saw through to the end, its own and those of others.
    pub applied: Vec<u64>,
}

/// Why a process ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A person has to look.
    #[error("{0}")]
    Stopped(Box<Stop>, #[source] Option<SinkError>),
    /// The log cannot be read, or is not right.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The plan, the computation or the staging failed, or the sinks are not those of the log.
    #[error("cannot plan and stage the next entry")]
    Plan(#[source] Box<dyn Error + Send + Sync>),
    /// A sink cannot work.
    #[error("sink `{sink}` cannot be brought to entry {seq}")]
    Sink {
        /// The sink.
        sink: SinkName,
        /// The entry.
        seq: u64,
        /// Why.
        #[source]
        source: SinkError,
    },
    /// What was staged cannot be deleted.
    #[error("cannot delete what dead attempts of entry {seq} have staged")]
    Delete {
        /// The entry.
        seq: u64,
        /// Why.
        #[source]
        source: SinkError,
    },
    /// The log names a sink that the pipeline does not have, or not as this kind.
    #[error(
        "entry {seq} changes the sink `{sink}`, which is not in the pipeline, or is of another kind there"
    )]
    NoSink {
        /// The sink.
        sink: SinkName,
        /// The entry.
        seq: u64,
    },
    /// It was tried often enough.
    #[error("gave up after {} to {what}", counted(*.tries))]
    GaveUp {
        /// What was tried.
        what: String,
        /// How often.
        tries: u32,
        /// Why the last try failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

fn counted(tries: u32) -> String {
    match tries {
        1 => "1 try".to_owned(),
        tries => format!("{tries} tries"),
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        Self::Log(error.into())
    }
}

/// A process with what it works on.
pub struct Runner<'a> {
    log: StoredLog<'a>,
    store: &'a dyn Store,
    work: &'a mut dyn Work,
    by: By,
    patience: Patience,
    process: Process,
    /// What was planned last, and under which attempt.
    draft: Option<(Attempt, Draft)>,
    /// What the last sink refused, for the error.
    refusal: Option<SinkError>,
    /// A pointer was written, and the log is read next to see whether that was right.
    pointer_written: bool,
    /// The sinks were seen to belong to the log.
    compared: bool,
    /// Warehouses whose ledgers were seen to be where the log says.
    expected: BTreeSet<SinkName>,
    /// Tries in a row that said nothing.
    tries: u32,
    report: Report,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

impl<'a> Runner<'a> {
    /// A process that is about to work. `hint` is a number that was the log's last one once.
    ///
    /// # Errors
    ///
    /// If the log's end cannot be read.
    pub async fn new(
        store: &'a dyn Store,
        work: &'a mut dyn Work,
        by: By,
        task: Task,
        hint: Option<u64>,
    ) -> Result<Self, RunError> {
        let process = Process::new(task);
        #[cfg(feature = "testing")]
        let process = process.with_mutant(crate::mutant::Mutant::from_env());
        Ok(Self {
            log: StoredLog::open(store, hint).await?,
            store,
            work,
            by,
            patience: Patience::default(),
            process,
            draft: None,
            refusal: None,
            pointer_written: false,
            compared: false,
            expected: BTreeSet::new(),
            tries: 0,
            report: Report::default(),
        })
    }

    /// The same, with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same, with a rule left out.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Option<crate::mutant::Mutant>) -> Self {
        self.process = self.process.with_mutant(mutant);
        self
    }

    /// Works until the task is done.
    ///
    /// # Errors
    ///
    /// If a person has to look, or something failed too often. What was decided stays decided, and the next process
    /// goes on.
    pub async fn run(mut self) -> Result<Report, RunError> {
        loop {
            let next = self.process.next(self.log.log().view());
            tracing::debug!(?next, "commit");
            let answer = match next {
                Next::End => return Ok(self.report),
                Next::Stop(stop) => return Err(RunError::Stopped(Box::new(stop), self.refusal)),
                next => self.carry_out(&next).await,
            };
            let answer = match answer {
                Ok(Some(answer)) => answer,
                // What could not be read is asked again: nothing was changed yet.
                Ok(None) => continue,
                Err(RunError::Log(error)) if error.is_unclear() => {
                    self.unclear("read the log".to_owned(), error).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let view = self.log.log().view();
            self.process.answer(view, answer, &mut RandomIds);
        }
    }

    /// What came of it; none if something could not be read.
    async fn carry_out(&mut self, next: &Next) -> Result<Option<Answer>, RunError> {
        if let Some(seq) = applied(next)
            && !self.compared
            && self.report.appended.last() != Some(&seq)
        {
            let compared = self.work.compare(self.log.log()).await;
            compared.map_err(RunError::Plan)?;
            self.compared = true;
        }
        let answer = match next {
            Next::Look => Ok(Answer::Log {
                done: self.look().await?,
            }),
            Next::Settle { seq, step } => {
                self.reach_taken_back(*seq).await?;
                let (entry, at) = self.step(*seq, *step);
                let reading = self
                    .warehouse(&at, *seq)?
                    .read(&applying(self.log.log(), entry, &at))
                    .await;
                fault::at("settle.read");
                match reading {
                    Ok(reading) => Ok(Answer::Ledger(reading)),
                    Err(source) => return self.sink_unread(&at.name, *seq, "ledger", source).await,
                }
            }
            Next::ReadPointer {
                sink,
                compared: Some(to),
            } if self.work.sink(sink).is_none() => Ok(Answer::Pointer(*to)),
            Next::ReadPointer { sink, .. } => {
                let reading = self.pointer(sink)?.read().await;
                fault::at("catalog.pointer_read");
                match reading {
                    Ok(seq) => Ok(Answer::Pointer(seq)),
                    Err(source) => {
                        let tail = self.log.log().tail();
                        return self.sink_unread(sink, tail, "pointer", source).await;
                    }
                }
            }
            Next::Plan => self.plan().await,
            Next::Append { attempt, what, .. } => {
                let draft = self
                    .draft
                    .as_ref()
                    .filter(|(planned, _)| planned == attempt)
                    .map(|(_, draft)| draft);
                let wanted = Wanted::of(what, draft).expect("what is appended was planned");
                self.append(*attempt, &wanted).await
            }
            Next::Finish { seq, skipped } => self.finish(*seq, skipped).await,
            Next::DeleteDead { seq } => {
                let log = self.log.log();
                let Some(Decision::Gc { dead, .. }) = log.get(*seq).map(|entry| &entry.decision)
                else {
                    unreachable!("entry {seq} is a gc that was read");
                };
                let deleted = self.work.delete_staged(log.view().id(), dead).await;
                match deleted {
                    Ok(()) => self.delete_objects(*seq).await,
                    Err(source) if source.kind() == SinkErrorKind::Broken => {
                        Err(RunError::Delete { seq: *seq, source })
                    }
                    Err(source) => {
                        self.unclear(format!("delete the dead attempts of entry {seq}"), source)
                            .await
                    }
                }
            }
            Next::WritePointer { sink, to } => {
                let slice = self.version(sink, *to).await?;
                let log = self.log.log();
                let at = log.get(*to).expect("it was read on the way to its version");
                let part = |seq| {
                    let entry = log.get(seq)?;
                    Some((Position::new(seq, entry.attempt), entry.part(sink)?))
                };
                let version = Version {
                    position: Position::new(*to, at.attempt),
                    part: slice.and_then(part),
                };
                let outcome = self.pointer(sink)?.write(&version).await;
                fault::at("catalog.pointer_written");
                self.pointer_written = true;
                self.sink_answer(sink, *to, "point to", outcome).await
            }
            #[cfg(feature = "testing")]
            Next::CleanUp { attempt } => {
                let log = self.log.log().view().id();
                drop(self.work.delete_staged(log, &[*attempt]).await);
                Ok(Answer::Carried)
            }
            Next::CreateLedger { seq, step }
            | Next::Submit { seq, step, .. }
            | Next::Block { seq, step, .. }
            | Next::Publish { seq, step }
            | Next::DeleteStaged { seq, step }
            | Next::Occupy { seq, step } => self.apply(next, *seq, *step).await,
            Next::End | Next::Stop(_) => unreachable!("the loop ends with these"),
        };
        answer.map(Some)
    }

    /// Deletes what the attempts that a gc names have written beside the log.
    async fn delete_objects(&mut self, seq: u64) -> Result<Answer, RunError> {
        let entry = self.log.log().get(seq);
        let Some(Decision::Gc { dead, .. }) = entry.map(|entry| &entry.decision) else {
            unreachable!("entry {seq} is a gc that was read");
        };
        let deleted = async {
            let stored = self.store.objects().await?;
            let is_dead = |object: &Object| object.attempt.is_some_and(|at| dead.contains(&at));
            let objects = stored
                .into_iter()
                .map(|stored| stored.object)
                .filter(is_dead);
            self.store.delete(&objects.collect::<Vec<_>>()).await
        };
        match deleted.await {
            Ok(()) => Ok(self.carried()),
            Err(error) if error.kind() == StoreErrorKind::Refused => Err(error.into()),
            Err(error) => {
                self.unclear(
                    format!("delete the documents of dead attempts of entry {seq}"),
                    error,
                )
                .await
            }
        }
    }

    /// Reads the log, then whether its last entry is done.
    async fn look(&mut self) -> Result<bool, LogError> {
        if let Task::Load { planned: seq, .. }
        | Task::Discard { of: seq, .. }
        | Task::Skip { of: seq, .. } = self.process.task()
        {
            let seq = *seq;
            self.log.reach(seq).await?;
        }
        let known = self.log.log().tail();
        self.log.refresh().await?;
        if self.log.log().tail() > known {
            // Others get on, so trying again is not in vain.
            self.tries = 0;
        }
        let tail = self.log.log().tail();
        // What it has noted itself, it does not ask for.
        let done = self.report.applied.last() == Some(&tail) || self.log.is_done(tail).await?;
        fault::at("log.listed");
        if std::mem::take(&mut self.pointer_written) {
            fault::at("catalog.pointer_verified");
        }
        Ok(done)
    }

    async fn plan(&mut self) -> Result<Answer, RunError> {
        self.draft = self
            .work
            .plan(self.log.log())
            .await
            .map_err(RunError::Plan)?;
        let Some((attempt, _)) = &self.draft else {
            return Ok(Answer::Nothing);
        };
        fault::at("attempt.staged");
        Ok(Answer::Planned(*attempt))
    }

    async fn append(&mut self, attempt: Attempt, wanted: &Wanted) -> Result<Answer, RunError> {
        if let Some(seq) = Log::needs(wanted) {
            self.log.reach(seq).await?;
        }
        let entry = self.log.log().next(attempt, wanted, Utc::now(), &self.by)?;
        // A discard is asked for by the ledger itself.
        if let Wanted::Draft(_) = wanted
            && let Some(answer) = self.check_sinks(&entry).await?
        {
            return Ok(answer);
        }
        match self.log.append(&entry).await {
            Ok(()) => {
                self.report.appended.push(entry.seq);
                match entry.decision {
                    Decision::Rewind { .. } => fault::at("rewind.entry_after"),
                    Decision::Discard { .. } => fault::at("discard.entry_after"),
                    Decision::Gc { .. } => fault::at("gc.entry_after"),
                    Decision::Backfill { .. } => fault::at("backfill.entry_after"),
                    Decision::Slice(_) if matches!(self.process.task(), Task::Load { .. }) => {
                        fault::at("load.entry_after");
                    }
                    _ => {}
                }
                Ok(self.carried())
            }
            // The log says whose it is: no pause is needed to read it, unless it has said nothing before.
            Err(LogError::Store(error))
                if error.kind() == StoreErrorKind::Exists && self.tries == 0 =>
            {
                self.tries = 1;
                Ok(Answer::Unclear)
            }
            Err(error) if error.is_unclear() => {
                self.unclear(format!("append entry {}", entry.seq), error)
                    .await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the sinks of an entry that is not decided yet are those of the log: once it is, only they can take it. What a process has
    /// seen once, it does not look at again; an answer if a ledger could not be read.
    async fn check_sinks(&mut self, entry: &Entry) -> Result<Option<Answer>, RunError> {
        let log = self.log.log();
        let (id, tail) = (log.view().id(), log.tail());
        let mut steps = entry.decision.steps();
        if let Decision::Backfill { .. } = entry.decision {
            // Those that take its shares.
            steps.clone_from(&entry.after.sinks);
            steps.retain(|at| self.work.sink(&at.name).is_some());
        }
        for at in steps {
            let applying = applying(self.log.log(), entry, &at);
            let reading = match at.kind {
                SinkKind::Files => self.files(&at, entry.seq).map(|_| None)?,
                SinkKind::Pointer => self.pointer_at(&at.name, entry.seq).map(|_| None)?,
                SinkKind::Warehouse if self.expected.contains(&at.name) => None,
                SinkKind::Warehouse => Some(self.warehouse(&at, entry.seq)?.read(&applying).await),
            };
            let reading = match reading {
                None => continue,
                Some(Ok(reading)) => reading,
                Some(Err(source)) => {
                    let unread = self.sink_unread(&at.name, entry.seq, "ledger", source);
                    return unread.await.map(|_| Some(Answer::Unclear));
                }
            };
            let settled = reading.expect(id, at.position, tail);
            if settled == Settled::Open
                && reading.is_unnamed()
                && matches!(entry.decision, Decision::Slice(_))
                && let Err(error) = self.warehouse(&at, entry.seq)?.name_sink(&applying).await
            {
                tracing::warn!(%error, "the ledger of sink `{}` stays without its name", at.name);
            }
            let sink = at.name;
            match settled {
                Settled::Wrong(wrong) => {
                    let view = self.log.log().view();
                    let wrong = view.explain(wrong, |sink| self.work.sink(sink).is_some());
                    return Err(RunError::Stopped(
                        Box::new(Stop::Ledger { sink, wrong }),
                        None,
                    ));
                }
                // Others have gone on, if the log has that entry: then this one is not appended.
                Settled::Ahead(at) if self.store.get(&keys::entry(at)).await?.is_none() => {
                    return Err(RunError::Stopped(
                        Box::new(Stop::LedgerAhead { sink, at, tail }),
                        None,
                    ));
                }
                Settled::Ahead(_) => {}
                _ => drop(self.expected.insert(sink)),
            }
        }
        Ok(None)
    }

    async fn finish(&mut self, seq: u64, skipped: &[usize]) -> Result<Answer, RunError> {
        let entry = self
            .log
            .log()
            .get(seq)
            .expect("a process finishes what it has read");
        let steps = entry.decision.steps();
        let done = Done {
            format: FORMAT,
            seq,
            attempt: entry.attempt,
            skipped: skipped
                .iter()
                .map(|step| steps[*step].name.clone())
                .collect(),
            at: Utc::now(),
            by: self.by.clone(),
        };
        let content = serde_json::to_vec(&done).expect("the note has text for keys");
        fault::at("done.put_before");
        match self.store.put(&keys::done(seq), content.into()).await {
            Ok(()) => {
                fault::at("done.put_after");
                self.report.applied.push(seq);
                Ok(self.carried())
            }
            Err(error) if error.kind() == StoreErrorKind::Refused => Err(error.into()),
            Err(error) => {
                self.unclear(format!("note that entry {seq} is done"), error)
                    .await
            }
        }
    }

    /// The slice whose version of a sink is in force after an entry; none if there is none.
    async fn version(&mut self, sink: &SinkName, seq: u64) -> Result<Option<u64>, RunError> {
        let mut seq = seq;
        while seq > 0 {
            self.log.reach(seq).await?;
            let entry = self.log.log().get(seq).expect("it was read just now");
            let at = entry.after.sink(sink.as_str());
            let at = at.map_or(0, |at| at.position.seq);
            if at < seq {
                seq = at;
                continue;
            }
            match entry.decision {
                // The sink is where it was at that entry.
                Decision::Rewind { to, .. } => seq = to,
                _ => return Ok(Some(seq)),
            }
        }
        Ok(None)
    }

    /// An entry that is applied, and one of its steps.
    fn step(&self, seq: u64, step: usize) -> (&Entry, SinkAt) {
        let entry = self
            .log
            .log()
            .get(seq)
            .expect("a process applies what it has read");
        (entry, entry.decision.steps().swap_remove(step))
    }

    /// Reads the entries that a rewind takes back.
    async fn reach_taken_back(&mut self, seq: u64) -> Result<(), RunError> {
        if let Some(Decision::Rewind { to, .. }) =
            self.log.log().get(seq).map(|entry| &entry.decision)
        {
            let first = to + 1;
            self.log.reach(first).await?;
        }
        Ok(())
    }

    /// A step of an entry that changes something.
    async fn apply(&mut self, next: &Next, seq: u64, step: usize) -> Result<Answer, RunError> {
        self.reach_taken_back(seq).await?;
        let (entry, at) = self.step(seq, step);
        let applying = applying(self.log.log(), entry, &at);
        let at = &at;
        let name = at.name.clone();
        let (what, outcome) = match next {
            Next::CreateLedger { .. } => {
                let outcome = self.warehouse(at, seq)?.create(&applying).await;
                fault::at("ledger.created");
                ("create the ledger for", outcome)
            }
            Next::Submit {
                claim,
                submission,
                skip,
                ..
            } => {
                let outcome = self
                    .warehouse(at, seq)?
                    .submit(&applying, claim, *submission, *skip)
                    .await;
                if outcome.is_ok() {
                    if matches!(entry.decision, Decision::Rewind { .. }) {
                        fault::at("rewind.ledger_after");
                    }
                    if entry.head().gate() == Some(step) {
                        fault::at("gate.applied");
                    }
                }
                ("load", outcome)
            }
            Next::Block { disposition, .. } => {
                let outcome = self
                    .warehouse(at, seq)?
                    .block(&applying, *disposition)
                    .await;
                fault::at("discard.blocked");
                ("block", outcome)
            }
            Next::Publish { .. } => match self.files(at, seq)?.publish(&applying).await {
                Ok(Published::All) => {
                    fault::at("lake.copied_all");
                    ("publish", Ok(()))
                }
                Ok(Published::Gone) => return Ok(Answer::Gone),
                Ok(Published::TakenBack) => return Ok(Answer::TakenBack),
                Err(error) => ("publish", Err(error)),
            },
            Next::DeleteStaged { .. } => (
                "delete what was staged before",
                self.files(at, seq)?.delete_staged(&applying).await,
            ),
            Next::Occupy { .. } => (
                "take back what was published before",
                self.files(at, seq)?.occupy(&applying).await,
            ),
            _ => unreachable!("the caller chose these"),
        };
        if outcome.is_ok() && matches!(next, Next::CreateLedger { .. } | Next::Block { .. }) {
            // The ledger is read next. It counts as a try: a ledger that never shows what was done to it ends the run.
            let source = SinkError::new(SinkErrorKind::Unclear, "the ledger does not show it");
            return match self.tries {
                0 => {
                    self.tries = 1;
                    Ok(Answer::Carried)
                }
                _ => {
                    self.unclear(format!("{what} entry {seq} in sink `{name}`"), source)
                        .await
                }
            };
        }
        self.sink_answer(&name, seq, what, outcome).await
    }

    /// The answer to what a sink did.
    async fn sink_answer(
        &mut self,
        sink: &SinkName,
        seq: u64,
        what: &str,
        outcome: Result<(), SinkError>,
    ) -> Result<Answer, RunError> {
        let error = match outcome {
            Ok(()) => return Ok(self.carried()),
            Err(error) => error,
        };
        match error.kind() {
            SinkErrorKind::Refused if what == "load" => {
                self.refusal = Some(error);
                Ok(Answer::Refused)
            }
            SinkErrorKind::Unclear => {
                self.unclear(format!("{what} entry {seq} in sink `{sink}`"), error)
                    .await
            }
            SinkErrorKind::Refused | SinkErrorKind::Broken => Err(RunError::Sink {
                sink: sink.clone(),
                seq,
                source: error,
            }),
        }
    }

    /// A sink's ledger or pointer could not be read.
    async fn sink_unread(
        &mut self,
        sink: &SinkName,
        seq: u64,
        what: &str,
        source: SinkError,
    ) -> Result<Option<Answer>, RunError> {
        if source.kind() != SinkErrorKind::Unclear {
            return Err(RunError::Sink {
                sink: sink.clone(),
                seq,
                source,
            });
        }
        self.unclear(format!("read the {what} of sink `{sink}`"), source)
            .await
            .map(|_| None)
    }

    fn carried(&mut self) -> Answer {
        self.tries = 0;
        Answer::Carried
    }

    /// Something said nothing: a pause, unless that was often enough.
    async fn unclear(
        &mut self,
        what: String,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<Answer, RunError> {
        self.tries += 1;
        let source = source.into();
        tracing::warn!(error = %source, tries = self.tries, "could not {what}");
        if self.tries >= self.patience.tries {
            return Err(RunError::GaveUp {
                what,
                tries: self.tries,
                source,
            });
        }
        let chance = 0.5 + f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0;
        tokio::time::sleep(self.patience.pause.mul_f64(chance) * 2_u32.pow(self.tries.min(10) - 1))
            .await;
        Ok(Answer::Unclear)
    }

    fn warehouse(&self, at: &SinkAt, seq: u64) -> Result<&dyn Warehouse, RunError> {
        match self.work.sink(&at.name) {
            Some(Sink::Warehouse(warehouse)) if at.kind == SinkKind::Warehouse => Ok(warehouse),
            _ => Err(RunError::NoSink {
                sink: at.name.clone(),
                seq,
            }),
        }
    }

    fn files(&self, at: &SinkAt, seq: u64) -> Result<&dyn Files, RunError> {
        match self.work.sink(&at.name) {
            Some(Sink::Files(files)) if at.kind == SinkKind::Files => Ok(files),
            _ => Err(RunError::NoSink {
                sink: at.name.clone(),
                seq,
            }),
        }
    }

    fn pointer(&self, name: &SinkName) -> Result<&dyn Pointer, RunError> {
        self.pointer_at(name, self.log.log().tail())
    }

    fn pointer_at(&self, name: &SinkName, seq: u64) -> Result<&dyn Pointer, RunError> {
        match self.work.sink(name) {
            Some(Sink::Pointer(pointer)) => Ok(pointer),
            _ => Err(RunError::NoSink {
                sink: name.clone(),
                seq,
            }),
        }
    }
}

/// The entry by which this changes sinks, or what is noted of them.
fn applied(next: &Next) -> Option<u64> {
    match next {
        Next::CreateLedger { seq, .. }
        | Next::Submit { seq, .. }
        | Next::Block { seq, .. }
        | Next::Publish { seq, .. }
        | Next::DeleteStaged { seq, .. }
        | Next::Occupy { seq, .. }
        | Next::DeleteDead { seq }
        | Next::Finish { seq, .. } => Some(*seq),
        Next::WritePointer { to, .. } => Some(*to),
        _ => None,
    }
}

/// An entry with what a sink needs to apply it.
fn applying<'a>(log: &'a Log, entry: &'a Entry, at: &SinkAt) -> Applying<'a> {
    let taken_back = match entry.decision {
        Decision::Rewind { to, .. } => (to + 1..entry.seq).filter_map(|seq| log.get(seq)).collect(),
        _ => Vec::new(),
    };
    Applying {
        entry,
        sink: at.name.clone(),
        prev: at.position,
        taken_back,
    }
}
