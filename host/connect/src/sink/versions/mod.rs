//! Versions of a table, and the switch from one to the next.
//!
//! A version is named `000002-run`: numbers only grow from one visible version to the next, and an attempt's is the visible one's and
//! one more. So a version whose number is not above the visible one's can never become visible, and may be deleted; one above it may
//! be an attempt that is under way, or waits to be applied, and is deleted only when it is old.

mod bucket;
mod folder;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use self::{bucket::BucketVersions, folder::FolderVersions};
use super::{
    Attempt, Publish, SinkError, Written, WrittenFile,
    out_file::OutFile,
    staging::{Ending, Room},
};
use crate::{aws::Aws, lease::Lease};
use transom_file::spec::Place;

/// Width of the number that a version's name begins with, so that names sort; a larger number is merely longer.
const NUMBER_WIDTH: usize = 6;
/// Characters of an attempt's id that go into a version's name.
const MAX_ID: usize = 64;
/// Age at which a version that was never visible counts as given up.
const GIVEN_UP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A version that an attempt writes.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) name: String,
    /// What was visible when the attempt began.
    pub(super) previous: Option<String>,
    /// Keeps others from deleting it while this process lives.
    pub(super) lease: Option<Lease>,
}

/// The versions of one table, wherever it lies.
#[async_trait]
pub(super) trait Versions: fmt::Debug + Send + Sync {
    /// Where readers find the table: absolute.
    fn table(&self) -> Place;

    /// Whether a version is visible.
    async fn exists(&self) -> Result<bool, SinkError>;

    /// Makes room for a new version.
    async fn create(&self, attempt: &Attempt) -> Result<Version, SinkError>;

    /// A new file of a version, by its path within it. Not to be called from a task.
    fn file(&self, version: &str, path: &Path) -> io::Result<OutFile>;

    /// Waits until the names of all files, which are complete, outlive a power failure.
    async fn seal(&self, version: &str, files: &[WrittenFile]) -> Result<(), SinkError>;

    /// Makes a version visible if `previous` is; does nothing if it is visible itself.
    async fn switch(
        &self,
        version: &str,
        previous: Option<&str>,
        written: &Written,
    ) -> Result<(), SinkError>;

    /// Deletes versions that are neither `current` nor `previous` and cannot become visible.
    async fn tidy(&self, current: &str, previous: Option<&str>);

    /// Deletes a version that is not visible.
    async fn remove(&self, version: &str);

    /// [`Self::remove`] at once, where that takes no requests.
    fn remove_now(&self, version: &str);
}

/// One version that is being written.
#[derive(Debug)]
pub(super) struct VersionRoom {
    pub(super) versions: Arc<dyn Versions>,
    pub(super) version: String,
    /// Keeps others from deleting it while this process lives.
    pub(super) lease: Mutex<Option<Lease>>,
}

#[async_trait]
impl Room for VersionRoom {
    fn file(&self, path: &Path) -> io::Result<OutFile> {
        self.versions.file(&self.version, path)
    }

    async fn seal(&self, files: &[WrittenFile]) -> Result<(), SinkError> {
        self.versions.seal(&self.version, files).await
    }

    async fn remove(&self) {
        self.versions.remove(&self.version).await;
    }

    fn let_go(&self, is_settled: bool) {
        // Who holds a version does not delete it.
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if !is_settled {
            self.versions.remove_now(&self.version);
        }
    }
}

/// The table is switched to the version that was written.
#[derive(Debug)]
pub(super) struct Switching {
    pub(super) table: Place,
    pub(super) version: String,
    pub(super) previous: Option<String>,
}

#[async_trait]
impl Ending for Switching {
    fn wants_empty_file(&self) -> bool {
        true
    }

    async fn publish(&self, _: &Written, _: &SchemaRef) -> Result<Publish, SinkError> {
        Ok(Publish::Switch {
            table: self.table.clone(),
            version: self.version.clone(),
            previous: self.previous.clone(),
        })
    }
}

/// The versions of the table at `place`.
pub(super) async fn versions_of(
    sink: &str,
    place: &Place,
    aws: &Aws,
) -> Result<Arc<dyn Versions>, SinkError> {
    match place {
        Place::Local(path) => Ok(Arc::new(FolderVersions::new(sink, path)?)),
        Place::S3(url) => {
            let bucket = aws.bucket(&url.bucket).await;
            let bucket = bucket.map_err(|error| SinkError::s3(sink, error))?;
            Ok(Arc::new(BucketVersions::new(sink, url, bucket)?))
        }
    }
}

/// The name of an attempt's version, after the one that is visible.
fn name_after(previous: Option<&str>, attempt: &Attempt) -> String {
    let number = previous.and_then(number_of).unwrap_or(0) + 1;
    let id = attempt.id.chars().take(MAX_ID);
    let id: String = id
        .map(|character| if is_plain(character) { character } else { '-' })
        .collect();
    format!("{number:0NUMBER_WIDTH$}-{id}")
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

fn number_of(version: &str) -> Option<u64> {
    let (number, _) = version.split_once('-')?;
    let digits = number.len() >= NUMBER_WIDTH && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten()
}

/// Whether a version of this name, which is `age` old, may be deleted beside those that are kept.
fn is_dead(version: &str, current: &str, previous: Option<&str>, age: Duration) -> bool {
    if version == current || Some(version) == previous {
        return false;
    }
    match (number_of(version), number_of(current)) {
        (Some(number), Some(current)) => number <= current || age > GIVEN_UP,
        // No version of ours.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_become_visible_is_dead() {
        let dead = |version, age| is_dead(version, "000004-d", Some("000003-c"), age);
        let young = Duration::from_secs(60);
        assert!(dead("000002-b", young));
        assert!(dead("000003-x", young), "began beside the one before");
        assert!(dead("000004-x", young), "was overtaken");
        assert!(!dead("000005-e", young), "may be under way");
        assert!(dead("000005-e", GIVEN_UP * 2));
        for kept in ["000004-d", "000003-c", "notes", "12-x"] {
            assert!(!dead(kept, GIVEN_UP * 2), "{kept}");
        }
    }

    #[test]
    fn a_version_is_named_after_the_visible_one_and_the_attempt() {
        let attempt = Attempt::new("a b/c");
        assert_eq!(name_after(None, &attempt), "000001-a-b-c");
        assert_eq!(name_after(Some("000041-x"), &attempt), "000042-a-b-c");
    }
}
