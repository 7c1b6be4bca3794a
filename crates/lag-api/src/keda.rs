//! KEDA's external scaler (gRPC). Unknown lag is `UNAVAILABLE`, so that KEDA's own fallback acts; never 0.
//!
//! A trigger's metadata: `metric` (a metric of the group; default `kafka_lag_total`), `topic` (default: both), `target`
//! (records per pod), `activation` (records beyond which there must be a pod; default 0).

mod activity;
mod trigger;

use std::pin::Pin;

use futures::Stream;
use process::Shutdown;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::look::Sources;
use activity::Activity;
use trigger::Trigger;

/// Generated from `proto/externalscaler.proto`.
#[expect(missing_docs, reason = "generated")]
pub mod proto {
    tonic::include_proto!("externalscaler");
}

use proto::external_scaler_server::{ExternalScaler, ExternalScalerServer};
use proto::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};

/// Answers KEDA.
#[derive(Debug, Clone)]
pub struct Scaler {
    sources: Sources,
    shutdown: Shutdown,
}

impl Scaler {
    /// The gRPC service. Its streams end when a stop is requested.
    #[must_use]
    pub fn service(sources: Sources, shutdown: Shutdown) -> ExternalScalerServer<Self> {
        ExternalScalerServer::new(Self { sources, shutdown })
    }

    fn is_active(&self, trigger: &Trigger) -> Result<bool, Status> {
        Ok(trigger.value(&self.sources.look())? > trigger.activation)
    }
}

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let trigger = Trigger::read(&request.into_inner(), &self.sources.group)?;
        Ok(Response::new(IsActiveResponse { result: self.is_active(&trigger)? }))
    }

    type StreamIsActiveStream = Pin<Box<dyn Stream<Item = Result<IsActiveResponse, Status>> + Send>>;

    /// Says at once whether it is active, and from then on whenever that changes; that it is not active any more, after
    /// some quiet seconds. While the lag is unknown it says nothing.
    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let trigger = Trigger::read(&request.into_inner(), &self.sources.group)?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(push(self.clone(), trigger, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let trigger = Trigger::read(&request.into_inner(), &self.sources.group)?;
        let target = trigger.target()?;
        let spec = MetricSpec {
            metric_name: trigger.metric.name().to_owned(),
            target_size: i64::try_from(target).unwrap_or(i64::MAX),
            target_size_float: float(target),
        };
        Ok(Response::new(GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let request = request.into_inner();
        let trigger = Trigger::read(&request.scaled_object_ref.unwrap_or_default(), &self.sources.group)?;
        if request.metric_name != trigger.metric.name() {
            return Err(Status::not_found(format!(
                "this trigger has the metric {}, not {:?}",
                trigger.metric.name(),
                request.metric_name
            )));
        }
        let value = trigger.value(&self.sources.look())?;
        // KEDA prefers the float where it is above 0; old versions know the integer only.
        let value = MetricValue {
            metric_name: request.metric_name,
            metric_value: i64::try_from(value).unwrap_or(i64::MAX),
            metric_value_float: float(value),
        };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }
}

/// Ends when nobody listens any more, when the sampler has ended, or when a stop is requested.
async fn push(scaler: Scaler, trigger: Trigger, listener: mpsc::Sender<Result<IsActiveResponse, Status>>) {
    let mut sampled = scaler.sources.sampled.clone();
    let mut activity = Activity::default();
    loop {
        sampled.mark_unchanged();
        if let Some(result) = activity.look(scaler.is_active(&trigger).ok(), Instant::now())
            && listener.send(Ok(IsActiveResponse { result })).await.is_err()
        {
            return;
        }
        tokio::select! {
            changed = sampled.changed() => if changed.is_err() { return },
            () = listener.closed() => return,
            () = scaler.shutdown.requested() => return,
        }
    }
}

/// Exact below 2^53 records.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 records to process")]
fn float(records: u64) -> f64 {
    records as f64
}

#[cfg(test)]
mod tests;
