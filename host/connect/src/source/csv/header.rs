//! The header of a CSV file, and which of its columns are the table's.

use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;

use super::{CsvFile, Rows};
use transom_file::spec::CsvOptions;

use crate::source::{
    FileSource, SourceError, Unknown, error::quoted, inputs::Input, partitions::Partitions,
};

/// Characters that delimit columns where commas do not.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The names of a file's columns: none is empty, and none comes twice.
pub(super) struct Header {
    pub(super) names: Vec<String>,
    /// Whether the first name is in quotes: it holds what it holds on purpose.
    quoted: bool,
}

impl Header {
    pub(super) fn of(file: &CsvFile<'_>, rows: &Rows) -> Result<Self, SourceError> {
        let text = file.utf8(rows)?;
        let mut names: Vec<String> = Vec::with_capacity(rows.width);
        for column in 0..rows.width {
            let name = &text[rows.field(0, column).0];
            if name.is_empty() {
                return Err(SourceError::UnnamedColumn {
                    name: file.source.name.clone(),
                    path: file.path.to_owned(),
                    line: rows.lines[0],
                    position: column + 1,
                    columns: rows.width,
                });
            }
            if let Some(first) = names.iter().position(|earlier| earlier == name) {
                return Err(SourceError::DuplicateColumn {
                    name: file.source.name.clone(),
                    path: file.path.to_owned(),
                    column: name.to_owned(),
                    first: first + 1,
                    second: column + 1,
                });
            }
            names.push(name.to_owned());
        }
        Ok(Self {
            names,
            quoted: rows.field(0, 0).1,
        })
    }

    /// The delimiter that the file seems to have, if it has another than the options say.
    pub(super) fn other_delimiter(&self, options: &CsvOptions) -> Option<char> {
        let (false, [name]) = (self.quoted, self.names.as_slice()) else {
            return None;
        };
        let count = |delimiter: u8| name.bytes().filter(|byte| *byte == delimiter).count();
        let others = DELIMITERS
            .into_iter()
            .filter(|other| *other != options.delimiter);
        let other = others.max_by_key(|other| count(*other))?;
        (count(other) > 0).then_some(char::from(other))
    }

    /// What to do about a row of `found` fields in `line`.
    pub(super) fn count_hint(
        &self,
        options: &CsvOptions,
        line: u64,
        found: usize,
    ) -> Option<String> {
        if let Some(other) = self.other_delimiter(options) {
            return Some(delimiter_hint(other));
        }
        // A title above the header has fewer fields than what follows.
        (found > self.names.len()).then(|| {
            format!(
                "check the delimiter, and quotes around fields that hold it; if the lines above are no data, leave them out with `csv: {{ skip: {} }}`",
                line - 1
            )
        })
    }
}

pub(in crate::source) fn delimiter_hint(delimiter: char) -> String {
    let delimiter = delimiter.escape_default();
    format!("name the delimiter: `csv: {{ delimiter: \"{delimiter}\" }}`")
}

/// Where the table's columns are in a file.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// By the table's columns. Empty if the file is.
    pub(super) positions: Vec<usize>,
    /// Columns of the file that the table has not.
    pub(super) unknown: Vec<String>,
}

impl Columns {
    /// By name where there is a header, by position otherwise.
    pub(super) fn of(file: &mut CsvFile<'_>, schema: &Schema) -> Result<Self, SourceError> {
        let Some(header) = &file.header else {
            file.records.width = Some(schema.fields().len());
            return Ok(Self {
                positions: (0..schema.fields().len()).collect(),
                unknown: Vec::new(),
            });
        };
        let names = &header.names;
        let mut positions = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            match names.iter().position(|name| name == field.name()) {
                Some(position) => positions.push(position),
                None => return Err(missing(file, header, field.name())),
            }
        }
        let unknown = names.iter().filter(|name| schema.index_of(name).is_err());
        let unknown: Vec<String> = unknown.cloned().collect();
        match unknown.first() {
            Some(column) if file.source.unknown == Unknown::Fail => {
                Err(SourceError::UnknownColumn {
                    name: file.source.name.clone(),
                    path: file.path.to_owned(),
                    column: column.clone(),
                })
            }
            _ => Ok(Self { positions, unknown }),
        }
    }
}

fn missing(file: &CsvFile<'_>, header: &Header, column: &str) -> SourceError {
    if let Some(delimiter) = header.other_delimiter(file.options) {
        return one_column(file, header, delimiter);
    }
    let names = header.names.iter().map(String::as_str);
    SourceError::MissingColumn {
        name: file.source.name.clone(),
        path: file.path.to_owned(),
        column: column.to_owned(),
        similar: transom_file::nearest(column, names.clone()).map(str::to_owned),
        found: quoted(names).into(),
    }
}

pub(super) fn one_column(file: &CsvFile<'_>, header: &Header, delimiter: char) -> SourceError {
    SourceError::OneColumn {
        name: file.source.name.clone(),
        path: file.path.to_owned(),
        which: "named",
        column: header.names[0].clone(),
        delimiter,
    }
}

/// What the values of a table's only column have in common, where no header tells.
#[derive(Default)]
pub(super) struct OnlyColumn {
    /// The file, the first value, and how often each delimiter is in this one; 0 of those that are not as often in another.
    first: Option<(PathBuf, String, [usize; DELIMITERS.len()])>,
}

impl OnlyColumn {
    pub(super) fn observe(&mut self, path: &Path, text: &str, quoted: bool) {
        let counts = DELIMITERS.map(|delimiter| match quoted {
            // It holds what it holds on purpose.
            true => 0,
            false => text.bytes().filter(|byte| *byte == delimiter).count(),
        });
        match &mut self.first {
            None => self.first = Some((path.to_owned(), text.to_owned(), counts)),
            Some((_, _, known)) => {
                for (known, found) in known.iter_mut().zip(counts) {
                    if *known != found {
                        *known = 0;
                    }
                }
            }
        }
    }

    /// An error if every value has another delimiter than the options say, and as often as the others.
    pub(super) fn check(
        self,
        source: &FileSource,
        options: &CsvOptions,
    ) -> Result<(), SourceError> {
        let Some((path, column, counts)) = self.first else {
            return Ok(());
        };
        let others = DELIMITERS.into_iter().zip(counts);
        let other = others
            .filter(|(other, count)| match other {
                // One comma may be that of a number.
                b',' => *count > 1,
                other => *count > 0 && *other != options.delimiter,
            })
            .max_by_key(|(_, count)| *count);
        match other {
            Some((delimiter, _)) => Err(SourceError::OneColumn {
                name: source.name.clone(),
                path,
                which: "which holds",
                column,
                delimiter: char::from(delimiter),
            }),
            None => Ok(()),
        }
    }
}

/// Whether a file has the table's columns. `schema` has no partition columns.
pub(in crate::source) fn check_header(
    source: &FileSource,
    options: &CsvOptions,
    found: &Input,
    schema: &Schema,
    partitions: &Partitions,
) -> Result<(), SourceError> {
    let Some(mut file) = CsvFile::open(source, options, found)? else {
        return Ok(());
    };
    if let Some(header) = &file.header {
        partitions.check_names(source, &found.path, header.names.iter(), false)?;
    }
    Columns::of(&mut file, schema).map(drop)
}
