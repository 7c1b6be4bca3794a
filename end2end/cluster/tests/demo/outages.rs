//! What is outside dies, stays away, and comes back.

use std::time::{Duration, Instant};

use cluster_tests::Demo;
use cluster_tests::component::Component;
use cluster_tests::demo::{NAMESPACE, administrator, now_ms, timed};
use cluster_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;
use kube::api::{Patch, PatchParams};
use model::command::Command;
use model::controls::Manner;
use model::wire::Snapshot;
use serde_json::json;

use crate::keda;
use crate::metrics::{CUSTOM, EXTERNAL, is_available, raw};

const A_WHILE: Duration = Duration::from_secs(90);
/// Longer than the window for shrinking and the pause between two steps: a guess of 0 would have shrunk by then.
const LONG_ENOUGH_TO_SHRINK: Duration = Duration::from_secs(25);

fn active(demo: &Demo) -> Option<String> {
    demo.truth.condition("ScalingActive").map(|(status, _)| status)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_the_autoscaler_freezes_and_goes_on_afterwards() {
    let demo = Demo::calm().await;
    demo.press(Command::Base { frames_per_second: 4_000 }).await;
    until("four pods are ready", A_WHILE, || async { (demo.truth.ready().len() == 4).then_some(()) }).await;

    let away = Component::kafka().take_away().unwrap();
    let (reason, took) = timed("the autoscaler has no metric", || async {
        demo.truth.condition("ScalingActive").filter(|(status, _)| status == "False")
    })
    .await;
    println!("Kafka gone: ScalingActive False after {:.1} s ({})", took.as_secs_f64(), reason.1);
    assert_eq!(reason.1, "FailedGetPodsMetric");
    let paths = [
        format!("{CUSTOM}/pods/*/consumer_lag_game_frame_rq"),
        format!("{EXTERNAL}/kafka_lag"),
        format!("{EXTERNAL}/kafka_lag_total"),
    ];
    for path in &paths {
        assert_eq!(raw(&demo.client, path).await, Err(503), "{path}");
    }
    assert_eq!(keda::value(&demo).await.unwrap_err().code(), tonic::Code::Unavailable);
    let metrics = reqwest::get(format!("{}/metrics", demo.lag_api)).await.unwrap().text().await.unwrap();
    let has = |name: &str| metrics.lines().any(|line| line.starts_with(name));
    assert!(has("lag_api_sample_age_seconds") && !has("kafka_lag"), "{metrics}");
    demo.page.until("Kafka is away", A_WHILE, |now| now.outages.kafka.clone()).await;
    let begin = Instant::now();
    while begin.elapsed() < LONG_ENOUGH_TO_SHRINK {
        assert_eq!(demo.truth.replicas(), Some(4), "the autoscaler moved without a metric");
        assert_eq!(active(&demo).as_deref(), Some("False"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    drop(away);
    let ((), took) =
        timed("the autoscaler has metrics again", || async { (active(&demo)? == "True").then_some(()) })
            .await;
    println!("Kafka is let start: ScalingActive True after {:.1} s", took.as_secs_f64());
    demo.page.until("Kafka is back", A_WHILE, |now| now.outages.kafka.is_none().then_some(())).await;
    for path in &paths {
        raw(&demo.client, path).await.unwrap();
    }
    demo.press(Command::Base { frames_per_second: 400 }).await;
    until("the autoscaler shrinks again", A_WHILE, || async { (demo.truth.replicas()? < 4).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_web_server_the_autoscaler_goes_on() {
    let demo = Demo::calm().await;
    demo.press(Command::Base { frames_per_second: 4_000 }).await;
    let deployments: Api<Deployment> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let scale = async |replicas: u32| {
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        deployments.patch_scale("server", &PatchParams::default(), &patch).await.unwrap();
    };
    scale(0).await;
    until("four pods are ready", A_WHILE, || async { (demo.truth.ready().len() == 4).then_some(()) }).await;
    raw(&demo.client, &format!("{EXTERNAL}/kafka_lag_total")).await.unwrap();
    assert_eq!(active(&demo).as_deref(), Some("True"));
    scale(1).await;
    let back_ms = now_ms();
    // Its picture comes back with it, from Kafka and from the cluster.
    let is_back = |now: &Snapshot| (now.at_ms > back_ms && now.cluster.as_ref()?.ready() == 4).then_some(());
    demo.page.until("four ready pods", A_WHILE, is_back).await;
    demo.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_the_page_says_how_old_its_picture_is_and_recovers() {
    let demo = Demo::calm().await;
    demo.by_hand(2).await;
    let away = Component::of_node("kube-apiserver").take_away().unwrap();
    let (outage, took) =
        timed("the page tells of the outage", || async { demo.page.snapshot().outages.cluster }).await;
    println!("API server gone: the page says so after {:.1} s: {}", took.as_secs_f64(), outage.reason);
    let seen = demo.page.cluster().pods.len();
    assert_eq!(seen, 2, "the last picture stays");
    // Records go on: lag needs no API server.
    let before = demo.page.snapshot().lag.unwrap().sampled_ms;
    demo.page
        .until("lag is fresh", A_WHILE, |now| (now.lag.as_ref()?.sampled_ms > before + 2_000).then_some(()))
        .await;
    let still = demo.page.snapshot().outages.cluster.expect("the API server is still away");
    assert_eq!(still.since_ms, outage.since_ms, "one outage has one beginning");

    drop(away);
    let ((), took) = timed("the API server answers", || async {
        let client = administrator().await.ok()?;
        client.apiserver_version().await.ok().map(drop)
    })
    .await;
    println!("API server let start: it answers after {:.1} s", took.as_secs_f64());
    let ((), took) =
        timed("the page is fresh", || async { demo.page.snapshot().outages.cluster.is_none().then_some(()) })
            .await;
    println!("the page is fresh {:.1} s after that", took.as_secs_f64());
    let services: Api<APIService> = Api::all(demo.client.clone());
    until("both metrics APIs are Available", A_WHILE, || async {
        let both = async {
            let one = services.get("v1beta1.external.metrics.k8s.io").await.ok()?;
            let other = services.get("v1beta2.custom.metrics.k8s.io").await.ok()?;
            Some(is_available(&one) && is_available(&other))
        };
        both.await.filter(|both| *both).map(drop)
    })
    .await;
    // Watches of before are of no use any more.
    let demo = Demo::calm().await;
    let name = demo.truth.names()[0].clone();
    demo.press(Command::Kill { pod: Some(name.clone()), manner: Manner::Graceful, confirmed: true }).await;
    demo.both(
        "another pod",
        |truth| truth.names().iter().any(|found| *found != name),
        |page| page.pods.iter().any(|pod| pod.name != name),
    )
    .await;
}
