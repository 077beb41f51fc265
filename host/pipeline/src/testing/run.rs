//! Runs tests: each expected table is planned and computed alone, in a session of its own.
//!
//! So an expectation that fails leaves the others as they are, a step's rejected rows are those of one run of it, and nothing is
//! planned that was not asked for. Plugins are loaded once, which is what takes time; a session takes a millisecond.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use transom_file::spec::CsvOptions;
use transom_plugin::{Cancel, LogicalTime};
use transom_query::{Session, SessionOptions};

use super::case::Case;
use super::data::{Known, Loader};
use super::report::{Mismatch, TestFailure, TestReport};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::plan::{Part, Sources, file_source};
use crate::preview::Computed;
use transom_file::test_file::{Reported, Test};
use transom_file::{Pipeline, Problems};

/// Tables that stand in place of sources and steps.
pub(super) type Given = BTreeMap<String, Arc<dyn TableProvider>>;

/// Runs tests of one pipeline.
#[derive(Debug)]
pub struct Tester {
    job: Job,
    /// For what tests give as files.
    scratch: Session,
}

impl Tester {
    /// Runs the tests of a job's pipeline.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub fn new(job: Job) -> Result<Self> {
        let scratch = Session::new(&options(None, 0), Cancel::new())
            .map_err(|error| Error::of_query("starting the session", error))?;
        Ok(Self { job, scratch })
    }

    /// What its tests are planned with, over real data.
    pub(super) fn job(&self) -> &Job {
        &self.job
    }

    /// A job with the variables and the clock of a test.
    fn job_of(&self, pipeline: &Pipeline, session: &SessionOptions) -> Job {
        Job {
            pipeline: Arc::new(pipeline.clone()),
            session: session.clone(),
            ..self.job.clone()
        }
    }

    /// Runs a test to its end, with transforms that move to new instances where runs do that.
    ///
    /// A test that fails so runs again without moves, and tells what is wrong then. If nothing is, moving is what is.
    pub async fn run(&self, test: &Test) -> TestReport {
        let begun = Instant::now();
        let mut report = self.run_once(test, true).await;
        if !report.passed && self.job.plugins.iter().any(|plugin| plugin.has_runner()) {
            let stayed = self.run_once(test, false).await;
            if stayed.passed {
                // What was found so is nothing to be expected.
                report.edits.clear();
                let (table, what) = (None, Mismatch::Moved);
                report.failures.insert(0, TestFailure { table, what });
            } else {
                report = stayed;
            }
        }
        report.seconds = begun.elapsed().as_secs_f64();
        report
    }

    async fn run_once(&self, test: &Test, moves: bool) -> TestReport {
        let mut case = Case {
            tester: self,
            test,
            pipeline: self.job.pipeline.as_ref().clone(),
            moves,
            reported: Reported::new(&test.source),
            failures: Vec::new(),
            untyped: Vec::new(),
            edits: Vec::new(),
            files: vec![test.source.shown.clone()],
        };
        case.all().await;
        let Case {
            reported,
            mut failures,
            untyped,
            edits,
            files,
            ..
        } = case;
        if !reported.problems.is_empty() {
            let problems = Problems(reported.problems).sorted();
            let what = Mismatch::Problems { problems };
            failures.insert(0, TestFailure { table: None, what });
        }
        TestReport {
            file: test.source.shown.clone(),
            name: test.name.value.clone(),
            passed: failures.is_empty(),
            seconds: 0.0,
            failures,
            untyped,
            edits,
            files,
        }
    }

    /// Plans a table of the pipeline over what is given, and computes it.
    pub(super) async fn compute(
        &self,
        pipeline: &Pipeline,
        table: &str,
        given: &Given,
        options: &SessionOptions,
        keep_rejected: bool,
    ) -> Result<(Computed, Vec<String>)> {
        let part = Part {
            given: given.clone(),
            keep_rejected,
            ..Part::of(table)
        };
        let job = Job {
            lock: None,
            ..self.job_of(pipeline, options)
        };
        let planned = job.plan(Sources::Given, &part).await?;
        let steps = planned.steps().map(|(name, ..)| name.to_owned()).collect();
        Ok((planned.compute(pipeline, table).await?, steps))
    }

    /// The columns of a source, as far as they are known without looking at its files, or those of a step.
    pub(super) async fn known(&self, pipeline: &Pipeline, table: &str) -> Known {
        let lock = self.job.lock.as_deref();
        let Some(source) = pipeline.source(table) else {
            return Known {
                schema: self.schema_of_step(pipeline, table).await,
                types: Vec::new(),
            };
        };
        let declared = file_source(pipeline, source, &self.job.aws).columns;
        Known {
            schema: lock.and_then(|lock| lock.schema(source)),
            types: declared.as_deref().map(types_of).unwrap_or_default(),
        }
    }

    /// The columns that a step has over the sources in the lock file.
    async fn schema_of_step(&self, pipeline: &Pipeline, step: &str) -> Option<SchemaRef> {
        self.job.lock.as_ref()?;
        let job = self.job_of(pipeline, &options(None, 0));
        let planned = job.plan(Sources::FromLock, &Part::of(step)).await;
        // A step that cannot be planned is another test's concern: here it is given.
        let planned = planned.ok()?;
        let found = planned.steps().find(|(name, ..)| *name == step);
        found.map(|(_, _, schema)| schema)
    }

    pub(super) fn loader<'a>(
        &'a self,
        pipeline: &Pipeline,
        test: &Test,
        table: Option<&str>,
        folder: &'a Path,
    ) -> Loader<'a> {
        // A file that was cut from a source's is written as those are.
        let csv = table
            .and_then(|table| pipeline.source(table))
            .map(|source| file_source(pipeline, source, &self.job.aws).format);
        let csv = match csv {
            Some(transom_file::spec::Format::Csv(csv)) => csv,
            _ => CsvOptions::default(),
        };
        Loader {
            session: &self.scratch,
            options: options(test.clock, test.seed),
            folder,
            csv,
        }
    }
}

fn types_of(schema: &Schema) -> Vec<(String, DataType)> {
    let fields = schema.fields().iter();
    fields
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect()
}

/// One partition, so that rows come in the same order every time.
pub(super) fn options(clock: Option<SystemTime>, seed: u64) -> SessionOptions {
    let time = LogicalTime {
        now: clock.unwrap_or_else(SystemTime::now),
        seed,
    };
    SessionOptions {
        partitions: 1,
        time,
        seeded: true,
        ..SessionOptions::default()
    }
}

/// The rows as a table.
pub(super) fn table_of(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]);
    let table = table.map_err(|error| Error::of_query("making a table of given rows", error))?;
    Ok(Arc::new(table))
}
