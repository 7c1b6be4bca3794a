//! `KING-HISTORY`: a summary of each second, so that ten minutes of picture survive the server's restart.
//!
//! What is in a record is the caller's business; here it is bytes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::Millis;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{self, Brokers, Lasting, Tracing};
use crate::refusal::Refusal;
use crate::topics::HISTORY;
use crate::{Error, blocking};

/// Reading must not hold up a start for long: what has not come by then is left out.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// Ten minutes of full records need about a tenth of this; the oldest are left out beyond it.
const SIZE_LIMIT: usize = 16 * 1024 * 1024;
/// A record that is a minute late is still worth having.
const MESSAGE_TIMEOUT: &str = "60000";

/// Refused deliveries are said once for the same cause.
impl ProducerContext<NoCustomPartitioner> for Tracing {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, record)) = result else { return };
        let refusal = Refusal::new(record.topic(), error);
        if self.is_news(&refusal, Instant::now()) {
            tracing::warn!("records are not written to {refusal}");
        }
    }
}

/// Appends to the history.
pub struct HistoryWriter {
    producer: Lasting<ThreadedProducer<Tracing>>,
    topic: String,
}

impl HistoryWriter {
    /// A writer of `KING-HISTORY`.
    pub fn new(brokers: &Brokers, client_id: &str) -> Result<Self, Error> {
        Self::with_topic(brokers, client_id, HISTORY)
    }

    /// A writer of a topic with another name.
    pub fn with_topic(brokers: &Brokers, client_id: &str, topic: &str) -> Result<Self, Error> {
        let mut config = client::producer(brokers, client_id);
        config.set("queue.buffering.max.messages", "100").set("message.timeout.ms", MESSAGE_TIMEOUT);
        Ok(Self { producer: Lasting::new(config)?, topic: topic.to_owned() })
    }

    /// Appends one record without waiting; a later failure is logged. The record's time is `at_ms`.
    pub fn append(&self, at_ms: Millis, value: &[u8]) -> Result<(), Error> {
        let timestamp = i64::try_from(at_ms).unwrap_or(i64::MAX);
        let record =
            BaseRecord::<'_, (), _>::to(&self.topic).partition(0).payload(value).timestamp(timestamp);
        let failed = |source| Error::Produce { topic: self.topic.clone(), source };
        self.producer.get()?.send(record).map_err(|(source, _)| failed(source))
    }
}

/// The records since a time, oldest first; bounded in time and in size.
pub async fn read_recent(brokers: &Brokers, since_ms: Millis) -> Result<Vec<Vec<u8>>, Error> {
    read_recent_of(brokers, HISTORY, since_ms).await
}

/// Like [`read_recent`], from a topic with another name.
pub async fn read_recent_of(brokers: &Brokers, topic: &str, since_ms: Millis) -> Result<Vec<Vec<u8>>, Error> {
    let mut config = client::reader(brokers, "history");
    config.set("group.id", "history").set("enable.partition.eof", "true");
    let topic = topic.to_owned();
    blocking(move || read(&client::create(&config)?, &topic, since_ms)).await
}

fn read(consumer: &BaseConsumer<Tracing>, topic: &str, since_ms: Millis) -> Result<Vec<Vec<u8>>, Error> {
    let failed = |source| Error::Assign { topic: topic.to_owned(), source };
    let mut times = TopicPartitionList::new();
    let since = Offset::Offset(i64::try_from(since_ms).unwrap_or(i64::MAX));
    times.add_partition_offset(topic, 0, since).map_err(failed)?;
    let start = consumer.offsets_for_times(times, client::REQUEST_TIMEOUT).map_err(Error::ListOffsets)?;
    let elements = start.elements();
    match elements.first() {
        Some(element) => element.error().map_err(Error::ListOffsets)?,
        None => return Ok(Vec::new()),
    }
    consumer.assign(&start).map_err(failed)?;
    Ok(collect(consumer))
}

/// Reads to the end of the log, or until a limit is met.
fn collect(consumer: &BaseConsumer<Tracing>) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + READ_LIMIT;
    let mut records = VecDeque::new();
    let (mut size, mut left_out) = (0, 0);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tracing::warn!(records = records.len(), "the history was not read to its end in time");
            break;
        }
        match consumer.poll(left) {
            Some(Ok(record)) => {
                let value = record.payload().unwrap_or_default().to_vec();
                size += value.len();
                records.push_back(value);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) => tracing::debug!(%error, "the history does not answer"),
            None => {}
        }
        while size > SIZE_LIMIT {
            size -= records.pop_front().map_or(size, |oldest: Vec<u8>| oldest.len());
            left_out += 1;
        }
    }
    if left_out > 0 {
        tracing::warn!(left_out, "the history is larger than it should be: its oldest seconds are left out");
    }
    records.into()
}
