//! `runs/`, beside the log: what each run did, for people who look later.
//!
//! Nothing reads these reports to decide something. They may be lost, and one that cannot be written stops no run.

use std::collections::VecDeque;
use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use transom_commit::{By, Store, keys::RUNS};

use super::backfill::{Backfill, StagedShare};
use super::{SliceReport, SlicesFailure, SlicesReport, open_store};
use crate::error::{Error, Result, causes};
use crate::job::Job;
use crate::report::RunReport;

/// How many reports a gc keeps, however young they are.
const MOST: usize = 1000;
/// How many slices a report lists: those at the end.
const LISTED: usize = 100;
/// Bytes of an error's message at most.
const MESSAGE: usize = 8 << 10;
/// When a run began, in its name: names are in the order of time.
const BEGAN: &str = "%Y%m%dT%H%M%S%3fZ";

/// What a run did, as it is kept beside the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptRun {
    /// Its name here. Invocations of one run in Lambda have reports of their own.
    pub id: String,
    /// What the log calls the run.
    pub run: String,
    /// The machine.
    pub host: String,
    /// The process on it.
    pub pid: u32,
    /// The version of Transom.
    pub transom: String,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it ended; none of one that works still or was killed.
    pub ended: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What stopped it.
    pub error: Option<KeptError>,
    /// The backfill that it has opened, or of which it has computed a share: the entry that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<u64>,
    /// The share that it was to compute, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// Slices that it has loaded.
    pub slices: u64,
    /// What they, or the share, have read and written.
    pub total: Amounts,
    /// The slices, in order; of more than 100 those at the end.
    pub last_slices: VecDeque<KeptSlice>,
    /// Entries that an earlier run had left, and this one brought into the sinks.
    pub finished: Vec<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It works still, or was killed.
    Unfinished,
    /// Nothing is left to load.
    Done,
    /// It ended in order, and there is more to load.
    More,
    /// An error stopped it.
    Failed,
}

/// An error, as a report keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptError {
    /// Who has to act, as in the exit code: `data`, `pipeline`, ..
    pub kind: String,
    /// What was said, with causes and hint.
    pub message: String,
}

/// A slice that was loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptSlice {
    /// Its number in the log.
    pub entry: u64,
    /// From its plan until all sinks had it.
    pub seconds: f64,
    /// What it has read and written.
    #[serde(flatten)]
    pub amounts: Amounts,
}

/// What slices have read and written.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Files of incremental sources.
    pub files: u64,
    /// Rows of all sources.
    pub rows_read: u64,
    /// Rows of all sinks.
    pub rows_written: u64,
    /// Rows that transforms did not take.
    pub rows_rejected: u64,
}

impl Amounts {
    fn of(slice: &SliceReport) -> Self {
        Self {
            files: slice.files,
            ..Self::of_run(&slice.report)
        }
    }

    /// The rows of one run.
    pub fn of_run(report: &RunReport) -> Self {
        Self {
            files: 0,
            rows_read: report.rows_read,
            rows_written: report.rows_out(),
            rows_rejected: report.rows_rejected,
        }
    }

    /// What all of these slices have read and written.
    pub fn of_all(slices: &[SliceReport]) -> Self {
        slices
            .iter()
            .map(Self::of)
            .fold(Self::default(), |sum, of| Self {
                files: sum.files + of.files,
                rows_read: sum.rows_read + of.rows_read,
                rows_written: sum.rows_written + of.rows_written,
                rows_rejected: sum.rows_rejected + of.rows_rejected,
            })
    }
}

impl KeptRun {
    /// A run that begins now.
    pub(super) fn begin(by: &By) -> Self {
        let began = Utc::now().trunc_subsecs(3);
        let random = uuid::Uuid::new_v4().simple().to_string();
        Self {
            id: format!("{}-{}", began.format(BEGAN), &random[..6]),
            run: by.run.clone(),
            host: by.host.clone(),
            pid: by.pid,
            transom: by.transom.clone(),
            began,
            ended: None,
            outcome: RunOutcome::Unfinished,
            error: None,
            backfill: None,
            share: None,
            slices: 0,
            total: Amounts::default(),
            last_slices: VecDeque::new(),
            finished: Vec::new(),
        }
    }

    /// Notes how it ended: whether nothing is left to load, or what stopped it.
    fn over(&mut self, ended: Result<bool, &Error>) {
        self.ended = Some(Utc::now().trunc_subsecs(3));
        self.outcome = match ended {
            Ok(true) => RunOutcome::Done,
            Ok(false) => RunOutcome::More,
            Err(_) => RunOutcome::Failed,
        };
        self.error = ended.err().map(KeptError::of);
    }

    /// Notes how a backfill was opened.
    pub(super) fn end_plan(&mut self, outcome: &Result<Option<Backfill>>) {
        self.over(outcome.as_ref().map(Option::is_none));
        if let Ok(Some(opened)) = outcome {
            self.backfill = Some(opened.entry);
        }
    }

    /// Notes how a share was computed.
    pub(super) fn end_share(
        &mut self,
        outcome: &Result<(StagedShare, Amounts), Box<SlicesFailure>>,
    ) {
        let outcome = outcome.as_ref();
        // It is for another run to load it.
        self.over(outcome.map(|_| false).map_err(|failure| &failure.error));
        if let Ok((staged, amounts)) = outcome {
            self.backfill = Some(staged.backfill.entry);
            self.total = *amounts;
        }
    }

    /// Notes how slices were loaded.
    pub(super) fn end(&mut self, outcome: &Result<SlicesReport, Box<SlicesFailure>>) {
        let report = match outcome {
            Ok(report) => report,
            Err(failure) => &failure.report,
        };
        let ended = outcome.as_ref().map(|report| report.done);
        self.over(ended.map_err(|failure| &failure.error));
        self.slices = report.slices.len() as u64;
        self.total = Amounts::of_all(&report.slices);
        let last = report.slices.iter().rev().take(LISTED).rev();
        self.last_slices = last
            .map(|slice| KeptSlice {
                entry: slice.entry,
                seconds: slice.seconds,
                amounts: Amounts::of(slice),
            })
            .collect();
        self.finished.clone_from(&report.finished);
    }

    /// Writes it, if that is possible.
    pub(super) async fn keep(&self, store: &dyn Store) {
        let bytes = serde_json::to_vec(self).expect("it has text for keys");
        if let Err(error) = store.put(&key(&self.id), bytes.into()).await {
            tracing::debug!(%error, "the report of the run was not written");
        }
    }

    /// How long it took, in seconds; none of one that has not said that it ended.
    pub fn seconds(&self) -> Option<f64> {
        let took = (self.ended? - self.began).to_std().unwrap_or_default();
        Some(took.as_secs_f64())
    }
}

impl KeptError {
    fn of(error: &Error) -> Self {
        let mut message = error.to_string();
        for cause in causes(error) {
            message.push_str(": ");
            message.push_str(&cause);
        }
        if let Some(hint) = error.hint_of_slice() {
            message.push_str("; ");
            message.push_str(&hint);
        }
        message.truncate(message.floor_char_boundary(MESSAGE));
        Self {
            kind: error.kind().name().to_owned(),
            message,
        }
    }
}

impl Job {
    /// The reports of the last runs, the last one first; `count` at most.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn runs(&self, count: usize) -> Result<Vec<KeptRun>> {
        let store = open_store(self).await?;
        let names = store.list(RUNS, None).await?;
        let last = names.iter().rev().take(count);
        let all = try_join_all(last.map(|name| read(store.as_ref(), name))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The report of the run with this id.
    ///
    /// # Errors
    /// If there is none, or the state cannot be read.
    pub async fn kept_run(&self, id: &str) -> Result<KeptRun> {
        let store = open_store(self).await?;
        // What is no id is no name of a document either.
        let found = match began(id) {
            Some(_) => read(store.as_ref(), &key(id)).await?,
            None => None,
        };
        found.ok_or_else(|| Error::State {
            message: format!("there is no report of a run `{id}`"),
            hint: Some("`transom runs list` shows those that are kept".to_owned()),
        })
    }
}

fn key(id: &str) -> String {
    format!("{RUNS}{id}.json")
}

/// When the run with this id began.
fn began(id: &str) -> Option<DateTime<Utc>> {
    let (began, random) = id.split_once('-')?;
    let is_random = random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    let began = NaiveDateTime::parse_from_str(began, BEGAN).ok()?;
    is_random.then_some(began.and_utc())
}

/// A report; none if it is gone, or not one that this version knows.
async fn read(store: &dyn Store, name: &str) -> Result<Option<KeptRun>> {
    let Some(bytes) = store.get(name).await? else {
        return Ok(None);
    };
    Ok(serde_json::from_slice(&bytes)
        .inspect_err(
            |error| tracing::warn!(target: "transom", "`{name}` is no report of a run: {error}"),
        )
        .ok())
}

/// The reports that a gc deletes: old ones, and those that are too many.
pub(super) async fn outdated(store: &dyn Store, before: Option<SystemTime>) -> Result<Vec<String>> {
    let names = store.list(RUNS, None).await?;
    let surplus = names.len().saturating_sub(MOST);
    let is_old = |name: &str| {
        let id = name
            .strip_prefix(RUNS)
            .and_then(|name| name.strip_suffix(".json"));
        let began = id.and_then(began).map(SystemTime::from);
        before
            .zip(began)
            .is_some_and(|(before, began)| began < before)
    };
    let outdated = names.iter().enumerate();
    let outdated = outdated.filter(|(index, name)| *index < surplus || is_old(name));
    Ok(outdated.map(|(_, name)| name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use transom_commit::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn reports_that_are_old_or_too_many_are_outdated() {
        let store = MemoryStore::default();
        let names = |day: u32, count: usize| {
            (0..count).map(move |index| format!("{RUNS}202401{day:02}T000000000Z-{index:06x}.json"))
        };
        let all: Vec<String> = names(1, 2).chain(names(2, MOST - 1)).collect();
        for name in &all {
            store.put(name, "{}".into()).await.unwrap();
        }
        let outdated = async |before: &str| {
            let before = before.parse::<DateTime<Utc>>().unwrap();
            outdated(&store, Some(before.into())).await.unwrap()
        };
        assert_eq!(outdated("2024-01-01T00:00:00Z").await, all[..1]);
        assert_eq!(outdated("2024-01-02T00:00:00Z").await, all[..2]);
        assert_eq!(outdated("2024-01-03T00:00:00Z").await, all);
    }

    #[test]
    fn a_run_is_named_by_when_it_began() {
        let run = KeptRun::begin(&super::super::by(Some("a/b")));
        let named = began(&run.id).unwrap();
        assert_eq!(named, run.began);
        assert!(began("20240101T000000000Z-../../x").is_none());
        assert!(began("latest").is_none());
    }
}
