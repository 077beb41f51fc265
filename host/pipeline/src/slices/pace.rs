//! How much the next slice reads, from what the slices of this run before it took: for bounds on time and rows, which are known only
//! afterwards.
//!
//! It begins with one file and at most doubles from one slice to the next, so that a run finds out what its machine can do. Nothing
//! depends on it but how long a slice takes: entries say what was read.

use std::time::Duration;

use transom_file::spec::SliceLimits;

use super::choose::Bounds;

/// The time for one slice is this part of the time for the run, if that has a deadline.
const SHARE: f64 = 0.05;
/// The time of a slice is estimated as that of the slowest of so many before it.
const LOOKED_BACK: usize = 5;
/// What an estimate adds, since no two slices take the same time.
const MARGIN: f64 = 1.5;
/// How much larger than the one before it a slice is at most.
const GROWTH: f64 = 2.0;

/// What a slice was, and what it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    /// Files of incremental sources.
    pub(super) files: u64,
    /// Their size.
    pub(super) bytes: u64,
    /// Rows that were read of all sources.
    pub(super) rows: u64,
    /// From its plan until all sinks had it.
    pub(super) took: Duration,
}

/// The slices of a run, as a series.
#[derive(Debug)]
pub(super) struct Pace {
    limits: SliceLimits,
    /// What a slice is to take at most.
    time: Option<Duration>,
    measured: Vec<Measured>,
}

impl Pace {
    /// The pace of a run that may take so long.
    pub(super) fn new(limits: SliceLimits, allowed: Option<Duration>) -> Self {
        let share = allowed.map(|allowed| allowed.mul_f64(SHARE));
        Self {
            time: limits.time.into_iter().chain(share).min(),
            limits,
            measured: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// The bounds of the pipeline that are known before a slice is read.
    pub(super) fn most(SliceLimits { files, bytes, .. }: SliceLimits) -> Bounds {
        Bounds { files, bytes }
    }

    /// What the next slice may read.
    pub(super) fn bounds(&self) -> Bounds {
        let most = Self::most(self.limits);
        match (self.growth(), self.measured.last()) {
            (None, _) => most,
            (Some(_), None) => Bounds { files: 1, ..most },
            (Some(growth), Some(last)) => Bounds {
                files: scaled(last.files, growth).clamp(1, most.files),
                bytes: scaled(last.bytes, growth).min(most.bytes),
            },
        }
    }

    /// Whether the bounds of a slice do not depend on those before it.
    pub(super) fn is_even(&self) -> bool {
        self.growth().is_none()
    }

    /// What the next slice will take, or less; nothing is known of the first one.
    pub(super) fn estimate(&self) -> Duration {
        let recent = self.measured.iter().rev().take(LOOKED_BACK);
        let slowest = recent.map(|measured| measured.took).max();
        let growth = self.growth().unwrap_or_default().max(1.0);
        slowest.unwrap_or_default().mul_f64(growth * MARGIN)
    }

    /// How much larger the next slice may be than the last one; none if the pipeline's bounds are all there are.
    fn growth(&self) -> Option<f64> {
        if self.time.is_none() && self.limits.rows.is_none() {
            return None;
        }
        let last = self.measured.last();
        let of_time = self
            .time
            .zip(last)
            .map(|(time, last)| ratio(time.as_secs_f64(), last.took.as_secs_f64()));
        let of_rows = self
            .limits
            .rows
            .zip(last)
            .map(|(rows, last)| ratio(rows as f64, last.rows as f64));
        Some(of_time.into_iter().chain(of_rows).fold(GROWTH, f64::min))
    }
}

/// The part that `allowed` is of what was taken.
fn ratio(allowed: f64, taken: f64) -> f64 {
    match taken > 0.0 {
        true => allowed / taken,
        false => GROWTH,
    }
}

/// A bound need not be exact to the byte, and a cast of a float stays within the type.
fn scaled(amount: u64, by: f64) -> u64 {
    (amount as f64 * by) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SliceLimits = SliceLimits {
        files: 1000,
        bytes: 1 << 30,
        rows: None,
        time: None,
    };

    fn within(seconds: u64) -> Pace {
        let time = Some(Duration::from_secs(seconds));
        Pace::new(SliceLimits { time, ..LIMITS }, None)
    }

    fn measured(files: u64, seconds: f64) -> Measured {
        Measured {
            files,
            bytes: files * 1000,
            rows: files * 10,
            took: Duration::from_secs_f64(seconds),
        }
    }

    /// The files of the slices that come of it, if so many files a second are loaded, and each slice takes a second more.
    fn slices(mut pace: Pace, per_second: f64, count: usize) -> Vec<u64> {
        let slice = |_| {
            let files = pace.bounds().files;
            pace.add(measured(files, 1.0 + files as f64 / per_second));
            files
        };
        (0..count).map(slice).collect()
    }

    #[test]
    fn without_a_bound_on_time_or_rows_slices_are_as_large_as_the_pipeline_says() {
        let mut pace = Pace::new(LIMITS, None);
        assert_eq!(
            pace.bounds(),
            Bounds {
                files: 1000,
                bytes: 1 << 30
            }
        );
        pace.add(measured(1000, 100.0));
        assert_eq!(
            pace.bounds(),
            Bounds {
                files: 1000,
                bytes: 1 << 30
            }
        );
        assert_eq!(pace.estimate(), Duration::from_secs(150));
    }

    #[test]
    fn slices_double_until_they_take_their_time() {
        assert_eq!(
            slices(within(30), 10.0, 10),
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 288]
        );
        // A machine that is fast enough comes up to the pipeline's bounds, and never above.
        assert_eq!(slices(within(30), 1e6, 12)[9..], [512, 1000, 1000]);
    }

    #[test]
    fn a_slice_has_a_file_however_slow_it_is() {
        assert_eq!(slices(within(30), 0.001, 4), [1, 1, 1, 1]);
        let mut pace = within(1);
        pace.add(Measured {
            files: 1,
            bytes: 0,
            rows: 0,
            took: Duration::ZERO,
        });
        assert_eq!(pace.bounds(), Bounds { files: 2, bytes: 0 });
    }

    #[test]
    fn slices_become_smaller_when_the_machine_becomes_slower() {
        let mut pace = within(30);
        pace.add(measured(100, 30.0));
        assert_eq!(
            pace.bounds(),
            Bounds {
                files: 100,
                bytes: 100_000
            }
        );
        pace.add(measured(100, 60.0));
        assert_eq!(
            pace.bounds(),
            Bounds {
                files: 50,
                bytes: 50_000
            }
        );
    }

    #[test]
    fn rows_are_bounded_by_those_of_the_slice_before() {
        let mut pace = Pace::new(
            SliceLimits {
                rows: Some(500),
                ..LIMITS
            },
            None,
        );
        assert_eq!(pace.bounds().files, 1);
        pace.add(measured(1, 1.0));
        assert_eq!(pace.bounds().files, 2);
        pace.add(measured(40, 1.0));
        assert_eq!(pace.bounds().files, 50);
        pace.add(measured(100, 1.0));
        assert_eq!(pace.bounds().files, 50);
    }

    #[test]
    fn a_deadline_gives_each_slice_a_twentieth() {
        let mut pace = Pace::new(LIMITS, Some(Duration::from_secs(100)));
        pace.add(measured(10, 10.0));
        assert_eq!(pace.bounds().files, 5);
        // The smaller time counts.
        let time = Some(Duration::from_secs(1));
        let mut pace = Pace::new(
            SliceLimits { time, ..LIMITS },
            Some(Duration::from_secs(100)),
        );
        pace.add(measured(10, 10.0));
        assert_eq!(pace.bounds().files, 1);
    }

    #[test]
    fn an_estimate_is_the_slowest_of_the_last_five_and_more_if_the_slice_grows() {
        let mut pace = within(100);
        assert_eq!(pace.estimate(), Duration::ZERO);
        pace.add(measured(1, 2.0));
        assert_eq!(pace.estimate(), Duration::from_secs(6));
        pace.add(measured(2, 200.0));
        assert_eq!(pace.estimate(), Duration::from_secs(300));
        for _ in 0..LOOKED_BACK {
            pace.add(measured(1, 100.0));
        }
        assert_eq!(pace.estimate(), Duration::from_secs(150));
    }
}
