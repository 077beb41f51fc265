//! Whether a place does what logs and sinks of slices stand on: one of many writers creates a name, by a put and by a copy.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::join_all;
use transom_commit::{FolderStore, StoreErrorKind};
use transom_file::spec::{Place, S3Url};

use super::tree::{Copied, TreeError, split, tree_at};
use crate::aws::{Aws, Expiration, S3Error};
use crate::log_store::S3Store;

/// Writers that race for a name.
const WRITERS: usize = 32;
/// Days that what is staged must live at least: longer than any run, and than a run waits to be completed.
const STAGED_DAYS: i32 = 30;

/// What keeps a place from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Unfit {
    fn new(problem: impl Into<String>, hint: &str) -> Self {
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

fn with_causes(error: &dyn std::error::Error) -> String {
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
pub async fn probe_state(aws: &Aws, place: &Place) -> Result<String, Unfit> {
    check_state(place)?;
    let name = probe_name();
    let raced = race(aws, place, &name).await;
    let tree = tree_at(place, aws).await?;
    tree.delete(&name).await?;
    raced?;
    let mut found = format!("one of {WRITERS} writers creates a name");
    if let Place::S3(url) = place {
        found += &lifecycle(aws, url, None).await?;
    }
    Ok(found)
}

/// Copies a file beside a table as publishing does, and says what it has found out. Removes what it has written.
///
/// # Errors
/// If not exactly one of many copies wins, or the place cannot be used.
pub async fn probe_table(aws: &Aws, table: &Place) -> Result<String, Unfit> {
    let (above, _) = split(table)?;
    let tree = tree_at(&above, aws).await?;
    let name = probe_name();
    let raced = async {
        let from = format!("{name}/from");
        tree.put(&from, Bytes::from_static(b"probe")).await?;
        let to = format!("{name}/to");
        let copies = (0..WRITERS).map(|_| tree.copy(&from, &to));
        let copies = join_all(copies).await.into_iter();
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let won = copies
            .iter()
            .filter(|copied| **copied == Copied::Yes)
            .count();
        match (won, tree.size(&to).await?) {
            (1, Some(5)) => Ok(()),
            (won, _) => Err(Unfit::new(
                format!("{won} of {WRITERS} copies to one name succeeded, and it must be one"),
                "use a server of S3 that knows `If-None-Match` of copies",
            )),
        }
    };
    let raced = raced.await;
    tree.delete(&name).await?;
    raced?;
    let mut found = format!("one of {WRITERS} copies takes a name");
    if let Place::S3(url) = table {
        found += &lifecycle(aws, url, Some(STAGED_DAYS)).await?;
    }
    Ok(found)
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

/// Whether rules of the bucket delete what lies below a prefix; `after` so many days that is tolerated.
async fn lifecycle(aws: &Aws, url: &S3Url, after: Option<i32>) -> Result<String, Unfit> {
    let bucket = aws.bucket(&url.bucket).await?;
    let rules = match bucket.expirations().await {
        Ok(rules) => rules,
        Err(error) => {
            return Ok(format!(
                "; whether rules of the bucket delete it is not known: {}",
                with_causes(&error)
            ));
        }
    };
    // What is beside a table has its name after a dot.
    let above = url.split().map_or(String::new(), |(above, _)| above.key);
    let concerns = |rule: &&Expiration| {
        let covered = match after {
            Some(_) => above.as_str(),
            None => url.key.as_str(),
        };
        covered.starts_with(rule.prefix.as_str()) || rule.prefix.starts_with(covered)
    };
    let hurts = |rule: &&Expiration| match (after, rule.days) {
        (Some(after), Some(days)) => days < after,
        _ => true,
    };
    match rules.iter().filter(concerns).find(hurts) {
        None => Ok("; no rule of the bucket deletes it".to_owned()),
        Some(Expiration { id, prefix, days }) => {
            let when = days.map_or("at a date".to_owned(), |days| format!("after {days} days"));
            Err(Unfit::new(
                format!(
                    "the rule `{id}` of bucket `{}` deletes objects below `{prefix}` {when}",
                    url.bucket
                ),
                match after {
                    None => {
                        "an entry of the log that is deleted can be written again: no rule may cover the state"
                    }
                    Some(_) => {
                        "files would go before they are published, or from the table: leave the deleting to `transom gc`"
                    }
                },
            ))
        }
    }
}
