//! How the time of an invocation is divided.

use std::time::{Duration, Instant, SystemTime};

/// The part of the time that is left over for ending in order.
const MARGIN: f64 = 0.03;
const LEAST_MARGIN: Duration = Duration::from_millis(300);
const MOST_MARGIN: Duration = Duration::from_secs(20);

/// The time of an invocation. After its deadline, Lambda kills the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    /// When the invocation began.
    pub(crate) begin: Instant,
    /// When Lambda kills the process.
    pub(crate) end: Instant,
    /// Slices are to end by then.
    pub(crate) slices: Instant,
    /// Work that is not over by then is given up.
    pub(crate) work: Instant,
    /// Until then, what was given up is waited for.
    pub(crate) joined: Instant,
}

impl Time {
    /// The time from now to a deadline.
    pub(crate) fn until(deadline: SystemTime) -> Self {
        let left = deadline.duration_since(SystemTime::now());
        let left = left.unwrap_or_default();
        let margin = left.mul_f64(MARGIN).clamp(LEAST_MARGIN, MOST_MARGIN);
        let now = Instant::now();
        Self {
            begin: now,
            end: now + left,
            slices: now + left.saturating_sub(margin),
            work: now + left.saturating_sub(margin / 2),
            joined: now + left.saturating_sub(margin / 4),
        }
    }

    /// How many percent this is of the invocation's time.
    pub(crate) fn percent(&self, seconds: f64) -> u64 {
        let all = (self.end - self.begin).as_secs_f64();
        match all > 0.0 {
            true => (100.0 * seconds / all).round() as u64,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_leaves_time_for_ending_in_order() {
        for (seconds, margin) in [(3, 0.3), (60, 1.8), (900, 20.0), (5400, 20.0)] {
            let now = Instant::now();
            let time = Time::until(SystemTime::now() + Duration::from_secs(seconds));
            let left = (time.slices - now).as_secs_f64();
            assert!(
                (left - (seconds as f64 - margin)).abs() < 0.1,
                "{seconds}: {left}"
            );
            assert!(time.slices < time.work && time.work < time.joined && time.joined < time.end);
        }
        let passed = Time::until(SystemTime::now() - Duration::from_secs(1));
        assert!(passed.work <= Instant::now());
    }
}
