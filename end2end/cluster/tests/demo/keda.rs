//! The external scaler, asked by a gRPC client as KEDA is one; and lag-api as the overlay `keda` has it.

use std::collections::HashMap;
use std::process::Command as Process;
use std::time::Duration;

use cluster_tests::Demo;
use cluster_tests::demo::NAMESPACE;
use lag_api::keda::proto::external_scaler_client::ExternalScalerClient;
use lag_api::keda::proto::{GetMetricsRequest, ScaledObjectRef};
use model::command::Command;
use tonic::Status;
use tonic::transport::Channel;

use crate::manifests::{copy, run};

const PORT: u16 = 9443;
const A_WHILE: Duration = Duration::from_secs(60);

async fn client(demo: &Demo) -> ExternalScalerClient<Channel> {
    let host = demo.lag_api.trim_start_matches("http://").split(':').next().unwrap();
    let endpoint = Channel::from_shared(format!("http://{host}:{PORT}")).unwrap();
    ExternalScalerClient::new(endpoint.connect().await.unwrap())
}

fn trigger(activation: &str) -> ScaledObjectRef {
    let metadata = [("metric", "kafka_lag_total"), ("target", "4000"), ("activation", activation)];
    ScaledObjectRef {
        name: "kstreams".to_owned(),
        namespace: "king-of-scaling".to_owned(),
        scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    }
}

/// The lag that KEDA would get.
pub(crate) async fn value(demo: &Demo) -> Result<f64, Status> {
    let request = GetMetricsRequest {
        scaled_object_ref: Some(trigger("0")),
        metric_name: "kafka_lag_total".to_owned(),
    };
    let answer = client(demo).await.get_metrics(request).await?.into_inner();
    let value = &answer.metric_values[0];
    #[expect(clippy::cast_precision_loss, reason = "no lag is that large")]
    let whole = value.metric_value as f64;
    assert!((value.metric_value_float - whole).abs() < 1.0, "both fields say the same: {value:?}");
    Ok(value.metric_value_float)
}

#[tokio::test(flavor = "multi_thread")]
async fn keda_gets_target_value_and_activity() {
    let demo = Demo::calm().await;
    demo.press(Command::Autoscaler { enabled: false }).await;
    demo.without_load().await;
    let mut scaler = client(&demo).await;
    let spec = scaler.get_metric_spec(trigger("0")).await.unwrap().into_inner().metric_specs;
    let spec: HashMap<_, _> = spec.into_iter().map(|spec| (spec.metric_name, spec.target_size)).collect();
    assert_eq!(spec, HashMap::from([("kafka_lag_total".to_owned(), 4_000)]));
    assert_eq!(value(&demo).await.unwrap(), 0.0);
    assert!(!scaler.is_active(trigger("0")).await.unwrap().into_inner().result);

    // Pushed, not asked for: it says that pods are needed as soon as there is lag.
    let mut active = scaler.stream_is_active(trigger("5000")).await.unwrap().into_inner();
    assert!(!active.message().await.unwrap().unwrap().result);
    demo.press(Command::Base { frames_per_second: 4_000 }).await;
    let pushed = async { while !active.message().await.unwrap().unwrap().result {} };
    tokio::time::timeout(A_WHILE, pushed).await.expect("activity is pushed");
    assert!(value(&demo).await.unwrap() > 5_000.0);
    demo.press(Command::Base { frames_per_second: 400 }).await;
}

/// The objects of these kinds that an overlay has, of lag-api's own rights and registration, as text to apply.
fn of_lag_api(overlay: &str, kinds: &[&str]) -> String {
    let copy = copy().unwrap();
    let folder = copy.path().join("deploy/overlays").join(overlay);
    let all = run(Process::new("kubectl").arg("kustomize").arg(folder), None).unwrap();
    let is_asked_for = |document: &&str| {
        let starts = |line: &str| document.lines().any(|found| found.starts_with(line));
        kinds.iter().any(|kind| starts(&format!("kind: {kind}")))
            && (starts("  name: king-of-scaling-lag-api") || starts("  name: v1beta"))
    };
    all.split("\n---\n").filter(is_asked_for).collect::<Vec<_>>().join("\n---\n")
}

/// Starts lag-api anew and waits until it is ready.
fn restart() -> Result<String, String> {
    let rollout = |arguments: &[&str]| {
        let mut kubectl = Process::new("kubectl");
        run(kubectl.args(["--namespace", NAMESPACE, "rollout"]).args(arguments), None)
    };
    rollout(&["restart", "deployment/lag-api"])?;
    rollout(&["status", "deployment/lag-api", "--timeout=60s"])
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_api_is_ready_with_the_rights_that_the_overlay_keda_leaves_it() {
    let demo = Demo::calm().await;
    let apply = |objects: &str| {
        run(Process::new("kubectl").args(["apply", "--filename", "-"]), Some(objects)).unwrap();
    };
    let (rights, apis) = (["ClusterRole", "ClusterRoleBinding"], ["APIService"]);
    let before = [of_lag_api("local", &rights), of_lag_api("local", &apis)].join("\n---\n");
    assert_eq!(of_lag_api("keda", &apis), "", "the metrics APIs are KEDA's, or nobody's");
    let narrow = of_lag_api("keda", &rights);
    assert_ne!(narrow, of_lag_api("local", &rights));
    let mut delete = Process::new("kubectl");
    run(delete.args(["delete", "--filename", "-"]), Some(&before)).unwrap();
    apply(&narrow);
    let is_ready = restart();
    apply(&before);
    let is_back = restart();
    is_ready.unwrap();
    is_back.unwrap();
    demo.agree().await;
}
