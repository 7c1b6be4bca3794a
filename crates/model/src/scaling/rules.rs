//! How fast the number of pods may change: stabilisation windows and rate limits (`behavior`).

use super::Millis;
use crate::policy::{Amount, Limit, Policy, Rules, Select};

/// What the rules need to remember: recommendations and changes, newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    recommendations: Vec<At>,
    ups: Vec<At>,
    downs: Vec<At>,
}

/// A number and its time.
#[derive(Debug, Clone, Copy)]
struct At {
    at_ms: Millis,
    replicas: u32,
}

/// A recommendation after the windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stabilized {
    /// The replicas that the windows let through.
    pub(super) replicas: u32,
    /// When the remembered recommendation that held it back leaves its window.
    pub(super) until_ms: Option<Millis>,
}

impl Memory {
    /// At the first look there is nothing to remember but what there is; this keeps a fresh autoscaler from shrinking
    /// at once.
    pub(super) fn begin(&mut self, now_ms: Millis, replicas: u32) {
        if self.recommendations.is_empty() {
            self.recommendations.push(At { at_ms: now_ms, replicas });
        }
    }

    /// `stabilizeRecommendationWithBehaviors`: at least the lowest of the window on the way up, at most the highest on
    /// the way down. Remembers the recommendation.
    pub(super) fn stabilize(
        &mut self,
        now_ms: Millis,
        policy: &Policy,
        current: u32,
        recommended: u32,
    ) -> Stabilized {
        let within = |window_ms: Millis| {
            self.recommendations.iter().filter(move |past| past.at_ms + window_ms > now_ms).copied()
        };
        let (up_ms, down_ms) = (policy.up.stabilization_ms, policy.down.stabilization_ms);
        let lowest = within(up_ms).map(|past| past.replicas).fold(recommended, u32::min);
        let highest = within(down_ms).map(|past| past.replicas).fold(recommended, u32::max);
        let replicas = current.max(lowest).min(highest);
        let until_ms = if replicas > recommended {
            within(down_ms).filter(|past| past.replicas >= replicas).map(|past| past.at_ms + down_ms).max()
        } else if replicas < recommended {
            within(up_ms).filter(|past| past.replicas <= replicas).map(|past| past.at_ms + up_ms).max()
        } else {
            None
        };
        self.recommendations.retain(|past| past.at_ms + up_ms.max(down_ms) > now_ms);
        self.recommendations.push(At { at_ms: now_ms, replicas: recommended });
        Stabilized { replicas, until_ms }
    }

    /// `convertDesiredReplicasWithBehaviorRate` without `minReplicas` and `maxReplicas`: as far from `current` towards
    /// `wanted` as the limits allow.
    pub(super) fn limit(&self, now_ms: Millis, policy: &Policy, current: u32, wanted: u32) -> u32 {
        if wanted > current {
            wanted.min(self.highest(now_ms, &policy.up, current).max(current))
        } else {
            wanted.max(self.lowest(now_ms, &policy.down, current).min(current))
        }
    }

    /// Remembers a change of the number of replicas, for the limits' periods.
    pub(super) fn changed(&mut self, now_ms: Millis, policy: &Policy, from: u32, to: u32) {
        let limits = policy.up.limits.iter().chain(&policy.down.limits);
        let longest_ms = limits.map(|limit| limit.period_ms).max().unwrap_or(0);
        for events in [&mut self.ups, &mut self.downs] {
            events.retain(|past| past.at_ms + longest_ms > now_ms);
        }
        let events = if to > from { &mut self.ups } else { &mut self.downs };
        events.push(At { at_ms: now_ms, replicas: from.abs_diff(to) });
    }

    /// The most replicas that the rules for growing allow.
    fn highest(&self, now_ms: Millis, rules: &Rules, current: u32) -> u32 {
        let allowed = rules.limits.iter().map(|limit| {
            let start = self.at_period_start(now_ms, limit, current);
            match limit.amount {
                Amount::Pods(pods) => start.saturating_add(i64::from(pods)),
                // Rounded up: one pod and 10 % must be able to become two.
                Amount::Percent(percent) => ceil_percent(start, 100 + i64::from(percent)),
            }
        });
        let replicas = match rules.select {
            Select::Max => allowed.max(),
            Select::Min => allowed.min(),
            Select::Disabled => None,
        };
        replicas.map_or(current, to_replicas)
    }

    /// The fewest replicas that the rules for shrinking allow.
    fn lowest(&self, now_ms: Millis, rules: &Rules, current: u32) -> u32 {
        let allowed = rules.limits.iter().map(|limit| {
            let start = self.at_period_start(now_ms, limit, current);
            match limit.amount {
                Amount::Pods(pods) => start.saturating_sub(i64::from(pods)),
                Amount::Percent(percent) => start * (100 - i64::from(percent)) / 100,
            }
        });
        let replicas = match rules.select {
            Select::Max => allowed.min(),
            Select::Min => allowed.max(),
            Select::Disabled => None,
        };
        replicas.map_or(current, to_replicas)
    }

    /// The replicas when the limit's period began: today's, without what was changed since.
    fn at_period_start(&self, now_ms: Millis, limit: &Limit, current: u32) -> i64 {
        let changes = |events: &[At]| -> i64 {
            let recent = events.iter().filter(|past| past.at_ms + limit.period_ms > now_ms);
            recent.map(|past| i64::from(past.replicas)).sum()
        };
        i64::from(current) - changes(&self.ups) + changes(&self.downs)
    }
}

fn ceil_percent(replicas: i64, percent: i64) -> i64 {
    // Replicas are never so many that this overflows; negative ones round towards 0, which is up.
    let product = replicas.saturating_mul(percent);
    if product > 0 { (product + 99) / 100 } else { product / 100 }
}

fn to_replicas(replicas: i64) -> u32 {
    u32::try_from(replicas.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(pods: u32) -> Limit {
        Limit { amount: Amount::Pods(pods), period_ms: 15_000 }
    }

    fn percent(percent: u32) -> Limit {
        Limit { amount: Amount::Percent(percent), period_ms: 60_000 }
    }

    /// After the changes (time in seconds, from, to), how far `limits` let 10 replicas grow to 100 or shrink to 0 at 60
    /// s.
    fn check(select: Select, limits: &[Limit], changes: &[(u64, u32, u32)], (up, down): (u32, u32)) {
        let rules = Rules { stabilization_ms: 0, select, limits: limits.to_vec() };
        let policy = Policy { up: rules.clone(), down: rules, ..Policy::default() };
        let mut memory = Memory::default();
        for (seconds, from, to) in changes {
            memory.changed(seconds * 1_000, &policy, *from, *to);
        }
        let reached = (memory.limit(60_000, &policy, 10, 100), memory.limit(60_000, &policy, 10, 0));
        assert_eq!(reached, (up, down), "{select:?} {limits:?} after {changes:?}");
    }

    #[test]
    fn each_limit_allows_so_much_from_the_start_of_its_period() {
        check(Select::Max, &[pods(4)], &[], (14, 6));
        check(Select::Max, &[percent(15)], &[], (12, 8));
        check(Select::Max, &[percent(1_000)], &[], (100, 0));
        // Of the two changes only the second is within the 15 s.
        check(Select::Max, &[pods(4)], &[(40, 5, 8), (50, 8, 10)], (12, 4));
        check(Select::Max, &[pods(4)], &[(50, 2, 10)], (10, 0));
        check(Select::Max, &[percent(50)], &[(30, 14, 10)], (21, 7));
        // A change leaves the period exactly when the period has passed.
        check(Select::Max, &[pods(4)], &[(45, 6, 10)], (14, 6));
        check(Select::Max, &[pods(4)], &[(46, 6, 10)], (10, 2));
    }

    #[test]
    fn select_takes_the_larger_or_the_smaller_change_or_none() {
        check(Select::Max, &[pods(4), percent(50)], &[], (15, 5));
        check(Select::Min, &[pods(4), percent(50)], &[], (14, 6));
        check(Select::Disabled, &[pods(4), percent(50)], &[], (10, 10));
    }
}
