//! How old records are when a consumer has them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kafka::Brokers;
use kafka::rdkafka::Message;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::clock::now_ms;
use crate::distribution::Distribution;

/// Seconds after the first record that do not count: a JVM warms up.
pub(crate) const SETTLE_S: u64 = 5;
const POLL: Duration = Duration::from_millis(100);
/// How long the first record may take.
const FIRST_LIMIT: Duration = Duration::from_secs(60);

/// Milliseconds from the records' own timestamps until they are here, over some seconds less a margin in which the
/// producer may end.
pub(crate) async fn watch(
    brokers: &Brokers,
    topics: &[String],
    partitions: u32,
    seconds: u64,
) -> Result<Distribution> {
    let mut config = kafka::client::reader(brokers, "bench-arrivals");
    config.set("group.id", "bench-arrivals").set("fetch.min.bytes", "1");
    let consumer: BaseConsumer = config.create()?;
    let mut assignment = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..i32::try_from(partitions)? {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&assignment)?;
    let length = Duration::from_secs(SETTLE_S + seconds).saturating_sub(Duration::from_secs(1));
    let ages = tokio::task::spawn_blocking(move || collect(&consumer, length)).await??;
    Distribution::of("arrivals", ages)
}

fn collect(consumer: &BaseConsumer, length: Duration) -> Result<Vec<f64>> {
    let (began, mut first) = (Instant::now(), None);
    let mut ages = Vec::new();
    loop {
        let record = consumer.poll(POLL).transpose()?;
        if let Some(sent_at) = record.and_then(|record| record.timestamp().to_millis()) {
            let since = first.get_or_insert_with(Instant::now).elapsed();
            if since >= Duration::from_secs(SETTLE_S) {
                ages.push(now_ms() - sent_at as f64);
            }
        }
        match first {
            Some(first) if first.elapsed() >= length => return Ok(ages),
            None => ensure!(began.elapsed() < FIRST_LIMIT, "no record came"),
            Some(_) => {}
        }
    }
}
