//! What all files of a table have in common, so that readers can take them for one.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use transom_sql::type_name;

use super::{
    FileSink, SinkError, Verified,
    tree::{Tree, TreeError},
};
use transom_file::spec::{CsvOptions, SinkFormat};

/// What the files of a table are like, to which slices add files or partitions.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Their extension.
    format: String,
    partition_by: Vec<String>,
    /// Types of columns, of all that there have been.
    columns: BTreeMap<String, String>,
    /// Types of the columns that folders are named after: `1` and `01` are one number and two texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    partitions: BTreeMap<String, String>,
    /// How texts are delimited, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    csv: Option<Dialect>,
}

/// What a reader of delimited text has to know.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialect {
    delimiter: char,
    quote: char,
    null: String,
    header: bool,
    /// The columns by their places, where no header names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
}

impl Dialect {
    fn of(csv: &CsvOptions, columns: impl Iterator<Item = String>) -> Self {
        Self {
            delimiter: csv.delimiter.into(),
            quote: csv.quote.into(),
            null: csv.null.first().cloned().unwrap_or_default(),
            header: csv.header,
            places: match csv.header {
                true => Vec::new(),
                false => columns.collect(),
            },
        }
    }

    /// Why files of the one and of the other are no table.
    fn check(&self, next: &Self) -> Result<(), String> {
        let keys = [
            (
                "delimiter",
                self.delimiter.to_string(),
                next.delimiter.to_string(),
            ),
            ("quote", self.quote.to_string(), next.quote.to_string()),
            ("null", self.null.clone(), next.null.clone()),
            ("header", self.header.to_string(), next.header.to_string()),
            ("columns", self.places.join(", "), next.places.join(", ")),
        ];
        match keys.into_iter().find(|(_, was, is)| was != is) {
            Some((key, was, is)) => Err(format!(
                "its files were written with {key} `{was}`, and are with `{is}` now"
            )),
            None => Ok(()),
        }
    }
}

impl Shape {
    /// What to do if it cannot be read.
    pub(super) const WAY_OUT: &str = "restore it from a backup; or, if the table's format, partitions and types of columns are still what \
         they were, delete it: the next slice writes it anew";

    /// That of a table with these columns, those of partitions included.
    pub(super) fn of(sink: &FileSink, schema: &SchemaRef) -> Self {
        let is_partition = |name: &String| sink.partition_by.contains(name);
        let types = |of_partitions: bool| {
            let fields = schema.fields().iter();
            let fields = fields.filter(move |field| is_partition(field.name()) == of_partitions);
            fields.map(|field| (field.name().clone(), type_name(field.data_type())))
        };
        Self {
            format: sink.format.extension().to_owned(),
            partition_by: sink.partition_by.clone(),
            columns: types(false).collect(),
            partitions: types(true).collect(),
            csv: match &sink.format {
                SinkFormat::Csv(csv) => Some(Dialect::of(csv, types(false).map(|(name, _)| name))),
                SinkFormat::Parquet { .. } | SinkFormat::Json => None,
            },
        }
    }

    /// Refuses files that readers could not take for the table's, and notes in `path` what they have in common. Before the first rows, and
    /// after a reset, anything goes.
    pub(super) async fn keep(
        self,
        tree: &dyn Tree,
        path: &str,
        sink: &FileSink,
        has_rows: bool,
    ) -> Result<(), SinkError> {
        let failed = |error: TreeError| error.staging(&sink.name);
        let mut shape = self;
        if has_rows && let Some(known) = tree.get(path).await.map_err(failed)? {
            let known = Self::parse(&known).map_err(|source| SinkError::Damaged {
                name: sink.name.clone(),
                path: tree.place().join(path),
                source,
            })?;
            if known == shape {
                return Ok(());
            }
            shape = known.with(shape).map_err(|what| SinkError::Mixed {
                name: sink.name.clone(),
                path: sink.path.clone(),
                what,
            })?;
        }
        tree.put(path, shape.to_bytes()).await.map_err(failed)
    }

    /// Whether it is known what the files of a table have in common.
    pub(super) async fn verify(
        tree: &dyn Tree,
        path: &str,
        sink: &str,
        has_rows: bool,
        verified: &mut Verified,
    ) -> Result<(), TreeError> {
        let wrong = match tree.get(path).await? {
            Some(found) => Self::parse(&found).is_err().then_some("was changed"),
            None => has_rows.then_some("is gone"),
        };
        if let Some(wrong) = wrong {
            let path = tree.place().join(path);
            let problem =
                format!("`{path}`, which says what all files of the table have in common, {wrong}");
            verified.find(sink, problem, Self::WAY_OUT);
        }
        Ok(())
    }

    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    fn to_bytes(&self) -> Bytes {
        let bytes = serde_json::to_vec(self);
        bytes.expect("it has text for keys").into()
    }

    /// Both together, or why they do not go together. A column may come, or be missing.
    fn with(self, next: Self) -> Result<Self, String> {
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
        if let (Some(known), Some(next)) = (&self.csv, &next.csv) {
            known.check(next)?;
        }
        Ok(Self {
            format: self.format,
            partition_by: self.partition_by,
            columns: both(self.columns, next.columns)?,
            partitions: both(self.partitions, next.partitions)?,
            csv: next.csv,
        })
    }
}

fn both(
    mut columns: BTreeMap<String, String>,
    next: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    for (name, now) in next {
        if let Some(was) = columns.get(&name)
            && *was != now
        {
            return Err(format!("column `{name}` was {was}, and is {now} now"));
        }
        let is_alike =
            |known: &&String| **known != name && known.to_lowercase() == name.to_lowercase();
        if !columns.contains_key(&name)
            && let Some(known) = columns.keys().find(is_alike)
        {
            return Err(format!(
                "it has a column `{known}`, and one `{name}` comes, which readers take for the same"
            ));
        }
        columns.insert(name, now);
    }
    Ok(columns)
}
