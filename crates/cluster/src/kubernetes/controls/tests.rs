use std::sync::Mutex;

use model::snapshot::Cluster;
use serde_json::Value;

use super::*;
use crate::kubernetes::testing::{
    Answer, Asked, NOW, api_server, autoscaler, deployment, failure, list, merge, pod,
};
use crate::kubernetes::{Access, Kubeconfig};

type Log = Arc<Mutex<Vec<Asked>>>;

/// Controls over an API server that answers like this, and what it is asked.
fn controls(mut answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> (Controls, Log) {
    let log = Log::default();
    let noted = Arc::clone(&log);
    let client = api_server(move |asked| {
        noted.lock().unwrap().push(asked.clone());
        answer(asked)
    });
    let shared = Arc::new(Shared::default());
    *lock(&shared.client) = Some(client);
    let config = KubernetesConfig {
        access: Access::Kubeconfig(Kubeconfig::new(Vec::new(), None)),
        topics: Vec::new(),
        namespace: "king".into(),
        crash_token: Some("tiger".into()),
        own_pod: Some("server-1-a".into()),
        clock: || NOW,
    };
    let cluster = Cluster {
        desired: 2,
        policy: Policy::on_lag_of(["GAME-FRAME-RQ", "GAME-FRAME-RS"]),
        ..Cluster::default()
    };
    let observation = Observation { cluster: Some(cluster), ..Observation::default() };
    let controls = Controls::new(config, shared, watch::channel(observation).1);
    (controls, log)
}

fn whole(value: Value) -> Answer {
    Answer::Whole(200, value)
}

fn with(mut object: Value, change: &Value) -> Value {
    merge(&mut object, change);
    object
}

#[track_caller]
fn check_refused(result: Result<(), Refusal>, word: &str) {
    let refusal = result.unwrap_err().to_string();
    assert!(refusal.contains(word), "{refusal}");
}

#[tokio::test]
async fn a_kill_deletes_exactly_the_pod_that_was_meant() {
    let (controls, log) = controls(|_| whole(pod("kstreams-2-a", 2)));
    controls.kill("kstreams-2-a", Manner::Graceful).await.unwrap();
    let asked = log.lock().unwrap().pop().unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("DELETE", "/api/v1/namespaces/king/pods/kstreams-2-a")
    );
    assert_eq!(asked.body["preconditions"], json!({ "uid": "kstreams-2-a" }));
    assert_eq!(asked.body.get("gracePeriodSeconds"), None, "the pod's own grace");
    assert!(lock(&controls.shared.killed).contains("kstreams-2-a"));
}

#[tokio::test]
async fn only_the_demos_pods_are_hurt_and_never_our_own() {
    let foreign = with(
        pod("kstreams-2-a", 2),
        &json!({ "metadata": { "labels": { "app.kubernetes.io/name": "datagen" } } }),
    );
    for manner in [Manner::Graceful, Manner::Crash] {
        let foreign = foreign.clone();
        let (controls, log) = controls(move |_| whole(foreign.clone()));
        check_refused(controls.kill("kstreams-2-a", manner).await, "no pod of the demo");
        check_refused(controls.kill("server-1-a", manner).await, "the pod of this page");
        assert!(log.lock().unwrap().iter().all(|asked| asked.method == "GET"));
    }
}

#[tokio::test]
async fn a_kill_that_cannot_be_says_what_to_do() {
    let (gone, _) = controls(|_| failure(404, "NotFound"));
    check_refused(gone.kill("kstreams-2-a", Manner::Graceful).await, "is gone");
    let (leaving, _) = controls(|_| {
        whole(with(
            pod("kstreams-2-a", 2),
            &json!({ "metadata": { "deletionTimestamp": "1970-01-01T00:17:00Z" } }),
        ))
    });
    check_refused(leaving.kill("kstreams-2-a", Manner::Graceful).await, "already");
    for (code, reason, word) in
        [(403, "Forbidden", "Role"), (409, "Conflict", "try again"), (422, "Invalid", "refuses")]
    {
        let (controls, _) = controls(move |asked| match asked.method.as_str() {
            "DELETE" => failure(code, reason),
            _ => whole(pod("kstreams-2-a", 2)),
        });
        check_refused(controls.kill("kstreams-2-a", Manner::Graceful).await, word);
        assert!(lock(&controls.shared.killed).is_empty());
    }
}

#[tokio::test]
async fn a_crash_goes_through_the_proxy_with_the_token_in_a_header_of_its_own() {
    let (controls, log) = controls(|asked| match asked.method.as_str() {
        "POST" => whole(Value::Null),
        _ => whole(pod("kstreams-2-a", 2)),
    });
    controls.kill("kstreams-2-a", Manner::Crash).await.unwrap();
    let asked = log.lock().unwrap().pop().unwrap();
    assert_eq!(asked.path, "/api/v1/namespaces/king/pods/kstreams-2-a:9090/proxy/crash");
    assert_eq!(asked.crash_token.as_deref(), Some("tiger"));
}

#[tokio::test]
async fn all_pods_are_restarted_but_those_that_leave_already() {
    let leaving =
        with(pod("kstreams-2-b", 2), &json!({ "metadata": { "deletionTimestamp": "1970-01-01T00:17:00Z" } }));
    let (controls, log) = controls(move |asked| match asked.method.as_str() {
        "GET" => whole(list(&[pod("kstreams-2-a", 2), leaving.clone(), pod("kstreams-2-c", 2)])),
        _ => whole(pod("kstreams-2-a", 2)),
    });
    controls.restart_all().await.unwrap();
    let log = log.lock().unwrap();
    let mut deleted: Vec<&str> = log
        .iter()
        .filter(|asked| asked.method == "DELETE")
        .filter_map(|asked| asked.path.rsplit('/').next())
        .collect();
    deleted.sort_unstable();
    assert_eq!(deleted, ["kstreams-2-a", "kstreams-2-c"]);
    assert!(log[0].query.contains("king-of-scaling") && log[0].query.contains("kstreams"));
}

#[tokio::test]
async fn a_roll_is_what_kubectl_does_and_sets_the_capacity_of_the_right_container() {
    let (controls, log) = controls(|_| whole(deployment(2)));
    controls.roll(Some(500)).await.unwrap();
    let patch = log.lock().unwrap().pop().unwrap().body;
    let template = &patch["spec"]["template"];
    assert!(template["metadata"]["annotations"][RESTARTED_AT].as_str().unwrap().ends_with('Z'));
    let container = &template["spec"]["containers"][0];
    assert_eq!(container["name"], "kstreams");
    assert_eq!(container["env"], json!([{ "name": "CAPACITY", "value": "500", "valueFrom": null }]));
    controls.roll(None).await.unwrap();
    assert_eq!(log.lock().unwrap().pop().unwrap().body["spec"]["template"].get("spec"), None);
}

#[tokio::test]
async fn by_hand_only_while_the_autoscaler_is_off_or_to_none() {
    let scale = json!({ "metadata": {}, "spec": {}, "status": { "replicas": 0 } });
    let (controls, log) = controls(move |_| whole(scale.clone()));
    check_refused(controls.scale(3).await, "switch it off first");
    controls.scale(0).await.unwrap();
    let asked = log.lock().unwrap().pop().unwrap();
    assert!(asked.path.ends_with("/deployments/kstreams/scale"));
    assert_eq!(asked.body["spec"]["replicas"], 0);
}

#[tokio::test]
async fn a_policy_that_came_too_late_is_made_for_the_newer_version() {
    let mut patches = 0;
    let (controls, log) = controls(move |asked| match asked.method.as_str() {
        "PATCH" => {
            patches += 1;
            if patches == 1 { failure(409, "Conflict") } else { whole(autoscaler(&json!({}))) }
        }
        _ if asked.path.ends_with("scaledobjects") => failure(404, "NotFound"),
        _ => whole(list(&[autoscaler(&json!({ "metadata": { "resourceVersion": patches.to_string() } }))])),
    });
    controls
        .set_policy(Policy { enabled: false, ..Policy::on_lag_of(["GAME-FRAME-RQ", "GAME-FRAME-RS"]) })
        .await
        .unwrap();
    let log = log.lock().unwrap();
    let versions: Vec<&Value> = log
        .iter()
        .filter(|asked| asked.method == "PATCH")
        .map(|asked| &asked.body["metadata"]["resourceVersion"])
        .collect();
    assert_eq!(versions, ["0", "1"]);
}

#[tokio::test]
async fn without_an_autoscaler_off_is_done_and_on_says_what_is_missing() {
    let (controls, _) = controls(|asked| {
        if asked.path.ends_with("scaledobjects") { failure(404, "NotFound") } else { whole(list(&[])) }
    });
    controls
        .set_policy(Policy { enabled: false, ..Policy::on_lag_of(["GAME-FRAME-RQ", "GAME-FRAME-RS"]) })
        .await
        .unwrap();
    check_refused(
        controls.set_policy(Policy::on_lag_of(["GAME-FRAME-RQ", "GAME-FRAME-RS"])).await,
        "no HorizontalPodAutoscaler",
    );
}

#[tokio::test]
async fn a_paused_scaled_object_is_woken_by_its_annotation() {
    let object = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": { "name": "kstreams", "annotations": { "autoscaling.keda.sh/paused": "true" } },
        "spec": { "scaleTargetRef": { "name": "kstreams" }, "minReplicaCount": 1, "maxReplicaCount": 4 },
    });
    let (controls, log) = controls(move |asked| match asked.method.as_str() {
        "PATCH" => whole(object.clone()),
        _ if asked.path.ends_with("scaledobjects") => whole(list(std::slice::from_ref(&object))),
        _ => whole(list(&[])),
    });
    controls.set_policy(Policy::on_lag_of(["GAME-FRAME-RQ", "GAME-FRAME-RS"])).await.unwrap();
    let asked = log.lock().unwrap().pop().unwrap();
    assert!(asked.path.ends_with("/scaledobjects/kstreams"));
    assert!(asked.body["metadata"]["annotations"]["autoscaling.keda.sh/paused"].is_null());
}
