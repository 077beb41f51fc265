//! The state of transforms from slice to slice, in the store beside the log.
//!
//! ```text
//! objects/<attempt>/<digest>   { "format": 1, "step": "totals", .., "buckets": 16, "saved": { "3": { "object": "objects/..", .. }, .. } }
//! objects/<attempt>/<digest>   what the transform has saved for a bucket, in its own form
//! ```
//!
//! An entry names one document for each step that keeps state. A slice writes the buckets that had rows; the others keep their object. What
//! an attempt that loses has written is deleted with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::error::DataFusionError;
use futures::future::try_join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use transom_commit::{self as commit, After, Attempt, Digest, Object, Store};
use transom_query::{BUCKETS, KeepsState, SavedState, StateStore, StateWriter, key_type};

use super::seen::{There, read, write};
use crate::error::{Error, Result};
use crate::plan::Planned;

const FORMAT: u32 = 1;

/// The state of a step after a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepState {
    format: u32,
    pub(super) step: String,
    /// The plugin, as it calls itself.
    pub(super) plugin: String,
    pub(super) transform: String,
    partition_by: Vec<Key>,
    /// How many there are. It never changes: the buckets of all keys would.
    buckets: u32,
    /// Those that have had rows.
    pub(super) saved: BTreeMap<u32, Saved>,
}

/// A column of the key, and what its values are encoded as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    column: String,
    #[serde(rename = "type")]
    encoded_as: String,
}

/// The state of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    object: Object,
    pub(super) bytes: u64,
    /// The plugin's version that has saved it, as it says.
    pub(super) version: String,
    /// The digest of that plugin.
    digest: String,
}

impl StepState {
    /// That of a step which has seen nothing yet.
    fn new(step: &str, keeps: &KeepsState) -> Self {
        let keys = keeps.keys.iter().map(|(column, data_type)| Key {
            column: column.clone(),
            encoded_as: key_type(data_type).unwrap_or_default(),
        });
        Self {
            format: FORMAT,
            step: step.to_owned(),
            plugin: keeps.by.plugin.clone(),
            transform: keeps.transform.clone(),
            partition_by: keys.collect(),
            buckets: match keeps.keys.is_empty() {
                true => 1,
                false => BUCKETS,
            },
            saved: BTreeMap::new(),
        }
    }

    pub(super) async fn load(store: &dyn Store, object: Object) -> Result<Self> {
        let state: Self = read(store, object).await?;
        match state.format {
            FORMAT => Ok(state),
            format => Err(Error::State {
                message: format!(
                    "`{object}` has format {format}; this transom knows format {FORMAT}"
                ),
                hint: Some("update transom".to_owned()),
            }),
        }
    }

    /// What its buckets have saved.
    pub(super) fn objects(&self) -> impl Iterator<Item = Object> {
        self.saved.values().map(|saved| saved.object)
    }

    /// Whether a step as it is now can go on from here.
    fn check(&self, now: &Self) -> Result<()> {
        let step = &self.step;
        let (was, is) = (
            format!("{}.{}", self.plugin, self.transform),
            format!("{}.{}", now.plugin, now.transform),
        );
        let (message, back) = if was != is {
            (
                format!(
                    "step `{step}` is the transform `{is}` now, and its state is that of `{was}`"
                ),
                format!("let `{step}` be `{was}` again"),
            )
        } else if self.partition_by != now.partition_by {
            let keys = |state: &Self| {
                let keys = state.partition_by.iter();
                let keys = keys.map(|key| format!("`{}` ({})", key.column, key.encoded_as));
                match keys.collect::<Vec<_>>().as_slice() {
                    [] => "no column".to_owned(),
                    keys => keys.join(", "),
                }
            };
            (
                format!(
                    "step `{step}` partitions by {} now, and its state is kept by {}",
                    keys(now),
                    keys(self)
                ),
                "write `partition_by` as it was".to_owned(),
            )
        } else {
            return Ok(());
        };
        Err(Error::State {
            message,
            hint: Some(format!("{back}; or {RESET}")),
        })
    }
}

/// The way out that is always there.
const RESET: &str = "begin anew: `transom reset --yes`, and the next run loads everything again";

/// The state of a step while a slice is computed.
#[derive(Debug)]
pub(super) struct Keeping {
    store: Arc<dyn Store>,
    attempt: Attempt,
    by: StateWriter,
    before: StepState,
    /// Where `before` lies.
    lies_at: Option<Object>,
    /// What this slice has saved.
    saved: Mutex<BTreeMap<u32, Saved>>,
    /// Why the store failed.
    failure: Mutex<Option<Error>>,
}

impl Keeping {
    /// Has each step of a plan that keeps state go on from what the log has of it.
    ///
    /// # Errors
    /// If the log has no state of a step that had rows to see, or that of another one.
    pub(super) async fn begin(
        planned: &Planned,
        state: &After,
        store: &Arc<dyn Store>,
        attempt: Attempt,
    ) -> Result<Vec<Arc<Self>>> {
        let load = async |object: &Object| -> Result<_> {
            let saved = StepState::load(store.as_ref(), *object).await?;
            Ok((saved.step.clone(), (*object, saved)))
        };
        let before = try_join_all(state.buckets.iter().map(load)).await?;
        let before: BTreeMap<String, (Object, StepState)> = before.into_iter().collect();
        let mut all = Vec::new();
        let steps: BTreeMap<&str, &KeepsState> = kept_steps(planned).collect();
        for (name, keeps) in &steps {
            let now = StepState::new(name, keeps);
            let (lies_at, before) = match before.get(*name) {
                Some((object, saved)) => {
                    saved.check(&now)?;
                    (Some(*object), saved.clone())
                }
                None => {
                    let renamed = before
                        .keys()
                        .find(|saved| !steps.contains_key(saved.as_str()));
                    check_begin(planned, name, state, renamed)?;
                    (None, now)
                }
            };
            all.push(Arc::new(Self {
                store: Arc::clone(store),
                attempt,
                by: keeps.by.clone(),
                before,
                lies_at,
                saved: Mutex::default(),
                failure: Mutex::default(),
            }));
        }
        for gone in before
            .keys()
            .filter(|saved| !steps.contains_key(saved.as_str()))
        {
            tracing::warn!(
                target: "transom",
                "step `{gone}` keeps no state any more: the state that it had is not in the entries from here on; a rewind brings it back",
            );
        }
        for keeping in &all {
            let kept = planned.session.keep_state(
                &keeping.before.step,
                Arc::clone(keeping) as Arc<dyn StateStore>,
            );
            kept.map_err(|error| Error::of_query("planning a slice", error))?;
        }
        Ok(all)
    }

    /// Why the store failed, if it did.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    /// Writes the document of the step's state after the slice.
    pub(super) async fn finish(&self) -> Result<Object> {
        let mut after = self.before.clone();
        after.saved.extend(self.saved.lock().clone());
        let there: There = self.lies_at.iter().map(|at| (at.digest, *at)).collect();
        write(self.store.as_ref(), self.attempt, &after, &there).await
    }

    fn failed<T>(&self, error: Error) -> Result<T, DataFusionError> {
        let message = error.to_string();
        *self.failure.lock() = Some(error);
        Err(DataFusionError::Execution(message))
    }

    async fn load_bucket(&self, saved: &Saved) -> Result<Vec<u8>> {
        match saved.object.get(self.store.as_ref()).await? {
            Some(bytes) => Ok(bytes.into()),
            None => Err(Error::State {
                message: format!(
                    "`{}`, which holds state of step `{}`, is gone",
                    saved.object, self.before.step
                ),
                hint: Some(format!(
                    "restore the folder of the log from a backup; or {RESET}"
                )),
            }),
        }
    }

    async fn save_bucket(&self, bucket: u32, state: Vec<u8>) -> Result<()> {
        let bytes = state.len() as u64;
        let before = self.before.saved.get(&bucket).map(|saved| saved.object);
        let object = match before {
            Some(object) if object.digest == Digest::of(&state) => object,
            _ => Object::put(self.store.as_ref(), Some(self.attempt), state.into()).await?,
        };
        commit::fault::at("bucket.saved");
        let saved = Saved {
            object,
            bytes,
            version: self.by.version.clone(),
            digest: self.by.digest.clone(),
        };
        self.saved.lock().insert(bucket, saved);
        Ok(())
    }
}

#[async_trait]
impl StateStore for Keeping {
    fn buckets(&self) -> u32 {
        self.before.buckets
    }

    async fn load(&self, bucket: u32) -> Result<Option<SavedState>, DataFusionError> {
        if self.saved.lock().contains_key(&bucket) {
            let message = format!("bucket {bucket} comes twice in a slice");
            return Err(DataFusionError::Internal(message));
        }
        let Some(saved) = self.before.saved.get(&bucket) else {
            return Ok(None);
        };
        match self.load_bucket(saved).await {
            Ok(bytes) => Ok(Some(SavedState {
                bytes,
                by: StateWriter {
                    plugin: self.before.plugin.clone(),
                    version: saved.version.clone(),
                    digest: saved.digest.clone(),
                },
            })),
            Err(error) => self.failed(error),
        }
    }

    async fn save(&self, bucket: u32, state: Vec<u8>) -> Result<(), DataFusionError> {
        match self.save_bucket(bucket, state).await {
            Ok(()) => Ok(()),
            Err(error) => self.failed(error),
        }
    }
}

/// The steps that keep state from slice to slice.
fn kept_steps(planned: &Planned) -> impl Iterator<Item = (&str, &KeepsState)> {
    let steps = planned.steps.iter();
    steps.filter_map(|step| Some((step.name.as_str(), step.kept()?)))
}

/// Refuses to compute slices out of order.
///
/// # Errors
/// If a step of the plan keeps state.
pub(super) fn check_shares(planned: &Planned) -> Result<()> {
    let Some((step, _)) = kept_steps(planned).next() else {
        return Ok(());
    };
    Err(Error::Slice {
        message: format!(
            "step `{step}` keeps state from slice to slice, so the shares of a backfill cannot be computed side by side"
        ),
        hint: "use `transom run`, which loads one slice after another; before it `transom reset --yes`, to load everything again"
            .to_owned(),
    })
}

/// A step can begin without state only if it misses none of its rows.
fn check_begin(
    planned: &Planned,
    step: &str,
    state: &After,
    renamed: Option<&String>,
) -> Result<()> {
    let mut follows_from = BTreeSet::new();
    let mut open = vec![step.to_owned()];
    while let Some(table) = open.pop() {
        open.extend(planned.reads(&table).iter().cloned());
        follows_from.insert(table);
    }
    let mut loaded = state.sources.keys();
    let Some(source) = loaded.find(|source| follows_from.contains(*source)) else {
        return Ok(());
    };
    let back = match renamed {
        Some(renamed) => format!(
            "the log has the state of a step `{renamed}`, which keeps none now: if it was renamed, give it back its name; or {RESET}"
        ),
        None => format!("put the step into a pipeline of its own; or {RESET}"),
    };
    Err(Error::State {
        message: format!(
            "step `{step}` keeps state, and the log has none of it: its state would lack the files of source `{source}` that are loaded already"
        ),
        hint: Some(back),
    })
}
