//! From a pattern to the files it means. The files are found once and the list is kept: what was checked is what is read,
//! even if the table is published again in between.

mod bucket;
mod folder;

use std::path::Path;

use glob::{MatchOptions, Pattern};
use transom_file::spec::{Format, compression_not_read};

use super::{FileSource, SourceError};

pub(super) use self::bucket::list as list_bucket;
pub(super) use self::folder::{held, list};

/// Names shown when nothing matches.
const NAMES_SHOWN: usize = 8;

/// `*` stays within a folder, and takes no hidden file.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Spark's rule: `_SUCCESS`, `_delta_log` and `.part.crc` are not data, `_year=2024` is.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Whether a file is one of the source's.
enum Wanted {
    Yes,
    /// It lies in a folder of the source, but its name ends in another way.
    PassedOver,
    No,
}

impl Wanted {
    /// A file of the format that is compressed in a way that is not read is one of the source's, too: reading it says so.
    fn if_named(format: &Format, name: &str) -> Self {
        let is_packed = compression_not_read(name).is_some_and(|(_, inner)| format.takes(inner));
        if format.takes(name) || is_packed {
            Self::Yes
        } else {
            Self::PassedOver
        }
    }

    /// A file that matches is wanted whatever it is called; of a folder that matches, the files that are named as the format's.
    fn if_matching(format: &Format, pattern: &Pattern, path: &Path, name: &str) -> Self {
        // A name that is not UTF-8 is not passed over: what matches is taken, or an error.
        let matches = |path: &Path| pattern.matches_with(&path.to_string_lossy(), MATCHING);
        if matches(path) {
            return Self::Yes;
        }
        let in_folder = path
            .ancestors()
            .skip(1)
            .any(|folder| !folder.as_os_str().is_empty() && matches(folder));
        match in_folder {
            true => Self::if_named(format, name),
            false => Self::No,
        }
    }
}

fn compiled(source: &FileSource, pattern: &str) -> Result<Pattern, SourceError> {
    Pattern::new(pattern).map_err(|error| SourceError::Pattern {
        name: source.name.clone(),
        pattern: source.pattern.clone(),
        source: error,
    })
}

/// What a folder holds, for the message that nothing was found in it.
fn holds(mut names: Vec<String>) -> String {
    names.retain(|name| !is_hidden(name));
    names.sort();
    if names.is_empty() {
        return "is empty".to_owned();
    }
    let shown = super::error::quoted(names.iter().take(NAMES_SHOWN).map(String::as_str));
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => format!("holds {shown}"),
        more => format!("holds {shown} and {more} more"),
    }
}

/// Says what is there instead, since the mistake is mostly a name.
fn nothing(source: &FileSource, nearest: &str, holds: &str) -> SourceError {
    SourceError::NoFiles {
        name: source.name.clone(),
        format: source.format.name().shown(),
        pattern: source.pattern.clone(),
        root: source.root.clone().into(),
        nearest: format!("`{nearest}` {holds}"),
    }
}
