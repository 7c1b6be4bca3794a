//! The arithmetic of Kubernetes' HorizontalPodAutoscaler, `autoscaling/v2`, for metrics of type Pods with a target of
//! type `AverageValue`, as the controller-manager does it (`pkg/controller/podautoscaler`).
//!
//! [`measure`] gives every pod its lag, [`Autoscaler`] remembers what the rules need and decides, and a [`Decision`]
//! can say itself in one sentence. Nothing here knows how pods are run.

mod autoscaler;
mod proposal;
mod readings;
mod rules;
mod sentence;

pub use autoscaler::{Autoscaler, Look};
pub use readings::{LagView, MAX_AGE_MS, Measured, PodReadings, PodState, fresh, measure};
pub use sentence::{Emphasis, Span};

use serde::{Deserialize, Serialize};

use crate::Millis;

/// What the autoscaler decided at one sync, with the numbers it used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When it looked, or when Kubernetes last noted a change of its view.
    pub at_ms: Millis,
    /// When it looks next; `None` where Kubernetes does not tell.
    pub next_ms: Option<Millis>,
    /// Replicas before.
    pub current: u32,
    /// Replicas after.
    pub desired: u32,
    /// One a metric, in the policy's order.
    pub readings: Vec<Reading>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What one metric said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The topic whose lag it is, by name.
    pub topic: String,
    /// The sum over the pods; `None` while it is unknown.
    pub total: Option<u64>,
    /// Pods that had a value.
    pub pods: u32,
    /// Lag that a pod may have, records.
    pub target: u64,
    /// Replicas that this metric alone asks for; `None` while its value is unknown.
    pub proposal: Option<u32>,
}

/// What came of a look at the metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The autoscaler is off.
    Off,
    /// Somebody asked for 0 pods, so the autoscaler waits until there are pods again.
    Suspended,
    /// There is no lag, so the autoscaler itself has asked for 0 pods, and waits for records.
    Idle {
        /// How much lag there must be before there are pods again, records; `None` where that is not told.
        activation: Option<u64>,
    },
    /// Several autoscalers want to scale the Deployment, so Kubernetes lets none of them.
    Rivals {
        /// Their names.
        names: Vec<String>,
    },
    /// No metric could be read, so nothing moves.
    Blind {
        /// What could not be read.
        reason: String,
    },
    /// The value is within the tolerance of the target, or asks for what there is.
    Steady,
    /// The number of replicas changes as the metric asks.
    Rescaled,
    /// Another number of pods would do, but not for long enough yet.
    Stabilizing {
        /// What the metrics ask for now.
        recommended: u32,
        /// When the recommendation that holds the number leaves the window, if nothing changes; `None` where Kubernetes
        /// does not tell.
        until_ms: Option<Millis>,
    },
    /// Fewer pods would do, but nothing shrinks now.
    ScaleInBlocked {
        /// What the known metrics ask for.
        recommended: u32,
        /// What stands in the way.
        by: Obstacle,
    },
    /// A limit of the policy holds the number back.
    Limited {
        /// What the metrics ask for.
        recommended: u32,
        /// Which limit.
        by: Bound,
    },
}

/// What forbids to shrink for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// A metric is unknown: what it would ask for may be more.
    UnknownMetric,
    /// The group is between two assignments.
    Rebalance,
}

/// A limit that held the number of replicas back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// `minReplicas`
    Min,
    /// `maxReplicas`
    Max,
    /// `behavior.scaleUp`
    UpRate,
    /// `behavior.scaleDown`
    DownRate,
}
