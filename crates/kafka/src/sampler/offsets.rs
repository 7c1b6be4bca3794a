//! One sample: the committed offsets first, then the log ends, so that a commit is never ahead of the end it belongs
//! to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::lag::{Doubt, PartitionOffsets, Sample};
use model::topics::{TopicPartition, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::Config;
use super::partitions::Partitions;
use crate::client::{self, Answered, Renewing, Tracing};
use crate::error::is_unreachable;
use crate::groups::GroupDescription;
use crate::layout::Leaders;
use crate::{Error, now_ms};

/// Log starts move only when old segments are deleted.
const LOG_START_INTERVAL: Duration = Duration::from_secs(2);

/// What Kafka answered for each partition, topic by topic; `None` where it gave no usable answer.
type Answers<T> = Vec<Option<T>>;

/// Asks for offsets, and holds the clients that do so.
pub(super) struct Offsets {
    config: Arc<Config>,
    partitions: watch::Receiver<Partitions>,
    clients: Renewing<Clients>,
    log_starts: Option<LogStarts>,
}

struct Clients {
    /// Reads the group's commits, and the high watermarks. `read_uncommitted`: an open transaction must not hold these
    /// answers back.
    commits: BaseConsumer<Tracing>,
    /// Reads the logs. `read_committed`: where a transaction is open, the last stable offset is the end.
    logs: BaseConsumer<Tracing>,
}

struct LogStarts {
    asked: Instant,
    /// The partitions that were asked for.
    counts: Vec<usize>,
    answers: Answers<i64>,
}

impl Clients {
    fn new(config: &Config) -> Result<Self, Error> {
        let mut logs = client::base(&config.brokers, "sampler-logs");
        logs.set("isolation.level", "read_committed");
        Ok(Self {
            commits: client::create(&client::sampling(&config.brokers, "sampler-commits", &config.group_id))?,
            logs: client::create(&logs)?,
        })
    }
}

/// What one sample is made of.
struct Asked {
    counts: Vec<usize>,
    began: Instant,
}

impl Offsets {
    pub(super) fn new(config: Arc<Config>, partitions: watch::Receiver<Partitions>) -> Result<Self, Error> {
        let of_clients = Arc::clone(&config);
        let clients = Renewing::new(move || Clients::new(&of_clients))?;
        Ok(Self { config, partitions, clients, log_starts: None })
    }

    /// Asks Kafka; blocks. The group is what is known of it already.
    pub(super) fn sample(&mut self, group: Option<GroupDescription>) -> Result<Sample, Arc<Error>> {
        let leaders = self.partitions.borrow().fresh()?.to_vec();
        if self.clients.renew()? {
            self.log_starts = None;
        }
        let Clients { commits, logs } = self.clients.get();
        // Nobody else takes the log lines of these clients out of their queues.
        commits.poll(Duration::ZERO);
        logs.poll(Duration::ZERO);
        let asked = Asked {
            counts: leaders.iter().map(|leaders| leaders.as_ref().map_or(0, Vec::len)).collect(),
            began: Instant::now(),
        };
        let sample = self.ask(&asked, &leaders, group);
        // A partition without a leader has no answer to give: another client would not get one either.
        let is_whole = sample.as_ref().is_ok_and(|sample| {
            let mut partitions = sample.partitions();
            partitions
                .all(|(of, offsets)| offsets.is_some() || sample.doubts.contains(&(of, Doubt::NoLeader)))
        });
        self.clients.note(asked.began, Answered::whole(is_whole));
        Ok(sample?)
    }

    fn ask(
        &mut self,
        asked: &Asked,
        leaders: &[Option<Leaders>],
        group: Option<GroupDescription>,
    ) -> Result<Sample, Error> {
        if asked.counts.iter().all(|count| *count == 0) {
            return Err(Error::TopicMissing { topic: self.config.topics.name(0).to_owned() });
        }
        let committed = self.committed_offsets(asked)?;
        // Before the stable ends: what lies between the two is then in a transaction, however quickly records come.
        let high_watermarks = self.log_offsets(asked, &self.clients.get().commits, Offset::End)?;
        let log_ends = self.log_offsets(asked, &self.clients.get().logs, Offset::End)?;
        let sampled_ms = now_ms();
        let log_starts = self.log_starts(asked)?;
        let mut answers = combine(&committed, log_starts, &log_ends, &high_watermarks).into_iter();
        let of_topic = |&count: &usize| answers.by_ref().take(count).collect();
        let offsets: Vec<Vec<_>> = asked.counts.iter().map(of_topic).collect();
        let topics = Arc::clone(&self.config.topics);
        let mut sample = Sample { sampled_ms, topics, offsets, doubts: Vec::new(), group: None };
        sample.doubts = without_leader(leaders, &sample);
        // Of the partitions of this sample: those known when the group answered may have been others, or none yet.
        sample.group = group.map(|group| group.owners(&sample.topics, &asked.counts));
        Ok(sample)
    }

    /// The group's commits: `Some(None)` where there is none.
    fn committed_offsets(&self, asked: &Asked) -> Result<Answers<Option<i64>>, Error> {
        let Config { brokers, group_id, topics, .. } = &*self.config;
        let commits = &self.clients.get().commits;
        let answer =
            commits.committed_offsets(partitions(names(topics), &asked.counts), client::SAMPLE_TIMEOUT);
        let answer = answer.map_err(|source| {
            if self.is_silence(asked, &source) {
                return Error::CoordinatorSilent { group_id: group_id.clone(), source };
            }
            let failed = |source| Error::FetchCommittedOffsets { group_id: group_id.clone(), source };
            client::unanswered(brokers, commits, source, failed)
        })?;
        Ok(answers(&answer, |offset| match offset {
            Offset::Offset(offset) => Some(Some(offset)),
            Offset::Invalid => Some(None),
            _ => None,
        }))
    }

    fn log_offsets(
        &self,
        asked: &Asked,
        consumer: &BaseConsumer<Tracing>,
        which: Offset,
    ) -> Result<Answers<i64>, Error> {
        let Config { brokers, topics, .. } = &*self.config;
        let answer = list_offsets(consumer, names(topics), &asked.counts, which, client::SAMPLE_TIMEOUT);
        let answer = answer.map_err(|source| {
            if self.is_silence(asked, &source) {
                return Error::LeadersSilent(source);
            }
            client::unanswered(brokers, consumer, source, Error::ListOffsets)
        })?;
        Ok(answers(&answer, |offset| match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Whether one broker does not answer while others do.
    fn is_silence(&self, asked: &Asked, source: &KafkaError) -> bool {
        is_unreachable(source) && self.partitions.borrow().answered_since(asked.began)
    }

    fn log_starts(&mut self, asked: &Asked) -> Result<&Answers<i64>, Error> {
        let is_fresh =
            |starts: &LogStarts| starts.asked.elapsed() < LOG_START_INTERVAL && starts.counts == asked.counts;
        let log_starts = match self.log_starts.take().filter(is_fresh) {
            Some(fresh) => fresh,
            None => LogStarts {
                asked: Instant::now(),
                counts: asked.counts.clone(),
                answers: self.log_offsets(asked, &self.clients.get().logs, Offset::Beginning)?,
            },
        };
        Ok(&self.log_starts.insert(log_starts).answers)
    }
}

/// The unknown partitions that have no leader.
fn without_leader(leaders: &[Option<Leaders>], sample: &Sample) -> Vec<(TopicPartition, Doubt)> {
    let has_leader = |of: TopicPartition| {
        let leaders = leaders.get(of.topic).and_then(Option::as_ref);
        leaders.is_none_or(|leaders| leaders.get(of.partition as usize).copied().unwrap_or(true))
    };
    let lacking = sample.partitions().filter(|(of, offsets)| offsets.is_none() && !has_leader(*of));
    lacking.map(|(of, _)| (of, Doubt::NoLeader)).collect()
}

fn names(topics: &Topics) -> impl Iterator<Item = &str> {
    topics.list.iter().map(|topic| topic.name.as_str())
}

/// The first or the last offset of every partition, in one request a leader.
///
/// `ListOffsets` takes times, and librdkafka hands its logical offsets (`End` is -1, `Beginning` is -2) through to
/// the broker, to which the same numbers mean "latest" and "earliest". That is not documented; a test holds it.
pub(crate) fn list_offsets<'a>(
    consumer: &BaseConsumer<Tracing>,
    topics: impl Iterator<Item = &'a str>,
    counts: &[usize],
    which: Offset,
    timeout: Duration,
) -> KafkaResult<TopicPartitionList> {
    let mut asked = partitions(topics, counts);
    asked.set_all_offsets(which)?;
    consumer.offsets_for_times(asked, timeout)
}

/// All partitions, topic by topic, of which each has so many.
fn partitions<'a>(topics: impl Iterator<Item = &'a str>, counts: &[usize]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(counts.iter().sum());
    for (topic, &count) in topics.zip(counts) {
        for partition in 0..i32::try_from(count).unwrap_or(i32::MAX) {
            list.add_partition(topic, partition);
        }
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
    high_watermarks: &[Option<i64>],
) -> Answers<PartitionOffsets> {
    let answers = committed.iter().zip(log_starts).zip(log_ends).zip(high_watermarks);
    answers
        .map(|(((&committed, &start), &end), &high_watermark)| {
            let log_end_offset = end?;
            // A start that was read a moment before the end can only be too low.
            let log_start_offset = start?.min(log_end_offset);
            Some(PartitionOffsets {
                committed_offset: committed?,
                log_start_offset,
                log_end_offset,
                high_watermark,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_commit_start_and_end_is_unknown() {
        let committed = [Some(Some(5)), Some(None), None, Some(Some(5)), Some(Some(5))];
        let starts = [Some(0), Some(0), Some(0), None, Some(0)];
        let ends = [Some(9), Some(9), Some(9), Some(9), None];
        let high = [Some(11), None, Some(9), Some(9), Some(9)];
        let known = |committed_offset, high_watermark| {
            Some(PartitionOffsets {
                committed_offset,
                log_start_offset: 0,
                log_end_offset: 9,
                high_watermark,
            })
        };
        let expected = [known(Some(5), Some(11)), known(None, None), None, None, None];
        assert_eq!(combine(&committed, &starts, &ends, &high), expected);
    }

    #[test]
    fn partitions_are_asked_for_topic_by_topic() {
        let list = partitions(["rq", "rs"].into_iter(), &[2, 1]);
        let asked: Vec<(String, i32)> =
            list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let expected = [("rq", 0), ("rq", 1), ("rs", 0)];
        assert_eq!(asked, expected.map(|(topic, partition)| (topic.to_owned(), partition)));
    }

    #[test]
    fn only_an_unknown_partition_is_told_to_have_no_leader() {
        let known = Some(PartitionOffsets::default());
        let leaders = [Some(vec![true, false, false]), None];
        let sample = Sample {
            sampled_ms: 1,
            topics: Arc::default(),
            offsets: vec![vec![None, None, known], vec![]],
            doubts: Vec::new(),
            group: None,
        };
        let doubts = without_leader(&leaders, &sample);
        assert_eq!(doubts, [(TopicPartition { topic: 0, partition: 1 }, Doubt::NoLeader)]);
    }
}
