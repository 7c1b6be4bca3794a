//! What Kubernetes itself says of a HorizontalPodAutoscaler, beside what is understood of it as a
//! [`Policy`](crate::policy::Policy) and a [`Decision`](crate::scaling::Decision).

use serde::{Deserialize, Serialize};

use crate::Millis;

/// The HorizontalPodAutoscaler of the Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hpa {
    /// Whether there is one, or a paused ScaledObject of KEDA that will make one. Without either only hands change the
    /// number of pods.
    pub exists: bool,
    /// The names of all autoscalers of the Deployment, the one that is told of here first; empty where it is the only
    /// one. Kubernetes lets none of several scale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<String>,
    /// Its conditions, in the API's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When it last changed the number of pods (`lastScaleTime`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scale_ms: Option<Millis>,
    /// The newest event about it, while Kubernetes keeps that (an hour).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<HpaEvent>,
}

/// One of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` or `False`; `None` where Kubernetes says `Unknown`.
    pub status: Option<bool>,
    /// In one word, for example `FailedGetExternalMetric`.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

/// An event about the autoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HpaEvent {
    /// When it last happened.
    pub at_ms: Millis,
    /// In one word, for example `SuccessfulRescale`.
    pub reason: String,
    /// In a sentence, for example `New size: 4; reason: ...`.
    pub message: String,
}
