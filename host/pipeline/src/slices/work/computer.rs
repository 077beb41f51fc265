//! The computation of slices: a plan that is made once, and one slice after the other through it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join;
use transom_commit::{self as commit, After, Object, Part as EntryPart, Position, SinkName, Store};
use transom_connect::{self as connect, Attempt, Inputs, Sink};
use transom_plugin::LogicalTime;

use super::inputs::{NotedInputs, note_inputs};
use super::{TEXT_KEYS, after_of, has_rows};
use crate::error::Result;
use crate::job::Job;
use crate::plan::{Part, Planned, Slice, Sources, file_source};
use crate::report::RunReport;
use crate::run::{FailingRows, Observer, RunFailure, RunOptions, StagedSlice, stage_slice};
use crate::slices::buckets::{Keeping, check_shares};
use crate::slices::choose::{Bounds, Chosen};

/// A slice that is to be computed.
pub(super) struct Order {
    pub(super) attempt: commit::Attempt,
    /// The log that it is for, once that has an entry.
    pub(super) log: Option<String>,
    pub(super) time: LogicalTime,
    /// Where the log is before it.
    pub(super) state: After,
    pub(super) chosen: Chosen,
    /// All sources, for those that each slice reads whole.
    pub(super) listed: Arc<BTreeMap<String, Inputs>>,
}

impl Order {
    /// What is read of all sources.
    fn inputs(&self) -> impl Iterator<Item = (&String, &Inputs)> {
        let whole = self.listed.iter();
        let whole = whole.filter(|(name, _)| !self.chosen.inputs.contains_key(*name));
        whole.chain(&self.chosen.inputs)
    }

    fn all_inputs(&self) -> BTreeMap<String, Inputs> {
        let inputs = self.inputs();
        inputs
            .map(|(name, inputs)| (name.clone(), inputs.clone()))
            .collect()
    }

    /// What it takes of the incremental sources.
    pub(super) fn size(&self) -> Bounds {
        let files = self.chosen.inputs.values();
        Bounds {
            files: files.map(|inputs| inputs.pieces.len() as u64).sum(),
            bytes: self.chosen.bytes(),
        }
    }

    /// Size of what is read, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.inputs().map(|(_, inputs)| inputs.bytes()).sum()
    }
}

/// A slice whose results are staged.
pub(super) struct Computed {
    pub(super) report: RunReport,
    pub(super) noted: Vec<NotedInputs>,
    /// What the log is to say of sinks.
    pub(super) parts: Vec<EntryPart>,
    /// The state of transforms after it.
    pub(super) buckets: Vec<Object>,
    pub(super) time: LogicalTime,
}

/// Computes one slice at a time.
pub(super) struct Computer {
    job: Job,
    options: RunOptions,
    store: Arc<dyn Store>,
    sinks: Arc<BTreeMap<String, Arc<dyn Sink>>>,
    failing: Arc<FailingRows>,
    planned: Option<Planned>,
    /// Whether the plan was made for the slice that is computed next.
    is_ready: bool,
}

impl Computer {
    pub(super) fn new(
        job: &Job,
        options: RunOptions,
        store: &Arc<dyn Store>,
        sinks: &Arc<BTreeMap<String, Arc<dyn Sink>>>,
        failing: &Arc<FailingRows>,
    ) -> Self {
        Self {
            job: job.clone(),
            options,
            store: Arc::clone(store),
            sinks: Arc::clone(sinks),
            failing: Arc::clone(failing),
            planned: None,
            is_ready: false,
        }
    }

    /// Whether a slice needs nothing of those before it: no step keeps state, and no check its failing rows. This slice is the next one that
    /// it computes: if it is the first, it is planned.
    pub(super) async fn stands_alone(&mut self, order: &Order) -> Result<bool> {
        if self.planned.is_none() {
            self.planned = Some(plan(&self.job, order).await?);
            self.is_ready = true;
        }
        Ok(self.planned.as_ref().is_some_and(|planned| {
            let mut steps = planned.steps.iter();
            planned.checks.is_empty() && steps.all(|step| step.keeps.is_none())
        }))
    }

    /// Computes a slice and stages its results.
    pub(super) async fn compute(
        &mut self,
        order: &Order,
        observer: &dyn Observer,
    ) -> Result<Computed, Box<RunFailure>> {
        let store = Arc::clone(&self.store);
        // What the slice reads is known before it is computed: both are written at once.
        let noting = note_inputs(store.as_ref(), &order.chosen, order.attempt);
        let staging = Box::pin(self.stage(order, observer));
        let (staged, noted) = join(staging, noting).await;
        // A gc collects what an attempt has noted that comes to nothing, with what it has staged.
        let (StagedSlice { results, report }, keeping) = staged?;
        let kept = async {
            let noted = noted?;
            self.check_listed(order).await?;
            let mut buckets = Vec::new();
            for keeping in keeping {
                buckets.push(keeping.finish().await?);
            }
            Ok((noted, buckets))
        };
        match kept.await {
            Ok((noted, buckets)) => Ok(Computed {
                report,
                noted,
                parts: parts(&results),
                buckets,
                time: order.time,
            }),
            Err(error) => Err(Box::new(RunFailure { error, report })),
        }
    }

    /// Whether what was read is what is noted as loaded.
    async fn check_listed(&self, order: &Order) -> Result<()> {
        let pipeline = &self.job.pipeline;
        for source in &pipeline.sources {
            if let Some(read) = order.chosen.inputs.get(&source.name.value) {
                let files = file_source(pipeline, source, &self.job.aws);
                files.check_listed(read).await?;
            }
        }
        Ok(())
    }

    async fn stage(
        &mut self,
        order: &Order,
        observer: &dyn Observer,
    ) -> Result<(StagedSlice, Vec<Arc<Keeping>>), Box<RunFailure>> {
        let is_ready = std::mem::take(&mut self.is_ready);
        let ready = match self.planned.take() {
            Some(planned) if is_ready => Ok(planned),
            Some(mut planned) => {
                let slice = Slice {
                    inputs: order.all_inputs(),
                    time: order.time,
                    cancel: self.job.cancel.clone(),
                };
                planned.begin(slice).await.map(|()| planned)
            }
            None => plan(&self.job, order).await,
        };
        let failed = |error| RunFailure::new(&self.job, error);
        let mut planned = ready.map_err(failed)?;
        commit::fault::at("plan.made");
        if order.attempt.share().is_some() {
            check_shares(&planned).map_err(failed)?;
        }
        let keeping = Keeping::begin(&planned, &order.state, &self.store, order.attempt);
        let keeping = keeping.await.map_err(failed)?;
        let attempts = self.attempts(&planned, order);
        let staged = stage_slice(
            &self.job.pipeline,
            &mut planned,
            &self.options,
            observer,
            &self.failing,
            &order.attempt.to_string(),
            attempts,
        )
        .await;
        self.planned = Some(planned);
        match staged {
            Ok(staged) => Ok((staged, keeping)),
            Err(mut failure) => {
                if let Some(cause) = keeping.iter().find_map(|keeping| keeping.failure()) {
                    failure.error = cause;
                }
                Err(failure)
            }
        }
    }

    /// What the attempt is for each sink: after which result it comes, and which partitions it replaces.
    fn attempts(&self, planned: &Planned, order: &Order) -> BTreeMap<String, Attempt> {
        let is_share = order.attempt.share().is_some();
        let by: BTreeMap<&str, Option<&String>> = planned
            .sinks
            .iter()
            .map(|sink| (sink.sink.name(), sink.by.as_ref()))
            .collect();
        let attempt = |name: &String| {
            let column = by.get(name.as_str()).copied().flatten();
            let replaces = column.map(|column| connect::Replaces {
                column: column.clone(),
                values: order.chosen.partitions.clone(),
            });
            let after = after_of(&order.state, name);
            Attempt {
                id: order.attempt.to_string(),
                log: order.log.clone(),
                has_rows: has_rows(&order.state, name),
                after: after.filter(|_| !is_share),
                is_share,
                replaces,
            }
        };
        let names = self.sinks.keys();
        names.map(|name| (name.clone(), attempt(name))).collect()
    }
}

/// The plan that slices go through, for this one first.
async fn plan(job: &Job, order: &Order) -> Result<Planned> {
    let part = Part {
        inputs: order.all_inputs(),
        ..Part::default()
    };
    let mut job = job.clone();
    job.session.time = order.time;
    job.plan(Sources::Open, &part).await
}

fn parts(results: &[(Arc<dyn Sink>, connect::Staged)]) -> Vec<EntryPart> {
    let mut parts = Vec::new();
    for (sink, result) in results {
        let Some(committed) = sink.committed() else {
            continue;
        };
        parts.push(EntryPart {
            name: SinkName::from(sink.name()),
            kind: committed.kind(),
            // The log's own counts.
            prev: Position::START,
            rows: result.written.rows,
            staged: serde_json::to_value(&result.publish).expect(TEXT_KEYS),
        });
    }
    parts.sort_by_key(|part| part.kind);
    parts
}
