//! Tables of Redshift: rows wait in S3, and an entry of the log loads them, each exactly once.
//!
//! ```text
//! streams -> values in the table's types -> <staging>/<log>/<attempt>/<sink>/part-*.parquet, load.manifest -> Load
//!                                                                                                        |
//!                    one transaction: claim the ledger, COPY into a temporary table, change the table <- entry
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | [`staging`] | streams become files below the staging prefix, and a document that says how to load them: [`Load`] |
//! | [`target`] | the table as it is and as the rows need it: differences, and the statements that settle them |
//! | [`types`], [`values`], [`nested`] | types of Redshift; values that a column does not take, found before anything is decided |
//! | [`sql`] | the statements of a loading transaction |
//! | [`warehouse`] | the table and its ledger, as the commit protocol asks for them |
//! | [`api`] | the Data API |
//! | [`error`] | what can be wrong, and what the warehouse's messages mean |
//!
//! **The transaction.** The first statement moves the ledger from one entry to the next and so takes its lock; the
//! second ends the transaction by a division by zero unless this very submission has moved it; the last one takes the
//! submission's mark away. So the same text changes the table once, however often it is sent. Between them rows are
//! copied into a temporary table that has the target's types, are counted, and change the target.
//!
//! **What is refused early.** COPY refuses a whole load for one value, after the decision, when nothing about it can
//! be changed. So each value is looked at while it is encoded, against the columns that the table really has.
//!
//! **What a message means.** The Data API gives an error's text, without a code. So only a few texts are believed,
//! those about values; about the ledger nothing is concluded from a message, it is read.

mod api;
mod document;
mod error;
mod nested;
mod sql;
mod staging;
mod target;
mod types;
mod values;
mod verify;
mod warehouse;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use transom_commit::{LogId, Part, Position, Reading, SinkErrorKind};
use transom_file::spec::{LoadMode, Place, RedshiftOptions, RedshiftTable, S3Url, TableName};

use self::api::{DataApi, Row};
pub use self::document::Load;
pub use self::error::{ApiError, RedshiftError};
use self::staging::RedshiftStaging;
use self::target::{SEQ, TargetColumn};
use self::warehouse::sink_of;
use crate::aws::{Aws, Bucket, S3Error};
use crate::kind::ErrorKind;
use crate::sink::{
    Applied, Aside, Asides, Attempt, Expected, Fit, Found, Known, LastLoad, Publish, Rewound, Sink,
    SinkError, SinkLimits, Staged, Staging, Unfit, Verified, probe_staging,
};

/// A table of Redshift that a pipeline loads.
#[derive(Debug, Clone)]
pub struct RedshiftSink {
    /// Name in the pipeline, for messages.
    pub name: String,
    /// How Amazon's services are reached.
    pub aws: Aws,
    /// The warehouse.
    pub warehouse: RedshiftOptions,
    /// The table, and how it is loaded.
    pub table: RedshiftTable,
    /// Where rows go that the table cannot hold; if there is none, the load fails.
    pub refused: Option<Arc<dyn RefusedRows>>,
    /// Bounds on what writing takes.
    pub limits: SinkLimits,
}

/// Rows with values that a table cannot hold.
#[derive(Debug)]
pub struct Refused {
    /// The rows, as the sink was given them.
    pub rows: RecordBatch,
    /// The stream that they came in.
    pub stream: usize,
    /// Their numbers within it, from 0.
    pub numbers: Vec<u64>,
    /// Of each row why it is refused.
    pub reasons: Vec<String>,
}

/// Takes the rows that a table cannot hold. Streams are written at the same time.
pub trait RefusedRows: fmt::Debug + Send + Sync {
    /// Keeps or counts rows.
    ///
    /// # Errors
    /// If they cannot be kept: the load fails.
    fn put(&self, refused: Refused) -> Result<(), ArrowError>;
}

#[async_trait]
impl Sink for RedshiftSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn partition_by(&self) -> &[String] {
        &[]
    }

    fn check(&self, columns: &SchemaRef) -> Result<(), SinkError> {
        if columns.fields().is_empty() {
            return Err(SinkError::NoColumns {
                name: self.name.clone(),
            });
        }
        let checked = target::check(&self.table, columns);
        checked.map_err(|error| SinkError::redshift(&self.name, error))
    }

    async fn check_after(&self, last: LastLoad<'_>) -> Result<(), SinkError> {
        let loaded = serde_json::from_value(last.part.staged.clone());
        let Ok(Publish::Load(loaded)) = loaded else {
            return Ok(());
        };
        if loaded.table.table != self.table.table {
            return self.check_named(&loaded.table.table).await;
        }
        let Some(error) = self.change_since(&loaded.table) else {
            return Ok(());
        };
        // Rows that a rewind has left are replaced as they are loaded again, but for these.
        let doubles = matches!(
            error,
            RedshiftError::OtherPartitions { .. }
                | RedshiftError::ModeChanged {
                    is: LoadMode::Append,
                    ..
                }
        );
        if last.is_taken_back && !(doubles && self.has_rows().await?) {
            return Ok(());
        }
        Err(SinkError::redshift(&self.name, error))
    }

    async fn check_begin(&self, _log: &str, has_rows: bool) -> Result<(), SinkError> {
        let bucket = self.bucket(&self.warehouse.staging).await?;
        self.columns(&bucket, has_rows).await.map(drop)
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Box<dyn Staging>, SinkError> {
        let prefix = self.staged_at(attempt.log.as_deref(), &attempt.id);
        let bucket = self.bucket(&prefix).await?;
        let existing = self.columns(&bucket, attempt.has_rows).await?;
        Ok(Box::new(RedshiftStaging::new(
            self.clone(),
            bucket,
            prefix,
            attempt.replaces.clone(),
            existing,
        )))
    }

    async fn apply(&self, _: &Staged) -> Result<Applied, SinkError> {
        Err(SinkError::redshift(&self.name, RedshiftError::NotByRun))
    }

    async fn tidy(&self, _: &Applied) {}

    async fn abandon(&self, _: &Staged) {}

    async fn verify(&self, expected: &Expected<'_>) -> Result<Verified, transom_commit::SinkError> {
        self.verify_table(expected).await
    }

    async fn is_there(&self) -> Result<bool, transom_commit::SinkError> {
        let api = self.api_of("look at").await?;
        let columns = target::columns_of(&api, &self.table.table).await;
        let columns = columns.map_err(|error| self.failed("look at", error))?;
        Ok(columns.is_some())
    }

    async fn check_rewind(&self, rewind: &Rewound<'_>) -> Result<(), transom_commit::SinkError> {
        let mut parts = rewind.taken_back.iter();
        if !parts.any(|part| part.rows > 0 && is_appended(part)) || self.is_there().await? {
            return Ok(());
        }
        Err(self.gone())
    }

    async fn adopt(
        &self,
        log: LogId,
        position: Position,
        seen: &Reading,
    ) -> Result<(), transom_commit::SinkError> {
        self.set_ledger(log, position, seen).await
    }

    async fn delete_attempt(
        &self,
        log: &str,
        attempt: &str,
    ) -> Result<(), transom_commit::SinkError> {
        let prefix = self.staged_at(Some(log), attempt);
        let deleted = async { delete(&self.aws.bucket(&prefix.bucket).await?, &prefix).await };
        let failed = |error| self.unstaged("deleted", &prefix, error);
        deleted.await.map_err(failed)
    }

    async fn aside(&self, known: &Known) -> Result<Vec<Aside>, transom_commit::SinkError> {
        let root = self.warehouse.staging.join(&known.log).join("");
        let listed = async { self.aws.bucket(&root.bucket).await?.list(&root.key).await };
        let listed = listed
            .await
            .map_err(|error| self.unstaged("listed", &root, error))?;
        let mut asides = Asides::new(known);
        for object in listed {
            let within = object.key.strip_prefix(&root.key).unwrap_or_default();
            let mut parts = within.split('/');
            if let (Some(attempt), Some(sink)) = (parts.next(), parts.next())
                && sink == self.name
            {
                let attempt = attempt.to_owned();
                asides.add(&attempt, Found::from(object));
            }
        }
        Ok(asides.into_unneeded().collect())
    }

    async fn probe(&self) -> Option<(Place, Result<Fit, Unfit>)> {
        let staging = &self.warehouse.staging;
        let fit = probe_staging(&self.aws, staging).await;
        Some((Place::S3(staging.clone()), fit))
    }

    async fn delete_aside(&self, aside: &Aside) -> Result<(), transom_commit::SinkError> {
        let root = &self.warehouse.staging;
        let deleted = async {
            self.aws
                .bucket(&root.bucket)
                .await?
                .delete(aside.paths())
                .await
        };
        let failed = |error| self.unstaged("deleted", root, error);
        deleted.await.map_err(failed)
    }

    fn committed(&self) -> Option<transom_commit::Sink<'_>> {
        Some(transom_commit::Sink::Warehouse(self))
    }
}

impl RedshiftSink {
    /// The columns of the table as it is, if it can get rows of this sink; none if there is no table.
    async fn columns(
        &self,
        staging: &Bucket,
        has_rows: bool,
    ) -> Result<Option<Vec<TargetColumn>>, SinkError> {
        let table = &self.table.table;
        let asked = async {
            let api = DataApi::new(&self.aws, &self.warehouse).await?;
            let existing = target::columns_of(&api, table).await?;
            Ok((api, existing))
        };
        let (api, existing) = asked
            .await
            .map_err(|said: ApiError| self.not_looked_at(said))?;
        check_region(&self.warehouse.staging, staging.used_in(), api.region())
            .map_err(|error| SinkError::redshift(&self.name, error))?;
        if existing.is_none()
            && let Ok(Reading::Ledger(ledger)) = self.read_ledger(&api).await
            && ledger.position != Position::START
        {
            let error = RedshiftError::TableGone {
                table: table.clone(),
                seq: ledger.position.seq,
            };
            return Err(SinkError::redshift(&self.name, error));
        }
        if let Some(columns) = existing.as_deref().filter(|_| has_rows) {
            self.check_counted(columns)
                .map_err(|error| SinkError::redshift(&self.name, error))?;
        }
        Ok(existing)
    }

    /// How the sink would do something else with the rows of the table than when they were loaded.
    fn change_since(&self, loaded: &RedshiftTable) -> Option<RedshiftError> {
        let table = self.table.table.clone();
        if loaded.mode != self.table.mode {
            let (was, is) = (loaded.mode, self.table.mode);
            return Some(RedshiftError::ModeChanged { table, was, is });
        }
        // What says which rows of the table a load replaces.
        let columns = |table: &RedshiftTable| -> BTreeSet<String> {
            let columns: &[String] = match table.mode {
                LoadMode::Merge => &table.keys,
                LoadMode::OverwritePartitions => &table.partition_by,
                LoadMode::Append | LoadMode::Overwrite => &[],
            };
            columns
                .iter()
                .map(|column| target::folded(column))
                .collect()
        };
        let (was, is) = (columns(loaded), columns(&self.table));
        if was == is {
            return None;
        }
        let list = |columns: BTreeSet<String>| columns.into_iter().collect::<Vec<_>>().join("`, `");
        let (was, is) = (list(was), list(is));
        Some(match self.table.mode {
            LoadMode::OverwritePartitions => RedshiftError::OtherPartitions { table, was, is },
            _ => RedshiftError::OtherKeys { table, was, is },
        })
    }

    /// Whether there is a row in the table, whoever has put it there.
    async fn has_rows(&self) -> Result<bool, SinkError> {
        let rows = self.asked(&sql::any_row(&self.table.table)).await?;
        Ok(rows.is_some_and(|rows| !rows.is_empty()))
    }

    /// Whether a table that is not the one which the sink has loaded is the sink's: only its ledger can say so.
    async fn check_named(&self, loaded: &TableName) -> Result<(), SinkError> {
        let table = &self.table.table;
        let rows = self.asked(&sql::read_ledger(table)).await?;
        match rows.as_deref() {
            Some([row]) if sink_of(row).is_none() => {
                let (table, was) = (table.clone(), loaded.clone());
                let error = RedshiftError::OtherTable { table, was };
                Err(SinkError::redshift(&self.name, error))
            }
            // What else may be wrong with it is seen before an entry is decided.
            _ => Ok(()),
        }
    }

    /// What a query gives; none if there is no such table.
    async fn asked(&self, text: &str) -> Result<Option<Vec<Row>>, SinkError> {
        let asked = async {
            let api = DataApi::new(&self.aws, &self.warehouse).await?;
            api.query(text).await
        };
        match asked.await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.is_missing() => Ok(None),
            Err(said) => Err(self.not_looked_at(said)),
        }
    }

    /// The table cannot be looked at before rows are staged for it.
    fn not_looked_at(&self, said: ApiError) -> SinkError {
        let (action, table) = ("look at", self.table.table.clone());
        let error = RedshiftError::Api {
            action,
            table,
            said,
        };
        SinkError::redshift(&self.name, error)
    }

    /// Whether rows of this log that were appended can still be taken back.
    fn check_counted(&self, columns: &[TargetColumn]) -> Result<(), RedshiftError> {
        match self.table.mode {
            LoadMode::Append if !target::is_counted(columns) => Err(RedshiftError::Uncounted {
                table: self.table.table.clone(),
                column: SEQ,
            }),
            _ => Ok(()),
        }
    }

    /// Where an attempt stages its rows: pipelines may share the prefix, so that the log's id comes first.
    fn staged_at(&self, log: Option<&str>, attempt: &str) -> S3Url {
        let staging = &self.warehouse.staging;
        let of_log = log.map(|log| staging.join(log));
        of_log
            .as_ref()
            .unwrap_or(staging)
            .join(attempt)
            .join(&self.name)
    }

    fn unstaged(&self, what: &str, prefix: &S3Url, error: S3Error) -> transom_commit::SinkError {
        let kind = match ErrorKind::from(error.kind()) {
            ErrorKind::Temporary => SinkErrorKind::Unclear,
            _ => SinkErrorKind::Broken,
        };
        let message = format!("sink `{}`: `{prefix}` cannot be {what}", self.name);
        transom_commit::SinkError::new(kind, message).because(error)
    }

    async fn bucket(&self, url: &S3Url) -> Result<Bucket, SinkError> {
        let bucket = self.aws.bucket(&url.bucket).await;
        bucket.map_err(|error| SinkError::s3(&self.name, error))
    }
}

/// Refuses a staging prefix in another region than the warehouse: the loading transaction would fail, once it is decided, whenever it is
/// tried.
fn check_region(
    staging: &S3Url,
    of_bucket: Option<&str>,
    of_warehouse: Option<&str>,
) -> Result<(), RedshiftError> {
    match (of_bucket, of_warehouse) {
        (Some(is), Some(warehouse)) if is != warehouse => Err(RedshiftError::StagedElsewhere {
            staging: staging.clone(),
            is: is.to_owned(),
            warehouse: warehouse.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Whether an entry has appended its rows.
fn is_appended(part: &Part) -> bool {
    let publish = serde_json::from_value(part.staged.clone());
    matches!(publish, Ok(Publish::Load(load)) if load.table.mode == LoadMode::Append)
}

/// Deletes all that an attempt has staged for a sink.
async fn delete(bucket: &Bucket, prefix: &S3Url) -> Result<(), S3Error> {
    let listed = bucket.list(&format!("{}/", prefix.key)).await?;
    let keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
    bucket.delete(&keys).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_staged_in_the_region_of_the_warehouse() {
        let staging = S3Url::parse("s3://staging/orders/").unwrap();
        let here = Some("eu-west-1");
        check_region(&staging, here, here).unwrap();
        // Of other makers' services nothing is known.
        check_region(&staging, None, here).unwrap();
        let error = check_region(&staging, Some("eu-central-1"), here).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(
                "the staging prefix `s3://staging/orders/` is in the region `eu-central-1`, and the warehouse in `eu-west-1`"
            ),
            "{said}"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("a bucket in `eu-west-1`"), "{hint}");
    }
}
