use std::collections::HashSet;

use model::scaling::{Bound, Verdict};
use model::snapshot::{EndReason, Phase, Pod as Shown};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use model::topics::Topic;

use super::*;
use crate::kubernetes::testing::{NOW, at, autoscaler, deployment, merge, object, pod, replica_set};

fn all<K: DeserializeOwned>(values: Vec<Value>) -> Vec<Arc<K>> {
    values.into_iter().map(|value| Arc::new(serde_json::from_value(value).unwrap())).collect()
}

/// Revision 2 wants `replicas` pods, revision 1 none any more.
fn objects(replicas: u32, pods: Vec<Value>) -> Objects {
    Objects {
        topics: ["GAME-FRAME-RQ", "GAME-FRAME-RS"].map(Topic::new).to_vec(),
        deployments: all(vec![deployment(replicas)]),
        replica_sets: all(vec![replica_set(1, 0), replica_set(2, replicas)]),
        pods: all(pods),
        autoscalers: all(vec![autoscaler(&json!({}))]),
        ..Objects::default()
    }
}

fn seen(before: Option<&Cluster>) -> Seen<'_> {
    static NOBODY: std::sync::LazyLock<HashSet<String>> = std::sync::LazyLock::new(HashSet::new);
    Seen { before, killed: &NOBODY, now_ms: NOW }
}

fn changed(mut object: Value, change: &Value) -> Value {
    merge(&mut object, change);
    object
}

/// A pod whose container's status is changed like this.
fn container(change: &Value) -> Value {
    let mut pod = pod("kstreams-2-a", 2);
    let status = &mut pod["status"]["containerStatuses"][0];
    merge(status, change);
    pod
}

#[track_caller]
fn check_pod(value: Value, phase: Phase, since_ms: u64, reason: Option<&str>) -> Shown {
    let cluster = fold(&objects(1, vec![value]), seen(None)).unwrap();
    let pod = cluster.pods[0].clone();
    assert_eq!((pod.phase, pod.phase_since_ms, pod.reason.as_deref()), (phase, since_ms, reason));
    pod
}

#[test]
fn the_deployment_is_told_by_its_spec() {
    let cluster = fold(&objects(3, Vec::new()), seen(None)).unwrap();
    assert_eq!((cluster.desired, cluster.revision, cluster.capacity), (3, 2, 2_000));
    assert_eq!(fold(&Objects::default(), seen(None)), None);
}

#[test]
fn each_state_of_a_container_is_a_phase() {
    let ready = check_pod(pod("kstreams-2-a", 2), Phase::Ready, 905_999, None);
    assert_eq!((ready.node.as_deref(), ready.revision, ready.restarts), (Some("node-1"), 2, 0));
    let not_ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
    check_pod(changed(pod("kstreams-2-a", 2), &not_ready), Phase::Starting, 903_999, None);

    let killed = json!({ "restartCount": 1, "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": at(990) } } });
    assert_eq!(check_pod(container(&killed), Phase::Ready, 905_999, Some("OOMKilled")).restarts, 1);
    let dead = json!({ "state": { "running": null, "terminated": { "exitCode": 134, "reason": "Error", "finishedAt": at(1_000) } } });
    // Within the second of the stamp, what the clock says counts.
    check_pod(container(&dead), Phase::Crashed { retry_ms: None }, NOW, Some("Error"));

    let mut waiting = killed.clone();
    let message = "back-off 1m20s restarting failed container=kstreams pod=kstreams-2-a_king(1)";
    waiting["state"] =
        json!({ "running": null, "waiting": { "reason": "CrashLoopBackOff", "message": message } });
    check_pod(container(&waiting), Phase::Crashed { retry_ms: Some(1_070_000) }, 990_999, Some("OOMKilled"));
}

#[test]
fn a_container_that_was_killed_for_memory_names_its_limit_while_it_waits() {
    let waiting = json!({ "status": { "containerStatuses": [{
        "name": "kstreams", "ready": false, "restartCount": 3, "image": "", "imageID": "",
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s restarting" } },
        "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": at(990) } },
    }] } });
    let limited = json!({ "spec": { "containers": [{ "name": "kstreams", "resources": { "limits": { "memory": "64Mi" } } }] } });
    let pod = changed(changed(pod("kstreams-2-a", 2), &waiting), &limited);
    let shown = check_pod(pod, Phase::Crashed { retry_ms: Some(1_000_000) }, 990_999, Some("OOMKilled"));
    assert_eq!(shown.message.as_deref(), Some("it needed more memory than its limit of 64Mi"));
}

#[test]
fn a_pod_that_does_not_run_yet_says_why_where_there_is_more_to_say() {
    let waiting =
        |reason: &str| container(&json!({ "state": { "running": null, "waiting": { "reason": reason } } }));
    check_pod(waiting("ContainerCreating"), Phase::Pending, 900_999, None);
    check_pod(waiting("ImagePullBackOff"), Phase::Pending, 900_999, Some("ImagePullBackOff"));
    let message = "secret \"king-secrets\" not found";
    let without_secret = container(&json!({ "state": {
        "running": null, "waiting": { "reason": "CreateContainerConfigError", "message": message },
    } }));
    let shown = check_pod(without_secret, Phase::Pending, 900_999, Some("CreateContainerConfigError"));
    assert_eq!(shown.message.as_deref(), Some(message));
    let why = "0/1 nodes are available: 1 Insufficient memory.";
    let conditions =
        json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why }]);
    let unscheduled = json!({
        "spec": { "nodeName": null },
        "status": { "phase": "Pending", "conditions": conditions, "containerStatuses": null },
    });
    let pod = check_pod(
        changed(pod("kstreams-2-a", 2), &unscheduled),
        Phase::Pending,
        900_999,
        Some("Unschedulable"),
    );
    assert_eq!((pod.node, pod.message.as_deref()), (None, Some(why)));
}

#[test]
fn why_pods_are_not_made_is_told_in_kubernetes_own_words() {
    let refused = "pods \"kstreams-set-2-x7k2w\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1";
    let condition =
        json!([{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused }]);
    let mut of_set = objects(4, vec![pod("kstreams-2-a", 2)]);
    let failing =
        changed(replica_set(2, 4), &json!({ "status": { "replicas": 1, "conditions": condition } }));
    of_set.replica_sets = all(vec![replica_set(1, 0), failing]);
    let mut of_deployment = objects(4, vec![pod("kstreams-2-a", 2)]);
    of_deployment.deployments =
        all(vec![changed(deployment(4), &json!({ "status": { "conditions": condition } }))]);
    for objects in [of_set, of_deployment] {
        assert_eq!(
            fold(&objects, seen(None)).unwrap().replica_failure.as_deref(),
            Some("FailedCreate: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1")
        );
    }
    let stuck = json!([
        { "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "" },
        { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"set-2\" has timed out progressing." },
    ]);
    let mut objects = objects(1, Vec::new());
    assert_eq!(fold(&objects, seen(None)).unwrap().replica_failure, None);
    objects.deployments = all(vec![changed(deployment(1), &json!({ "status": { "conditions": stuck } }))]);
    let told = fold(&objects, seen(None)).unwrap().replica_failure.unwrap();
    assert_eq!(told, "ProgressDeadlineExceeded: ReplicaSet \"set-2\" has timed out progressing.");
}

#[test]
fn of_several_autoscalers_the_one_with_the_deployments_name_is_shown_else_the_oldest_and_all_are_named() {
    let hpa = |name: &str, seconds: u64| {
        autoscaler(&json!({
            "metadata": { "name": name, "uid": name, "creationTimestamp": at(seconds) },
            "spec": { "maxReplicas": seconds },
            "status": { "currentReplicas": 3, "desiredReplicas": 3, "conditions": [
                { "type": "ScalingActive", "status": "False", "reason": "AmbiguousSelector", "message": "" },
            ] },
        }))
    };
    for (all_of_them, shown, names) in [
        (vec![hpa("older", 5), hpa("kstreams", 6)], 6, ["kstreams", "older"]),
        (vec![hpa("kstreams", 6), hpa("older", 5)], 6, ["kstreams", "older"]),
        (vec![hpa("b", 7), hpa("a", 8)], 7, ["b", "a"]),
        (vec![hpa("a", 8), hpa("b", 7)], 7, ["b", "a"]),
    ] {
        let mut objects = objects(3, Vec::new());
        objects.autoscalers = all(all_of_them);
        let cluster = fold(&objects, seen(None)).unwrap();
        assert_eq!(cluster.policy.max, shown);
        assert_eq!(cluster.hpa.unwrap().rivals, names);
        let names = names.map(str::to_owned).to_vec();
        assert_eq!(cluster.decision.unwrap().verdict, Verdict::Rivals { names });
    }
    let alone = fold(&objects(3, Vec::new()), seen(None)).unwrap();
    assert!(alone.hpa.unwrap().rivals.is_empty());
}

#[test]
fn zero_by_hand_by_the_autoscaler_and_by_keda_are_told_apart() {
    let verdict = |active: (&str, &str), scaled_object: Option<Value>| {
        let mut objects = objects(0, Vec::new());
        let conditions =
            json!([{ "type": "ScalingActive", "status": active.0, "reason": active.1, "message": "" }]);
        let status = json!({ "currentReplicas": 0, "desiredReplicas": 0, "conditions": conditions });
        objects.autoscalers = all(vec![autoscaler(&json!({ "status": status }))]);
        objects.scaled_objects = all(scaled_object.into_iter().collect());
        fold(&objects, seen(None)).unwrap().decision.unwrap().verdict
    };
    let suspended = ("False", "ScalingDisabled");
    assert_eq!(verdict(suspended, None), Verdict::Suspended);
    assert_eq!(verdict(("True", "ValidMetricFound"), None), Verdict::Idle { activation: None });
    let scaled_object = object(
        "kstreams",
        &json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "spec": {
                "scaleTargetRef": { "name": "kstreams" },
                "triggers": [{ "metadata": { "activation": "100" } }, { "metadata": { "activation": "40" } }],
            },
        }),
    );
    assert_eq!(verdict(suspended, Some(scaled_object)), Verdict::Idle { activation: Some(40) });
}

#[test]
fn what_has_failed_for_good_is_not_shown() {
    let evicted = json!({ "status": { "phase": "Failed", "reason": "Evicted" } });
    let cluster = fold(&objects(1, vec![changed(pod("kstreams-2-a", 2), &evicted)]), seen(None)).unwrap();
    assert!(cluster.pods.is_empty());
}

#[test]
fn pods_keep_their_colours_and_instants() {
    let first = fold(&objects(2, vec![pod("kstreams-2-b", 2), pod("kstreams-2-a", 2)]), seen(None)).unwrap();
    let slots = |cluster: &Cluster| -> Vec<(String, u8)> {
        cluster.pods.iter().map(|pod| (pod.short_name().to_owned(), pod.slot)).collect()
    };
    assert_eq!(slots(&first), [("a".into(), 0), ("b".into(), 1)]);
    // The oldest in time comes later to our eyes, and a gap is filled.
    let young = changed(pod("kstreams-2-c", 2), &json!({ "metadata": { "creationTimestamp": at(800) } }));
    let second = fold(&objects(2, vec![pod("kstreams-2-b", 2), young]), seen(Some(&first))).unwrap();
    assert_eq!(slots(&second), [("c".into(), 0), ("b".into(), 1)]);

    let mut known = first.clone();
    known.pods[0].phase_since_ms = 905_123;
    let later = Seen { now_ms: NOW + 5_000, ..seen(Some(&known)) };
    let third = fold(&objects(2, vec![pod("kstreams-2-a", 2)]), later).unwrap();
    assert_eq!(third.pods[0].phase_since_ms, 905_123);
}

/// The pods by name and revision, those that are told to stop (at 00:16:30) with a bang, those made since with a plus;
/// how many revision 2 wants; why the first one stops.
#[track_caller]
fn check_end(pods: &str, wanted: u32, expected: EndReason) {
    let pod = |word: &str| {
        let revision = if word.starts_with('1') { 1 } else { 2 };
        let mut pod = pod(&format!("kstreams-{}", word.trim_end_matches(['!', '+'])), revision);
        if word.ends_with('!') {
            let gone = json!({ "deletionTimestamp": at(1_020), "deletionGracePeriodSeconds": 30 });
            merge(&mut pod["metadata"], &gone);
        }
        if word.ends_with('+') {
            merge(&mut pod["metadata"], &json!({ "creationTimestamp": at(990) }));
        }
        pod
    };
    let objects = objects(wanted, pods.split(' ').map(pod).collect());
    let cluster = fold(&objects, seen(None)).unwrap();
    let first = cluster.pods.iter().find(|pod| matches!(pod.phase, Phase::Terminating { .. })).unwrap();
    assert_eq!(first.phase, Phase::Terminating { reason: expected }, "{pods}, {wanted} wanted");
    assert_eq!(first.phase_since_ms, 990_999);
}

#[test]
fn why_a_pod_ends_shows_in_what_its_replica_set_does() {
    check_end("2a! 2b", 1, EndReason::ScaledIn);
    check_end("2a!", 0, EndReason::ScaledIn);
    check_end("1a! 2b", 1, EndReason::Upgraded);
    // Its successor is not there yet: somebody killed it, or the ReplicaSet's new size was not seen yet.
    check_end("2a! 2b", 2, EndReason::Unknown);
    check_end("2a! 2b 2c+", 2, EndReason::Killed);
}

#[test]
fn who_was_killed_from_here_is_known_at_once_and_what_is_known_stays() {
    let gone = json!({ "metadata": { "deletionTimestamp": at(1_020), "deletionGracePeriodSeconds": 30 } });
    let objects = objects(1, vec![changed(pod("kstreams-2-a", 2), &gone)]);
    let killed = HashSet::from(["kstreams-2-a".to_owned()]);
    let first = fold(&objects, Seen { killed: &killed, ..seen(None) }).unwrap();
    let second = fold(&objects, seen(Some(&first))).unwrap();
    for cluster in [first, second] {
        assert_eq!(cluster.pods[0].phase, Phase::Terminating { reason: EndReason::Killed });
    }
}

#[track_caller]
fn check_decision(
    means: [&str; 2],
    replicas: (u32, u32),
    conditions: [(&str, &str, &str); 3],
    expected: Verdict,
) -> model::scaling::Decision {
    let names = ["consumer_lag_game_frame_rq", "consumer_lag_game_frame_rs"];
    let metrics = names.iter().zip(means).map(|(name, mean)| {
        json!({ "type": "Pods", "pods": { "metric": { "name": name }, "current": { "averageValue": mean } } })
    });
    let conditions = conditions.map(|(kind, status, reason)| {
        json!({ "type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": at(995) })
    });
    let status = json!({
        "currentReplicas": replicas.0,
        "desiredReplicas": replicas.1,
        "currentMetrics": metrics.collect::<Vec<_>>(),
        "conditions": conditions,
    });
    let mut objects = objects(replicas.0, Vec::new());
    objects.autoscalers = all(vec![autoscaler(&json!({ "status": status }))]);
    let decision = fold(&objects, seen(None)).unwrap().decision.unwrap();
    assert_eq!(decision.verdict, expected);
    assert_eq!((decision.at_ms, decision.next_ms), (995_000, None));
    decision
}

#[test]
fn a_decision_is_what_the_controller_says() {
    const ACTIVE: (&str, &str, &str) = ("ScalingActive", "True", "ValidMetricFound");
    const ABLE: (&str, &str, &str) = ("AbleToScale", "True", "ReadyForNewScale");
    const FREE: (&str, &str, &str) = ("ScalingLimited", "False", "DesiredWithinRange");
    let full = ("ScalingLimited", "True", "TooManyReplicas");
    let decision = check_decision(
        ["101830", "90k"],
        (1, 4),
        [ABLE, ACTIVE, full],
        Verdict::Limited { recommended: 21, by: Bound::Max },
    );
    assert_eq!((decision.readings[0].total, decision.readings[0].proposal), (Some(101_830), Some(21)));
    check_decision(["5200", "0"], (2, 2), [ABLE, ACTIVE, FREE], Verdict::Steady);
    let rescaled = ("AbleToScale", "True", "SucceededRescale");
    let decision = check_decision(["3500333m", "7"], (4, 3), [rescaled, ACTIVE, FREE], Verdict::Rescaled);
    assert_eq!((decision.readings[0].total, decision.readings[0].proposal), (Some(14_001), Some(3)));
    let held = ("AbleToScale", "True", "ScaleDownStabilized");
    check_decision(
        ["0", "0"],
        (4, 4),
        [held, ACTIVE, FREE],
        Verdict::Stabilizing { recommended: 0, until_ms: None },
    );
    let least = ("ScalingLimited", "True", "TooFewReplicas");
    check_decision(
        ["0", "0"],
        (1, 1),
        [ABLE, ACTIVE, least],
        Verdict::Limited { recommended: 0, by: Bound::Min },
    );
    let blind = ("ScalingActive", "False", "FailedGetPodsMetric");
    check_decision(
        ["0", "0"],
        (3, 3),
        [ABLE, blind, FREE],
        Verdict::Blind { reason: "FailedGetPodsMetric".into() },
    );
    let suspended = ("ScalingActive", "False", "ScalingDisabled");
    check_decision(["0", "0"], (0, 0), [ABLE, suspended, FREE], Verdict::Suspended);
}

#[test]
fn a_metric_that_is_not_told_is_unknown() {
    let status = json!({ "currentReplicas": 2, "desiredReplicas": 2, "conditions": [] });
    let mut objects = objects(2, Vec::new());
    objects.autoscalers = all(vec![autoscaler(&json!({ "status": status }))]);
    let decision = fold(&objects, seen(None)).unwrap().decision.unwrap();
    assert!(decision.readings.iter().all(|reading| reading.total.is_none() && reading.proposal.is_none()));
}

#[test]
fn external_metrics_are_told_apart_by_their_topic() {
    let metric = |topic: &str| {
        json!({ "type": "External", "external": {
            "metric": { "name": "kafka_lag", "selector": { "matchLabels": { "topic": topic } } },
            "target": { "type": "AverageValue", "averageValue": "100000" },
        } })
    };
    let spec =
        json!({ "spec": { "metrics": [metric("GAME-FRAME-RS"), metric("OTHER"), metric("GAME-FRAME-RQ")] } });
    let mut objects = objects(1, Vec::new());
    objects.autoscalers = all(vec![autoscaler(&spec)]);
    let metrics = fold(&objects, seen(None)).unwrap().policy.metrics;
    let told: Vec<_> = metrics.iter().map(|metric| (metric.topic.as_str(), metric.target)).collect();
    assert_eq!(told, [("GAME-FRAME-RS", 100_000), ("GAME-FRAME-RQ", 100_000)]);
}

#[test]
fn without_an_autoscaler_the_policy_is_off_and_says_so() {
    let mut objects = objects(1, Vec::new());
    objects.autoscalers.clear();
    let cluster = fold(&objects, seen(None)).unwrap();
    assert_eq!((cluster.policy.enabled, cluster.policy.metrics.len(), cluster.decision), (false, 0, None));
    assert!(!cluster.hpa.unwrap().exists);

    // KEDA deletes the autoscaler of what is paused.
    objects.scaled_objects = all(vec![object(
        "kstreams",
        &json!({
            "metadata": { "annotations": { "autoscaling.keda.sh/paused": "true" } },
            "spec": { "scaleTargetRef": { "name": "kstreams" }, "minReplicaCount": 0, "maxReplicaCount": 6 },
        }),
    )]);
    let cluster = fold(&objects, seen(None)).unwrap();
    assert_eq!((cluster.policy.enabled, cluster.policy.min, cluster.policy.max), (false, 0, 6));
    assert!(cluster.hpa.unwrap().exists);
}

#[test]
fn a_metric_of_keda_is_the_lag_of_its_triggers_topic() {
    let trigger = |topic: &str, target: &str| {
        json!({
            "type": "external-push",
            "metadata": { "metric": "kafka_lag", "topic": topic, "target": target },
        })
    };
    // What is scaled on beside is none of the show's.
    let triggers = json!([
        trigger("GAME-FRAME-RQ", "3000"),
        { "type": "cpu", "metadata": { "value": "60" } },
        trigger("GAME-FRAME-RS", "4000"),
    ]);
    let mut objects = objects(1, Vec::new());
    objects.scaled_objects = all(vec![object(
        "kstreams",
        &json!({ "spec": { "scaleTargetRef": { "name": "kstreams" }, "triggers": triggers } }),
    )]);
    let external = |name: &str| {
        json!({
            "name": name,
            "selector": { "matchLabels": { "scaledobject.keda.sh/name": "kstreams" } },
        })
    };
    let spec = |name: &str, target: &str| {
        json!({
            "type": "External",
            "external": { "metric": external(name), "target": { "type": "AverageValue", "averageValue": target } },
        })
    };
    let current = |name: &str, value: &str| json!({ "type": "External", "external": { "metric": external(name), "current": { "averageValue": value } } });
    objects.autoscalers = all(vec![autoscaler(&json!({
        "spec": { "metrics": [spec("s0-kafka_lag", "3000"), spec("s2-kafka_lag", "4000")] },
        "status": {
            "conditions": [], "currentReplicas": 2, "desiredReplicas": 2,
            "currentMetrics": [current("s0-kafka_lag", "1500"), current("s2-kafka_lag", "700")],
        },
    }))]);
    let expected = [("GAME-FRAME-RQ".to_owned(), 3_000), ("GAME-FRAME-RS".to_owned(), 4_000)];
    let told = |cluster: &Cluster| -> Vec<_> {
        cluster.policy.metrics.iter().map(|metric| (metric.topic.clone(), metric.target)).collect()
    };
    let cluster = fold(&objects, seen(None)).unwrap();
    assert_eq!(told(&cluster), expected);
    let totals: Vec<_> = cluster.decision.unwrap().readings.iter().map(|reading| reading.total).collect();
    assert_eq!(totals, [Some(3_000), Some(1_400)]);

    // While KEDA is paused its autoscaler is gone, and the triggers still say how much lag a pod may have.
    objects.autoscalers.clear();
    assert_eq!(told(&fold(&objects, seen(None)).unwrap()), expected);
}

#[test]
fn the_newest_event_of_this_autoscaler_is_told() {
    let event = |name: &str, uid: &str, seconds, reason: &str| {
        object(
            name,
            &json!({
                "involvedObject": { "kind": "HorizontalPodAutoscaler", "name": "kstreams", "uid": uid },
                "reason": reason,
                "message": "New size: 4",
                "lastTimestamp": at(seconds),
            }),
        )
    };
    let mut objects = objects(1, Vec::new());
    objects.events = all(vec![
        event("a", "kstreams", 990, "SuccessfulRescale"),
        event("b", "kstreams", 980, "FailedGetPodsMetric"),
        event("c", "another", 995, "FailedRescale"),
    ]);
    let event = fold(&objects, seen(None)).unwrap().hpa.unwrap().last_event.unwrap();
    assert_eq!((event.at_ms, event.reason.as_str()), (990_000, "SuccessfulRescale"));
}
