//! What the image of a container is built from, for AWS Batch: the program `transom`, the pipeline, and a file for `docker build`.

use std::path::Path;

use fs_err as fs;

use super::BOOTSTRAP;
use super::program::{Glibc, Program};
use crate::failure::Failure;

/// The base has a C library and certificates, no shell, and a user that is not root.
const CONTAINERFILE: &str = "\
# docker build --tag NAME --file FOLDER/Containerfile FOLDER, with the folder of this file; podman takes the same.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --chmod=755 transom /usr/local/bin/transom
COPY pipeline /pipeline
WORKDIR /pipeline
ENTRYPOINT [\"/usr/local/bin/transom\", \"run\", \"--batch\"]
";

/// Writes the context of an image, with the pipeline of a function's folder.
pub(crate) fn write(program: &Program, function: &Path, folder: &Path) -> Result<(), Failure> {
    program.check_runs_with(Glibc::OF_IMAGE, "the image")?;
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(folder.join("Containerfile"), CONTAINERFILE))
        .and_then(|()| fs::copy(&program.path, folder.join("transom")).map(drop))
        .and_then(|()| copy_pipeline(function, &folder.join("pipeline")));
    written.map_err(|source| Failure::Io {
        what: "the image's folder cannot be written".to_owned(),
        source,
    })
}

/// Copies what lies in a function's folder, except for its program.
fn copy_pipeline(function: &Path, to: &Path) -> std::io::Result<()> {
    make_folder(to)?;
    for entry in fs::read_dir(function)? {
        let name = entry?.file_name();
        if name != BOOTSTRAP {
            copy(&function.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return set_mode(to, 0o644);
    }
    make_folder(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    set_mode(folder, 0o755)
}

/// The image has the modes of its context, and runs as another user than the one that writes it.
#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn another_user_can_read_the_pipeline_and_only_the_program_is_left_out() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let (function, image) = (folder.path().join("function"), folder.path().join("image"));
        fs::create_dir_all(function.join("sql/bootstrap")).unwrap();
        for file in ["bootstrap", "transom.yaml", "sql/bootstrap/q.sql"] {
            fs::write(function.join(file), "").unwrap();
            set_mode(&function.join(file), 0o600).unwrap();
        }
        set_mode(&function.join("sql"), 0o700).unwrap();
        copy_pipeline(&function, &image).unwrap();
        assert!(!image.join("bootstrap").exists());
        let mode = |path: &str| fs::metadata(image.join(path)).unwrap().permissions().mode();
        for (path, expected) in [
            ("", 0o755),
            ("transom.yaml", 0o644),
            ("sql", 0o755),
            ("sql/bootstrap/q.sql", 0o644),
        ] {
            assert_eq!(mode(path) & 0o777, expected, "{path}");
        }
    }
}
