//! One sample: the committed offsets first, then the log ends, so that a commit is never ahead of the end it belongs
//! to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Input;
use model::lag::{Doubt, PartitionOffsets, Sample};
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

/// What Kafka answered for each partition, requests first; `None` where it gave no usable answer.
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
    counts: [usize; 2],
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
    counts: [usize; 2],
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
        let leaders = self.partitions.borrow().fresh().cloned()?;
        if self.clients.renew()? {
            self.log_starts = None;
        }
        let Clients { commits, logs } = self.clients.get();
        // Nobody else takes the log lines of these clients out of their queues.
        commits.poll(Duration::ZERO);
        logs.poll(Duration::ZERO);
        let asked = Asked {
            counts: leaders.each_ref().map(|leaders| leaders.as_ref().map_or(0, Vec::len)),
            began: Instant::now(),
        };
        let sample = self.ask(&asked, &leaders, group);
        // A partition without a leader has no answer to give: another client would not get one either.
        let is_whole = sample.as_ref().is_ok_and(|sample| {
            Input::ALL.into_iter().all(|input| {
                (0..).zip(sample.offsets(input)).all(|(partition, offsets)| {
                    offsets.is_some() || sample.doubts.contains(&(input, partition, Doubt::NoLeader))
                })
            })
        });
        self.clients.note(asked.began, Answered::whole(is_whole));
        Ok(sample?)
    }

    fn ask(
        &mut self,
        asked: &Asked,
        leaders: &[Option<Leaders>; 2],
        group: Option<GroupDescription>,
    ) -> Result<Sample, Error> {
        if asked.counts == [0, 0] {
            return Err(Error::TopicMissing { topic: self.config.inputs[0].clone() });
        }
        let committed = self.committed_offsets(asked)?;
        // Before the stable ends: what lies between the two is then in a transaction, however quickly records come.
        let high_watermarks = self.log_offsets(asked, &self.clients.get().commits, Offset::End)?;
        let log_ends = self.log_offsets(asked, &self.clients.get().logs, Offset::End)?;
        let sampled_ms = now_ms();
        let log_starts = self.log_starts(asked)?;
        let mut requests = combine(&committed, log_starts, &log_ends, &high_watermarks);
        let responses = requests.split_off(asked.counts[0]);
        let doubts = without_leader(leaders, [&requests, &responses]);
        // Of the partitions of this sample: those known when the group answered may have been others, or none yet.
        let group = group.map(|group| group.owners(&self.config.inputs, asked.counts));
        Ok(Sample { sampled_ms, requests, responses, doubts, group })
    }

    /// The group's commits: `Some(None)` where there is none.
    fn committed_offsets(&self, asked: &Asked) -> Result<Answers<Option<i64>>, Error> {
        let Config { brokers, group_id, inputs, .. } = &*self.config;
        let commits = &self.clients.get().commits;
        let answer = commits.committed_offsets(partitions(inputs, asked.counts), client::SAMPLE_TIMEOUT);
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
        let Config { brokers, inputs, .. } = &*self.config;
        let answer = list_offsets(consumer, inputs, asked.counts, which, client::SAMPLE_TIMEOUT);
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
                counts: asked.counts,
                answers: self.log_offsets(asked, &self.clients.get().logs, Offset::Beginning)?,
            },
        };
        Ok(&self.log_starts.insert(log_starts).answers)
    }
}

/// The unknown partitions that have no leader.
fn without_leader(
    leaders: &[Option<Leaders>; 2],
    offsets: [&[Option<PartitionOffsets>]; 2],
) -> Vec<(Input, u32, Doubt)> {
    let of_input = |(input, (leaders, offsets)): (Input, (&Option<Leaders>, &[Option<PartitionOffsets>]))| {
        let has_leader = leaders.iter().flatten().copied();
        let unknown = offsets.iter().map(Option::is_none);
        let partitions = (0..).zip(has_leader.zip(unknown));
        let lacking = partitions.filter(|(_, (has_leader, is_unknown))| !has_leader && *is_unknown);
        lacking.map(|(partition, _)| (input, partition, Doubt::NoLeader)).collect::<Vec<_>>()
    };
    Input::ALL.into_iter().zip(leaders.iter().zip(offsets)).flat_map(of_input).collect()
}

/// The first or the last offset of every partition, in one request a leader.
///
/// `ListOffsets` takes times, and librdkafka hands its logical offsets (`End` is -1, `Beginning` is -2) through to
/// the broker, to which the same numbers mean "latest" and "earliest". That is not documented; a test holds it.
pub(crate) fn list_offsets<const N: usize>(
    consumer: &BaseConsumer<Tracing>,
    topics: &[String; N],
    counts: [usize; N],
    which: Offset,
    timeout: Duration,
) -> KafkaResult<TopicPartitionList> {
    let mut asked = partitions(topics, counts);
    asked.set_all_offsets(which)?;
    consumer.offsets_for_times(asked, timeout)
}

/// All partitions, topic by topic, of which each has so many.
fn partitions<const N: usize>(topics: &[String; N], counts: [usize; N]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(counts.iter().sum());
    for (topic, count) in topics.iter().zip(counts) {
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
    fn partitions_are_asked_for_input_by_input() {
        let list = partitions(&["rq".to_owned(), "rs".to_owned()], [2, 1]);
        let asked: Vec<(String, i32)> =
            list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let expected = [("rq", 0), ("rq", 1), ("rs", 0)];
        assert_eq!(asked, expected.map(|(topic, partition)| (topic.to_owned(), partition)));
    }

    #[test]
    fn only_an_unknown_partition_is_told_to_have_no_leader() {
        let known = Some(PartitionOffsets::default());
        let leaders = [Some(vec![true, false, false]), None];
        let doubts = without_leader(&leaders, [&[None, None, known], &[]]);
        assert_eq!(doubts, [(Input::Requests, 1, Doubt::NoLeader)]);
    }
}
