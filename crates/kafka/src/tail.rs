//! A consumer outside of any group that has all partitions of a topic: what the followers of one topic have in common.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Error;
use crate::client::{self, Brokers, Tracing};

/// How long a follower's thread may sleep before it looks whether it should end.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// What to read.
pub(crate) struct Tail<'a> {
    pub(crate) brokers: &'a Brokers,
    /// How the follower calls itself.
    pub(crate) client_id: &'a str,
    pub(crate) topic: &'a str,
    /// How many partitions it has.
    pub(crate) partitions: u32,
    /// `Beginning`, or `End` for what comes from now on.
    pub(crate) from: Offset,
    /// How long the broker may hold a request back while there is no record.
    pub(crate) patience: Duration,
}

impl Tail<'_> {
    /// Makes the consumer; the end of each partition is told as an error `PartitionEOF`.
    pub(crate) fn consumer(&self) -> Result<BaseConsumer<Tracing>, Error> {
        let mut settings = client::reader(self.brokers, self.client_id);
        settings
            .set("group.id", self.client_id)
            .set("auto.offset.reset", if self.from == Offset::End { "latest" } else { "earliest" })
            .set("enable.partition.eof", "true")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", self.patience.as_millis().to_string());
        let consumer: BaseConsumer<Tracing> = client::create(&settings)?;
        let failed = |source| Error::Assign { topic: self.topic.to_owned(), source };
        let mut assignment = TopicPartitionList::new();
        for partition in 0..i32::try_from(self.partitions).unwrap_or(i32::MAX) {
            assignment.add_partition_offset(self.topic, partition, self.from).map_err(failed)?;
        }
        consumer.assign(&assignment).map_err(failed)?;
        Ok(consumer)
    }
}

/// A header that is text; `None` where it is missing or is not text.
pub(crate) fn header<'a>(record: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let found = record.headers()?.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}
