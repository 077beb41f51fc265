//! Rewinds, and whether one would lose rows: what it takes back must be known to the tables, and its inputs must be there to be loaded again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use transom_commit::{
    self as commit, After, Attempt, Draft, Entry, Log, SinkAt, SinkName, Store, StoredLog, Task,
    Wanted,
};
use transom_connect::{Rewound, Sink};

use super::choose::is_same_path;
use super::commands::{Commanded, carry_out};
use super::history::taken_back;
use super::seen::{Seen, Stamp, path_of};
use super::work::compare::compare_tables;
use super::work::{after_of, list_sources, sinks};
use super::{by, open_store};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::plan::DEAD_LETTERS;
use crate::rejects::dead_letters::keeper;
use crate::report::counted;

impl Job {
    /// Whether the log allows a rewind to this entry, as it is now, and no rows would be lost. With `force`, files may be gone whose rows
    /// would be taken back and not be loaded again.
    ///
    /// # Errors
    /// If it is not allowed, with the reason; or if something cannot be read.
    pub async fn check_rewind(&self, to: u64, force: bool) -> Result<()> {
        let store = open_store(self).await?;
        self.check_rewind_of(store.as_ref(), &sinks(self), to, force)
            .await
    }

    /// Takes back what was loaded after an entry, if [`Self::check_rewind`] finds nothing against it.
    ///
    /// # Errors
    /// If it is not allowed, or a sink cannot be changed.
    pub async fn rewind(&self, to: u64, force: bool) -> Result<Commanded> {
        let (store, sinks) = (open_store(self).await?, sinks(self));
        self.check_rewind_of(store.as_ref(), &sinks, to, force)
            .await?;
        let draft = (Attempt::random(), Draft::Rewind { to });
        carry_out(store.as_ref(), sinks, Task::Once, Some(draft)).await
    }

    async fn check_rewind_of(
        &self,
        store: &dyn Store,
        sinks: &BTreeMap<String, Arc<dyn Sink>>,
        to: u64,
        force: bool,
    ) -> Result<()> {
        let mut stored = StoredLog::open(store, None).await?;
        if stored.log().tail() == 0 {
            return Ok(());
        }
        stored.reach(to.max(1)).await?;
        let rewind = Wanted::Draft(Draft::Rewind { to });
        let next = stored
            .log()
            .next(Attempt::random(), &rewind, Utc::now(), &by(None))?;
        compare_tables(sinks, store, stored.log()).await?;
        check_sinks(sinks, &next)?;
        check_tables(sinks, stored.log(), to).await?;
        match force {
            true => Ok(()),
            false => {
                self.check_inputs(store, stored.log().state(), next.after)
                    .await
            }
        }
    }

    /// The files that would be loaded again are there.
    async fn check_inputs(&self, store: &dyn Store, now: After, then: After) -> Result<()> {
        let listed = list_sources(self, |name| now.sources.contains_key(name)).await?;
        // A source may have another name now, or its path be written in another way.
        let pieces = listed.values().flat_map(|inputs| &inputs.pieces);
        let mut files: HashMap<(OsString, Stamp), Vec<&Path>> = HashMap::new();
        for piece in pieces {
            let file = (name_of(&piece.path), Stamp::of(piece));
            files.entry(file).or_default().push(&piece.path);
        }
        let paths: BTreeSet<String> = listed
            .values()
            .flat_map(|inputs| inputs.pieces.iter().map(path_of))
            .collect();
        for (name, source) in &now.sources {
            let loaded = Seen::load(store, source.seen).await?;
            let stays = then.sources.get(name).and_then(|source| source.seen);
            let stays = Seen::load(store, stays).await?;
            let is_there = |path: &String, stamp: &Stamp| {
                let path_was = Path::new(path);
                let alike = files.get(&(name_of(path_was), stamp.clone()));
                let mut alike = alike.into_iter().flatten();
                paths.contains(path)
                    || alike.any(|now| stamp.is_unique() || is_same_path(path_was, now))
            };
            let gone: Vec<&String> = loaded
                .files()
                .filter(|(path, stamp)| stays.get(path).is_none() && !is_there(path, stamp))
                .map(|(path, _)| path)
                .collect();
            if let Some(first) = gone.first() {
                return Err(Error::Slice {
                    message: format!(
                        "source `{name}`: {}, whose rows would be taken back, {} gone, such as `{first}`: nothing would load them again",
                        counted(gone.len() as u64, "file"),
                        if gone.len() == 1 { "is" } else { "are" }
                    ),
                    hint: "put them back; or say `--force` to lose their rows".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The tables from which rows would go are in the pipeline.
fn check_sinks(sinks: &BTreeMap<String, Arc<dyn Sink>>, rewind: &Entry) -> Result<()> {
    let is_gone = |step: &&SinkAt| {
        let sink = sinks.get(step.name.as_str());
        let sink = sink.and_then(|sink| sink.committed());
        sink.map(commit::Sink::kind) != Some(step.kind)
    };
    let steps = rewind.decision.steps();
    let Some(gone) = steps.iter().find(is_gone) else {
        return Ok(());
    };
    let (table, back) = match gone.name.as_str().strip_prefix(DEAD_LETTERS) {
        Some(table) => {
            let (keeper, key) = keeper(table);
            (
                format!("the dead letters of {keeper}"),
                format!("give the pipeline its {keeper} with `{key}` back"),
            )
        }
        None => (
            format!("the table of sink `{}`", gone.name),
            format!("give the pipeline its sink `{}` back", gone.name),
        ),
    };
    Err(Error::State {
        message: format!(
            "rows would go from {table}, which the pipeline does not have any more, or not as it was: nothing was taken back"
        ),
        hint: Some(format!(
            "{back} until they are taken back; if the table itself is gone for good, begin anew, with another `state` and other tables"
        )),
    })
}

/// Each table knows what is taken back, and what it would have again.
async fn check_tables(sinks: &BTreeMap<String, Arc<dyn Sink>>, log: &Log, to: u64) -> Result<()> {
    let stays = log.get(to).map(|entry| &entry.after);
    let gone = taken_back(log);
    let goes: Vec<&Entry> = (to + 1..=log.tail())
        .filter_map(|seq| log.get(seq))
        .filter(|entry| !gone.contains(&entry.seq))
        .collect();
    for (name, sink) in sinks {
        let named = SinkName::from(name.as_str());
        let taken_back = goes.iter().filter_map(|entry| entry.part(&named));
        let stays = stays.and_then(|state| after_of(state, name));
        let rewound = Rewound {
            taken_back: taken_back.collect(),
            stays: stays.as_deref(),
        };
        sink.check_rewind(&rewound)
            .await
            .map_err(|source| {
                let hint = source.hint().unwrap_or(
                    "if the sink's `path` was changed, set it back; if files were deleted, restore them from a backup",
                );
                Error::State {
                    message: format!("{source}: nothing was taken back"),
                    hint: Some(hint.to_owned()),
                }
            })?;
    }
    Ok(())
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_owned()
}
