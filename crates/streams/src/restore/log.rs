//! The logs of the inputs: where they begin and end.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::client::Tracing;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::position::Log;
use crate::ends::offsets;

/// The logs of a task: requests, responses.
pub(super) type Logs = [Log; 2];

/// Asks where the logs begin and end: by task, or why a task has no answer.
pub(super) fn ask(
    consumer: &BaseConsumer<Tracing>,
    partitions: TopicPartitionList,
    topics: &[String; 2],
    limit: Duration,
) -> KafkaResult<BTreeMap<u32, Result<Logs, KafkaError>>> {
    let starts = offsets(consumer, partitions.clone(), Offset::Beginning, limit)?;
    let ends = offsets(consumer, partitions, Offset::End, limit)?;
    let mut tasks = BTreeMap::new();
    for (start, end) in starts.elements().iter().zip(&ends.elements()) {
        let (Ok(partition), Some(side)) =
            (u32::try_from(start.partition()), topics.iter().position(|topic| topic == start.topic()))
        else {
            continue;
        };
        let task = tasks.entry(partition).or_insert(Ok([Log { start: 0, end: 0 }; 2]));
        let known = start.error().and(end.error()).and_then(|()| match (start.offset(), end.offset()) {
            (Offset::Offset(start), Offset::Offset(end)) => Ok(Log { start, end }),
            _ => Err(KafkaError::OffsetFetch(rdkafka::error::RDKafkaErrorCode::NoOffset)),
        });
        match (known, &mut *task) {
            (Ok(log), Ok(logs)) => logs[side] = log,
            (Ok(_), Err(_)) => {}
            (Err(problem), _) => *task = Err(problem),
        }
    }
    Ok(tasks)
}
