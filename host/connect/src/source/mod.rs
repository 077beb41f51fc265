//! Sources: files on the local disk as tables.
//!
//! A source is found ([`listing`]), its folder names are read ([`partitions`]), its columns are inferred or checked, and the result is
//! a DataFusion table ([`table`]). CSV is read by [`csv`] and JSON by [`json`], whose errors have their place. If a run over Parquet fails,
//! [`diagnose`] says which row of which file is to blame, since DataFusion reads files in ranges and batches and cannot.

mod csv;
mod diagnose;
mod error;
mod json;
mod listing;
mod open;
mod parquet;
mod partitions;
mod table;
mod text;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    sync::{Mutex, PoisonError},
};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};

pub use self::error::SourceError;
pub use self::table::{ORIGIN_FILE, ORIGIN_ROW, with_origin};
use self::{
    listing::Listing,
    partitions::Partitions,
    table::{FileTable, Reader},
};
use transom_file::spec::{Format, Unknown};

/// Longest piece of a value that a message shows, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// A table that is kept in files.
///
/// The files' columns come first, in their order, then the partition columns of the path (`month=1/`), outermost first.
/// Empty files have no rows. Names that begin with `.` or `_` are skipped, as Spark does.
#[derive(Debug, Clone)]
pub struct FileSource {
    /// Name in the pipeline, for messages.
    pub name: String,
    /// Folder that `pattern` starts from.
    pub root: PathBuf,
    /// A file, a folder (all files in it and below that are named as files of the format are) or a glob (`*` within a
    /// folder, `**` across folders, `?`, `[a-z]`).
    pub pattern: String,
    /// What the files hold.
    pub format: Format,
    /// Columns that the pipeline declares, partition columns included; inferred from the files if none. Of JSON and Parquet only those
    /// whose type is not to be inferred: the others are.
    pub columns: Option<SchemaRef>,
    /// What happens to columns or keys of a file that the table has not.
    pub unknown: Unknown,
    /// How much is looked at to infer columns.
    pub sample: Sample,
    /// Counts the rows that scans of CSV and JSON give; those of other formats are in their operators' metrics.
    pub read: ReadProgress,
}

/// How many rows are looked at to infer columns, spread over the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// So many, the first ones of every file.
    Rows(usize),
    /// All rows of all files.
    All,
}

impl Default for Sample {
    fn default() -> Self {
        Self::Rows(1000)
    }
}

impl Sample {
    /// Rows of each of so many files.
    #[must_use]
    pub(super) fn of_each(self, files: usize) -> usize {
        match self {
            Self::Rows(rows) => rows.div_ceil(files.max(1)).max(1),
            Self::All => usize::MAX,
        }
    }
}

/// How much has been read of a source, for reports; shared by its clones.
#[derive(Debug, Clone, Default)]
pub struct ReadProgress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rows: AtomicU64,
    unknown: Mutex<BTreeMap<String, u64>>,
}

impl ReadProgress {
    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Columns or keys that were left out, with the number of rows that had them.
    pub fn unknown(&self) -> BTreeMap<String, u64> {
        let unknown = self.0.unknown.lock();
        unknown.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add(&self, rows: usize) {
        self.0.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn add_unknown(&self, name: &str, rows: u64) {
        let unknown = self.0.unknown.lock();
        let mut unknown = unknown.unwrap_or_else(PoisonError::into_inner);
        match unknown.get_mut(name) {
            Some(count) => *count += rows,
            None => {
                unknown.insert(name.to_owned(), rows);
            }
        }
    }
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the source's root.
    pub path: PathBuf,
    /// Size on disk, compressed if the file is.
    pub bytes: u64,
}

/// What was found of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFiles {
    /// By path.
    pub files: Vec<SourceFile>,
    /// Files of its folders that are not hidden, and whose names do not end as the format's do.
    pub passed_over: usize,
}

impl FileSource {
    /// The files that the source means now, by path.
    ///
    /// # Errors
    /// If there is none, or the disk cannot be read.
    pub async fn files(&self) -> Result<Vec<SourceFile>, SourceError> {
        Ok(self.found().await?.files)
    }

    /// The files that the source means now, and how many beside them it does not take.
    ///
    /// # Errors
    /// As [`Self::files`].
    pub async fn found(&self) -> Result<SourceFiles, SourceError> {
        let listing = self.list().await?;
        let files = listing.files.into_iter().map(|found| SourceFile {
            path: found.path,
            bytes: found.bytes,
        });
        Ok(SourceFiles {
            files: files.collect(),
            passed_over: listing.passed_over,
        })
    }

    /// The table's columns: those declared, or those inferred from the first rows of the files.
    ///
    /// A column that holds nothing but NULL where it was looked at is taken for Utf8. Columns that are inferred are nullable.
    ///
    /// # Errors
    /// If there is no file, if files disagree, or if they are not of the format.
    pub async fn infer_schema(&self, state: &dyn Session) -> Result<SchemaRef, SourceError> {
        Ok(self.table(state, None).await?.schema())
    }

    /// The table. `schema` is what the lock file says ([`Self::infer_schema`] of another day), partition columns included;
    /// without it, the declared columns hold, or they are inferred from the files.
    ///
    /// The list of files is made here and does not change later. If the files are a table that a [`FileSink`]
    /// published, the version found here stays on the disk as long as the table or a plan over it lives.
    ///
    /// # Errors
    /// As [`Self::infer_schema`]; also if a CSV file lacks a column of `schema`, or has more and [`Self::unknown`] says to fail.
    ///
    /// [`FileSink`]: crate::FileSink
    pub async fn table(
        &self,
        state: &dyn Session,
        schema: Option<SchemaRef>,
    ) -> Result<Arc<dyn TableProvider>, SourceError> {
        let listing = self.list().await?;
        let declared = schema.clone().or_else(|| self.columns.clone());
        let partitions = Partitions::detect(self, &listing.files, declared.as_deref())?;
        // In JSON, where columns have names, those that are not declared are inferred.
        let known = match self.format {
            Format::Json => schema.clone(),
            Format::Csv(_) | Format::Parquet => declared,
        };
        let reader = self.reader();
        let file_schema = match known {
            _ if matches!(reader, Reader::Parquet) && !listing.is_empty() => {
                let locked = schema.map(|schema| without_partitions(&schema, &partitions));
                parquet::table_columns(self, state, &listing, locked.as_deref(), &partitions)
                    .await?
            }
            Some(schema) => without_partitions(&schema, &partitions),
            None => {
                self.infer_file_schema(state, &reader, &listing, &partitions)
                    .await?
            }
        };
        let listing = self
            .check_headers(listing, &file_schema, &partitions)
            .await?;
        let table = FileTable::try_new(self.clone(), reader, listing, &partitions, file_schema)
            .map_err(|error| self.infer_error(error))?;
        Ok(Arc::new(table))
    }

    /// Reads all files again, one after another, until one fails, and says where and why. To be called after a run has
    /// failed while reading this source: `schema` is the table's. `None` if every file can be read, so that the cause
    /// lies elsewhere.
    ///
    /// This costs as much as reading the whole source in one thread.
    pub async fn diagnose(&self, schema: SchemaRef) -> Option<SourceError> {
        let source = self.clone();
        self.blocking(move || {
            let listing = listing::list(&source)?;
            let partitions = Partitions::detect(&source, &listing.files, Some(&schema))?;
            let file_schema = without_partitions(&schema, &partitions);
            diagnose::diagnose(&source, &listing, Some(&file_schema))
        })
        .await
        .err()
    }

    async fn list(&self) -> Result<Listing, SourceError> {
        let source = self.clone();
        self.blocking(move || {
            let listing = listing::list(&source)?;
            if matches!(source.format, Format::Parquet) {
                for found in listing.files.iter().filter(|found| found.bytes > 0) {
                    parquet::check_magic(&source, found)?;
                }
            }
            Ok(listing)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| SourceError::Interrupted {
                name: self.name.clone(),
                source: error,
            })?
    }

    fn infer_error(&self, error: datafusion::error::DataFusionError) -> SourceError {
        SourceError::Infer {
            name: self.name.clone(),
            pattern: self.pattern.clone(),
            source: Box::new(error),
        }
    }

    fn reader(&self) -> Reader {
        match &self.format {
            Format::Parquet => Reader::Parquet,
            Format::Csv(_) | Format::Json => Reader::Text,
        }
    }

    async fn infer_file_schema(
        &self,
        state: &dyn Session,
        reader: &Reader,
        listing: &Listing,
        partitions: &Partitions,
    ) -> Result<SchemaRef, SourceError> {
        if listing.is_empty() && matches!(reader, Reader::Parquet) {
            return Err(self.no_columns());
        }
        let inferred = match reader {
            // Its footers say it.
            Reader::Parquet => parquet::table_columns(self, state, listing, None, partitions).await,
            Reader::Text => {
                let (source, files) = (self.clone(), listing.clone());
                let partitions = partitions.clone();
                let infer = move || match &source.format {
                    Format::Csv(options) => {
                        csv::infer_schema(&source, options, &files, &partitions)
                    }
                    _ => json::infer_schema(&source, &files, &partitions),
                };
                let schema = self.blocking(infer).await?;
                let schema = schema.ok_or_else(|| self.no_columns())?;
                return Ok(without_partitions(&schema, &Partitions::default()));
            }
        };
        let schema = match inferred {
            Ok(schema) => schema,
            Err(error) => {
                // A damaged file has a better message than "cannot tell the columns".
                let (source, files) = (self.clone(), listing.clone());
                self.blocking(move || diagnose::diagnose(&source, &files, None))
                    .await?;
                return Err(error);
            }
        };
        Ok(without_partitions(&schema, partitions))
    }

    /// The columns of every CSV file, before any row is read.
    async fn check_headers(
        &self,
        listing: Listing,
        file_schema: &SchemaRef,
        partitions: &Partitions,
    ) -> Result<Listing, SourceError> {
        let Format::Csv(options) = &self.format else {
            return Ok(listing);
        };
        let source = self.clone();
        let options = options.clone();
        let schema = Arc::clone(file_schema);
        let partitions = partitions.clone();
        self.blocking(move || {
            for found in listing.files.iter().filter(|found| found.bytes > 0) {
                csv::check_header(&source, &options, found, &schema, &partitions)?;
            }
            Ok(listing)
        })
        .await
    }

    fn no_columns(&self) -> SourceError {
        SourceError::NoColumns {
            name: self.name.clone(),
            pattern: self.pattern.clone(),
        }
    }
}

/// The columns that stand in the files. In Parquet and JSON, where columns have names, a column of the path hides one of the
/// same name in the file, as it does in Spark.
fn without_partitions(schema: &Schema, partitions: &Partitions) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .filter(|field| !partitions.contains(field.name()))
        .map(|field| match field.data_type() {
            DataType::Null => {
                let text = Field::new(field.name(), DataType::Utf8, true);
                Arc::new(text.with_metadata(field.metadata().clone()))
            }
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// A value for a message: in backticks, on one line, cut if long.
fn shown(value: &str) -> String {
    let mut characters = value.chars();
    let mut text: String = characters
        .by_ref()
        .take(SHOWN_CHARACTERS)
        .flat_map(|character| {
            let control = character.is_control();
            let escaped = control.then(|| character.escape_default());
            let plain = (!control).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if characters.next().is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

fn io_error(source: &FileSource, path: &Path, error: std::io::Error) -> SourceError {
    let (name, path) = (source.name.clone(), path.to_owned());
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<open::Resized>()) {
        Some(&open::Resized { listed, now }) => SourceError::Resized {
            name,
            path,
            listed,
            now,
        },
        None => SourceError::Io {
            name,
            path,
            source: error,
        },
    }
}
