//! What a staged result says: all that a loading transaction needs, but for the way to the warehouse.

use serde::{Deserialize, Serialize};
use transom_file::spec::{RedshiftTable, S3Url};

use super::target::LoadColumn;

/// Rows that wait in S3 to be loaded into a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The table and how it is loaded, with the names of columns as the table has them.
    pub(crate) table: RedshiftTable,
    /// The columns of the files, in their order, with the types that the table has, or will have.
    pub(crate) columns: Vec<LoadColumn>,
    /// Rows in the files.
    pub(crate) rows: u64,
    /// The list of the files; none if there are no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<S3Url>,
    /// The partitions that are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Replaced>,
    /// Whether there was no table when the rows were staged, so that it is created.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) creates: bool,
    /// All that was staged lies below it.
    pub(crate) staged: S3Url,
}

/// Partitions that are replaced, each a row of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replaced {
    /// The columns that name them, in the order of the load's.
    pub(crate) columns: Vec<String>,
    /// The list of the files.
    pub(crate) manifest: S3Url,
    /// How many partitions.
    pub(crate) rows: u64,
}
