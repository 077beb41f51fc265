//! JSON: a line at a time through serde_json for its form, and through arrow-json for its values.

use std::{
    io::{BufRead, BufReader},
    sync::Arc,
};

use arrow::{
    datatypes::{Schema, SchemaRef},
    json::ReaderBuilder,
};
use serde_json::Value;

use super::CHUNK_ROWS;
use crate::{
    format::Encoding,
    source::{FileSource, SourceError, io_error, listing::Found, open::open_text, shown},
};

pub(super) fn diagnose(
    source: &FileSource,
    found: &Found,
    schema: Option<&SchemaRef>,
) -> Result<(), SourceError> {
    let mut reader = BufReader::new(open_text(source, found, Encoding::Utf8)?);
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let bytes = reader
            .read_until(b'\n', &mut text)
            .map_err(|error| io_error(source, &found.path, error))?;
        if bytes > 0 && !text.trim_ascii().is_empty() {
            match object(source, found, line, &text) {
                Ok(value) => chunk.push((line, value)),
                Err(error) => {
                    // Lines before this one come first.
                    check_values(source, found, schema, &chunk)?;
                    return Err(error);
                }
            }
        }
        if bytes == 0 || chunk.len() == CHUNK_ROWS {
            check_values(source, found, schema, &chunk)?;
            chunk.clear();
        }
        if bytes == 0 {
            break;
        }
    }
    Ok(())
}

fn object(
    source: &FileSource,
    found: &Found,
    line: u64,
    text: &[u8],
) -> Result<Value, SourceError> {
    if std::str::from_utf8(text).is_err() {
        return Err(SourceError::Encoding {
            name: source.name.clone(),
            path: found.path.clone(),
            line,
        });
    }
    let error = match serde_json::from_slice(text) {
        Ok(value @ Value::Object(_)) => return Ok(value),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    Err(SourceError::Json {
        name: source.name.clone(),
        path: found.path.clone(),
        line,
        source: error,
    })
}

fn check_values(
    source: &FileSource,
    found: &Found,
    schema: Option<&SchemaRef>,
    lines: &[(u64, Value)],
) -> Result<(), SourceError> {
    let Some(schema) = schema else {
        return Ok(());
    };
    if decodes(schema, lines) {
        return Ok(());
    }
    for line in lines {
        for field in schema.fields() {
            let column = Arc::new(Schema::new(vec![Arc::clone(field)]));
            if decodes(&column, std::slice::from_ref(line)) {
                continue;
            }
            let value = match line.1.get(field.name()) {
                None | Some(Value::Null) => "no value".to_owned(),
                Some(value) => shown(&value.to_string()),
            };
            return Err(SourceError::Value {
                name: source.name.clone(),
                path: found.path.clone(),
                line: line.0,
                column: field.name().clone(),
                value,
                expected: Box::new(field.data_type().clone()),
                reason: None,
            });
        }
    }
    Ok(())
}

fn decodes(schema: &SchemaRef, lines: &[(u64, Value)]) -> bool {
    let text: String = lines
        .iter()
        .map(|(_, value)| format!("{value}\n"))
        .collect();
    ReaderBuilder::new(Arc::clone(schema))
        .build(text.as_bytes())
        .is_ok_and(|mut batches| batches.all(|batch| batch.is_ok()))
}
