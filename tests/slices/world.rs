//! A pipeline over some files, its tables, and what they should hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use transom_connect::Source as _;
use transom_file::{LoadOptions, load};
use transom_local::Isolation;
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::plugins;
use transom_pipeline::run::Observer;
use transom_pipeline::slices::{
    BackfillOptions, Command as Asked, Commanded, Others, SliceOptions, SlicesFailure, SlicesReport,
};
use transom_pipeline::{Aws, BuildFailure, Builder, Found, Job};
use transom_plugin::{Runtime, RuntimeOptions};
use transom_tests::fault;
use transom_tests::runner::python_runner;

use crate::query;
use crate::server::Server;

/// In the environment of a worker: the pipeline's folder.
const FOLDER: &str = "TRANSOM_WORKER_FOLDER";
/// In the environment of a worker: what it does.
const TASK: &str = "TRANSOM_WORKER_TASK";
/// In the environment of a worker: the address of the server, if it is not the pipeline's.
const ENDPOINT: &str = "TRANSOM_WORKER_ENDPOINT";

/// What a process does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Loads slices.
    Run,
    /// Loads slices, unless another process does.
    RespectfulRun,
    /// Deletes what is not needed.
    Gc,
    /// Loads the shares of a backfill, and computes those that are missing.
    Batch,
    /// Computes a share.
    Share(u32),
    /// Goes back to an entry.
    Rewind(u64),
    /// Gives a slice up, whose files are loaded again.
    Discard(u64),
    /// Loads the slice that was staged by this attempt.
    Load(String),
    /// Opens a backfill with so many shares.
    Plan(u32),
}

pub(crate) struct Silent;

impl Observer for Silent {
    fn begin(&self, _: usize, _: usize, _: &str) {}
    fn rows(&self, _: u64) {}
    fn end(&self, _: u64, _: Duration) {}
}

/// What a pipeline does with its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each new file is added to a table.
    Append,
    /// Days that have changed are computed anew.
    Days,
    /// The rows of a customer are numbered by a transform that keeps its state from slice to slice.
    Numbered,
    /// Of a day's rows of a customer, the largest is kept. In Redshift alone.
    Merge,
    /// Each run computes everything anew.
    Whole,
}

/// The day of all numbered rows: which row of a customer gets which number is up to the run.
const SOME_DAY: &str = "2024-01-01";

/// Where the tables and the log lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Folder,
    S3,
    /// The tables in Redshift, the log on S3.
    Redshift,
    /// A table in Redshift and one on S3, of the same rows.
    Both,
    /// Two tables in Redshift, of the same rows.
    Two,
}

pub(crate) const EVERYWHERE: [(Kind, At); 6] = [
    (Kind::Append, At::Folder),
    (Kind::Days, At::Folder),
    (Kind::Append, At::S3),
    (Kind::Days, At::S3),
    (Kind::Append, At::Redshift),
    (Kind::Days, At::Redshift),
];

/// The other modes, and pipelines with two sinks.
pub(crate) const MORE: [(Kind, At); 9] = [
    (Kind::Append, At::Both),
    (Kind::Append, At::Two),
    (Kind::Merge, At::Redshift),
    (Kind::Whole, At::Redshift),
    (Kind::Days, At::Both),
    (Kind::Whole, At::Both),
    (Kind::Merge, At::Two),
    (Kind::Days, At::Two),
    (Kind::Whole, At::Two),
];

/// Day, customer and amount of each row, sorted.
pub(crate) type Rows = Vec<(String, String, i64)>;

/// A pipeline, its files and a server of S3 if its tables lie there.
pub(crate) struct World {
    folder: TempDir,
    kind: Kind,
    /// The files that there are: name, then customer and amount of each row.
    pub(crate) files: BTreeMap<String, Vec<(String, i64)>>,
    server: Option<Server>,
}

impl World {
    pub(crate) async fn new(kind: Kind, at: At) -> Self {
        Self::isolated(kind, at, Isolation::Snapshot).await
    }

    /// With a warehouse whose transactions see each other so.
    pub(crate) async fn isolated(kind: Kind, at: At, isolation: Isolation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("server");
        let server = match at {
            At::Folder => None,
            _ => Some(Server::here(&data, isolation).await),
        };
        Self::of(kind, at, folder, server).await
    }

    /// With a server that can be killed.
    pub(crate) async fn beside_a_server(kind: Kind, at: At) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::apart(&folder.path().join("server")).await;
        Self::of(kind, at, folder, Some(server)).await
    }

    async fn of(kind: Kind, at: At, folder: TempDir, server: Option<Server>) -> Self {
        let (root, aws) = match &server {
            None => (String::new(), String::new()),
            Some(server) => (
                "s3://lake/".to_owned(),
                format!(
                    ", aws: {{ endpoint: \"{}\", region: us-east-1 }}",
                    server.endpoint()
                ),
            ),
        };
        let (incremental, sql, mode) = match kind {
            Kind::Append => (
                ", incremental: new_files",
                "SELECT raw.day, raw.customer, raw.amount * rates.rate AS amount FROM raw JOIN rates ON true",
                "append",
            ),
            Kind::Days => (
                ", incremental: { by: day }",
                "SELECT day, customer, sum(amount) AS amount FROM raw GROUP BY day, customer",
                "overwrite_partitions",
            ),
            Kind::Numbered => (
                ", incremental: new_files",
                "SELECT DATE '2024-01-01' AS day, customer, number AS amount FROM numbered",
                "append",
            ),
            Kind::Merge => (
                ", incremental: new_files",
                "SELECT day, customer, amount FROM raw",
                "merge, keys: [day, customer], order_by: [amount]",
            ),
            Kind::Whole => (
                "",
                "SELECT day, customer, sum(amount) AS amount FROM raw GROUP BY day, customer",
                "overwrite",
            ),
        };
        let (plugins, numbered) = match kind {
            Kind::Numbered => (
                "plugins: { numbering: { path: numbering } }\n",
                "  numbered: { transform: numbering.number, input: raw, partition_by: [customer] }\n",
            ),
            _ => ("", ""),
        };
        let files =
            || format!("path: \"{root}out\", format: parquet, partition_by: [day], mode: {mode}");
        let partition_by = match kind {
            Kind::Days => ", partition_by: [day]",
            _ => "",
        };
        let table = |name: &str| {
            format!("redshift: {{ table: public.{name}, mode: {mode}{partition_by} }}")
        };
        let sinks = match at {
            At::Folder | At::S3 => vec![("out", files())],
            At::Redshift => vec![("out", table("out"))],
            // The warehouse comes first, wherever it is written.
            At::Both => vec![("lake", files()), ("out", table("out"))],
            At::Two => vec![("out", table("out")), ("second", table("second"))],
        };
        let sinks = sinks
            .iter()
            .map(|(name, sink)| format!("  {name}: {{ from: out, {sink} }}\n"));
        let sinks: String = sinks.collect();
        let warehouse = match at {
            At::Folder | At::S3 => "",
            At::Redshift | At::Both | At::Two => {
                ", redshift: { workgroup: local, database: dev, staging: \"s3://lake/staging/\" }"
            }
        };
        let text = format!(
            "name: orders
{plugins}sources:
  raw: {{ path: raw/, format: csv{incremental} }}
  rates: {{ path: rates.csv, format: csv }}
steps:
{numbered}  out: {{ sql: \"{sql}\" }}
sinks:
{sinks}slices: {{ files: 2 }}
targets:
  test: {{ state: {{ path: \"{root}state\" }}{aws}{warehouse} }}
"
        );
        std::fs::write(folder.path().join("transom.yaml"), text).unwrap();
        std::fs::write(folder.path().join("rates.csv"), "rate\n10\n").unwrap();
        if kind == Kind::Numbered {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("slices/numbering");
            std::fs::create_dir(folder.path().join("numbering")).unwrap();
            for name in ["pyproject.toml", "numbering.py"] {
                let copy = folder.path().join("numbering").join(name);
                std::fs::copy(source.join(name), copy).unwrap();
            }
        }
        let mut world = Self {
            folder,
            kind,
            files: BTreeMap::new(),
            server,
        };
        world.add("day=2024-01-01/first.csv", &[("a", 1), ("b", 2), ("a", 3)]);
        world.lock().await;
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn kill_server(&mut self) {
        let server = self.server.as_mut().unwrap();
        server.kill_and_restart().await;
    }

    /// Writes a file, or writes it anew.
    pub(crate) fn add(&mut self, name: &str, rows: &[(&str, i64)]) {
        let path = self.path().join("raw").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines = rows
            .iter()
            .map(|(customer, amount)| format!("{customer},{amount}\n"));
        let text = format!("customer,amount\n{}", lines.collect::<String>());
        std::fs::write(path, text).unwrap();
        let rows = rows
            .iter()
            .map(|(customer, amount)| ((*customer).to_owned(), *amount));
        self.files.insert(name.to_owned(), rows.collect());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        std::fs::remove_file(self.path().join("raw").join(name)).unwrap();
        self.files.remove(name);
    }

    /// Changes a text in one of the pipeline's files.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`: {text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    async fn lock(&self) {
        let job = self.job();
        if self.server.is_some() {
            job.aws.create_bucket("lake").await.unwrap();
        }
        let planned = job.plan(Sources::Open, &Part::default()).await.unwrap();
        let lock = Lock::new(&job.pipeline, &planned.source_schemas(), &[]);
        lock.write(&Lock::path_of(&job.pipeline)).unwrap();
    }

    pub(crate) fn job(&self) -> Job {
        job_in(self.path(), None)
    }

    /// The pipeline with another address of the server.
    pub(crate) fn job_through(&self, endpoint: &str) -> Job {
        job_in(self.path(), Some(endpoint))
    }

    /// The address of the server.
    pub(crate) fn endpoint(&self) -> String {
        self.server.as_ref().unwrap().endpoint().to_owned()
    }

    pub(crate) async fn run(&self) -> Result<SlicesReport, Box<SlicesFailure>> {
        self.job()
            .run_slices(&SliceOptions::default(), &Silent)
            .await
    }

    /// Loads all there is, the shares of an open backfill as well.
    pub(crate) async fn run_all(&self) {
        let options = SliceOptions {
            compute_shares: true,
            ..SliceOptions::default()
        };
        for _ in 0..3 {
            let report = self.job().run_slices(&options, &Silent).await.unwrap();
            if report.done {
                return;
            }
        }
        panic!("something is left to load");
    }

    pub(crate) async fn ask(&self, command: Asked) -> Result<Commanded, transom_pipeline::Error> {
        self.job().command(&command).await
    }

    /// Computes a slice and leaves it to be loaded; its attempt.
    pub(crate) async fn stage(&self) -> String {
        let options = SliceOptions {
            stage_only: true,
            ..SliceOptions::default()
        };
        let report = self.job().run_slices(&options, &Silent).await.unwrap();
        assert!(report.slices.is_empty());
        report.staged.unwrap().attempt
    }

    /// Brings a slice into the log that the table of the warehouse does not take; its number.
    pub(crate) async fn decide_in_vain(&self) -> u64 {
        let attempt = self.stage().await;
        self.sql("ALTER TABLE public.out RENAME TO hidden").await;
        self.ask(Asked::Load { attempt }).await.unwrap_err();
        self.sql("ALTER TABLE public.hidden RENAME TO out").await;
        self.job().history(0).await.unwrap().tail
    }

    /// A process of its own that runs the pipeline.
    pub(crate) fn spawn(&self, fault: &str) -> Child {
        self.spawn_task(Task::Run, fault)
    }

    pub(crate) fn spawn_task(&self, task: Task, fault: &str) -> Child {
        self.spawn_worker(task, fault, &[])
    }

    /// A process of its own with another address of the server.
    pub(crate) fn spawn_through(&self, task: Task, endpoint: &str) -> Child {
        self.spawn_worker(task, "", &[(ENDPOINT, endpoint)])
    }

    fn spawn_worker(&self, task: Task, fault: &str, more: &[(&str, &str)]) -> Child {
        let folder = self.path().to_str().unwrap();
        let task = serde_json::to_string(&task).unwrap();
        let own: &[(&str, &str)] = &[(FOLDER, folder), (TASK, &task)];
        let variables = [own, more].concat();
        fault::spawn("world::worker", fault, &variables)
    }

    /// Whether a process was killed where it should be.
    pub(crate) fn killed(&self, fault: &str) -> bool {
        self.killed_task(Task::Run, fault)
    }

    pub(crate) fn killed_task(&self, task: Task, fault: &str) -> bool {
        fault::was_killed(self.spawn_task(task, &format!("{fault}:kill")))
    }

    /// What the table should hold.
    pub(crate) fn expected(&self) -> Rows {
        let rows = self.files.iter().flat_map(|(name, rows)| {
            let day = name.split('/').next().unwrap().trim_start_matches("day=");
            rows.iter()
                .map(move |(customer, amount)| (day.to_owned(), customer.clone(), *amount))
        });
        let mut expected: Rows = match self.kind {
            Kind::Append => rows
                .map(|(day, customer, amount)| (day, customer, amount * 10))
                .collect(),
            Kind::Merge => {
                let mut largest = BTreeMap::new();
                for (day, customer, amount) in rows {
                    let kept = largest.entry((day, customer)).or_insert(amount);
                    *kept = amount.max(*kept);
                }
                let rows = largest.into_iter();
                rows.map(|((day, customer), amount)| (day, customer, amount))
                    .collect()
            }
            Kind::Days | Kind::Whole => {
                let mut sums = BTreeMap::new();
                for (day, customer, amount) in rows {
                    *sums.entry((day, customer)).or_insert(0) += amount;
                }
                let rows = sums.into_iter();
                rows.map(|((day, customer), amount)| (day, customer, amount))
                    .collect()
            }
            Kind::Numbered => {
                let mut counts = BTreeMap::new();
                rows.map(|(_, customer, _)| {
                    let number = counts.entry(customer.clone()).or_insert(0);
                    *number += 1;
                    (SOME_DAY.to_owned(), customer, *number)
                })
                .collect()
            }
        };
        expected.sort();
        expected
    }

    /// What the table holds; with two sinks, that of the one which is written first.
    pub(crate) async fn rows(&self) -> Rows {
        self.tables().await.swap_remove(0).1
    }

    /// What the table of each sink holds, with the sink's name.
    pub(crate) async fn tables(&self) -> Vec<(String, Rows)> {
        let pipeline = load(&self.path().join("transom.yaml"), &LoadOptions::default()).unwrap();
        let mut tables = Vec::new();
        for sink in &pipeline.sinks {
            let rows = match &sink.kind {
                transom_file::SinkKind::Files(table) => self.rows_of_files(table).await,
                transom_file::SinkKind::Redshift { redshift, .. } => {
                    self.rows_of_warehouse(&redshift.table.to_string()).await
                }
            };
            tables.push((sink.name.value.clone(), rows));
        }
        tables
    }

    async fn rows_of_files(&self, table: &transom_file::FileTable) -> Rows {
        let job = self.job();
        let (root, pattern) = match &table.path.value {
            transom_file::spec::Place::Local(path) => (
                self.path().into(),
                path.file_name().unwrap().to_str().unwrap().to_owned(),
            ),
            transom_file::spec::Place::S3(url) => {
                let root = transom_file::spec::S3Url {
                    bucket: url.bucket.clone(),
                    key: String::new(),
                };
                (transom_file::spec::Place::S3(root), url.key.clone())
            }
        };
        let source = transom_connect::FileSource {
            name: "out".to_owned(),
            root,
            aws: job.aws.clone(),
            pattern,
            format: transom_file::spec::Format::Parquet,
            columns: None,
            unknown: transom_file::spec::Unknown::default(),
            sample: transom_connect::Sample::default(),
            read: transom_connect::ReadProgress::default(),
        };
        let Ok(inputs) = source.list().await else {
            return Vec::new();
        };
        let session = datafusion::prelude::SessionContext::new();
        let table = source.table(&inputs, None, &session.state()).await.unwrap();
        session.register_table("out", table).unwrap();
        let query = "SELECT CAST(day AS VARCHAR) AS day, customer, amount FROM out";
        let batches = session.sql(query).await.unwrap().collect().await.unwrap();
        let mut rows: Vec<_> = batches.iter().flat_map(rows_of).collect();
        rows.sort();
        rows
    }

    async fn rows_of_warehouse(&self, table: &str) -> Rows {
        let client = query::client(self.server.as_ref().unwrap().endpoint());
        let rows =
            format!("SELECT CAST(day AS VARCHAR), coalesce(customer, ''), amount FROM {table}");
        let rows = match query::rows(&client, &rows).await {
            Ok(rows) => rows,
            Err(error) if error.contains("does not exist") => vec![],
            Err(error) => panic!("{error}"),
        };
        let rows = rows.into_iter().map(|row| {
            let [day, customer, amount] = <[String; 3]>::try_from(row).unwrap();
            (day, customer, amount.parse().unwrap())
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }

    /// All that lies below the roots of the log and of the tables, by path, with what is in it.
    pub(crate) async fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        let mut stored = BTreeMap::new();
        if self.server.is_none() {
            let others = ["raw", "numbering", ".transom", "server"];
            for entry in std::fs::read_dir(self.path()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if !others.contains(&name) && path.is_dir() && !path.is_symlink() {
                    read_files(self.path(), &path, &mut stored);
                }
            }
            return stored;
        }
        let aws = self.job().aws;
        let bucket = transom_file::spec::S3Url::parse("s3://lake/").unwrap();
        for (url, path) in aws.list(&bucket).await.unwrap() {
            let copy = self.path().join("copy");
            aws.download(&url, &copy).await.unwrap();
            stored.insert(path, std::fs::read(copy).unwrap());
        }
        stored
    }

    /// Writes an object, whatever is there.
    pub(crate) async fn put(&self, path: &str, text: &str) {
        let file = self.path().join("copy");
        std::fs::write(&file, text).unwrap();
        let url = transom_file::spec::S3Url::parse(&format!("s3://lake/{path}")).unwrap();
        self.job().aws.upload(&file, &url).await.unwrap();
    }

    /// Copies the pipeline's files to S3, from where it reads them from now on.
    pub(crate) async fn read_from_s3(&self) {
        for name in self.files.keys() {
            let file = self.path().join("raw").join(name);
            let text = std::fs::read_to_string(file).unwrap();
            self.put(&format!("raw/{name}"), &text).await;
        }
        self.edit("transom.yaml", "path: raw/", "path: \"s3://lake/raw/\"");
    }

    /// S3, past our own code.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        query::s3(self.server.as_ref().unwrap().endpoint())
    }

    /// A statement in the warehouse.
    pub(crate) async fn sql(&self, text: &str) {
        let client = query::client(self.server.as_ref().unwrap().endpoint());
        query::rows(&client, text).await.unwrap();
    }

    /// Each table holds what it should, and the log is in order.
    pub(crate) async fn check(&self, when: &str) {
        for (sink, rows) in self.tables().await {
            assert_eq!(rows, self.expected(), "{when}: sink `{sink}`");
        }
        let history = self.job().history(u64::MAX).await.unwrap();
        assert!(history.done, "{when}: {history:?}");
        assert_eq!(history.entries.len() as u64, history.tail, "{when}");
    }
}

/// Files below a folder; links with nothing in them.
fn read_files(root: &Path, folder: &Path, stored: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        match (path.is_symlink(), path.is_dir()) {
            (true, _) => drop(stored.insert(name, Vec::new())),
            (_, true) => read_files(root, &path, stored),
            _ => drop(stored.insert(name, std::fs::read(&path).unwrap())),
        }
    }
}

fn rows_of(batch: &RecordBatch) -> Rows {
    let text = |column: usize| {
        let array = arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8);
        array.unwrap()
    };
    let (days, customers) = (text(0), text(1));
    let amounts =
        arrow::compute::cast(batch.column(2), &arrow::datatypes::DataType::Int64).unwrap();
    (0..batch.num_rows())
        .map(|row| {
            (
                days.as_string::<i32>().value(row).to_owned(),
                customers.as_string::<i32>().value(row).to_owned(),
                amounts.as_primitive::<Int64Type>().value(row),
            )
        })
        .collect()
}

/// Plugins are in Python, which nothing needs to be compiled for.
struct Compilers;

impl Builder for Compilers {
    fn component(&self, folder: &Path, _: &dyn Fn()) -> Result<PathBuf, BuildFailure> {
        let options = transom_build::BuildOptions {
            quiet: true,
            ..Default::default()
        };
        Ok(transom_build::up_to_date(folder, &options, || ())
            .unwrap()
            .component)
    }

    fn find(&self, folder: &Path) -> Result<Found, BuildFailure> {
        self.component(folder, &|| ()).map(Found::UpToDate)
    }
}

/// The one engine of this process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        // Compiled code is shared by all tests of this machine.
        let cache = transom_build::cache_folder().ok();
        Runtime::new(RuntimeOptions {
            cache: cache.map(|cache| cache.join("cwasm")),
            python_runner: Some(python_runner(env!("CARGO_TARGET_TMPDIR"))),
            python_runner_digest: Some(transom_build::python_runner_digest),
        })
        .unwrap()
    })
}

fn job_in(folder: &Path, endpoint: Option<&str>) -> Job {
    let pipeline = load(&folder.join("transom.yaml"), &LoadOptions::default()).unwrap();
    let lock = Lock::read(&Lock::path_of(&pipeline)).unwrap();
    let aws = pipeline.aws.clone();
    let plugins = match pipeline.plugins.is_empty() {
        true => vec![],
        false => plugins::load(&pipeline, runtime(), &Compilers, |_| {}).unwrap(),
    };
    let mut job = Job::new(pipeline, plugins);
    if let transom_file::spec::Endpoint::Url(own) = &aws.endpoint {
        let endpoint = endpoint.unwrap_or(own);
        job.aws = Aws::at(aws.clone(), endpoint, query::KEYS.0, query::KEYS.1);
    }
    job.lock = lock.map(Arc::new);
    job.session.partitions = 2;
    job
}

/// What a process that was started by [`World::spawn`] does; nothing in the process of the tests.
#[test]
fn worker() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    fault::obey();
    let folder = PathBuf::from(folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let task = serde_json::from_str(&std::env::var(TASK).unwrap()).unwrap();
    let endpoint = std::env::var(ENDPOINT).ok();
    let job = job_in(&folder, endpoint.as_deref());
    runtime.block_on(carry_out(&job, task)).unwrap();
}

async fn carry_out(job: &Job, task: Task) -> Result<(), transom_pipeline::Error> {
    let mut options = SliceOptions::default();
    match task {
        Task::Share(share) => {
            let staged = job.stage_share(share, &Silent).await;
            return staged.map(drop).map_err(|failure| failure.error);
        }
        Task::Gc => return job.gc(&crate::gc::ALL).await.map(drop),
        Task::Rewind(to) => return job.command(&Asked::Rewind { to }).await.map(drop),
        Task::Discard(of) => {
            let discard = Asked::Discard { of, redo: true };
            return job.command(&discard).await.map(drop);
        }
        Task::Load(attempt) => return job.command(&Asked::Load { attempt }).await.map(drop),
        Task::Plan(shares) => {
            let shares = BackfillOptions {
                shares: Some(shares),
                ..BackfillOptions::default()
            };
            return job.plan_backfill(&shares, &Silent).await.map(drop);
        }
        Task::Run => {}
        Task::RespectfulRun => options.others = Others::Respected,
        Task::Batch => options.compute_shares = true,
    }
    let ran = job.run_slices(&options, &Silent).await;
    ran.map(drop).map_err(|failure| failure.error)
}

/// Waits until a process has stopped itself, or ended.
pub(crate) fn wait_until_stopped(child: &mut Child) -> bool {
    let stat = format!("/proc/{}/stat", child.id());
    for _ in 0..12_000 {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        let state = text
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim()
            .chars()
            .next();
        if state == Some('T') {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the process neither stops nor ends");
}

pub(crate) fn resume(child: &Child) {
    let sent = Command::new("kill")
        .args(["-CONT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}
