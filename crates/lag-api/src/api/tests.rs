use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use model::lag::Sampled;
use model::scaling::PodState;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::auth::PeerCertificates;
use crate::testing::{AUTOSCALER, Authority, Publish, access, pods, sampled, sources};

const EXTERNAL_PATH: &str = "/apis/external.metrics.k8s.io/v1beta1";
const CUSTOM_PATH: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// The real router, with a front proxy before it.
struct Cluster {
    router: Router,
    certificates: PeerCertificates,
    publish: Publish,
    served: Arc<Served>,
    readiness: Readiness,
}

impl Cluster {
    /// Two pods; one partition is each one's, and one is nobody's.
    fn new() -> Self {
        let ((sources, publish), ca) = (sources(), Authority::new("ca"));
        publish.sampled.send_replace(sampled(&[(10, Some("a")), (20, Some("b")), (5, None)]));
        publish.pods.send_replace(pods(&["a", "b"]));
        let (served, readiness) = (Arc::new(Served::default()), Readiness::new());
        let router = router(Arc::new(Api {
            namespace: "king".to_owned(),
            sources,
            access: access(&ca).0,
            served: Arc::clone(&served),
            readiness: readiness.clone(),
            shutdown: Shutdown::new(),
        }));
        let certificates = PeerCertificates([ca.client("aggregator").certificate].into());
        Self { router, certificates, publish, served, readiness }
    }

    async fn ask(&self, user: Option<&str>, method: Method, path: &str) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).extension(self.certificates.clone());
        if let Some(user) = user {
            request = request.header("x-remote-user", user);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Some(AUTOSCALER), Method::GET, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn fails(&self, path: &str, code: u16, reason: &str) -> String {
        let (status, body) = self.ask(Some(AUTOSCALER), Method::GET, path).await;
        assert_eq!((status.as_u16(), &body["reason"]), (code, &json!(reason)), "{path}: {body}");
        assert_eq!(
            (&body["kind"], &body["status"], &body["code"]),
            (&json!("Status"), &json!("Failure"), &json!(code))
        );
        body["message"].as_str().unwrap().to_owned()
    }
}

/// Names and values of the items, in order.
fn pod_items(list: &Value) -> Vec<(&str, &str)> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["describedObject"]["name"].as_str().unwrap(), item["value"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn discovery_names_groups_versions_and_metrics() {
    let cluster = Cluster::new();
    let groups = cluster.get("/apis").await;
    assert_eq!(groups["kind"], "APIGroupList");
    let names: Vec<&str> =
        groups["groups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["custom.metrics.k8s.io", "external.metrics.k8s.io"]);
    let group = cluster.get("/apis/external.metrics.k8s.io").await;
    assert_eq!(
        (&group["kind"], &group["preferredVersion"]["version"]),
        (&json!("APIGroup"), &json!("v1beta1"))
    );
    for (path, kind, names) in [
        (
            EXTERNAL_PATH,
            "ExternalMetricValueList",
            &["kafka_lag", "kafka_lag_total", "kafka_lag_max_partition"][..],
        ),
        (
            CUSTOM_PATH,
            "MetricValueList",
            &["pods/consumer_lag_game_frame_rq", "pods/consumer_lag_game_frame_rs"],
        ),
    ] {
        let list = cluster.get(path).await;
        assert_eq!(list["kind"], "APIResourceList");
        assert_eq!(list["groupVersion"], path.trim_start_matches("/apis/"));
        let expected: Vec<Value> = names
            .iter()
            .map(|name| {
                json!({
                    "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"],
                })
            })
            .collect();
        assert_eq!(list["resources"], json!(expected));
    }
    cluster.fails("/apis/other.example", 404, "NotFound").await;
    cluster.fails("/apis/external.metrics.k8s.io/v1", 404, "NotFound").await;
}

#[tokio::test]
async fn the_groups_lag_is_a_list_of_series() {
    let cluster = Cluster::new();
    let path = |metric: &str| format!("{EXTERNAL_PATH}/namespaces/king/{metric}");
    let item = |metric: &str, topic: Option<&str>, value: &str| {
        let mut labels = json!({ "group": "KINGOFSCALING-APP" });
        if let Some(topic) = topic {
            labels["topic"] = json!(topic);
        }
        json!({ "metricName": metric, "metricLabels": labels, "timestamp": "2026-01-01T00:00:00Z", "value": value })
    };
    assert_eq!(
        cluster.get(&path("kafka_lag")).await,
        json!({
            "kind": "ExternalMetricValueList",
            "apiVersion": "external.metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": [item("kafka_lag", Some("GAME-FRAME-RQ"), "35"), item("kafka_lag", Some("GAME-FRAME-RS"), "35")],
        })
    );
    let total = cluster.get(&path("kafka_lag_total")).await;
    assert_eq!(total["items"], json!([item("kafka_lag_total", None, "70")]));
    let largest = cluster.get(&path("kafka_lag_max_partition?labelSelector=topic%3DGAME-FRAME-RS")).await;
    assert_eq!(largest["items"], json!([item("kafka_lag_max_partition", Some("GAME-FRAME-RS"), "20")]));
    let none = cluster.get(&path("kafka_lag?labelSelector=topic+in+(OTHER)")).await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn the_pods_lag_adds_up_to_the_groups() {
    let cluster = Cluster::new();
    let path = |rest: &str| format!("{CUSTOM_PATH}/namespaces/king/pods/{rest}");
    let all = cluster
        .get(&path("*/consumer_lag_game_frame_rq?labelSelector=app.kubernetes.io%2Fname%3Dkstreams"))
        .await;
    assert_eq!(pod_items(&all), [("a", "13"), ("b", "22")]);
    assert_eq!(
        all["items"][0],
        json!({
            "describedObject": { "kind": "Pod", "apiVersion": "/v1", "namespace": "king", "name": "a" },
            "metric": { "name": "consumer_lag_game_frame_rq", "selector": null },
            "timestamp": "2026-01-01T00:00:00Z",
            "windowSeconds": 0,
            "value": "13",
        })
    );
    let one = cluster.get(&path("b/consumer_lag_game_frame_rs")).await;
    assert_eq!(pod_items(&one), [("b", "22")]);
    for (selector, expected) in [
        ("labelSelector=name+notin+(b)", &[("a", "13")][..]),
        ("metricLabelSelector=topic%3DGAME-FRAME-RQ", &[("a", "13"), ("b", "22")]),
        ("metricLabelSelector=topic%3DGAME-FRAME-RS", &[]),
    ] {
        let list = cluster.get(&path(&format!("*/consumer_lag_game_frame_rq?{selector}"))).await;
        assert_eq!(pod_items(&list), expected, "{selector}");
    }
    // A killed pod's lag is the others' at once.
    cluster.publish.pods.send_modify(|pods| pods.pods.as_mut().unwrap()[0].state = PodState::Gone);
    let rest = cluster.get(&path("*/consumer_lag_game_frame_rq")).await;
    assert_eq!(pod_items(&rest), [("b", "35")]);
    cluster.fails(&path("a/consumer_lag_game_frame_rq"), 404, "NotFound").await;
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    let cluster = Cluster::new();
    for path in [
        format!("{EXTERNAL_PATH}/namespaces/king/lag"),
        format!("{EXTERNAL_PATH}/namespaces/other/kafka_lag"),
        format!("{CUSTOM_PATH}/namespaces/king/pods/*/kafka_lag"),
        format!("{CUSTOM_PATH}/namespaces/other/pods/*/consumer_lag_game_frame_rq"),
        format!("{CUSTOM_PATH}/namespaces/king/pods/x/consumer_lag_game_frame_rq"),
        format!("{CUSTOM_PATH}/namespaces/king/services/x/consumer_lag_game_frame_rq"),
        "/nothing".to_owned(),
        "/openapi/v2".to_owned(),
        "/openapi/v3".to_owned(),
    ] {
        cluster.fails(&path, 404, "NotFound").await;
    }
    let wrong = format!("{EXTERNAL_PATH}/namespaces/king/kafka_lag?labelSelector=%3D");
    assert!(cluster.fails(&wrong, 400, "BadRequest").await.contains("label selector"));
    let (status, _) = cluster
        .ask(Some(AUTOSCALER), Method::POST, &format!("{EXTERNAL_PATH}/namespaces/king/kafka_lag"))
        .await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_unknown_is_unavailable_and_never_0() {
    let cluster = Cluster::new();
    let external = format!("{EXTERNAL_PATH}/namespaces/king/kafka_lag_total");
    let custom = format!("{CUSTOM_PATH}/namespaces/king/pods/*/consumer_lag_game_frame_rq");
    cluster.publish.sampled.send_modify(|sampled| sampled.sample.as_mut().unwrap().group = None);
    cluster.fails(&custom, 503, "ServiceUnavailable").await;
    cluster.get(&external).await;
    cluster.publish.sampled.send_modify(|sampled| sampled.sample.as_mut().unwrap().sampled_ms -= 6_000);
    assert!(cluster.fails(&external, 503, "ServiceUnavailable").await.contains("old"));
    cluster.publish.sampled.send_replace(Sampled::default());
    cluster.fails(&external, 503, "ServiceUnavailable").await;
    // It was kept, with its reason, as the autoscaler was told.
    let kept = serde_json::to_value(cluster.served.answers()).unwrap();
    assert!(kept[3]["unknown"].as_str().unwrap().contains("sampled"), "{kept}");
    assert_eq!(kept[1]["series"][0]["value"], 70);
}

#[tokio::test]
async fn who_may_not_or_is_nobody_learns_nothing() {
    let cluster = Cluster::new();
    for (path, of_jane) in [
        ("/apis/external.metrics.k8s.io/v1beta1/namespaces/king/kafka_lag", 403),
        ("/nothing", 403),
        // What there is, is known to every user.
        (EXTERNAL_PATH, 200),
        ("/apis", 200),
    ] {
        let (status, body) = cluster.ask(Some("jane"), Method::GET, path).await;
        assert_eq!(status.as_u16(), of_jane, "{path}");
        assert!(of_jane == 200 || body["reason"] == "Forbidden", "{path}");
        let (status, body) = cluster.ask(None, Method::GET, path).await;
        assert_eq!((status.as_u16(), &body["reason"]), (401, &json!("Unauthorized")), "{path}");
    }
}

#[tokio::test]
async fn health_is_open_to_all() {
    let cluster = Cluster::new();
    for path in ["/healthz", "/livez"] {
        assert_eq!(cluster.ask(None, Method::GET, path).await.0, StatusCode::OK);
    }
    assert_eq!(cluster.ask(None, Method::GET, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    cluster.readiness.set(true);
    assert_eq!(cluster.ask(None, Method::GET, "/readyz").await.0, StatusCode::OK);
}
