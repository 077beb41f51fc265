//! The SDKs that this program brings along, and their place beside a plugin: `.transom/sdk/<language>` in its folder.
//!
//! A plugin that was begun with `transom init` depends on that folder. It is not under version control: [`crate::build`] writes it
//! anew wherever it is missing or another program's.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{BuildError, Language};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Where SDKs are, within a plugin's folder.
const FOLDER: &str = ".transom/sdk";

/// Holds the digest of the SDK beside it.
const STAMP: &str = ".digest";

/// The SDK's folder for a plugin in `language`, relative to the plugin's.
#[must_use]
pub fn sdk_folder(language: Language) -> PathBuf {
    Path::new(FOLDER).join(language.to_string().to_lowercase())
}

/// Writes the SDK of `language` beside the plugin in `folder`, unless it is there already.
///
/// # Errors
/// [`BuildError::Io`] when the disk refuses.
pub fn place_sdk(folder: &Path, language: Language) -> Result<(), BuildError> {
    let files = files(language);
    let digest = digest(files);
    let sdk = folder.join(sdk_folder(language));
    let stamp = sdk.join(STAMP);
    if fs_err::read_to_string(&stamp).is_ok_and(|found| found == digest) {
        return Ok(());
    }
    // A plugin may be a stranger's: a link here would have files replaced somewhere else.
    for folder in [folder.join(".transom"), folder.join(FOLDER), sdk.clone()] {
        if fs_err::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
            let message = format!(
                "`{}` is a link; the SDK needs a folder of its own",
                folder.display()
            );
            return Err(std::io::Error::other(message).into());
        }
    }
    // What an older SDK had and this one has not must go.
    match fs_err::remove_dir_all(&sdk) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    for (name, bytes) in files {
        let path = sdk.join(name);
        fs_err::create_dir_all(path.parent().unwrap_or(&sdk))?;
        fs_err::write(path, bytes)?;
    }
    crate::build::keep_out_of_version_control(folder)?;
    // Last, so that an SDK that was written in part is not taken for whole.
    Ok(fs_err::write(stamp, digest)?)
}

/// What `<runner>.digest` holds beside the Python runner that belongs to this program: SHA-256 of its sources, as
/// `plugins/sdk/python/runner/build` computes it.
#[must_use]
pub fn python_runner_digest() -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in RUNNER {
        hasher.update(format!("{name}\0{}\0", bytes.len()));
        hasher.update(bytes);
    }
    format!("{:x}", hasher.finalize())
}

/// Writes the SDK if the plugin's manifest speaks of its place.
pub(crate) fn place_if_used(folder: &Path, language: Language) -> Result<(), BuildError> {
    let manifest = fs_err::read_to_string(folder.join(language.marker()))?;
    match manifest.contains(FOLDER) {
        true => place_sdk(folder, language),
        false => Ok(()),
    }
}

const fn files(language: Language) -> &'static [(&'static str, &'static [u8])] {
    match language {
        Language::Rust => RUST,
        Language::Go => GO,
        Language::Python => PYTHON,
    }
}

/// The digest of the SDK of a language: of what a plugin that is built now may be built with.
pub(crate) fn digest_of(language: Language) -> String {
    digest(files(language))
}

fn digest(files: &[(&str, &[u8])]) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in files {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    format!("{:x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_is_written_once_and_again_when_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        for (language, file) in [
            (Language::Rust, "wit/transom.wit"),
            (Language::Go, "transform.go"),
            (Language::Python, "transom/__init__.py"),
        ] {
            place_sdk(folder.path(), language).unwrap();
            let sdk = folder.path().join(sdk_folder(language));
            assert!(sdk.join(file).is_file(), "{language}");
            assert!(!sdk.join("tests").exists(), "{language}");

            // As it is, it stays: a newer file would make the plugin stale.
            fs_err::write(sdk.join("left"), "").unwrap();
            place_sdk(folder.path(), language).unwrap();
            assert!(sdk.join("left").exists());
            fs_err::write(sdk.join(STAMP), "of an older one").unwrap();
            place_sdk(folder.path(), language).unwrap();
            assert!(!sdk.join("left").exists());
        }
        assert!(folder.path().join(".transom/.gitignore").is_file());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_replaced_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs_err::create_dir(elsewhere.path().join("go")).unwrap();
        fs_err::write(elsewhere.path().join("go/work.txt"), "mine").unwrap();
        fs_err::create_dir(folder.path().join(".transom")).unwrap();
        let link = folder.path().join(FOLDER);
        std::os::unix::fs::symlink(elsewhere.path(), link).unwrap();
        let error = place_sdk(folder.path(), Language::Go).unwrap_err();
        assert!(matches!(error, BuildError::Io(_)), "{error}");
        assert!(elsewhere.path().join("go/work.txt").is_file());
    }
}
