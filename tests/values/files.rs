//! Input files from their descriptions.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::case::{Content, Parquet};
use crate::program;
use crate::table::Table;

/// Writes a file into a folder, compressed with another `.gz` in its name if it is text and `gzip` is set.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    content: &Content,
    gzip: bool,
) -> Result<(), String> {
    let path = folder.join(name);
    let say = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    std::fs::create_dir_all(path.parent().expect("a folder")).map_err(|error| say(&error))?;
    let bytes = match content {
        Content::Text(text) => repeated(text).into_bytes(),
        Content::Hex { hex } => hexadecimal(hex)?,
        Content::Copy { copy } => {
            let from = program::repository().join("tests/values/files").join(copy);
            std::fs::read(from).map_err(|error| say(&error))?
        }
        Content::Parquet(parquet) => to_parquet(parquet).map_err(|error| say(&error))?,
    };
    if !gzip || name.ends_with(".parquet") {
        return std::fs::write(path, bytes).map_err(|error| say(&error));
    }
    let file = std::fs::File::create(folder.join(format!("{name}.gz")));
    let mut encoder = GzEncoder::new(file.map_err(|error| say(&error))?, Compression::fast());
    encoder.write_all(&bytes).map_err(|error| say(&error))?;
    encoder.finish().map(drop).map_err(|error| say(&error))
}

/// `@3 x{n}` becomes `x1`, `x2`, `x3`.
fn repeated(text: &str) -> String {
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        let repeat = line.strip_prefix('@').and_then(|rest| {
            let (times, line) = rest.split_once(' ')?;
            Some((times.parse::<usize>().ok()?, line))
        });
        match repeat {
            Some((times, line)) => {
                result.extend((1..=times).map(|n| line.replace("{n}", &n.to_string())));
            }
            None => result += line,
        }
    }
    result
}

/// The bytes that pairs of digits stand for.
pub(crate) fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pair = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
        u8::from_str_radix(pair, 16).map_err(|error| format!("{pair}: {error}"))
    };
    digits.chunks(2).map(pair).collect()
}

fn to_parquet(description: &Parquet) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let batch = Table::parse(&description.parquet)?.batch()?;
    let mut properties = WriterProperties::builder();
    if !description.statistics {
        properties = properties.set_statistics_enabled(EnabledStatistics::None);
    }
    if let Some(rows) = description.row_group {
        properties = properties.set_max_row_group_row_count(Some(rows));
    }
    let schema = Arc::clone(batch.schema_ref());
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties.build()))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}
