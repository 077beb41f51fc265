//! The function's zip, and what Lambda takes of it.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use transom_pipeline::report::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::failure::Failure;

/// Bytes of a zip that Lambda takes in a request.
const ZIPPED: u64 = 50 << 20;
/// Bytes of all files that Lambda takes.
const UNZIPPED: u64 = 262_144_000;
/// Files that are named when a package is too large.
const NAMED: usize = 5;

/// How large a function is.
#[derive(Debug, Serialize)]
pub(crate) struct Sizes {
    /// Bytes of the zip.
    pub(crate) zipped: u64,
    /// Bytes of all files.
    pub(crate) unzipped: u64,
    /// Bytes of each file in the zip, the largest first.
    files: Vec<(String, u64)>,
}

impl Sizes {
    /// Refuses what Lambda does not take.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let (what, size, allowed) = match self {
            Self { zipped, .. } if *zipped > ZIPPED => ("zipped", *zipped, ZIPPED),
            Self { unzipped, .. } if *unzipped > UNZIPPED => ("unzipped", *unzipped, UNZIPPED),
            _ => return Ok(()),
        };
        let (size, allowed) = (Bytes(size), Bytes(allowed));
        let files = self.files.iter().take(NAMED);
        let files = files.map(|(name, bytes)| format!("{name} {}", Bytes(*bytes)));
        let files: Vec<String> = files.collect();
        Err(Failure::Usage {
            message: format!("the function has {size} {what}, and Lambda takes {allowed}"),
            hint: Some(format!("the largest files are {}", files.join(", "))),
        })
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            zipped, unzipped, ..
        } = self;
        write!(
            f,
            "{} of {} zipped, {} of {} unzipped",
            Bytes(*zipped),
            Bytes(ZIPPED),
            Bytes(*unzipped),
            Bytes(UNZIPPED)
        )
    }
}

/// Packs all files of a folder. The same files give the same bytes: entries are sorted, and have one time.
pub(crate) fn zip(folder: &Path, into: &Path) -> Result<Sizes, Failure> {
    pack(folder, into).map_err(|source| Failure::Io {
        what: "the package cannot be zipped".to_owned(),
        source,
    })
}

fn pack(folder: &Path, into: &Path) -> std::io::Result<Sizes> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut paths: Vec<(String, PathBuf)> = Vec::new();
    for path in files {
        let inside = path.strip_prefix(folder).unwrap_or(&path);
        let inside: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        paths.push((inside.join("/"), path));
    }
    paths.sort();
    let mut writer = ZipWriter::new(fs::File::create(into)?);
    let mut sizes = Vec::new();
    for (name, path) in paths {
        let mut file = fs::File::open(&path)?;
        let is_program = is_executable(&file.metadata()?);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            // 1 January 1980, before which zip knows no time.
            .last_modified_time(DateTime::default())
            // Lambda runs the function as another user.
            .unix_permissions(if is_program { 0o755 } else { 0o644 });
        writer.start_file(name.as_str(), options)?;
        sizes.push((name, std::io::copy(&mut file, &mut writer)?));
    }
    writer.finish()?.flush()?;
    sizes.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    Ok(Sizes {
        zipped: fs::metadata(into)?.len(),
        unzipped: sizes.iter().map(|(_, bytes)| bytes).sum(),
        files: sizes,
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("function");
        let write = || {
            fs::create_dir_all(files.join("sql")).unwrap();
            for (name, text) in [("sql/b.sql", "SELECT 1"), ("a", &"a".repeat(1000))] {
                fs::write(files.join(name), text).unwrap();
            }
        };
        write();
        let (one, two) = (folder.path().join("1.zip"), folder.path().join("2.zip"));
        let sizes = zip(&files, &one).unwrap();
        assert_eq!(sizes.unzipped, 1008);
        assert!(sizes.zipped < 500);
        assert_eq!(sizes.files[0], ("a".to_owned(), 1000));
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        fs::remove_dir_all(&files).unwrap();
        write();
        zip(&files, &two).unwrap();
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }

    #[test]
    fn a_function_that_lambda_does_not_take_names_its_large_files() {
        let sizes = |zipped, unzipped| Sizes {
            zipped,
            unzipped,
            files: vec![("bootstrap".to_owned(), 200_000_000)],
        };
        sizes(ZIPPED, UNZIPPED).check().unwrap();
        for too_large in [sizes(ZIPPED + 1, 0), sizes(0, UNZIPPED + 1)] {
            let Failure::Usage { message, hint } = too_large.check().unwrap_err() else {
                panic!("another failure");
            };
            assert!(message.contains("Lambda takes"), "{message}");
            assert!(hint.unwrap().contains("bootstrap 200.0 MB"));
        }
    }
}
