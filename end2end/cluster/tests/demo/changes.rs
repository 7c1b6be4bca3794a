//! Whatever happens to pods and autoscaler, by the presenter's hand or an operator's, page and cluster agree within a
//! second.

use std::time::Duration;

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use cluster_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use model::DEPLOYMENT;
use model::command::{Command, Outcome};
use model::controls::Manner;
use serde_json::json;

const A_WHILE: Duration = Duration::from_secs(60);

fn kill(pod: &str, manner: Manner) -> Command {
    Command::Kill { pod: Some(pod.to_owned()), manner, confirmed: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pod_is_replaced_by_one_of_another_name() {
    let demo = Demo::calm().await;
    demo.by_hand(2).await;
    let names = demo.truth.names();
    demo.press(kill(&names[0], Manner::Graceful)).await;
    demo.both(
        "the killed pod is on its way out",
        |truth| !truth.names().contains(&names[0]),
        |page| !page.pods.iter().any(|pod| pod.name == names[0] && page_is_alive(pod)),
    )
    .await;
    demo.both(
        "another pod is ready",
        |truth| truth.ready().len() == 2,
        |page| page.ready() == 2 && page.pods.iter().any(|pod| !names.contains(&pod.name)),
    )
    .await;
    demo.settled(2).await;
    assert!(!demo.truth.names().contains(&names[0]));
    assert!(demo.truth.names().contains(&names[1]));
}

fn page_is_alive(pod: &model::snapshot::Pod) -> bool {
    !matches!(pod.phase, model::snapshot::Phase::Terminating { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_pod_is_the_same_pod_with_one_restart_more() {
    let demo = Demo::calm().await;
    demo.by_hand(2).await;
    let names = demo.truth.names();
    for restarts in 1..=2 {
        demo.press(kill(&names[1], Manner::Crash)).await;
        demo.both(
            "one restart more",
            |truth| truth.restarts(&names[1]) == Some(restarts),
            |page| {
                page.pods
                    .iter()
                    .any(|pod| pod.name == names[1] && i32::try_from(pod.restarts) == Ok(restarts))
            },
        )
        .await;
        demo.settled(2).await;
    }
    assert_eq!(demo.truth.names(), names);
    assert_eq!(demo.truth.restarts(&names[0]), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_replaces_every_pod() {
    let demo = Demo::calm().await;
    demo.by_hand(3).await;
    let (names, revision) = (demo.truth.names(), demo.page.cluster().revision);
    demo.press(Command::Roll { capacity: None }).await;
    demo.page
        .until("a new revision", A_WHILE, |now| {
            (now.cluster.as_ref()?.revision == revision + 1).then_some(())
        })
        .await;
    let all_new = |found: Vec<String>| found.len() == 3 && found.iter().all(|name| !names.contains(name));
    demo.both(
        "three new pods are ready",
        |truth| all_new(truth.ready()),
        |page| {
            let ready = page.pods.iter().filter(|pod| pod.phase == model::snapshot::Phase::Ready);
            all_new(ready.map(|pod| pod.name.clone()).collect())
        },
    )
    .await;
    demo.settled(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_scales_with_kubectl_and_the_page_follows() {
    let demo = Demo::calm().await;
    demo.press(Command::Autoscaler { enabled: false }).await;
    let deployments: Api<Deployment> = Api::namespaced(demo.client.clone(), NAMESPACE);
    for replicas in [3, 1] {
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        deployments.patch_scale(DEPLOYMENT, &PatchParams::default(), &patch).await.unwrap();
        demo.both(
            "the replicas that were asked for",
            |truth| truth.replicas() == Some(replicas),
            |page| page.desired == replicas,
        )
        .await;
        demo.settled(replicas as usize).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_only_while_the_autoscaler_is_off_and_within_its_limits() {
    let demo = Demo::calm().await;
    let refused = |outcome: Outcome| matches!(outcome, Outcome::Refused { .. });
    assert!(refused(demo.ask(Command::Scale { replicas: 2 }).await), "the autoscaler is on");
    demo.by_hand(2).await;
    assert!(refused(demo.ask(Command::Scale { replicas: 5 }).await), "four is the most");
    // On again, the autoscaler goes back to what the load needs.
    demo.press(Command::Autoscaler { enabled: true }).await;
    demo.both("one pod again", |truth| truth.replicas() == Some(1), |page| page.desired == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_autoscaler_is_missed_and_a_new_one_seen() {
    let demo = Demo::calm().await;
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let mut kept = autoscalers.get(DEPLOYMENT).await.unwrap();
    autoscalers.delete(DEPLOYMENT, &DeleteParams::default()).await.unwrap();
    demo.both(
        "no autoscaler",
        |truth| truth.autoscaler().is_none(),
        |page| page.hpa.as_ref().is_some_and(|hpa| !hpa.exists) && !page.policy.enabled,
    )
    .await;
    kept.metadata.resource_version = None;
    kept.metadata.uid = None;
    kept.status = None;
    autoscalers.create(&PostParams::default(), &kept).await.unwrap();
    demo.both(
        "the autoscaler is back",
        |truth| truth.autoscaler().is_some(),
        |page| page.hpa.as_ref().is_some_and(|hpa| hpa.exists) && page.policy.enabled,
    )
    .await;
    demo.both(
        "it scales on our metric",
        |truth| truth.condition("ScalingActive") == Some(("True".into(), "ValidMetricFound".into())),
        |page| {
            let conditions = page.hpa.iter().flat_map(|hpa| &hpa.conditions);
            conditions.into_iter().any(|one| one.kind == "ScalingActive" && one.status == Some(true))
        },
    )
    .await;
    until("still one pod", A_WHILE, || async { (demo.truth.replicas() == Some(1)).then_some(()) }).await;
}
