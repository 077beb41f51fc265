//! A local AWS, a pipeline with one sink in its Redshift, and a log in memory.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use async_trait::async_trait;
use aws_sdk_redshiftdata::Client;
use chrono::Utc;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use tempfile::TempDir;
use transom_commit::{
    Applying, Attempt, By, Claim, Counts, Decision, Draft, Entry, Log, MemoryStore, Part, Patience,
    Pipeline, Position, Report, RunError, Runner, SinkKind, Slice, StoredLog, Task, Work,
};
use transom_connect::{
    Aws, RedshiftSink, Replaces, Sink, SinkError, SinkLimits, Staged, WriteProgress,
};
use transom_file::spec::{
    AwsOptions, LoadMode, RedshiftOptions, RedshiftTable, S3Url, SchemaChange, Server, TableName,
};
use transom_local::{Isolation, LocalAws, Options};

use crate::query;

const PATIENCE: Patience = Patience {
    tries: 4,
    pause: Duration::from_millis(1),
};

/// A local AWS with a bucket for what is staged.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) store: MemoryStore,
    client: Client,
    local: LocalAws,
    isolation: Isolation,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Isolation::Snapshot).await
    }

    pub(crate) async fn with(isolation: Isolation) -> Self {
        let world = Self::over(TempDir::new().unwrap(), MemoryStore::new(), isolation).await;
        world.aws.create_bucket("staging").await.unwrap();
        world
    }

    /// With services that are started anew: they have their data, and have forgotten what they were asked for.
    pub(crate) async fn restarted(self) -> Self {
        let Self {
            store,
            local,
            isolation,
            folder,
            ..
        } = self;
        local.shutdown().await;
        Self::over(folder, store, isolation).await
    }

    async fn over(folder: TempDir, store: MemoryStore, isolation: Isolation) -> Self {
        let options = Options {
            http_port: 0,
            isolation,
            ..Options::new(folder.path())
        };
        let local = LocalAws::start(options).await.unwrap();
        let (access_key, secret_key) = query::KEYS;
        let aws = Aws::at(
            AwsOptions::default(),
            local.endpoint(),
            access_key,
            secret_key,
        );
        let client = query::client(local.endpoint());
        Self {
            aws,
            store,
            client,
            local,
            isolation,
            folder,
        }
    }

    /// The address of all services.
    pub(crate) fn endpoint(&self) -> String {
        self.local.endpoint().to_owned()
    }

    /// A sink with a table in the schema `public`.
    pub(crate) fn sink(&self, mode: LoadMode) -> RedshiftSink {
        let names = |wanted: LoadMode, names: &[&str]| match mode == wanted {
            true => names.iter().map(|name| (*name).to_owned()).collect(),
            false => vec![],
        };
        RedshiftSink {
            name: "mart".to_owned(),
            aws: self.aws.clone(),
            warehouse: RedshiftOptions {
                server: Server::Cluster("dwh".to_owned()),
                database: "dev".to_owned(),
                user: None,
                iam_role: "arn:aws:iam::123456789012:role/copy".to_owned(),
                staging: S3Url::parse("s3://staging/it's here/").unwrap(),
            },
            table: RedshiftTable {
                table: TableName::parse("public.daily").unwrap(),
                mode,
                keys: names(LoadMode::Merge, &["id"]),
                order_by: names(LoadMode::Merge, &["at"]),
                partition_by: names(LoadMode::OverwritePartitions, &["day"]),
                distkey: None,
                sortkey: vec![],
                varchar: None,
                schema: SchemaChange::Fail,
            },
            refused: None,
            limits: SinkLimits::default(),
        }
    }

    /// Deletes all that is staged.
    pub(crate) async fn delete_staged(&self) {
        let s3 = query::s3(self.local.endpoint());
        let listed = s3.list_objects_v2().bucket("staging").send().await.unwrap();
        for object in listed.contents() {
            let gone = s3.delete_object().bucket("staging");
            gone.key(object.key().unwrap()).send().await.unwrap();
        }
    }

    /// The rows of a query, values separated by blanks, rows by `; `.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).await.unwrap()
    }

    pub(crate) async fn try_sql(&self, sql: &str) -> Result<String, String> {
        let rows = query::rows(&self.client, sql).await?;
        let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
        Ok(rows.join("; "))
    }

    /// Loads each of `loads` as a slice.
    pub(crate) async fn load(
        &self,
        sink: &RedshiftSink,
        loads: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<Report, RunError> {
        let loads = loads.into_iter().map(Planned::Rows).collect();
        self.run(sink, loads, Task::Run).await
    }

    /// Appends one entry.
    pub(crate) async fn append(
        &self,
        sink: &RedshiftSink,
        draft: Draft,
    ) -> Result<Report, RunError> {
        self.run(sink, [Planned::Draft(draft)].into(), Task::Once)
            .await
    }

    pub(crate) async fn run(
        &self,
        sink: &RedshiftSink,
        plans: VecDeque<Planned>,
        task: Task,
    ) -> Result<Report, RunError> {
        let mut work = Loads {
            world: self,
            sink: sink.clone(),
            plans,
            proposed: None,
        };
        let by = By {
            run: "test".to_owned(),
            host: "here".to_owned(),
            pid: 1,
            transom: "0".to_owned(),
        };
        let runner = Runner::new(&self.store, &mut work, by, task, None).await?;
        runner.with_patience(PATIENCE).run().await
    }

    /// The last entry of the log.
    pub(crate) async fn tail(&self) -> Entry {
        let log = StoredLog::open(&self.store, None).await.unwrap();
        let log = log.log();
        log.get(log.tail()).unwrap().clone()
    }
}

/// What a run is to append.
#[derive(Clone)]
pub(crate) enum Planned {
    /// A slice with these rows.
    Rows(RecordBatch),
    /// A slice with these rows; the statements are run once they are staged.
    RowsThen(RecordBatch, Vec<&'static str>),
    /// A slice with these rows, which replaces these partitions.
    Partitions(RecordBatch, Replaces),
    Draft(Draft),
}

/// A pipeline that has its results already.
struct Loads<'w> {
    world: &'w World,
    sink: RedshiftSink,
    plans: VecDeque<Planned>,
    /// The attempt at the first of them.
    proposed: Option<Attempt>,
}

#[async_trait]
impl Work for Loads<'_> {
    async fn plan(
        &mut self,
        log: &Log,
    ) -> Result<Option<(Attempt, Draft)>, Box<dyn Error + Send + Sync>> {
        // What another process has overtaken is planned again.
        let entries = (1..=log.tail()).filter_map(|seq| log.get(seq));
        let mut attempts = entries.map(|entry| entry.attempt);
        if let Some(proposed) = self.proposed.take()
            && attempts.any(|attempt| attempt == proposed)
        {
            self.plans.pop_front();
        }
        let attempt = Attempt::random();
        self.proposed = Some(attempt);
        Ok(match self.plans.front().cloned() {
            None => None,
            Some(Planned::Draft(draft)) => Some((attempt, draft)),
            Some(Planned::Rows(rows)) => {
                let staged = stage(&self.sink, attempt, rows).await?;
                Some((attempt, slice(staged)))
            }
            Some(Planned::Partitions(rows, replaces)) => {
                let attempt_of_sink = transom_connect::Attempt {
                    replaces: Some(replaces),
                    ..transom_connect::Attempt::new(attempt.to_string())
                };
                let staged = stage_as(&self.sink, attempt_of_sink, rows).await?;
                Some((attempt, slice(staged)))
            }
            Some(Planned::RowsThen(rows, sql)) => {
                let staged = stage(&self.sink, attempt, rows).await?;
                for sql in sql {
                    self.world.sql(sql).await;
                }
                Some((attempt, slice(staged)))
            }
        })
    }

    fn sink(&self, _: &transom_commit::SinkName) -> Option<transom_commit::Sink<'_>> {
        self.sink.committed()
    }

    async fn delete_staged(
        &self,
        _: transom_commit::LogId,
        _: &[Attempt],
    ) -> Result<(), transom_commit::SinkError> {
        Ok(())
    }
}

/// Stages rows for an attempt.
pub(crate) async fn stage(
    sink: &RedshiftSink,
    attempt: Attempt,
    rows: RecordBatch,
) -> Result<Staged, SinkError> {
    let attempt = transom_connect::Attempt::new(attempt.to_string());
    stage_as(sink, attempt, rows).await
}

/// Stages rows as three streams, one of them empty.
pub(crate) async fn stage_as(
    sink: &RedshiftSink,
    attempt: transom_connect::Attempt,
    rows: RecordBatch,
) -> Result<Staged, SinkError> {
    let staging = sink.begin(&attempt).await?;
    let half = rows.num_rows() / 2;
    let parts = [
        rows.slice(0, half),
        rows.slice(0, 0),
        rows.slice(half, rows.num_rows() - half),
    ];
    let streams = parts.map(|part| {
        let batches = futures::stream::iter([Ok(part)]);
        Box::pin(RecordBatchStreamAdapter::new(rows.schema(), batches)) as _
    });
    let progress = Arc::new(WriteProgress::default());
    if let Err(error) = staging.write(streams.into(), &progress).await {
        staging.abandon().await;
        return Err(error);
    }
    staging.finish().await
}

/// An entry's draft with what was staged.
pub(crate) fn slice(staged: Staged) -> Draft {
    let slice = Slice {
        pipeline: Pipeline {
            digest: "sha256:0".to_owned(),
            plugins: BTreeMap::new(),
        },
        clock: Utc::now(),
        seed: 0,
        inputs: BTreeMap::new(),
        sinks: vec![Part {
            name: staged.sink.as_str().into(),
            kind: SinkKind::Warehouse,
            prev: Position::START,
            rows: staged.written.rows,
            staged: serde_json::to_value(&staged.publish).unwrap(),
        }],
        counts: Counts::default(),
    };
    Draft::Slice {
        slice: Box::new(slice),
        sources: BTreeMap::new(),
        buckets: vec![],
    }
}

/// The entry after another one, with what was staged.
pub(crate) fn entry_after(entry: &Entry, attempt: Attempt, staged: Staged) -> Entry {
    let Draft::Slice { mut slice, .. } = slice(staged) else {
        unreachable!("it is a slice");
    };
    slice.sinks[0].prev = Position::new(entry.seq, entry.attempt);
    Entry {
        seq: entry.seq + 1,
        attempt,
        decision: Decision::Slice(slice),
        ..entry.clone()
    }
}

/// The entry as it is applied to the sink, and what is claimed of its ledger.
pub(crate) fn applying(entry: &Entry) -> (Applying<'_>, Claim) {
    let prev = match &entry.decision {
        Decision::Slice(slice) => slice.sinks[0].prev,
        other => panic!("{other:?}"),
    };
    let applying = Applying {
        entry,
        sink: "mart".into(),
        prev,
        taken_back: vec![],
    };
    let claim = Claim {
        log: entry.log,
        from: prev,
        to: Position::new(entry.seq, entry.attempt),
        blocked: 0,
    };
    (applying, claim)
}

/// A table from its columns' names, types and values; `-` is NULL.
pub(crate) fn rows(columns: &[(&str, DataType)], values: &[&[&str]]) -> RecordBatch {
    let fields = columns.iter();
    let fields = fields.map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.iter().enumerate().map(|(at, (_, data_type))| {
        let texts = values.iter().map(|row| (row[at] != "-").then_some(row[at]));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let array = cast(&texts, data_type).unwrap();
        assert_eq!(array.null_count(), texts.null_count(), "{values:?}");
        array
    });
    let arrays = arrays.collect();
    RecordBatch::try_new(schema, arrays).unwrap()
}

/// Rows with an `id`, a time `at`, a `day` and a `text`.
pub(crate) fn visits(values: &[&[&str]]) -> RecordBatch {
    let at = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let columns = [
        ("id", DataType::Int64),
        ("at", at),
        ("day", DataType::Date32),
        ("text", DataType::Utf8),
    ];
    rows(&columns, values)
}

/// An error with its causes.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
