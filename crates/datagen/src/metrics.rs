//! What `/metrics` tells of the load.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The load, as it should be and as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// Frames per second asked for.
    pub(crate) target: Gauge,
    /// Frames per second of which Kafka acknowledged both records, over the last second.
    pub(crate) achieved: Gauge,
    /// 1 while fewer frames are acknowledged than asked for.
    pub(crate) behind: Gauge,
    /// Requests that Kafka acknowledged.
    pub(crate) requests: Counter,
    /// Responses that Kafka acknowledged.
    pub(crate) responses: Counter,
    /// Times that the queue was full and the generator waited.
    pub(crate) waits: Counter,
    /// Records that Kafka refused for good.
    pub(crate) refused: Counter,
    /// Frames that were due while nothing could be sent for long, and that are not made up for.
    pub(crate) left_out: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("datagen");
        registry.register("target_frames_per_second", "Frames per second asked for", metrics.target.clone());
        registry.register(
            "achieved_frames_per_second",
            "Frames per second of which Kafka acknowledged both records, over the last second",
            metrics.achieved.clone(),
        );
        registry.register(
            "behind",
            "1 while fewer frames are acknowledged than asked for",
            metrics.behind.clone(),
        );
        registry.register("requests", "Requests that Kafka acknowledged", metrics.requests.clone());
        registry.register("responses", "Responses that Kafka acknowledged", metrics.responses.clone());
        registry.register(
            "queue_full",
            "Times that the queue was full and the generator waited",
            metrics.waits.clone(),
        );
        registry.register("refused", "Records that Kafka refused for good", metrics.refused.clone());
        registry.register(
            "left_out",
            "Frames that were due while nothing could be sent for long, and that are not made up for",
            metrics.left_out.clone(),
        );
        metrics
    }
}
