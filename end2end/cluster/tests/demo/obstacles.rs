//! Why pods do not come, and why nothing scales: the page says it in Kubernetes' own words.

use std::time::Duration;

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use model::DEPLOYMENT;
use model::command::Command;
use model::scaling::Verdict;
use model::snapshot::{Cluster, Phase};
use serde_json::{Value, json};

const A_WHILE: Duration = Duration::from_secs(60);

async fn shows(demo: &Demo, what: &str, is_so: impl Fn(&Cluster) -> bool) {
    let is_so = |now: &model::wire::Snapshot| now.cluster.as_ref().is_some_and(&is_so).then_some(());
    demo.page.until(what, A_WHILE, is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_leaves_no_room_is_named() {
    let demo = Demo::calm().await;
    demo.by_hand(1).await;
    let pods: Api<Pod> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let there = pods.list(&ListParams::default()).await.unwrap().items.len();
    let quotas: Api<ResourceQuota> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let quota = json!({ "metadata": { "name": "few" }, "spec": { "hard": { "pods": there.to_string() } } });
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    // It counts before it limits.
    cluster_tests::wait::until("the quota counts", A_WHILE, || async {
        quotas.get("few").await.unwrap().status?.used?.get("pods").map(drop)
    })
    .await;
    demo.press(Command::Scale { replicas: 3 }).await;
    let is_named = |failure: &String| {
        failure.starts_with("FailedCreate: exceeded quota: few") && failure.contains("limited: pods=")
    };
    shows(&demo, "the quota", |now| now.replica_failure.as_ref().is_some_and(is_named)).await;
    assert_eq!(demo.page.cluster().pods.len(), 1);
    quotas.delete("few", &DeleteParams::default()).await.unwrap();
    demo.press(Command::Scale { replicas: 1 }).await;
    shows(&demo, "no more of it", |now| now.replica_failure.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_missing_is_named_at_the_pod_that_waits_for_it() {
    let demo = Demo::calm().await;
    demo.by_hand(1).await;
    let deployments: Api<Deployment> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let set = async |value: Value| {
        let containers = json!([{ "name": DEPLOYMENT, "env": [value] }]);
        let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        deployments.patch(DEPLOYMENT, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    };
    let of_secret = json!({ "secretKeyRef": { "name": "nobody-made-it", "key": "a" } });
    set(json!({ "name": "MISSING", "valueFrom": of_secret })).await;
    let waits = |pod: &model::snapshot::Pod| {
        pod.phase == Phase::Pending
            && pod.reason.as_deref() == Some("CreateContainerConfigError")
            && pod.message.as_ref().is_some_and(|message| message.contains("\"nobody-made-it\" not found"))
    };
    shows(&demo, "which Secret is missing", |now| now.pods.iter().any(waits)).await;
    set(json!({ "name": "MISSING", "$patch": "delete" })).await;
    demo.settled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_autoscalers_are_both_named_and_the_one_of_ours_is_switched() {
    let demo = Demo::calm().await;
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let ours = autoscalers.get(DEPLOYMENT).await.unwrap();
    // Its name comes first in every list.
    let other = json!({
        "metadata": { "name": "another" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT },
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": ours.spec.as_ref().unwrap().metrics,
        },
    });
    autoscalers.create(&PostParams::default(), &serde_json::from_value(other).unwrap()).await.unwrap();
    let names = [DEPLOYMENT.to_owned(), "another".to_owned()];
    let rivals = Verdict::Rivals { names: names.to_vec() };
    shows(&demo, "both names", |now| {
        now.hpa.as_ref().is_some_and(|hpa| hpa.rivals == names)
            && now.decision.as_ref().is_some_and(|decision| decision.verdict == rivals)
    })
    .await;
    assert_eq!((demo.page.cluster().policy.min, demo.page.cluster().policy.max), (1, 4));
    demo.press(Command::Autoscaler { enabled: false }).await;
    shows(&demo, "off", |now| !now.policy.enabled).await;
    let written = autoscalers.get("another").await.unwrap();
    assert_eq!(written.spec.unwrap().behavior, None, "the other one is left alone");
    autoscalers.delete("another", &DeleteParams::default()).await.unwrap();
    demo.press(Command::Autoscaler { enabled: true }).await;
    shows(&demo, "one autoscaler, on", |now| {
        now.policy.enabled && now.hpa.as_ref().is_some_and(|hpa| hpa.rivals.is_empty())
    })
    .await;
}
