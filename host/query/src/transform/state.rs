//! State that a transform keeps from one slice to the next.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use transom_plugin::Plugin;

/// Where the state of a step lies between slices. It is called from the plan's threads.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Into how many buckets the keys of the step are divided.
    fn buckets(&self) -> u32;
    /// What was saved for a bucket; none if no slice has had rows for it yet.
    async fn load(&self, bucket: u32) -> Result<Option<SavedState>>;
    /// Keeps the state of a bucket. It counts once the slice does.
    async fn save(&self, bucket: u32, state: Vec<u8>) -> Result<()>;
}

/// The state of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// What the transform has saved, in a form that only the plugin understands.
    pub bytes: Vec<u8>,
    /// Who saved it.
    pub by: StateWriter,
}

/// The plugin that has saved a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWriter {
    /// The plugin's name, as it calls itself.
    pub plugin: String,
    /// Its version, as it says.
    pub version: String,
    /// SHA-256 of what its author built, hexadecimal.
    pub digest: String,
}

impl StateWriter {
    pub(crate) fn of(plugin: &Plugin) -> Self {
        let description = plugin.description();
        Self {
            plugin: description.name.clone(),
            version: description.version.clone(),
            digest: plugin.digest().to_owned(),
        }
    }
}

/// Two builds may have one version, so that the digest is shown as well.
impl fmt::Display for StateWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.digest.trim_start_matches("sha256:");
        let digest = digest.get(..12).unwrap_or(digest);
        write!(f, "`{}` {} (sha256 {digest}..)", self.plugin, self.version)
    }
}

/// A plugin does not take a state that another version of it has saved.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{what} cannot continue from the state in bucket {bucket}: {saved} saved it, and {now} does not accept it"
)]
pub struct StateRefused {
    /// The step.
    pub what: String,
    /// The bucket.
    pub bucket: u32,
    /// Who saved it.
    pub saved: StateWriter,
    /// Who was to go on from it.
    pub now: StateWriter,
    /// What the plugin or its host said.
    #[source]
    pub source: Arc<transom_plugin::Error>,
}

impl From<StateRefused> for DataFusionError {
    fn from(error: StateRefused) -> Self {
        Self::External(Box::new(error))
    }
}
