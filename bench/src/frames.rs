//! Frames into the two topics of a run, as fast as Kafka takes them.

use std::time::Duration;

use anyhow::Result;
use kafka::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use workload::{FrameHeader, avro};

use crate::broker::Broker;

const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// The topics of the requests and of the responses of all runs with this prefix.
pub(crate) fn inputs(prefix: &str) -> [String; 2] {
    ["RQ", "RS"].map(|name| format!("{prefix}-{name}"))
}

/// Which of the two topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// The requests.
    Request,
    /// The responses.
    Response,
}

/// Puts frames into the two topics; when the queue is full, it waits.
pub(crate) struct Sender {
    producer: BaseProducer,
    requests: String,
    responses: String,
}

impl Sender {
    /// A sender with this `linger.ms`.
    pub(crate) fn new(broker: &Broker, prefix: &str, linger_ms: &str) -> Result<Self> {
        let mut config = kafka::client::producer(&broker.brokers, "bench");
        config.set("linger.ms", linger_ms).set("batch.size", "262144").set("acks", "all");
        let [requests, responses] = inputs(prefix);
        Ok(Self { producer: config.create()?, requests, responses })
    }

    /// Sends one half of a frame, with the frame's time.
    pub(crate) fn send(&self, half: Half, partition: u32, header: &FrameHeader, body: &[u8]) -> Result<()> {
        let topic = if half == Half::Request { &self.requests } else { &self.responses };
        let key = avro::encode_header(header);
        let mut record = BaseRecord::to(topic)
            .partition(i32::try_from(partition)?)
            .timestamp(header.ts)
            .key(key.as_slice())
            .payload(body);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    record = returned;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Lets the client do what it has to do.
    pub(crate) fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until Kafka has everything.
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(FLUSH_LIMIT)?)
    }
}
