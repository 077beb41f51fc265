//! One partition of a transform's input on its way through the guest.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use tracing::Span;
use transom_plugin::{End, Input, Instance, OpenedTransform, TransformOutcome};
use transom_sql::{lossless, type_name};

use super::bucket::BucketOf;
use super::exec::TransformExec;
use super::metrics::PartitionMetrics;
use super::state::{StateRefused, StateWriter};
use super::step::TransformSpec;
use crate::error::{CallError, FailedRow, Place, RowsFailed};
use crate::spans;

/// With [`TransformSpec::moves`]: how often a transform moves in each partition, and the rows of the batches before. Each move
/// costs the start of an instance; a few of them show what is left behind.
const MOVES: usize = 16;
const ROWS_BETWEEN_MOVES: usize = 2;

/// One partition being transformed.
pub(super) struct Running {
    pub(super) exec: TransformExec,
    input: SendableRecordBatchStream,
    /// Rows of the last batch of input that the guest is still to get.
    rest: Option<RecordBatch>,
    /// Made when the first batch arrives or the input ends, on the thread that runs it.
    guest: Option<(Instance, OpenedTransform)>,
    pub(super) partition: usize,
    /// Of a transform that goes on from the state of an earlier slice: the bucket of each row, if it has keys.
    bucket_of: Option<BucketOf>,
    /// The bucket that the guest has.
    bucket: Option<u32>,
    span: Span,
    /// How often the guest was replaced.
    pub(super) generation: usize,
    pub(super) current: Option<Current>,
    /// Batches of input until now, with the current one.
    batches: u64,
    /// Rows of input before those of the current batch.
    pub(super) rows_before: u64,
    ready: VecDeque<RecordBatch>,
    more: bool,
    stage: Stage,
    /// Whether no more input comes.
    is_read: bool,
    pub(super) metrics: PartitionMetrics,
}

/// What the guest is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It takes batches of input.
    Rows,
    /// It was told that the input has ended, all of it or a bucket's.
    Ending,
    /// Nothing is left to do.
    Done,
}

/// The input batch that the guest is working on.
pub(super) struct Current {
    pub(super) batch: RecordBatch,
    /// By index of the schema the transform was opened with.
    pub(super) columns: Vec<Option<ArrayRef>>,
    /// Those that the guest reads in another type; nothing where it reads none so.
    pub(super) reads: Vec<Option<ArrayRef>>,
}

impl Current {
    /// The input's columns that were not pruned, without those of an origin.
    pub(super) fn own(&self, exec: &TransformExec) -> Result<RecordBatch> {
        let own: Vec<usize> = exec.columns.iter().copied().flatten().collect();
        Ok(self.batch.project(&own)?)
    }
}

impl Running {
    pub(super) fn new(
        exec: TransformExec,
        input: SendableRecordBatchStream,
        partition: usize,
        metrics: PartitionMetrics,
    ) -> Self {
        Self {
            bucket_of: exec.bucket(),
            bucket: None,
            span: spans::step(&exec.spec.step.name),
            exec,
            input,
            rest: None,
            guest: None,
            partition,
            generation: 0,
            current: None,
            batches: 0,
            rows_before: 0,
            ready: VecDeque::new(),
            more: false,
            stage: Stage::Rows,
            is_read: false,
            metrics,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.metrics.baseline.record_output(batch.num_rows());
                return transom_sql::with_one_nan(batch).map(Some);
            }
            if self.more {
                self.call(|guest, opened, input| guest.pull(opened, input))?;
                continue;
            }
            match self.stage {
                Stage::Rows => self.advance().await?,
                Stage::Ending => self.end().await?,
                Stage::Done => {
                    self.metrics.baseline.done();
                    return Ok(None);
                }
            }
        }
    }

    /// Takes the next batch of input to the guest, or the end of it.
    async fn advance(&mut self) -> Result<()> {
        if let Some(current) = self.current.take() {
            self.rows_before += current.batch.num_rows() as u64;
        }
        let batch = match self.rest.take() {
            Some(rest) => Some(rest),
            None => self.input.try_next().await?,
        };
        let Some(batch) = batch else {
            self.is_read = true;
            return match (&self.exec.state, self.bucket) {
                // A bucket without rows keeps its state as it is.
                (Some(_), None) => {
                    self.stage = Stage::Done;
                    Ok(())
                }
                _ => self.finish(),
            };
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut rows = batch.num_rows();
        if self.exec.state.is_some() {
            let (bucket, of_bucket) = match &self.bucket_of {
                Some(bucket_of) => bucket_of.first(&batch)?,
                None => (0, rows),
            };
            match self.bucket {
                Some(open) if open != bucket => {
                    self.rest = Some(batch);
                    return self.finish();
                }
                Some(_) => {}
                None => self.open_bucket(bucket).await?,
            }
            rows = of_bucket;
        }
        if self.is_to_move() {
            rows = rows.min(ROWS_BETWEEN_MOVES);
        }
        let batch = self.cut(batch, rows);
        self.batches += 1;
        self.metrics.input_batches.add(1);
        self.metrics.input_rows.add(batch.num_rows());
        let columns: Vec<Option<ArrayRef>> = self
            .exec
            .columns
            .iter()
            .map(|position| position.map(|position| Arc::clone(batch.column(position))))
            .collect();
        let reads = self.reads(&batch, &columns)?;
        self.current = Some(Current {
            batch,
            columns,
            reads,
        });
        self.call(|guest, opened, input| match input {
            Some(input) => guest.process(opened, input),
            None => Ok(TransformOutcome {
                batches: vec![],
                rejected: vec![],
                more: false,
            }),
        })
    }

    /// The first rows of a batch, which the guest gets at once; the others stay for later.
    fn cut(&mut self, batch: RecordBatch, rows: usize) -> RecordBatch {
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        batch.slice(0, rows)
    }

    /// Lets a guest go on from what an earlier slice has saved for a bucket.
    async fn open_bucket(&mut self, bucket: u32) -> Result<()> {
        self.bucket = Some(bucket);
        self.generation = 0;
        let Some(state) = self.exec.state.clone() else {
            return Ok(());
        };
        let Some(saved) = state.load(bucket).await? else {
            return Ok(());
        };
        let spec = &self.exec.spec;
        let place = self.place();
        let failed = |error| CallError::new(spec.what(), error).at(place);
        let (mut guest, opened) = open(&self.exec, self.seat(), 0).map_err(failed)?;
        let before = guest.timing();
        let restored = guest.restore(&opened, &saved.bytes);
        self.metrics.add(guest.timing(), before);
        spec.pool.collect_counters(&mut guest);
        match restored {
            Ok(()) => {}
            Err(
                error @ (transom_plugin::Error::Guest { .. } | transom_plugin::Error::Crash { .. }),
            ) => {
                return Err(DataFusionError::from(StateRefused {
                    what: spec.what(),
                    bucket,
                    saved: saved.by,
                    now: StateWriter::of(spec.pool.plugin()),
                    source: Arc::new(error),
                }));
            }
            Err(error) => return Err(failed(error).into()),
        }
        self.guest = Some((guest, opened));
        Ok(())
    }

    /// Tells the guest that its input has ended: all of it, or that of a bucket in this slice.
    fn finish(&mut self) -> Result<()> {
        self.stage = Stage::Ending;
        let end = match self.exec.state {
            Some(_) => End::Slice,
            None => End::Input,
        };
        self.call(|guest, opened, _| guest.finish(opened, end))
    }

    /// The guest has given all that it has: its state is saved, and the next bucket gets another one.
    async fn end(&mut self) -> Result<()> {
        self.stage = match self.is_read {
            true => Stage::Done,
            false => Stage::Rows,
        };
        let place = self.place();
        let guest = self.guest.take();
        if let (Some(state), Some(bucket), Some((mut guest, opened))) =
            (self.exec.state.clone(), self.bucket.take(), guest)
        {
            let spec = &self.exec.spec;
            let before = guest.timing();
            let saved = guest.save(&opened);
            self.metrics.add(guest.timing(), before);
            spec.pool.collect_counters(&mut guest);
            let failed = |error| CallError::new(spec.what(), error).at(place);
            let saved = saved.map_err(failed)?;
            drop(guest);
            state.save(bucket, saved).await?;
        }
        Ok(())
    }

    /// What the guest draws its random numbers for: its bucket, which does not depend on how many partitions a run has, or its partition.
    pub(super) fn seat(&self) -> usize {
        self.bucket.map_or(self.partition, |bucket| bucket as usize)
    }

    fn is_to_move(&self) -> bool {
        self.exec.spec.moves && self.generation < MOVES
    }

    /// The columns that the guest reads in another type than they have. A value that this type does not hold ends the run.
    fn reads(
        &self,
        batch: &RecordBatch,
        columns: &[Option<ArrayRef>],
    ) -> Result<Vec<Option<ArrayRef>>> {
        let spec = &self.exec.spec;
        if spec.offered == spec.input {
            return Ok(Vec::new());
        }
        let mut reads = vec![None; columns.len()];
        for &index in &spec.opened.reads {
            let (given, offered) = (spec.input.field(index), spec.offered.field(index));
            let Some(column) = columns[index]
                .as_ref()
                .filter(|_| given.data_type() != offered.data_type())
            else {
                continue;
            };
            reads[index] = Some(lossless::cast(column, offered.data_type()).map_err(|loss| {
                let rows = batch.num_rows() as u64;
                let row = u32::try_from(loss.row).unwrap_or(u32::MAX);
                let place = Place::in_batch(self.partition, self.batches, self.rows_before, rows);
                RowsFailed {
                    what: format!("{} cannot read a row", spec.what()),
                    place: place.at_row(row).to_string(),
                    reason: format!(
                        "it reads `{}{}` as {}, which cannot hold {}",
                        given.name(),
                        loss.path,
                        type_name(&loss.to),
                        loss.value
                    ),
                    row: FailedRow::of(batch, row, spec.row_of()),
                }
            })?);
        }
        Ok(reads)
    }

    /// Calls the guest and takes in what it returns.
    fn call(
        &mut self,
        call: impl FnOnce(
            &mut Instance,
            &OpenedTransform,
            Option<&Input<'_>>,
        ) -> transom_plugin::Result<TransformOutcome>,
    ) -> Result<()> {
        let timer = self.metrics.baseline.elapsed_compute().clone();
        let _timer = timer.timer();
        let _step = self.span.clone().entered();
        let exec = &self.exec;
        let place = self.place();
        let failed = |error| CallError::new(exec.spec.what(), error).at(place);
        let seat = self.seat();
        let (guest, opened) = match &mut self.guest {
            Some(guest) => guest,
            None => self
                .guest
                .insert(open(exec, seat, self.generation).map_err(failed)?),
        };
        let before = guest.timing();
        let input = self.current.as_ref().map(|current| {
            Input::new(
                &current.columns,
                current.batch.num_rows(),
                &exec.keep,
                &exec.schema,
            )
            .with_reads(&current.reads)
        });
        let outcome = {
            let rows = self
                .current
                .as_ref()
                .map_or(0, |current| current.batch.num_rows());
            let _call = spans::call(&exec.spec.step.plugin, &exec.spec.step.transform, rows);
            call(guest, opened, input.as_ref())
        };
        self.metrics.add(guest.timing(), before);
        self.metrics.peak_memory.set_max(guest.peak_memory());
        exec.spec.pool.collect_counters(guest);
        let TransformOutcome {
            batches,
            rejected,
            more,
        } = outcome.map_err(|error| {
            let row = self.failing_row(&error);
            let line = self.slow_line(&error);
            let error = error.at_line(line);
            let batch = || self.current.as_ref()?.own(exec).ok();
            let error = CallError::new(exec.spec.what(), error);
            error
                .at_row(row)
                .at(place)
                .with_row(exec.spec.row_of(), batch)
        })?;
        self.more = more;
        for batch in batches {
            if batch.num_rows() > 0 {
                // After the end there is no current input, so the guest's batch has all columns of its output.
                self.ready.push_back(match input {
                    Some(_) => batch,
                    None => batch.project(&self.exec.keep)?,
                });
            }
        }
        self.reject(&rejected)?;
        if !self.more && self.stage == Stage::Rows {
            self.replace_worn()?;
        }
        Ok(())
    }

    /// Where in the input the guest is.
    pub(super) fn place(&self) -> Place {
        match &self.current {
            Some(current) => {
                let rows = current.batch.num_rows() as u64;
                Place::in_batch(self.partition, self.batches, self.rows_before, rows)
            }
            None => Place::at_end(self.partition, self.rows_before),
        }
    }

    /// Lets a new guest go on in the place of a worn one, or of one that is to move.
    fn replace_worn(&mut self) -> Result<()> {
        let moves = self.is_to_move();
        let exec = &self.exec;
        let place = self.place();
        let failed = |error| CallError::new(exec.spec.what(), error).at(place);
        let is_old = |guest: &Instance| moves || guest.is_worn();
        let Some((guest, opened)) = self.guest.as_mut().filter(|(guest, _)| is_old(guest)) else {
            return Ok(());
        };
        let snapshot = match guest.snapshot(opened) {
            Ok(snapshot) => snapshot,
            // It may well come to its end within its limit, and is asked again when it has grown as much once more.
            Err(error @ transom_plugin::Error::Guest { .. }) => {
                tracing::warn!(target: "transom", "{}: {error}; it goes on with the memory it has", exec.spec.what());
                guest.settle();
                return Ok(());
            }
            Err(error) => return Err(failed(error).into()),
        };
        // Before the new one: a run with little memory may not have enough for both.
        self.guest = None;
        self.generation += 1;
        let (mut guest, opened) = open(exec, self.seat(), self.generation).map_err(failed)?;
        guest.resume(&opened, &snapshot).map_err(failed)?;
        guest.settle();
        // What it counted while it was opened was counted for the first guest already.
        guest.take_counters();
        self.metrics.replaced_guests.add(1);
        self.guest = Some((guest, opened));
        Ok(())
    }
}

fn open(
    exec: &TransformExec,
    seat: usize,
    generation: usize,
) -> transom_plugin::Result<(Instance, OpenedTransform)> {
    let guest = exec.spec.pool.instantiate_for(seat, generation)?;
    open_in(exec, guest)
}

pub(super) fn open_in(
    exec: &TransformExec,
    mut guest: Instance,
) -> transom_plugin::Result<(Instance, OpenedTransform)> {
    let TransformSpec {
        step,
        input,
        offered,
        ..
    } = exec.spec.as_ref();
    let opened = guest.open_transform_as(&step.transform, input, offered, &step.options)?;
    Ok((guest, opened))
}
