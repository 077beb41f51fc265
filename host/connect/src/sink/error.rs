//! What can be wrong with a sink. Every message names the sink; causes are chained, advice is apart ([`SinkError::hint`]).

use std::path::PathBuf;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::shape::Shape;
use crate::aws::S3Error;
use crate::format::Unwritable;
use crate::kind::ErrorKind;
use crate::redshift::RedshiftError;
use transom_file::spec::Place;

/// Why a sink cannot take its rows. Unless it is said otherwise, the table is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// `partition_by` names a column that the rows do not have.
    #[error(
        "sink `{name}` is partitioned by `{column}`, which is not among its columns: {columns}"
    )]
    MissingColumn {
        /// Name of the sink.
        name: String,
        /// As the pipeline gives it.
        column: String,
        /// All columns in backticks.
        columns: String,
        /// The column that was probably meant.
        similar: Option<String>,
    },
    /// `partition_by` names a column twice.
    #[error("sink `{name}` is partitioned by `{column}` twice")]
    RepeatedPartition {
        /// Name of the sink.
        name: String,
        /// The column.
        column: String,
    },
    /// No column would be left for the files.
    #[error("sink `{name}` is partitioned by all of its columns")]
    OnlyPartitions {
        /// Name of the sink.
        name: String,
    },
    /// Two columns have the same name.
    #[error("sink `{name}` has two columns named `{column}`")]
    DuplicateColumn {
        /// Name of the sink.
        name: String,
        /// Their name.
        column: String,
    },
    /// Folders cannot be named after values of this type.
    #[error(
        "sink `{name}` is partitioned by `{column}` of type {data_type}; integers, text, booleans and dates can be"
    )]
    PartitionType {
        /// Name of the sink.
        name: String,
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// Readers would not find a partition column of this name.
    #[error(
        "sink `{name}` is partitioned by `{column}`, which cannot be a folder's name: {reason}"
    )]
    PartitionName {
        /// Name of the sink.
        name: String,
        /// The column.
        column: String,
        /// Why not.
        reason: &'static str,
    },
    /// The format cannot hold a column.
    #[error("sink `{name}`: {reason}")]
    Unwritable {
        /// Name of the sink.
        name: String,
        /// Which, and why.
        reason: Box<Unwritable>,
    },
    /// The format cannot hold a value.
    #[error("sink `{name}`: {reason} (writing `{}`)", path.display())]
    Value {
        /// Name of the sink.
        name: String,
        /// The file, relative to the table.
        path: PathBuf,
        /// Which, and why.
        reason: Box<Unwritable>,
    },
    /// The name of a folder cannot say which value a partition column has.
    #[error(
        "sink `{name}`: column `{column}` holds {value}, which cannot be a partition: {reason}"
    )]
    PartitionValue {
        /// Name of the sink.
        name: String,
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// Why not.
        reason: &'static str,
        /// What to do instead.
        hint: String,
    },
    /// There is no column at all.
    #[error("sink `{name}` has no columns")]
    NoColumns {
        /// Name of the sink.
        name: String,
    },
    /// The path ends in no name, so that no table can stand there.
    #[error("sink `{name}`: `{path}` does not name a table")]
    Path {
        /// Name of the sink.
        name: String,
        /// As the pipeline gives it.
        path: Place,
    },
    /// Something stands at the path that no sink has made.
    #[error("sink `{name}` would replace `{path}`, which is {found}")]
    NotOurs {
        /// Name of the sink.
        name: String,
        /// Where the table should be.
        path: Place,
        /// What is there.
        found: String,
    },
    /// Another result was published since this one began to be computed.
    #[error("sink `{name}`: another run has published `{path}` since this one began{}", version(.visible.as_deref()))]
    Overtaken {
        /// Name of the sink.
        name: String,
        /// Where the table is.
        path: Place,
        /// The version that readers see; none if the table is gone.
        visible: Option<String>,
    },
    /// What was staged becomes visible in another way than this sink's results do.
    #[error("sink `{name}`: what was staged is of a sink of another kind")]
    Kind {
        /// Name of the sink.
        name: String,
    },
    /// The table was loaded by another log.
    #[error(
        "sink `{name}`: `{path}` belongs to the log {log}, and the state of this target is another one"
    )]
    OtherLog {
        /// Name of the sink.
        name: String,
        /// Where the table is.
        path: Place,
        /// The id of its log.
        log: String,
    },
    /// The log has loaded rows, and nothing is known of them where the table should be.
    #[error(
        "sink `{name}`: entries of the log have loaded rows, and there is no such table at `{path}`"
    )]
    Elsewhere {
        /// Name of the sink.
        name: String,
        /// Where the table should be.
        path: Place,
        /// What lies beside the table.
        beside: String,
    },
    /// The table's files would differ in what all of them should have in common.
    #[error("sink `{name}`: {what}, and `{path}` would have files of both kinds")]
    Mixed {
        /// Name of the sink.
        name: String,
        /// Where the table is.
        path: Place,
        /// What was, and what is.
        what: String,
        /// Whether a reset leaves files of the old kind, without rows.
        leaves: bool,
    },
    /// What all files of the table have in common is not known any more.
    #[error(
        "sink `{name}`: `{path}`, which says what all files of the table have in common, was changed"
    )]
    Damaged {
        /// Name of the sink.
        name: String,
        /// Where that stands.
        path: Place,
        /// Why it cannot be read.
        #[source]
        source: serde_json::Error,
    },
    /// What an entry of the log names cannot be read.
    #[error("sink `{name}` cannot go on with what was staged before")]
    Log {
        /// Name of the sink.
        name: String,
        /// Why.
        #[source]
        source: transom_commit::SinkError,
    },
    /// What was staged is not there any more.
    #[error("sink `{name}`: `{path}`, which was to be published, is gone")]
    Gone {
        /// Name of the sink.
        name: String,
        /// Where it was.
        path: Place,
    },
    /// A table of Redshift cannot take the rows.
    #[error("sink `{name}`: {reason}")]
    Redshift {
        /// Name of the sink.
        name: String,
        /// Which table or column, and why.
        reason: Box<RedshiftError>,
    },
    /// S3 refuses.
    #[error("sink `{name}`: {source}")]
    S3 {
        /// Name of the sink.
        name: String,
        /// What was asked, and what came.
        source: Box<S3Error>,
    },
    /// The answer to the request that makes a result visible was lost.
    #[error("sink `{name}`: it is not known whether readers see the new result: {source}")]
    Unclear {
        /// Name of the sink.
        name: String,
        /// What was asked, and what came.
        source: Box<S3Error>,
    },
    /// The rows could not be computed.
    #[error("sink `{name}` got no further rows")]
    Input {
        /// Name of the sink.
        name: String,
        /// What the plan says.
        #[source]
        source: DataFusionError,
    },
    /// The streams of one table have different columns.
    #[error("sink `{name}`: stream {stream} has other columns than the stream before it")]
    Schema {
        /// Name of the sink.
        name: String,
        /// The later one.
        stream: usize,
    },
    /// A row belongs to no partition.
    #[error("sink `{name}`: rows cannot be divided into partitions")]
    Split {
        /// Name of the sink.
        name: String,
        /// Which value of which column.
        #[source]
        source: ArrowError,
    },
    /// A batch cannot be encoded, or the disk does not take it.
    #[error("sink `{name}`: cannot write `{path}`")]
    Write {
        /// Name of the sink.
        name: String,
        /// The file, relative to the table.
        path: PathBuf,
        /// What the writer says.
        #[source]
        source: ArrowError,
    },
    /// The disk refuses.
    #[error("sink `{name}`: cannot {action} `{path}`")]
    Io {
        /// Name of the sink.
        name: String,
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: Place,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// No stream was written, so that not even the columns are known.
    #[error("sink `{name}` was given nothing to write, not even an empty stream")]
    NothingWritten {
        /// Name of the sink.
        name: String,
    },
    /// A stream failed or was given up, so that rows are missing: such a version is never published.
    #[error("sink `{name}` was not written to the end")]
    Unfinished {
        /// Name of the sink.
        name: String,
    },
    /// Some sinks of a run show the new result, the others the old one.
    #[error("sink `{name}` could not be published after {published} had been")]
    PartlyPublished {
        /// The sink that failed.
        name: String,
        /// Those that are published, in backticks.
        published: String,
        /// Why it failed.
        #[source]
        source: Box<SinkError>,
    },
    /// Readers find the new result; whether it would outlive a power failure is not known.
    #[error("sink `{name}` is published, but the disk did not confirm it")]
    Unconfirmed {
        /// Name of the sink.
        name: String,
        /// What the disk said.
        #[source]
        source: Box<SinkError>,
    },
    /// The work was given up: the process is shutting down.
    #[error("sink `{name}`: writing was interrupted")]
    Interrupted {
        /// Name of the sink.
        name: String,
        /// Why the task ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

fn version(visible: Option<&str>) -> String {
    visible.map_or_else(String::new, |version| format!(": version `{version}`"))
}

impl SinkError {
    pub(crate) fn s3(sink: &str, error: S3Error) -> Self {
        Self::S3 {
            name: sink.to_owned(),
            source: Box::new(error),
        }
    }

    pub(crate) fn redshift(sink: &str, error: RedshiftError) -> Self {
        Self::Redshift {
            name: sink.to_owned(),
            reason: Box::new(error),
        }
    }

    /// What callers act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Redshift { reason, .. } => reason.kind(),
            Self::Overtaken { .. } | Self::Gone { .. } => ErrorKind::Overtaken,
            Self::Unclear { .. } => ErrorKind::Temporary,
            Self::PartlyPublished { source, .. } => source.kind(),
            Self::S3 { source, .. } => source.kind().into(),
            _ => ErrorKind::Data,
        }
    }

    /// What to do about it, where there is something to say beyond the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OtherLog { .. } => Some(
                "find the state that has loaded it (was the pipeline renamed, or `state` changed?): with this one all inputs would be loaded again; or let the sink write another table"
                    .to_owned(),
            ),
            Self::Elsewhere { beside, .. } => Some(format!(
                "if its `path` was changed, set it back, or move the table, and `{beside}` beside it, there; if it was deleted, restore it from a backup, or begin anew: delete the state and all tables of the pipeline"
            )),
            Self::Mixed { leaves: false, .. } => Some(
                "set it back; or load everything again: `transom reset --yes`, then `transom run`; or let a new sink write another table"
                    .to_owned(),
            ),
            Self::Mixed { .. } => Some(
                "set it back; or load everything again: `transom reset --yes`; then give the sink another `path`, or wait a day until \
                 `transom gc --yes --older-than 1d` deletes the files without rows that a reset leaves; then `transom run`"
                    .to_owned(),
            ),
            Self::Damaged { .. } => Some(Shape::WAY_OUT.to_owned()),
            Self::MissingColumn { similar, .. } => {
                similar.as_ref().map(|similar| format!("did you mean `{similar}`?"))
            }
            Self::OnlyPartitions { .. } => {
                Some("leave at least one column out of `partition_by`".to_owned())
            }
            Self::DuplicateColumn { column, .. } => {
                Some(format!("give one of them another name: `... AS {column}_2`"))
            }
            Self::PartitionType { column, .. } => Some(format!(
                "convert it before: `CAST({column} AS VARCHAR)`, `CAST({column} AS DATE)`"
            )),
            Self::PartitionName { column, .. } => {
                Some(format!("give the column another name: `\"{column}\" AS name`"))
            }
            Self::Unwritable { reason, .. } | Self::Value { reason, .. } => {
                reason.hint().map(str::to_owned)
            }
            Self::PartitionValue { hint, .. } => Some(hint.clone()),
            Self::NotOurs {
                path: Place::S3(_), ..
            } => Some(
                "a table is a prefix that holds nothing but a pointer, which the first run makes: move what is there away, or choose another prefix"
                    .to_owned(),
            ),
            Self::NotOurs { .. } => Some(
                "a table is a symbolic link that the first run makes: move what is there away, or choose another path"
                    .to_owned(),
            ),
            Self::Overtaken { .. } => Some(
                "the table is whole, with the other run's result; run again, or let only one run write to it at a time"
                    .to_owned(),
            ),
            Self::Gone { .. } => Some("run the pipeline again".to_owned()),
            Self::S3 { source, .. } => source.hint(),
            Self::Redshift { reason, .. } => reason.hint(),
            Self::PartlyPublished { .. } | Self::Unconfirmed { .. } | Self::Unclear { .. } => {
                Some("run the pipeline again: the new run replaces all of its results".to_owned())
            }
            _ => None,
        }
    }
}
