//! Tables of files, whole at every run.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use transom_sql::type_name;

use super::{
    Applied, Attempt, Publish, Sink, SinkError, Staged, Staging,
    partition::{self, Splitter},
    staging::FileStaging,
    versions::{Switching, Version, VersionRoom, Versions, versions_of},
};
use crate::{
    aws::Aws,
    format::{Stored, Unwritable},
};
use transom_file::spec::{MOST_BUFFERED, Place, SinkFormat};

/// A table that a pipeline writes, whole, at every run.
///
/// On this machine `path` becomes a symbolic link to a folder of files; on S3 it becomes a prefix that holds a pointer to another
/// prefix. All versions are beside it, in `.name.versions`. Within a version: `part-<stream>-<n>.<format>`, in Hive folders (`month=1/`)
/// if the table is partitioned. Partition columns are not in the files; NULL is `__HIVE_DEFAULT_PARTITION__`, special characters are
/// percent-encoded, both as Spark does. An empty result is one file without rows, in the NULL partition if there are partitions. The same
/// streams give the same bytes.
#[derive(Debug, Clone)]
pub struct FileSink {
    /// Name in the pipeline, for messages.
    pub name: String,
    /// Where readers find the table.
    pub path: Place,
    /// How a bucket is reached.
    pub aws: Aws,
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
    /// Encoded size at which a row group ends, 128 MiB by default; it ends earlier if the memory for rows is full.
    pub row_group_bytes: usize,
    /// Encoded size at which a file ends and another one goes on, 1 GiB by default: readers and COPY work on files side by side, and S3
    /// copies none of more than 5 GiB. A file may go over it by a row group.
    pub file_bytes: u64,
}

impl Default for SinkLimits {
    fn default() -> Self {
        Self {
            open_files: 64,
            buffered_bytes: MOST_BUFFERED as usize,
            row_group_bytes: 128 << 20,
            file_bytes: 1 << 30,
        }
    }
}

impl SinkLimits {
    /// The part of one of several concurrent streams.
    pub(crate) fn share(self, streams: usize) -> Self {
        let streams = streams.max(1);
        Self {
            open_files: (self.open_files / streams).max(1),
            buffered_bytes: self.buffered_bytes / streams,
            ..self
        }
    }
}

#[async_trait]
impl Sink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn partition_by(&self) -> &[String] {
        &self.partition_by
    }

    fn check(&self, columns: &SchemaRef) -> Result<(), SinkError> {
        self.check_columns(columns)
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Box<dyn Staging>, SinkError> {
        let versions = versions_of(&self.name, &self.path, &self.aws).await?;
        let Version {
            name,
            previous,
            lease,
        } = versions.create(attempt).await?;
        let ending = Switching {
            table: versions.table(),
            version: name.clone(),
            previous,
        };
        let room = VersionRoom {
            versions,
            version: name,
            lease: Mutex::new(lease),
        };
        let staging = FileStaging::new(self.clone(), Arc::new(room), Box::new(ending));
        Ok(Box::new(staging))
    }

    async fn apply(&self, staged: &Staged) -> Result<Applied, SinkError> {
        let Publish::Switch {
            table,
            version,
            previous,
        } = &staged.publish
        else {
            return Err(self.of_another_kind());
        };
        let versions = self.versions(table).await?;
        let written = &staged.written;
        versions
            .switch(version, previous.as_deref(), written)
            .await?;
        Ok(Applied {
            sink: self.name.clone(),
            table: table.clone(),
            version: version.clone(),
            previous: previous.clone(),
        })
    }

    async fn tidy(&self, applied: &Applied) {
        match self.versions(&applied.table).await {
            Ok(versions) => {
                versions
                    .tidy(&applied.version, applied.previous.as_deref())
                    .await
            }
            Err(error) => tracing::warn!(sink = self.name, %error, "old versions not deleted"),
        }
    }

    async fn abandon(&self, staged: &Staged) {
        let Publish::Switch { table, version, .. } = &staged.publish else {
            return;
        };
        match self.versions(table).await {
            Ok(versions) => versions.remove(version).await,
            Err(error) => tracing::warn!(sink = self.name, %error, "a version is left"),
        }
    }
}

impl FileSink {
    /// What is to be applied was staged for a sink of another kind.
    pub(super) fn of_another_kind(&self) -> SinkError {
        SinkError::Kind {
            name: self.name.clone(),
        }
    }

    async fn versions(&self, table: &Place) -> Result<Arc<dyn Versions>, SinkError> {
        versions_of(&self.name, table, &self.aws).await
    }

    /// If `partition_by` does not fit the columns, two columns share a name, or the format cannot hold a column's type.
    pub(super) fn check_columns(&self, schema: &SchemaRef) -> Result<(), SinkError> {
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
        self.stored(&Arc::new(Schema::new(in_files))).map(drop)
    }

    /// How its columns are divided between folders and files.
    pub(super) fn splitter(&self, schema: &SchemaRef) -> Result<Splitter, SinkError> {
        Splitter::try_new(schema, &self.partition_by).map_err(|source| SinkError::Split {
            name: self.name.clone(),
            source,
        })
    }

    /// What its format makes of the columns of a file.
    pub(super) fn stored(&self, in_file: &SchemaRef) -> Result<Stored, SinkError> {
        Stored::try_new(&self.format, in_file).map_err(|reason| self.unwritable(reason))
    }

    /// The format cannot hold a column or a value.
    pub(super) fn unwritable(&self, reason: Unwritable) -> SinkError {
        SinkError::Unwritable {
            name: self.name.clone(),
            reason: Box::new(reason),
        }
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

/// Whether a sink has published a table in this place.
///
/// # Errors
/// If S3 refuses.
pub async fn table_exists(table: &Place, aws: &Aws) -> Result<bool, SinkError> {
    versions_of("", table, aws).await?.exists().await
}
