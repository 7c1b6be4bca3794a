//! From readings to a number of replicas: the order of Kubernetes' steps, and what to call the outcome.

use super::rules::{Memory, Stabilized};
use super::{Bound, Decision, Measured, Millis, Obstacle, Reading, Verdict, proposal};
use crate::policy::Policy;

/// The autoscaler. It remembers what windows and limits need; everything else comes in with each [`Look`].
#[derive(Debug, Clone, Default)]
pub struct Autoscaler {
    memory: Memory,
}

/// What the autoscaler sees at one sync.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The time.
    pub now_ms: Millis,
    /// When it will look next.
    pub next_ms: Millis,
    /// The policy in force.
    pub policy: &'a Policy,
    /// `spec.replicas`: the replicas asked for now.
    pub replicas: u32,
    /// The lag of every pod.
    pub measured: &'a Measured,
}

impl Autoscaler {
    /// One sync: how many replicas there should be, and why. The caller carries it out.
    pub fn evaluate(&mut self, look: &Look<'_>) -> Decision {
        let Look { now_ms, next_ms, policy, replicas: current, measured } = *look;
        let read = |metric| proposal::read(metric, policy.tolerance, current, measured);
        let readings: Vec<Reading> = policy.metrics.iter().map(read).collect();
        let (desired, verdict) = self.decide(look, &readings);
        if desired != current {
            self.memory.changed(now_ms, policy, current, desired);
        }
        Decision { at_ms: now_ms, next_ms: Some(next_ms), current, desired, readings, verdict }
    }

    fn decide(&mut self, look: &Look<'_>, readings: &[Reading]) -> (u32, Verdict) {
        let Look { now_ms, policy, replicas: current, measured, .. } = *look;
        if !policy.enabled {
            self.memory = Memory::default();
            return (current, Verdict::Off);
        }
        self.memory.begin(now_ms, current);
        if current == 0 && policy.min > 0 {
            return (0, Verdict::Suspended);
        }
        // The limits hold whatever the metrics say.
        let (desired, verdict) = if current > policy.max {
            (policy.max, Verdict::Limited { recommended: current, by: Bound::Max })
        } else if current < policy.min {
            (policy.min, Verdict::Limited { recommended: current, by: Bound::Min })
        } else {
            self.follow_metrics(look, readings)
        };
        if desired < current && measured.rebalancing {
            let recommended = recommendation(readings).unwrap_or(desired).min(desired);
            return (current, Verdict::ScaleInBlocked { recommended, by: Obstacle::Rebalance });
        }
        (desired, verdict)
    }

    fn follow_metrics(&mut self, look: &Look<'_>, readings: &[Reading]) -> (u32, Verdict) {
        let Look { now_ms, policy, replicas: current, measured, .. } = *look;
        let Some(recommended) = recommendation(readings) else {
            let reason = measured.unknown.clone().unwrap_or_else(|| "no pod has a value".to_owned());
            return (current, Verdict::Blind { reason });
        };
        if recommended < current && readings.iter().any(|reading| reading.proposal.is_none()) {
            return (current, Verdict::ScaleInBlocked { recommended, by: Obstacle::UnknownMetric });
        }
        let stabilized = self.memory.stabilize(now_ms, policy, current, recommended);
        let bounded = stabilized.replicas.clamp(policy.min, policy.max);
        let desired = self.memory.limit(now_ms, policy, current, bounded);
        (desired, verdict(policy, current, recommended, stabilized, desired))
    }
}

/// What the known metrics ask for: the largest wins.
fn recommendation(readings: &[Reading]) -> Option<u32> {
    readings.iter().filter_map(|reading| reading.proposal).max()
}

/// Names the step that decided. What the audience should hear first is the limit that nothing will lift, then the
/// window that time will lift, then the rate.
fn verdict(policy: &Policy, current: u32, recommended: u32, stabilized: Stabilized, desired: u32) -> Verdict {
    let rate = if desired < stabilized.replicas { Bound::UpRate } else { Bound::DownRate };
    match stabilized.until_ms {
        _ if desired == recommended && desired == current => Verdict::Steady,
        _ if desired == recommended => Verdict::Rescaled,
        _ if desired == policy.max && recommended > policy.max => {
            Verdict::Limited { recommended, by: Bound::Max }
        }
        _ if desired == policy.min && recommended < policy.min => {
            Verdict::Limited { recommended, by: Bound::Min }
        }
        until_ms @ Some(_) if desired == stabilized.replicas => {
            Verdict::Stabilizing { recommended, until_ms }
        }
        _ => Verdict::Limited { recommended, by: rate },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Rules, Select};
    use crate::scaling::{PodReadings, PodState};

    /// Runs syncs of 5 s with the default policy (target 5,000; 1 to 4 pods; window 30 s) changed by `change`. A step
    /// is the lag of requests and of responses in thousands, and what is expected then: replicas and verdict.
    #[track_caller]
    fn check(replicas: u32, change: impl FnOnce(&mut Policy), steps: &[(Lags, u32, Verdict)]) {
        let mut policy = Policy::on_lag_of(["rq", "rs"]);
        change(&mut policy);
        let mut autoscaler = Autoscaler::default();
        let mut current = replicas;
        for (now_ms, (lags, desired, verdict)) in (0..).step_by(5_000).zip(steps) {
            let measured = lags.over(current);
            let look = Look {
                now_ms,
                next_ms: now_ms + 5_000,
                policy: &policy,
                replicas: current,
                measured: &measured,
            };
            let decision = autoscaler.evaluate(&look);
            assert_eq!(
                (decision.desired, &decision.verdict),
                (*desired, verdict),
                "at {now_ms} ms: {lags:?}"
            );
            current = decision.desired;
        }
    }

    #[derive(Debug)]
    enum Lags {
        /// Thousands of requests and of responses.
        Of(Option<u64>, Option<u64>),
        /// Both topics the same, while the group rebalances.
        Rebalancing(u64),
    }

    use Lags::{Of, Rebalancing};

    /// Both topics have the same lag.
    fn both(thousands: u64) -> Lags {
        Of(Some(thousands), Some(thousands))
    }

    impl Lags {
        fn over(&self, pods: u32) -> Measured {
            let (requests, responses, rebalancing) = match *self {
                Of(requests, responses) => (requests, responses, false),
                Rebalancing(lag) => (Some(lag), Some(lag), true),
            };
            let each = |lag: Option<u64>| lag.map(|thousands| thousands * 1_000 / u64::from(pods));
            let pod = PodReadings { state: PodState::Running, lag: vec![each(requests), each(responses)] };
            let unknown = (requests.is_none() || responses.is_none()).then(|| "no answer".to_owned());
            let topics = vec!["rq".to_owned(), "rs".to_owned()];
            Measured { topics, pods: vec![pod; pods as usize], rebalancing, unknown }
        }
    }

    fn held(recommended: u32, until_ms: Millis) -> Verdict {
        Verdict::Stabilizing { recommended, until_ms: Some(until_ms) }
    }

    fn limited(recommended: u32, by: Bound) -> Verdict {
        Verdict::Limited { recommended, by }
    }

    #[test]
    fn a_burst_adds_pods_at_once_and_its_end_removes_them_after_the_window() {
        check(
            1,
            |_| (),
            &[
                (both(5), 1, Verdict::Steady),
                (both(14), 3, Verdict::Rescaled),
                (both(102), 4, limited(21, Bound::Max)),
                (both(18), 4, Verdict::Steady),
                (both(8), 4, held(2, 45_000)),
                (both(3), 4, held(1, 45_000)),
                (both(0), 4, held(0, 45_000)),
                (both(0), 4, held(0, 45_000)),
                (both(0), 4, held(0, 45_000)),
                // The recommendation of 4 has left the window; the one of 2 is the highest.
                (both(0), 2, held(0, 50_000)),
                (both(0), 1, limited(0, Bound::Min)),
                (both(0), 1, limited(0, Bound::Min)),
            ],
        );
    }

    #[test]
    fn the_largest_metric_wins() {
        check(1, |_| (), &[(Of(Some(2), Some(14)), 3, Verdict::Rescaled)]);
    }

    #[test]
    fn one_unknown_metric_blocks_scale_in_but_not_scale_out() {
        let blocked = Verdict::ScaleInBlocked { recommended: 1, by: Obstacle::UnknownMetric };
        check(3, |_| (), &[(Of(Some(2), None), 3, blocked), (Of(None, Some(20)), 4, Verdict::Rescaled)]);
    }

    #[test]
    fn an_outage_freezes_everything() {
        let blind = || Verdict::Blind { reason: "no answer".to_owned() };
        let outage = || Of(None, None);
        check(3, |_| (), &[(outage(), 3, blind()), (outage(), 3, blind()), (outage(), 3, blind())]);
    }

    #[test]
    fn nothing_shrinks_during_a_rebalance() {
        let at_once = |policy: &mut Policy| policy.down.stabilization_ms = 0;
        let blocked = Verdict::ScaleInBlocked { recommended: 1, by: Obstacle::Rebalance };
        check(3, at_once, &[(Rebalancing(2), 3, blocked), (both(2), 1, Verdict::Rescaled)]);
        check(3, at_once, &[(Rebalancing(20), 4, Verdict::Rescaled)]);
    }

    #[test]
    fn a_fresh_autoscaler_does_not_shrink_before_the_window_has_passed() {
        check(
            3,
            |policy| policy.down.stabilization_ms = 10_000,
            &[(both(1), 3, held(1, 10_000)), (both(1), 3, held(1, 10_000)), (both(1), 1, Verdict::Rescaled)],
        );
    }

    #[test]
    fn a_window_upwards_waits_for_the_lowest_recommendation() {
        check(
            1,
            |policy| policy.up.stabilization_ms = 10_000,
            &[
                (both(15), 1, held(3, 10_000)),
                (both(15), 1, held(3, 10_000)),
                (both(15), 3, Verdict::Rescaled),
            ],
        );
    }

    #[test]
    fn rates_limit_each_direction() {
        let slow = |policy: &mut Policy| {
            policy.max = 12;
            policy.up = Rules { stabilization_ms: 0, select: Select::Min, ..policy.up.clone() };
            policy.down = Rules { stabilization_ms: 0, select: Select::Disabled, ..policy.down.clone() };
        };
        check(
            1,
            slow,
            &[
                (both(50), 2, limited(10, Bound::UpRate)),
                (both(50), 2, limited(10, Bound::UpRate)),
                (both(50), 2, limited(10, Bound::UpRate)),
                (both(50), 4, limited(10, Bound::UpRate)),
                (both(0), 4, limited(0, Bound::DownRate)),
            ],
        );
    }

    #[test]
    fn the_limits_hold_without_any_metric() {
        check(5, |_| (), &[(Of(None, None), 4, limited(5, Bound::Max))]);
        check(1, |policy| policy.min = 2, &[(Of(None, None), 2, limited(1, Bound::Min))]);
    }

    #[test]
    fn no_replicas_suspend_it_and_switching_it_off_makes_it_forget() {
        let measured = Measured::default();
        let mut policy = Policy::on_lag_of(["rq", "rs"]);
        let mut autoscaler = Autoscaler::default();
        let mut at = |policy: &Policy, now_ms, replicas, measured: &Measured| {
            autoscaler.evaluate(&Look { now_ms, next_ms: now_ms + 5_000, policy, replicas, measured })
        };
        assert_eq!(at(&policy, 0, 0, &measured).verdict, Verdict::Suspended);
        policy.enabled = false;
        assert_eq!(at(&policy, 60_000, 3, &both(0).over(3)).verdict, Verdict::Off);
        policy.enabled = true;
        assert_eq!(at(&policy, 65_000, 3, &both(0).over(3)).verdict, held(0, 95_000));
    }
}
