//! The columns of CSV files, from their headers and from rows of every file.

use std::path::PathBuf;

use arrow::datatypes::{DataType, Field, Schema};
use transom_sql::text::Inference;

use super::{
    CsvFile, Nulls, Rows,
    header::{OnlyColumn, one_column},
};
use transom_file::spec::CsvOptions;

use crate::source::{
    FileSource, SourceError, Unknown, error::quoted, inputs::Inputs, partitions::Partitions,
};

/// Rows that are looked at at once.
const CHUNK_ROWS: usize = 4096;

/// The columns that the files have in common; `None` if no file has a header or a row. A column without a value is Null.
pub(in crate::source) fn infer_schema(
    source: &FileSource,
    options: &CsvOptions,
    listing: &Inputs,
    partitions: &Partitions,
) -> Result<Option<Schema>, SourceError> {
    let files: Vec<_> = listing
        .pieces
        .iter()
        .filter(|found| found.bytes > 0)
        .collect();
    let rows_of_each = source.sample.of_each(files.len());
    let mut first: Option<(PathBuf, Vec<String>)> = None;
    let mut columns: Vec<Inference> = Vec::new();
    let mut only = OnlyColumn::default();
    for found in files {
        let Some(mut file) = CsvFile::open(source, options, found)? else {
            continue;
        };
        let mut positions: Option<Vec<usize>> = None;
        if let Some(header) = &file.header {
            partitions.check_names(source, &found.path, header.names.iter(), false)?;
            match &first {
                Some((path, names)) => {
                    positions = Some(shared(&file, &header.names, path, names)?);
                }
                None => {
                    let declared = |name: &String| {
                        let columns = source.columns.as_ref();
                        columns.is_some_and(|columns| columns.index_of(name).is_ok())
                    };
                    if let Some(delimiter) = header.other_delimiter(options)
                        && !header.names.iter().any(declared)
                    {
                        return Err(one_column(&file, header, delimiter));
                    }
                    first = Some((found.path.clone(), header.names.clone()));
                }
            }
        } else {
            file.records.width = first.as_ref().map(|(_, names)| names.len());
        }
        let mut rows = Rows::default();
        let mut left = rows_of_each;
        while left > 0 {
            let read = file.records.read(&mut rows, left.min(CHUNK_ROWS));
            read.map_err(|error| file.error(error))?;
            if rows.len() == 0 {
                break;
            }
            left -= rows.len();
            let text = file.utf8(&rows)?;
            let (_, names) = first.get_or_insert_with(|| {
                let names = (1..=rows.width).map(|position| format!("column_{position}"));
                (found.path.clone(), names.collect())
            });
            columns.resize(names.len(), Inference::default());
            if file.header.is_none() && names.len() == 1 {
                for row in 0..rows.len() {
                    let (range, quoted) = rows.field(row, 0);
                    only.observe(&found.path, &text[range], quoted);
                }
            }
            let nulls = Nulls(&options.null);
            for (column, inference) in columns.iter_mut().enumerate() {
                let position = positions.as_ref().map_or(column, |at| at[column]);
                for row in 0..rows.len() {
                    let (range, quoted) = rows.field(row, position);
                    let text = &text[range];
                    // An empty text is a value of a text column alone, which decides nothing.
                    if !text.is_empty() && !nulls.is_null(text, quoted, true) {
                        inference.observe(text);
                    }
                }
            }
        }
    }
    // Who declares the column knows what it holds.
    if source.columns.is_none() {
        only.check(source, options)?;
    }
    Ok(first.map(|(_, names)| {
        columns.resize(names.len(), Inference::default());
        let fields = names.iter().zip(columns).map(|(name, inference)| {
            let data_type = inference.data_type().unwrap_or(DataType::Null);
            Field::new(name, data_type, true)
        });
        Schema::new(fields.collect::<Vec<_>>())
    }))
}

/// Where the columns of the first file are in another one.
fn shared(
    file: &CsvFile<'_>,
    found: &[String],
    first: &std::path::Path,
    names: &[String],
) -> Result<Vec<usize>, SourceError> {
    let positions: Option<Vec<usize>> = names
        .iter()
        .map(|name| found.iter().position(|other| other == name))
        .collect();
    let more = found.len() > names.len();
    match positions {
        Some(positions) if !more || file.source.unknown != Unknown::Fail => Ok(positions),
        _ => Err(SourceError::Headers {
            name: file.source.name.clone(),
            path: file.path.to_owned(),
            found: quoted(found.iter().map(String::as_str)).into(),
            first: first.to_owned(),
            expected: quoted(names.iter().map(String::as_str)).into(),
        }),
    }
}
