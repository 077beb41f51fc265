//! Tables of Redshift, and the warehouse of a target.

use super::super::model::{RedshiftEntry, RedshiftTableEntry};
use super::super::parts::ColumnNames;
use super::super::pipeline::{Sink, SinkKind};
use super::super::problem::Span;
use super::super::reader::{Spanned, Word};
use super::super::spec::{
    AwsOptions, DbUser, Endpoint, LoadMode, RedshiftOptions, RedshiftTable, S3Url, Server,
    TableName,
};
use super::targets::Target;
use super::{Resolver, entries};

/// The role of COPY that is not said: the one that the warehouse has for it.
const DEFAULT_ROLE: &str = "default";
/// The warehouse of the local AWS.
const LOCAL_WORKGROUP: &str = "local";
const LOCAL_DATABASE: &str = "dev";
const LOCAL_BUCKET: &str = "transom-staging";
/// Bytes of a VARCHAR at most.
const MAX_VARCHAR: u32 = 65_535;

impl Resolver<'_> {
    /// The warehouse of the chosen target, if a sink is in one, and where its staging prefix is said. Those of all
    /// targets are checked.
    pub(super) fn redshift(
        &mut self,
        target: &Target<'_>,
        sinks: &[Sink],
        aws: &AwsOptions,
    ) -> Option<Spanned<RedshiftOptions>> {
        let mut chosen = None;
        for entry in entries(self.file.targets.as_ref()) {
            let said = entry.value.as_ref().and_then(|said| said.redshift.as_ref());
            let Some(said) = said else { continue };
            let options = self.redshift_options(&said.value);
            if entry.name.value == target.name {
                chosen = Some(options);
            }
        }
        let mut in_it = sinks.iter();
        let sink = in_it.find(|sink| matches!(sink.kind, SinkKind::Redshift { .. }))?;
        if let Some(options) = chosen {
            return options;
        }
        if aws.endpoint == Endpoint::Local {
            let value = RedshiftOptions {
                server: Server::Workgroup(LOCAL_WORKGROUP.to_owned()),
                database: LOCAL_DATABASE.to_owned(),
                user: None,
                iam_role: DEFAULT_ROLE.to_owned(),
                staging: S3Url {
                    bucket: LOCAL_BUCKET.to_owned(),
                    key: self.file.name.as_ref()?.0.clone(),
                },
            };
            let span = sink.name.span;
            return Some(Spanned { value, span });
        }
        let message = format!(
            "the sink `{}` is in Redshift, but the target `{}` has no `redshift`",
            sink.name.value, target.name
        );
        let problem = self
            .at(sink.name.span, message)
            .with_label("is in no warehouse")
            .with_hint(
                "say which below the target: `redshift: { workgroup: .., database: .., staging: \"s3://..\" }`",
            );
        self.report(problem);
        None
    }

    /// The warehouse that a target says; the reader has reported keys that are missing or do not belong together.
    fn redshift_options(&mut self, said: &RedshiftEntry) -> Option<Spanned<RedshiftOptions>> {
        let staging = said.staging.as_ref().and_then(|said| {
            let wrong = match S3Url::parse(&said.value) {
                Ok(url) if url.split().is_some() => return Some(url),
                Ok(_) => "names no prefix within the bucket".to_owned(),
                Err(wrong) => wrong,
            };
            let message = format!("`{}` cannot hold what is to be loaded", said.value);
            let problem = self.at(said.span, message).with_label(wrong);
            let hint = "name a prefix of S3, such as `s3://bucket/staging/`";
            self.report(problem.with_hint(hint));
            None
        });
        let iam_role = match &said.iam_role {
            Some(role) if !is_role(&role.value) => {
                let message = format!("`{}` is not an IAM role", role.value);
                let label =
                    "allowed: `default`, or an ARN such as `arn:aws:iam::123456789012:role/copy`";
                let problem = self.at(role.span, message).with_label(label);
                self.report(problem);
                None
            }
            Some(role) => Some(role.value.clone()),
            None => Some(DEFAULT_ROLE.to_owned()),
        };
        let workgroup = said.workgroup.clone().map(Server::Workgroup);
        let cluster = said.cluster.clone().map(Server::Cluster);
        let db_user = said.db_user.clone().map(DbUser::DbUser);
        let secret = said.secret_arn.clone().map(DbUser::SecretArn);
        let value = RedshiftOptions {
            server: workgroup.or(cluster)?,
            database: said.database.clone()?,
            user: db_user.or(secret),
            iam_role: iam_role?,
            staging: staging?,
        };
        let span = said.staging.as_ref()?.span;
        Some(Spanned { value, span })
    }

    /// The table of a sink; `table` is its name, on some targets another than the sink's own.
    pub(super) fn redshift_table(
        &mut self,
        sink: &str,
        said: &RedshiftTableEntry,
        table: &Spanned<String>,
    ) -> Option<RedshiftTable> {
        let table = self.table_name(table);
        let mode = said.mode.as_ref();
        if let Some(mode) = mode {
            let of_modes = [
                ("keys", said.keys.as_ref(), LoadMode::Merge),
                ("order_by", said.order_by.as_ref(), LoadMode::Merge),
                (
                    "partition_by",
                    said.partition_by.as_ref(),
                    LoadMode::OverwritePartitions,
                ),
            ];
            for (key, columns, of) in of_modes {
                self.check_mode(sink, mode, key, columns.map(|said| said.span), of);
            }
        }
        if let (Some(keys), Some(order_by)) = (&said.keys, &said.order_by) {
            let is_key = |column: &&Spanned<String>| {
                keys.value.0.iter().any(|key| key.value == column.value)
            };
            if let Some(column) = order_by.value.0.iter().find(is_key) {
                let message = format!(
                    "the sink `{sink}` orders by `{}`, which is one of its keys",
                    column.value
                );
                let problem = self
                    .at(column.span, message)
                    .with_label("is the same in all rows that are compared");
                self.report(problem);
            }
        }
        let varchar = said.varchar.as_ref().and_then(|said| {
            let length = u32::try_from(said.value.0).ok();
            let length = length.filter(|length| (1..=MAX_VARCHAR).contains(length));
            if length.is_none() {
                let message = format!("a VARCHAR cannot have {} bytes", said.value.0);
                let label = format!("allowed: 1 to {MAX_VARCHAR}");
                let problem = self.at(said.span, message).with_label(label);
                self.report(problem);
            }
            length
        });
        Some(RedshiftTable {
            table: table?,
            mode: mode?.value,
            keys: columns(said.keys.as_ref()),
            order_by: columns(said.order_by.as_ref()),
            partition_by: columns(said.partition_by.as_ref()),
            distkey: said.distkey.clone(),
            sortkey: said.sortkey.as_ref().map_or_else(Vec::new, texts),
            varchar,
            schema: said.schema.flatten().unwrap_or_default(),
        })
    }

    /// The name of a table that the file says.
    pub(super) fn table_name(&mut self, said: &Spanned<String>) -> Option<TableName> {
        match TableName::parse(&said.value) {
            Ok(table) => Some(table),
            Err(wrong) => {
                let message = format!("`{}` is not the name of a Redshift table", said.value);
                let problem = self.at(said.span, message).with_label(wrong);
                self.report(problem);
                None
            }
        }
    }

    /// Reports a key that belongs to another mode, and one that a mode lacks.
    fn check_mode(
        &mut self,
        sink: &str,
        mode: &Spanned<LoadMode>,
        key: &str,
        span: Option<Span>,
        of: LoadMode,
    ) {
        let problem = match span {
            Some(span) if mode.value != of => {
                let message = format!(
                    "the sink `{sink}` has `{key}`, but its mode is `{}`",
                    mode.value.word()
                );
                let label = format!("allowed with `mode: {}`", of.word());
                self.at(span, message).with_label(label)
            }
            None if mode.value == of => {
                let message = format!("the sink `{sink}` lacks `{key}`");
                let label = format!("`{}` needs `{key}`", of.word());
                self.at(mode.span, message).with_label(label)
            }
            _ => return,
        };
        self.report(problem);
    }

    /// Reports sinks that load one table.
    pub(super) fn check_redshift_tables(&mut self, tables: &[(TableName, Span)]) {
        for (at, (table, span)) in tables.iter().enumerate() {
            if let Some((_, first)) = tables[..at].iter().find(|(other, _)| other == table) {
                let message = format!("two sinks load the table `{table}`");
                let problem = self
                    .at(*span, message)
                    .with_label("is loaded already")
                    .with_related("the other is here", self.source.place(*first))
                    .with_hint("join the rows in one step: `select .. union all select ..`");
                self.report(problem);
            }
        }
    }
}

/// `default`, or one or more ARNs with commas between them.
fn is_role(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/_+=.@-".contains(&byte);
    let is_arn = |part: &str| part.starts_with("arn:") && part.bytes().all(plain);
    text == DEFAULT_ROLE || text.split(',').all(is_arn)
}

fn columns(said: Option<&Spanned<ColumnNames>>) -> Vec<String> {
    said.map_or_else(Vec::new, |said| texts(&said.value))
}

fn texts(columns: &ColumnNames) -> Vec<String> {
    let columns = columns.0.iter();
    columns.map(|column| column.value.clone()).collect()
}
