//! How far a consumer group has come on topics of its own: the sum of its committed offsets.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use kafka::Brokers;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use model::PARTITIONS;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A client that asks; it is no member of the group.
#[derive(Clone)]
pub(crate) struct Progress {
    consumer: Arc<BaseConsumer>,
    partitions: TopicPartitionList,
}

impl Progress {
    /// Of a group on topics with the show's number of partitions.
    pub(crate) fn of(brokers: &Brokers, group: &str, topics: &[&str]) -> Result<Self> {
        let consumer = Arc::new(kafka::client::sampling(brokers, "bench", group).create()?);
        let mut partitions = TopicPartitionList::new();
        let last = i32::try_from(PARTITIONS).unwrap_or(i32::MAX) - 1;
        topics.iter().for_each(|topic| partitions.add_partition_range(topic, 0, last));
        Ok(Self { consumer, partitions })
    }

    /// Records that the group is done with; 0 where it has not committed yet.
    pub(crate) async fn committed(&self) -> Result<u64> {
        let Self { consumer, partitions } = self.clone();
        let list =
            tokio::task::spawn_blocking(move || consumer.committed_offsets(partitions, TIMEOUT)).await??;
        Ok(sum(&list))
    }

    /// Records that there are, when the logs begin at 0.
    pub(crate) async fn ends(&self) -> Result<u64> {
        let Self { consumer, mut partitions } = self.clone();
        partitions.set_all_offsets(Offset::End)?;
        let list =
            tokio::task::spawn_blocking(move || consumer.offsets_for_times(partitions, TIMEOUT)).await??;
        Ok(sum(&list))
    }
}

fn sum(list: &TopicPartitionList) -> u64 {
    let offset = |raw: Option<i64>| raw.and_then(|raw| u64::try_from(raw).ok()).unwrap_or(0);
    list.elements().iter().map(|element| offset(element.offset().to_raw())).sum()
}
