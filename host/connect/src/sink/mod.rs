//! Sinks: tables on the local disk that change all at once.
//!
//! A run that fails or is killed leaves the table as it was; no reader sees half a table; a reader that goes on with the
//! version it has opened is not cut off by the next run. [`versions`] says how.

mod csv;
mod encode;
mod error;
mod json;
mod partition;
mod staged;
mod stored;
mod unwritable;
mod values;
mod versions;
mod writer;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use transom_sql::type_name;

use self::stored::Stored;
pub use self::{
    encode::{WriteProgress, encode},
    error::SinkError,
    staged::{Committed, PreparedSink, StagedSink, Written, publish_all},
    unwritable::Unwritable,
    writer::WrittenFile,
};
use transom_file::spec::SinkFormat;

/// A table that a pipeline writes, whole, at every run.
///
/// `path` becomes a symbolic link to a folder of files; the folder of all versions is beside it, `.name.versions`.
/// Within a version: `part-<stream>-<n>.<format>`, in Hive folders (`month=1/`) if the table is partitioned. Partition
/// columns are not in the files; NULL is `__HIVE_DEFAULT_PARTITION__`, special characters are percent-encoded, both as Spark
/// does. An empty result is one file without rows, in the NULL partition if there are partitions. The same streams give the
/// same bytes.
#[derive(Debug, Clone)]
pub struct FileSink {
    /// Name in the pipeline, for messages.
    pub name: String,
    /// Where readers find the table.
    pub path: PathBuf,
    /// What the files hold.
    pub format: SinkFormat,
    /// Columns that become folders, outermost first; empty for none. Integers, strings, booleans and dates.
    pub partition_by: Vec<String>,
    /// Bounds on what writing takes.
    pub limits: SinkLimits,
}

/// Bounds on what writing takes. They hold for the whole sink: concurrent streams share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkLimits {
    /// Files open at once, 64 by default. If another partition comes, the file that has waited longest for rows is
    /// closed; if rows come for it again, they begin another file.
    pub open_files: usize,
    /// Memory of rows that are not in a file yet, 256 MiB by default; beyond it, row groups end early. One batch may go
    /// over it.
    pub buffered_bytes: usize,
    /// Encoded size at which a row group ends, 128 MiB by default.
    pub row_group_bytes: usize,
}

impl Default for SinkLimits {
    fn default() -> Self {
        Self {
            open_files: 64,
            buffered_bytes: 256 << 20,
            row_group_bytes: 128 << 20,
        }
    }
}

impl SinkLimits {
    /// The part of one of several concurrent streams.
    fn share(self, streams: usize) -> Self {
        let streams = streams.max(1);
        Self {
            open_files: (self.open_files / streams).max(1),
            buffered_bytes: self.buffered_bytes / streams,
            ..self
        }
    }
}

impl FileSink {
    /// Whether rows of these columns can be written, before anything runs. Touches no disk.
    ///
    /// # Errors
    /// If `partition_by` does not fit the columns, two columns share a name, or the format cannot hold a column's type.
    pub fn check(&self, schema: &SchemaRef) -> Result<(), SinkError> {
        let name = || self.name.clone();
        if schema.fields().is_empty() {
            return Err(SinkError::NoColumns { name: name() });
        }
        let mut seen = HashSet::new();
        if let Some(field) = schema
            .fields()
            .iter()
            .find(|field| !seen.insert(field.name()))
        {
            return Err(SinkError::DuplicateColumn {
                name: name(),
                column: field.name().clone(),
            });
        }
        let mut partitions = HashSet::new();
        for column in &self.partition_by {
            let Ok(field) = schema.field_with_name(column) else {
                return Err(self.missing_column(column, schema));
            };
            if !partitions.insert(column) {
                return Err(SinkError::RepeatedPartition {
                    name: name(),
                    column: column.clone(),
                });
            }
            if let Some(reason) = partition::unfit_name(column) {
                return Err(SinkError::PartitionName {
                    name: name(),
                    column: column.clone(),
                    reason,
                });
            }
            if !partition::is_allowed(field.data_type()) {
                return Err(SinkError::PartitionType {
                    name: name(),
                    column: column.clone(),
                    data_type: type_name(field.data_type()),
                });
            }
        }
        if partitions.len() == schema.fields().len() {
            return Err(SinkError::OnlyPartitions { name: name() });
        }
        let in_files = schema.fields().iter();
        let in_files = in_files.filter(|field| !partitions.contains(field.name()));
        let in_files: Vec<_> = in_files.cloned().collect();
        Stored::try_new(&self.format, &Arc::new(Schema::new(in_files)))
            .map(drop)
            .map_err(|reason| SinkError::Unwritable {
                name: name(),
                reason: Box::new(reason),
            })
    }

    /// Begins a new version of the table: locks it, deletes what killed runs have left, and makes a folder that no reader
    /// sees. `run_id` appears in the folder's name and in the message that another run gets. Blocking, but short.
    ///
    /// # Errors
    /// If another run writes this table ([`SinkError::Busy`]), or if something stands at the path that no sink has made
    /// ([`SinkError::NotOurs`]).
    pub fn begin(&self, run_id: &str) -> Result<StagedSink, SinkError> {
        StagedSink::begin(self.clone(), run_id)
    }

    fn missing_column(&self, column: &str, schema: &Schema) -> SinkError {
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        let similar = transom_file::nearest(column, names()).map(str::to_owned);
        let columns: Vec<_> = names().map(|name| format!("`{name}`")).collect();
        SinkError::MissingColumn {
            name: self.name.clone(),
            column: column.to_owned(),
            columns: columns.join(", "),
            similar,
        }
    }
}
