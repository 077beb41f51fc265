//! What all files of a table have in common, so that readers can take them for one.
//!
//! What an attempt has staged says what its own files are like. It says nothing of the table before its entry is applied: an attempt that
//! never comes into the log leaves no shape behind.

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Their extension.
    format: String,
    partition_by: Vec<String>,
    /// Types of columns in the files, of all that there have been.
    columns: BTreeMap<String, String>,
    /// Types of the columns that folders are named after: `1` and `01` are one number and two texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    partitions: BTreeMap<String, String>,
    /// How texts are delimited, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    csv: Option<Dialect>,
}

/// What a reader of delimited text has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            Some((key, was, is)) => Err(written(key, &was, &is)),
            None => Ok(()),
        }
    }
}

/// Why files that were written in one way and in another are no table.
fn written(key: &str, was: &str, is: &str) -> String {
    format!("its files were written with {key} `{was}`, and are with `{is}` now")
}

impl Shape {
    /// What to do if it cannot be read.
    pub(super) const WAY_OUT: &str = "restore it from a backup; or, if the table's format, partitions and types of columns are still what \
         they were, delete it: the next slice writes it anew";

    /// That of files of a table with these columns, those of partitions included.
    ///
    /// # Errors
    /// If the format cannot hold one of them.
    pub(super) fn of(sink: &FileSink, schema: &SchemaRef) -> Result<Self, SinkError> {
        let splitter = sink.splitter(schema)?;
        // Readers meet the types of the files, which may not be those of the rows.
        let stored = sink.stored(splitter.file_schema())?;
        let fields = || stored.schema().fields().iter();
        let names = fields().map(|field| field.name().clone());
        let columns = fields().map(|field| (field.name().clone(), type_name(field.data_type())));
        let partitions = schema.fields().iter();
        let partitions = partitions.filter(|field| sink.partition_by.contains(field.name()));
        Ok(Self {
            format: sink.format.extension().to_owned(),
            partition_by: sink.partition_by.clone(),
            columns: columns.collect(),
            partitions: partitions
                .map(|field| (field.name().clone(), type_name(field.data_type())))
                .collect(),
            csv: match &sink.format {
                SinkFormat::Csv(csv) => Some(Dialect::of(csv, names)),
                SinkFormat::Parquet { .. } | SinkFormat::Json => None,
            },
        })
    }

    /// What was noted in `path`; none if nothing was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) async fn read(
        tree: &dyn Tree,
        path: &str,
        sink: &FileSink,
    ) -> Result<Option<Self>, SinkError> {
        let found = tree.get(path).await;
        let found = found.map_err(|error| error.staging(&sink.name))?;
        let known = found.map(|known| Self::parse(&known)).transpose();
        known.map_err(|source| SinkError::Damaged {
            name: sink.name.clone(),
            path: tree.place().join(path),
            source,
        })
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

    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut shape: Self = serde_json::from_slice(bytes)?;
        // Earlier versions have noted the types of rows; these are the ones that no format holds as they are.
        for written in shape.columns.values_mut() {
            let held = match written.as_str() {
                "null" => "utf8",
                "time(s)" => "time(ms)",
                "timestamp(s)" => "timestamp",
                _ => continue,
            };
            held.clone_into(written);
        }
        Ok(shape)
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        let bytes = serde_json::to_vec(self);
        bytes.expect("it has text for keys").into()
    }

    /// Both together, or why they do not go together. A column may come, or be missing, where readers find columns by their names in each
    /// file.
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
        if let (Some(known), Some(next)) = (&self.csv, &next.csv) {
            known.check(next)?;
        }
        if self.csv.is_some() {
            // What the first file has is what readers of CSV expect of all; some leave out what else is there.
            let list = |columns: &BTreeMap<String, String>| {
                columns.keys().cloned().collect::<Vec<_>>().join(", ")
            };
            let (was, is) = (list(&self.columns), list(&next.columns));
            if was != is {
                return Err(written("columns", &was, &is));
            }
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
