//! Rows of a single file, outside of any pipeline: what a test is given, what a benchmark runs over.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use transom_connect::{Aws, FileSource, ReadProgress, Sample, Source, SourceError};
use transom_file::spec::{Format, Unknown};
use transom_query::{Session, SessionOptions};

use crate::error::{Error, Result, source_of};
use crate::plan::error_chain;
use crate::preview::collect;
use transom_file::{Problem, Problems, format_of_file};

/// Why a file was not read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The first `rows` rows of a Parquet file, a CSV file with a header or a file of JSON lines; its name says which it is.
///
/// # Errors
/// A name that says no format; a file that is not there or is not what its name says.
pub async fn read_rows(file: &Path, rows: usize) -> Result<RecordBatch> {
    let shown = file.display().to_string();
    let problem = |message: String, hint: Option<String>| {
        let mut problem = Problem::new(message);
        problem.hint = hint;
        Error::from(Problems::from(problem))
    };
    let format = match format_of_file(&shown) {
        Some(format) => Format::from(format),
        None => {
            let allowed = "allowed: `.csv`, `.jsonl`, `.parquet`".to_owned();
            return Err(problem(
                format!("the format of `{shown}` is not known"),
                Some(allowed),
            ));
        }
    };
    let source = FileSource {
        name: shown.clone(),
        root: Path::new(".").into(),
        aws: Aws::default(),
        pattern: shown,
        format,
        columns: None,
        unknown: Unknown::default(),
        sample: Sample::default(),
        read: ReadProgress::default(),
    };
    let session = Session::new(&SessionOptions::default(), transom_plugin::Cancel::new())
        .map_err(|error| Error::of_query("starting the session", error))?;
    file_rows(&session, &source, None, Some(rows))
        .await
        .map_err(|unread| problem(unread.message, unread.hint))
}

/// Rows of a file, all or the first `limit`, with `types` for the columns that it shares with them.
pub(crate) async fn file_rows(
    session: &Session,
    source: &FileSource,
    types: Option<&Schema>,
    limit: Option<usize>,
) -> std::result::Result<RecordBatch, Unread> {
    let state = session.context().state();
    let read = async {
        let inputs = source.list().await?;
        let table = source.table(&inputs, None, &state).await?;
        let Some(types) = types else {
            return Ok(table);
        };
        let schema = with_types(&table.schema(), types);
        source.table(&inputs, Some(schema), &state).await
    };
    let table = read.await.map_err(|error| Unread {
        message: error_chain(&error),
        hint: error.hint(),
    })?;
    let rows = async {
        let frame = session.context().read_table(table)?;
        let frame = match limit {
            Some(_) => frame.limit(0, limit)?,
            None => frame,
        };
        collect(session, frame.into_unoptimized_plan()).await
    };
    let error = match rows.await {
        Ok(rows) => return Ok(rows),
        Err(error) => error,
    };
    if let Some(placed) = source_of::<Arc<SourceError>>(&error) {
        return Err(Unread {
            message: error_chain(placed),
            hint: placed.hint(),
        });
    }
    Err(Unread {
        message: format!("`{}` cannot be read: {}", source.name, error.message()),
        hint: None,
    })
}

/// The columns of `inferred`, with the types that `types` has for them.
fn with_types(inferred: &Schema, types: &Schema) -> SchemaRef {
    let fields = inferred.fields().iter().map(|field| {
        let known = types.fields().find(field.name());
        known.map_or_else(|| Arc::clone(field), |(_, known)| Arc::clone(known))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
