//! Tables in Redshift: how the warehouse is reached, and how a table is loaded.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{S3Url, is_default};

/// Bytes of a table's name at most: Redshift's 127, less those of the ledger's name around it.
const MAX_TABLE: usize = 127 - LEDGER.len();
/// Bytes of other names at most.
const MAX_NAME: usize = 127;
/// What the name of a table's ledger begins with.
const LEDGER: &str = "transom_ledger__";

/// How the warehouse of a target is reached. Credentials, profile and region are those of
/// [`AwsOptions`](super::AwsOptions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedshiftOptions {
    /// Which warehouse.
    #[serde(flatten)]
    pub server: Server,
    /// The database that sessions begin in.
    pub database: String,
    /// As whom sessions run; as the user that belongs to the identity on AWS if none.
    #[serde(flatten)]
    pub user: Option<DbUser>,
    /// The role that COPY reads the staging prefix with: `default`, or an ARN.
    pub iam_role: String,
    /// What is to be loaded lies below it.
    pub staging: S3Url,
}

/// A warehouse, as the Data API names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// A workgroup of Redshift Serverless.
    Workgroup(String),
    /// A provisioned cluster.
    Cluster(String),
}

/// As whom sessions run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DbUser {
    /// A user of a cluster's database, whose temporary credentials the identity may have.
    DbUser(String),
    /// The user whose name and password are in this secret of Secrets Manager.
    SecretArn(String),
}

/// A table of a warehouse, and how a sink loads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedshiftTable {
    /// The table.
    pub table: TableName,
    /// What happens to the rows that are there.
    pub mode: LoadMode,
    /// With [`LoadMode::Merge`]: the columns that identify a row; never NULL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// With [`LoadMode::Merge`]: of two rows with the same keys, the one with larger values in these columns is the
    /// newer one; never NULL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_by: Vec<String>,
    /// With [`LoadMode::OverwritePartitions`]: the columns whose values name a partition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// Of a table that is created: the column that rows are distributed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distkey: Option<String>,
    /// Of a table that is created: the columns that rows are sorted by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sortkey: Vec<String>,
    /// Length in bytes of the VARCHAR columns that are created; as the values of the first load need it if it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub varchar: Option<u32>,
    /// What may be changed of a table that is there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schema: SchemaChange,
}

/// The name of a table: a schema's and its own, in small letters, as Redshift folds them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table's own name.
    pub name: String,
}

impl TableName {
    /// The name in a text such as `analytics.daily`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((schema, name)) = text.split_once('.') else {
            return Err("needs a schema, as in `public.daily`".to_owned());
        };
        for (part, limit) in [(schema, MAX_NAME), (name, MAX_TABLE)] {
            if !is_plain(part) {
                return Err(
                    "must be two names with a `.` between them, each of letters, digits, `_` and `$`".to_owned(),
                );
            }
            if part.len() > limit {
                return Err(format!(
                    "has a name of {} bytes; {limit} are allowed",
                    part.len()
                ));
            }
        }
        Ok(Self {
            schema: schema.to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
        })
    }

    /// The table of one row that says up to which entry of a log this one is loaded.
    #[must_use]
    pub fn ledger(&self) -> Self {
        Self {
            schema: self.schema.clone(),
            name: format!("{LEDGER}{}", self.name),
        }
    }
}

fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(begins)
        && bytes.all(|byte| begins(byte) || byte.is_ascii_digit() || byte == b'$')
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl From<TableName> for String {
    fn from(table: TableName) -> Self {
        table.to_string()
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

/// What happens to the rows of a table when others are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// They stay, and the new rows come to them.
    Append,
    /// A new row replaces the one with the same keys, unless that one is newer.
    Merge,
    /// The partitions that new rows are in are replaced, each whole.
    OverwritePartitions,
    /// All of them are replaced.
    Overwrite,
}

impl fmt::Display for LoadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append => "append",
            Self::Merge => "merge",
            Self::OverwritePartitions => "overwrite_partitions",
            Self::Overwrite => "overwrite",
        })
    }
}

/// What may be changed of a table that is there, when the rows to load do not fit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SchemaChange {
    /// Nothing: the run fails, and says what to change.
    #[default]
    Fail,
    /// Columns that it lacks are added.
    AddColumns,
    /// Columns are added, and VARCHAR columns become longer.
    Widen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_have_room_for_a_ledger() {
        let table = TableName::parse("Analytics.Daily_2$").expect("a name");
        assert_eq!(table.to_string(), "analytics.daily_2$");
        assert_eq!(
            table.ledger().to_string(),
            "analytics.transom_ledger__daily_2$"
        );
        let longest = format!("a.{}", "t".repeat(111));
        assert_eq!(
            TableName::parse(&longest)
                .expect("a name")
                .ledger()
                .name
                .len(),
            127
        );
        for wrong in [
            "daily", "a.", ".b", "a.b.c", "a.\"b\"", "a b.c", "a.1b", "ä.b",
        ] {
            assert!(TableName::parse(wrong).is_err(), "{wrong}");
        }
        assert!(TableName::parse(&format!("{longest}t")).is_err());
    }
}
