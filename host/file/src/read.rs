//! How the maps and words of the file model are read: the keys of each type in `model.rs`, asked for one by one.

use super::model::{
    AwsEntry, CsvEntry, ErrorPolicy, LimitsEntry, OnReject, PathEntry, PipelineFile, PluginEntry,
    RedshiftEntry, RedshiftTableEntry, SinkEntry, SinkPlaceEntry, SlicesEntry, SourceEntry,
    StepEntry, TargetEntry, VariableEntry,
};
use super::node::{Key, Node, Yaml};
use super::problem::Problem;
use super::reader::{Read, Reader, Word, read_word};
use super::spec::{Compression, FormatName, LoadMode, OnChange, OnMissing, SchemaChange, Unknown};

impl<T: Word> Read for T {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        read_word(reader, node)
    }
}

impl Word for FormatName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("csv", Self::Csv),
        ("json", Self::Json),
        ("parquet", Self::Parquet),
    ];
}

impl Word for OnChange {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("load", Self::Load),
        ("ignore", Self::Ignore),
    ];
}

impl Word for OnMissing {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("keep", Self::Keep),
        ("load", Self::Load),
    ];
}

impl Word for Compression {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("snappy", Self::Snappy),
        ("zstd", Self::Zstd),
    ];
}

impl Word for Unknown {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("warn", Self::Warn),
        ("ignore", Self::Ignore),
    ];
}

impl Word for LoadMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("append", Self::Append),
        ("merge", Self::Merge),
        ("overwrite_partitions", Self::OverwritePartitions),
        ("overwrite", Self::Overwrite),
    ];
}

impl Word for SchemaChange {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("add_columns", Self::AddColumns),
        ("widen", Self::Widen),
    ];
}

impl Word for OnReject {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("drop", Self::Drop),
        ("dead_letter", Self::DeadLetter),
    ];
}

impl Word for ErrorPolicy {
    const WORDS: &'static [(&'static str, Self)] = &[("fail", Self::Fail), ("null", Self::Null)];
}

/// The newest version of the file format that this program reads.
const NEWEST_VERSION: u64 = 1;

/// The number of the file format; checked before all else, since a newer file may be wrong in every other way.
struct Version(u64);

impl Read for Version {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        match &node.value {
            Yaml::Int(text) if text.parse().is_ok_and(|version: u64| version > 0) => {
                text.parse().ok().map(Self)
            }
            _ => {
                reader.wrong_type(node, "a whole number from 1");
                None
            }
        }
    }
}

/// The problem of a file that is newer than this program, if it is.
pub(crate) fn too_new(reader: &Reader<'_>, node: &Node) -> Option<Problem> {
    let Yaml::Map(entries) = &node.value else {
        return None;
    };
    let (_, node) = entries.iter().find(|(key, _)| key.name == "version")?;
    let Yaml::Int(version) = &node.value else {
        return None;
    };
    // A number too large for 64 bits is newer, too.
    if version.starts_with('-')
        || version
            .parse()
            .is_ok_and(|version: u64| version <= NEWEST_VERSION)
    {
        return None;
    }
    let problem = Problem::new(format!(
        "this file needs a newer transom: its version is {version}"
    ))
    .at(reader.place(node.span))
    .with_label(format!("this transom reads version {NEWEST_VERSION}"))
    .with_hint("install a newer transom");
    Some(problem)
}

impl Read for PipelineFile {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let file = Self {
            version: fields.optional("version").map(|Version(version)| version),
            name: fields.required("name"),
            plugins: fields.optional("plugins"),
            sources: fields.optional("sources"),
            steps: fields.optional("steps"),
            sinks: fields.optional("sinks"),
            dead_letters: fields.optional("dead_letters"),
            slices: fields.optional("slices"),
            variables: fields.optional("variables"),
            targets: fields.optional("targets"),
            default_target: fields.optional("default_target"),
        };
        fields.finish();
        Some(file)
    }
}

impl Read for PluginEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            path: fields.required("path"),
            limits: fields.optional("limits"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for LimitsEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            memory: fields.optional("memory"),
            call_time: fields.optional("call_time"),
            output: fields.optional("output"),
            state: fields.optional("state"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for SourceEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            path: fields.required("path"),
            format: fields.optional("format"),
            csv: fields.optional("csv"),
            unknown: fields.optional("unknown"),
            columns: fields.optional("columns"),
            incremental: fields.optional("incremental"),
            on_change: fields.optional("on_change"),
            on_missing: fields.optional("on_missing"),
            checks: fields.optional("checks"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for CsvEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            delimiter: fields.optional("delimiter"),
            header: fields.optional("header"),
            quote: fields.optional("quote"),
            null: fields.optional("null"),
            encoding: fields.optional("encoding"),
            skip: fields.optional("skip"),
            comment: fields.optional("comment"),
            escape: fields.optional("escape"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for StepEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            sql: fields.optional("sql"),
            on_error: fields.optional("on_error"),
            transform: fields.optional("transform"),
            input: fields.optional("input"),
            partition_by: fields.optional("partition_by"),
            order_by: fields.optional("order_by"),
            options: fields.optional("options"),
            on_reject: fields.optional("on_reject"),
            max_rejects: fields.optional("max_rejects"),
            checks: fields.optional("checks"),
        };
        fields.finish();
        check_kind(reader, node);
        Some(entry)
    }
}

/// The keys that belong to a step with a transform.
const TRANSFORM_KEYS: [&str; 7] = [
    "transform",
    "input",
    "partition_by",
    "order_by",
    "options",
    "on_reject",
    "max_rejects",
];

/// Reports a step that is neither a query nor a transform, or both, or has a key of the other kind.
///
/// This looks at the keys that are written, since a value that is wrong has been reported already.
fn check_kind(reader: &mut Reader<'_>, node: &Node) {
    let Yaml::Map(entries) = &node.value else {
        return;
    };
    let key = |name: &str| {
        entries
            .iter()
            .map(|(key, _)| key)
            .find(|key| key.name == name)
    };
    let here = reader.here();
    match (key("sql"), key("transform")) {
        (None, None) => {
            let problem = Problem::new(format!("{here} has neither `sql` nor `transform`"))
                .at(reader.place(reader.key_span()))
                .with_label("a step needs one of them");
            reader.report(problem);
        }
        (Some(sql), Some(transform)) => {
            let problem = Problem::new(format!("{here} has both `sql` and `transform`"))
                .at(reader.place(transform.span))
                .with_label("a step needs one of them")
                .with_hint("make two steps of it")
                .with_related("the other is here", reader.place(sql.span));
            reader.report(problem);
        }
        (Some(_), None) => {
            for key in TRANSFORM_KEYS.iter().filter_map(|name| key(name)) {
                let problem =
                    Problem::new(format!("`{}` in {here} belongs to a transform", key.name))
                        .at(reader.place(key.span))
                        .with_label("allowed beside `sql`: `on_error`");
                reader.report(problem);
            }
        }
        (None, Some(transform)) => {
            if let Some(key) = key("on_error") {
                let problem = Problem::new(format!("`on_error` in {here} belongs to a query"))
                    .at(reader.place(key.span))
                    .with_label("allowed beside `sql`")
                    .with_hint("what a transform rejects is ruled by `on_reject`");
                reader.report(problem);
            }
            if key("input").is_none() {
                let problem = Problem::new(format!("{here} lacks the key `input`"))
                    .at(reader.place(transform.span))
                    .with_label("a transform needs `input`");
                reader.report(problem);
            }
        }
    }
}

impl Read for SinkEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            from: fields.required("from"),
            path: fields.optional("path"),
            redshift: fields.optional("redshift"),
            format: fields.optional("format"),
            mode: fields.optional("mode"),
            partition_by: fields.optional("partition_by"),
            csv: fields.optional("csv"),
            compression: fields.optional("compression"),
            sort_by: fields.optional("sort_by"),
            file_size: fields.optional("file_size"),
            row_group_size: fields.optional("row_group_size"),
        };
        fields.finish();
        check_sink_kind(reader, node);
        Some(entry)
    }
}

/// The keys that belong to a sink that writes files.
const FILE_SINK_KEYS: [&str; 7] = [
    "format",
    "partition_by",
    "csv",
    "compression",
    "sort_by",
    "file_size",
    "row_group_size",
];

/// Reports a sink that has neither a path nor a table of Redshift, or both, or has a key of the other kind.
fn check_sink_kind(reader: &mut Reader<'_>, node: &Node) {
    let Yaml::Map(entries) = &node.value else {
        return;
    };
    let mut keys = entries.iter().map(|(key, _)| key);
    let path = keys.clone().find(|key| key.name == "path");
    let redshift = keys.find(|key| key.name == "redshift");
    exactly_one(reader, ("path", "redshift"), (path, redshift), "a sink");
    if let (None, Some(_)) = (path, redshift) {
        for (key, _) in entries {
            if FILE_SINK_KEYS.contains(&key.name.as_str()) {
                let here = reader.here();
                let message = format!("`{}` in {here} belongs to a sink with `path`", key.name);
                let problem = Problem::new(message)
                    .at(reader.place(key.span))
                    .with_label("allowed beside `redshift`: `from`");
                let problem = match key.name.as_str() {
                    "partition_by" => {
                        problem.with_hint("partitions of the table are named within `redshift`")
                    }
                    _ => problem,
                };
                reader.report(problem);
            }
        }
    }
}

/// Reports a map that has neither of two keys, or both.
fn exactly_one(
    reader: &mut Reader<'_>,
    (one, other): (&str, &str),
    found: (Option<&Key>, Option<&Key>),
    what: &str,
) {
    let here = reader.here();
    let label = format!("{what} needs one of them");
    let problem = match found {
        (None, None) => Problem::new(format!("{here} has neither `{one}` nor `{other}`"))
            .at(reader.place(reader.key_span()))
            .with_label(label),
        (Some(first), Some(second)) => {
            Problem::new(format!("{here} has both `{one}` and `{other}`"))
                .at(reader.place(second.span))
                .with_label(label)
                .with_related("the other is here", reader.place(first.span))
        }
        _ => return,
    };
    reader.report(problem);
}

impl Read for RedshiftTableEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            table: fields.required("table"),
            mode: fields.required("mode"),
            keys: fields.optional("keys"),
            order_by: fields.optional("order_by"),
            partition_by: fields.optional("partition_by"),
            distkey: fields.optional("distkey"),
            sortkey: fields.optional("sortkey"),
            varchar: fields.optional("varchar"),
            schema: fields.optional("schema"),
            on_reject: fields.optional("on_reject"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for SlicesEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            files: fields.optional("files"),
            bytes: fields.optional("bytes"),
            rows: fields.optional("rows"),
            time: fields.optional("time"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for PathEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            path: fields.required("path"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for SinkPlaceEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            path: fields.optional("path"),
            table: fields.optional("table"),
        };
        fields.finish();
        if let Yaml::Map(entries) = &node.value {
            let key = |name: &str| {
                let mut keys = entries.iter().map(|(key, _)| key);
                keys.find(|key| key.name == name)
            };
            let found = (key("path"), key("table"));
            exactly_one(reader, ("path", "table"), found, "another place");
        }
        Some(entry)
    }
}

impl Read for VariableEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            value_type: fields.required("type"),
            default: fields.optional("default"),
            description: fields.optional("description"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for TargetEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            variables: fields.optional("variables"),
            sources: fields.optional("sources"),
            sinks: fields.optional("sinks"),
            dead_letters: fields.optional("dead_letters"),
            state: fields.optional("state"),
            aws: fields.optional("aws"),
            redshift: fields.optional("redshift"),
        };
        fields.finish();
        Some(entry)
    }
}

impl Read for RedshiftEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            workgroup: fields.optional("workgroup"),
            cluster: fields.optional("cluster"),
            database: fields.required("database"),
            db_user: fields.optional("db_user"),
            secret_arn: fields.optional("secret_arn"),
            iam_role: fields.optional("iam_role"),
            staging: fields.required("staging"),
        };
        fields.finish();
        let Yaml::Map(entries) = &node.value else {
            return Some(entry);
        };
        let key = |name: &str| {
            let mut keys = entries.iter().map(|(key, _)| key);
            keys.find(|key| key.name == name)
        };
        let (workgroup, user) = (key("workgroup"), key("db_user"));
        let found = (workgroup, key("cluster"));
        exactly_one(reader, ("workgroup", "cluster"), found, "a warehouse");
        if let (Some(_), Some(user)) = (workgroup, user) {
            let message = format!("`db_user` in {} belongs to a cluster", reader.here());
            let problem = Problem::new(message)
                .at(reader.place(user.span))
                .with_label("a workgroup takes the user of the identity, or of `secret_arn`");
            reader.report(problem);
        }
        if let (Some(user), Some(secret)) = (user, key("secret_arn")) {
            let found = (Some(user), Some(secret));
            exactly_one(reader, ("db_user", "secret_arn"), found, "a session");
        }
        Some(entry)
    }
}

impl Read for AwsEntry {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        let entry = Self {
            endpoint: fields.optional("endpoint"),
            region: fields.optional("region"),
            profile: fields.optional("profile"),
            requester_pays: fields.optional("requester_pays"),
            kms_key: fields.optional("kms_key"),
        };
        fields.finish();
        Some(entry)
    }
}
