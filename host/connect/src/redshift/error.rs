//! What can be wrong with a table of Redshift. The sink's error names the sink; these say what, and what to do.

use std::fmt;

use transom_file::spec::{LoadMode, S3Url, TableName};

use crate::format::Unwritable;
use crate::kind::ErrorKind;

/// Why a table of Redshift cannot take its rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedshiftError {
    /// A key of the sink names a column that the rows do not have.
    #[error("`{key}` names `{column}`, which is not among the columns: {columns}")]
    MissingColumn {
        /// `keys`, `order_by`, ..
        key: &'static str,
        /// As the pipeline gives it.
        column: String,
        /// All columns in backticks.
        columns: String,
        /// The column that was probably meant.
        similar: Option<String>,
    },
    /// A column cannot be called this in Redshift.
    #[error("column `{column}` cannot have this name in Redshift: {why}")]
    ColumnName {
        /// The column.
        column: String,
        /// Why not.
        why: String,
    },
    /// Redshift has no type for a column, or a column's values do not fit the table's.
    #[error("{0}")]
    Unwritable(Box<Unwritable>),
    /// The table is not what the rows need.
    #[error("the rows do not fit the table `{table}`: {}", .problems.join("; "))]
    Misfit {
        /// The table.
        table: TableName,
        /// All differences.
        problems: Vec<String>,
        /// What to do about it.
        hint: String,
    },
    /// Rows that are appended have the number of their entry, by which they are taken back, and the table has lost it.
    #[error(
        "the table `{table}` has rows of this log without the column `{column}`, which `mode: append` does not go with"
    )]
    Uncounted {
        /// The table.
        table: TableName,
        /// The column of sequence numbers.
        column: &'static str,
    },
    /// The table was loaded in another mode.
    #[error("the rows of `{table}` were loaded with `mode: {was}`, and it is `{is}` now")]
    ModeChanged {
        /// The table.
        table: TableName,
        /// The mode of the last load.
        was: LoadMode,
        /// The mode of now.
        is: LoadMode,
    },
    /// The table was merged by other keys.
    #[error(
        "the rows of `{table}` were merged by `{was}`, and `keys` are `{is}` now: a row would replace all rows that have the same `{is}`"
    )]
    OtherKeys {
        /// The table.
        table: TableName,
        /// The keys of the last load.
        was: String,
        /// The keys of now.
        is: String,
    },
    /// Other partitions of the table were replaced.
    #[error(
        "the rows of `{table}` were loaded by partitions of `{was}`, and `partition_by` is `{is}` now: rows that are there would stay beside those that replace them"
    )]
    OtherPartitions {
        /// The table.
        table: TableName,
        /// The columns of the last load.
        was: String,
        /// The columns of now.
        is: String,
    },
    /// The sink has loaded another table, and the ledger of this one does not say whose it is.
    #[error(
        "its rows went into `{was}`, and its table is `{table}` now, whose ledger does not say which sink it belongs to"
    )]
    OtherTable {
        /// The table of now.
        table: TableName,
        /// The table of the last load.
        was: TableName,
    },
    /// The rows would wait where COPY cannot read them.
    #[error(
        "the staging prefix `{staging}` is in the region `{is}`, and the warehouse in `{warehouse}`: COPY reads Parquet files of its own region only"
    )]
    StagedElsewhere {
        /// The prefix.
        staging: S3Url,
        /// The region of its bucket.
        is: String,
        /// The region that the warehouse is looked for in.
        warehouse: String,
    },
    /// The table is gone, and its ledger is not.
    #[error("the table `{table}` is gone, but its ledger says that it has entry {seq}")]
    TableGone {
        /// The table.
        table: TableName,
        /// The ledger's entry.
        seq: u64,
    },
    /// What would be submitted is too large for the Data API.
    #[error("{0} columns need a statement of more than 100 kB, which the Data API does not take")]
    TooWide(usize),
    /// Results become visible with an entry of the log.
    #[error("tables of Redshift are loaded by entries of the log")]
    NotByRun,
    /// The warehouse or the Data API refuses.
    #[error("cannot {action} `{table}`: {said}")]
    Api {
        /// What was to be done.
        action: &'static str,
        /// The table.
        table: TableName,
        /// What was said.
        said: ApiError,
    },
}

impl RedshiftError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Api { said, .. } => match said.kind {
                ApiErrorKind::Unclear => ErrorKind::Temporary,
                ApiErrorKind::Refused => ErrorKind::Refused,
                ApiErrorKind::Failed if said.is_permission() => ErrorKind::Refused,
                ApiErrorKind::Failed => ErrorKind::Data,
            },
            _ => ErrorKind::Data,
        }
    }

    /// What to do about it, where there is something to say beyond the message.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::MissingColumn { similar, .. } => {
                let similar = similar.as_ref();
                similar.map(|similar| format!("did you mean `{similar}`?"))
            }
            Self::ColumnName { column, .. } => {
                Some(format!("give it another name in the last step: `\"{column}\" AS name`"))
            }
            Self::Unwritable(reason) => reason.hint().map(str::to_owned),
            Self::Misfit { hint, .. } => Some(hint.clone()),
            Self::Uncounted { table, .. } => Some(format!(
                "restore the column with its values; to load the table anew, drop it and its ledger (`DROP TABLE {}`) and run `transom sink replay`",
                table.ledger()
            )),
            Self::ModeChanged {
                table,
                is: LoadMode::Append,
                ..
            } => Some(format!("set `mode` back; or load another table; {}", again(table))),
            Self::ModeChanged { .. } => Some(
                "set `mode` back; or load another table; or load everything again: `transom reset --yes`, then `transom run`"
                    .to_owned(),
            ),
            Self::OtherKeys { .. } => Some(
                "set `keys` back; or load everything again by the new ones: `transom reset --yes`, then `transom run`; or load another table"
                    .to_owned(),
            ),
            Self::OtherPartitions { table, .. } => Some(format!(
                "set `partition_by` back; or load another table; {}",
                again(table)
            )),
            Self::OtherTable { was, .. } => Some(format!(
                "set `table` back, and use a sink of another name for another table; if `{was}` itself was renamed, with its ledger, rename \
                 both back until a slice was loaded, which notes the sink in the ledger"
            )),
            Self::StagedElsewhere { warehouse, .. } => Some(format!(
                "name a bucket in `{warehouse}` with `staging`; if the warehouse is in another region, name that with `region` below `aws` of \
                 the target"
            )),
            Self::TableGone { table, .. } => Some(format!(
                "restore the table; or drop its ledger as well to begin anew: `DROP TABLE {}`",
                table.ledger()
            )),
            Self::TooWide(_) => Some("load fewer columns, or columns with shorter names".to_owned()),
            Self::NotByRun => None,
            Self::Api { said, .. } => match said.kind {
                ApiErrorKind::Unclear => Some("try again later".to_owned()),
                ApiErrorKind::Refused => Some(
                    "check credentials and permissions: `aws sts get-caller-identity` shows who you are; docs/redshift.md lists what is needed"
                        .to_owned(),
                ),
                ApiErrorKind::Failed if said.is_permission() => Some(
                    "docs/redshift.md lists the privileges that are needed".to_owned(),
                ),
                ApiErrorKind::Failed => None,
            },
        }
    }
}

/// How to load everything again where what is loaded would not replace the rows that a reset leaves.
fn again(table: &TableName) -> String {
    format!(
        "or load everything again: `transom reset --yes`, then `DELETE FROM {table}`, whose rows a reset leaves, then `transom run`"
    )
}

impl From<Unwritable> for RedshiftError {
    fn from(reason: Unwritable) -> Self {
        Self::Unwritable(Box::new(reason))
    }
}

/// What callers act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiErrorKind {
    /// It may have been carried out, or not, or be carried out later.
    Unclear,
    /// The Data API does not take the request: nothing was carried out.
    Refused,
    /// The warehouse says that it failed.
    Failed,
}

/// What the Data API or the warehouse said.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub(crate) kind: ApiErrorKind,
    pub(crate) message: String,
    /// Of a transaction: the statement that failed, from 0.
    pub(crate) statement: Option<usize>,
}

/// What Redshift says about a value that a column does not take. The Data API gives the text alone, without a code.
const OF_DATA: &[&str] = &[
    "The length of the data column",
    "Cannot insert a NULL value into column",
    "Numeric data overflow",
    "Value too long for",
    "value too long for",
    "out of range",
    "String value exceeds the max size",
    "Check 'sys_load_error_detail'",
    "Check 'stl_load_errors'",
    "has an incompatible Parquet schema",
    "invalid input syntax",
];

impl ApiError {
    /// Whether the warehouse has failed with one of these texts.
    fn says(&self, texts: &[&str]) -> bool {
        self.kind == ApiErrorKind::Failed && texts.iter().any(|text| self.message.contains(text))
    }

    /// Whether a value is refused, now and whenever it is tried again.
    pub(crate) fn is_data(&self) -> bool {
        self.says(OF_DATA)
    }

    /// Whether the user of the database may not do it.
    pub(crate) fn is_permission(&self) -> bool {
        self.says(&["permission denied", "must be owner"])
    }

    /// Whether another transaction was in the way: the same statement may succeed now.
    pub(crate) fn is_conflict(&self) -> bool {
        self.says(&[
            "Serializable isolation violation",
            "conflict with concurrent transaction",
            "deadlock detected",
        ])
    }

    /// Whether a table, a schema, a column or a file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.says(&["does not exist", "File not found"])
    }

    /// Whether what was to be created is there already. Two transactions that create it at once give 23505.
    pub(crate) fn is_there(&self) -> bool {
        self.says(&["already exists", "duplicate key violates unique constraint"])
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            self.message
                .strip_prefix("ERROR: ")
                .unwrap_or(&self.message),
        )
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    type Is = fn(&ApiError) -> bool;

    #[test]
    fn what_redshift_says_is_sorted_by_its_text() {
        let all: [(&str, Is); 5] = [
            ("data", ApiError::is_data),
            ("permission", ApiError::is_permission),
            ("conflict", ApiError::is_conflict),
            ("missing", ApiError::is_missing),
            ("there", ApiError::is_there),
        ];
        for (message, expected) in [
            (
                "ERROR: The length of the data column c is longer than the length defined in the table. Table: 8, Data: 9",
                "data",
            ),
            ("ERROR: Cannot insert a NULL value into column c", "data"),
            ("ERROR: Numeric data overflow (result precision)", "data"),
            ("ERROR: permission denied for relation daily", "permission"),
            ("ERROR: must be owner of relation daily", "permission"),
            (
                "ERROR: 1023 DETAIL: Serializable isolation violation on table - 108, transactions forming the cycle are: 5, 6",
                "conflict",
            ),
            ("ERROR: relation \"daily\" does not exist", "missing"),
            (
                "ERROR: Relation daily does not exist in the database.",
                "missing",
            ),
            (
                "ERROR: Spectrum Scan Error: File not found s3://lake/a",
                "missing",
            ),
            ("ERROR: Relation \"daily\" already exists", "there"),
            (
                "ERROR: duplicate key violates unique constraint \"pg_class_relname_nsp_index\"",
                "there",
            ),
            ("ERROR: division by zero", ""),
            ("ERROR: Query cancelled on user's request", ""),
        ] {
            let mut error = ApiError {
                kind: ApiErrorKind::Failed,
                message: message.to_owned(),
                statement: None,
            };
            let found = all.iter().filter(|(_, is)| is(&error));
            let found: Vec<&str> = found.map(|(name, _)| *name).collect();
            assert_eq!(found.join(" "), expected, "{message}");
            // A request that was not carried out says nothing about the table.
            error.kind = ApiErrorKind::Unclear;
            assert!(!all.iter().any(|(_, is)| is(&error)), "{message}");
        }
    }
}
