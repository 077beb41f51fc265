//! Sources: files on the local disk as tables.
//!
//! A source is found ([`listing`]), its folder names are read ([`partitions`]), its columns are told or checked, and the result is
//! a DataFusion table ([`table`]). If a run over it fails, [`diagnose`] says which line of which file is to blame, since
//! DataFusion reads files in ranges and batches and cannot.

mod diagnose;
mod error;
mod listing;
mod partitions;
mod table;
mod text;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    catalog::{Session, TableProvider},
    datasource::file_format::{FileFormat, json::JsonFormat, parquet::ParquetFormat},
    execution::object_store::ObjectStoreUrl,
};

pub use self::error::SourceError;
pub use self::table::{ORIGIN_FILE, ORIGIN_ROW, with_origin};
use self::{
    listing::Listing,
    partitions::Partitions,
    table::{FileTable, Reader},
    text::InferError,
};
use crate::format::{Format, is_gzip};

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
    /// Columns that the pipeline declares, partition columns included; told from the files if none.
    pub columns: Option<SchemaRef>,
    /// Counts the rows that scans of CSV and compressed JSON give; those of other formats are in their operators' metrics.
    pub read: ReadProgress,
}

/// How much has been read of a source, for reports; shared by its clones.
#[derive(Debug, Clone, Default)]
pub struct ReadProgress(Arc<AtomicU64>);

impl ReadProgress {
    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, rows: usize) {
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
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

impl FileSource {
    /// The files that the source means now, by path.
    ///
    /// # Errors
    /// If there is none, or the disk cannot be read.
    pub async fn files(&self) -> Result<Vec<SourceFile>, SourceError> {
        let listing = self.list().await?;
        let files = listing.files.into_iter();
        Ok(files
            .map(|found| SourceFile {
                path: found.path,
                bytes: found.bytes,
            })
            .collect())
    }

    /// The table's columns: those declared, or those told from the first rows of the files.
    ///
    /// A column that holds nothing but NULL where it was looked at is taken for Utf8. Columns that are told are nullable.
    ///
    /// # Errors
    /// If there is no file, if files disagree, or if they are not of the format.
    pub async fn infer_schema(&self, state: &dyn Session) -> Result<SchemaRef, SourceError> {
        Ok(self.table(state, self.columns.clone()).await?.schema())
    }

    /// The table. `schema` is what the lock file says ([`Self::infer_schema`] of another day), partition columns included;
    /// without it, the declared columns hold, or they are told from the files.
    ///
    /// The list of files is made here and does not change later. If the files are a table that a [`FileSink`]
    /// published, the version found here stays on the disk as long as the table or a plan over it lives.
    ///
    /// # Errors
    /// As [`Self::infer_schema`]; also if the header of a CSV file does not name the columns of `schema`.
    ///
    /// [`FileSink`]: crate::FileSink
    pub async fn table(
        &self,
        state: &dyn Session,
        schema: Option<SchemaRef>,
    ) -> Result<Arc<dyn TableProvider>, SourceError> {
        let listing = self.list().await?;
        let known = schema.or_else(|| self.columns.clone());
        let partitions = Partitions::detect(self, &listing.files, known.as_deref())?;
        let reader = self.reader(&listing)?;
        let file_schema = match known {
            Some(schema) => without_partitions(&schema, &partitions),
            None => {
                self.infer_file_schema(state, &reader, &listing, &partitions)
                    .await?
            }
        };
        let listing = self.check_headers(listing, &file_schema).await?;
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
            diagnose::diagnose(&source, &listing, &file_schema)
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
                    diagnose::check_parquet(&source, found)?;
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

    fn reader(&self, listing: &Listing) -> Result<Reader, SourceError> {
        let of_kind = |gzip: bool| {
            let mut files = listing.files.iter().map(|file| &file.path);
            files.find(|path| is_gzip(path) == gzip)
        };
        Ok(match &self.format {
            // Strings stay Utf8, whatever the session says: what crosses to plugins has no views.
            Format::Parquet => Reader::Native(Arc::new(
                ParquetFormat::default().with_force_view_types(false),
            )),
            Format::Json if of_kind(true).is_none() => {
                Reader::Native(Arc::new(JsonFormat::default()))
            }
            Format::Csv(_) | Format::Json => Reader::Text,
        })
    }

    async fn infer_file_schema(
        &self,
        state: &dyn Session,
        reader: &Reader,
        listing: &Listing,
        partitions: &Partitions,
    ) -> Result<SchemaRef, SourceError> {
        if listing.files.iter().all(|found| found.bytes == 0) {
            return Err(SourceError::NoColumns {
                name: self.name.clone(),
                pattern: self.pattern.clone(),
            });
        }
        let inferred = match reader {
            Reader::Native(format) => self.infer_native(state, format.as_ref(), listing).await,
            Reader::Text => {
                let (source, files) = (self.clone(), listing.clone());
                self.blocking(move || {
                    text::infer_schema(&source, &files).map_err(|error| match error {
                        InferError::Source(error) => error,
                        InferError::Arrow(error) => source.infer_error(error.into()),
                    })
                })
                .await
                .map(Arc::new)
            }
        };
        let schema = match inferred {
            Ok(schema) => schema,
            Err(error) => {
                // A damaged file has a better message than "cannot tell the columns".
                let (source, files) = (self.clone(), listing.clone());
                self.blocking(move || diagnose::diagnose_structure(&source, &files))
                    .await?;
                return Err(error);
            }
        };
        if let Format::Csv(_) = self.format {
            let fields = schema.fields().iter();
            if let Some(field) = fields
                .into_iter()
                .find(|field| partitions.contains(field.name()))
            {
                return Err(SourceError::PartitionInFile {
                    name: self.name.clone(),
                    path: listing.files[0].path.clone(),
                    column: field.name().clone(),
                });
            }
        }
        Ok(without_partitions(&schema, partitions))
    }

    async fn infer_native(
        &self,
        state: &dyn Session,
        format: &dyn FileFormat,
        listing: &Listing,
    ) -> Result<SchemaRef, SourceError> {
        let infer = async || {
            let url = ObjectStoreUrl::local_filesystem();
            let store = state.runtime_env().object_store(url)?;
            let files = listing.files.iter().filter(|found| found.bytes > 0);
            let objects = files
                .map(table::object_meta)
                .collect::<Result<Vec<_>, _>>()?;
            format.infer_schema(state, &store, &objects).await
        };
        infer().await.map_err(|error| self.infer_error(error))
    }

    /// CSV is read by position: a file whose columns stand in another order would be read wrongly without a word.
    async fn check_headers(
        &self,
        listing: Listing,
        file_schema: &SchemaRef,
    ) -> Result<Listing, SourceError> {
        let Format::Csv(options) = &self.format else {
            return Ok(listing);
        };
        if !options.header {
            return Ok(listing);
        }
        let source = self.clone();
        let options = options.clone();
        let schema = Arc::clone(file_schema);
        self.blocking(move || {
            for found in listing.files.iter().filter(|found| found.bytes > 0) {
                diagnose::check_header(&source, &options, found, &schema)?;
            }
            Ok(listing)
        })
        .await
    }
}

/// arrow-csv wants a regular expression; we have a text.
fn null_regex(null: &str) -> regex::Regex {
    regex::Regex::new(&format!("^{}$", regex::escape(null)))
        .expect("escaped text is a valid expression")
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

/// Opens a file for reading text, decompressing it if its name says so.
fn open_text(
    source: &FileSource,
    found: &listing::Found,
) -> Result<Box<dyn std::io::Read>, SourceError> {
    let file = std::fs::File::open(&found.resolved)
        .map_err(|error| io_error(source, &found.path, error))?;
    if is_gzip(&found.path) {
        // Several gzip members in a row are one stream: that is how such files are appended to.
        Ok(Box::new(flate2::read::MultiGzDecoder::new(file)))
    } else {
        Ok(Box::new(file))
    }
}

fn io_error(source: &FileSource, path: &Path, error: std::io::Error) -> SourceError {
    SourceError::Io {
        name: source.name.clone(),
        path: path.to_owned(),
        source: error,
    }
}
