//! One invocation, from its event to its answer.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use transom_file::spec::Endpoint;
use transom_file::{LoadOptions, Pipeline};
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::{Part, Sources};
use transom_pipeline::plugins::{self, COMPILED};
use transom_pipeline::run::{Observer, RunOptions};
use transom_pipeline::slices::{Amounts, SliceOptions};
use transom_pipeline::{Error, Job, PlanThreads, SessionOptions};
use transom_plugin::{CompiledPlugins, Plugin, Runtime, RuntimeOptions};

use crate::answer::Answer;
use crate::event::Event;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::time::Time;

/// Threads for requests; plans have their own.
const IO_THREADS: usize = 2;

/// What the address of a local AWS begins with.
const LOOPBACK: &str = "http://127.0.0.1:";

/// What the function's configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The pipeline's file.
    pub pipeline: PathBuf,
    /// The target where an event names none; the file's default if there is none here either.
    pub target: Option<String>,
    /// The folder of its plugins as machine code.
    pub compiled: PathBuf,
    /// Where the local AWS answers, if the function runs beside it.
    pub local_aws: Option<String>,
    /// Memory for queries and plugins in bytes; `None` for no limit.
    pub memory: Option<usize>,
}

impl Settings {
    /// The settings that variables of the environment give:
    ///
    /// - `TRANSOM_PIPELINE`: the pipeline's file; else `transom.yaml` in the folder `LAMBDA_TASK_ROOT`, else in the current one,
    /// - `TRANSOM_COMPILED`: the folder of its compiled plugins; else `compiled` beside the pipeline's file,
    /// - `TRANSOM_TARGET`: the target where an event names none,
    /// - `AWS_ENDPOINT_URL`, if it is an address on this machine: there the local AWS answers,
    /// - `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`: MiB of the whole function; three quarters are for queries and plugins, and at least 64 MiB
    ///   are left to the process.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let root = variable("LAMBDA_TASK_ROOT").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let pipeline =
            variable("TRANSOM_PIPELINE").map_or_else(|| root.join("transom.yaml"), PathBuf::from);
        let megabytes = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
        let megabytes = megabytes.and_then(|text| text.to_str()?.parse::<usize>().ok());
        let text = |name| variable(name)?.into_string().ok();
        Self {
            target: text("TRANSOM_TARGET").filter(|target| !target.is_empty()),
            compiled: variable("TRANSOM_COMPILED")
                .map_or_else(|| pipeline.with_file_name(COMPILED), PathBuf::from),
            local_aws: text("AWS_ENDPOINT_URL").filter(|url| url.starts_with(LOOPBACK)),
            memory: megabytes.map(|megabytes| SessionOptions::memory_within(megabytes << 20)),
            pipeline,
        }
    }
}

/// A pipeline as a function. It lives as long as its process, for one invocation after another.
#[derive(Debug)]
pub struct Function {
    settings: Settings,
    /// The plugins, if the pipeline has any.
    plugins: Option<Result<CompiledPlugins, Failure>>,
}

impl Function {
    /// The function of these settings, with the machine code of its plugins. What is wrong with it, or with the pipeline, each
    /// invocation says: Lambda tells callers nothing of a program that does not start.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let folder = &settings.compiled;
        let plugins = CompiledPlugins::are_in(folder).then(|| {
            let runtime = Runtime::new(RuntimeOptions::default());
            let plugins = runtime.and_then(|runtime| CompiledPlugins::open(&runtime, folder));
            plugins.map_err(|error| Failure::plugins(&error))
        });
        Self { settings, plugins }
    }

    /// Loads as many slices as fit into the time until `deadline`: the first one always begins, another one only if it would probably
    /// be over in time. All work has ended when it returns: a process that is frozen would go on with it in the next invocation. Only a
    /// batch that takes longer than what is left of the time is not waited for; nothing takes what comes of it. Blocks, and must not be
    /// called on a thread of an async runtime.
    ///
    /// # Errors
    /// If the event is wrong, or whatever stops the run; panics included. What was loaded before stays loaded.
    pub fn invoke(
        &self,
        event: Value,
        request_id: &str,
        deadline: SystemTime,
    ) -> Result<Answer, Failure> {
        let time = Time::until(deadline);
        let plans = PlanThreads::default();
        let invoked = catch_unwind(AssertUnwindSafe(|| {
            let threads = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(IO_THREADS)
                .thread_name("transom-io")
                .enable_all()
                .build()
                .map_err(|error| Failure::system("threads cannot be started", &error))?;
            // Dropped at the end, which joins what is still running.
            threads.block_on(self.run(event, request_id, time, &plans))
        }));
        if !plans.wait(time.joined) {
            tracing::warn!("what was given up still computes a batch, which comes to nothing");
        }
        invoked.unwrap_or_else(|panic| Err(Failure::panic(panic.as_ref())))
    }

    async fn run(
        &self,
        event: Value,
        request_id: &str,
        time: Time,
        plans: &PlanThreads,
    ) -> Result<Answer, Failure> {
        let event = Event::read(event)?;
        let run_id = event.run_id.as_deref().unwrap_or(request_id).to_owned();
        let mut job = self.job(&event)?;
        job.session.threads = plans.clone();
        let cancel = job.cancel.clone();
        let clock = tokio::spawn(async move {
            tokio::time::sleep_until(time.work.into()).await;
            cancel.cancel();
        });
        let of = Invocation {
            job: &job,
            event: &event,
            run_id: &run_id,
            request_id,
            time,
        };
        let answer = match job.pipeline.is_sliced() {
            true => of.load().await,
            false => of.run_whole().await,
        };
        clock.abort();
        answer
    }

    /// The pipeline and its plugins, for an event.
    fn job(&self, event: &Event) -> Result<Job, Failure> {
        let options = LoadOptions {
            target: event
                .target
                .as_ref()
                .or(self.settings.target.as_ref())
                .cloned(),
            variables: event.variables.clone(),
            is_packaged: true,
        };
        let mut pipeline: Pipeline = transom_file::load(&self.settings.pipeline, &options)?;
        if pipeline.uses_aws() && pipeline.aws.endpoint == Endpoint::Local {
            let Some(url) = &self.settings.local_aws else {
                return Err(Failure::pipeline(
                    format!(
                        "the target `{}` uses the local AWS, which does not run in Lambda",
                        pipeline.target
                    ),
                    "name another target with `target` in the event, or with the variable `TRANSOM_TARGET`",
                ));
            };
            pipeline.aws.endpoint = Endpoint::Url(url.clone());
        }
        let lock = Lock::read(&Lock::path_of(&pipeline)).map_err(|error| Failure::from(&error))?;
        let plugins = self.plugins(&pipeline)?;
        let mut job = Job::new(pipeline, plugins);
        job.lock = lock.map(Arc::new);
        job.session.memory = self.settings.memory;
        Ok(job)
    }

    fn plugins(&self, pipeline: &Pipeline) -> Result<Vec<Arc<Plugin>>, Failure> {
        match &self.plugins {
            Some(Ok(plugins)) => {
                plugins::load_compiled(pipeline, plugins).map_err(|error| Failure::from(&error))
            }
            Some(Err(failure)) => Err(failure.clone()),
            None if pipeline.plugins.is_empty() => Ok(vec![]),
            None => Err(Failure::pipeline(
                format!("there are no compiled plugins in `{COMPILED}` beside the pipeline"),
                "make the function's package with `transom package`",
            )),
        }
    }
}

/// One invocation of a pipeline.
struct Invocation<'a> {
    job: &'a Job,
    event: &'a Event,
    run_id: &'a str,
    request_id: &'a str,
    time: Time,
}

impl Invocation<'_> {
    async fn load(&self) -> Result<Answer, Failure> {
        let options = SliceOptions {
            run: Some(self.run_id.to_owned()),
            max_slices: self.event.max_slices.map(Into::into),
            deadline: Some(self.time.slices),
            ..SliceOptions::default()
        };
        let ran = self.job.run_slices(&options, &Logged).await;
        let (report, error) = match ran {
            Ok(report) => (report, None),
            Err(failure) => (failure.report, Some(failure.error)),
        };
        self.log_metrics(report.slices.len() as u64, Amounts::of_all(&report.slices));
        match error {
            None => {}
            // What is loaded is loaded, and the next invocation goes on.
            Some(Error::Cancelled) if !report.slices.is_empty() => {}
            Some(Error::Cancelled) => return Err(Failure::out_of_time()),
            Some(error) => return Err(Failure::of_slices(&error)),
        }
        if report.slices.is_empty() && report.finished.is_empty() && !report.done {
            return Err(match report.backfill {
                Some(open) => Failure::open_backfill(open),
                None => Failure::out_of_time(),
            });
        }
        Ok(Answer::of_slices(self.run_id, &report, self.time))
    }

    async fn run_whole(&self) -> Result<Answer, Failure> {
        if self.event.max_slices.is_some() {
            return Err(Failure::pipeline(
                "`max_slices` is for pipelines that run in slices, and this one does not"
                    .to_owned(),
                "a source with `incremental` or a sink with `mode: append` makes it one",
            ));
        }
        let run = async {
            let mut planned = self.job.plan(Sources::Open, &Part::default()).await?;
            let options = RunOptions::default();
            let report = self.job.run(&mut planned, &options, &Logged).await;
            report.map_err(|failure| failure.error)
        };
        let ran = run.await;
        match &ran {
            Ok(report) => self.log_metrics(1, Amounts::of_run(report)),
            Err(_) => self.log_metrics(0, Amounts::default()),
        }
        match ran {
            Ok(report) => Ok(Answer::of_run(self.run_id, &report, self.time)),
            Err(Error::Cancelled) => Err(Failure::out_of_time()),
            Err(error) => Err(Failure::from(&error)),
        }
    }

    fn log_metrics(&self, slices: u64, amounts: Amounts) {
        let metrics = Metrics {
            pipeline: &self.job.pipeline.name,
            target: &self.job.pipeline.target,
            run_id: self.run_id,
            request_id: self.request_id,
            slices,
            amounts,
            took: self.time.begin.elapsed(),
        };
        metrics.log();
    }
}

/// Progress, as lines of the log.
struct Logged;

impl Observer for Logged {
    fn begin(&self, _: usize, _: usize, what: &str) {
        tracing::debug!(what, "begun");
    }

    fn rows(&self, _: u64) {}

    fn end(&self, rows: u64, took: Duration) {
        tracing::debug!(rows, seconds = took.as_secs_f64(), "done");
    }
}
