//! `transom.yaml` as it is written: which keys there are and what kind of value each has.
//!
//! These types are the one place that says so. The JSON Schema for editors is derived from them, with the doc comments as
//! help; the `Read` implementations (`read.rs`) ask for the same keys, which a test holds against the schema. Every field is
//! optional here, also a required one: a part that could not be read is missing, and the rest is checked all the same.
//! Where a missing value means something of its own, the option is double: `Some(None)` is there but wrong.
//! What the values mean together is decided in `resolve`.

use schemars::JsonSchema;
use serde::Serialize;

use super::checks::CheckEntry;
use super::max_rejects::MaxRejects;
use super::names::NameText;
use super::options::Options;
use super::parts::{
    ByteText, ColumnNames, Columns, IncrementalEntry, NullTexts, OnErrorEntry, Order, SqlText,
    Whole,
};
use super::quantity::{Bytes, Time};
use super::reader::{Entries, Spanned};
use super::spec::{Compression, FormatName, LoadMode, OnChange, OnMissing, SchemaChange, Unknown};
use super::value::{Scalar, ValueType};

/// A Transom pipeline: sources -> steps (SQL or transform) -> sinks.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Pipeline")]
pub(crate) struct PipelineFile {
    /// The version of the file format. Leave it out for version 1.
    #[schemars(with = "Option<u64>", range(min = 1, max = 1))]
    #[expect(
        dead_code,
        reason = "checked before everything else; stands here for the schema"
    )]
    pub(crate) version: Option<u64>,
    /// The name of the pipeline.
    #[schemars(required)]
    pub(crate) name: Option<NameText>,
    /// The plugins, each under the name that SQL (`geo.great_circle(..)`) and steps (`transform: geo.visits`) call it by.
    pub(crate) plugins: Option<Entries<PluginEntry>>,
    /// The tables that are read.
    pub(crate) sources: Option<Entries<SourceEntry>>,
    /// The tables that are computed, each under the name that other steps and sinks read it by.
    pub(crate) steps: Option<Entries<StepEntry>>,
    /// The tables that are written.
    pub(crate) sinks: Option<Entries<SinkEntry>>,
    /// Where rejected rows go (`on_reject: dead_letter`).
    pub(crate) dead_letters: Option<PathEntry>,
    /// How much one slice reads of incremental sources.
    pub(crate) slices: Option<SlicesEntry>,
    /// The variables: typed parameters that SQL uses as `$name`.
    pub(crate) variables: Option<Entries<VariableEntry>>,
    /// The environments of the pipeline, chosen with `--target`.
    pub(crate) targets: Option<Entries<TargetEntry>>,
    /// The target of a run without `--target`. Without this key it is the first one.
    pub(crate) default_target: Option<Spanned<String>>,
}

/// A plugin: a Wasm component with functions and transforms.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct PluginEntry {
    /// A folder with the plugin's source, or what was built from it, a `.wasm` or `.zip` file; relative to this file.
    #[schemars(required)]
    pub(crate) path: Option<Spanned<String>>,
    /// What an instance of the plugin may use at most.
    pub(crate) limits: Option<LimitsEntry>,
}

/// What an instance of a plugin may use at most.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct LimitsEntry {
    /// Memory, like `256MB`.
    pub(crate) memory: Option<Bytes>,
    /// Time for one call, like `30s`.
    pub(crate) call_time: Option<Time>,
    /// Bytes that one call may return, like `512MB`.
    pub(crate) output: Option<Bytes>,
    /// Bytes of the state that a transform saves for the next slice, like `64MiB`; of each of its buckets.
    pub(crate) state: Option<Bytes>,
}

/// A table that is read from files.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SourceEntry {
    /// A file, a folder or a pattern such as `data/*.parquet`, relative to this file; or the same of S3, `s3://bucket/data/*.parquet`.
    #[schemars(required)]
    pub(crate) path: Option<Spanned<String>>,
    /// The format of the files. May be left out if the path's ending says it.
    #[schemars(with = "Option<FormatName>")]
    pub(crate) format: Option<Option<FormatName>>,
    /// How CSV files are written.
    pub(crate) csv: Option<Spanned<CsvEntry>>,
    /// What happens to columns or keys of a file that the source does not have; `fail` if it is left out.
    #[schemars(with = "Option<Unknown>")]
    pub(crate) unknown: Option<Option<Unknown>>,
    /// The types of columns of CSV and JSON files. The types of other columns are found out from the data.
    pub(crate) columns: Option<Spanned<Columns>>,
    /// Loads only what is new: `new_files`, or `{ by: COLUMN }` for the partitions of a column that have changed files.
    pub(crate) incremental: Option<Spanned<IncrementalEntry>>,
    /// What happens to a file that was loaded and has changed since; `fail` if it is left out. With `incremental: new_files`.
    pub(crate) on_change: Option<Spanned<OnChange>>,
    /// What happens to a partition that has changed and lacks files which were loaded; `fail` if it is left out. With `incremental: { by: .. }`.
    pub(crate) on_missing: Option<Spanned<OnMissing>>,
    /// What the rows must meet before anything is published.
    pub(crate) checks: Option<Vec<CheckEntry>>,
}

/// How CSV files are written.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct CsvEntry {
    /// The character between two values; `,` if it is left out.
    pub(crate) delimiter: Option<ByteText>,
    /// Whether the first line holds the names of the columns; `true` if it is left out.
    pub(crate) header: Option<bool>,
    /// The character around values that contain a delimiter; `"` if it is left out.
    pub(crate) quote: Option<ByteText>,
    /// The text that stands for a missing value beside an empty one, or a list of such texts; sinks write the first.
    pub(crate) null: Option<NullTexts>,
    /// How the text of the files is encoded, such as `latin-1` or `utf-16`; UTF-8 if it is left out. For sources.
    pub(crate) encoding: Option<Spanned<String>>,
    /// The number of lines at the beginning of every file that are not read. For sources.
    pub(crate) skip: Option<Spanned<Whole>>,
    /// The character that begins lines which are not read. For sources.
    pub(crate) comment: Option<Spanned<ByteText>>,
    /// The character that takes the next one as it is, within quotes; a quote is doubled if it is left out. For sources.
    pub(crate) escape: Option<Spanned<ByteText>>,
}

/// A step: a query (`sql`) or a plugin's transform (`transform`).
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend(
    "oneOf" = [{ "required": ["sql"] }, { "required": ["transform"] }],
    "dependentRequired" = {
        "on_error": ["sql"],
        "transform": ["input"],
        "input": ["transform"],
        "partition_by": ["transform"],
        "order_by": ["transform"],
        "options": ["transform"],
        "on_reject": ["transform"],
        "max_rejects": ["transform"],
    },
))]
pub(crate) struct StepEntry {
    /// A file that ends in `.sql`, relative to this file, or the text of a query.
    pub(crate) sql: Option<SqlText>,
    /// What happens to a value for which a plugin's function fails: one word for all functions, or one for each.
    pub(crate) on_error: Option<OnErrorEntry>,
    /// The transform of a plugin, such as `geo.visits`.
    pub(crate) transform: Option<Spanned<String>>,
    /// The source or step that the transform reads.
    pub(crate) input: Option<Spanned<String>>,
    /// The columns by which rows belong together: rows with equal values reach the transform one after the other.
    pub(crate) partition_by: Option<ColumnNames>,
    /// The order of the rows that belong together.
    pub(crate) order_by: Option<Order>,
    /// The transform's own options; the plugin says which there are.
    pub(crate) options: Option<Options>,
    /// What happens to rows that the transform rejects.
    #[schemars(with = "Option<OnReject>")]
    pub(crate) on_reject: Option<Option<OnReject>>,
    /// How many rows the transform may reject before the run fails: a number, or a percentage such as `1%`.
    pub(crate) max_rejects: Option<Spanned<MaxRejects>>,
    /// What the rows must meet before anything is published.
    pub(crate) checks: Option<Vec<CheckEntry>>,
}

/// A table that is written: to files (`path`), or to Redshift (`redshift`).
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend(
    "oneOf" = [{ "required": ["path"] }, { "required": ["redshift"] }],
    "dependentRequired" = {
        "format": ["path"],
        "partition_by": ["path"],
        "csv": ["path"],
        "compression": ["path"],
        "sort_by": ["path"],
        "file_size": ["path"],
        "row_group_size": ["path"],
    },
))]
pub(crate) struct SinkEntry {
    /// The source or step that is written.
    #[schemars(required)]
    pub(crate) from: Option<Spanned<String>>,
    /// Where the table is to be: a path relative to this file, or a prefix of S3 such as `s3://bucket/daily/`.
    pub(crate) path: Option<Spanned<String>>,
    /// The table of Redshift that is loaded.
    pub(crate) redshift: Option<Spanned<RedshiftTableEntry>>,
    /// The format of the files. May be left out if the path's ending says it.
    #[schemars(with = "Option<FormatName>")]
    pub(crate) format: Option<Option<FormatName>>,
    /// What happens to the rows that the table has: `overwrite`, `append` or `overwrite_partitions`; `overwrite` if it is left out.
    pub(crate) mode: Option<Spanned<LoadMode>>,
    /// The columns whose values become folders, such as `month=1`.
    pub(crate) partition_by: Option<ColumnNames>,
    /// How CSV files are written.
    pub(crate) csv: Option<Spanned<CsvEntry>>,
    /// How the pages of Parquet files are compressed; `zstd` if it is left out.
    pub(crate) compression: Option<Spanned<Compression>>,
    /// The order of the rows within each file.
    pub(crate) sort_by: Option<Order>,
    /// The size at which a file ends and another one begins, like `256MB`; 1GiB if it is left out.
    pub(crate) file_size: Option<Spanned<Bytes>>,
    /// The size at which a row group of a Parquet file ends, like `64MB`, 256MiB at most; 128MiB if it is left out.
    pub(crate) row_group_size: Option<Spanned<Bytes>>,
}

/// How much one slice reads of incremental sources. A slice has at least one file or partition.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SlicesEntry {
    /// The number of files; 1000 if it is left out.
    pub(crate) files: Option<Spanned<Whole>>,
    /// The size of the files, like `256MB`; 1GiB if it is left out.
    pub(crate) bytes: Option<Bytes>,
    /// The rows that it reads of all sources, about: a slice is as much larger or smaller than the one before as its rows allow.
    pub(crate) rows: Option<Spanned<Whole>>,
    /// The time that it takes, like `30s`, about: a slice is as much larger or smaller than the one before as its time allows.
    pub(crate) time: Option<Time>,
}

/// A table of Redshift, and how it is loaded.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RedshiftTableEntry {
    /// The table with its schema, such as `analytics.daily`. It is created if it does not exist.
    #[schemars(required)]
    pub(crate) table: Option<Spanned<String>>,
    /// What happens to the rows of the table when others are loaded.
    #[schemars(required, with = "Option<LoadMode>")]
    pub(crate) mode: Option<Spanned<LoadMode>>,
    /// The columns that identify a row. For `mode: merge`.
    pub(crate) keys: Option<Spanned<ColumnNames>>,
    /// The columns that say which of two rows with the same keys is newer: the one with larger values. For `mode: merge`.
    pub(crate) order_by: Option<Spanned<ColumnNames>>,
    /// The columns whose values name a partition. For `mode: overwrite_partitions`.
    pub(crate) partition_by: Option<Spanned<ColumnNames>>,
    /// The column by which the rows of a table that is created are distributed.
    pub(crate) distkey: Option<String>,
    /// The columns by which the rows of a table that is created are sorted.
    pub(crate) sortkey: Option<ColumnNames>,
    /// The length in bytes of VARCHAR columns that are created; if it is left out, as the texts of the first load need it.
    pub(crate) varchar: Option<Spanned<Whole>>,
    /// What may be changed of a table that exists, when it lacks a column or a text is too long; `fail` if it is left out.
    #[schemars(with = "Option<SchemaChange>")]
    pub(crate) schema: Option<Option<SchemaChange>>,
    /// What happens to rows with a value that the table cannot hold; `fail` if it is left out.
    #[schemars(with = "Option<OnReject>")]
    pub(crate) on_reject: Option<Option<OnReject>>,
}

/// A path, relative to this file, or of S3.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct PathEntry {
    /// A path, relative to this file, or of S3.
    #[schemars(required)]
    pub(crate) path: Option<Spanned<String>>,
}

/// Another path, or another table of Redshift, for a sink.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["path"] }, { "required": ["table"] }]))]
pub(crate) struct SinkPlaceEntry {
    /// A path, relative to this file, or of S3. For sinks with `path`.
    pub(crate) path: Option<Spanned<String>>,
    /// A table of Redshift with its schema. For sinks with `redshift`.
    pub(crate) table: Option<Spanned<String>>,
}

/// A typed parameter of the pipeline's SQL.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct VariableEntry {
    /// The type of the value.
    #[schemars(required, rename = "type")]
    pub(crate) value_type: Option<ValueType>,
    /// The value unless the target or `--var` gives another. Without a default one of them must.
    #[schemars(with = "Option<Scalar>")]
    pub(crate) default: Option<Option<Spanned<Scalar>>>,
    /// What the variable is for.
    #[expect(
        dead_code,
        reason = "read to check it; speaks to the file's readers alone"
    )]
    pub(crate) description: Option<String>,
}

/// An environment of the pipeline: other values and paths.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TargetEntry {
    /// Values of variables.
    pub(crate) variables: Option<Entries<Spanned<Scalar>>>,
    /// Other paths of sources.
    pub(crate) sources: Option<Entries<PathEntry>>,
    /// Other paths, or tables, of sinks.
    pub(crate) sinks: Option<Entries<SinkPlaceEntry>>,
    /// Another place for rejected rows.
    pub(crate) dead_letters: Option<PathEntry>,
    /// Where it is kept what was loaded; `.transom/state` beside this file if it is left out.
    pub(crate) state: Option<PathEntry>,
    /// How Amazon's services are reached: as Amazon's own tools do it unless it is said here.
    pub(crate) aws: Option<AwsEntry>,
    /// The warehouse of the sinks with `redshift`. On the local AWS it may be left out.
    pub(crate) redshift: Option<Spanned<RedshiftEntry>>,
}

/// How the warehouse is reached, with the credentials and the region of `aws`.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend(
    "oneOf" = [{ "required": ["workgroup"] }, { "required": ["cluster"] }],
    "dependentRequired" = { "db_user": ["cluster"] },
))]
pub(crate) struct RedshiftEntry {
    /// The workgroup of Redshift Serverless.
    pub(crate) workgroup: Option<String>,
    /// The identifier of the cluster.
    pub(crate) cluster: Option<String>,
    /// The database.
    #[schemars(required)]
    pub(crate) database: Option<String>,
    /// The user of a cluster's database; the user of the identity on AWS if it is left out.
    pub(crate) db_user: Option<String>,
    /// The ARN of the secret with the user's name and password; the user of the identity on AWS if it is left out.
    pub(crate) secret_arn: Option<String>,
    /// The role that COPY reads with, an ARN; `default`, the warehouse's own, if it is left out.
    pub(crate) iam_role: Option<Spanned<String>>,
    /// The prefix of S3 below which rows wait to be loaded, such as `s3://bucket/staging/`.
    #[schemars(required)]
    pub(crate) staging: Option<Spanned<String>>,
}

/// How Amazon's services are reached.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct AwsEntry {
    /// `aws`, `local` for the local AWS on this machine, or an address such as `http://127.0.0.1:9000`. If it is left out, `local` for the
    /// target `local` and `aws` for the others.
    pub(crate) endpoint: Option<Spanned<String>>,
    /// The region, such as `eu-west-1`.
    pub(crate) region: Option<String>,
    /// The profile in `~/.aws/config` that has the credentials.
    pub(crate) profile: Option<String>,
    /// Whether requests to buckets that ask for it are paid for here.
    pub(crate) requester_pays: Option<bool>,
    /// The key of KMS that encrypts what is written; as the bucket says if it is left out.
    pub(crate) kms_key: Option<String>,
}

/// What happens to rows that a transform, or a table of Redshift, does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// The run fails.
    #[default]
    Fail,
    /// The rows are left out and counted.
    Drop,
    /// The rows are written to the dead letters, with the reason.
    DeadLetter,
}

/// What happens to a value for which a plugin's function fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorPolicy {
    /// The run fails.
    #[default]
    Fail,
    /// The value becomes null.
    Null,
}
