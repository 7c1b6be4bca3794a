//! The metrics APIs, as `kubectl get --raw` and the aggregation layer see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use cluster_tests::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

const NAMES: [&str; 2] = ["v1beta1.external.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];
pub(crate) const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/king-of-scaling";
pub(crate) const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/king-of-scaling";
const A_WHILE: Duration = Duration::from_secs(90);
/// A test that compared less has seen nothing: in five seconds there is time for a hundred.
const LEAST_COMPARISONS: usize = 10;

/// What `kubectl get --raw` prints, or the code of the refusal.
pub(crate) async fn raw(client: &Client, path: &str) -> Result<Value, u16> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    match client.request::<Value>(request).await {
        Ok(value) => Ok(value),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(error) => panic!("{path}: {error}"),
    }
}

fn sum(list: &Value) -> u64 {
    let values = list["items"].as_array().unwrap().iter();
    values.map(|item| item["value"].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_metric_can_be_read_raw() {
    let demo = Demo::calm().await;
    demo.by_hand(3).await;
    // Nothing moves: all of them speak of the same lag.
    demo.without_load().await;
    let get = |path: String| {
        let client = demo.client.clone();
        async move { raw(&client, &path).await }
    };
    for (path, resources) in
        [("/apis/external.metrics.k8s.io/v1beta1", 3), ("/apis/custom.metrics.k8s.io/v1beta2", 2)]
    {
        let list = get(path.into()).await.unwrap();
        assert_eq!(list["kind"], "APIResourceList");
        assert_eq!(list["resources"].as_array().unwrap().len(), resources, "{list}");
    }
    let per_topic = get(format!("{EXTERNAL}/kafka_lag")).await.unwrap();
    assert_eq!(per_topic["kind"], "ExternalMetricValueList");
    assert_eq!(per_topic["items"].as_array().unwrap().len(), 2);
    assert_eq!(sum(&per_topic), 0);
    assert_eq!(sum(&get(format!("{EXTERNAL}/kafka_lag_total")).await.unwrap()), 0);
    assert_eq!(sum(&get(format!("{EXTERNAL}/kafka_lag_max_partition")).await.unwrap()), 0);
    let one = get(format!("{EXTERNAL}/kafka_lag?labelSelector=topic%3DGAME-FRAME-RQ")).await.unwrap();
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    for metric in ["consumer_lag_game_frame_rq", "consumer_lag_game_frame_rs"] {
        let list = get(format!("{CUSTOM}/pods/*/{metric}")).await.unwrap();
        assert_eq!(list["kind"], "MetricValueList");
        let names = list["items"].as_array().unwrap().iter();
        let mut names: Vec<&str> =
            names.map(|item| item["describedObject"]["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, demo.truth.ready());
        let single = get(format!("{CUSTOM}/pods/{}/{metric}", names[0])).await.unwrap();
        assert_eq!(single["items"].as_array().unwrap().len(), 1);
    }
    assert_eq!(get(format!("{EXTERNAL}/kafka_lead")).await, Err(404));
    assert_eq!(get(format!("{CUSTOM}/pods/*/consumer_lead")).await, Err(404));
    assert_eq!(get(format!("{CUSTOM}/pods/nobody/consumer_lag_game_frame_rq")).await, Err(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pods_lag_is_still_counted() {
    let demo = Demo::calm().await;
    demo.by_hand(2).await;
    demo.press(model::command::Command::Base { frames_per_second: 4_000 }).await;
    demo.page
        .until("a lag", A_WHILE, |now| now.lag.as_ref()?.worst().filter(|(_, lag)| *lag > 20_000).map(drop))
        .await;
    let names = demo.truth.names();
    let kill = model::command::Command::Kill {
        pod: Some(names[0].clone()),
        manner: model::controls::Manner::Crash,
        confirmed: true,
    };
    demo.press(kill).await;
    // The crashed pod's partitions have no other owner until its session ends; their lag must not be missing meanwhile.
    let (mut comparisons, mut unknown) = (0, Vec::new());
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) {
        for (metric, topic) in
            [("consumer_lag_game_frame_rq", "GAME-FRAME-RQ"), ("consumer_lag_game_frame_rs", "GAME-FRAME-RS")]
        {
            let pods = raw(&demo.client, &format!("{CUSTOM}/pods/*/{metric}")).await;
            let group =
                raw(&demo.client, &format!("{EXTERNAL}/kafka_lag?labelSelector=topic%3D{topic}")).await;
            // A lag that is not known is no answer; the others are compared.
            let (pods, group) = match (pods, group) {
                (Ok(pods), Ok(group)) => (sum(&pods), sum(&group)),
                (pods, group) => {
                    unknown.extend([pods.err(), group.err()].into_iter().flatten());
                    continue;
                }
            };
            // Two requests see two samples, a quarter of a second apart at least.
            assert!(
                pods.abs_diff(group) < group / 5 + 3_000,
                "{metric}: {pods} over the pods, {group} in the group"
            );
            comparisons += 1;
        }
    }
    println!("{comparisons} comparisons, {} answers without a lag", unknown.len());
    assert!(comparisons >= LEAST_COMPARISONS, "{comparisons} comparisons only, and {unknown:?}");
    demo.press(model::command::Command::Base { frames_per_second: 400 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apis_stay_available_while_lag_api_is_restarted() {
    let demo = Demo::calm().await;
    let done = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(ask_until(demo.client.clone(), Arc::clone(&done)));
    let watching = tokio::spawn(watch_until(demo.client.clone(), Arc::clone(&done)));
    let deployments: Api<Deployment> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let before = deployments.get("lag-api").await.unwrap();
    deployments.restart("lag-api").await.unwrap();
    until("the new lag-api is the only one", A_WHILE, || async {
        let now = deployments.get("lag-api").await.ok()?;
        let status = now.status.clone()?;
        let is_new = status.observed_generation > before.metadata.generation;
        (is_new
            && status.updated_replicas == Some(1)
            && status.replicas == Some(1)
            && status.unavailable_replicas.is_none())
        .then_some(())
    })
    .await;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(demo.client.clone(), NAMESPACE);
    let old = kube::api::ListParams::default().labels("app.kubernetes.io/name=lag-api");
    until("the old lag-api is gone", A_WHILE, || async {
        (pods.list(&old).await.ok()?.items.len() == 1).then_some(())
    })
    .await;
    done.store(true, Ordering::Relaxed);
    let (answers, failures) = asking.await.unwrap();
    println!("{answers} answers meanwhile, {} failures", failures.len());
    assert!(failures.is_empty(), "requests that failed: {failures:?}");
    let (looks, unavailable) = watching.await.unwrap();
    assert!(unavailable.is_empty(), "not Available: {unavailable:?}");
    assert!(
        answers >= LEAST_COMPARISONS && looks >= LEAST_COMPARISONS,
        "{answers} answers, {looks} looks only"
    );
}

/// Asks for a metric again and again; how many answers came, and what else.
async fn ask_until(client: Client, done: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let (mut answers, mut failures) = (0, Vec::new());
    while !done.load(Ordering::Relaxed) {
        let request = http::Request::get(format!("{EXTERNAL}/kafka_lag_total")).body(Vec::new()).unwrap();
        match client.request::<Value>(request).await {
            Ok(_) => answers += 1,
            Err(error) => failures.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (answers, failures)
}

/// How often the APIs were looked at, and the moments in which one of them was not Available.
async fn watch_until(client: Client, done: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let services: Api<APIService> = Api::all(client);
    let (mut looks, mut unavailable) = (0, Vec::new());
    while !done.load(Ordering::Relaxed) {
        for name in NAMES {
            let service = services.get(name).await.unwrap();
            if !is_available(&service) {
                unavailable.push(format!("{}: {:?}", service.name_any(), service.status));
            }
        }
        looks += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (looks, unavailable)
}

pub(crate) fn is_available(service: &APIService) -> bool {
    let conditions = service.status.iter().flat_map(|status| &status.conditions).flatten();
    conditions.into_iter().any(|one| one.type_ == "Available" && one.status == "True")
}
