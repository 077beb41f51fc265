//! The rows of a JSON file, or of a range of it, as batches.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{FieldRef, SchemaRef},
    error::ArrowError,
};
use datafusion::common::DataFusionError;

use super::{decode::Decoder, lines::Lines};
use crate::source::{FileSource, inputs::Input, text::Batch};
use transom_file::spec::Unknown;

/// A batch ends with the line that makes it longer than this, so that its texts fit into an array.
const BATCH_BYTES: usize = 64 << 20;

pub(crate) struct JsonBatches {
    source: FileSource,
    found: Input,
    lines: Lines,
    decoder: Decoder,
    schema: SchemaRef,
    batch_size: usize,
    ended: bool,
}

impl JsonBatches {
    /// Whether all columns are of types that are read from JSON.
    pub(crate) fn check(schema: &SchemaRef, read: &[usize]) -> Result<(), ArrowError> {
        Decoder::try_new(schema, read, &[], None, Unknown::Fail).map(drop)
    }

    /// `read` are the positions in `schema` of the columns that are wanted; `hidden` are keys that count as known.
    pub(crate) fn open(
        source: &FileSource,
        found: &Input,
        range: Option<Range<u64>>,
        schema: &SchemaRef,
        read: &[usize],
        hidden: &[FieldRef],
        batch_size: usize,
    ) -> Result<Self, DataFusionError> {
        Ok(Self {
            source: source.clone(),
            found: found.clone(),
            lines: Lines::open(source, found, range)?,
            decoder: Decoder::try_new(
                schema,
                read,
                hidden,
                source.columns.as_deref(),
                source.unknown,
            )?,
            schema: Arc::new(schema.project(read)?),
            batch_size,
            ended: false,
        })
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, DataFusionError> {
        let mut bytes = 0;
        while !self.ended && self.decoder.rows() < self.batch_size && bytes < BATCH_BYTES {
            let Some(line) = self.lines.next()? else {
                self.ended = true;
                break;
            };
            bytes += line.len();
            if let Err(refused) = self.decoder.decode(line) {
                let number = self.lines.number()?;
                let error = refused.at(&self.source, &self.found, number, self.lines.text());
                return Err(error.into());
            }
        }
        let unknown = self.decoder.take_passed_over();
        let rows = self.decoder.rows();
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.decoder.finish()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Some(Batch { rows, unknown }))
    }
}

impl Iterator for JsonBatches {
    type Item = Result<Batch, DataFusionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.next_batch().transpose();
        self.ended |= !matches!(batch, Some(Ok(_)));
        batch
    }
}
