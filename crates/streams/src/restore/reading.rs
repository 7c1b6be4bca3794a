//! One task's changelog while it is read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka::client::Tracing;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::error;
use workload::Fold;
use workload::fold::Restoring;
use workload::sessions::Limits;

use super::commits::Plan;
use crate::assignment::signed;
use crate::changelog::{self, Changelog, FIRST, POSITIONS, Positions};

/// How long the first answer may take.
const REHEARSAL: Duration = Duration::from_secs(1);
/// Blocks that are applied before somebody looks whether they are still wanted.
const SLICE: usize = 200;
const POLL: Duration = Duration::from_millis(10);
/// How often a task whose last block is missing may be looked at in vain, about once a second while the broker answers:
/// it finishes transactions partition by partition.
const PATIENCE: u32 = 15;

/// The state of a task, as far as it was read.
pub(super) struct Reading {
    plan: Plan,
    limits: Limits,
    restoring: Restoring,
    changelog: Changelog,
    /// Where the task stood after the newest block; `None` before the first one, and where it was written by an older
    /// version.
    positions: Option<Positions>,
    blocks: u64,
    /// Whether the end of the changelog was seen.
    at_end: bool,
    /// How often it was looked at in vain since.
    looks: u32,
}

/// What a changelog has given.
pub(super) struct State {
    pub(super) fold: Fold,
    pub(super) changelog: Changelog,
    pub(super) positions: Option<Positions>,
}

impl Reading {
    pub(super) fn new(plan: Plan, limits: Limits) -> Self {
        let from = match plan {
            Plan::ToBlock(mark) => mark.from,
            Plan::ToEnd | Plan::Nothing => 0,
        };
        let (restoring, changelog) = (Restoring::new(limits), Changelog::new(from));
        Self { plan, limits, restoring, changelog, positions: None, blocks: 0, at_end: false, looks: 0 }
    }

    /// Machines so far.
    pub(super) fn machines(&self) -> usize {
        self.restoring.machines()
    }

    /// Where to begin.
    fn from(&self) -> Offset {
        match self.plan {
            Plan::ToBlock(mark) => Offset::Offset(mark.from),
            Plan::ToEnd | Plan::Nothing => Offset::Beginning,
        }
    }

    /// Takes a block in.
    fn take(&mut self, number: u64, message: &BorrowedMessage<'_>) {
        let offset = message.offset();
        if number == FIRST && self.blocks > 0 {
            // What came before belongs to a state that was given up.
            (self.restoring, self.changelog) = (Restoring::new(self.limits), Changelog::new(offset));
        }
        self.blocks += 1;
        match self.restoring.apply(message.payload().unwrap_or_default()) {
            Ok(high_ts) => self.changelog.read(number, offset, high_ts),
            Err(problem) => {
                error!(offset, %problem, "a block of the changelog cannot be read: its part of the state is lost")
            }
        }
        self.positions = header(message).and_then(changelog::positions);
    }

    /// Whether this block is the one up to which was to be read.
    fn is_last(&self, number: u64) -> bool {
        match self.plan {
            Plan::ToBlock(mark) => number >= mark.block,
            Plan::ToEnd | Plan::Nothing => false,
        }
    }

    /// The state; `None` where the changelog has no block.
    fn finish(self) -> Option<State> {
        let Self { restoring, changelog, positions, blocks, .. } = self;
        (blocks > 0).then(|| State { fold: restoring.finish(), changelog, positions })
    }
}

fn header<'a>(message: &'a BorrowedMessage<'_>) -> Option<&'a str> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == POSITIONS)?;
    std::str::from_utf8(header.value?).ok()
}

/// Reads each task's changelog from where its plan says.
pub(super) fn assign(
    consumer: &BaseConsumer<Tracing>,
    changelog: &str,
    readings: &BTreeMap<u32, Reading>,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for (&partition, reading) in readings {
        list.add_partition_offset(changelog, signed(partition), reading.from())?;
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

/// Reads on, until a task is complete or it is time to look up. A task without a block has no state.
pub(super) fn next(
    consumer: &BaseConsumer<Tracing>,
    readings: &mut BTreeMap<u32, Reading>,
) -> Option<(u32, Option<State>)> {
    for _ in 0..SLICE {
        match consumer.poll(POLL)? {
            Ok(message) => {
                let Ok(partition) = u32::try_from(message.partition()) else { continue };
                let number = message.key().and_then(|key| key.try_into().ok()).map(u64::from_be_bytes);
                let (Some(reading), Some(number)) = (readings.get_mut(&partition), number) else { continue };
                reading.take(number, &message);
                if reading.is_last(number) {
                    return readings.remove(&partition).map(|reading| (partition, reading.finish()));
                }
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                let Ok(partition) = u32::try_from(partition) else { continue };
                let Some(reading) = readings.get_mut(&partition) else { continue };
                reading.at_end = true;
                if reading.plan == Plan::ToEnd {
                    return readings.remove(&partition).map(|reading| (partition, reading.finish()));
                }
            }
            Err(problem) => tracing::debug!(%problem, "the changelog does not arrive"),
        }
    }
    None
}

/// Looks at the tasks whose last block is not there although the end of their changelog was seen. One that was looked
/// at too often is given up; which one. While the broker does not answer no look counts: nothing can come then.
pub(super) fn overdue(readings: &mut BTreeMap<u32, Reading>, answers: impl Fn(u32) -> bool) -> Option<u32> {
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
        plan = ?reading.plan,
        "the changelog lacks the block that belongs to the committed offsets (was the topic deleted?): open sessions begin anew"
    );
    Some(partition)
}

/// The tasks whose changelog has brought nothing so far, not even its end.
pub(super) fn silent(readings: &BTreeMap<u32, Reading>) -> Vec<u32> {
    let is_silent = |reading: &Reading| reading.blocks == 0 && !reading.at_end;
    readings.iter().filter(|(_, reading)| is_silent(reading)).map(|(&partition, _)| partition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changelog::Mark;

    #[test]
    fn a_missing_block_is_waited_for_as_long_as_the_broker_is_away_and_then_for_a_while() {
        let plan = Plan::ToBlock(Mark { from: 0, block: 7 });
        let reading = |at_end| Reading { at_end, ..Reading::new(plan, Limits::default()) };
        let mut readings = BTreeMap::from([(1, reading(true)), (2, reading(false))]);
        for _ in 0..1_000 {
            assert_eq!(overdue(&mut readings, |_| false), None, "the broker is away");
        }
        for _ in 0..PATIENCE {
            assert_eq!(overdue(&mut readings, |_| true), None);
        }
        assert_eq!(silent(&readings), [2]);
        assert_eq!(overdue(&mut readings, |_| true), Some(1));
        assert_eq!(readings.into_keys().collect::<Vec<_>>(), [2], "its end was not seen yet");
    }
}
