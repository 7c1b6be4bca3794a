//! The logs of the inputs: where they begin and end, and whether they are still the same ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka::client::Tracing;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::position::{Log, SameLog};
use crate::changelog::{LastRead, Positions};
use crate::ends::offsets;
use crate::pairs::signed;

/// How long reading single records may take.
const LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// The logs of a pair: requests, responses.
pub(super) type Logs = [Log; 2];

/// Asks where the logs begin and end: by pair, or why a pair has no answer.
pub(super) fn ask(
    consumer: &BaseConsumer<Tracing>,
    partitions: TopicPartitionList,
    topics: &[String; 2],
    limit: Duration,
) -> KafkaResult<BTreeMap<u32, Result<Logs, KafkaError>>> {
    let starts = offsets(consumer, partitions.clone(), Offset::Beginning, limit)?;
    let ends = offsets(consumer, partitions, Offset::End, limit)?;
    let mut pairs = BTreeMap::new();
    for (start, end) in starts.elements().iter().zip(&ends.elements()) {
        let (Ok(partition), Some(side)) =
            (u32::try_from(start.partition()), topics.iter().position(|topic| topic == start.topic()))
        else {
            continue;
        };
        let pair = pairs.entry(partition).or_insert(Ok([Log { start: 0, end: 0 }; 2]));
        let known = start.error().and(end.error()).and_then(|()| match (start.offset(), end.offset()) {
            (Offset::Offset(start), Offset::Offset(end)) => Ok(Log { start, end }),
            _ => Err(KafkaError::OffsetFetch(rdkafka::error::RDKafkaErrorCode::NoOffset)),
        });
        match (known, &mut *pair) {
            (Ok(log), Ok(logs)) => logs[side] = log,
            (Ok(_), Err(_)) => {}
            (Err(problem), _) => *pair = Err(problem),
        }
    }
    Ok(pairs)
}

/// Whether the logs of pairs still hold the records that were read last. Pairs without an answer are left out.
pub(super) fn still_hold(
    consumer: &BaseConsumer<Tracing>,
    topics: &[String; 2],
    pairs: BTreeMap<u32, Positions>,
) -> BTreeMap<u32, [SameLog; 2]> {
    let mut same = BTreeMap::new();
    for (partition, positions) in pairs {
        let of_side = |side: usize| match positions[side].last {
            Some(last) => holds(consumer, &topics[side], partition, last),
            None => Ok(SameLog::Yes),
        };
        match (of_side(0), of_side(1)) {
            (Ok(requests), Ok(responses)) => drop(same.insert(partition, [requests, responses])),
            (Err(problem), _) | (_, Err(problem)) => {
                debug!(partition, %problem, "no answer whether the log is still the same one");
            }
        }
    }
    if let Err(problem) = consumer.unassign() {
        debug!(%problem, "giving the inputs back");
    }
    same
}

/// Reads the first record at or after an offset, and compares.
fn holds(
    consumer: &BaseConsumer<Tracing>,
    topic: &str,
    partition: u32,
    last: LastRead,
) -> KafkaResult<SameLog> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, signed(partition), Offset::Offset(last.offset))?;
    consumer.assign(&list)?;
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let found = LastRead {
                    offset: message.offset(),
                    timestamp: message.timestamp().to_millis().unwrap_or(-1),
                };
                return Ok(if found == last { SameLog::Yes } else { SameLog::No });
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(SameLog::No),
            Some(Err(problem)) => debug!(%problem, "a record does not arrive"),
            None => {}
        }
    }
    Err(KafkaError::OffsetFetch(rdkafka::error::RDKafkaErrorCode::RequestTimedOut))
}
