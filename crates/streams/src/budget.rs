//! How many records a pod with a limited capacity may process now: a token bucket, with time passed in.

use std::time::Duration;

/// What is saved up at most: enough to even out late wake-ups, too little to be seen on a chart.
const BURST: Duration = Duration::from_millis(200);
const BILLION: u128 = 1_000_000_000;

/// A token a record; no limit with a capacity of 0.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Tokens per second.
    capacity: u32,
    /// Tokens, in billionths.
    saved: u128,
    last: Duration,
}

impl Budget {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { capacity, saved: 0, last: Duration::ZERO }
    }

    /// Adds what the time since the last call is worth; `elapsed` is the time since the start.
    pub(crate) fn refill(&mut self, elapsed: Duration) {
        let passed = elapsed.saturating_sub(self.last);
        self.last = elapsed;
        let capacity = u128::from(self.capacity);
        let most = (BURST.as_nanos() * capacity).max(BILLION);
        self.saved = (self.saved + passed.as_nanos() * capacity).min(most);
    }

    /// Whether a record may be processed now.
    pub(crate) fn is_open(&self) -> bool {
        self.capacity == 0 || self.saved >= BILLION
    }

    /// A record was processed.
    pub(crate) fn spend(&mut self) {
        self.saved = self.saved.saturating_sub(BILLION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many records pass in ten seconds of steps of this length.
    fn passed(capacity: u32, step_ms: u64) -> u32 {
        let mut budget = Budget::new(capacity);
        let mut records = 0;
        for step in 1..=10_000 / step_ms {
            budget.refill(Duration::from_millis(step * step_ms));
            while budget.is_open() && records < 1_000_000 {
                budget.spend();
                records += 1;
            }
        }
        records
    }

    #[test]
    fn a_capacity_is_kept_exactly_however_often_it_is_looked_at() {
        for capacity in [1, 30, 2_000, 50_000] {
            for step_ms in [1, 5, 50] {
                assert_eq!(passed(capacity, step_ms), capacity * 10, "{capacity} in steps of {step_ms} ms");
            }
        }
    }

    #[test]
    fn what_was_not_used_for_long_is_gone() {
        let mut budget = Budget::new(2_000);
        budget.refill(Duration::from_secs(60));
        let mut records = 0;
        while budget.is_open() {
            budget.spend();
            records += 1;
        }
        assert_eq!(records, 400, "200 ms worth");
    }

    #[test]
    fn without_a_capacity_there_is_no_limit() {
        assert_eq!(passed(0, 5), 1_000_000);
    }
}
