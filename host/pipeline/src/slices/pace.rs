//! How much the next slice reads, from what the slices of this run before it took: for bounds on time and rows, which are known only
//! afterwards.
//!
//! It begins with one file and at most doubles from one slice to the next, so that a run finds out what its machine can do. A slice that an
//! earlier run did not come to the end of bounds all of a run's. A run with a deadline ends with a smaller one, if that still fits. Nothing
//! depends on it but how long a slice takes: entries say what was read.

use std::time::Duration;

use transom_file::spec::SliceLimits;

use super::choose::Bounds;

/// The time for one slice is this part of the time for the run, if that has a deadline.
const SHARE: f64 = 0.04;
/// The time of a slice is estimated as that of the slowest of so many before it.
const LOOKED_BACK: usize = 5;
/// What an estimate adds, since no two slices take the same time.
const MARGIN: f64 = 1.25;
/// The part of a slice's time that a smaller one is expected to take all the same: for requests, plans, the log.
const FIXED: f64 = 0.5;
/// How much larger than the one before it a slice is at most.
const GROWTH: f64 = 2.0;
/// The parts of a slice that may be the last one before a deadline, the largest first. Less is not worth a slice.
const PARTS: [f64; 4] = [1.0, 0.75, 0.5, 0.25];

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
    /// Whether the last slice was begun.
    is_ending: bool,
}

/// What a slice may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) bounds: Bounds,
    /// Whether there is time enough for a part of a slice alone: it is the last one of the run.
    is_last: bool,
}

impl Pace {
    /// The pace of a run that may take so long.
    pub(super) fn new(limits: SliceLimits, allowed: Option<Duration>) -> Self {
        let share = allowed.map(|allowed| allowed.mul_f64(SHARE));
        Self {
            time: limits.time.into_iter().chain(share).min(),
            limits,
            measured: Vec::new(),
            is_ending: false,
        }
    }

    /// Takes half of such a slice at most: there was one that did not come to its end.
    pub(super) fn halve(&mut self, Bounds { files, bytes }: Bounds) -> Bounds {
        self.limits.files = self.limits.files.min((files / 2).max(1));
        self.limits.bytes = self.limits.bytes.min(bytes / 2);
        self.most_of_each()
    }

    /// The bounds of each slice that are known before it is read.
    pub(super) fn most_of_each(&self) -> Bounds {
        Self::most(self.limits)
    }

    pub(super) fn add(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// The bounds of the pipeline that are known before a slice is read.
    pub(super) fn most(SliceLimits { files, bytes, .. }: SliceLimits) -> Bounds {
        Bounds { files, bytes }
    }

    /// What the next slice may read, if so much time is left; none if it would probably not be over by then.
    pub(super) fn next(&self, left: Option<Duration>) -> Option<Allowed> {
        let growth = self.growth();
        let (Some(growth), Some(left)) = (growth, left) else {
            return Some(Allowed {
                bounds: growth.map_or(self.most_of_each(), |growth| self.size(growth)),
                is_last: false,
            });
        };
        if self.is_ending {
            return None;
        }
        let fits = |part: &f64| self.estimate(growth * part) < left;
        let part = PARTS.iter().position(fits)?;
        Some(Allowed {
            bounds: self.size(growth * PARTS[part]),
            is_last: part > 0,
        })
    }

    /// A slice is begun that may read so much.
    pub(super) fn begin(&mut self, allowed: Allowed) {
        self.is_ending = allowed.is_last;
    }

    /// The bounds of a slice that is so many times as large as the last one.
    fn size(&self, times: f64) -> Bounds {
        let most = self.most_of_each();
        match self.measured.last() {
            None => Bounds { files: 1, ..most },
            Some(last) => Bounds {
                files: scaled(last.files, times).clamp(1, most.files),
                bytes: scaled(last.bytes, times).min(most.bytes),
            },
        }
    }

    /// Whether the bounds of a slice do not depend on those before it.
    pub(super) fn is_even(&self) -> bool {
        self.growth().is_none()
    }

    /// Whether a slice like those before it would probably be over in the time that is left; nothing is known of the first one.
    pub(super) fn fits(&self, left: Duration) -> bool {
        self.estimate(1.0) < left
    }

    /// What a slice that is so many times as large as the last one will take, or less: what a slow one took of the last few.
    fn estimate(&self, times: f64) -> Duration {
        let next = self.size(times);
        let recent = self.measured.iter().rev().take(LOOKED_BACK);
        let took = recent.map(|measured| {
            let files = part_of(next.files, measured.files);
            let bytes = part_of(next.bytes, measured.bytes);
            // Of a much smaller one, most of the time may have been the part that stays.
            let size = files.max(bytes).min(GROWTH);
            let time = size.max(FIXED + (1.0 - FIXED) * size);
            measured.took.mul_f64(time)
        });
        took.max().unwrap_or_default().mul_f64(MARGIN)
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

/// The part that an amount is of another one; of nothing, all.
fn part_of(amount: u64, whole: u64) -> f64 {
    match whole {
        0 => 1.0,
        whole => amount as f64 / whole as f64,
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

    fn bounds(pace: &Pace) -> Option<Bounds> {
        Some(pace.next(None)?.bounds)
    }

    fn files(pace: &Pace) -> u64 {
        bounds(pace).unwrap().files
    }

    /// The files of the slices that come of it, if so many files a second are loaded, and each slice takes a second more.
    fn slices(mut pace: Pace, per_second: f64, count: usize) -> Vec<u64> {
        let slice = |_| {
            let files = files(&pace);
            pace.add(measured(files, 1.0 + files as f64 / per_second));
            files
        };
        (0..count).map(slice).collect()
    }

    #[test]
    fn without_a_bound_on_time_or_rows_slices_are_as_large_as_the_pipeline_says() {
        let mut pace = Pace::new(LIMITS, None);
        let all = Some(Bounds {
            files: 1000,
            bytes: 1 << 30,
        });
        assert_eq!(bounds(&pace), all);
        pace.add(measured(1000, 100.0));
        assert_eq!(bounds(&pace), all);
        assert!(!pace.fits(Duration::from_secs(125)));
        assert!(pace.fits(Duration::from_secs(126)));
    }

    #[test]
    fn after_a_slice_that_did_not_come_to_its_end_none_is_larger_than_half_of_it() {
        let half = |files, bytes| {
            let mut pace = Pace::new(LIMITS, None);
            pace.halve(Bounds { files, bytes });
            bounds(&pace).unwrap()
        };
        assert_eq!(
            half(8, 4000),
            Bounds {
                files: 4,
                bytes: 2000
            }
        );
        assert_eq!(half(1, 1), Bounds { files: 1, bytes: 0 });
        assert_eq!(half(5000, 1 << 40), Pace::most(LIMITS));
        let mut pace = within(30);
        pace.halve(Bounds {
            files: 12,
            bytes: 1 << 30,
        });
        assert_eq!(slices(pace, 1e6, 5), [1, 2, 4, 6, 6]);
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
        assert_eq!(bounds(&pace), Some(Bounds { files: 2, bytes: 0 }));
    }

    #[test]
    fn slices_become_smaller_when_the_machine_becomes_slower() {
        let mut pace = within(30);
        pace.add(measured(100, 30.0));
        let expected = |files| {
            Some(Bounds {
                files,
                bytes: files * 1000,
            })
        };
        assert_eq!(bounds(&pace), expected(100));
        pace.add(measured(100, 60.0));
        assert_eq!(bounds(&pace), expected(50));
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
        assert_eq!(files(&pace), 1);
        pace.add(measured(1, 1.0));
        assert_eq!(files(&pace), 2);
        pace.add(measured(40, 1.0));
        assert_eq!(files(&pace), 50);
        pace.add(measured(100, 1.0));
        assert_eq!(files(&pace), 50);
    }

    #[test]
    fn a_deadline_gives_each_slice_a_part_of_the_time() {
        let mut pace = Pace::new(LIMITS, Some(Duration::from_secs(100)));
        pace.add(measured(10, 8.0));
        assert_eq!(files(&pace), 5);
        // The smaller time counts.
        let time = Some(Duration::from_secs(1));
        let mut pace = Pace::new(
            SliceLimits { time, ..LIMITS },
            Some(Duration::from_secs(100)),
        );
        pace.add(measured(10, 10.0));
        assert_eq!(files(&pace), 1);
    }

    #[test]
    fn an_estimate_is_the_slowest_of_the_last_five_and_more_if_the_slice_grows() {
        let mut pace = within(100);
        assert_eq!(pace.estimate(GROWTH), Duration::ZERO);
        pace.add(measured(1, 2.0));
        assert_eq!(pace.estimate(GROWTH), Duration::from_secs(5));
        pace.add(measured(2, 200.0));
        assert_eq!(pace.estimate(1.0), Duration::from_secs(250));
        assert_eq!(pace.estimate(2.0), Duration::from_secs(500));
        for _ in 0..LOOKED_BACK {
            pace.add(measured(1, 100.0));
        }
        assert_eq!(pace.estimate(1.0), Duration::from_secs(125));
        // However much smaller they were, those before are taken for half as large at most.
        pace.add(measured(4, 10.0));
        assert_eq!(pace.estimate(1.0), Duration::from_secs(250));
        for _ in 0..LOOKED_BACK {
            pace.add(measured(4, 100.0));
        }
        // A part of the time stays.
        assert_eq!(pace.estimate(0.5), Duration::from_secs_f64(93.75));
    }

    #[test]
    fn the_last_slice_before_a_deadline_is_as_large_as_there_is_time_for() {
        let pace = || {
            let mut pace = Pace::new(LIMITS, Some(Duration::from_secs(250)));
            pace.add(measured(100, 10.0));
            pace
        };
        // A whole one is given 12.5 seconds, a half 9.375, a quarter 7.8125.
        for (left, expected) in [
            (12.6, Some(100)),
            (12.4, Some(75)),
            (9.4, Some(50)),
            (7.9, Some(25)),
            (7.8, None),
        ] {
            let mut pace = pace();
            let left = Some(Duration::from_secs_f64(left));
            let allowed = pace.next(left);
            let files = allowed.map(|allowed| allowed.bounds.files);
            assert_eq!(files, expected, "{left:?}");
            if let Some(allowed) = allowed {
                pace.begin(allowed);
            }
            pace.add(measured(files.unwrap_or(100), 0.1));
            let next = pace.next(left);
            assert_eq!(next.is_some(), expected == Some(100), "{left:?}");
        }
        // One file cannot be divided.
        let mut pace = Pace::new(LIMITS, Some(Duration::from_secs(250)));
        pace.add(measured(1, 10.0));
        assert_eq!(pace.next(Some(Duration::from_secs(12))), None);
    }

    /// The part of its time that a run is at work, until no slice fits. A slice takes `fixed`, and `each` of a file, as parts of the time,
    /// by chance up to a fifth less and a quarter more.
    fn worked(each: f64, fixed: f64, seed: u64) -> f64 {
        const SECONDS: f64 = 100.0;
        let limits = SliceLimits {
            files: 1 << 40,
            bytes: 1 << 50,
            ..LIMITS
        };
        let mut pace = Pace::new(limits, Some(Duration::from_secs_f64(SECONDS)));
        let (mut passed, mut random) = (0.0_f64, seed);
        loop {
            let left = Duration::from_secs_f64((SECONDS - passed).max(0.0));
            let Some(allowed) = pace.next(Some(left)) else {
                return passed / SECONDS;
            };
            pace.begin(allowed);
            let files = allowed.bounds.files;
            random = random.wrapping_mul(6_364_136_223_846_793_005);
            random = random.wrapping_add(1_442_695_040_888_963_407);
            let luck = 0.8 + 0.45 * ((random >> 33) as f64 / (1_u64 << 31) as f64);
            let took = SECONDS * (fixed + each * files as f64) * luck;
            passed += took;
            pace.add(measured(files, took));
        }
    }

    #[test]
    fn a_run_works_until_little_of_its_time_is_left() {
        for (each, fixed) in [
            (1e-6, 1e-3),
            (1e-4, 1e-3),
            (1e-4, 1e-2),
            (1e-3, 1e-2),
            (1e-2, 1e-2),
            (1e-2, 1e-3),
            (1e-4, 2e-2),
        ] {
            for seed in 0..500 {
                let worked = worked(each, fixed, seed);
                // Of an invocation, 4 % go off before that: for its begin and for its end.
                assert!(
                    (0.94..=1.0).contains(&worked),
                    "{each} {fixed} {seed}: {worked}"
                );
            }
        }
    }
}
