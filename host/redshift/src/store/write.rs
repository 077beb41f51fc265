//! New segments: from the results of queries, and from segments that have many deleted rows or are small.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::scan;
use super::segment::{Folder, Handle, Place, Segment};
use crate::catalog::{Column, Table};
use crate::error::{self, Error, Result};

/// Rows in one segment at most; a number of a row has 32 bits.
const ROWS: u64 = 4 << 20;
/// Rows of a group, which a scan reads at once.
const GROUP: usize = 128 << 10;
/// Rows and bytes that the database holds: a file costs two more waits for the disk.
const FEW_ROWS: usize = 1_024;
const FEW_BYTES: usize = 16 << 10;
/// Deleted rows that a record names before their segment is written anew.
const MOST_DELETED: usize = 4_096;
/// Segments of about one size before they become one.
const MOST_ALIKE: usize = 16;
/// Bytes from which on a segment is not written again for its size.
const LARGE: u64 = 1 << 20;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) rows: u64,
}

/// Writes streams whose columns are those of the table, in order, each into segments of its own.
pub(crate) async fn write(
    folder: &Arc<Folder>,
    columns: &[Column],
    streams: Vec<SendableRecordBatchStream>,
) -> Result<Written> {
    let mut streams = streams.into_iter();
    let first = streams.next();
    let mut tasks = tokio::task::JoinSet::new();
    for stream in streams {
        tasks.spawn(write_one(Arc::clone(folder), columns.to_vec(), stream));
    }
    let mut written = match first {
        Some(stream) => write_one(Arc::clone(folder), columns.to_vec(), stream).await?,
        None => Written::default(),
    };
    while let Some(finished) = tasks.join_next().await {
        let part = finished.map_err(Error::internal)??;
        written.rows += part.rows;
        written.segments.extend(part.segments);
    }
    sync(folder, &written.segments)?;
    Ok(written)
}

/// Makes the names of new files durable.
fn sync(folder: &Folder, segments: &[Arc<Segment>]) -> Result<()> {
    match segments.iter().any(|segment| segment.file().is_some()) {
        true => folder.sync().map_err(Error::internal),
        false => Ok(()),
    }
}

async fn write_one(
    folder: Arc<Folder>,
    columns: Vec<Column>,
    mut stream: SendableRecordBatchStream,
) -> Result<Written> {
    let mut written = Written::default();
    let mut open: Option<Writer> = None;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        check_nulls(&columns, &batch)?;
        written.rows += batch.num_rows() as u64;
        let mut writer = match open.take() {
            Some(writer) => writer,
            None => Writer::new(&folder, &columns),
        };
        if writer.holds(&batch) {
            writer.append(&batch)?;
            open = Some(writer);
            continue;
        }
        // Encoding takes long, and the last batch of a file waits for the disk.
        let task = tokio::task::spawn_blocking(move || -> Result<_> {
            writer.append(&batch)?;
            match writer.rows >= ROWS {
                true => Ok((None, Some(writer.finish()?))),
                false => Ok((Some(writer), None)),
            }
        });
        let (next, finished) = task.await.map_err(Error::internal)??;
        open = next;
        written.segments.extend(finished.map(Arc::new));
    }
    if let Some(writer) = open {
        let finished = match writer.few()? {
            Some(few) => few,
            None => {
                let finished = tokio::task::spawn_blocking(move || writer.finish());
                finished.await.map_err(Error::internal)??
            }
        };
        written.segments.push(Arc::new(finished));
    }
    Ok(written)
}

fn check_nulls(columns: &[Column], batch: &RecordBatch) -> Result<()> {
    for (column, values) in columns.iter().zip(batch.columns()) {
        if column.not_null && values.null_count() > 0 {
            return Err(Error::new(&error::NOT_NULL, &[&column.name]));
        }
    }
    Ok(())
}

/// A segment that is being written. Rows are held until they are too many for the database.
struct Writer {
    folder: Arc<Folder>,
    schema: SchemaRef,
    held: Vec<RecordBatch>,
    file: Option<Open>,
    rows: u64,
}

impl Writer {
    fn new(folder: &Arc<Folder>, columns: &[Column]) -> Self {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(stored_name(column), column.data_type.arrow(), true))
            .collect();
        Self {
            folder: Arc::clone(folder),
            schema: Arc::new(Schema::new(fields)),
            held: Vec::new(),
            file: None,
            rows: 0,
        }
    }

    /// Whether more rows would be held.
    fn holds(&self, more: &RecordBatch) -> bool {
        self.file.is_none() && self.rows as usize + more.num_rows() <= FEW_ROWS
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let is_held = self.holds(batch);
        let columns = batch.columns()[..self.schema.fields().len()].to_vec();
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(Error::internal)?;
        self.rows += batch.num_rows() as u64;
        self.held.push(batch);
        match is_held {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is held to the file.
    fn flush(&mut self) -> Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => Open::new(&self.folder, &self.schema)?,
        };
        for batch in self.held.drain(..) {
            file.writer.write(&batch).map_err(Error::internal)?;
        }
        self.file = Some(file);
        Ok(())
    }

    /// The rows as a segment of the database, if it takes them.
    fn few(&self) -> Result<Option<Segment>> {
        if self.file.is_some() {
            return Ok(None);
        }
        let few = encoded(&self.schema, &self.held)?;
        let is_few = few.len() <= FEW_BYTES;
        Ok(is_few.then(|| self.segment(few.len() as u64, Place::Database(few))))
    }

    fn finish(mut self) -> Result<Segment> {
        if let Some(few) = self.few()? {
            return Ok(few);
        }
        self.flush()?;
        let file = self.file.take();
        let (bytes, handle) = file
            .ok_or_else(|| Error::internal("no file is open"))?
            .finish()?;
        Ok(self.segment(bytes, Place::File(handle)))
    }

    fn segment(&self, bytes: u64, place: Place) -> Segment {
        Segment {
            number: self.folder.number(),
            rows: self.rows,
            bytes,
            deleted: Vec::new(),
            place,
        }
    }
}

/// What segments call a column, whatever its name.
pub(super) fn stored_name(column: &Column) -> String {
    format!("c{}", column.id)
}

/// A stream of Arrow.
fn encoded(schema: &Schema, batches: &[RecordBatch]) -> Result<Bytes> {
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        for batch in batches {
            writer.write(batch)?;
        }
        writer.into_inner()
    };
    write().map(Bytes::from).map_err(Error::internal)
}

/// A file that is being written.
struct Open {
    handle: Arc<Handle>,
    file: File,
    writer: ArrowWriter<File>,
}

impl Open {
    fn new(folder: &Folder, schema: &SchemaRef) -> Result<Self> {
        let (handle, file) = folder.create().map_err(Error::internal)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let clone = file.try_clone().map_err(Error::internal)?;
        let writer = ArrowWriter::try_new(clone, Arc::clone(schema), Some(properties))
            .map_err(Error::internal)?;
        Ok(Self {
            handle,
            file,
            writer,
        })
    }

    /// The size of the file, which is durable then.
    fn finish(self) -> Result<(u64, Arc<Handle>)> {
        self.writer.close().map_err(Error::internal)?;
        self.file.sync_all().map_err(Error::internal)?;
        let bytes = self.file.metadata().map_err(Error::internal)?.len();
        Ok((bytes, self.handle))
    }
}

/// The table with segments that a scan reads fast: none without rows, none with many deleted ones, few that are small. A row is
/// written again about once for each size that its segment grows to.
pub(crate) fn compacted(folder: &Arc<Folder>, table: &Table) -> Result<Table> {
    let mut alike: BTreeMap<u32, usize> = BTreeMap::new();
    let is_rare = |segment: &Segment| segment.deleted.len() <= MOST_DELETED;
    for segment in table.segments.iter().filter(|segment| is_rare(segment)) {
        *alike.entry(size(segment)).or_default() += 1;
    }
    let is_one_of_many = |segment: &Segment| {
        segment.bytes < LARGE
            && alike
                .get(&size(segment))
                .is_some_and(|alike| *alike > MOST_ALIKE)
    };
    let mut new: Vec<Arc<Segment>> = Vec::new();
    // Where those of a size become one: in the place of the first.
    let mut joined: BTreeMap<u32, (usize, Vec<Arc<Segment>>)> = BTreeMap::new();
    let mut segments = Vec::new();
    for segment in &table.segments {
        if segment.deleted.len() as u64 == segment.rows {
            continue;
        }
        if !is_rare(segment) {
            let anew = rewritten(folder, table, std::slice::from_ref(segment))?;
            new.push(Arc::clone(&anew));
            segments.push(anew);
            continue;
        }
        if is_one_of_many(segment) {
            let (_, all) = joined
                .entry(size(segment))
                .or_insert((segments.len(), Vec::new()));
            if !all.is_empty() {
                all.push(Arc::clone(segment));
                continue;
            }
            all.push(Arc::clone(segment));
        }
        segments.push(Arc::clone(segment));
    }
    for (place, all) in joined.into_values() {
        let anew = rewritten(folder, table, &all)?;
        new.push(Arc::clone(&anew));
        segments[place] = anew;
    }
    sync(folder, &new)?;
    Ok(Table {
        segments,
        ..table.clone()
    })
}

/// A class of sizes, each sixteen times the one before.
fn size(segment: &Segment) -> u32 {
    segment.bytes.max(1).ilog2() / 4
}

/// The rows of segments as one, which takes the place of the first.
fn rewritten(
    folder: &Arc<Folder>,
    table: &Table,
    segments: &[Arc<Segment>],
) -> Result<Arc<Segment>> {
    let mut writer = Writer::new(folder, &table.columns);
    let schema = Arc::clone(&writer.schema);
    let columns: Vec<Option<Column>> = table.columns.iter().cloned().map(Some).collect();
    for segment in segments {
        let mut failure = None;
        scan::read(&schema, &columns, 0, segment, 8_192, |batch| {
            failure = writer.append(&batch).err();
            failure.is_none()
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    let mut segment = writer.finish()?;
    if let Some(first) = segments.first() {
        segment.number = first.number;
    }
    Ok(Arc::new(segment))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int32Array};
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::types::Type;

    fn empty() -> Table {
        Table {
            id: 1,
            schema: 1,
            name: "t".to_owned(),
            columns: vec![Column {
                id: 1,
                name: "a".to_owned(),
                data_type: Type::Int4,
                not_null: false,
                default: None,
                before: None,
                identity: None,
                encoding: "az64".to_owned(),
                distribution_key: false,
            }],
            keys: Vec::new(),
            distribution: "auto".to_owned(),
            sort_keys: Vec::new(),
            interleaved: false,
            next_column: 2,
            segments: Vec::new(),
            changed: 0,
        }
    }

    fn append(folder: &Arc<Folder>, table: &mut Table, values: std::ops::Range<i32>) {
        let mut writer = Writer::new(folder, &table.columns);
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values(values));
        let batch = RecordBatch::try_from_iter([("a", values)]).unwrap();
        writer.append(&batch).unwrap();
        table.segments.push(Arc::new(writer.finish().unwrap()));
    }

    fn values(table: &Table) -> Vec<i32> {
        let columns: Vec<Option<Column>> = table.columns.iter().cloned().map(Some).collect();
        let schema = Arc::new(Schema::new(vec![table.columns[0].data_type.field("a")]));
        let mut values = Vec::new();
        for segment in &table.segments {
            scan::read(&schema, &columns, 0, segment, 8_192, |batch| {
                values.extend(batch.column(0).as_primitive::<Int32Type>().values());
                true
            })
            .unwrap();
        }
        values
    }

    #[test]
    fn rows_that_come_one_by_one_make_few_segments_and_stay_in_order() {
        const ROWS: i32 = 3_000;
        let data = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(data.path()).unwrap());
        let mut table = empty();
        let mut most = 0;
        let mut numbers = Vec::new();
        for row in 0..ROWS {
            append(&folder, &mut table, row..row + 1);
            table = compacted(&folder, &table).unwrap();
            most = most.max(table.segments.len());
            numbers = table
                .segments
                .iter()
                .map(|segment| segment.number)
                .collect();
        }
        assert!(most <= 3 * MOST_ALIKE, "{most} segments");
        assert_eq!(values(&table), (0..ROWS).collect::<Vec<_>>());
        assert!(numbers.is_sorted(), "{numbers:?}");
        // All but the last ones are in one of the larger sizes.
        let rest = table.segments.iter().filter(|segment| size(segment) <= 2);
        assert!(rest.map(|segment| segment.rows).sum::<u64>() < 1_000);
    }

    #[test]
    fn deleted_rows_are_left_out_when_they_are_many() {
        let data = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(data.path()).unwrap());
        let mut table = empty();
        append(&folder, &mut table, 0..10_000);
        append(&folder, &mut table, 10_000..10_010);
        append(&folder, &mut table, 10_010..10_020);
        let delete = |segment: &mut Arc<Segment>, rows: std::ops::Range<u32>| {
            Arc::make_mut(segment).deleted = rows.collect();
        };
        delete(&mut table.segments[0], 0..4_096);
        delete(&mut table.segments[1], 0..10);
        let few = compacted(&folder, &table).unwrap();
        assert_eq!(few.segments[0].rows, 10_000);
        assert_eq!(few.segments.len(), 2);
        delete(&mut table.segments[0], 0..4_097);
        let many = compacted(&folder, &table).unwrap();
        assert_eq!(many.segments[0].rows, 10_000 - 4_097);
        for table in [few, many] {
            let first = table.segments[0].deleted.len().max(4_096) as i32;
            let left = values(&table);
            assert_eq!(left.last(), Some(&10_019));
            assert!(left.len() as i32 <= 10_000 - first + 10);
        }
    }
}
