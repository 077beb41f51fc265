//! What all files of a table have in common, so that readers can take them for one.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use transom_sql::type_name;

use super::FileSink;

/// What the files of a table to which slices add are like.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Their extension.
    format: String,
    partition_by: Vec<String>,
    /// Types of columns, of all that there have been.
    columns: BTreeMap<String, String>,
}

impl Shape {
    /// What to do if it cannot be read.
    pub(super) const WAY_OUT: &str = "restore it from a backup; or, if the table's format, partitions and types of columns are still what \
         they were, delete it: the next slice writes it anew";

    pub(super) fn of(sink: &FileSink, schema: &SchemaRef) -> Self {
        let columns = schema.fields().iter();
        Self {
            format: sink.format.extension().to_owned(),
            partition_by: sink.partition_by.clone(),
            columns: columns
                .map(|field| (field.name().clone(), type_name(field.data_type())))
                .collect(),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        let bytes = serde_json::to_vec(self);
        bytes.expect("it has text for keys").into()
    }

    /// Both together, or why they do not go together. A column may come, or be missing.
    pub(super) fn with(self, next: Self) -> Result<Self, String> {
        if self.format != next.format {
            return Err(format!(
                "its files were {}, and are {} now",
                self.format, next.format
            ));
        }
        if self.partition_by != next.partition_by {
            let list = |columns: &[String]| match columns.is_empty() {
                true => "nothing".to_owned(),
                false => format!("`{}`", columns.join("`, `")),
            };
            let (was, is) = (list(&self.partition_by), list(&next.partition_by));
            return Err(format!("it was partitioned by {was}, and is by {is} now"));
        }
        let mut columns = self.columns;
        for (name, now) in next.columns {
            match columns.get(&name) {
                Some(was) if *was != now => {
                    return Err(format!("column `{name}` was {was}, and is {now} now"));
                }
                _ => {
                    columns.insert(name, now);
                }
            }
        }
        Ok(Self {
            format: self.format,
            partition_by: self.partition_by,
            columns,
        })
    }
}
