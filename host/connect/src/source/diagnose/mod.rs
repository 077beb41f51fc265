//! Which file, line, column and value a read failed at.
//!
//! DataFusion's errors name no file, and their lines count from where a range began. So after a failure the files are read
//! again in order, with the same decoders (parquet), in pieces that shrink around the failure.

use arrow::datatypes::SchemaRef;

use super::{FileSource, SourceError, listing::Listing, parquet};
use crate::format::Format;

/// Rows that are decoded at once while nothing is wrong.
pub(super) const CHUNK_ROWS: usize = 4096;

/// The first thing that is wrong in the files, as an error. `schema` has no partition columns. Blocking.
pub(super) fn diagnose(
    source: &FileSource,
    listing: &Listing,
    schema: &SchemaRef,
) -> Result<(), SourceError> {
    for found in listing.files.iter().filter(|found| found.bytes > 0) {
        match &source.format {
            // Its errors have their place.
            Format::Csv(_) | Format::Json => {}
            Format::Parquet => parquet::diagnose(source, found, Some(schema))?,
        }
    }
    Ok(())
}

/// What is wrong in the files whatever their columns: for when the columns cannot be told. Blocking.
pub(super) fn diagnose_structure(
    source: &FileSource,
    listing: &Listing,
) -> Result<(), SourceError> {
    for found in listing.files.iter().filter(|found| found.bytes > 0) {
        match &source.format {
            Format::Csv(_) | Format::Json => {}
            Format::Parquet => parquet::diagnose(source, found, None)?,
        }
    }
    Ok(())
}
