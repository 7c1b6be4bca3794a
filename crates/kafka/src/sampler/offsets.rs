//! One sample: the committed offsets first, then the log ends, so that a commit is never ahead of the end it belongs to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::lag::{Group, PartitionOffsets, Sample};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Config;
use crate::client::{self, Tracing};
use crate::{Error, now_ms};

/// Log starts move only when old segments are deleted.
const LOG_START_INTERVAL: Duration = Duration::from_secs(2);
/// A client that asked before a topic was there may go on saying that it is not: measured for minutes.
const PARTIAL_PATIENCE: Duration = Duration::from_secs(3);

/// What Kafka answered for each partition, requests first; `None` where it gave no usable answer.
type Answers<T> = Vec<Option<T>>;

/// Asks for offsets, and holds the clients that do so.
pub(super) struct Offsets {
    config: Arc<Config>,
    clients: Clients,
    log_starts: Option<(Instant, Answers<i64>)>,
    /// Since when partitions are without an answer.
    partial_since: Option<Instant>,
}

struct Clients {
    /// Reads the group's commits. `read_uncommitted`: an open transaction must not hold the answer back.
    commits: BaseConsumer<Tracing>,
    /// Reads the logs. `read_committed`: where a transaction is open, the last stable offset is the end.
    logs: BaseConsumer<Tracing>,
    since: Instant,
}

impl Clients {
    fn new(config: &Config) -> Result<Self, Error> {
        let mut logs = client::base(&config.brokers, "sampler-logs");
        logs.set("isolation.level", "read_committed");
        Ok(Self {
            commits: client::create(&client::sampling(&config.brokers, "sampler-commits", &config.group_id))?,
            logs: client::create(&logs)?,
            since: Instant::now(),
        })
    }
}

impl Offsets {
    pub(super) fn new(config: Arc<Config>) -> Result<Self, Error> {
        let clients = Clients::new(&config)?;
        Ok(Self { config, clients, log_starts: None, partial_since: None })
    }

    /// Asks Kafka; blocks. The group is what is known of it already.
    pub(super) fn sample(&mut self, group: Option<Group>) -> Result<Sample, Error> {
        self.renew_clients()?;
        // Nobody else takes the log lines of these clients out of their queues.
        self.clients.commits.poll(Duration::ZERO);
        self.clients.logs.poll(Duration::ZERO);
        let committed = self.committed_offsets()?;
        let log_ends = log_offsets(&self.clients.logs, &self.config, Offset::End)?;
        let sampled_ms = now_ms();
        let log_starts = self.log_starts()?;
        let mut requests = combine(&committed, log_starts, &log_ends);
        let is_partial = requests.iter().any(Option::is_none);
        self.partial_since = is_partial.then(|| self.partial_since.unwrap_or_else(Instant::now));
        let responses = requests.split_off(self.config.partitions as usize);
        Ok(Sample { sampled_ms, requests, responses, group })
    }

    fn renew_clients(&mut self) -> Result<(), Error> {
        let is_stuck = self.partial_since.is_some_and(|since| since.elapsed() > PARTIAL_PATIENCE);
        if is_stuck || self.clients.since.elapsed() > client::LIFETIME {
            self.partial_since = None;
            self.log_starts = None;
            let old = std::mem::replace(&mut self.clients, Clients::new(&self.config)?);
            // Closing a consumer takes a tenth of a second, which is nearly half a tick.
            std::thread::spawn(move || drop(old));
        }
        Ok(())
    }

    /// The group's commits: `Some(None)` where there is none yet.
    fn committed_offsets(&self) -> Result<Answers<Option<i64>>, Error> {
        let Config { brokers, group_id, inputs, partitions: count, .. } = &*self.config;
        let failed = |source| Error::FetchCommittedOffsets { group_id: group_id.clone(), source };
        let answer = self
            .clients
            .commits
            .committed_offsets(partitions(inputs, *count), client::SAMPLE_TIMEOUT)
            .map_err(|source| client::unanswered(brokers, &self.clients.commits, source, failed))?;
        Ok(answers(&answer, |offset| match offset {
            Offset::Offset(offset) => Some(Some(offset)),
            Offset::Invalid => Some(None),
            _ => None,
        }))
    }

    fn log_starts(&mut self) -> Result<&Answers<i64>, Error> {
        let fresh = self.log_starts.take().filter(|(asked, _)| asked.elapsed() < LOG_START_INTERVAL);
        let log_starts = match fresh {
            Some(fresh) => fresh,
            None => {
                let starts = log_offsets(&self.clients.logs, &self.config, Offset::Beginning)?;
                (Instant::now(), starts)
            }
        };
        Ok(&self.log_starts.insert(log_starts).1)
    }
}

fn log_offsets(
    consumer: &BaseConsumer<Tracing>,
    config: &Config,
    which: Offset,
) -> Result<Answers<i64>, Error> {
    let answer = list_offsets(consumer, &config.inputs, config.partitions, which, client::SAMPLE_TIMEOUT)
        .map_err(|source| client::unanswered(&config.brokers, consumer, source, Error::ListOffsets))?;
    Ok(answers(&answer, |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }))
}

/// The first or the last offset of every partition, in one request a leader.
///
/// `ListOffsets` takes times, and librdkafka hands its logical offsets (`End` is -1, `Beginning` is -2) through to
/// the broker, to which the same numbers mean "latest" and "earliest". That is not documented; a test holds it.
pub(crate) fn list_offsets(
    consumer: &BaseConsumer<Tracing>,
    topics: &[String],
    partition_count: u32,
    which: Offset,
    timeout: Duration,
) -> KafkaResult<TopicPartitionList> {
    let mut asked = partitions(topics, partition_count);
    asked.set_all_offsets(which)?;
    consumer.offsets_for_times(asked, timeout)
}

fn partitions(topics: &[String], partition_count: u32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(topics.len() * partition_count as usize);
    let last = i32::try_from(partition_count).unwrap_or(i32::MAX) - 1;
    for topic in topics {
        list.add_partition_range(topic, 0, last);
    }
    list
}

/// librdkafka answers in the order in which it was asked.
fn answers<T>(list: &TopicPartitionList, read: impl Fn(Offset) -> Option<T>) -> Answers<T> {
    let elements = list.elements();
    elements.iter().map(|element| element.error().ok().and_then(|()| read(element.offset()))).collect()
}

fn combine(
    committed: &[Option<Option<i64>>],
    log_starts: &[Option<i64>],
    log_ends: &[Option<i64>],
) -> Answers<PartitionOffsets> {
    let answers = committed.iter().zip(log_starts).zip(log_ends);
    answers
        .map(|((&committed, &start), &end)| {
            let log_end_offset = end?;
            // A start that was read a moment before the end can only be too low.
            let log_start_offset = start?.min(log_end_offset);
            Some(PartitionOffsets { committed_offset: committed?, log_start_offset, log_end_offset })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_all_three_answers_is_unknown() {
        let committed = [Some(Some(5)), Some(None), None, Some(Some(5)), Some(Some(5))];
        let starts = [Some(0), Some(0), Some(0), None, Some(0)];
        let ends = [Some(9), Some(9), Some(9), Some(9), None];
        let known = |committed_offset| {
            Some(PartitionOffsets { committed_offset, log_start_offset: 0, log_end_offset: 9 })
        };
        let expected = [known(Some(5)), known(None), None, None, None];
        assert_eq!(combine(&committed, &starts, &ends), expected);
    }

    #[test]
    fn partitions_are_asked_for_input_by_input() {
        let list = partitions(&["rq".to_owned(), "rs".to_owned()], 2);
        let asked: Vec<(String, i32)> =
            list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let expected = [("rq", 0), ("rq", 1), ("rs", 0), ("rs", 1)];
        assert_eq!(asked, expected.map(|(topic, partition)| (topic.to_owned(), partition)));
    }
}
