//! What the commands share: the pipeline that the global options name, threads, the plugin engine.
//!
//! Nothing is started before a command asks for it: `transom check` and `transom --help` are to be there at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use transom_build::{cache_folder, python_runner_digest};
use transom_file::spec::Endpoint;
use transom_file::{LoadOptions, Pipeline};
use transom_pipeline::lock::Lock;
use transom_pipeline::plan::Planned;
use transom_pipeline::{Job, plugins};
use transom_plugin::{CompiledPlugins, Plugin, Runtime, RuntimeOptions};

use crate::arguments::GlobalOptions;
use crate::compilers::Compilers;
use crate::failure::Failure;
use crate::local_aws::{self, Joined};
use crate::logs;
use crate::package::{BOOTSTRAP, Variables};
use crate::printer::Printer;

/// Threads for files and signals; plans have their own.
const IO_THREADS: usize = 2;
/// How long the end of a command's work may take.
const ENDING: Duration = Duration::from_millis(500);

/// What the commands share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) printer: Printer,
    pub(crate) global: GlobalOptions,
}

impl Context {
    pub(crate) fn new(global: GlobalOptions) -> Self {
        let printer = Printer::new(global.color, global.quiet);
        logs::start(global.quiet, global.verbose, &printer);
        Self { printer, global }
    }

    /// The pipeline, with the target and the variables of the command line.
    pub(crate) fn pipeline(&self) -> Result<Pipeline, Failure> {
        self.pipeline_at(&self.global.file, self.global.target.as_deref())
    }

    /// The values that the command line gives to variables; of several for one, the last.
    pub(crate) fn variables(&self) -> Variables {
        self.global.variables.iter().cloned().collect()
    }

    /// The pipeline of a file, for a target.
    pub(crate) fn pipeline_at(
        &self,
        file: &Path,
        target: Option<&str>,
    ) -> Result<Pipeline, Failure> {
        if !file.exists() {
            return Err(Failure::Usage {
                message: format!("there is no pipeline at `{}`", file.display()),
                hint: Some(
                    "go to the folder of a `transom.yaml`, or name one with `--file`".to_owned(),
                ),
            });
        }
        let options = LoadOptions {
            target: target.map(str::to_owned),
            variables: self.variables(),
            is_packaged: CompiledPlugins::are_in(&compiled(file)),
        };
        Ok(transom_file::load(file, &options)?)
    }

    /// A job of a pipeline and its plugins, with what the lock file says. Its plans and runs end when it is dropped: it may have started
    /// the local AWS.
    pub(crate) async fn job(
        &self,
        pipeline: Pipeline,
        plugins: Vec<Arc<Plugin>>,
        lock: Option<Lock>,
    ) -> Result<Ready, Failure> {
        let local = match pipeline.uses_aws() && pipeline.aws.endpoint == Endpoint::Local {
            true => Some(local_aws::join(&pipeline).await?),
            false => None,
        };
        let mut job = Job::new(pipeline, plugins);
        job.lock = lock.map(Arc::new);
        if let Some(local) = &local {
            job.aws = local.aws(&job.pipeline.aws);
        }
        Ok(Ready { job, local })
    }

    /// The pipeline's plugins; those being built are named. Those of a package are compiled already.
    pub(crate) fn plugins(&self, pipeline: &Pipeline) -> Result<Vec<Arc<Plugin>>, Failure> {
        let runtime = self.plugin_runtime()?;
        let folder = compiled(&pipeline.file);
        if CompiledPlugins::are_in(&folder) {
            let compiled = CompiledPlugins::open(&runtime, &folder)?;
            return Ok(plugins::load_compiled(pipeline, &compiled)?);
        }
        Ok(plugins::load(pipeline, &runtime, &Compilers, |plugin| {
            self.building(plugin);
        })?)
    }

    /// Says that a plugin is being built, which takes a while.
    pub(crate) fn building(&self, plugin: &str) {
        self.printer.say(format_args!("building plugin {plugin}"));
    }

    /// Warns of steps that are planned and would not run.
    pub(crate) fn warn_of_unread(&self, planned: &Planned) {
        for (step, ..) in planned.steps().filter(|(_, readers, _)| *readers == 0) {
            self.printer.warn(format_args!(
                "step `{step}` is read by nothing and does not run"
            ));
        }
    }

    /// The engine for plugins, with compiled code kept from one process to the next.
    pub(crate) fn plugin_runtime(&self) -> Result<Runtime, Failure> {
        Ok(Runtime::new(RuntimeOptions {
            cache: self.compiled_code(),
            python_runner: python_runner(),
            python_runner_digest: Some(python_runner_digest),
        })?)
    }

    /// Where compiled code is kept; without a home it is compiled every time, which is slow and not wrong.
    fn compiled_code(&self) -> Option<PathBuf> {
        match cache_folder() {
            Ok(folder) => Some(folder.join("cwasm")),
            Err(error) => {
                tracing::warn!(%error, "compiled code is not kept");
                None
            }
        }
    }

    /// Runs async work to its end. What the work left running ends soon after, or with the process.
    pub(crate) fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("transom-io")
            // What they do not use of it takes no memory.
            .thread_stack_size(transom_local::THREAD_STACK)
            .enable_all()
            .build()
            .map_err(|source| Failure::Io {
                what: "threads cannot be started".to_owned(),
                source,
            })?;
        let result = runtime.block_on(work);
        // A local AWS must have let go of its files before the next one is started.
        runtime.shutdown_timeout(ENDING);
        result
    }
}

/// A job that can be planned and run.
#[derive(Debug)]
pub(crate) struct Ready {
    job: Job,
    #[expect(dead_code, reason = "serves as long as it lives")]
    local: Option<Joined>,
}

impl std::ops::Deref for Ready {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

impl std::ops::DerefMut for Ready {
    fn deref_mut(&mut self) -> &mut Job {
        &mut self.job
    }
}

/// Where the compiled plugins of a packaged pipeline are.
fn compiled(pipeline: &Path) -> PathBuf {
    pipeline.with_file_name(plugins::COMPILED)
}

/// The component that runs Python: what the environment says, else the one that came with the program.
pub(crate) fn python_runner() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TRANSOM_PYTHON_RUNNER") {
        return Some(named.into());
    }
    installed("python-runner.wasm")
}

/// The program of a Lambda function: beside this one, as both are built, else the one that came with it.
pub(crate) fn bootstrap() -> Option<PathBuf> {
    let built = std::env::current_exe().ok()?.with_file_name(BOOTSTRAP);
    match built.is_file() {
        true => Some(built),
        false => installed(BOOTSTRAP),
    }
}

/// A file that came with the program, as it is installed (`bin/transom` and `lib/transom/..`) or built (`target/debug/transom` and
/// `target/lib/transom/..`).
fn installed(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let file = program.parent()?.parent()?.join("lib/transom").join(name);
    file.is_file().then_some(file)
}
