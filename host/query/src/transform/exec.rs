//! The operator that runs a transform: one guest per partition, batch after batch.
//!
//! It asks the planner for its input hash-partitioned by `partition_by` and sorted by `partition_by`, then `order_by`, so a guest
//! sees the rows of a key one after another. It streams: one batch of input is in the guest at a time, and its output is handed
//! on before the next is read.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalExpr,
    PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;
use transom_plugin::{
    End, Input, Instance, OpenedTransform, OutputColumn, Rejected, TransformOutcome,
};
use transom_sql::{lossless, type_name};

use super::metrics::{PartitionMetrics, TransformMetrics};
use super::step::{OnReject, RejectedRows, TransformSpec};
use crate::error::{CallError, FailedRow, Place, RowsFailed, TooManyRejected};

/// With [`TransformSpec::moves`]: how often a transform moves in each partition, and the rows of the batches before. Each move
/// costs the start of an instance; a few of them show what is left behind.
const MOVES: usize = 16;
const ROWS_BETWEEN_MOVES: usize = 2;

/// A batch that takes so long alone is one at which a guest may run out of time.
const LONG_FOR_A_BATCH: Duration = Duration::from_secs(1);

/// Runs a transform over each partition of its input.
#[derive(Debug, Clone)]
pub(crate) struct TransformExec {
    pub(crate) spec: Arc<TransformSpec>,
    input: Arc<dyn ExecutionPlan>,
    /// For each column the transform was opened with its position in `input`, unless pruned.
    columns: Vec<Option<usize>>,
    /// Columns of the transform's output that are given, in order.
    keep: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl TransformExec {
    pub(crate) fn try_new(
        spec: Arc<TransformSpec>,
        input: Arc<dyn ExecutionPlan>,
        columns: Vec<Option<usize>>,
        keep: Vec<usize>,
    ) -> Result<Self> {
        let schema = Arc::new(spec.opened.schema.project(&keep)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self {
            spec,
            input,
            columns,
            keep,
            schema,
            properties: Arc::new(properties),
            metrics,
        })
    }

    fn column(&self, name: &str) -> Option<Arc<dyn PhysicalExpr>> {
        let index = self.spec.input.index_of(name).ok()?;
        let position = self.columns[index]?;
        Some(Arc::new(Column::new(name, position)))
    }

    fn keys(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.spec
            .step
            .partition_by
            .iter()
            .filter_map(|name| self.column(name))
            .collect()
    }

    /// The figures of the run so far.
    pub(crate) fn figures(&self) -> TransformMetrics {
        TransformMetrics::of(&self.spec.step.name, &self.metrics.clone_inner())
    }
}

impl DisplayAs for TransformExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.spec.step;
        let reads: Vec<&str> = self
            .spec
            .opened
            .reads
            .iter()
            .map(|&index| self.spec.input.field(index).name().as_str())
            .collect();
        write!(
            f,
            "TransformExec: {}.{}, reads=[{}]",
            step.plugin,
            step.transform,
            reads.join(", ")
        )?;
        let carried: Vec<&str> = self
            .keep
            .iter()
            .filter(|&&column| matches!(self.spec.opened.output[column], OutputColumn::Input(_)))
            .map(|&column| self.spec.opened.schema.field(column).name().as_str())
            .collect();
        write!(f, ", carries=[{}]", carried.join(", "))
    }
}

impl ExecutionPlan for TransformExec {
    fn name(&self) -> &'static str {
        "TransformExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // Keys and order are requirements on the input, not expressions that are evaluated here.
        Ok(TreeNodeRecursion::Continue)
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let keys = self.keys();
        let distribution = if !keys.is_empty() {
            Distribution::KeyPartitioned(keys)
        } else if self.spec.stateful || !self.spec.step.order_by.is_empty() {
            // State or order over all rows: there is one sequence, so there is one guest.
            Distribution::SinglePartition
        } else {
            Distribution::UnspecifiedDistribution
        };
        InputDistributionRequirements::new(vec![distribution])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let key_order = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let keys = self
            .keys()
            .into_iter()
            .map(|key| PhysicalSortRequirement::new(key, Some(key_order)));
        let order = self.spec.step.order_by.iter().filter_map(|order| {
            let options = SortOptions {
                descending: order.descending,
                nulls_first: order.nulls_first,
            };
            Some(PhysicalSortRequirement::new(
                self.column(&order.column)?,
                Some(options),
            ))
        });
        vec![LexRequirement::new(keys.chain(order)).map(OrderingRequirements::new)]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.len()) {
            (Some(input), 0) => Ok(Arc::new(Self::try_new(
                Arc::clone(&self.spec),
                input,
                self.columns.clone(),
                self.keep.clone(),
            )?)),
            _ => internal_err!("a transform has one input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let running = Running {
            exec: self.clone(),
            input: self.input.execute(partition, context)?,
            rest: None,
            guest: None,
            partition,
            generation: 0,
            current: None,
            batches: 0,
            rows_before: 0,
            ready: VecDeque::new(),
            more: false,
            ended: false,
            metrics: PartitionMetrics::new(&self.metrics, partition),
        };
        let batches = futures::stream::try_unfold(running, |mut running| async move {
            let batch = running.next().await?;
            Ok(batch.map(|batch| (batch, running)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// One partition being transformed.
struct Running {
    exec: TransformExec,
    input: SendableRecordBatchStream,
    /// Rows of the last batch of input that the guest is still to get.
    rest: Option<RecordBatch>,
    /// Made when the first batch arrives or the input ends, on the thread that runs it.
    guest: Option<(Instance, OpenedTransform)>,
    partition: usize,
    /// How often the guest was replaced.
    generation: usize,
    current: Option<Current>,
    /// Batches of input until now, with the current one.
    batches: u64,
    /// Rows of input before those of the current batch.
    rows_before: u64,
    ready: VecDeque<RecordBatch>,
    more: bool,
    ended: bool,
    metrics: PartitionMetrics,
}

/// The input batch that the guest is working on.
struct Current {
    batch: RecordBatch,
    /// By index of the schema the transform was opened with.
    columns: Vec<Option<ArrayRef>>,
    /// Those that the guest reads in another type; nothing where it reads none so.
    reads: Vec<Option<ArrayRef>>,
}

impl Current {
    /// The input's columns that were not pruned, without those of an origin.
    fn own(&self, exec: &TransformExec) -> Result<RecordBatch> {
        let own: Vec<usize> = exec.columns.iter().copied().flatten().collect();
        Ok(self.batch.project(&own)?)
    }
}

impl Running {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.metrics.baseline.record_output(batch.num_rows());
                return transom_sql::with_one_nan(batch).map(Some);
            }
            if self.more {
                self.call(|guest, opened, input| guest.pull(opened, input))?;
            } else if self.ended {
                self.metrics.baseline.done();
                return Ok(None);
            } else {
                self.advance().await?;
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
        match batch.map(|batch| self.cut(batch)) {
            Some(batch) if batch.num_rows() == 0 => Ok(()),
            Some(batch) => {
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
            None => {
                self.ended = true;
                self.call(|guest, opened, _| guest.finish(opened, End::Input))
            }
        }
    }

    /// As many rows of a batch as the guest gets at once; the others stay for later.
    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        let rows = batch.num_rows();
        if !self.is_to_move() || rows <= ROWS_BETWEEN_MOVES {
            return batch;
        }
        self.rest = Some(batch.slice(ROWS_BETWEEN_MOVES, rows - ROWS_BETWEEN_MOVES));
        batch.slice(0, ROWS_BETWEEN_MOVES)
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
                        "it reads `{}` as {}, which cannot hold {}",
                        given.name(),
                        type_name(offered.data_type()),
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
        let exec = &self.exec;
        let place = self.place();
        let failed = |error| CallError::new(exec.spec.what(), error).at(place);
        let (guest, opened) = match &mut self.guest {
            Some(guest) => guest,
            None => self
                .guest
                .insert(open(exec, self.partition, self.generation).map_err(failed)?),
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
        let outcome = call(guest, opened, input.as_ref());
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
        if !self.more && !self.ended {
            self.replace_worn()?;
        }
        Ok(())
    }

    /// The row of the batch that the guest failed on, of an error that names none: a guest that crashed cannot say it, and few say it
    /// of exceptions. Fresh instances get ever shorter beginnings of the batch. None where the batch alone does not fail.
    fn failing_row(&self, error: &transom_plugin::Error) -> Option<u32> {
        use transom_plugin::Error::{Crash, Guest};
        use transom_plugin::GuestErrorKind::{BadData, Internal};
        let is_of_a_row = match error {
            Crash { .. } => true,
            Guest { error, .. } => error.row.is_none() && matches!(error.kind, BadData | Internal),
            _ => false,
        };
        if !is_of_a_row {
            return None;
        }
        let current = self.current.as_ref()?;
        let fails = |rows: usize| match self.try_first(current, rows, None, false) {
            Ok(()) => Some(false),
            Err(Crash { .. } | Guest { .. }) => Some(true),
            Err(_) => None,
        };
        let (mut passes, mut failing) = (0, current.batch.num_rows());
        if !fails(failing)? {
            return None;
        }
        while failing - passes > 1 {
            let middle = passes + (failing - passes) / 2;
            match fails(middle)? {
                true => failing = middle,
                false => passes = middle,
            }
        }
        u32::try_from(passes).ok()
    }

    /// The line of the plugin's source at which the guest takes too long, if its language tells and the batch alone takes long.
    fn slow_line(&self, error: &transom_plugin::Error) -> Option<String> {
        let current = self.current.as_ref().filter(|_| error.is_out_of_time())?;
        let again = |traces| {
            let rows = current.batch.num_rows();
            let tried = self.try_first(current, rows, Some(LONG_FOR_A_BATCH), traces);
            tried.err().filter(transom_plugin::Error::is_out_of_time)
        };
        // With its lines logged any batch may take so long.
        again(false)?;
        again(true)?.line().map(str::to_owned)
    }

    /// Gives the first rows of a batch to a fresh instance, which has less time than the plugin's limits allow.
    fn try_first(
        &self,
        current: &Current,
        rows: usize,
        call_time: Option<Duration>,
        traces: bool,
    ) -> transom_plugin::Result<()> {
        let exec = &self.exec;
        let guest = exec.spec.pool.instantiate_to_try(call_time, traces)?;
        let (mut guest, opened) = open_in(exec, guest)?;
        let first = |columns: &[Option<ArrayRef>]| -> Vec<Option<ArrayRef>> {
            let columns = columns.iter();
            columns
                .map(|column| column.as_ref().map(|column| column.slice(0, rows)))
                .collect()
        };
        let (columns, reads) = (first(&current.columns), first(&current.reads));
        let input = Input::new(&columns, rows, &exec.keep, &exec.schema).with_reads(&reads);
        let mut outcome = guest.process(&opened, &input)?;
        while outcome.more {
            outcome = guest.pull(&opened, Some(&input))?;
        }
        Ok(())
    }

    /// Where in the input the guest is.
    fn place(&self) -> Place {
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
        let (mut guest, opened) = open(exec, self.partition, self.generation).map_err(failed)?;
        guest.resume(&opened, &snapshot).map_err(failed)?;
        guest.settle();
        // What it counted while it was opened was counted for the first guest already.
        guest.take_counters();
        self.metrics.replaced_guests.add(1);
        self.guest = Some((guest, opened));
        Ok(())
    }

    fn reject(&mut self, rejected: &[Rejected]) -> Result<()> {
        let (Some(first), Some(current)) = (rejected.first(), &self.current) else {
            return Ok(());
        };
        let spec = &self.exec.spec;
        match &spec.step.on_reject {
            OnReject::Drop => {}
            OnReject::Fail => {
                return Err(DataFusionError::from(RowsFailed {
                    what: format!("{} rejected a row", spec.what()),
                    place: self.place().at_row(first.row).to_string(),
                    reason: first.reason.clone(),
                    row: FailedRow::of(&current.own(&self.exec)?, first.row, spec.row_of()),
                }));
            }
            OnReject::DeadLetter(letters) => {
                let rows: UInt32Array = rejected
                    .iter()
                    .map(|rejected| rejected.row)
                    .collect::<Vec<_>>()
                    .into();
                let rows = take_record_batch(&current.batch, &rows)?;
                // No column of a dead letter was pruned, so what is not the input's is the origin's.
                let (own, origin): (Vec<usize>, Vec<usize>) =
                    (0..rows.num_columns()).partition(|at| self.exec.columns.contains(&Some(*at)));
                let description = spec.pool.plugin().description();
                letters.put(RejectedRows {
                    step: spec.step.name.clone(),
                    plugin: description.name.clone(),
                    version: description.version.clone(),
                    rows: rows.project(&own)?,
                    origin: match spec.step.origin {
                        Some(_) => Some(rows.project(&origin)?),
                        None => None,
                    },
                    partition: self.partition,
                    numbers: rejected
                        .iter()
                        .map(|rejected| self.rows_before + u64::from(rejected.row))
                        .collect(),
                    reasons: rejected
                        .iter()
                        .map(|rejected| rejected.reason.clone())
                        .collect(),
                })?;
            }
        }
        // After they were kept, so that no more rows are counted than the dead letters hold.
        self.metrics.rejected_rows.add(rejected.len());
        if let Some(allowed) = spec.step.max_rejects {
            // Of all partitions.
            let TransformMetrics {
                rejected_rows,
                input_rows,
                ..
            } = self.exec.figures();
            if rejected_rows as u64 > allowed {
                return Err(DataFusionError::External(Box::new(TooManyRejected {
                    step: spec.step.name.clone(),
                    allowed,
                    rejected: rejected_rows as u64,
                    given: input_rows as u64,
                    reason: first.reason.clone(),
                })));
            }
        }
        Ok(())
    }
}

fn open(
    exec: &TransformExec,
    partition: usize,
    generation: usize,
) -> transom_plugin::Result<(Instance, OpenedTransform)> {
    let guest = exec.spec.pool.instantiate_for(partition, generation)?;
    open_in(exec, guest)
}

fn open_in(
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
