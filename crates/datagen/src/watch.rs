//! Compares what is achieved with what is asked for, once a second, and says when the one falls behind the other.

use std::time::Duration;

use tracing::{info, warn};

use crate::metrics::Metrics;

const INTERVAL: Duration = Duration::from_secs(1);
/// How much may be missing, in percent of the target, before it is worth a word.
const TOLERANCE_PERCENT: u32 = 2;
/// In how many seconds in a row: what is on its way when a second ends comes in with the next one.
const PATIENCE: u32 = 3;

/// Looks at the rate.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    looked: Duration,
    records: [u64; 2],
    /// The lowest target since the last look: a burst that has just begun cannot be missed yet.
    target: Option<u32>,
    behind: u32,
    refused: u64,
}

impl Watch {
    /// Takes note of the target and of all requests and responses that Kafka acknowledged so far.
    pub(crate) fn look(&mut self, elapsed: Duration, target: u32, records: [u64; 2], metrics: &Metrics) {
        let lowest = self.target.map_or(target, |lowest| lowest.min(target));
        self.target = Some(lowest);
        let passed = elapsed.saturating_sub(self.looked);
        if passed < INTERVAL {
            return;
        }
        // A frame without one of its records is none.
        let frames = [0, 1].map(|topic: usize| records[topic].saturating_sub(self.records[topic]));
        let frames = frames[0].min(frames[1]);
        let achieved = (frames as f64 / passed.as_secs_f64()).round() as u32;
        metrics.achieved.set(achieved.into());
        let refused = metrics.refused.get();
        let is_refused = refused > self.refused;
        self.judge(lowest, achieved, is_refused);
        metrics.behind.set((self.behind >= PATIENCE).into());
        self.refused = refused;
        (self.looked, self.records, self.target) = (elapsed, records, None);
    }

    fn judge(&mut self, target: u32, achieved: u32, is_refused: bool) {
        let enough = target.saturating_sub(target.saturating_mul(TOLERANCE_PERCENT) / 100).saturating_sub(1);
        if achieved < enough {
            self.behind += 1;
            if self.behind == PATIENCE && is_refused {
                warn!(target, achieved, "fewer frames a second than asked for: Kafka refuses records");
            } else if self.behind == PATIENCE {
                warn!(target, achieved, "cannot keep up: Kafka takes fewer frames a second than asked for");
            }
        } else {
            if self.behind >= PATIENCE {
                info!(target, achieved, "keeping up again");
            }
            self.behind = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_counts_once_it_lasts_and_is_over_when_the_rate_is_back() {
        let (mut watch, metrics) = (Watch::default(), Metrics::default());
        let mut frames = 0;
        let mut second = |watch: &mut Watch, at, target, achieved| {
            frames += achieved;
            watch.look(Duration::from_secs(at), target, [frames; 2], &metrics);
            assert_eq!(metrics.achieved.get() as u64, achieved);
            assert_eq!(metrics.behind.get() == 1, watch.behind >= PATIENCE);
            watch.behind
        };
        assert_eq!(second(&mut watch, 1, 400, 399), 0);
        assert_eq!(second(&mut watch, 2, 400, 300), 1);
        assert_eq!(second(&mut watch, 3, 400, 0), 2);
        assert_eq!(second(&mut watch, 4, 400, 390), 3);
        assert_eq!(second(&mut watch, 5, 400, 391), 0);
    }

    #[test]
    fn frames_whose_responses_are_refused_are_not_achieved() {
        let (mut watch, metrics) = (Watch::default(), Metrics::default());
        watch.look(Duration::from_secs(1), 400, [400, 100], &metrics);
        assert_eq!(metrics.achieved.get(), 100);
        watch.look(Duration::from_secs(2), 400, [800, 500], &metrics);
        assert_eq!(metrics.achieved.get(), 400, "what was refused before does not count against it");
    }

    #[test]
    fn a_target_that_has_just_been_raised_is_not_missed() {
        let (mut watch, metrics) = (Watch::default(), Metrics::default());
        watch.look(Duration::from_millis(500), 400, [200; 2], &metrics);
        watch.look(Duration::from_millis(1_000), 4_000, [400; 2], &metrics);
        assert_eq!(watch.behind, 0);
    }
}
