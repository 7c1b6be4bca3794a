//! How an autoscaler is changed: the patches, without sending them.
//!
//! Off means that both directions have the select policy `Disabled`, with the behaviour of before kept beside it in an
//! annotation. That survives this server, and `kubectl` shows it.

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, MetricSpec,
};
use kube::ResourceExt;
use kube::core::DynamicObject;
use model::policy::{Amount, Metric, Policy, Rules, Select};
use model::topics::Topic;
use serde_json::{Value, json};

use super::fold::{is_disabled, is_lag_of, limits, rules};
use super::quantity;

/// The behaviour that an autoscaler had before it was switched off, as JSON; `null` where it had none.
pub(super) const FORMER_BEHAVIOR: &str = "king-of-scaling/former-behavior";
/// What pauses a ScaledObject.
pub(super) const PAUSED: &str = "autoscaling.keda.sh/paused";
/// The same, with the number of replicas to stay at.
pub(super) const PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";

/// The merge patch that puts a policy in force. It names the version that it was made for, so that nobody's change in
/// between is lost.
pub(super) fn of_autoscaler(hpa: &HorizontalPodAutoscaler, policy: &Policy) -> Value {
    let former = former(hpa);
    let (behavior, kept) = if policy.enabled {
        (wanted(former.as_ref(), policy), Value::Null)
    } else {
        let off = json!({ "selectPolicy": "Disabled" });
        let kept = if is_disabled(hpa) {
            hpa.annotations().get(FORMER_BEHAVIOR).cloned()
        } else {
            serde_json::to_string(&former).ok()
        };
        (json!({ "scaleUp": off, "scaleDown": off }), json!(kept))
    };
    json!({
        "metadata": {
            "resourceVersion": hpa.metadata.resource_version,
            "annotations": { FORMER_BEHAVIOR: kept },
        },
        "spec": {
            "minReplicas": policy.min,
            "maxReplicas": policy.max,
            "metrics": metrics(hpa, policy),
            "behavior": behavior,
        },
    })
}

/// The merge patch of a ScaledObject; its targets belong to its triggers. A limit that stays is not written: it may be
/// KEDA's default.
pub(super) fn of_scaled_object(object: &DynamicObject, policy: &Policy) -> Value {
    let (min, max) = limits(object);
    let annotations = if policy.enabled {
        json!({ PAUSED: null, PAUSED_REPLICAS: null })
    } else if object.annotations().contains_key(PAUSED_REPLICAS) {
        json!({})
    } else {
        json!({ PAUSED: "true" })
    };
    let mut spec = json!({});
    if policy.max != max {
        spec["maxReplicaCount"] = json!(policy.max);
    }
    // 0 scales to zero, which a policy of ours cannot ask for and must not undo.
    if min > 0 && policy.min != min {
        spec["minReplicaCount"] = json!(policy.min);
    }
    json!({
        "metadata": { "resourceVersion": object.metadata.resource_version, "annotations": annotations },
        "spec": spec,
    })
}

/// The behaviour while the autoscaler is on.
fn former(hpa: &HorizontalPodAutoscaler) -> Option<HorizontalPodAutoscalerBehavior> {
    if !is_disabled(hpa) {
        return hpa.spec.as_ref()?.behavior.clone();
    }
    let kept = hpa.annotations().get(FORMER_BEHAVIOR)?;
    serde_json::from_str::<Option<_>>(kept).ok().flatten()
}

/// The behaviour of before as it was written, unless the policy asks for other rules.
fn wanted(former: Option<&HorizontalPodAutoscalerBehavior>, policy: &Policy) -> Value {
    let (up, down) = rules(former);
    if (&up, &down) == (&policy.up, &policy.down) {
        return former.map_or(Value::Null, |former| {
            json!({
                "scaleUp": former.scale_up.as_ref().map(every_field),
                "scaleDown": former.scale_down.as_ref().map(every_field),
            })
        });
    }
    json!({ "scaleUp": written(&policy.up), "scaleDown": written(&policy.down) })
}

/// A merge patch leaves alone what it does not name: every field is named, so that nothing of `Disabled` stays.
fn every_field(rules: &HPAScalingRules) -> Value {
    json!({
        "stabilizationWindowSeconds": rules.stabilization_window_seconds,
        "selectPolicy": rules.select_policy,
        "policies": rules.policies,
        "tolerance": rules.tolerance,
    })
}

fn written(rules: &Rules) -> Value {
    let policies = rules.limits.iter().map(|limit| {
        let (kind, value) = match limit.amount {
            Amount::Pods(pods) => ("Pods", pods),
            Amount::Percent(percent) => ("Percent", percent),
        };
        json!({ "type": kind, "value": value, "periodSeconds": limit.period_ms.div_ceil(1_000) })
    });
    json!({
        "stabilizationWindowSeconds": rules.stabilization_ms / 1_000,
        "selectPolicy": match rules.select {
            Select::Max => "Max",
            Select::Min => "Min",
            Select::Disabled => "Disabled",
        },
        "policies": policies.collect::<Vec<_>>(),
    })
}

/// All metrics as they are, with the targets of the policy.
fn metrics(hpa: &HorizontalPodAutoscaler, policy: &Policy) -> Vec<Value> {
    let specs = hpa.spec.iter().filter_map(|spec| spec.metrics.as_ref()).flatten();
    specs.map(|spec| with_target(spec, policy)).collect()
}

/// A target that says the same already stays as it was written.
fn with_target(spec: &MetricSpec, policy: &Policy) -> Value {
    let mut spec = spec.clone();
    let pods = spec.pods.as_mut().map(|pods| (&pods.metric, &mut pods.target));
    let external = spec.external.as_mut().map(|external| (&external.metric, &mut external.target));
    for (metric, target) in pods.into_iter().chain(external) {
        let is_it = |wanted: &&Metric| is_lag_of(&Topic::new(&wanted.topic), metric, None);
        let wanted = policy.metrics.iter().find(is_it);
        if let (Some(wanted), Some(value)) = (wanted, target.average_value.as_mut())
            && quantity::records(value) != Some(wanted.target)
        {
            value.0 = wanted.target.to_string();
        }
    }
    json!(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::merge;

    fn hpa(value: Value) -> HorizontalPodAutoscaler {
        let mut whole = json!({
            "metadata": { "name": "kstreams", "resourceVersion": "7" },
            "spec": {
                "scaleTargetRef": { "kind": "Deployment", "name": "kstreams" },
                "minReplicas": 1,
                "maxReplicas": 4,
                "metrics": [
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } },
                    { "type": "Pods", "pods": {
                        "metric": { "name": "consumer_lag_game_frame_rq" },
                        "target": { "type": "AverageValue", "averageValue": "100k" },
                    } },
                ],
            },
        });
        merge(&mut whole, &value);
        serde_json::from_value(whole).unwrap()
    }

    fn patched(hpa: &HorizontalPodAutoscaler, policy: &Policy) -> HorizontalPodAutoscaler {
        let mut value = json!(hpa);
        merge(&mut value, &of_autoscaler(hpa, policy));
        serde_json::from_value(value).unwrap()
    }

    fn policy_of(hpa: &HorizontalPodAutoscaler) -> Policy {
        let autoscalers = vec![std::sync::Arc::new(hpa.clone())];
        super::super::fold::policy(&super::super::fold::Objects {
            topics: ["GAME-FRAME-RQ", "GAME-FRAME-RS"].map(Topic::new).to_vec(),
            autoscalers,
            ..Default::default()
        })
    }

    #[track_caller]
    fn off_and_on(before: &HorizontalPodAutoscaler) {
        let policy = policy_of(before);
        assert!(policy.enabled);
        let off = patched(before, &Policy { enabled: false, ..policy.clone() });
        assert!(is_disabled(&off));
        assert_eq!(
            policy_of(&off),
            Policy { enabled: false, ..policy.clone() },
            "the rules show as they will be again"
        );
        let still_off = patched(&off, &Policy { enabled: false, max: 3, ..policy.clone() });
        let on = patched(&still_off, &policy);
        assert_eq!(json!(on.spec), json!(before.spec));
        assert_eq!(on.annotations().get(FORMER_BEHAVIOR), None);
    }

    #[test]
    fn off_and_on_again_leaves_every_behaviour_as_it_was() {
        off_and_on(&hpa(json!({})));
        off_and_on(&hpa(
            json!({ "spec": { "behavior": { "scaleDown": { "stabilizationWindowSeconds": 30 } } } }),
        ));
        off_and_on(&hpa(json!({ "spec": { "behavior": {
            "scaleUp": { "selectPolicy": "Min", "tolerance": "50m", "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 5 }] },
            "scaleDown": { "selectPolicy": "Disabled" },
        } } })));
    }

    #[test]
    fn limits_targets_and_rules_are_written_and_other_metrics_kept() {
        let before = hpa(json!({}));
        let mut policy = Policy { min: 2, max: 6, ..policy_of(&before) };
        policy.metrics[0].target = 5_000;
        policy.down.stabilization_ms = 30_000;
        let after = patched(&before, &policy);
        assert_eq!(policy_of(&after), policy);
        assert_eq!(after.spec.unwrap().metrics.unwrap()[0].resource.as_ref().unwrap().name, "cpu");
    }

    #[test]
    fn a_scaled_object_is_paused_by_its_annotation() {
        let object = json!({
            "metadata": { "name": "kstreams", "resourceVersion": "7" },
            "spec": { "minReplicaCount": 0, "maxReplicaCount": 4 },
        });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let off = of_scaled_object(&object, &Policy { enabled: false, ..Policy::default() });
        assert_eq!(off["metadata"]["annotations"][PAUSED], "true");
        assert_eq!(off["spec"], json!({}), "the limits are as they were");
        let on = of_scaled_object(&object, &Policy { max: 6, ..Policy::default() });
        assert!(on["metadata"]["annotations"][PAUSED].is_null());
        assert_eq!(on["spec"], json!({ "maxReplicaCount": 6 }));
    }

    #[test]
    fn a_scaled_object_that_somebody_paused_goes_on_with_its_own_limits() {
        for (annotation, value) in [(PAUSED, "true"), (PAUSED, "yes"), (PAUSED_REPLICAS, "2")] {
            let mut object = json!({
                "metadata": { "name": "kstreams", "resourceVersion": "7", "annotations": { annotation: value } },
                "spec": { "scaleTargetRef": { "name": "kstreams" }, "maxReplicaCount": 4 },
            });
            let objects = |object: &Value| super::super::fold::Objects {
                scaled_objects: vec![std::sync::Arc::new(serde_json::from_value(object.clone()).unwrap())],
                ..Default::default()
            };
            let policy = super::super::fold::policy(&objects(&object));
            assert_eq!((policy.enabled, policy.min, policy.max), (false, 0, 4), "{annotation}: {value}");
            // The page asks for what it was shown, with the switch on.
            let read = serde_json::from_value(object.clone()).unwrap();
            let patch = of_scaled_object(&read, &Policy { enabled: true, ..policy });
            merge(&mut object, &patch);
            assert_eq!(object["metadata"]["annotations"], json!({}), "{annotation}: {value}");
            assert_eq!(object["spec"]["maxReplicaCount"], 4);
            assert!(object["spec"]["minReplicaCount"].is_null(), "KEDA's default stays");
        }
    }
}
