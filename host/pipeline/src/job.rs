//! The one door: a pipeline with all that it is planned and run with.

use std::sync::Arc;
use std::time::Duration;

use transom_connect::Aws;
use transom_file::Pipeline;
use transom_plugin::{Cancel, Plugin};
use transom_query::SessionOptions;

use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::plan::{Part, Planned, Sources, plan_part};
use crate::plugins::Looked;
use crate::report::RunReport;
use crate::run::{Observer, RunFailure, RunOptions, run};

/// How often planning looks whether it is to stop.
const PULSE: Duration = Duration::from_millis(50);

/// A pipeline with all that it is planned and run with. Commands, tests and functions in the cloud come through here. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Job {
    /// The pipeline, for one target.
    pub pipeline: Arc<Pipeline>,
    /// Its plugins, loaded.
    pub plugins: Vec<Arc<Plugin>>,
    /// What the lock file says, if there is one.
    pub lock: Option<Arc<Lock>>,
    /// How Amazon's services are reached: as the pipeline's target says. The local AWS has to be given.
    pub aws: Aws,
    /// Partitions, memory, clock and seed.
    pub session: SessionOptions,
    /// Stops planning and running.
    pub cancel: Cancel,
}

impl Job {
    /// A job of a pipeline and its plugins, without a lock file, with the defaults of a session.
    #[must_use]
    pub fn new(pipeline: impl Into<Arc<Pipeline>>, plugins: Vec<Arc<Plugin>>) -> Self {
        let pipeline = pipeline.into();
        Self {
            aws: Aws::new(pipeline.aws.clone()),
            pipeline,
            plugins,
            lock: None,
            session: SessionOptions::default(),
            cancel: Cancel::new(),
        }
    }

    /// Plans a part of the pipeline; a stop is heard while sources are listed and looked at.
    ///
    /// # Errors
    /// All mistakes in what is planned; [`Error::Cancelled`].
    pub async fn plan(&self, sources: Sources, part: &Part) -> Result<Planned> {
        let looked = Looked {
            plugins: self.plugins.clone(),
            ..Looked::default()
        };
        self.plan_looked(&looked, sources, part).await
    }

    /// Plans the pipeline as far as it can be without its data and without a compiler: `looked` instead of its plugins. All mistakes are
    /// reported, among them plugins that have to be built. A step that needs a transform of one of these is passed over, with those that
    /// read it.
    ///
    /// # Errors
    /// All mistakes.
    pub async fn check(&self, looked: &Looked) -> Result<Planned> {
        let whole = Part::default();
        self.plan_looked(looked, Sources::FromLock, &whole).await
    }

    async fn plan_looked(&self, looked: &Looked, sources: Sources, part: &Part) -> Result<Planned> {
        // Boxed here and below: the futures are deep, and would be a part of those of all callers.
        tokio::select! {
            planned = Box::pin(plan_part(self, looked, sources, part)) => planned,
            () = self.stopped() => Err(Error::Cancelled),
        }
    }

    /// Runs what was planned to the end. [`Planned::begin`] makes the same plan ready for another run.
    ///
    /// # Errors
    /// Whatever stops it, with a report of what was done until then.
    pub async fn run(
        &self,
        planned: &mut Planned,
        options: &RunOptions,
        observer: &dyn Observer,
    ) -> Result<RunReport, Box<RunFailure>> {
        Box::pin(run(&self.pipeline, planned, options, observer)).await
    }

    /// Returns soon after a stop was asked for.
    pub(crate) async fn stopped(&self) {
        while !self.cancel.is_cancelled() {
            tokio::time::sleep(PULSE).await;
        }
    }
}
