//! Parquet, encoded column by column by all cores of the machine: one file is then written as fast as several are.
//!
//! The row groups are those that parquet's own `ArrowWriter` makes, which encodes one column after the other.

use std::{collections::HashSet, io::Write, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, RecordBatch},
    datatypes::{FieldRef, SchemaRef},
};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
    },
    basic::{Compression as Pages, ZstdLevel},
    errors::{ParquetError, Result},
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterPropertiesBuilder},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};
use rayon::prelude::*;
use transom_file::spec::Compression;

/// Written into the key-value metadata of every file. No time and no run: the same rows give the same bytes.
const CREATED_BY: &str = concat!("transom ", env!("CARGO_PKG_VERSION"));

/// Values of a batch below which handing columns to other threads costs more than it brings.
const VALUES_TO_SHARE: usize = 1 << 14;

/// Values that say whether those of a column are repeated: a batch of DataFusion's.
const VALUES_TO_JUDGE: usize = 8192;

/// One file.
pub(super) struct ParquetWriter<W: Write + Send> {
    schema: SchemaRef,
    compression: Compression,
    /// Bytes of a row group, as they are estimated while it is encoded.
    row_group_bytes: usize,
    state: State<W>,
}

enum State<W: Write + Send> {
    /// Nothing is written to it: how columns are encoded depends on the first rows.
    New(W),
    Open(Box<OpenFile<W>>),
    /// Its beginning could not be written.
    Failed,
}

/// A file with rows.
struct OpenFile<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    row_group_bytes: usize,
    /// The one that rows are added to.
    row_group: Option<RowGroup>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// A file without rows yet.
    pub(super) fn new(
        output: W,
        schema: &SchemaRef,
        compression: Compression,
        row_group_bytes: usize,
    ) -> Self {
        Self {
            schema: Arc::clone(schema),
            compression,
            row_group_bytes,
            state: State::New(output),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::New(output) => State::Open(Box::new(self.open(output, batch)?)),
            state => state,
        };
        match &mut self.state {
            State::Open(open) => open.write(batch),
            State::New(_) | State::Failed => Err(not_open()),
        }
    }

    /// Writes the beginning of a file with these rows.
    fn open(&self, output: W, first: &RecordBatch) -> Result<OpenFile<W>> {
        let properties = properties(self.compression, first)?.build();
        let writer = ArrowWriter::try_new(output, Arc::clone(&self.schema), Some(properties))?;
        let (file, columns) = writer.into_serialized_writer()?;
        Ok(OpenFile {
            file,
            columns,
            schema: Arc::clone(&self.schema),
            row_group_bytes: self.row_group_bytes,
            row_group: None,
        })
    }

    /// Ends the row group.
    pub(super) fn flush(&mut self) -> Result<()> {
        match &mut self.state {
            State::Open(open) => open.flush(),
            State::New(_) | State::Failed => Ok(()),
        }
    }

    /// Bytes of memory that rows take which are not written yet.
    pub(super) fn memory_size(&self) -> usize {
        match &self.state {
            State::Open(open) => open.memory_size(),
            State::New(_) | State::Failed => 0,
        }
    }

    /// What is written to, once there are rows.
    pub(super) fn inner(&self) -> Option<&W> {
        match &self.state {
            State::Open(open) => Some(open.file.inner()),
            State::New(_) | State::Failed => None,
        }
    }

    /// Writes the end of the file.
    pub(super) fn into_inner(mut self) -> Result<W> {
        self.write(&RecordBatch::new_empty(Arc::clone(&self.schema)))?;
        match self.state {
            State::Open(open) => (*open).into_inner(),
            State::New(_) | State::Failed => Err(not_open()),
        }
    }
}

fn not_open() -> ParquetError {
    ParquetError::General("the file is not open".to_owned())
}

/// How columns are encoded, by their first rows.
fn properties(compression: Compression, first: &RecordBatch) -> Result<WriterPropertiesBuilder> {
    let compression = match compression {
        Compression::Zstd => Pages::ZSTD(ZstdLevel::default()),
        Compression::Snappy => Pages::SNAPPY,
        Compression::None => Pages::UNCOMPRESSED,
    };
    let created_by = KeyValue::new("created_by".to_owned(), CREATED_BY.to_owned());
    let mut properties = WriterProperties::builder()
        .set_compression(compression)
        .set_key_value_metadata(Some(vec![created_by]));
    for (field, values) in first.schema().fields().iter().zip(first.columns()) {
        if !is_repeated(values)? {
            let column = ColumnPath::new(vec![field.name().clone()]);
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    Ok(properties)
}

/// Whether a dictionary may make a column smaller, by its first values. Of those that nearly all differ it would be as large as they are,
/// or too large for its page: then it is given up in large files, and in small ones it is work for nothing. parquet-mr looks at its first
/// page likewise.
fn is_repeated(values: &ArrayRef) -> Result<bool> {
    let count = values.len() - values.logical_null_count();
    if count < VALUES_TO_JUDGE || values.data_type().is_nested() {
        return Ok(true);
    }
    let mut hashes = vec![0; values.len()];
    create_hashes([values], &RandomState::default(), &mut hashes)
        .map_err(|error| ParquetError::External(error.into()))?;
    // NULLs are one value more.
    let different: HashSet<u64> = hashes.into_iter().collect();
    Ok(different.len() < count / 100 * 98)
}

impl<W: Write + Send> OpenFile<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
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

    fn flush(&mut self) -> Result<()> {
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

    fn memory_size(&self) -> usize {
        let leaves = self.row_group.iter().flat_map(RowGroup::leaves);
        leaves.map(ArrowColumnWriter::memory_size).sum()
    }

    fn into_inner(mut self) -> Result<W> {
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
                ParquetWriter::new(Vec::new(), &schema, Compression::Zstd, row_group_bytes);
            let properties = properties(Compression::Zstd, &batches[0])
                .unwrap()
                .set_max_row_group_bytes(Some(row_group_bytes))
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
