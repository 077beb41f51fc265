//! A small slice is computed while the one before it is: what waits for S3 in one of them is work in the other.
//!
//! It is computed as it will be if the one before it becomes the log's next entry. If that does not happen, or it fails, nothing is made of
//! it, and the slice is computed anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use transom_commit::{self as commit, Log, Position, SinkAt, SinkKind, SinkName};

use super::computer::{Computed, Computer, Order};
use super::{Slicer, slice_span};
use crate::run::{Observer, RunFailure};
use crate::slices::seen::Seen;

/// Bytes of two slices, as they lie in their files, up to which they are computed at the same time: larger ones have enough to do for all
/// cores, and would take memory twice.
const MOST_BYTES: u64 = 64 << 20;

/// A slice that is being computed while the one before it is not in the log yet.
pub(super) struct Ahead {
    pub(super) order: Arc<Order>,
    pub(super) begun: Instant,
    /// The entry before it.
    follows: (u64, commit::Attempt),
    /// One task, which ends with this.
    computing: JoinSet<(Computer, Result<Computed, Box<RunFailure>>)>,
    observed: Arc<Observed>,
}

impl Ahead {
    /// What came of it; none if it failed.
    pub(super) async fn computed(
        mut self,
        observer: &dyn Observer,
    ) -> Option<(Computer, Computed)> {
        let (computer, computed) = self.computing.join_next().await?.ok()?;
        let computed = computed.ok()?;
        tracing::debug!(target: "transom", attempt = %self.order.attempt, "computed beside the slice before it");
        self.observed.tell(observer);
        Some((computer, computed))
    }
}

impl Slicer<'_> {
    /// Keeps what is computed ahead if it follows the log's last entry.
    pub(super) async fn keep_ahead(&mut self, log: &Log) {
        let last = log.last().map(|entry| (entry.seq, entry.attempt));
        if let Some(ahead) = &self.ahead
            && last != Some(ahead.follows)
        {
            self.stop_ahead().await;
        }
    }

    /// Ends what is computed ahead. What it has staged is for a gc.
    pub(in crate::slices) async fn stop_ahead(&mut self) {
        if let Some(mut ahead) = self.ahead.take() {
            ahead.computing.shutdown().await;
            tracing::debug!(target: "transom", attempt = %ahead.order.attempt, "given up, as another slice than the one before it came into the log");
        }
    }

    /// Begins the slice that comes after this one, if both are small and neither needs what the other leaves. `computer` is to compute this
    /// one, and its plan says whether slices do; none if this one was begun ahead itself.
    pub(super) async fn begin_ahead(
        &mut self,
        log: &Log,
        order: &Order,
        computer: Option<&mut Computer>,
    ) -> Result<(), Box<RunFailure>> {
        let Some(next) = self.order_after(log, order) else {
            return Ok(());
        };
        if let (None, Some(computer)) = (self.stand_alone, computer) {
            let planning = computer.stands_alone(order);
            let planned = planning.instrument(slice_span(log)).await;
            let stand_alone = planned.map_err(|error| RunFailure::new(self.job, error))?;
            self.stand_alone = Some(stand_alone);
        }
        if self.stand_alone != Some(true) {
            return Ok(());
        }
        let next = Arc::new(next);
        let mut computer = self.idle_computer();
        let span = tracing::info_span!(target: "transom", "slice", seq = log.tail() + 2);
        let mut computing = JoinSet::new();
        let observed = Arc::new(Observed::default());
        let (ordered, observer) = (Arc::clone(&next), Arc::clone(&observed));
        let compute = async move {
            let computed = computer.compute(&ordered, observer.as_ref()).await;
            (computer, computed)
        };
        computing.spawn(compute.instrument(span));
        self.ahead = Some(Ahead {
            order: next,
            begun: Instant::now(),
            follows: (log.tail() + 1, order.attempt),
            computing,
            observed,
        });
        Ok(())
    }

    fn order_after(&self, log: &Log, order: &Order) -> Option<Order> {
        let options = self.options;
        let loaded = self.staged.len() as u64;
        let is_last = options.max_slices.is_some_and(|most| loaded + 2 > most);
        // A run with a deadline ends with nothing begun, one with little memory has none for two.
        if is_last
            || options.stage_only
            || options.deadline.is_some()
            || self.job.session.memory.is_some()
            || !self.pace.is_even()
            || self.incremental().next().is_none()
            || self.stand_alone == Some(false)
            || order.bytes() > MOST_BYTES
        {
            return None;
        }
        // Other tables are changed by what comes before: a slice is computed for the version that it follows.
        let kinds = self
            .sinks
            .values()
            .map(|sink| sink.committed().map(commit::Sink::kind));
        if !kinds.eq(self.sinks.values().map(|_| Some(SinkKind::Files))) {
            return None;
        }
        // What counts as loaded stays as it is: if nothing does yet, the tables need not be there.
        let mut state = order.state.clone();
        log.id()?;
        let position = Position::new(log.tail() + 1, order.attempt);
        state.sinks = self
            .sinks
            .keys()
            .map(|name| SinkAt {
                name: SinkName::from(name.as_str()),
                kind: SinkKind::Files,
                position,
            })
            .collect();
        let seen = |name: &str| -> Option<&Seen> {
            let after = order.chosen.seen.get(name);
            after.or_else(|| Some(&self.seen.get(name)?.1))
        };
        let chosen = self
            .choose_from(&seen, self.pace.most_of_each(), None)
            .ok()??;
        let next = self.order(log, &state, chosen);
        (order.bytes() + next.bytes() <= MOST_BYTES).then_some(next)
    }
}

/// Keeps the stages of a slice until it is its turn: on a screen, those of two slices at once could not be told apart.
#[derive(Default)]
struct Observed(Mutex<Vec<Stage>>);

enum Stage {
    Begin(usize, usize, String),
    End(u64, Duration),
}

impl Observed {
    fn tell(&self, observer: &dyn Observer) {
        for stage in self.0.lock().drain(..) {
            match stage {
                Stage::Begin(stage, stages, what) => observer.begin(stage, stages, &what),
                Stage::End(rows, took) => observer.end(rows, took),
            }
        }
    }
}

impl Observer for Observed {
    fn begin(&self, stage: usize, stages: usize, what: &str) {
        let begun = Stage::Begin(stage, stages, what.to_owned());
        self.0.lock().push(begun);
    }

    fn rows(&self, _: u64) {}

    fn end(&self, rows: u64, took: Duration) {
        self.0.lock().push(Stage::End(rows, took));
    }
}
