//! How long samples take: for the server's metrics, and for the benchmark that holds the sampler to its goal.

use std::collections::VecDeque;
use std::time::Duration;

/// A minute at four samples a second.
const WINDOW: usize = 240;

/// How long samples take, and how many there were.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    /// Samples that succeeded.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: u64,
    recent: VecDeque<Duration>,
}

impl Timings {
    /// The newest sample's duration; `None` before the first one.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        self.recent.back().copied()
    }

    /// The median over the last minute of samples; `None` before the first one.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// Takes in an attempt: its duration, or `None` if it failed.
    pub(super) fn add(&mut self, took: Option<Duration>) {
        let Some(took) = took else {
            self.failed += 1;
            return;
        };
        self.succeeded += 1;
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_but_have_no_duration() {
        let mut timings = Timings::default();
        assert_eq!((timings.last(), timings.median()), (None, None));
        for millis in [5, 1, 3] {
            timings.add(Some(Duration::from_millis(millis)));
        }
        timings.add(None);
        assert_eq!((timings.succeeded, timings.failed), (3, 1));
        assert_eq!(timings.last(), Some(Duration::from_millis(3)));
        assert_eq!(timings.median(), Some(Duration::from_millis(3)));
    }

    #[test]
    fn only_the_last_minute_counts() {
        let mut timings = Timings::default();
        for millis in 0..1_000 {
            timings.add(Some(Duration::from_millis(millis)));
        }
        assert_eq!(timings.median(), Some(Duration::from_millis(880)));
    }
}
