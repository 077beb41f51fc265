//! Parquet, encoded column by column by all cores of the machine: one file is then written as fast as several are.
//!
//! The row groups are those that parquet's own `ArrowWriter` makes, which encodes one column after the other.

use std::{io::Write, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{FieldRef, SchemaRef},
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
    },
    basic::{Compression as Pages, ZstdLevel},
    errors::Result,
    file::{metadata::KeyValue, properties::WriterProperties, writer::SerializedFileWriter},
};
use rayon::prelude::*;
use transom_file::spec::Compression;

/// Written into the key-value metadata of every file. No time and no run: the same rows give the same bytes.
const CREATED_BY: &str = concat!("transom ", env!("CARGO_PKG_VERSION"));

/// Values of a batch below which handing columns to other threads costs more than it brings.
const VALUES_TO_SHARE: usize = 1 << 14;

/// One file.
pub(super) struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Bytes of a row group, as they are estimated while it is encoded.
    row_group_bytes: usize,
    /// The one that rows are added to.
    row_group: Option<RowGroup>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Writes the beginning of a file.
    pub(super) fn try_new(
        output: W,
        schema: &SchemaRef,
        compression: Compression,
        row_group_bytes: usize,
    ) -> Result<Self> {
        let compression = match compression {
            Compression::Zstd => Pages::ZSTD(ZstdLevel::default()),
            Compression::Snappy => Pages::SNAPPY,
            Compression::None => Pages::UNCOMPRESSED,
        };
        let created_by = KeyValue::new("created_by".to_owned(), CREATED_BY.to_owned());
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_key_value_metadata(Some(vec![created_by]))
            .build();
        let writer = ArrowWriter::try_new(output, Arc::clone(schema), Some(properties))?;
        let (file, columns) = writer.into_serialized_writer()?;
        Ok(Self {
            file,
            columns,
            schema: Arc::clone(schema),
            row_group_bytes,
            row_group: None,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let mut row_group = match self.row_group.take() {
                Some(row_group) => row_group,
                None => self.begin()?,
            };
            let most = self.file.properties().max_row_group_row_count();
            let room = row_group.room(most, self.row_group_bytes);
            let rows = room.min(batch.num_rows() - from);
            if rows > 0 {
                row_group.write(&batch.slice(from, rows))?;
                from += rows;
            }
            self.row_group = Some(row_group);
            if room == 0 {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn begin(&self) -> Result<RowGroup> {
        let number = self.file.flushed_row_groups().len();
        let leaves = self.columns.create_column_writers(number)?;
        let fields = self.schema.fields().iter().cloned();
        let mut columns: Vec<Column> = fields
            .map(|field| Column {
                field,
                leaves: Vec::new(),
            })
            .collect();
        for (leaf, writer) in leaves.into_iter().enumerate() {
            let column = self.file.schema_descr().get_column_root_idx(leaf);
            columns[column].leaves.push(writer);
        }
        Ok(RowGroup { columns, rows: 0 })
    }

    /// Ends the row group.
    pub(super) fn flush(&mut self) -> Result<()> {
        let Some(RowGroup { columns, .. }) = self.row_group.take() else {
            return Ok(());
        };
        let chunks: Vec<_> = columns
            .into_par_iter()
            .map(Column::close)
            .collect::<Result<_>>()?;
        let mut written = self.file.next_row_group()?;
        for chunk in chunks.into_iter().flatten() {
            chunk.append_to_row_group(&mut written)?;
        }
        written.close().map(drop)
    }

    /// Bytes of memory that rows take which are not written yet.
    pub(super) fn memory_size(&self) -> usize {
        let leaves = self.row_group.iter().flat_map(RowGroup::leaves);
        leaves.map(ArrowColumnWriter::memory_size).sum()
    }

    /// What is written to.
    pub(super) fn inner(&self) -> &W {
        self.file.inner()
    }

    /// Writes the end of the file.
    pub(super) fn into_inner(mut self) -> Result<W> {
        self.flush()?;
        self.file.into_inner()
    }
}

/// A row group that is being encoded.
struct RowGroup {
    columns: Vec<Column>,
    rows: usize,
}

impl RowGroup {
    /// Rows that it still takes, by the size of those that it has; the first batch is always taken.
    fn room(&self, most_rows: Option<usize>, most_bytes: usize) -> usize {
        let by_number = most_rows.map_or(usize::MAX, |most| most.saturating_sub(self.rows));
        if self.rows == 0 {
            return by_number;
        }
        let leaves = self.leaves();
        let bytes: usize = leaves
            .map(ArrowColumnWriter::get_estimated_total_bytes)
            .sum();
        let left = most_bytes.saturating_sub(bytes);
        let by_bytes = match bytes / self.rows {
            0 if left > 0 => usize::MAX,
            0 => 0,
            of_row => left / of_row,
        };
        by_number.min(by_bytes)
    }

    fn leaves(&self) -> impl Iterator<Item = &ArrowColumnWriter> {
        self.columns.iter().flat_map(|column| &column.leaves)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        let columns = batch.columns();
        if batch.num_rows() * columns.len() < VALUES_TO_SHARE {
            let mut pairs = self.columns.iter_mut().zip(columns);
            return pairs.try_for_each(|(column, values)| column.write(values));
        }
        let pairs = self.columns.par_iter_mut().zip(columns);
        pairs.try_for_each(|(column, values)| column.write(values))
    }
}

/// A column of a row group, with a writer for each of its leaves.
struct Column {
    field: FieldRef,
    leaves: Vec<ArrowColumnWriter>,
}

impl Column {
    fn write(&mut self, values: &ArrayRef) -> Result<()> {
        let leaves = compute_leaves(&self.field, values)?;
        let mut pairs = self.leaves.iter_mut().zip(&leaves);
        pairs.try_for_each(|(writer, leaf)| writer.write(leaf))
    }

    fn close(self) -> Result<Vec<ArrowColumnChunk>> {
        let leaves = self.leaves.into_iter();
        leaves.map(ArrowColumnWriter::close).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{
            ArrayRef, Float64Array, Int64Array, ListBuilder, StringArray, StringBuilder,
            StructArray,
        },
        datatypes::{DataType, Field},
    };

    use super::*;

    /// Rows of several leaves a column, so that columns and leaves are told apart.
    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows));
        let words = (from..from + rows).map(|row| (row % 7 != 0).then(|| format!("{}", row * row)));
        let words: ArrayRef = Arc::new(words.collect::<StringArray>());
        let halves = (from..from + rows).map(|row| row as f64 / 2.0);
        let halves: ArrayRef = Arc::new(halves.collect::<Float64Array>());
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in from..from + rows {
            for item in 0..row % 4 {
                lists.values().append_value(format!("{item}"));
            }
            lists.append(row % 5 != 0);
        }
        let pair = StructArray::from(vec![
            (
                Arc::new(Field::new("half", DataType::Float64, false)),
                Arc::clone(&halves),
            ),
            (
                Arc::new(Field::new("word", DataType::Utf8, true)),
                Arc::clone(&words),
            ),
        ]);
        RecordBatch::try_from_iter_with_nullable([
            ("number", numbers, false),
            ("pair", Arc::new(pair), true),
            ("list", Arc::new(lists.finish()) as ArrayRef, true),
            ("word", words, true),
        ])
        .unwrap()
    }

    #[test]
    fn the_file_is_the_one_that_arrow_writer_makes() {
        // Batches that are shared among threads, and others that are not.
        let batches = [batch(0, 9000), batch(9000, 10), batch(9010, 20_000)];
        for row_group_bytes in [1, 5_000, 100_000, usize::MAX] {
            let schema = batches[0].schema();
            let mut ours =
                ParquetWriter::try_new(Vec::new(), &schema, Compression::Zstd, row_group_bytes)
                    .unwrap();
            let created_by = KeyValue::new("created_by".to_owned(), CREATED_BY.to_owned());
            let properties = WriterProperties::builder()
                .set_compression(Pages::ZSTD(ZstdLevel::default()))
                .set_max_row_group_bytes(Some(row_group_bytes))
                .set_key_value_metadata(Some(vec![created_by]))
                .build();
            let mut theirs = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
            for batch in &batches {
                ours.write(batch).unwrap();
                theirs.write(batch).unwrap();
            }
            let (ours, theirs) = (ours.into_inner().unwrap(), theirs.into_inner().unwrap());
            assert!(ours == theirs, "row groups of {row_group_bytes} bytes");
        }
    }
}
