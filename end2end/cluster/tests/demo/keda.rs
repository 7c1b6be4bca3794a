//! The external scaler, asked by a gRPC client as KEDA is one.

use std::collections::HashMap;
use std::time::Duration;

use cluster_tests::Demo;
use lag_api::keda::proto::external_scaler_client::ExternalScalerClient;
use lag_api::keda::proto::{GetMetricsRequest, ScaledObjectRef};
use model::command::Command;
use tonic::Status;
use tonic::transport::Channel;

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
