//! The autoscaler's policy: what is written into the HorizontalPodAutoscaler, or into the ScaledObject that owns it.

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec,
    MetricIdentifier, MetricSpec,
};
use kube::ResourceExt;
use kube::core::DynamicObject;
use model::Millis;
use model::hpa::{Condition, Hpa, HpaEvent};
use model::policy::{Amount, Limit, MAX_REPLICAS, Metric, Policy, Rules, Select};
use model::topics::Topic;
use serde_json::Value;

use super::{Objects, millis};
use crate::kubernetes::quantity;
use crate::kubernetes::switch::{FORMER_BEHAVIOR, PAUSED, PAUSED_REPLICAS};

/// What the controller-manager does where an autoscaler says nothing (its flag
/// `--horizontal-pod-autoscaler-tolerance`).
const DEFAULT_TOLERANCE: f64 = 0.1;
/// Likewise, `--horizontal-pod-autoscaler-downscale-stabilization`.
const DEFAULT_DOWN_WINDOW_MS: Millis = 300_000;
const DISABLED: &str = "Disabled";

/// The policy in force. Where nothing scales but hands, it is off, without metrics, and the limits are the show's own.
pub(in crate::kubernetes) fn policy(objects: &Objects) -> Policy {
    let object = objects.scaled_object();
    match (objects.autoscaler(), object) {
        (Some(hpa), _) => {
            let enabled = !is_disabled(hpa) && !object.is_some_and(is_paused);
            hpa.spec.as_ref().map_or_else(nothing, |spec| Policy {
                enabled,
                ..written(hpa, spec, object, &objects.topics)
            })
        }
        // KEDA deletes the autoscaler of a ScaledObject that is paused, and has yet to make that of a new one.
        (None, Some(object)) => {
            let (min, max) = limits(object);
            let metrics = triggers(object).filter_map(trigger_metric).collect();
            Policy { enabled: !is_paused(object), min, max, metrics, ..nothing() }
        }
        (None, None) => nothing(),
    }
}

/// What Kubernetes says of the autoscaler.
pub(super) fn told(objects: &Objects) -> Hpa {
    let Some(hpa) = objects.autoscaler() else {
        return Hpa { exists: objects.scaled_object().is_some(), ..Hpa::default() };
    };
    let status = hpa.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    Hpa {
        exists: true,
        rivals: objects.rivals(),
        conditions: conditions
            .map(|condition| Condition {
                kind: condition.type_.clone(),
                status: match condition.status.as_str() {
                    "True" => Some(true),
                    "False" => Some(false),
                    _ => None,
                },
                reason: condition.reason.clone().unwrap_or_default(),
                message: condition.message.clone().unwrap_or_default(),
            })
            .collect(),
        last_scale_ms: status.and_then(|status| status.last_scale_time.as_ref()).map(millis),
        last_event: last_event(objects, hpa),
    }
}

fn last_event(objects: &Objects, hpa: &HorizontalPodAutoscaler) -> Option<HpaEvent> {
    let about_it = objects.events.iter().filter(|event| {
        let about = &event.involved_object;
        about.kind.as_deref() == Some("HorizontalPodAutoscaler") && about.uid == hpa.metadata.uid
    });
    let events = about_it.filter_map(|event| {
        let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
        let micros = series.or(event.event_time.as_ref()).map(|time| time.0.as_millisecond());
        let at_ms = event.last_timestamp.as_ref().map(|time| time.0.as_millisecond()).max(micros)?;
        Some(HpaEvent {
            at_ms: Millis::try_from(at_ms).ok()?,
            reason: event.reason.clone().unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
        })
    });
    events.max_by_key(|event| event.at_ms)
}

/// Whether an autoscaler is switched off: both directions are.
pub(in crate::kubernetes) fn is_disabled(hpa: &HorizontalPodAutoscaler) -> bool {
    let is_off = |rules: Option<&HPAScalingRules>| {
        rules.and_then(|rules| rules.select_policy.as_deref()) == Some(DISABLED)
    };
    let behavior = hpa.spec.as_ref().and_then(|spec| spec.behavior.as_ref());
    behavior.is_some_and(|both| is_off(both.scale_up.as_ref()) && is_off(both.scale_down.as_ref()))
}

/// What is written, with the behaviour of before where the autoscaler is off.
fn written(
    hpa: &HorizontalPodAutoscaler,
    spec: &HorizontalPodAutoscalerSpec,
    object: Option<&DynamicObject>,
    topics: &[Topic],
) -> Policy {
    let kept = hpa.annotations().get(FORMER_BEHAVIOR).filter(|_| is_disabled(hpa));
    let kept: Option<Option<HorizontalPodAutoscalerBehavior>> =
        kept.and_then(|text| serde_json::from_str(text).ok());
    let behavior = kept.unwrap_or_else(|| spec.behavior.clone());
    let (up, down) = rules(behavior.as_ref());
    let tolerance = behavior.as_ref().and_then(|behavior| behavior.scale_up.as_ref()?.tolerance.as_ref());
    Policy {
        enabled: true,
        // Kubernetes' default.
        min: spec.min_replicas.map_or(1, |min| u32::try_from(min).unwrap_or(0)),
        max: u32::try_from(spec.max_replicas).unwrap_or(0),
        metrics: spec.metrics.iter().flatten().filter_map(|spec| metric(spec, object, topics)).collect(),
        tolerance: tolerance.and_then(quantity::number).unwrap_or(DEFAULT_TOLERANCE),
        up,
        down,
    }
}

/// No autoscaler.
fn nothing() -> Policy {
    let (up, down) = rules(None);
    let (enabled, tolerance) = (false, DEFAULT_TOLERANCE);
    Policy { enabled, min: 1, max: MAX_REPLICAS, metrics: Vec::new(), tolerance, up, down }
}

/// A metric whose target is a lag a pod; others (of CPU, say) are none of the show's.
fn metric(spec: &MetricSpec, object: Option<&DynamicObject>, topics: &[Topic]) -> Option<Metric> {
    let pods = spec.pods.as_ref().map(|pods| (&pods.metric, &pods.target));
    let external = spec.external.as_ref().map(|external| (&external.metric, &external.target));
    let (identifier, target) = pods.or(external)?;
    let target = quantity::records(target.average_value.as_ref()?)?;
    let topic = topics.iter().find(|topic| is_lag_of(topic, identifier, object))?;
    Some(Metric { topic: topic.name.clone(), target })
}

/// Whether a metric is the lag of a topic: which is named by a label `topic`, by the trigger of the ScaledObject that the
/// metric belongs to, or in the metric's own name.
pub(in crate::kubernetes) fn is_lag_of(
    topic: &Topic,
    identifier: &MetricIdentifier,
    object: Option<&DynamicObject>,
) -> bool {
    let labels = identifier.selector.as_ref().and_then(|selector| selector.match_labels.as_ref());
    let named = labels.and_then(|labels| labels.get("topic")).map(String::as_str);
    match named.or_else(|| trigger_topic(trigger_of(identifier, object?)?)) {
        Some(named) => named == topic.name,
        None => {
            let own = topic.pod_metric();
            let name = identifier.name.to_lowercase().replace('-', "_");
            name.contains(own.trim_start_matches("consumer_lag_"))
        }
    }
}

/// The rules for growing and for shrinking, with Kubernetes' defaults.
pub(in crate::kubernetes) fn rules(behavior: Option<&HorizontalPodAutoscalerBehavior>) -> (Rules, Rules) {
    let percent = Limit { amount: Amount::Percent(100), period_ms: 15_000 };
    let pods = Limit { amount: Amount::Pods(4), period_ms: 15_000 };
    let default_up = Rules { stabilization_ms: 0, select: Select::Max, limits: vec![pods, percent] };
    let default_down =
        Rules { stabilization_ms: DEFAULT_DOWN_WINDOW_MS, select: Select::Max, limits: vec![percent] };
    let up = behavior.and_then(|behavior| behavior.scale_up.as_ref());
    let down = behavior.and_then(|behavior| behavior.scale_down.as_ref());
    (direction(up, default_up), direction(down, default_down))
}

fn direction(rules: Option<&HPAScalingRules>, default: Rules) -> Rules {
    let Some(rules) = rules else { return default };
    let window_ms =
        rules.stabilization_window_seconds.map(|seconds| u64::from(seconds.unsigned_abs()) * 1_000);
    let limits = rules.policies.as_ref().map(|policies| {
        policies.iter().filter_map(|policy| {
            let value = u32::try_from(policy.value).ok()?;
            let amount = if policy.type_ == "Percent" { Amount::Percent(value) } else { Amount::Pods(value) };
            Some(Limit { amount, period_ms: u64::from(policy.period_seconds.unsigned_abs()) * 1_000 })
        })
    });
    Rules {
        stabilization_ms: window_ms.unwrap_or(default.stabilization_ms),
        select: match rules.select_policy.as_deref() {
            Some("Min") => Select::Min,
            Some(DISABLED) => Select::Disabled,
            _ => Select::Max,
        },
        limits: limits.map_or(default.limits, Iterator::collect),
    }
}

/// As KEDA reads it: a number of replicas to stay at, or a truth value; what is neither true nor false counts as true.
fn is_paused(object: &DynamicObject) -> bool {
    let annotations = object.annotations();
    let is_false = |value: &String| matches!(value.as_str(), "0" | "f" | "F" | "false" | "FALSE" | "False");
    annotations.contains_key(PAUSED_REPLICAS) || annotations.get(PAUSED).is_some_and(|value| !is_false(value))
}

/// The least and the most replicas of a ScaledObject, with KEDA's defaults.
pub(in crate::kubernetes) fn limits(object: &DynamicObject) -> (u32, u32) {
    (number(object, "minReplicaCount").unwrap_or(0), number(object, "maxReplicaCount").unwrap_or(100))
}

fn triggers(object: &DynamicObject) -> impl Iterator<Item = &Value> {
    object.data["spec"]["triggers"].as_array().into_iter().flatten()
}

/// The trigger that KEDA made a metric of: it calls that of the first one `s0-` and its name, and so on.
fn trigger_of<'o>(identifier: &MetricIdentifier, object: &'o DynamicObject) -> Option<&'o Value> {
    let (number, _) = identifier.name.strip_prefix('s')?.split_once('-')?;
    triggers(object).nth(number.parse().ok()?)
}

fn trigger_topic(trigger: &Value) -> Option<&str> {
    trigger["metadata"]["topic"].as_str()
}

/// What a trigger that asks lag-api for one topic wants.
fn trigger_metric(trigger: &Value) -> Option<Metric> {
    let topic = trigger_topic(trigger)?.to_owned();
    Some(Metric { topic, target: trigger["metadata"]["target"].as_str()?.parse().ok()? })
}

/// Beyond which lag there must be a pod, by the triggers that ask lag-api; `None` where none says it.
pub(super) fn activation(object: &DynamicObject) -> Option<u64> {
    triggers(object).filter_map(|trigger| trigger["metadata"]["activation"].as_str()?.parse().ok()).min()
}

fn number(object: &DynamicObject, field: &str) -> Option<u32> {
    object.data["spec"][field].as_u64().and_then(|number| u32::try_from(number).ok())
}
