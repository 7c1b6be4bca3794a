//! A real gRPC client, over a real connection.

use std::collections::HashMap;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request};

use super::proto::external_scaler_client::ExternalScalerClient;
use super::*;
use crate::testing::{Publish, sampled, sources};

struct Keda {
    client: ExternalScalerClient<Channel>,
    publish: Publish,
    shutdown: Shutdown,
}

impl Keda {
    async fn connect() -> Self {
        let ((sources, publish), shutdown) = (sources(), Shutdown::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(Scaler::service(sources, shutdown.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let channel = Endpoint::try_from(address).unwrap().connect().await.unwrap();
        let client = ExternalScalerClient::new(channel);
        Self { client, publish, shutdown }
    }

    fn lag(&self, records: u64) {
        self.publish.sampled.send_replace(sampled(&[(records, None), (0, None)]));
    }

    async fn metrics(&mut self, metadata: &[(&str, &str)], name: &str) -> Result<MetricValue, Status> {
        let request =
            GetMetricsRequest { scaled_object_ref: Some(object(metadata)), metric_name: name.to_owned() };
        Ok(self.client.get_metrics(request).await?.into_inner().metric_values.remove(0))
    }
}

fn object(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let scaler_metadata: HashMap<String, String> =
        metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    ScaledObjectRef { name: "kstreams".to_owned(), namespace: "king".to_owned(), scaler_metadata }
}

#[tokio::test]
async fn both_number_fields_are_filled() {
    let mut keda = Keda::connect().await;
    keda.lag(70_000);
    let spec = keda.client.get_metric_spec(object(&[("target", "100000")])).await.unwrap().into_inner();
    let [spec] = spec.metric_specs.as_slice() else { panic!("{spec:?}") };
    assert_eq!(
        (spec.metric_name.as_str(), spec.target_size, spec.target_size_float),
        ("kafka_lag_total", 100_000, 100_000.0)
    );
    let value = keda.metrics(&[], "kafka_lag_total").await.unwrap();
    assert_eq!((value.metric_value, value.metric_value_float), (140_000, 140_000.0));
}

#[tokio::test]
async fn a_trigger_chooses_its_metric_and_topic() {
    let mut keda = Keda::connect().await;
    keda.lag(7);
    for (metadata, name, expected) in [
        (&[("metric", "kafka_lag")][..], "kafka_lag", 14),
        (&[("metric", "kafka_lag"), ("topic", "GAME-FRAME-RS")], "kafka_lag", 7),
        (&[("metric", "kafka_lag_max_partition")], "kafka_lag_max_partition", 7),
    ] {
        assert_eq!(keda.metrics(metadata, name).await.unwrap().metric_value, expected, "{metadata:?}");
    }
    assert_eq!(keda.metrics(&[], "kafka_lag").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn what_makes_no_sense_is_named() {
    let mut keda = Keda::connect().await;
    for (metadata, expected) in [
        (&[("metric", "lag")][..], "kafka_lag_total"),
        (&[("target", "1e5")], "1e5"),
        (&[("target", "0")], "above 0"),
        (&[], "above 0"),
        (&[("topic", "GAME-FRAME-RQ")], "GAME-FRAME-RQ"),
        (&[("metric", "kafka_lag"), ("topic", "OTHER")], "OTHER"),
        (&[("target", "1"), ("activation", "-1")], "-1"),
    ] {
        let error = keda.client.get_metric_spec(object(metadata)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{metadata:?}");
        assert!(error.message().contains(expected), "{metadata:?}: {error}");
    }
}

#[tokio::test]
async fn unknown_lag_is_unavailable_and_never_0() {
    let mut keda = Keda::connect().await;
    assert_eq!(keda.metrics(&[], "kafka_lag_total").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(keda.client.is_active(object(&[])).await.unwrap_err().code(), Code::Unavailable);
    // What the HPA is made from does not depend on it.
    assert!(keda.client.get_metric_spec(object(&[("target", "5")])).await.is_ok());
}

#[tokio::test]
async fn it_is_active_beyond_its_activation() {
    let mut keda = Keda::connect().await;
    for (records, activation, expected) in
        [(0, "0", false), (1, "0", true), (5, "10", false), (6, "10", true)]
    {
        keda.lag(records);
        let active = keda.client.is_active(object(&[("activation", activation)])).await.unwrap();
        assert_eq!(active.into_inner().result, expected, "{records} {activation}");
    }
}

#[tokio::test]
async fn a_stream_tells_each_change_and_ends_with_the_process() {
    let mut keda = Keda::connect().await;
    let mut stream = keda.client.stream_is_active(Request::new(object(&[]))).await.unwrap().into_inner();
    // Unknown: nothing to say. Then the first word, and only what changes it.
    for (records, expected) in [(0, false), (1, true)] {
        keda.lag(records);
        assert_eq!(stream.message().await.unwrap().map(|active| active.result), Some(expected));
    }
    let (quiet_since, mut samples) = (Instant::now(), tokio::time::interval(Duration::from_millis(100)));
    let told = loop {
        tokio::select! {
            told = stream.message() => break told,
            _ = samples.tick() => keda.lag(0),
        }
    };
    assert_eq!(told.unwrap().map(|active| active.result), Some(false));
    assert!(quiet_since.elapsed() >= activity::QUIET);
    keda.publish.sampled.send_replace(model::lag::Sampled::default());
    keda.lag(9);
    assert_eq!(stream.message().await.unwrap().map(|active| active.result), Some(true));
    keda.shutdown.request();
    assert_eq!(stream.message().await.unwrap(), None);
}
