//! Whether the pipeline and its tables can go on from where the log is. Sinks are looked at whenever a run begins; tables before it decides
//! its first slice, before a backfill is opened, before whatever people ask for that changes the log, and before what another process has
//! left is finished.

use std::collections::BTreeMap;
use std::sync::Arc;

use transom_commit::{
    self as commit, After, Applying, Decision, Draft, Entry, Log, Position, RunError, Settled,
    SinkError, SinkErrorKind, SinkName, Stop, Store, StoredLog, keys,
};
use transom_connect::{LastLoad, Noted, Sink};
use transom_file::SinkKind;
use transom_file::spec::LoadMode;

use super::{Slicer, has_rows};
use crate::error::{Error, Result, causes};
use crate::job::Job;
use crate::slices::history::taken_back;

/// What to do about a state that is not the tables'.
const OTHER_STATE: &str = "find the state that has loaded it: with this one, files that are in the table would be loaded a second time. If it is lost, \
     begin anew: delete the state, and all tables of the pipeline with what lies beside them";

/// No table has an entry that the log lacks: a state that was restored from a backup is behind its tables. And each belongs to its sink.
pub(in crate::slices) async fn compare_tables(
    sinks: &BTreeMap<String, Arc<dyn Sink>>,
    store: &dyn Store,
    log: &Log,
) -> Result<()> {
    let state = log.state();
    for (name, sink) in sinks {
        let noted = sink.noted().await;
        let noted = noted.map_err(|source| unread(name, source))?;
        // A table of another log is refused where its rows are to be staged, and before a backfill is opened.
        let is_of_log = |noted: &Noted| log.id().is_some_and(|id| id.to_string() == noted.log);
        let Some(noted) = noted.filter(is_of_log) else {
            continue;
        };
        let at = state.sink(&noted.sink).map(|at| &at.position);
        let is_there =
            at.is_some_and(|at| at.seq == noted.seq && at.attempt_text() == noted.attempt);
        if !is_there && !is_in_log(store, &noted).await? {
            return Err(Error::State {
                message: format!(
                    "the table of sink `{name}` has another entry {} than the log, which ends with entry {}",
                    noted.seq,
                    log.tail()
                ),
                hint: Some(OTHER_STATE.to_owned()),
            });
        }
        // After a reset, it has no rows of the old name.
        if noted.sink != *name && !state.sources.is_empty() {
            return Err(Error::State {
                message: format!(
                    "the table of sink `{name}` belongs to sink `{}` of this log, and has its entry {}: was the sink renamed?",
                    noted.sink, noted.seq
                ),
                hint: Some("give the sink its old name, or let it write another table".to_owned()),
            });
        }
    }
    Ok(())
}

/// The tables of warehouses that sinks are to begin are no tables of other sinks of the log.
async fn compare_new(sinks: &BTreeMap<String, Arc<dyn Sink>>, log: &Log) -> Result<()> {
    let (view, state) = (log.view(), log.state());
    let Some(last) = log.last() else {
        return Ok(());
    };
    let new = sinks.iter().filter(|(name, _)| state.sink(name).is_none());
    for (name, sink) in new {
        let Some(commit::Sink::Warehouse(warehouse)) = sink.committed() else {
            continue;
        };
        let applying = Applying {
            entry: last,
            sink: SinkName::from(name.as_str()),
            prev: Position::START,
            taken_back: Vec::new(),
        };
        let reading = warehouse.read(&applying).await;
        let reading = reading.map_err(|source| unread(name, source))?;
        if let Settled::Wrong(wrong) = reading.expect(view.id(), Position::START, log.tail()) {
            let stop = Stop::Ledger {
                sink: applying.sink,
                wrong: view.explain(wrong, |sink| sinks.contains_key(sink.as_str())),
            };
            return Err(RunError::Stopped(Box::new(stop), None).into());
        }
    }
    Ok(())
}

/// Why it is not known how far a table is.
fn unread(sink: &str, source: SinkError) -> Error {
    if source.kind() == SinkErrorKind::Unclear {
        return Error::from(RunError::GaveUp {
            what: format!("read how far the table of sink `{sink}` is"),
            tries: 1,
            source: source.into(),
        });
    }
    let causes = causes(&source).into_iter();
    let message = causes.fold(source.to_string(), |said, cause| format!("{said}: {cause}"));
    let hint = source.hint().map(str::to_owned);
    Error::State { message, hint }
}

/// Whether an entry is in the log, perhaps since it was read.
async fn is_in_log(store: &dyn Store, noted: &Noted) -> Result<bool> {
    let key = keys::entry(noted.seq);
    let Some(bytes) = store.get(&key).await? else {
        return Ok(false);
    };
    let entry = Entry::parse(&key, &bytes).map_err(commit::LogError::from)?;
    Ok(entry.attempt.to_string() == noted.attempt)
}

/// What was staged earlier is for the sinks of now.
pub(in crate::slices) fn check_parts(job: &Job, draft: &Draft, hint: &str) -> Result<()> {
    let Draft::Slice { slice, .. } = draft else {
        return Ok(());
    };
    let parts = || slice.sinks.iter().map(|part| part.name.as_str());
    let sinks = super::sinks(job);
    let lacks = sinks.keys().find(|name| !parts().any(|part| part == *name));
    let message = match (lacks, parts().find(|part| !sinks.contains_key(*part))) {
        (Some(name), _) => format!(
            "what was staged has no rows for sink `{name}`, which was not in the pipeline then"
        ),
        (None, Some(name)) => format!(
            "what was staged has rows for sink `{name}`, which is not in the pipeline any more"
        ),
        (None, None) => return Ok(()),
    };
    Err(Error::State {
        message,
        hint: Some(hint.to_owned()),
    })
}

/// What was staged earlier goes with what the tables have.
pub(in crate::slices) async fn check_staged(
    sinks: &BTreeMap<String, Arc<dyn Sink>>,
    draft: &Draft,
    hint: &str,
) -> Result<()> {
    let Draft::Slice { slice, .. } = draft else {
        return Ok(());
    };
    for part in &slice.sinks {
        let Some(sink) = sinks.get(part.name.as_str()) else {
            continue;
        };
        // What cannot be read here is said when it is to be applied.
        let Ok(staged) = serde_json::from_value(part.staged.clone()) else {
            continue;
        };
        let checked = sink.check_staged(&staged).await;
        checked.map_err(|error| staged_earlier(error, hint))?;
    }
    Ok(())
}

/// Why something cannot be loaded that was staged earlier: what is staged is not changed by changing the pipeline.
pub(super) fn staged_earlier(error: transom_connect::SinkError, hint: &str) -> Error {
    match error {
        transom_connect::SinkError::Mixed { .. } => Error::State {
            message: error.to_string(),
            hint: Some(hint.to_owned()),
        },
        error => error.into(),
    }
}

impl Slicer<'_> {
    /// Compares the tables with the log.
    pub(in crate::slices) async fn check_tables(&mut self, log: &Log) -> Result<()> {
        if !self.has_compared.tables {
            compare_tables(&self.sinks, self.store.as_ref(), log).await?;
            self.has_compared.tables = true;
        }
        Ok(())
    }

    /// Whether a first slice, or another one, can be begun in each table: it belongs to this log, and nothing else stands in its place. What
    /// ledgers say is compared with all that [`Self::check_for_shares`] does.
    pub(in crate::slices) async fn check_places(&self, log: &Log) -> Result<()> {
        let Some(id) = log.id() else {
            return Ok(());
        };
        let state = log.state();
        for (name, sink) in self.sinks.iter() {
            sink.check_begin(&id.to_string(), has_rows(&state, name))
                .await?;
        }
        Ok(())
    }

    /// Compares the sinks with what the log has loaded into them.
    pub(in crate::slices) async fn check_sinks(&mut self, log: &Log) -> Result<()> {
        if !self.has_compared.sinks {
            self.compare_sinks(log, &log.state()).await?;
            self.has_compared.sinks = true;
        }
        Ok(())
    }

    /// Compares all that the shares of a backfill depend on with the log, before they are computed.
    pub(in crate::slices) async fn check_for_shares(&mut self, log: &Log) -> Result<()> {
        self.check_sinks(log).await?;
        self.check_tables(log).await?;
        if !self.has_compared.new {
            compare_new(&self.sinks, log).await?;
            self.has_compared.new = true;
        }
        Ok(())
    }

    /// Each sink has what all slices have loaded, and its next rows go with its last ones.
    async fn compare_sinks(&self, log: &Log, state: &After) -> Result<()> {
        let sinks = self
            .job
            .pipeline
            .sinks
            .iter()
            .map(|sink| sink.name.value.as_str());
        let (known, new): (Vec<&str>, Vec<&str>) =
            sinks.partition(|name| state.sink(name).is_some());
        // Before the first slice, and after a reset, nothing is loaded that could be missing.
        for name in new.into_iter().filter(|_| !state.sources.is_empty()) {
            tracing::warn!(
                target: "transom",
                "sink `{name}` is new: it gets what is loaded from now on; `transom reset --yes` and `transom run` load all of it again"
            );
        }
        let known: Vec<(SinkName, u64)> = known
            .into_iter()
            .filter_map(|name| Some((SinkName::from(name), state.sink(name)?.position.seq)))
            .collect();
        let Some(first) = known.iter().map(|(_, seq)| *seq).min() else {
            return Ok(());
        };
        let is_slice = |seq: &u64| {
            let entry = log.get(*seq);
            entry.is_some_and(|entry| matches!(entry.decision, Decision::Slice(_)))
        };
        if known.iter().all(|(_, seq)| is_slice(seq)) {
            return self.check_known(log, log.tail(), &known).await;
        }
        // A rewind or a discard has moved sinks: what they have is in earlier entries.
        let mut stored = StoredLog::open(self.store.as_ref(), Some(log.tail())).await?;
        stored.reach(first).await?;
        for (name, seq) in &known {
            let mut at = last_of(stored.log(), name, *seq);
            while let Err(needed) = at {
                stored.reach(needed).await?;
                at = last_of(stored.log(), name, *seq);
            }
        }
        self.check_known(stored.log(), log.tail(), &known).await
    }

    /// Each sink goes on from what it has, and has all that was loaded.
    async fn check_known(&self, log: &Log, tail: u64, known: &[(SinkName, u64)]) -> Result<()> {
        for (name, seq) in known {
            let sink = self.sinks.get(name.as_str());
            if let (Ok(Some(last)), Some(sink)) = (last_of(log, name, *seq), sink) {
                sink.check_after(last).await?;
            }
            self.check_complete(log, tail, (name, *seq))?;
        }
        Ok(())
    }

    /// No slice was loaded while the sink was not in the pipeline.
    fn check_complete(&self, log: &Log, tail: u64, (name, seq): (&SinkName, u64)) -> Result<()> {
        // What replaces all rows has all there is in each slice.
        if self.incremental().next().is_none() || self.replaces_all(name.as_str()) {
            return Ok(());
        }
        let taken_back = taken_back(log);
        let is_lacking = |entry: &&Entry| {
            matches!(entry.decision, Decision::Slice(_))
                && entry.part(name).is_none()
                && !taken_back.contains(&entry.seq)
        };
        let later = (seq + 1..=tail).filter_map(|seq| log.get(seq));
        let lacking: Vec<u64> = later.filter(is_lacking).map(|entry| entry.seq).collect();
        let (Some(first), Some(last)) = (lacking.first(), lacking.last()) else {
            return Ok(());
        };
        let entries = match first == last {
            true => format!("entry {first}"),
            false => format!("entries {first} to {last}"),
        };
        Err(Error::State {
            message: format!(
                "sink `{name}` lacks the rows of {entries}, which came into the log while it was not in the pipeline"
            ),
            hint: Some(format!(
                "`transom rewind --to {} --yes` and `transom run` load them again, into all sinks; or give the sink another name and another table: it then gets what is loaded from now on",
                first - 1
            )),
        })
    }

    /// Whether each slice has all rows of a sink's table.
    fn replaces_all(&self, name: &str) -> bool {
        let sinks = self.job.pipeline.sinks.iter();
        let mut sinks = sinks.filter(|sink| sink.name.value == name);
        sinks.any(|sink| match &sink.kind {
            SinkKind::Files(table) => table.mode.value == LoadMode::Overwrite,
            SinkKind::Redshift { redshift, .. } => redshift.mode == LoadMode::Overwrite,
        })
    }
}

/// What the sink has loaded last, of what is in force at an entry, or else of all that was taken back; none if it has loaded nothing. The
/// entry that has to be read for it, if it was not.
fn last_of<'a>(log: &'a Log, sink: &SinkName, at: u64) -> Result<Option<LastLoad<'a>>, u64> {
    if let Some(part) = last_in_force(log, sink, at)? {
        let is_taken_back = false;
        return Ok(Some(LastLoad {
            part,
            is_taken_back,
        }));
    }
    let mut seq = at;
    while seq > 0 {
        let entry = log.get(seq).ok_or(seq)?;
        if let Some(part) = entry.part(sink) {
            let is_taken_back = true;
            return Ok(Some(LastLoad {
                part,
                is_taken_back,
            }));
        }
        seq = before(entry, sink);
    }
    Ok(None)
}

/// What the sink has loaded last, of what is in force at an entry.
fn last_in_force<'a>(
    log: &'a Log,
    sink: &SinkName,
    at: u64,
) -> Result<Option<&'a commit::Part>, u64> {
    let mut seq = at;
    while seq > 0 {
        let entry = log.get(seq).ok_or(seq)?;
        seq = match &entry.decision {
            Decision::Slice(_) => return Ok(entry.part(sink)),
            Decision::Rewind { to: 0, .. } => 0,
            Decision::Rewind { to, .. } => {
                let stays = log.get(*to).ok_or(*to)?;
                let at = stays.after.sink(sink.as_str());
                at.map_or(0, |at| at.position.seq)
            }
            _ => before(entry, sink),
        };
    }
    Ok(None)
}

/// The entry that the sink must have before this one; 0 if there is none, or this one does not change it.
fn before(entry: &Entry, sink: &SinkName) -> u64 {
    let steps = entry.decision.steps();
    let step = steps.iter().find(|at| at.name == *sink);
    step.map_or(0, |at| at.position.seq)
}
