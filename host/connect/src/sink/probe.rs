//! Whether a place does what logs and sinks of slices stand on: one of many writers creates a name, by a put and by a copy, and no rule of
//! the bucket deletes what is needed.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::join_all;
use transom_commit::{FolderStore, StoreErrorKind};
use transom_file::spec::{Place, S3Url};

use super::lifecycle::{Needed, Rules, below, rules_of};
use super::tree::{Copied, TreeError, split, tree_at};
use crate::aws::{Aws, S3Error};
use crate::log_store::S3Store;

/// Writers that race for a name.
const WRITERS: usize = 32;
/// What a probe writes.
const PROBE: &[u8] = b"probe";

/// What was found out about a place that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// What it does.
    pub found: String,
    /// What may become a problem.
    pub warning: Option<String>,
}

impl Fit {
    fn new(found: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            warning: None,
        }
    }

    /// The same, with what rules of its bucket leave of what is needed there.
    async fn with_rules(
        mut self,
        aws: &Aws,
        place: &Place,
        needed: impl FnOnce(&S3Url) -> Needed,
    ) -> Result<Self, Unfit> {
        let Place::S3(url) = place else {
            return Ok(self);
        };
        match rules_of(aws, &url.bucket, &needed(url)).await? {
            Rules::Spare => self.found += "; no rule of the bucket deletes it",
            Rules::Tolerated(rule) => {
                self.warning = Some(format!(
                    "{rule}: a slice that is not in all sinks by then cannot be completed, nor replayed"
                ));
            }
            Rules::Unknown(why) => {
                self.found +=
                    &format!("; whether rules of the bucket delete it is not known: {why}");
            }
        }
        Ok(self)
    }
}

/// What keeps a place from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Unfit {
    pub(super) fn new(problem: impl Into<String>, hint: &str) -> Self {
        Self {
            problem: problem.into(),
            hint: Some(hint.to_owned()),
        }
    }
}

impl From<TreeError> for Unfit {
    fn from(error: TreeError) -> Self {
        Self {
            problem: with_causes(&error),
            hint: None,
        }
    }
}

impl From<S3Error> for Unfit {
    fn from(error: S3Error) -> Self {
        Self {
            hint: error.hint(),
            problem: with_causes(&error),
        }
    }
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A name that nothing else has.
fn probe_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.unwrap_or_default().as_nanos();
    format!(".transom-probe-{}-{nanos}", std::process::id())
}

/// Lets many writers create one name below the place of a log, and says what it has found out. Removes what it has written.
///
/// # Errors
/// If not exactly one of them wins, or the place cannot be used.
pub async fn probe_state(aws: &Aws, place: &Place) -> Result<Fit, Unfit> {
    check_state(place)?;
    let name = probe_name();
    let raced = race(aws, place, &name).await;
    let tree = tree_at(place, aws).await?;
    tree.delete(&name).await?;
    raced?;
    let found = Fit::new(format!("one of {WRITERS} writers creates a name"));
    found.with_rules(aws, place, log_at).await
}

/// Copies a file beside a table as publishing does, and says what it has found out. Removes what it has written. `own` is the folder beside
/// the table that its sink keeps, and `staged` the one in it from which files are copied, if there is one.
pub(super) async fn probe_table(
    aws: &Aws,
    table: &Place,
    own: &str,
    staged: Option<&str>,
) -> Result<Fit, Unfit> {
    let (above, name_of_table) = split(table)?;
    let tree = tree_at(&above, aws).await?;
    let name = probe_name();
    let raced = async {
        let from = format!("{name}/from");
        tree.put(&from, Bytes::from_static(PROBE)).await?;
        let to = format!("{name}/to");
        let copies = (0..WRITERS).map(|_| tree.copy(&from, &to));
        let copies = join_all(copies).await.into_iter();
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let won = copies
            .iter()
            .filter(|copied| **copied == Copied::Yes)
            .count();
        match (won, tree.size(&to).await?) {
            (1, Some(size)) if size == PROBE.len() as u64 => Ok(()),
            (won, _) => Err(Unfit::new(
                format!("{won} of {WRITERS} copies to one name succeeded, and it must be one"),
                "use a server of S3 that knows `If-None-Match` of copies",
            )),
        }
    };
    let raced = raced.await;
    tree.delete(&name).await?;
    raced?;
    let found = Fit::new(format!("one of {WRITERS} copies takes a name"));
    let needed = |url: &S3Url| {
        let above = url.split().map(|(above, _)| below(&above));
        let above = above.unwrap_or_default();
        Needed {
            kept: vec![format!("{above}{name_of_table}/"), format!("{above}{own}/")],
            staged: staged
                .map(|staged| format!("{above}{own}/{staged}/"))
                .into_iter()
                .collect(),
            why: "rows would go from the table, or notes that say what it has: no rule may cover it, leave the deleting to `transom gc`",
        }
    };
    found.with_rules(aws, table, needed).await
}

/// Writes a file where rows are staged for a warehouse, and says what it has found out. Removes it.
pub(crate) async fn probe_staging(aws: &Aws, staging: &S3Url) -> Result<Fit, Unfit> {
    let place = Place::S3(staging.clone());
    let tree = tree_at(&place, aws).await?;
    let name = probe_name();
    let tried = async {
        let rows = format!("{name}/rows");
        tree.put(&rows, Bytes::from_static(PROBE)).await?;
        match tree.size(&rows).await? {
            Some(size) if size == PROBE.len() as u64 => Ok(()),
            _ => Err(Unfit::new(
                "what was written just now is not there",
                "use a server of S3 that shows an object once it has acknowledged it",
            )),
        }
    };
    let tried = tried.await;
    tree.delete(&name).await?;
    tried?;
    let needed = |url: &S3Url| Needed {
        staged: vec![below(url)],
        ..Needed::default()
    };
    let found = Fit::new("rows can be staged, and deleted");
    found.with_rules(aws, &place, needed).await
}

/// What rules must spare of a log.
fn log_at(url: &S3Url) -> Needed {
    Needed {
        kept: vec![below(url)],
        staged: vec![],
        why: "an entry of the log that is deleted can be written again: no rule may cover the state",
    }
}

/// Whether no rule of its bucket deletes entries of a log, as far as rules can be read.
///
/// # Errors
/// If one would.
pub async fn check_rules(aws: &Aws, place: &Place) -> Result<(), Unfit> {
    let Place::S3(url) = place else {
        return Ok(());
    };
    if let Rules::Unknown(why) = rules_of(aws, &url.bucket, &log_at(url)).await? {
        tracing::debug!(target: "transom", "whether rules of bucket `{}` delete the log is not known: {why}", url.bucket);
    }
    Ok(())
}

/// Whether a log may be kept at a place, as far as its name says.
///
/// # Errors
/// For buckets in which a name may be created twice, or that list in no order.
pub fn check_state(place: &Place) -> Result<(), Unfit> {
    let Place::S3(S3Url { bucket, .. }) = place else {
        return Ok(());
    };
    let hint = "keep the state in a bucket of the general kind, by its own name";
    if bucket.ends_with("--x-s3") {
        let problem = format!("`{bucket}` is a directory bucket, which has no lists in order");
        return Err(Unfit::new(problem, hint));
    }
    if bucket.ends_with(".mrap") || bucket.starts_with("arn:") {
        let problem = format!("`{bucket}` is an access point: two regions could create one name");
        return Err(Unfit::new(problem, hint));
    }
    Ok(())
}

async fn race(aws: &Aws, place: &Place, name: &str) -> Result<(), Unfit> {
    let store: Box<dyn transom_commit::Store> = match place {
        Place::Local(path) => Box::new(FolderStore::new(path)),
        Place::S3(url) => Box::new(S3Store::open(aws, url).await?),
    };
    let key = format!("{name}/race");
    let creates = (0..WRITERS).map(|writer| store.create(&key, Bytes::from(writer.to_string())));
    let mut winners = Vec::new();
    for (writer, outcome) in join_all(creates).await.into_iter().enumerate() {
        match outcome {
            Ok(()) => winners.push(writer.to_string()),
            Err(error) if error.kind() == StoreErrorKind::Exists => {}
            Err(error) => {
                return Err(Unfit {
                    problem: with_causes(&error),
                    hint: None,
                });
            }
        }
    }
    let found = store.get(&key).await.ok().flatten();
    match winners.as_slice() {
        [winner] if found.as_deref() == Some(winner.as_bytes()) => Ok(()),
        winners => Err(Unfit::new(
            format!(
                "{} of {WRITERS} writers created one name, and it must be one",
                winners.len()
            ),
            "use a server of S3 that knows `If-None-Match` of puts; on a folder, a file system with hard links",
        )),
    }
}
