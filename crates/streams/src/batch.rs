//! What goes out in one transaction: sessions, blocks of state, dead letters, and the offsets that they belong to.

use rdkafka::topic_partition_list::TopicPartitionList;
use workload::EventTime;
use workload::Input;
use workload::sessions::Output;

/// A record that was left out, to be kept as it came.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) input: Input,
    pub(crate) partition: u32,
    pub(crate) offset: i64,
    pub(crate) timestamp: Option<EventTime>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// A word.
    pub(crate) reason: &'static str,
    /// A sentence.
    pub(crate) error: String,
}

/// A block for the changelog.
#[derive(Debug)]
pub(crate) struct StateBlock {
    pub(crate) partition: u32,
    pub(crate) number: u64,
    /// Where the task stands after it, as a header.
    pub(crate) positions: String,
    pub(crate) bytes: Vec<u8>,
}

/// All that one transaction carries.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Sessions, with their partition.
    pub(crate) outputs: Vec<(u32, Output)>,
    pub(crate) blocks: Vec<StateBlock>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Where the tasks stand after it.
    pub(crate) offsets: TopicPartitionList,
}

impl Batch {
    /// Whether there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.count() == 0
    }
}
