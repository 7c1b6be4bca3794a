//! The autoscaler's policy: what one writes into a HorizontalPodAutoscaler (`autoscaling/v2`).

use serde::{Deserialize, Serialize};

use crate::Millis;

/// The most pods that the show has colours, lives and partitions for.
pub const MAX_REPLICAS: u32 = 12;

/// The policy in force; the record `policy` in the topic `KING-CONTROL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether the autoscaler may change the number of pods.
    pub enabled: bool,
    /// `minReplicas`
    pub min: u32,
    /// `maxReplicas`
    pub max: u32,
    /// One metric a topic: its lag, averaged over the pods.
    pub metrics: Vec<Metric>,
    /// How far the ratio of value and target may be from 1 before anything changes.
    pub tolerance: f64,
    /// `behavior.scaleUp`
    pub up: Rules,
    /// `behavior.scaleDown`
    pub down: Rules,
}

/// A metric of type Pods with a target of type `AverageValue`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// The topic whose lag it is, by name.
    pub topic: String,
    /// Lag that a pod may have, records.
    pub target: u64,
}

/// How fast the number of pods may change in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// `stabilizationWindowSeconds`, in milliseconds.
    pub stabilization_ms: Millis,
    /// Which of the limits counts.
    pub select: Select,
    /// The limits.
    pub limits: Vec<Limit>,
}

/// `selectPolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Select {
    /// The limit that allows the larger change.
    Max,
    /// The limit that allows the smaller change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// One of `policies`: at most so many pods, or so many percent, in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Pods or percent.
    pub amount: Amount,
    /// `periodSeconds`, in milliseconds.
    pub period_ms: Millis,
}

/// How much one limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// So many pods.
    Pods(u32),
    /// So many percent of the pods there were when the period began.
    Percent(u32),
}

impl Policy {
    /// Why this cannot be a policy where there may be at most so many pods: what Kubernetes' API server would refuse, and
    /// what the show has no room for. A sentence about the first thing that is wrong.
    #[must_use]
    pub fn problem(&self, most: u32) -> Option<String> {
        let Self { enabled: _, min, max, metrics, tolerance, up, down } = self;
        let limits = || {
            if *min < 1 {
                return Some("The minimum must be at least 1 pod.".to_owned());
            }
            if min > max {
                return Some(format!("The minimum of {min} pods is above the maximum of {max}."));
            }
            (*max > most).then(|| {
                format!("The maximum of {max} pods is above the {most} that this show has room for.")
            })
        };
        let tolerated = || {
            (!(0.0..1.0).contains(tolerance))
                .then(|| format!("A tolerance of {tolerance} is not between 0 and 1."))
        };
        limits()
            .or_else(tolerated)
            .or_else(|| metrics_problem(metrics))
            .or_else(|| up.problem("growing"))
            .or_else(|| down.problem("shrinking"))
    }

    /// Why nobody can ask for so many replicas by hand where there are `now`. While the autoscaler is on, only 0 is taken,
    /// which suspends it, and any number within its limits when there are 0 now, which wakes it up. A sentence that says
    /// what to do instead.
    #[must_use]
    pub fn scale_problem(&self, wanted: u32, now: u32) -> Option<String> {
        let Self { enabled, min, max, metrics: _, tolerance: _, up: _, down: _ } = self;
        if wanted == 0 {
            return None;
        }
        if *enabled && now > 0 {
            return Some("The autoscaler sets the number of pods: switch it off first.".to_owned());
        }
        (!(*min..=*max).contains(&wanted)).then(|| format!("{wanted} is not between {min} and {max} pods."))
    }
}

fn metrics_problem(metrics: &[Metric]) -> Option<String> {
    if metrics.is_empty() {
        return Some("A policy needs at least one metric.".to_owned());
    }
    let without = metrics.iter().find(|metric| metric.target == 0)?;
    Some(format!("The target of {} must be above 0.", without.topic))
}

/// The longest `stabilizationWindowSeconds` that Kubernetes takes.
const MAX_WINDOW_MS: Millis = 3_600_000;
/// The longest `periodSeconds` that Kubernetes takes.
const MAX_PERIOD_MS: Millis = 1_800_000;

impl Rules {
    fn problem(&self, direction: &str) -> Option<String> {
        let Self { stabilization_ms, select: _, limits } = self;
        if *stabilization_ms > MAX_WINDOW_MS {
            return Some(format!("The window for {direction} is longer than an hour."));
        }
        if limits.is_empty() {
            return Some(format!("The rules for {direction} need at least one limit."));
        }
        limits.iter().find_map(|Limit { amount, period_ms }| {
            let (Amount::Pods(amount) | Amount::Percent(amount)) = amount;
            if *amount == 0 {
                return Some(format!("A limit for {direction} must allow something."));
            }
            let is_taken = (1..=MAX_PERIOD_MS).contains(period_ms);
            (!is_taken).then(|| format!("A period for {direction} is not within half an hour."))
        })
    }
}

/// The lag that a pod may have where nobody has said another number, records.
pub const DEFAULT_TARGET: u64 = 5_000;

impl Default for Policy {
    /// Kubernetes' defaults, but for a scale-in window of 30 s, so that an audience sees pods leave. Nothing is
    /// measured.
    fn default() -> Self {
        let percent = Limit { amount: Amount::Percent(100), period_ms: 15_000 };
        let pods = Limit { amount: Amount::Pods(4), period_ms: 15_000 };
        Self {
            enabled: true,
            min: 1,
            max: 4,
            metrics: Vec::new(),
            tolerance: 0.1,
            up: Rules { stabilization_ms: 0, select: Select::Max, limits: vec![pods, percent] },
            down: Rules { stabilization_ms: 30_000, select: Select::Max, limits: vec![percent] },
        }
    }
}

impl Policy {
    /// The same defaults, with the lag of each of these topics.
    #[must_use]
    pub fn on_lag_of<'a>(topics: impl IntoIterator<Item = &'a str>) -> Self {
        let metric = |topic: &str| Metric { topic: topic.to_owned(), target: DEFAULT_TARGET };
        Self { metrics: topics.into_iter().map(metric).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Policy), refused_because: Option<&str>) {
        let mut changed = Policy::on_lag_of(["rq", "rs"]);
        change(&mut changed);
        let problem = changed.problem(8);
        match (&problem, refused_because) {
            (None, None) => {}
            (Some(problem), Some(word)) if problem.contains(word) => {}
            _ => panic!("{problem:?} instead of {refused_because:?}"),
        }
    }

    #[test]
    fn a_policy_is_what_kubernetes_would_take() {
        check(|_| (), None);
        check(|policy| policy.max = 8, None);
        check(|policy| policy.max = 9, Some("above the 8"));
        check(|policy| policy.min = 0, Some("at least 1"));
        check(|policy| policy.min = 5, Some("above the maximum"));
        check(|policy| policy.metrics.clear(), Some("one metric"));
        check(|policy| policy.metrics[1].target = 0, Some("rs"));
        check(|policy| policy.metrics[1] = policy.metrics[0].clone(), None);
        check(|policy| policy.tolerance = f64::NAN, Some("tolerance"));
        check(|policy| policy.up.limits.clear(), Some("growing"));
        check(|policy| policy.down.limits[0].period_ms = 0, Some("period"));
        check(|policy| policy.down.limits[0].amount = Amount::Percent(0), Some("allow"));
        check(|policy| policy.down.stabilization_ms = MAX_WINDOW_MS + 1, Some("hour"));
    }

    #[test]
    fn by_hand_only_with_the_autoscaler_off_or_from_and_to_zero() {
        let on = Policy::on_lag_of(["rq"]);
        let off = Policy { enabled: false, ..on.clone() };
        let is_taken = |policy: &Policy, wanted, now| policy.scale_problem(wanted, now).is_none();
        assert!(!is_taken(&on, 3, 2) && is_taken(&off, 3, 2));
        assert!(!is_taken(&off, 5, 2));
        assert!(is_taken(&on, 0, 2) && is_taken(&on, 2, 0));
        assert!(!is_taken(&on, 5, 0));
    }
}
