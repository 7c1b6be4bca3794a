//! When the next frames are due: a rate turned into whole frames, step by step, with time passed in.

use std::time::Duration;

/// Arrears are made up for, but not more than this: after a long outage the load goes on as before it, and does not
/// come down on Kafka all at once.
const LONGEST_ARREARS: Duration = Duration::from_secs(1);

/// A schedule that adds up what is due. Fractions of a frame are carried over, so the rate is exact in the long run.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Duration,
    /// Frames due, in billionths.
    due: u128,
}

const BILLION: u128 = 1_000_000_000;

impl Pace {
    /// How many frames are to be sent now; `elapsed` is the time since the start.
    pub(crate) fn due(&mut self, elapsed: Duration, frames_per_second: u32) -> u32 {
        let passed = elapsed.saturating_sub(self.last);
        self.last = elapsed;
        self.due += passed.min(LONGEST_ARREARS).as_nanos() * u128::from(frames_per_second);
        let whole = self.due / BILLION;
        self.due %= BILLION;
        u32::try_from(whole).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(frames_per_second: u32, steps_ms: impl Iterator<Item = u64>) -> u32 {
        let mut pace = Pace::default();
        let mut elapsed = Duration::ZERO;
        steps_ms
            .map(|step| {
                elapsed += Duration::from_millis(step);
                pace.due(elapsed, frames_per_second)
            })
            .sum()
    }

    #[test]
    fn the_rate_is_exact_however_the_steps_fall() {
        for rate in [1, 7, 400, 4_000, 40_000] {
            assert_eq!(sent(rate, std::iter::repeat_n(5, 2_000)), rate * 10, "even steps");
            assert_eq!(sent(rate, [1, 3, 11, 5].into_iter().cycle().take(2_000)), rate * 10, "uneven steps");
        }
    }

    #[test]
    fn a_rate_of_zero_is_a_pause() {
        assert_eq!(sent(0, std::iter::repeat_n(5, 1_000)), 0);
    }

    #[test]
    fn a_change_of_the_rate_counts_from_the_next_step() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(Duration::from_millis(100), 1_000), 100);
        assert_eq!(pace.due(Duration::from_millis(200), 10_000), 1_000);
    }

    #[test]
    fn arrears_are_made_up_for_within_a_second_and_forgotten_beyond() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(Duration::from_millis(800), 1_000), 800);
        assert_eq!(pace.due(Duration::from_secs(60), 1_000), 1_000);
    }
}
