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
    /// Why this cannot be a policy where there may be at most so many pods; a sentence.
    #[must_use]
    pub fn problem(&self, most: u32) -> Option<String> {
        let Self { enabled: _, min, max, metrics, tolerance, up, down } = self;
        if *min < 1 || max < min || *max > most {
            return Some(format!("Pods: a minimum of at least 1, a maximum from there to {most}."));
        }
        if metrics.is_empty() || metrics.iter().any(|metric| metric.target == 0) {
            return Some("At least one metric, each with a target above 0.".to_owned());
        }
        if !(0.0..1.0).contains(tolerance) {
            return Some("The tolerance is from 0 to below 1.".to_owned());
        }
        let limits = || up.limits.iter().chain(&down.limits);
        limits().any(|limit| limit.period_ms == 0).then(|| "The period of a limit cannot be 0.".to_owned())
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

    #[test]
    fn what_cannot_be_a_policy_says_why() {
        let policy = Policy::on_lag_of(["a", "b"]);
        assert_eq!(policy.problem(MAX_REPLICAS), None);
        let limit = Limit { amount: Amount::Pods(1), period_ms: 0 };
        for (wrong, word) in [
            (Policy { min: 16, max: 1, ..policy.clone() }, "Pods"),
            (Policy { min: 0, ..policy.clone() }, "Pods"),
            (Policy { max: 13, ..policy.clone() }, "Pods"),
            (Policy { metrics: Vec::new(), ..policy.clone() }, "metric"),
            (Policy { tolerance: f64::NAN, ..policy.clone() }, "tolerance"),
            (Policy { up: Rules { limits: vec![limit], ..policy.up.clone() }, ..policy.clone() }, "period"),
        ] {
            let problem = wrong.problem(MAX_REPLICAS).unwrap_or_default();
            assert!(problem.contains(word), "{wrong:?}: {problem}");
        }
    }
}
