//! The autoscaler's policy: what one writes into a HorizontalPodAutoscaler (`autoscaling/v2`).

use serde::{Deserialize, Serialize};

use crate::{Input, Millis};

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
    /// One metric an input: its lag, averaged over the pods.
    pub metrics: Vec<Metric>,
    /// How far the ratio of value and target may be from 1 before anything changes.
    pub tolerance: f64,
    /// `behavior.scaleUp`
    pub up: Rules,
    /// `behavior.scaleDown`
    pub down: Rules,
}

/// A metric of type Pods with a target of type `AverageValue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Whose lag it is.
    pub input: Input,
    /// Records that a pod may owe.
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

impl Default for Policy {
    /// Kubernetes' defaults, but for a scale-in window of 30 s, so that an audience sees pods leave.
    fn default() -> Self {
        let metrics = Input::ALL.map(|input| Metric { input, target: 5_000 }).to_vec();
        let percent = Limit { amount: Amount::Percent(100), period_ms: 15_000 };
        let pods = Limit { amount: Amount::Pods(4), period_ms: 15_000 };
        Self {
            enabled: true,
            min: 1,
            max: 4,
            metrics,
            tolerance: 0.1,
            up: Rules { stabilization_ms: 0, select: Select::Max, limits: vec![pods, percent] },
            down: Rules { stabilization_ms: 30_000, select: Select::Max, limits: vec![percent] },
        }
    }
}
