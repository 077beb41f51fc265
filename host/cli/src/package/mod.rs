//! A pipeline as what AWS runs: the folder of a Lambda function, what a container's image is built from, and what deploys both.
//!
//! Both hold the pipeline's files as they are written, and its plugins as machine code ([`pipeline`]). [`program`] says whether a
//! program runs where it is sent; [`archive`] makes the function's zip, [`image`] what a container is built from. [`template`] is made of
//! the pipeline for one target, with its `policy` and the state machines of [`states`].

pub(crate) mod archive;
pub(crate) mod image;
pub(crate) mod pipeline;
mod policy;
pub(crate) mod program;
pub(crate) mod states;
pub(crate) mod template;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use transom_file::Pipeline;

use self::program::Program;
use crate::context::Context;
use crate::failure::Failure;

/// What Lambda calls a function's program.
pub(crate) const BOOTSTRAP: &str = "bootstrap";

/// Values that the command line gives to variables, as text.
pub(crate) type Variables = BTreeMap<String, String>;

/// Writes the folder of a function: the program `bootstrap`, the pipeline, its plugins. Whether its target can be reached from the
/// cloud, and whether Lambda takes so much, is not asked: a function is invoked on this machine as well.
pub(crate) fn write_function(
    context: &Context,
    pipeline: &Pipeline,
    bootstrap: &Program,
    folder: &Path,
) -> Result<(), Failure> {
    pipeline::write(context, pipeline, bootstrap.machine, folder)?;
    let copied = fs::copy(&bootstrap.path, folder.join(BOOTSTRAP));
    copied.map(drop).map_err(|source| Failure::Io {
        what: "the function's folder cannot be written".to_owned(),
        source,
    })
}
