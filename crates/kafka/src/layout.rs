//! How many partitions a topic has, and which of them have a leader. Partitions can be added at any time, and a broker
//! that goes takes those away that it alone has.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};

use crate::client::Tracing;

/// Whether each partition of a topic has a leader, by number.
pub(crate) type Leaders = Vec<bool>;

/// Asks one broker; blocks. `None` where there is no such topic.
pub(crate) fn leaders(
    consumer: &BaseConsumer<Tracing>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<Option<Leaders>> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().map(Code::from) {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
        // A topic that is just being made.
        Some(Code::LeaderNotAvailable) if found.partitions().is_empty() => return Ok(None),
        Some(Code::LeaderNotAvailable) | None => {}
        Some(code) => return Err(KafkaError::MetadataFetch(code)),
    }
    let mut leaders: Leaders = vec![false; found.partitions().len()];
    for partition in found.partitions() {
        let number = usize::try_from(partition.id()).ok();
        if let Some(has_leader) = number.and_then(|number| leaders.get_mut(number)) {
            *has_leader = partition.leader() >= 0;
        }
    }
    Ok((!leaders.is_empty()).then_some(leaders))
}
