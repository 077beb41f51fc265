//! The valid pipeline: what the rest of the program works with.
//!
//! A [`Pipeline`] is made by [`load`](super::load) only, so all names in it exist, all paths are absolute and all values
//! have their types. Items keep their positions, so that what is found out later (a missing column, an error in a query)
//! can be shown in the file as well.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::Map;

use super::checks::Check;
use super::column_type::ColumnType;
use super::max_rejects::MaxRejects;
use super::model::{ErrorPolicy, OnReject};
use super::node::TextStyle;
use super::problem::{Source, Span};
use super::reader::Spanned;
use super::spec::{
    AwsOptions, Format, Incremental, LoadMode, Place, RedshiftOptions, RedshiftTable, S3Url,
    SinkFormat, SliceLimits, Unknown, is_default,
};
use super::value::Value;

/// A pipeline for one target, as read from its file.
#[derive(Debug, Clone, Serialize)]
pub struct Pipeline {
    /// The pipeline's name.
    pub name: String,
    /// The folder of the file; absolute.
    pub root: PathBuf,
    /// The file, as its path was given.
    pub file: PathBuf,
    /// The chosen target.
    pub target: String,
    /// The plugins, in the order of the file.
    pub plugins: Vec<Plugin>,
    /// The tables that are read, in the order of the file.
    pub sources: Vec<FileSource>,
    /// The steps, in the order of the file, which need not be the order of their dependencies.
    pub steps: Vec<Step>,
    /// The tables that are written, in the order of the file.
    pub sinks: Vec<Sink>,
    /// Below it are the tables of rejected rows; absolute.
    pub dead_letters: Place,
    /// Where it is kept what was loaded, if the pipeline runs in slices; absolute.
    pub state: Place,
    /// How much one slice reads.
    #[serde(skip_serializing_if = "is_default")]
    pub slices: SliceLimits,
    /// How Amazon's services are reached.
    pub aws: AwsOptions,
    /// How the warehouse is reached; there if a sink is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redshift: Option<RedshiftOptions>,
    /// The values of all variables.
    pub variables: BTreeMap<String, Value>,
    #[serde(skip)]
    pub(crate) source: Source,
}

/// A plugin and what it may use.
#[derive(Debug, Clone, Serialize)]
pub struct Plugin {
    /// The name that SQL and steps call it by.
    pub name: Spanned<String>,
    /// A folder with source, or a `.wasm` or `.zip` file, which exists unless the pipeline is packaged; absolute.
    pub path: Spanned<PathBuf>,
    /// What an instance may use.
    pub limits: Limits,
}

/// What an instance of a plugin may use at most; `None` leaves it to the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Linear memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Time of one call.
    pub call_time: Option<Duration>,
    /// Bytes that one call returns.
    pub output_bytes: Option<u64>,
    /// Bytes of a state that is saved.
    pub state_bytes: Option<u64>,
}

/// A table that is read from files.
#[derive(Debug, Clone, Serialize)]
pub struct FileSource {
    /// The table's name.
    pub name: Spanned<String>,
    /// A file, a folder or a pattern, relative to the pipeline's `root`, or the same of S3. Whether it finds a file is known only
    /// when it is read.
    pub path: Spanned<String>,
    /// How the files are to be read.
    #[serde(flatten)]
    pub format: Format,
    /// Columns of the files with the types that they are to have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, ColumnType)>,
    /// What its rows must meet before anything is published.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What happens to columns or keys of a file that the table has not.
    #[serde(skip_serializing_if = "is_default")]
    pub unknown: Unknown,
    /// Which part of it a slice reads; `None` for all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Spanned<Incremental>>,
}

/// A table that is computed.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// The table's name.
    pub name: Spanned<String>,
    /// How it is computed.
    #[serde(flatten)]
    pub kind: StepKind,
    /// What its rows must meet before anything is published.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// How a step computes its table.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum StepKind {
    /// By a query.
    Sql(SqlStep),
    /// By a plugin's transform.
    Transform(TransformStep),
}

/// A query.
#[derive(Debug, Clone, Serialize)]
pub struct SqlStep {
    /// The text of the query.
    pub text: String,
    /// The file it stands in; absolute. `None` if it stands in the pipeline's own file.
    pub file: Option<PathBuf>,
    /// Whether the file's path, as it is written, leads to it wherever the pipeline's folder is.
    #[serde(skip)]
    pub moves_along: bool,
    /// What happens to values for which plugins' functions fail.
    pub on_error: OnError,
    /// The value of the key `sql`.
    #[serde(skip)]
    pub span: Span,
    #[serde(skip)]
    pub(crate) style: TextStyle,
    /// The file as messages show it.
    #[serde(skip)]
    pub(crate) shown: PathBuf,
}

/// What happens to values for which plugins' functions fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OnError {
    /// For functions that are not named.
    pub default: ErrorPolicy,
    /// For functions by their names in SQL, such as `geo.parse`.
    pub functions: BTreeMap<String, ErrorPolicy>,
    /// Where each function is written.
    #[serde(skip)]
    pub spans: BTreeMap<String, Span>,
}

impl OnError {
    /// The policy for a function by its name in SQL.
    #[must_use]
    pub fn policy(&self, function: &str) -> ErrorPolicy {
        self.functions
            .get(function)
            .copied()
            .unwrap_or(self.default)
    }
}

/// A use of a plugin's transform.
#[derive(Debug, Clone, Serialize)]
pub struct TransformStep {
    /// The plugin, which is declared.
    pub plugin: String,
    /// The name of the transform in the plugin; its span is the value of the key `transform`.
    pub transform: Spanned<String>,
    /// The source or step that is read, which exists.
    pub input: Spanned<String>,
    /// The columns by which rows belong together; all different, none if all rows do.
    pub partition_by: Vec<Spanned<String>>,
    /// The order of the rows that belong together; all columns different.
    pub order_by: Vec<OrderBy>,
    /// The transform's options, which only the plugin can check.
    pub options: Map<String, serde_json::Value>,
    /// Where each option is written.
    #[serde(skip)]
    pub option_spans: BTreeMap<String, Span>,
    /// What happens to rejected rows.
    pub on_reject: OnReject,
    /// How many rows may be rejected before the run fails; as many as there are if `None`.
    pub max_rejects: Option<MaxRejects>,
}

/// One column of an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderBy {
    /// The column.
    pub column: Spanned<String>,
    /// Whether large values come first.
    pub desc: bool,
    /// Whether missing values come first; unless the file says it they do if `desc`, as in SQL.
    pub nulls_first: bool,
}

/// A table that is written.
#[derive(Debug, Clone, Serialize)]
pub struct Sink {
    /// The sink's name.
    pub name: Spanned<String>,
    /// The source or step that is written, which exists.
    pub from: Spanned<String>,
    /// Where it is written to, and how.
    #[serde(flatten)]
    pub kind: SinkKind,
}

/// Where a table is written to, and how.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum SinkKind {
    /// To files.
    Files(FileTable),
    /// To Redshift. No two sinks load one table.
    Redshift {
        /// The table.
        redshift: RedshiftTable,
        /// What happens to rows that it cannot hold.
        #[serde(skip_serializing_if = "is_default")]
        on_reject: OnReject,
    },
}

/// A table of files.
#[derive(Debug, Clone, Serialize)]
pub struct FileTable {
    /// Where the table is; absolute. No two sinks write to one place or inside of each other.
    pub path: Spanned<Place>,
    /// How the files are to be written.
    #[serde(flatten)]
    pub format: SinkFormat,
    /// What happens to the rows that the table has.
    #[serde(skip_serializing_if = "is_overwrite")]
    pub mode: Spanned<LoadMode>,
    /// The columns whose values become folders; all different.
    pub partition_by: Vec<Spanned<String>>,
    /// The order of the rows within each file; any if it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sort_by: Vec<OrderBy>,
    /// Bytes at which a file ends and another one goes on, if the file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// Bytes at which a row group of Parquet ends, if the file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_group_size: Option<u64>,
}

fn is_overwrite(mode: &Spanned<LoadMode>) -> bool {
    mode.value == LoadMode::Overwrite
}

impl Pipeline {
    /// Whether it is run in slices, with a log of what was loaded: if a source is incremental, or a sink keeps
    /// rows of earlier runs or is in a warehouse.
    #[must_use]
    pub fn is_sliced(&self) -> bool {
        let keeps = |sink: &Sink| match &sink.kind {
            SinkKind::Files(files) => files.mode.value != LoadMode::Overwrite,
            SinkKind::Redshift { .. } => true,
        };
        let mut sources = self.sources.iter();
        sources.any(|source| source.incremental.is_some()) || self.sinks.iter().any(keeps)
    }

    /// The plugin that SQL calls `name`.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name.value == name)
    }

    /// Whether a source or a sink of it is on S3 or in Redshift.
    #[must_use]
    pub fn uses_aws(&self) -> bool {
        let is_s3 = |place: &Place| matches!(place, Place::S3(_));
        self.sources
            .iter()
            .any(|source| S3Url::is_meant(&source.path.value))
            || self.sinks.iter().any(|sink| match &sink.kind {
                SinkKind::Files(files) => is_s3(&files.path.value),
                SinkKind::Redshift { .. } => true,
            })
            || is_s3(&self.dead_letters)
            || (self.is_sliced() && is_s3(&self.state))
    }

    /// The source of this name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&FileSource> {
        self.sources.iter().find(|source| source.name.value == name)
    }

    /// The checks of all tables, each with the source or step that it belongs to; sources first.
    pub fn checks(&self) -> impl Iterator<Item = (&Spanned<String>, &Check)> {
        let sources = self.sources.iter();
        let sources = sources.map(|source| (&source.name, &source.checks));
        let steps = self.steps.iter().map(|step| (&step.name, &step.checks));
        let tables = sources.chain(steps);
        tables.flat_map(|(table, checks)| checks.iter().map(move |check| (table, check)))
    }

    /// The step of this name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name.value == name)
    }
}
