//! One pair's changelog while it is read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use game::fold::Restoring;
use game::sessions::Limits;
use kafka::client::Tracing;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::error;

use super::Work;
use crate::changelog::{Changelog, Mark};
use crate::pairs::signed;

/// How long the first answer may take.
const REHEARSAL: Duration = Duration::from_secs(1);
/// Blocks that are applied before somebody looks whether they are still wanted.
const SLICE: usize = 200;
const POLL: Duration = Duration::from_millis(10);
/// How often a pair whose last block is missing may be looked at in vain, about once a second while the broker answers: it finishes
/// transactions partition by partition.
const PATIENCE: u32 = 15;

/// The state of a pair, as far as it was read.
pub(super) struct Reading {
    mark: Mark,
    positions: [Option<i64>; 2],
    restoring: Restoring,
    changelog: Changelog,
    /// Whether the end of the changelog was seen.
    at_end: bool,
    /// How often it was looked at in vain since.
    looks: u32,
}

impl Reading {
    pub(super) fn new(mark: Mark, positions: [Option<i64>; 2], limits: Limits) -> Self {
        let (restoring, changelog) = (Restoring::new(limits), Changelog::new(mark.from));
        Self { mark, positions, restoring, changelog, at_end: false, looks: 0 }
    }

    /// Machines so far.
    pub(super) fn machines(&self) -> usize {
        self.restoring.machines()
    }

    /// Takes a block; whether it was the last one.
    fn take(&mut self, number: u64, offset: i64, block: &[u8]) -> bool {
        match self.restoring.apply(block) {
            Ok(high_ts) => self.changelog.read(number, offset, high_ts),
            Err(problem) => {
                error!(offset, %problem, "a block of the changelog cannot be read: its part of the state is lost")
            }
        }
        number >= self.mark.block
    }

    fn finish(self) -> Work {
        Work { fold: self.restoring.finish(), changelog: self.changelog, positions: self.positions }
    }
}

/// Reads each pair's changelog from where its mark says.
pub(super) fn assign(
    consumer: &BaseConsumer<Tracing>,
    changelog: &str,
    readings: &BTreeMap<u32, Reading>,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for (&partition, reading) in readings {
        list.add_partition_offset(changelog, signed(partition), Offset::Offset(reading.mark.from))?;
    }
    consumer.assign(&list)
}

/// Reads the end of the changelog, where nothing is.
pub(super) fn rehearse(consumer: &BaseConsumer<Tracing>, changelog: &str) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(changelog, 0, Offset::End)?;
    consumer.assign(&list)?;
    // Else the leader of a topic that is new to this client is found by its timer, once a second.
    consumer.fetch_metadata(Some(changelog), REHEARSAL)?;
    let begin = Instant::now();
    while begin.elapsed() < REHEARSAL {
        if let Some(Err(KafkaError::PartitionEOF(_)) | Ok(_)) = consumer.poll(POLL) {
            break;
        }
    }
    consumer.unassign()
}

/// Reads on, until a pair is complete or it is time to look up.
pub(super) fn next(
    consumer: &BaseConsumer<Tracing>,
    readings: &mut BTreeMap<u32, Reading>,
) -> Option<(u32, Work)> {
    for _ in 0..SLICE {
        match consumer.poll(POLL)? {
            Ok(message) => {
                let Ok(partition) = u32::try_from(message.partition()) else { continue };
                let number = message.key().and_then(|key| key.try_into().ok()).map(u64::from_be_bytes);
                let (Some(reading), Some(number)) = (readings.get_mut(&partition), number) else { continue };
                if reading.take(number, message.offset(), message.payload().unwrap_or_default()) {
                    return readings.remove(&partition).map(|reading| (partition, reading.finish()));
                }
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                let reading =
                    u32::try_from(partition).ok().and_then(|partition| readings.get_mut(&partition));
                reading.into_iter().for_each(|reading| reading.at_end = true);
            }
            Err(problem) => tracing::debug!(%problem, "the changelog does not arrive"),
        }
    }
    None
}

/// Looks at the pairs whose last block is not there although the end of their changelog was seen. One that was looked at too often is
/// given up: its partition, and where its committed offsets are. While the broker does not answer no look counts: nothing can come then.
pub(super) fn overdue(
    readings: &mut BTreeMap<u32, Reading>,
    answers: impl Fn(u32) -> bool,
) -> Option<(u32, [Option<i64>; 2])> {
    for (&partition, reading) in readings.iter_mut().filter(|(_, reading)| reading.at_end) {
        // Each question that nobody answers takes its time: one is enough to know.
        if !answers(partition) {
            break;
        }
        reading.looks += 1;
    }
    let partition =
        readings.iter().find(|(_, reading)| reading.looks > PATIENCE).map(|(&partition, _)| partition)?;
    let reading = readings.remove(&partition)?;
    error!(
        partition,
        block = reading.mark.block,
        "the changelog lacks the block that belongs to the committed offsets (was the topic deleted?): open sessions begin anew"
    );
    Some((partition, reading.positions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_block_is_waited_for_as_long_as_the_broker_is_away_and_then_for_a_while() {
        let mark = Mark { from: 0, block: 7 };
        let reading = |at_end| Reading { at_end, ..Reading::new(mark, [Some(3), None], Limits::default()) };
        let mut readings = BTreeMap::from([(1, reading(true)), (2, reading(false))]);
        for _ in 0..1_000 {
            assert_eq!(overdue(&mut readings, |_| false), None, "the broker is away");
        }
        for _ in 0..PATIENCE {
            assert_eq!(overdue(&mut readings, |_| true), None);
        }
        assert_eq!(overdue(&mut readings, |_| true), Some((1, [Some(3), None])));
        assert_eq!(readings.into_keys().collect::<Vec<_>>(), [2], "its end was not seen yet");
    }
}
