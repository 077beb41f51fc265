//! What a transform step counts while it runs: for each partition, and summed for the report.

use std::time::Duration;

use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, MetricsSet, Time,
};
use transom_plugin::Timing;

/// What a partition counts; EXPLAIN ANALYZE shows it.
pub(super) struct PartitionMetrics {
    pub(super) baseline: BaselineMetrics,
    pub(super) input_rows: Count,
    pub(super) input_batches: Count,
    pub(super) rejected_rows: Count,
    pub(super) replaced_guests: Count,
    pub(super) lowering_time: Time,
    pub(super) guest_time: Time,
    pub(super) lifting_time: Time,
    pub(super) peak_memory: Gauge,
}

impl PartitionMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            baseline: BaselineMetrics::new(set, partition),
            input_rows: MetricBuilder::new(set).counter("input_rows", partition),
            input_batches: MetricBuilder::new(set).counter("input_batches", partition),
            rejected_rows: MetricBuilder::new(set).counter("rejected_rows", partition),
            replaced_guests: MetricBuilder::new(set).counter("replaced_guests", partition),
            lowering_time: MetricBuilder::new(set).subset_time("lowering_time", partition),
            guest_time: MetricBuilder::new(set).subset_time("guest_time", partition),
            lifting_time: MetricBuilder::new(set).subset_time("lifting_time", partition),
            peak_memory: MetricBuilder::new(set).gauge("guest_peak_memory", partition),
        }
    }

    pub(super) fn add(&self, after: Timing, before: Timing) {
        self.lowering_time
            .add_duration(after.lowering - before.lowering);
        self.guest_time.add_duration(after.guest - before.guest);
        self.lifting_time
            .add_duration(after.lifting - before.lifting);
    }
}

/// The figures of one transform step of a run, summed over its partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransformMetrics {
    /// Name of the step.
    pub step: String,
    /// Rows in.
    pub input_rows: usize,
    /// Batches in.
    pub input_batches: usize,
    /// Rows out.
    pub output_rows: usize,
    /// Rows the guest did not take.
    pub rejected_rows: usize,
    /// Time that went into copying batches to the guest.
    pub lowering: Duration,
    /// Time inside the guest.
    pub guest: Duration,
    /// Time that went into taking batches from the guest and checking them.
    pub lifting: Duration,
}

impl TransformMetrics {
    /// The sums of what the partitions of `step` counted.
    pub(super) fn of(step: &str, metrics: &MetricsSet) -> Self {
        let sum = |name: &str| {
            metrics
                .sum_by_name(name)
                .map_or(0, |value| value.as_usize())
        };
        let time = |name: &str| Duration::from_nanos(sum(name) as u64);
        Self {
            step: step.to_owned(),
            input_rows: sum("input_rows"),
            input_batches: sum("input_batches"),
            output_rows: metrics.output_rows().unwrap_or(0),
            rejected_rows: sum("rejected_rows"),
            lowering: time("lowering_time"),
            guest: time("guest_time"),
            lifting: time("lifting_time"),
        }
    }
}
