//! Sources: files on this machine and objects on S3 as tables.
//!
//! A source is found ([`listing`]), its folder names are read ([`partitions`]), its columns are inferred or checked, and the result is
//! a DataFusion table ([`table`]). CSV is read by [`csv`] and JSON by [`json`], whose errors have their place; [`parquet`] finds the place
//! of an error of DataFusion's reader in the one file that it came from. [`content`] tells whether a file is another one, or only looks so.

mod content;
mod csv;
mod error;
mod inputs;
mod json;
mod listing;
mod open;
mod parquet;
mod partitions;
mod progress;
mod table;
mod text;

use std::{fmt, fs, path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use futures::{StreamExt, TryStreamExt, stream};

pub use self::content::content_of;
pub use self::partitions::{NoPartition, compare_partitions, partition_value};
pub use self::progress::ReadProgress;
pub use self::table::{ORIGIN_FILE, ORIGIN_ROW, origin_line, with_origin};
pub use self::{
    error::{Misfit, SourceError},
    inputs::{Input, Inputs, Location},
};
use self::{partitions::Partitions, table::FileTable};
use crate::aws::{Aws, Bucket, ObjectFile, S3Error};
use crate::format::quoted as shown;
use crate::kind::ErrorKind;
use transom_file::spec::{Format, Place, S3Url, Unknown};

/// Headers of CSV files that are looked at at once.
const HEADERS_AT_ONCE: usize = 32;
/// A table that is kept in files.
///
/// The files' columns come first, in their order, then the partition columns of the path (`month=1/`), outermost first.
/// Empty files have no rows. Names that begin with `.` or `_` are skipped, as Spark does.
#[derive(Debug, Clone)]
pub struct FileSource {
    /// Name in the pipeline, for messages.
    pub name: String,
    /// Folder or bucket that `pattern` starts from.
    pub root: Place,
    /// How a bucket is reached.
    pub aws: Aws,
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
    /// Counts what scans meet.
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

/// A table that can be read, in pieces that are listed first.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// Name in the pipeline, for messages.
    fn name(&self) -> &str;

    /// The pieces that it consists of now.
    ///
    /// # Errors
    /// If there is none, or what holds them cannot be asked.
    async fn list(&self) -> Result<Inputs, SourceError>;

    /// The table of these pieces. `schema` is what the lock file or a plan says that its columns are, partition columns included;
    /// without it they are inferred from the pieces, as far as the pipeline does not declare them. What is inferred is nullable, and
    /// a column that holds nothing but NULL where it was looked at is taken for Utf8.
    ///
    /// Errors while the table is read name the piece and the place in it: who scans has no need to look for them.
    ///
    /// # Errors
    /// If there are no columns, if pieces disagree or are not of the format; if they do not have the columns of `schema`.
    async fn table(
        &self,
        inputs: &Inputs,
        schema: Option<SchemaRef>,
        session: &dyn Session,
    ) -> Result<Arc<dyn TableProvider>, SourceError>;

    /// How much has been read of it.
    fn read(&self) -> &ReadProgress;

    /// The same source, of which nothing was read yet.
    fn fresh(&self) -> Arc<dyn Source>;
}

#[async_trait]
impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn list(&self) -> Result<Inputs, SourceError> {
        let Place::Local(root) = &self.root else {
            return listing::list_bucket(self, &self.bucket().await?).await;
        };
        let (source, root) = (self.clone(), root.clone());
        self.blocking(move || {
            let inputs = listing::list(&source, &root)?;
            if matches!(source.format, Format::Parquet) {
                for piece in inputs.pieces.iter().filter(|piece| piece.bytes > 0) {
                    parquet::check_magic(&source, piece)?;
                }
            }
            Ok(inputs)
        })
        .await
    }

    async fn table(
        &self,
        inputs: &Inputs,
        schema: Option<SchemaRef>,
        session: &dyn Session,
    ) -> Result<Arc<dyn TableProvider>, SourceError> {
        let inputs = self.held(inputs).await?;
        let known = match schema {
            Some(schema) => Some(schema),
            None => self.declared(session, &inputs).await?,
        };
        self.table_of(session, inputs, known).await
    }

    fn read(&self) -> &ReadProgress {
        &self.read
    }

    fn fresh(&self) -> Arc<dyn Source> {
        Arc::new(Self {
            read: ReadProgress::default(),
            ..self.clone()
        })
    }
}

impl FileSource {
    /// Whether a file that was listed by this path is there, as it was, and is another one than this piece, which has its size and its time or
    /// ETag. What this identity may not look at counts as gone.
    ///
    /// # Errors
    /// If that cannot be seen now.
    pub async fn is_beside(&self, path: &str, piece: &Input) -> Result<bool, SourceError> {
        match (&piece.location, &self.root) {
            (Location::Object { etag, .. }, _) => {
                let Ok(url) = S3Url::parse(path) else {
                    return Ok(false);
                };
                let asked = async { self.aws.bucket(&url.bucket).await?.head(&url.key).await };
                match asked.await {
                    Ok(found) => Ok(found.is_some_and(|found| found.etag == *etag)),
                    Err(error) if ErrorKind::from(error.kind()) != ErrorKind::Temporary => {
                        Ok(false)
                    }
                    Err(error) => Err(SourceError::S3 {
                        name: self.name.clone(),
                        source: Box::new(error),
                    }),
                }
            }
            (Location::File(own), Place::Local(root)) => {
                let (path, own) = (root.join(path), own.clone());
                let (bytes, modified) = (piece.bytes, piece.modified);
                let look = move || {
                    let found = fs::canonicalize(&path);
                    let found = found.and_then(|found| Ok((fs::metadata(&found)?, found)));
                    Ok(found.is_ok_and(|(is, found)| {
                        let is_same = is.len() == bytes && is.modified().ok() == Some(modified);
                        is_same && found != own
                    }))
                };
                self.blocking(look).await
            }
            (Location::File(_), Place::S3(_)) => Ok(false),
        }
    }

    /// The inputs with a hold on what they are pieces of, which inputs that were written down do not have.
    async fn held(&self, inputs: &Inputs) -> Result<Inputs, SourceError> {
        if let Place::S3(_) = self.root {
            self.bucket().await?;
            return Ok(inputs.clone());
        }
        let (source, inputs) = (self.clone(), inputs.clone());
        self.blocking(move || listing::held(&source, inputs)).await
    }

    /// Name of the bucket; empty for a folder.
    fn bucket_name(&self) -> String {
        match &self.root {
            Place::S3(url) => url.bucket.clone(),
            Place::Local(_) => String::new(),
        }
    }

    async fn bucket(&self) -> Result<Bucket, SourceError> {
        let bucket = self.aws.bucket(&self.bucket_name()).await;
        bucket.map_err(|error| SourceError::S3 {
            name: self.name.clone(),
            source: Box::new(error),
        })
    }

    /// An object that was listed. The bucket is known from then on.
    fn object(&self, found: &Input) -> Option<ObjectFile> {
        let Location::Object { url, etag } = &found.location else {
            return None;
        };
        let bucket = self.aws.known(&url.bucket)?;
        Some(ObjectFile::new(bucket, &url.key, etag, found.bytes))
    }

    /// The columns of CSV that the pipeline declares; with those of the header that it does not, inferred.
    async fn declared(
        &self,
        session: &dyn Session,
        inputs: &Inputs,
    ) -> Result<Option<SchemaRef>, SourceError> {
        let (Format::Csv(options), Some(declared)) = (&self.format, &self.columns) else {
            // JSON's keys and Parquet's footers name the columns, which the table compares with those declared.
            return Ok(None);
        };
        // Without a header the declaration is all that names the columns.
        if !options.header {
            return Ok(Some(Arc::clone(declared)));
        }
        let undeclared = Self {
            columns: None,
            ..self.clone()
        };
        match undeclared.table_of(session, inputs.clone(), None).await {
            Ok(table) => Ok(Some(with_declared(&table.schema(), declared))),
            // There is no row whose columns could be others.
            Err(SourceError::NoColumns { .. }) => Ok(Some(Arc::clone(declared))),
            Err(error) => Err(error),
        }
    }

    async fn table_of(
        &self,
        session: &dyn Session,
        inputs: Inputs,
        schema: Option<SchemaRef>,
    ) -> Result<Arc<dyn TableProvider>, SourceError> {
        let declared = schema.clone().or_else(|| self.columns.clone());
        let partitions = Partitions::detect(self, &inputs.pieces, declared.as_deref())?;
        let is_parquet = matches!(self.format, Format::Parquet);
        let file_schema = match schema {
            schema if is_parquet && !inputs.are_empty() => {
                let locked = schema.map(|schema| without_partitions(&schema, &partitions));
                parquet::table_columns(self, session, &inputs, locked.as_deref(), &partitions)
                    .await?
            }
            Some(schema) => without_partitions(&schema, &partitions),
            None if is_parquet => match &declared {
                Some(declared) => without_partitions(declared, &partitions),
                None => return Err(self.no_columns()),
            },
            None => self.infer_text(&inputs, &partitions).await?,
        };
        let inputs = self
            .check_headers(inputs, &file_schema, &partitions)
            .await?;
        let table = FileTable::try_new(self.clone(), inputs, &partitions, file_schema)
            .map_err(|error| self.infer_error(error))?;
        Ok(Arc::new(table))
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

    async fn infer_text(
        &self,
        inputs: &Inputs,
        partitions: &Partitions,
    ) -> Result<SchemaRef, SourceError> {
        let (source, inputs, partitions) = (self.clone(), inputs.clone(), partitions.clone());
        let infer = move || match &source.format {
            Format::Csv(options) => csv::infer_schema(&source, options, &inputs, &partitions),
            _ => json::infer_schema(&source, &inputs, &partitions),
        };
        let schema = self.blocking(infer).await?;
        let schema = schema.ok_or_else(|| self.no_columns())?;
        Ok(without_partitions(&schema, &Partitions::default()))
    }

    /// The columns of every CSV file, before any row is read.
    async fn check_headers(
        &self,
        inputs: Inputs,
        file_schema: &SchemaRef,
        partitions: &Partitions,
    ) -> Result<Inputs, SourceError> {
        let Format::Csv(options) = &self.format else {
            return Ok(inputs);
        };
        // One for all files: it has something of each of them.
        let shared = Arc::new((self.clone(), options.clone(), partitions.clone()));
        let check = |found: &Input| {
            let (shared, schema) = (Arc::clone(&shared), Arc::clone(file_schema));
            let found = found.clone();
            self.blocking(move || {
                let (source, options, partitions) = shared.as_ref();
                csv::check_header(source, options, &found, &schema, partitions)
            })
        };
        let pieces = inputs.pieces.iter().filter(|found| found.bytes > 0);
        stream::iter(pieces.map(check).collect::<Vec<_>>())
            .buffered(HEADERS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(inputs)
    }

    fn no_columns(&self) -> SourceError {
        SourceError::NoColumns {
            name: self.name.clone(),
            pattern: self.pattern.clone(),
        }
    }
}

/// The columns that were inferred from the files, with the declared types; declared columns that no row had come last.
fn with_declared(inferred: &Schema, declared: &Schema) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = inferred
        .fields()
        .iter()
        .map(|field| match declared.fields().find(field.name()) {
            Some((_, declared)) => Arc::clone(declared),
            None => Arc::clone(field),
        })
        .collect();
    fields.extend(
        declared
            .fields()
            .iter()
            .filter(|field| inferred.index_of(field.name()).is_err())
            .cloned(),
    );
    Arc::new(Schema::new(fields))
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

fn io_error(source: &FileSource, path: &Path, error: std::io::Error) -> SourceError {
    let (name, path) = (source.name.clone(), path.to_owned());
    if let Some(error) = S3Error::find(&error) {
        return SourceError::S3 {
            name,
            source: Box::new(error.clone()),
        };
    }
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
