//! Which file, row, column and value a read of Parquet failed at.
//!
//! DataFusion's errors name no file. So after a failure the files are read again in order, with the same decoders, in pieces that
//! shrink around the failure. The readers of CSV and JSON place their errors themselves.

use arrow::datatypes::SchemaRef;

use super::{FileSource, SourceError, listing::Listing, parquet};
use transom_file::spec::Format;

/// Rows that are decoded at once while nothing is wrong.
pub(super) const CHUNK_ROWS: usize = 4096;

/// The first thing that is wrong in the files, as an error. `schema` has no partition columns; without it only what is wrong whatever
/// the columns are is found. Blocking.
pub(super) fn diagnose(
    source: &FileSource,
    listing: &Listing,
    schema: Option<&SchemaRef>,
) -> Result<(), SourceError> {
    for found in listing.files.iter().filter(|found| found.bytes > 0) {
        match &source.format {
            // Its errors have their place.
            Format::Csv(_) | Format::Json => {}
            Format::Parquet => parquet::diagnose(source, found, schema)?,
        }
    }
    Ok(())
}
