//! Plugins that are source: a zip archive of files, run by a language's runner.
//!
//! The archive comes from the plugin's author, so sizes are bounded while it is read and not believed beforehand. What the
//! files mean, a manifest among them, is the runner's matter.

use std::io::{Cursor, Read};

/// How a zip archive that holds files begins.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

/// Files that an archive may hold.
const MAX_FILES: usize = 10_000;

/// The files of an archive by path, at most `max_bytes` in all; or why it cannot be read.
pub(crate) fn unpack(archive: &[u8], max_bytes: usize) -> Result<Vec<(String, Vec<u8>)>, String> {
    let unreadable = |error: zip::result::ZipError| format!("its archive cannot be read: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).map_err(unreadable)?;
    if archive.len() > MAX_FILES {
        return Err(format!(
            "its archive holds {} files; allowed are {MAX_FILES}",
            archive.len()
        ));
    }
    let mut files = Vec::with_capacity(archive.len());
    let mut left = max_bytes;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(unreadable)?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(unreadable)?.into_owned();
        let mut bytes = Vec::new();
        file.take(left as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("`{name}` in its archive cannot be read: {error}"))?;
        left = left.checked_sub(bytes.len()).ok_or_else(|| {
            format!(
                "the files in its archive are larger than {}",
                crate::limits::bytes(max_bytes)
            )
        })?;
        files.push((name, bytes));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn files_come_out_with_their_paths() {
        let archive = archive(&[("a.py", b"import b"), ("b/__init__.py", b"")]);
        assert!(archive.starts_with(MAGIC));
        assert_eq!(
            unpack(&archive, 100).unwrap(),
            [
                ("a.py".to_owned(), b"import b".to_vec()),
                ("b/__init__.py".to_owned(), vec![])
            ]
        );
    }

    #[test]
    fn an_archive_that_grows_beyond_the_limit_is_refused() {
        let bomb = archive(&[("zeros", &[0; 100_000]), ("more", &[0; 100_000])]);
        assert!(bomb.len() < 2_000);
        assert_eq!(
            unpack(&bomb, 150_000).unwrap_err(),
            "the files in its archive are larger than 146.5 KiB"
        );
    }

    #[test]
    fn a_torn_archive_is_refused() {
        let archive = archive(&[("a.py", b"import b")]);
        for length in 4..archive.len() {
            let error = unpack(&archive[..length], 100).unwrap_err();
            assert!(error.contains("cannot be read"), "{error}");
        }
    }
}
