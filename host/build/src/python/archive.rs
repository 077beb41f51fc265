//! The zip: entries sorted, stored, with one time and one set of permissions, so that the same files give the same bytes.
//!
//! Entries are not compressed: what a compressor makes of the same bytes changes with its version, and so would the digest in
//! a lock file.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::BuildError;

/// Files by their path in the archive, with `/` between folders.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A file or folder that may go into an archive.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Its place in the archive.
    pub(super) inside: String,
    pub(super) is_folder: bool,
}

/// The files below `folder`, placed below `inside`, of which `takes` says yes, and to each folder that leads there.
pub(super) fn collect(
    folder: &Path,
    inside: &str,
    takes: &dyn Fn(&Entry) -> Result<bool, BuildError>,
) -> Result<Files, BuildError> {
    let mut files = Files::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        // A name that is not UTF-8 is none of a module, nor of what belongs to one.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let entry = Entry {
            inside: if inside.is_empty() {
                name.clone()
            } else {
                format!("{inside}/{name}")
            },
            name,
            path: entry.path(),
            is_folder: entry.file_type()?.is_dir(),
        };
        // A link to a file is taken as the file, one to a folder is not followed: it could run in circles.
        if !(entry.is_folder || entry.path.is_file()) || !takes(&entry)? {
            continue;
        }
        if entry.is_folder {
            files.extend(collect(&entry.path, &entry.inside, takes)?);
        } else {
            files.insert(entry.inside, fs_err::read(&entry.path)?);
        }
    }
    Ok(files)
}

/// Writes `files` into a zip.
pub(super) fn write(files: &Files) -> Result<Vec<u8>, BuildError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        // 1 January 1980, before which zip knows no time.
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        writer
            .start_file(path.as_str(), options)
            .map_err(std::io::Error::from)?;
        writer.write_all(content)?;
    }
    let written = writer.finish().map_err(std::io::Error::from)?;
    Ok(written.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn files() -> Files {
        let file = |path: &str, content: &str| (path.to_owned(), content.as_bytes().to_vec());
        [
            file("weather.py", "import transom\n"),
            file("vendor/a/ü.py", ""),
        ]
        .into()
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let bytes = write(&files()).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(names, ["vendor/a/ü.py", "weather.py"]);
        let mut text = String::new();
        let mut entry = archive.by_name("weather.py").unwrap();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "import transom\n");
    }

    #[test]
    fn the_same_files_give_the_same_bytes_at_any_time() {
        let first = write(&files()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        // Times of zip entries have steps of two seconds.
        assert_eq!(write(&files()).unwrap(), first);
    }
}
