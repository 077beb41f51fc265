//! Parquet: the magic bytes, the footer, then every column of every row group by itself.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use arrow::{
    array::RecordBatch,
    compute::{CastOptions, cast_with_options},
    datatypes::SchemaRef,
    error::ArrowError,
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};
use parquet::errors::ParquetError;

use super::CHUNK_ROWS;
use crate::source::{FileSource, SourceError, io_error, listing::Found};

const MAGIC: &[u8; 4] = b"PAR1";

/// Opens a file that begins and ends as Parquet does, with a footer that has room in it.
///
/// The parquet crate takes the footer's length as it stands there, and reckons with it before it looks at the file's.
pub(super) fn open_checked(source: &FileSource, found: &Found) -> Result<File, SourceError> {
    let failed = |error| io_error(source, &found.path, error);
    let mut file = File::open(&found.resolved).map_err(failed)?;
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
    // Two magic words and the length itself.
    match length.checked_add(12) {
        Some(needed) if needed <= bytes => Ok(file),
        _ => Err(SourceError::ParquetFooter {
            name: source.name.clone(),
            path: found.path.clone(),
            source: ParquetError::General(format!(
                "a footer of {length} bytes in a file of {bytes}"
            )),
        }),
    }
}

pub(super) fn diagnose(
    source: &FileSource,
    found: &Found,
    schema: Option<&SchemaRef>,
) -> Result<(), SourceError> {
    let file = open_checked(source, found)?;
    let metadata =
        ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|error| {
            SourceError::ParquetFooter {
                name: source.name.clone(),
                path: found.path.clone(),
                source: error,
            }
        })?;
    for row_group in 0..metadata.metadata().num_row_groups() {
        for (position, field) in metadata.schema().fields().iter().enumerate() {
            // Only what the table has is read.
            let expected = schema.map(|schema| schema.field_with_name(field.name()));
            if matches!(expected, Some(Err(_))) {
                continue;
            }
            let part = Part {
                file: &file,
                metadata: &metadata,
                row_group,
                position,
            };
            part.read(&mut |_| Ok(()))
                .map_err(|error| SourceError::ParquetData {
                    name: source.name.clone(),
                    path: found.path.clone(),
                    column: field.name().clone(),
                    row_group,
                    source: Box::new(error),
                })?;
            let Some(Ok(expected)) = expected else {
                continue;
            };
            if expected.data_type() == field.data_type() {
                continue;
            }
            let strict = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            part.read(&mut |batch| {
                cast_with_options(batch.column(0), expected.data_type(), &strict).map(drop)
            })
            .map_err(|error| SourceError::ParquetType {
                name: source.name.clone(),
                path: found.path.clone(),
                column: field.name().clone(),
                row_group,
                found: Box::new(field.data_type().clone()),
                expected: Box::new(expected.data_type().clone()),
                source: Box::new(error),
            })?;
        }
    }
    Ok(())
}

/// One column of one row group.
struct Part<'a> {
    file: &'a File,
    metadata: &'a ArrowReaderMetadata,
    row_group: usize,
    position: usize,
}

impl Part<'_> {
    fn read(
        &self,
        each: &mut dyn FnMut(&RecordBatch) -> Result<(), ArrowError>,
    ) -> Result<(), ArrowError> {
        let file = self.file.try_clone()?;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), [self.position]);
        let batches = builder
            .with_projection(mask)
            .with_row_groups(vec![self.row_group])
            .with_batch_size(CHUNK_ROWS)
            .build()?;
        for batch in batches {
            each(&batch?)?;
        }
        Ok(())
    }
}
