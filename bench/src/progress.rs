//! How far a consumer group has come on topics of its own: the sum of its committed offsets.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use kafka::Brokers;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::error::KafkaResult;
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

use crate::measured::Measured;
use crate::processes::Usage;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Short beside what is measured, long enough to cost nothing.
const LOOK: Duration = Duration::from_millis(20);
/// How long a group may come no further; a JVM that starts needs some seconds.
const STILL_LIMIT: Duration = Duration::from_secs(60);

/// What is asked of all partitions at once.
type Question = fn(&BaseConsumer, TopicPartitionList) -> KafkaResult<TopicPartitionList>;

/// A client that asks; it is no member of the group.
#[derive(Clone)]
pub(crate) struct Progress {
    consumer: Arc<BaseConsumer>,
    partitions: TopicPartitionList,
}

impl Progress {
    /// Of a group on topics that have so many partitions each.
    pub(crate) fn of(brokers: &Brokers, group: &str, topics: &[String], each: u32) -> Result<Self> {
        let consumer = Arc::new(kafka::client::sampling(brokers, "bench", group).create()?);
        let mut partitions = TopicPartitionList::new();
        let last = i32::try_from(each).unwrap_or(i32::MAX) - 1;
        topics.iter().for_each(|topic| partitions.add_partition_range(topic, 0, last));
        Ok(Self { consumer, partitions })
    }

    /// Records that the group is done with; 0 where it has not committed yet.
    pub(crate) async fn committed(&self) -> Result<u64> {
        self.ask(|consumer, partitions| consumer.committed_offsets(partitions, TIMEOUT)).await
    }

    /// Records that there are, when the logs begin at 0.
    pub(crate) async fn ends(&self) -> Result<u64> {
        self.ask(|consumer, mut partitions| {
            partitions.set_all_offsets(Offset::End)?;
            consumer.offsets_for_times(partitions, TIMEOUT)
        })
        .await
    }

    /// A broker that has just started may take a moment to know the leaders of new topics and the group's coordinator.
    async fn ask(&self, question: Question) -> Result<u64> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let Self { consumer, partitions } = self.clone();
            match tokio::task::spawn_blocking(move || question(&consumer, partitions)).await? {
                Err(_) if Instant::now() < deadline => sleep(10 * LOOK).await,
                answer => return Ok(sum(&answer?)),
            }
        }
    }
}

/// Waits until so many records are committed; returns how many there are then, and what the process has used.
pub(crate) async fn wait_for(
    process: &mut Measured,
    progress: &Progress,
    records: u64,
) -> Result<(u64, Usage)> {
    let (mut committed, mut moved) = (0, Instant::now());
    loop {
        let now = progress.committed().await?;
        let usage = process.usage()?;
        if now >= records {
            return Ok((now, usage));
        }
        if now > committed {
            (committed, moved) = (now, Instant::now());
        }
        ensure!(
            moved.elapsed() < STILL_LIMIT,
            "it came no further than {committed} of {records} records:\n{}",
            process.tail()
        );
        sleep(LOOK).await;
    }
}

fn sum(list: &TopicPartitionList) -> u64 {
    let offset = |raw: Option<i64>| raw.and_then(|raw| u64::try_from(raw).ok()).unwrap_or(0);
    list.elements().iter().map(|element| offset(element.offset().to_raw())).sum()
}
