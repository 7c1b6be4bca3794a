//! What the autoscaler decided, read off its status: the controller's own figures and words. What Kubernetes does not
//! tell (when it looks next, when a window ends) stays unknown.

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::DynamicObject;
use model::Millis;
use model::policy::{Metric, Policy};
use model::scaling::{Bound, Decision, Reading, Verdict};
use model::topics::Topic;

use super::autoscaler::activation;
use super::{Objects, count, is_lag_of, limits, millis};
use crate::kubernetes::quantity;

/// The decision; `None` until the controller has looked.
pub(super) fn of(hpa: &HorizontalPodAutoscaler, objects: &Objects, policy: &Policy) -> Option<Decision> {
    let status = hpa.status.as_ref().filter(|status| status.conditions.is_some())?;
    let current = count(status.current_replicas);
    let desired = count(Some(status.desired_replicas));
    let mean =
        |topic: &str| mean(status, &Topic::new(topic), objects.scaled_object()).filter(|_| current > 0);
    let readings: Vec<Reading> = policy
        .metrics
        .iter()
        .map(|metric| reading(metric, mean(&metric.topic), current, policy.tolerance))
        .collect();
    let verdict = match verdict(status, policy, current, desired, &readings) {
        Verdict::Off => Verdict::Off,
        _ if !objects.rivals().is_empty() => Verdict::Rivals { names: objects.rivals() },
        Verdict::Suspended => suspended(objects),
        // Without replicas there is no mean to read.
        Verdict::Steady if desired == 0 => Verdict::Idle { activation: None },
        verdict => verdict,
    };
    Some(Decision { at_ms: noted_ms(hpa, status), next_ms: None, current, desired, readings, verdict })
}

/// The autoscaler of Kubernetes waits while there are 0 replicas: KEDA or a hand has scaled to that.
fn suspended(objects: &Objects) -> Verdict {
    match objects.scaled_object().filter(|object| limits(object).0 == 0) {
        Some(object) => Verdict::Idle { activation: activation(object) },
        None => Verdict::Suspended,
    }
}

/// The status tells a mean over the pods that were counted; their number times that is the lag, but for a rounding.
fn reading(metric: &Metric, mean: Option<f64>, pods: u32, tolerance: f64) -> Reading {
    let Metric { topic, target } = metric;
    let target = *target;
    Reading {
        topic: topic.clone(),
        total: mean.map(|mean| whole(mean * f64::from(pods))),
        pods,
        target,
        proposal: mean.map(|mean| {
            let ratio = mean / exact(target.max(1));
            if (ratio - 1.0).abs() <= tolerance { pods } else { replicas(ratio * f64::from(pods)) }
        }),
    }
}

fn mean(
    status: &HorizontalPodAutoscalerStatus,
    topic: &Topic,
    object: Option<&DynamicObject>,
) -> Option<f64> {
    let value: Option<&Quantity> = status.current_metrics.iter().flatten().find_map(|metric| {
        let pods = metric.pods.as_ref().map(|pods| (&pods.metric, &pods.current));
        let external = metric.external.as_ref().map(|external| (&external.metric, &external.current));
        let (identifier, current) = pods.or(external)?;
        is_lag_of(topic, identifier, object).then_some(current.average_value.as_ref()).flatten()
    });
    value.and_then(quantity::number).filter(|mean| *mean >= 0.0)
}

fn verdict(
    status: &HorizontalPodAutoscalerStatus,
    policy: &Policy,
    current: u32,
    desired: u32,
    readings: &[Reading],
) -> Verdict {
    if !policy.enabled {
        return Verdict::Off;
    }
    let active = condition(status, "ScalingActive");
    if let Some(condition) = active.filter(|condition| condition.status == "False") {
        return match condition.reason.as_deref() {
            Some("ScalingDisabled") => Verdict::Suspended,
            reason => Verdict::Blind { reason: reason.unwrap_or("ScalingActive is False").to_owned() },
        };
    }
    let recommended = readings.iter().filter_map(|reading| reading.proposal).max().unwrap_or(desired);
    let able = condition(status, "AbleToScale").and_then(|condition| condition.reason.as_deref());
    let is_held = match able {
        Some("ScaleDownStabilized") => recommended < desired,
        Some("ScaleUpStabilized") => recommended > desired && desired < policy.max,
        _ => false,
    };
    if is_held {
        return Verdict::Stabilizing { recommended, until_ms: None };
    }
    let limited = condition(status, "ScalingLimited").filter(|condition| condition.status == "True");
    match limited.and_then(|condition| condition.reason.as_deref()) {
        Some("TooManyReplicas") => Verdict::Limited { recommended, by: Bound::Max },
        Some("TooFewReplicas") => Verdict::Limited { recommended, by: Bound::Min },
        Some("ScaleUpLimit") => Verdict::Limited { recommended, by: Bound::UpRate },
        Some("ScaleDownLimit") => Verdict::Limited { recommended, by: Bound::DownRate },
        _ if desired == current => Verdict::Steady,
        _ => Verdict::Rescaled,
    }
}

/// When the controller last wrote a changed status, in whole seconds; it writes nothing where nothing changes.
fn noted_ms(hpa: &HorizontalPodAutoscaler, status: &HorizontalPodAutoscalerStatus) -> Millis {
    let writes = hpa.metadata.managed_fields.iter().flatten();
    let of_status = writes.filter(|write| write.subresource.as_deref() == Some("status"));
    let written_ms = of_status.filter_map(|write| write.time.as_ref()).map(millis).max();
    let transitions = status.conditions.iter().flatten().filter_map(|one| one.last_transition_time.as_ref());
    written_ms.or_else(|| transitions.map(millis).max()).unwrap_or(0)
}

fn condition<'s>(
    status: &'s HorizontalPodAutoscalerStatus,
    kind: &str,
) -> Option<&'s HorizontalPodAutoscalerCondition> {
    status.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a lag is far below 2^53, and not negative"
)]
fn whole(lag: f64) -> u64 {
    lag.round() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as Kubernetes' replicas do"
)]
fn replicas(wanted: f64) -> u32 {
    // The mean was rounded up by a thousandth of a record.
    (wanted - 1e-6).ceil().max(0.0) as u32
}

#[expect(clippy::cast_precision_loss, reason = "a target is far below 2^53")]
fn exact(target: u64) -> f64 {
    target as f64
}
