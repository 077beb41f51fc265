//! Small slices are computed while the one before them is, and while it comes into the log: what waits for S3 in one of them is work in
//! another one.
//!
//! Each is computed as it will be if the one before it becomes the log's next entry. If that does not happen, or it fails, nothing is made of
//! it and those after it, and the slice is computed anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use transom_commit::{self as commit, Log, SinkKind};

use super::computer::{Computed, Computer, Order};
use super::{Slicer, slice_span};
use crate::run::{Observer, RunFailure};
use crate::slices::seen::Seen;

/// Slices that are computed ahead at most. While one comes into the log, there are two for the cores to compute.
const MOST: usize = 2;

/// Bytes of slices, as they lie in their files, up to which they are computed at the same time: larger ones have enough to do for all
/// cores, and would take memory several times.
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
        if let Some(ahead) = self.ahead.front()
            && last != Some(ahead.follows)
        {
            self.stop_ahead().await;
        }
    }

    /// Ends what is computed ahead. What it has staged is for a gc.
    pub(in crate::slices) async fn stop_ahead(&mut self) {
        for mut ahead in std::mem::take(&mut self.ahead) {
            ahead.computing.shutdown().await;
            tracing::debug!(target: "transom", attempt = %ahead.order.attempt, "given up");
        }
    }

    /// Begins the slices that come after this one, if they are small and none needs what another leaves. `computer` is to compute this
    /// one, and its plan says whether slices do; none if this one was begun ahead itself.
    pub(super) async fn begin_ahead(
        &mut self,
        log: &Log,
        order: &Order,
        mut computer: Option<&mut Computer>,
    ) -> Result<(), Box<RunFailure>> {
        while self.ahead.len() < MOST
            && let Some(next) = self.order_after(log, order)
        {
            if let (None, Some(computer)) = (self.stand_alone, computer.as_deref_mut()) {
                let planning = computer.stands_alone(order);
                let planned = planning.instrument(slice_span(log)).await;
                let stand_alone = planned.map_err(|error| RunFailure::new(self.job, error))?;
                self.stand_alone = Some(stand_alone);
            }
            if self.stand_alone != Some(true) {
                break;
            }
            self.compute_ahead(next);
        }
        Ok(())
    }

    fn compute_ahead(&mut self, next: Next) {
        let Next { order, follows } = next;
        let order = Arc::new(order);
        let mut computer = self.idle_computer();
        let span = tracing::info_span!(target: "transom", "slice", seq = follows.0 + 1);
        let mut computing = JoinSet::new();
        let observed = Arc::new(Observed::default());
        let (ordered, observer) = (Arc::clone(&order), Arc::clone(&observed));
        let compute = async move {
            let computed = computer.compute(&ordered, observer.as_ref()).await;
            (computer, computed)
        };
        computing.spawn(compute.instrument(span));
        self.ahead.push_back(Ahead {
            order,
            begun: Instant::now(),
            follows,
            computing,
            observed,
        });
    }

    /// The slice that comes after this one and all that are computed ahead.
    fn order_after(&self, log: &Log, order: &Order) -> Option<Next> {
        let options = self.options;
        let ahead = self.ahead.iter().map(|ahead| ahead.order.as_ref());
        let before: Vec<&Order> = std::iter::once(order).chain(ahead).collect();
        let last = *before.last()?;
        let loaded = (self.staged.len() + before.len()) as u64;
        let is_last = options.max_slices.is_some_and(|most| loaded >= most);
        let bytes: u64 = before.iter().map(|order| order.bytes()).sum();
        // A run with a deadline ends with nothing begun, one with little memory has none for two.
        if is_last
            || options.stage_only
            || options.deadline.is_some()
            || self.job.session.memory.is_some()
            || !self.pace.is_even()
            || self.incremental().next().is_none()
            || self.stand_alone == Some(false)
            || bytes > MOST_BYTES
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
        // The table has the name of its log beside it.
        log.id()?;
        let follows = (log.tail() + before.len() as u64, last.attempt);
        // The last one that has read a source has what was read of it before.
        let seen = |name: &str| -> Option<&Seen> {
            let mut after = before.iter().rev();
            let after = after.find_map(|order| order.chosen.seen.get(name));
            after.or_else(|| Some(&self.seen.get(name)?.1))
        };
        let chosen = self
            .choose_from(&seen, self.pace.most_of_each(), None)
            .ok()??;
        // Of those before it, it needs to know what they read, and nothing else: where they begin a table, that is not there yet.
        let next = self.order(log, &log.state(), chosen);
        let fits = bytes + next.bytes() <= MOST_BYTES;
        fits.then_some(Next {
            order: next,
            follows,
        })
    }
}

/// A slice that may be computed ahead.
struct Next {
    order: Order,
    /// The entry before it.
    follows: (u64, commit::Attempt),
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
