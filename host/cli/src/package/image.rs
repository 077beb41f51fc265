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

fn copy_pipeline(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.file_name() == Some(BOOTSTRAP.as_ref()) {
            continue;
        }
        match from.is_dir() {
            true => copy_pipeline(&from, &to)?,
            false => fs::copy(&from, &to).map(drop)?,
        }
    }
    Ok(())
}
