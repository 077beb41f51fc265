//! What a call costs and what a row adds: a straight line through the times of calls of different sizes.

use std::time::Duration;

/// The line `per_call + rows * per_row`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    /// Seconds.
    pub(super) per_call: f64,
    /// Seconds.
    pub(super) per_row: f64,
    /// The largest distance of a measured time from the line, as a share of that time.
    pub(super) off: f64,
}

impl Line {
    /// The line that is nearest to `times` (rows, time of a call), of which there are at least two of different sizes.
    ///
    /// Distances count relative to the time: otherwise large calls alone would say what a small one costs. Neither cost is negative.
    pub(super) fn through(times: &[(usize, Duration)]) -> Self {
        let points = || {
            times.iter().map(|(rows, time)| {
                let time = time.as_secs_f64().max(1e-9);
                (*rows as f64, time, time.powi(-2))
            })
        };
        let sum = |value: fn(f64, f64) -> f64| -> f64 {
            points()
                .map(|(rows, time, weight)| weight * value(rows, time))
                .sum()
        };
        let (ones, rows, squares) = (sum(|_, _| 1.0), sum(|n, _| n), sum(|n, _| n * n));
        let (time, product) = (sum(|_, t| t), sum(|n, t| n * t));
        let determinant = ones * squares - rows * rows;
        let mut per_row = (ones * product - rows * time) / determinant;
        let mut per_call = (time - per_row * rows) / ones;
        if per_call < 0.0 {
            (per_call, per_row) = (0.0, product / squares);
        }
        if per_row < 0.0 {
            (per_call, per_row) = (time / ones, 0.0);
        }
        let off = points()
            .map(|(rows, time, _)| ((per_call + per_row * rows - time) / time).abs())
            .fold(0.0, f64::max);
        Self {
            per_call,
            per_row,
            off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(times: &[(usize, u64)]) -> Line {
        let times: Vec<_> = times
            .iter()
            .map(|(rows, nanoseconds)| (*rows, Duration::from_nanos(*nanoseconds)))
            .collect();
        Line::through(&times)
    }

    fn nanoseconds(seconds: f64) -> i64 {
        (seconds * 1e9).round() as i64
    }

    #[test]
    fn times_on_a_line_give_that_line() {
        let found = line(&[(1, 5_010), (100, 6_000), (8192, 86_920)]);
        assert_eq!(
            (nanoseconds(found.per_call), nanoseconds(found.per_row)),
            (5000, 10)
        );
        assert!(found.off < 1e-6, "{found:?}");
    }

    #[test]
    fn the_worst_distance_is_told() {
        let found = line(&[(1, 5_010), (100, 12_000), (8192, 86_920)]);
        assert!(found.off > 0.2, "{found:?}");
    }

    #[test]
    fn no_cost_is_negative() {
        let found = line(&[(1, 1), (100, 1_000), (200, 2_100)]);
        assert_eq!(nanoseconds(found.per_call), 0);
        let found = line(&[(1, 5_000), (100, 4_900), (8192, 4_000)]);
        assert_eq!(nanoseconds(found.per_row), 0);
        assert!(found.per_call > 0.0);
    }
}
