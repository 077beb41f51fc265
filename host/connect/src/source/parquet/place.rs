//! Which file, row, column and value a read failed at: the magic bytes, the footer, then every column of every row group by itself,
//! with the decoders and casts of the scan.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    datatypes::{DataType, Field, SchemaRef},
    error::ArrowError,
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};
use transom_sql::{lossless::Loss, type_name};

use super::{exact, footer, guard, reads_text, thrift};
use crate::source::{FileSource, Input, SourceError, io_error, shown};

const MAGIC: &[u8; 4] = b"PAR1";
/// Rows that are decoded at once while nothing is wrong.
const CHUNK_ROWS: usize = 4096;

/// Whether a file can be Parquet at all; reads its first and last bytes.
pub(in crate::source) fn check_magic(
    source: &FileSource,
    found: &Input,
) -> Result<(), SourceError> {
    open_checked(source, found).map(drop)
}

/// Opens a file that begins and ends as Parquet does, with a footer that has room in it.
///
/// The parquet crate takes the footer's length as it stands there, and reckons with it before it looks at the file's.
fn open_checked(source: &FileSource, found: &Input) -> Result<File, SourceError> {
    let failed = |error| io_error(source, &found.path, error);
    let mut file = File::open(&found.location).map_err(failed)?;
    for (part, from) in [("begin", SeekFrom::Start(0)), ("end", SeekFrom::End(-4))] {
        let mut magic = [0; 4];
        // A file of less than four bytes has no such place: not Parquet either.
        let read = file.seek(from).and_then(|_| file.read_exact(&mut magic));
        if read.is_err() || &magic != MAGIC {
            return Err(SourceError::NotParquet {
                name: source.name.clone(),
                path: found.path.clone(),
                part,
            });
        }
    }
    let mut length = [0; 4];
    file.seek(SeekFrom::End(-8))
        .and_then(|_| file.read_exact(&mut length))
        .map_err(failed)?;
    let (length, bytes) = (u64::from(u32::from_le_bytes(length)), found.bytes);
    let damaged = |error| SourceError::ParquetFooter {
        name: source.name.clone(),
        path: found.path.clone(),
        source: error,
    };
    // Two magic words and the length itself.
    let begin = bytes
        .checked_sub(length)
        .and_then(|begin| begin.checked_sub(8));
    let Some(begin) = begin.filter(|begin| *begin >= 4) else {
        let message = format!("a footer of {length} bytes in a file of {bytes}");
        return Err(damaged(ParquetError::General(message)));
    };
    let mut footer = vec![0; length as usize];
    file.seek(SeekFrom::Start(begin))
        .and_then(|_| file.read_exact(&mut footer))
        .map_err(failed)?;
    thrift::check_footer(&footer).map_err(damaged)?;
    Ok(file)
}

/// The first thing that is wrong in the file. `table` are the columns that it is read as; without them, all columns are only decoded.
/// Blocking.
pub(in crate::source) fn diagnose(
    source: &FileSource,
    found: &Input,
    table: Option<&SchemaRef>,
) -> Result<(), SourceError> {
    let file = open_checked(source, found)?;
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
                file: &file,
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
                            row_group,
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
                value: shown(&loss.value).into(),
                found: type_name(&loss.from).into(),
                expected: type_name(&loss.to).into(),
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
struct Part<'a> {
    file: &'a File,
    row_group: usize,
    position: usize,
}

impl Part<'_> {
    fn read(
        &self,
        metadata: &ArrowReaderMetadata,
        wanted: Option<&DataType>,
    ) -> Result<(), Failure> {
        let read = || self.try_read(metadata, wanted);
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
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
            let mut file = self.file;
            file.seek(SeekFrom::Start(begin))?;
            let mut bytes = Vec::new();
            file.take(length).read_to_end(&mut bytes)?;
            thrift::check_pages(&bytes, column.num_values())?;
        }
        Ok(())
    }

    fn try_read(
        &self,
        metadata: &ArrowReaderMetadata,
        wanted: Option<&DataType>,
    ) -> Result<(), Failure> {
        let file = self.file.try_clone();
        let file = file.map_err(|error| Failure::Damaged(error.into()))?;
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
