//! The file model: `transom.yaml` -> [`Pipeline`], `tests/*.yaml` -> [`test_file::Test`].
//!
//! [`load`] reads the file and the queries beside it and returns a [`Pipeline`], in which all values are valid, or
//! [`Problems`]: every mistake at once, each with its place, what is allowed, and a hint. The way there:
//!
//! 1. `node`: YAML text -> a tree in which everything has a position;
//! 2. `reader`, `read`, `parts`: the tree -> `model`, the file as it is written, from which [`json_schema`] is derived;
//! 3. `resolve`: the file as written, a target and values of variables -> the pipeline.
//!
//! [`spec`] is what the rooms that read and write tables are handed of it.
//!
//! Only the project's own files are read: no data, no plugin, no environment. Nothing here knows wasmtime, DataFusion
//! or AWS, so that checking a file stays a matter of milliseconds.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod checks;
mod column_type;
mod cycles;
mod max_rejects;
mod model;
mod names;
pub mod node;
mod options;
pub mod parts;
mod paths;
mod pipeline;
mod positions;
mod problem;
mod quantity;
mod read;
pub mod reader;
mod resolve;
mod schema;
pub mod spec;
pub mod test_file;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

pub use checks::{Check, CheckKind, Severity};
pub use column_type::ColumnType;
pub use max_rejects::{MaxRejects, Percent};
pub use model::{ErrorPolicy, OnReject};
pub use pipeline::{
    FileSource, FileTable, Limits, OnError, OrderBy, Pipeline, Plugin, Sink, SinkKind, SqlStep,
    Step, StepKind, TransformStep,
};
pub use problem::{Place, Problem, Problems, Related, Source, Span, did_you_mean, list, nearest};
pub use quantity::{parse_bytes, parse_time};
pub use reader::Spanned;
pub use resolve::format_of_file;
pub use schema::json_schema;
pub use value::{Scalar, Value, ValueType};

use reader::{Read, Reader};

/// What is chosen for one run, beside what the file says.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The target; `None` for the file's default.
    pub target: Option<String>,
    /// Values of variables (`--var name=value`), which are stronger than the target's.
    pub variables: BTreeMap<String, String>,
    /// Whether the pipeline's plugins were compiled ahead of time: then nothing needs to be at their paths.
    pub is_packaged: bool,
}

/// Reads the pipeline in the file at `path`.
///
/// # Errors
///
/// All mistakes in the file and in `options`; a single one if the file cannot be read, is not YAML, or is written for a
/// newer version of the format.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Pipeline, Problems> {
    let text = fs_err::read_to_string(path).map_err(|error| Problem::new(error.to_string()))?;
    let source = Source::new(path, &text);
    let (node, mut problems) = node::parse(&source);
    let mut reader = Reader::new(&source);
    if let Some(node) = node {
        if let Some(problem) = read::too_new(&reader, &node) {
            return Err(problem.into());
        }
        if let Some(file) = model::PipelineFile::read(&mut reader, &node) {
            problems.append(&mut reader.problems);
            let resolved = resolve::resolve(&file, &source, options, &mut problems);
            if let (Some(pipeline), true) = (resolved, problems.is_empty()) {
                return Ok(pipeline);
            }
        }
        problems.append(&mut reader.problems);
    } else if problems.is_empty() {
        let problem = Problem::new(format!("the pipeline `{}` is empty", path.display()));
        problems.push(problem.with_hint("start with `name: ` and the name of the pipeline"));
    }
    Err(Problems(problems).sorted())
}
