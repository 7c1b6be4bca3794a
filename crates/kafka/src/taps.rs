//! Players' frames on their way into Kafka: a request and its response, to the partition that their machine belongs to.
//!
//! The queue is short and nothing is retried for long: a tap that Kafka does not take soon is answered with an error,
//! which its player sees.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::Error;
use crate::client::{self, Brokers, Lasting, Tracing};
use crate::refusal::Refusal;

/// Records, not taps: a tap is two.
const QUEUE: &str = "4000";
const TIMEOUT: &str = "5000";

/// Where a tap's request went: with these a server knows when the tap was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The partition of both records.
    pub partition: u32,
    /// The offset of the request.
    pub offset: i64,
}

/// One tap, encoded.
#[derive(Debug, Clone, Copy)]
pub struct Tap<'a> {
    /// The partition that its machine belongs to.
    pub partition: u32,
    /// The header, the key of both records.
    pub key: &'a [u8],
    /// The value of the request.
    pub request: &'a [u8],
    /// The value of the response.
    pub response: &'a [u8],
}

/// Writes taps. Cheap to clone; all clones share one connection and one queue.
#[derive(Clone)]
pub struct Taps {
    producer: Lasting<FutureProducer<Tracing>>,
    inputs: [String; 2],
}

impl Taps {
    /// A writer of both inputs.
    pub fn new(brokers: &Brokers, client_id: &str) -> Result<Self, Error> {
        Self::with_inputs(brokers, client_id, workload::Input::ALL.map(|input| input.topic().to_owned()))
    }

    /// A writer of topics with other names: requests, responses.
    pub fn with_inputs(brokers: &Brokers, client_id: &str, inputs: [String; 2]) -> Result<Self, Error> {
        let mut config = client::producer(brokers, client_id);
        config
            .set("delivery.report.only.error", "false")
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", QUEUE)
            .set("message.timeout.ms", TIMEOUT);
        Ok(Self { producer: Lasting::new(config)?, inputs })
    }

    /// Writes a tap, and returns when all replicas have both its records; at the latest after five seconds.
    pub async fn tap(&self, tap: Tap<'_>) -> Result<Receipt, Error> {
        let [requests, responses] = &self.inputs;
        let request = self.send(requests, tap.partition, tap.key, tap.request)?;
        let response = self.send(responses, tap.partition, tap.key, tap.response)?;
        match tokio::join!(delivered(requests, request), delivered(responses, response)) {
            (Ok(offset), Ok(_)) => Ok(Receipt { partition: tap.partition, offset }),
            (Err(request), Err(response)) => Err(request.or_more_telling(response).into()),
            (Err(refusal), Ok(_)) | (Ok(_), Err(refusal)) => Err(refusal.into()),
        }
    }

    fn send(&self, topic: &str, partition: u32, key: &[u8], value: &[u8]) -> Result<DeliveryFuture, Error> {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let record = FutureRecord::to(topic).partition(partition).key(key).payload(value);
        self.producer.get()?.send_result(record).map_err(|(source, _)| match source {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => {
                Error::QueueFull { topic: topic.to_owned() }
            }
            source => Error::Produce { topic: topic.to_owned(), source },
        })
    }
}

/// The offset that a record got.
async fn delivered(topic: &str, record: DeliveryFuture) -> Result<i64, Refusal> {
    let failed = |source| Refusal::new(topic, &source);
    match record.await {
        // Without an offset nobody can tell whether the record is in the log, or when it is counted.
        Ok(Ok(delivery)) if delivery.offset < 0 => {
            Err(failed(KafkaError::MessageProduction(RDKafkaErrorCode::OutOfOrderSequenceNumber)))
        }
        Ok(Ok(delivery)) => Ok(delivery.offset),
        Ok(Err((source, _))) => Err(failed(source)),
        Err(_) => Err(failed(KafkaError::Canceled)),
    }
}
