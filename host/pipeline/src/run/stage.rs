//! Results on their way: what a sink writes, the rows that steps rejected. Nothing here is visible to a reader.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;
use transom_connect::{FileSink, Sink, SinkError, SinkLimits, Staging, WriteProgress, publish_all};
use transom_file::spec::{Place, SinkFormat};
use transom_file::{Pipeline, StepKind};
use transom_query::OrderBy;

use super::watch::watched;
use super::{Run, RunOptions};
use crate::error::{Error, Result};
use crate::plan::{self, PlannedSink};
use crate::rejects::dead_letters::{self, DeadLetterSpool};

/// A result that is complete and not yet published.
pub(super) struct Staged {
    /// Of the sink, or of the step for dead letters.
    pub(super) name: String,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) result: transom_connect::Staged,
    /// Of a sink that does not end the run for rows that its table cannot hold: how many there were.
    pub(super) rejected: Option<u64>,
    /// Its first rows, for showing.
    pub(super) head: Vec<RecordBatch>,
}

impl Staged {
    /// Makes tables visible that help to find a mistake. What keeps them from it is no reason to fail.
    pub(super) async fn show(all: Vec<Self>) {
        for staged in all {
            if let Err(error) = publish_all(&[(staged.sink, staged.result)]).await {
                tracing::warn!(target: "transom", "the {} are not kept: {error}", staged.name);
            }
        }
    }

    /// Deletes results that will not be published.
    pub(super) async fn abandon(all: &[Self]) {
        for staged in all {
            staged.sink.abandon(&staged.result).await;
        }
    }
}

impl Run<'_> {
    pub(super) async fn sink(&mut self, sink: PlannedSink, options: &RunOptions) -> Result<Staged> {
        let PlannedSink {
            sink,
            from,
            rejected,
            sort_by,
            ..
        } = sink;
        let name = sink.name().to_owned();
        let begun = self.begin(&format!("sink {name}"));
        // The sink is asked first: a table that is not ours costs no computing.
        let staging = sink.begin(self.attempt_of(&name)).await?;
        let what = format!("sink `{name}`");
        let written = self
            .fill(&sink, staging.as_ref(), (&from, &sort_by), options)
            .await;
        let (rows, head) = match written {
            Ok(written) => written,
            Err(error) => {
                staging.abandon().await;
                return Err(sink_error(&what, error));
            }
        };
        let result = staging.finish().await?;
        self.observer.end(rows, begun.elapsed());
        Ok(Staged {
            name,
            sink,
            result,
            rejected: rejected.map(|rejected| rejected.rows()),
            head,
        })
    }

    /// Computes the rows of a sink and writes them. Gives how many they are, and the first of them.
    async fn fill(
        &mut self,
        sink: &Arc<dyn Sink>,
        staging: &dyn Staging,
        (from, sort_by): (&str, &[OrderBy]),
        options: &RunOptions,
    ) -> Result<(u64, Vec<RecordBatch>)> {
        let what = format!("sink `{}`", sink.name());
        let failed = |error| Error::of_query(&what, error);
        let plan = self.planned.session.plan_scan(from).await.map_err(failed)?;
        let session = &self.planned.session;
        let execution = session
            .execute_by_keys(plan, sink.partition_by(), sort_by)
            .await;
        let mut execution = execution.map_err(failed)?;
        let head = Arc::new(Mutex::new(Vec::new()));
        let streams = std::mem::take(&mut execution.streams);
        let streams = streams
            .into_iter()
            .map(|stream| keep_head(stream, options.head, &head))
            .collect();
        let progress = Arc::new(WriteProgress::default());
        let cancel = &self.planned.cancel;
        let writing = staging.write(streams, &progress);
        let written = watched(writing, || progress.rows(), self.observer, cancel).await??;
        self.add(execution.done())?;
        let head = std::mem::take(&mut *head.lock());
        Ok((written.rows, head))
    }

    /// A table for each step and sink that keeps rejected rows, also if there are none: the last run's must not stay.
    pub(super) async fn dead_letters(
        &self,
        pipeline: &Pipeline,
        staged: &mut Vec<Staged>,
    ) -> Result<()> {
        for spool in self
            .planned
            .steps
            .iter()
            // A step that did not run rejected nothing: what its last run rejected stays.
            .filter(|step| step.readers > 0)
            .filter_map(|step| step.dead_letters.as_ref())
        {
            let sink = plan::dead_letters(pipeline, spool.step(), &self.planned.aws);
            let input = self.input_of(pipeline, spool.step());
            staged.push(self.stage_rejected(spool, &input, sink).await?);
        }
        for PlannedSink { from, rejected, .. } in &self.planned.sinks {
            let Some(spool) = rejected.as_ref().filter(|spool| spool.keeps()) else {
                continue;
            };
            let sink = plan::dead_letters(pipeline, spool.step(), &self.planned.aws);
            let input = self.columns_of(from);
            staged.push(self.stage_rejected(spool, &input, sink).await?);
        }
        Ok(())
    }

    /// Publishes the dead letters of a step that rejected too many, beside those of the last run that went well: who fixes the
    /// data needs to see them. The run has failed already, so that nothing becomes of a mistake here but a warning.
    pub(super) async fn keep_failed(&self, pipeline: &Pipeline, step: &str) {
        let spool = self.planned.step(step);
        let Some(spool) = spool.and_then(|step| step.dead_letters.as_ref()) else {
            return;
        };
        let path = pipeline.dead_letters.join(&dead_letters::failed(step));
        let sink = self.table(&format!("dead letters of {step}"), path);
        let kept = async {
            let input = self.input_of(pipeline, step);
            let staged = self.stage_rejected(spool, &input, sink).await?;
            publish_all(&[(staged.sink, staged.result)]).await?;
            Ok::<_, Error>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(target: "transom", "the rows that step `{step}` rejected are not kept: {error}");
        }
    }

    /// The table of the rejected rows of a step or a sink, which was given rows of these columns; complete on the disk.
    async fn stage_rejected(
        &self,
        spool: &DeadLetterSpool,
        input: &Schema,
        sink: Arc<dyn Sink>,
    ) -> Result<Staged> {
        let what = format!("dead letters of {}", dead_letters::keeper(spool.step()).0);
        let stream = spool
            .read(input)
            .map_err(|error| Error::of_query(&what, error))?;
        let staged = self.stage_table(sink, stream).await?;
        tracing::debug!(step = spool.step(), rows = spool.rows(), "dead letters");
        Ok(Staged {
            name: spool.step().to_owned(),
            ..staged
        })
    }

    /// A Parquet table beside the sinks, whole at every run.
    pub(super) fn table(&self, name: &str, path: Place) -> Arc<dyn Sink> {
        Arc::new(FileSink {
            name: name.to_owned(),
            path,
            aws: self.planned.aws.clone(),
            format: SinkFormat::default(),
            partition_by: vec![],
            limits: SinkLimits::default(),
        })
    }

    /// A table of these rows, complete on the disk.
    pub(super) async fn stage_table(
        &self,
        sink: Arc<dyn Sink>,
        stream: SendableRecordBatchStream,
    ) -> Result<Staged> {
        let name = sink.name().to_owned();
        let staging = sink.begin(self.attempt_of(&name)).await?;
        let progress = Arc::new(WriteProgress::default());
        let written = watched(
            staging.write(vec![stream], &progress),
            || progress.rows(),
            self.observer,
            &self.planned.cancel,
        )
        .await;
        let written = written.and_then(|written| Ok(written?));
        if let Err(error) = written {
            staging.abandon().await;
            return Err(sink_error(&name, error));
        }
        Ok(Staged {
            name,
            sink,
            result: staging.finish().await?,
            rejected: None,
            head: vec![],
        })
    }

    fn input_of(&self, pipeline: &Pipeline, step: &str) -> Schema {
        let input = match pipeline.step(step).map(|step| &step.kind) {
            Some(StepKind::Transform(transform)) => transform.input.value.as_str(),
            _ => return Schema::empty(),
        };
        self.columns_of(input)
    }

    /// The columns of a source or step.
    fn columns_of(&self, table: &str) -> Schema {
        let source = self
            .planned
            .sources
            .iter()
            .find(|planned| planned.source.name() == table);
        match (source, self.planned.step(table)) {
            (Some(source), _) => source.schema.as_ref().clone(),
            (_, Some(step)) => Schema::new(step.plan.schema().fields().to_vec()),
            _ => Schema::empty(),
        }
    }
}

/// Copies the first `rows` rows of all streams together into `head` as they pass.
fn keep_head(
    stream: SendableRecordBatchStream,
    rows: usize,
    head: &Arc<Mutex<Vec<RecordBatch>>>,
) -> SendableRecordBatchStream {
    if rows == 0 {
        return stream;
    }
    let head = Arc::clone(head);
    let schema = stream.schema();
    let stream = stream.inspect(move |batch| {
        let Ok(batch) = batch else { return };
        let mut head = head.lock();
        let kept: usize = head.iter().map(RecordBatch::num_rows).sum();
        if kept < rows && batch.num_rows() > 0 {
            head.push(batch.slice(0, batch.num_rows().min(rows - kept)));
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// A sink that failed because its input did: the input's error is the one to tell.
fn sink_error(what: &str, error: Error) -> Error {
    match error {
        Error::Sink(SinkError::Input { source, .. }) => Error::of_query(what, source),
        other => other,
    }
}
