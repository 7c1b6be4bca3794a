//! A partition's records as Kafka keeps them, and reading all of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::rdkafka::TopicPartitionList;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::error::KafkaError;
use kafka::rdkafka::message::{BorrowedMessage, Headers, Message};
use kafka::rdkafka::topic_partition_list::Offset;
use kafka::{Brokers, client};
use tokio::time::Instant;

use crate::broker;

/// One record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: i64,
    /// Its record time, if it has one.
    pub timestamp: Option<i64>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its value, if it has one.
    pub value: Option<Vec<u8>>,
    /// Its headers, of those that are text.
    pub headers: Vec<(String, String)>,
}

impl Record {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter).filter_map(|header| {
            Some((header.key.to_owned(), String::from_utf8(header.value?.to_vec()).ok()?))
        });
        Self {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.collect(),
        }
    }
}

/// How long the ends of all partitions may take; a broker that is being started again keeps them away for as long as
/// that takes.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Reads what is committed of a topic, from its beginning to its present end: one list a partition.
///
/// # Errors
/// When the topic cannot be read to its end in time.
pub async fn read(brokers: &Brokers, topic: &str) -> Result<Vec<Vec<Record>>> {
    let mut config = client::reader(brokers, "proof");
    config.set("group.id", "proof").set("enable.partition.eof", "true").set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = config.create().context("cannot make a reader")?;
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || read_all(&consumer, &topic)).await?
}

fn read_all(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Vec<Record>>> {
    let deadline = Instant::now() + LIMIT;
    let partitions = loop {
        match broker::partitions(consumer, topic) {
            Ok(partitions @ 1..) => break partitions,
            // A broker that is being started again.
            _ => ensure!(Instant::now() < deadline, "{topic} is not there"),
        }
        std::thread::sleep(POLL);
    };
    let mut assignment = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions)? {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut records = vec![Vec::new(); usize::try_from(partitions)?];
    let mut at_end = vec![false; records.len()];
    while at_end.contains(&false) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => records[usize::try_from(message.partition())?].push(Record::of(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => at_end[usize::try_from(partition)?] = true,
            // A broker that is being started again: the client goes on by itself.
            Some(Err(_)) | None => {
                ensure!(Instant::now() < deadline, "{topic} is not read to its end in {LIMIT:?}");
            }
        }
    }
    Ok(records)
}
