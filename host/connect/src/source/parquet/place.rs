//! Which file, row, column and value a read failed at: the magic bytes, the footer, then every column of every row group by itself,
//! with the decoders and casts of the scan.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::FileExt,
    sync::Arc,
};

use arrow::{
    datatypes::{DataType, Field, SchemaRef},
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader},
        reader::{ChunkReader, Length},
    },
};
use transom_sql::{lossless::Loss, type_name};

use super::{exact, footer, guard, reads_text, thrift};
use crate::aws::ObjectFile;
use crate::source::{
    FileSource, Input, Location, SourceError, error::Misfit, io_error, open::unknown_bucket, shown,
};

const MAGIC: &[u8; 4] = b"PAR1";
/// Rows that are decoded at once while nothing is wrong.
const CHUNK_ROWS: usize = 4096;
/// Bytes of an object's end that are read at once: most footers are smaller.
const TAIL: u64 = 64 << 10;

/// Whether a file can be Parquet at all; reads its first and last bytes.
pub(in crate::source) fn check_magic(
    source: &FileSource,
    found: &Input,
) -> Result<(), SourceError> {
    open_checked(source, found).map(drop)
}

/// The bytes of an object's end, with all of its footer: those that [`check_magic`] looks at, and its beginning, which is not worth a
/// request of its own.
pub(super) async fn checked_tail(
    source: &FileSource,
    found: &Input,
    object: &ObjectFile,
) -> Result<(u64, Bytes), SourceError> {
    let failed = |error| io_error(source, &found.path, std::io::Error::other(error));
    let bytes = object.bytes();
    let mut begin = bytes.saturating_sub(TAIL);
    let mut tail = object.read(begin..bytes).await.map_err(failed)?;
    let footer = footer_range(source, found, &tail)?;
    if footer.start < begin {
        let before = object.read(footer.start..begin).await.map_err(failed)?;
        tail = [before, tail].concat().into();
        begin = footer.start;
    }
    let at = |position: u64| (position - begin) as usize;
    let footer = &tail[at(footer.start)..at(footer.end)];
    thrift::check_footer(footer).map_err(|error| super::damaged(source, found, error))?;
    Ok((begin, tail))
}

/// Where the footer lies in a file that ends with `tail`.
///
/// The parquet crate takes the footer's length as it stands there, and reckons with it before it looks at the file's.
fn footer_range(
    source: &FileSource,
    found: &Input,
    tail: &[u8],
) -> Result<Range<u64>, SourceError> {
    let no_parquet = |part| SourceError::NotParquet {
        name: source.name.clone(),
        path: found.path.clone(),
        part,
    };
    let Some((rest, magic)) = tail.split_last_chunk::<4>() else {
        return Err(no_parquet("begin"));
    };
    if magic != MAGIC {
        return Err(no_parquet("end"));
    }
    let Some((_, length)) = rest.split_last_chunk::<4>() else {
        return Err(no_parquet("begin"));
    };
    let (length, bytes) = (u64::from(u32::from_le_bytes(*length)), found.bytes);
    // Two magic words and the length itself.
    let end = bytes.saturating_sub(8);
    let begin = end.checked_sub(length).filter(|begin| *begin >= 4);
    let begin = begin.ok_or_else(|| {
        let message = format!("a footer of {length} bytes in a file of {bytes}");
        super::damaged(source, found, ParquetError::General(message))
    })?;
    Ok(begin..end)
}

/// Opens a file that begins and ends as Parquet does, with a footer that has room in it.
fn open_checked(source: &FileSource, found: &Input) -> Result<Whole, SourceError> {
    let failed = |error| io_error(source, &found.path, error);
    let whole = Whole::open(source, found).map_err(failed)?;
    let read = |range| whole.read(range).map_err(failed);
    let bytes = found.bytes;
    if read(0..bytes.min(4))?.as_ref() != MAGIC {
        return Err(SourceError::NotParquet {
            name: source.name.clone(),
            path: found.path.clone(),
            part: "begin",
        });
    }
    let footer = footer_range(source, found, &read(bytes.saturating_sub(8)..bytes)?)?;
    thrift::check_footer(&read(footer)?).map_err(|error| super::damaged(source, found, error))?;
    Ok(whole)
}

/// A file or an object, to be read wherever its footer says.
enum Whole {
    File(File, u64),
    Object(ObjectFile),
}

impl Whole {
    fn open(source: &FileSource, found: &Input) -> io::Result<Self> {
        match &found.location {
            Location::File(path) => Ok(Self::File(File::open(path)?, found.bytes)),
            Location::Object { .. } => source
                .object(found)
                .map(Self::Object)
                .ok_or_else(unknown_bucket),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::File(_, bytes) => *bytes,
            Self::Object(object) => object.bytes(),
        }
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        match self {
            Self::File(file, _) => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                file.read_exact_at(&mut bytes, range.start)?;
                Ok(bytes.into())
            }
            Self::Object(object) => object.read_now(range),
        }
    }
}

/// For readers that want one of their own.
#[derive(Clone)]
struct Shared(Arc<Whole>);

impl Length for Shared {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Shared {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self.0.as_ref() {
            Whole::File(file, _) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(start))?;
                Box::new(BufReader::new(file))
            }
            Whole::Object(object) => Box::new(object.clone().read_from(start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        Ok(self.0.read(start..start + length as u64)?)
    }
}

/// The first thing that is wrong in the file. `table` are the columns that it is read as; without them, all columns are only decoded.
/// Blocking.
pub(in crate::source) fn diagnose(
    source: &FileSource,
    found: &Input,
    table: Option<&SchemaRef>,
) -> Result<(), SourceError> {
    let file = Shared(Arc::new(open_checked(source, found)?));
    let damaged = |error| super::damaged(source, found, error);
    let footer = guard::caught(|| ParquetMetaDataReader::new().parse_and_finish(&file));
    let footer = footer.map_err(damaged)?;
    let text = |name: &str| table.is_some_and(|table| reads_text(table)(name));
    let trusted = guard::caught(|| footer::trusted(&footer, found.bytes, &text));
    let trusted = Arc::new(trusted.map_err(damaged)?);
    let read = guard::caught(|| ArrowReaderMetadata::try_new(trusted, ArrowReaderOptions::new()))
        .map_err(damaged)?;
    let mut first_row = 0;
    for row_group in 0..read.metadata().num_row_groups() {
        for (position, field) in read.schema().fields().iter().enumerate() {
            // Only what the table has is read.
            let wanted = table.map(|table| table.field_with_name(field.name()));
            if matches!(wanted, Some(Err(_))) {
                continue;
            }
            let wanted = wanted.and_then(Result::ok).map(|field| field.data_type());
            let part = Part {
                file: file.clone(),
                row_group,
                position,
            };
            let loss = match part.read(&read, wanted) {
                Ok(()) => continue,
                Err(Failure::Lost(loss)) => loss,
                Err(Failure::Damaged(error)) => match part.read_bytes(&footer, field, wanted) {
                    // Text that is no UTF-8 fails a whole page; as bytes, it can be looked at one by one.
                    Err(Failure::Lost(loss)) => loss,
                    _ => {
                        return Err(SourceError::ParquetData {
                            name: source.name.clone(),
                            path: found.path.clone(),
                            column: field.name().clone(),
                            row_group: row_group + 1,
                            source: Box::new(error),
                        });
                    }
                },
            };
            return Err(SourceError::ParquetValue {
                name: source.name.clone(),
                path: found.path.clone(),
                row: first_row + loss.row as u64 + 1,
                column: field.name().as_str().into(),
                misfit: Box::new(Misfit {
                    within: loss.path,
                    value: shown(&loss.value),
                    found: type_name(&loss.from),
                    whole: type_name(field.data_type()),
                    expected: type_name(&loss.to),
                }),
            });
        }
        first_row += read.metadata().row_group(row_group).num_rows() as u64;
    }
    Ok(())
}

/// Why a column cannot be read.
enum Failure {
    /// A value would change; its row is counted from the row group's first.
    Lost(Loss),
    Damaged(ArrowError),
}

/// One column of one row group.
struct Part {
    file: Shared,
    row_group: usize,
    position: usize,
}

impl Part {
    fn read(
        &self,
        metadata: &ArrowReaderMetadata,
        wanted: Option<&DataType>,
    ) -> Result<(), Failure> {
        let read = || self.try_read(metadata, wanted);
        guard::catch(read).unwrap_or_else(|panic| {
            let said = guard::said(panic.as_ref());
            Err(Failure::Damaged(ArrowError::ParquetError(said)))
        })
    }

    /// The column with its texts as bytes.
    fn read_bytes(
        &self,
        footer: &ParquetMetaData,
        field: &Field,
        wanted: Option<&DataType>,
    ) -> Result<(), Failure> {
        let of_arrow = |error| Failure::Damaged(ArrowError::from(error));
        // Else the writer's Arrow schema would turn bytes into text again.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let raw = footer::as_bytes(footer).map_err(of_arrow)?;
        let raw = ArrowReaderMetadata::try_new(Arc::new(raw), options).map_err(of_arrow)?;
        self.read(&raw, Some(wanted.unwrap_or(field.data_type())))
    }

    /// The headers of the pages of all columns that are parts of this one.
    fn check_pages(&self, metadata: &ParquetMetaData) -> Result<(), ParquetError> {
        let root = metadata.file_metadata().schema_descr();
        let row_group = metadata.row_group(self.row_group);
        for (leaf, column) in row_group.columns().iter().enumerate() {
            if root.get_column_root_idx(leaf) != self.position {
                continue;
            }
            let (begin, length) = column.byte_range();
            let end = begin.saturating_add(length).min(self.file.0.len());
            let bytes = self.file.0.read(begin.min(end)..end)?;
            thrift::check_pages(&bytes, column.num_values())?;
        }
        Ok(())
    }

    fn try_read(
        &self,
        metadata: &ArrowReaderMetadata,
        wanted: Option<&DataType>,
    ) -> Result<(), Failure> {
        let file = self.file.clone();
        self.check_pages(metadata.metadata())
            .map_err(|error| Failure::Damaged(error.into()))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), [self.position]);
        let batches = builder
            .with_projection(mask)
            .with_row_groups(vec![self.row_group])
            .with_batch_size(CHUNK_ROWS)
            .build()
            .map_err(|error| Failure::Damaged(error.into()))?;
        let mut rows = 0;
        for batch in batches {
            let batch = batch.map_err(Failure::Damaged)?;
            if let Some(wanted) = wanted {
                exact::cast(batch.column(0), wanted).map_err(|loss| {
                    let row = rows + loss.row;
                    Failure::Lost(Loss { row, ..loss })
                })?;
            }
            rows += batch.num_rows();
        }
        Ok(())
    }
}
