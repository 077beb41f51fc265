//! `transom test`: runs the tests beside the pipeline, and writes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use transom_file::test_file::{self, Test};
use transom_file::{Pipeline, Problems};
use transom_pipeline::Job;
use transom_pipeline::lock::Lock;
use transom_pipeline::report::counted;
use transom_pipeline::testing::{self, TestReport, Tester};
use transom_plugin::Plugin;

use crate::context::Context;
use crate::failure::{FailedRow, Failure};
use crate::printer::{FAILED, STRONG};
use crate::values::positive;
use crate::watch::{self, Seen};

mod plugin;
mod show;

use self::plugin::PluginReport;

/// Test the pipeline's steps with rows that are given, or a plugin in its folder.
///
/// Runs the tests in the YAML files of the folder `tests` beside the pipeline, or in the files that are named. Each says which
/// rows sources have and which rows steps make of them; sources themselves are not read. Plugins whose source has changed are built first.
///
/// In the folder of a plugin, or with such a folder in place of files, it builds the plugin, runs its unit tests (`cargo test`, `go
/// test`, pytest or unittest), and checks that what was built keeps the contract between plugins and pipelines.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  transom test                                   all tests
  transom test tests/daily.yaml --filter delay   those in a file whose names contain a word
  transom test --create daily --rows 5           writes tests/daily.yaml from real data
  transom test --update                          expects from now on what was found, and shows the difference
  transom test --plugins                         the plugins of the pipeline, then its tests
  transom test plugins/privacy                   a plugin
  transom test --watch                           runs what a saved file touches, until Ctrl-C
  transom test --json | jq '.tests[] | select(.passed | not) | .name'")]
pub(crate) struct TestCommand {
    /// Files of tests, or folders of plugins. [default: all in the folder `tests` beside the pipeline; the plugin in this folder]
    #[arg(value_name = "TESTS")]
    files: Vec<PathBuf>,
    /// Runs the tests alone whose names contain this. May be repeated.
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,
    /// Writes a test of this step instead: given are the first rows of what it reads, expected what it makes of them.
    #[arg(long, value_name = "STEP", conflicts_with_all = ["filter", "update", "watch", "json"])]
    pub(crate) create: Option<String>,
    /// Rows of each table for the new test. [default: 5]
    #[arg(long, value_name = "N", requires = "create", value_parser = positive)]
    rows: Option<usize>,
    /// With `--create`: columns whose values are replaced by made-up ones of the same type and length. May be repeated.
    #[arg(
        long,
        value_name = "COLUMNS",
        requires = "create",
        value_delimiter = ','
    )]
    anonymize: Vec<String>,
    /// With `--create`: shows the values of the row that a plugin failed on with its error.
    #[arg(long, requires = "create")]
    pub(crate) show_row: bool,
    /// Writes what was found into the tests, in place of what they expected.
    #[arg(long)]
    update: bool,
    /// Tests the plugins of the pipeline first: their unit tests, and the checks of the contract.
    #[arg(long, conflicts_with_all = ["create", "update", "watch"])]
    plugins: bool,
    /// Runs again whatever is touched by a file that is saved, builds included.
    #[arg(long, conflicts_with_all = ["json", "update"])]
    watch: bool,
    /// Writes a report as JSON to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl TestCommand {
    pub(crate) fn execute(self, context: &Context) -> Result<(), Failure> {
        if let Some(step) = &self.create {
            return self.create(context, step);
        }
        if self.watch {
            return self.watch(context);
        }
        if let Some(folders) = self.plugin_folders(context)? {
            let reports = folders
                .iter()
                .map(|folder| plugin::test_folder(context, folder, self.json));
            return self.finish(context, &reports.collect::<Result<Vec<_>, _>>()?, &[]);
        }
        if self.plugins {
            return self.with_plugins(context);
        }
        let tests = self.tests(context)?;
        let tester = tester(context, &tests)?;
        let reports = self.run(context, &tester, tests.iter())?;
        if self.update && update(context, &reports)? > 0 {
            // What is written now is to pass.
            let tests = self.tests(context)?;
            let reports = self.run(context, &tester, tests.iter())?;
            return self.finish(context, &[], &reports);
        }
        self.finish(context, &[], &reports)
    }

    /// The folders of plugins that are to be tested; none where a pipeline's tests are meant.
    fn plugin_folders(&self, context: &Context) -> Result<Option<Vec<PathBuf>>, Failure> {
        let folders = match self.files.as_slice() {
            [] if context.global.file.exists() => return Ok(None),
            [] => vec![PathBuf::from(".")],
            files => files.to_vec(),
        };
        let is_plugin = |folder: &PathBuf| transom_build::detect(folder).is_ok();
        if !folders.iter().all(is_plugin) {
            return Ok(None);
        }
        if self.plugins || self.update || !self.filter.is_empty() {
            return Err(Failure::Usage {
                message: "`--plugins`, `--update` and `--filter` are for the tests of a pipeline"
                    .to_owned(),
                hint: Some("a plugin is tested as a whole: `transom test FOLDER`".to_owned()),
            });
        }
        Ok(Some(folders))
    }

    /// The pipeline's plugins, then its tests, if there are any.
    fn with_plugins(&self, context: &Context) -> Result<(), Failure> {
        let tests = match self.test_files(context)?.is_empty() {
            true => Vec::new(),
            false => self.tests(context)?,
        };
        let pipeline = pipeline(context, &tests)?;
        let plugins = context.plugins(&pipeline)?;
        let tested = plugin::test_all(context, &pipeline, &plugins, self.json)?;
        let tester = Tester::new(job_of(pipeline, plugins)?)?;
        let reports = self.run(context, &tester, tests.iter())?;
        self.finish(context, &tested, &reports)
    }

    /// The folder of the tests that are not named.
    fn folder(context: &Context) -> PathBuf {
        let beside = context.global.file.parent();
        beside.unwrap_or(Path::new("")).join(test_file::FOLDER)
    }

    fn test_files(&self, context: &Context) -> Result<Vec<PathBuf>, Failure> {
        match self.files.is_empty() {
            true => Ok(testing::find(&Self::folder(context))?),
            false => Ok(self.files.clone()),
        }
    }

    /// All tests that are asked for; at least one.
    fn tests(&self, context: &Context) -> Result<Vec<Test>, Failure> {
        let mut tests = Vec::new();
        let mut problems = Vec::new();
        for file in self.test_files(context)? {
            match test_file::read(&file) {
                Ok(read) => tests.extend(read),
                Err(Problems(more)) => problems.extend(more),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems).into());
        }
        let written = tests.len();
        tests.retain(|test| {
            let mut words = self.filter.iter();
            self.filter.is_empty() || words.any(|word| test.name().contains(word.as_str()))
        });
        if !tests.is_empty() {
            return Ok(tests);
        }
        let (message, hint) = match written {
            0 => {
                let folder = Self::folder(context);
                let message = format!("there are no tests in `{}`", folder.display());
                let hint = "write one from real data with `transom test --create STEP`";
                (message, hint.to_owned())
            }
            written => {
                let words: Vec<String> =
                    self.filter.iter().map(|word| format!("`{word}`")).collect();
                let message = format!("no test has a name with {}", words.join(" or "));
                let hint = format!(
                    "without `--filter`, {} would run",
                    counted(written as u64, "test")
                );
                (message, hint)
            }
        };
        let hint = Some(hint);
        Err(Failure::Usage { message, hint })
    }

    fn run<'t>(
        &self,
        context: &Context,
        tester: &Tester,
        tests: impl Iterator<Item = &'t Test>,
    ) -> Result<Vec<TestReport>, Failure> {
        context.block_on(async {
            let mut reports = Vec::new();
            for test in tests {
                let report = tester.run(test).await;
                if !self.json && (!report.passed || !context.global.quiet) {
                    let text = show::report(
                        &report,
                        context.printer.width(),
                        context.printer.is_colored(),
                    );
                    context.printer.data(text)?;
                }
                reports.push(report);
            }
            Ok(reports)
        })
    }

    fn finish(
        &self,
        context: &Context,
        plugins: &[PluginReport],
        reports: &[TestReport],
    ) -> Result<(), Failure> {
        warn_of_untyped(context, reports);
        let (mut failed, mut of) = (0, 0);
        let counts = plugins.iter().map(PluginReport::counts);
        for (more_failed, more) in counts.chain(
            reports
                .iter()
                .map(|report| (usize::from(!report.passed), 1)),
        ) {
            failed += more_failed;
            of += more;
        }
        let mut report = json!({ "tests": reports, "passed": of - failed, "failed": failed });
        if !plugins.is_empty() {
            report["plugins"] = json!(plugins);
        }
        if failed > 0 {
            return Err(Failure::Tests { failed, of, report });
        }
        if self.json {
            return context.printer.json(&report);
        }
        match plugins.is_empty() {
            true => summary(context, reports),
            false => context.printer.say(format_args!(
                "{STRONG}{} passed{STRONG:#}",
                counted(of as u64, "test")
            )),
        }
        Ok(())
    }

    fn create(&self, context: &Context, step: &str) -> Result<(), Failure> {
        let pipeline = context.pipeline()?;
        super::plan::check_step(&pipeline, step)?;
        let path = match self.files.as_slice() {
            [] => Self::folder(context).join(format!("{step}.yaml")),
            [path] => path.clone(),
            _ => {
                return Err(Failure::Usage {
                    message: "a new test goes into one file".to_owned(),
                    hint: None,
                });
            }
        };
        if path.exists() {
            return Err(Failure::Usage {
                message: format!("there is a file at `{}` already", path.display()),
                hint: Some(format!(
                    "name another one: `transom test --create {step} FILE`"
                )),
            });
        }
        let plugins = context.plugins(&pipeline)?;
        let lock = Lock::read(&Lock::path_of(&pipeline))?;
        let rows = self.rows.unwrap_or(5);
        let text = context.block_on(async {
            let job = context.job(pipeline, plugins, lock).await?;
            let tester = Tester::new(Job::clone(&job))?;
            Ok(testing::create(&tester, step, rows, &self.anonymize).await?)
        })?;
        let failed = |source| Failure::Io {
            what: format!("`{}` cannot be written", path.display()),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(&path, text).map_err(failed)?;
        let path = path.display();
        context.printer.say(format_args!(
            "{STRONG}wrote{STRONG:#} {path}; run it with `transom test {path}`"
        ));
        context.printer.warn(match self.anonymize.is_empty() {
            true => "the file holds real values of your data: look through it before you commit it, or replace values with `--anonymize COLUMNS`",
            false => "columns that `--anonymize` does not name hold real values: look through the file before you commit it",
        });
        Ok(())
    }

    /// Runs all tests, then those that a saved file touches, until the user ends it.
    fn watch(&self, context: &Context) -> Result<(), Failure> {
        let mut reports: Vec<TestReport> = Vec::new();
        let mut touched: Option<Vec<PathBuf>> = None;
        loop {
            let seen = Seen::now(self.watched(context, &reports));
            match self.again(context, &reports, touched.as_deref()) {
                Ok(again) => {
                    warn_of_untyped(context, &again);
                    summary(context, &again);
                    // What did not run again is as it was.
                    let is_again = |report: &TestReport| {
                        again
                            .iter()
                            .any(|other| other.file == report.file && other.name == report.name)
                    };
                    reports.retain(|report| !is_again(report));
                    reports.extend(again);
                }
                Err(Failure::Closed) => return Err(Failure::Closed),
                Err(failure) => {
                    context.printer.failure(&failure, FailedRow::Untold);
                    // Once it is fixed, everything runs again.
                    reports.clear();
                }
            }
            let files = || self.watched(context, &reports);
            // Files that a run has named for the first time are seen as they are now.
            let mut seen = seen;
            seen.add(files());
            touched = Some(watch::changes(&context.printer, &seen, files));
        }
    }

    fn again(
        &self,
        context: &Context,
        reports: &[TestReport],
        touched: Option<&[PathBuf]>,
    ) -> Result<Vec<TestReport>, Failure> {
        let tests = self.tests(context)?;
        let tester = tester(context, &tests)?;
        let is_touched = |test: &&Test| {
            let Some(touched) = touched else { return true };
            let report = reports
                .iter()
                .find(|report| report.file == test.file() && report.name == test.name());
            // A file that no test names is part of all: the pipeline, a plugin's source.
            let of_all = |file: &PathBuf| !reports.iter().any(|report| report.files.contains(file));
            report.is_none_or(|report| {
                touched
                    .iter()
                    .any(|file| of_all(file) || report.files.contains(file))
            })
        };
        self.run(context, &tester, tests.iter().filter(is_touched))
    }

    /// The files that tests depend on.
    fn watched(&self, context: &Context, reports: &[TestReport]) -> Vec<PathBuf> {
        let mut files = vec![context.global.file.clone()];
        files.extend(self.test_files(context).unwrap_or_default());
        files.extend(reports.iter().flat_map(|report| report.files.clone()));
        // The saved query may be the one that fixes the pipeline.
        let here = std::env::current_dir().unwrap_or_default();
        let root = here.join(context.global.file.parent().unwrap_or(Path::new("")));
        let root = std::path::absolute(&root).unwrap_or(root);
        add_queries(&root, &mut files);
        if let Ok(pipeline) = context.pipeline() {
            files.push(Lock::path_of(&pipeline));
            for plugin in &pipeline.plugins {
                match plugin.path.value.is_dir() {
                    true => files.extend(transom_build::source_files(&plugin.path.value)),
                    false => files.push(plugin.path.value.clone()),
                }
            }
        }
        files
    }
}

/// Adds the queries in a folder and below it, but in folders that are hidden or that cargo writes to.
fn add_queries(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let is_cargos = || name == "target" && folder.join("Cargo.toml").is_file();
        match path.is_dir() {
            true if !is_hidden && !is_cargos() => add_queries(&path, files),
            false if path.extension().is_some_and(|ending| ending == "sql") => files.push(path),
            _ => {}
        }
    }
}

/// A test that takes other types than a run proves less than it seems to.
fn warn_of_untyped(context: &Context, reports: &[TestReport]) {
    let untyped: BTreeSet<&String> = reports.iter().flat_map(|report| &report.untyped).collect();
    if untyped.is_empty() {
        return;
    }
    let names: Vec<String> = untyped.iter().map(|name| format!("`{name}`")).collect();
    context.printer.warn(format_args!(
        "the types of columns of {} are inferred from the rows of tests; lock those of the sources with `transom lock`",
        names.join(", ")
    ));
}

/// Writes what was found into the files of tests; how many values it was.
fn update(context: &Context, reports: &[TestReport]) -> Result<usize, Failure> {
    let mut all = 0;
    let mut files: Vec<&PathBuf> = reports.iter().map(|report| &report.file).collect();
    files.dedup();
    for file in files {
        let of_file = reports.iter().filter(|report| report.file == *file);
        let edits: Vec<_> = of_file.flat_map(|report| report.edits.clone()).collect();
        if edits.is_empty() {
            continue;
        }
        let made = testing::update(file, &edits)?;
        all += made;
        let (path, left) = (file.display(), edits.len() - made);
        context.printer.say(format_args!(
            "{STRONG}updated{STRONG:#} {path}: {}",
            counted(made as u64, "value")
        ));
        if left > 0 {
            context.printer.warn(format_args!(
                "{} in {path} cannot be updated: a key must begin its line",
                counted(left as u64, "value")
            ));
        }
    }
    Ok(all)
}

fn summary(context: &Context, reports: &[TestReport]) {
    let failed = reports.iter().filter(|report| !report.passed).count();
    let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
    let passed = counted((reports.len() - failed) as u64, "test");
    let (word, style) = match failed {
        0 => (format!("{passed} passed"), STRONG),
        failed => (
            format!("{failed} failed, {} passed", reports.len() - failed),
            FAILED,
        ),
    };
    context
        .printer
        .say(format_args!("{style}{word}{style:#} in {seconds:.2} s"));
}

/// The pipeline with its plugins, loaded once for all tests.
fn tester(context: &Context, tests: &[Test]) -> Result<Tester, Failure> {
    tester_of(context, pipeline(context, tests)?)
}

fn tester_of(context: &Context, pipeline: Pipeline) -> Result<Tester, Failure> {
    let plugins = context.plugins(&pipeline)?;
    Ok(Tester::new(job_of(pipeline, plugins)?)?)
}

/// For tests, which are given all that they read.
fn job_of(pipeline: Pipeline, plugins: Vec<Arc<Plugin>>) -> Result<Job, Failure> {
    let lock = Lock::read(&Lock::path_of(&pipeline))?;
    Ok(Job {
        lock: lock.map(Arc::new),
        ..Job::new(pipeline, plugins)
    })
}

/// The pipeline. A variable that neither the file nor the command line sets may be set by the tests.
fn pipeline(context: &Context, tests: &[Test]) -> Result<Pipeline, Failure> {
    let failure = match context.pipeline() {
        Ok(pipeline) => return Ok(pipeline),
        Err(failure) => failure,
    };
    let pipelines = tests
        .iter()
        .filter(|test| test.variables().next().is_some())
        .map(|test| {
            let mut global = context.global.clone();
            global.variables.extend(test.variables());
            Context {
                printer: context.printer.clone(),
                global,
            }
            .pipeline()
        });
    pipelines.flatten().next().ok_or(failure)
}
