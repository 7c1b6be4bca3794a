//! Whether the logs of the inputs are still the same ones: each must hold the record that was read from it last.
//!
//! No commit vouches for that, though a group's commits go with their topic: a pod that has not noticed yet that an
//! input was deleted and made anew commits its old position in the new one, together with that of the other input.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kafka::client::{self, Answered, Tracing};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::position::SameLog;
use super::reading;
use crate::Config;
use crate::assignment::signed;
use crate::changelog::LastRead;
use crate::ends::Asking;

/// How long records may take that are asked for together. A log without a readable record there gives none.
const LIMIT: Duration = Duration::from_millis(500);
/// How long a single one may take after that.
const SINGLE_LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// Reads the last records of tasks again, with a client of its own that fetches little.
pub(super) struct LastRecords {
    settings: ClientConfig,
    client: Asking,
    topics: [String; 2],
    asked: BTreeMap<u32, Asked>,
}

/// What is asked about a task: requests, responses.
struct Asked {
    since: Instant,
    sides: [Side; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Wanted(LastRead),
    Found(SameLog),
}

impl LastRecords {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let mut settings = super::settings(config, "last-records");
        // One batch a partition is enough.
        settings.set("fetch.message.max.bytes", "1024").set("queued.min.messages", "1");
        let of_client = settings.clone();
        let client = Asking::new(move || client::create(&of_client))
            .context("making the consumer that reads last records again")?;
        let topics = [config.requests.clone(), config.responses.clone()];
        Ok(Self { settings, client, topics, asked: BTreeMap::new() })
    }

    /// Gets to know the leaders of the inputs.
    pub(super) fn prepare(&self) -> KafkaResult<()> {
        self.topics.iter().try_for_each(|topic| reading::rehearse(self.client.get(), topic))
    }

    /// Asks whether the logs of a task still hold these records.
    pub(super) fn ask(&mut self, partition: u32, last: [Option<LastRead>; 2]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (topic, last) in self.topics.iter().zip(last) {
            if let Some(LastRead { offset, .. }) = last {
                list.add_partition_offset(topic, signed(partition), Offset::Offset(offset))?;
            }
        }
        self.client.get().incremental_assign(&list)?;
        let sides = last.map(|last| last.map_or(Side::Found(SameLog::Yes), Side::Wanted));
        self.asked.insert(partition, Asked { since: Instant::now(), sides });
        Ok(())
    }

    /// Forgets all questions.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
        if let Err(problem) = self.client.get().unassign() {
            debug!(%problem, "giving the inputs back");
        }
        // The next hand-over should not wait until a new client knows the leaders.
        let renewed = self.client.renew().map_err(|problem| problem.to_string());
        let prepared = renewed.and_then(|is_new| {
            if is_new { self.prepare().map_err(|problem| problem.to_string()) } else { Ok(()) }
        });
        if let Err(problem) = prepared {
            debug!(problem, "no new client that reads last records again is ready");
        }
    }

    /// The tasks that are answered by now, or after a moment if there is the patience for it.
    pub(super) fn answers(&mut self, patience: Patience) -> Vec<(u32, KafkaResult<[SameLog; 2]>)> {
        let mut pause = match patience {
            Patience::None => Duration::ZERO,
            Patience::AMoment => POLL,
        };
        while let Some(polled) = self.client.get().poll(pause) {
            pause = Duration::ZERO;
            match polled {
                Ok(message) => note(&mut self.asked, &self.topics, &message),
                // It does not say of which input.
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(problem) => debug!(%problem, "a last record does not arrive"),
            }
        }
        let mut answers = Vec::new();
        let (settings, topics, client) = (&self.settings, &self.topics, &mut self.client);
        self.asked.retain(|&partition, Asked { since, sides }| {
            let is_answered = sides.iter().all(|side| matches!(side, Side::Found(_)));
            if is_answered || since.elapsed() > LIMIT {
                client.note(*since, Answered::whole(is_answered));
            }
            if let [Side::Found(requests), Side::Found(responses)] = *sides {
                answers.push((partition, Ok([requests, responses])));
            } else if since.elapsed() > LIMIT {
                let of_side = |side: usize| match sides[side] {
                    Side::Found(same) => Ok(same),
                    Side::Wanted(last) => single(settings, &topics[side], partition, last),
                };
                answers.push((partition, of_side(0).and_then(|requests| Ok([requests, of_side(1)?]))));
            } else {
                return true;
            }
            false
        });
        answers
    }
}

/// Whether to wait for what may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    None,
    AMoment,
}

/// Notes what the first record at or after the one that was asked for says.
fn note(asked: &mut BTreeMap<u32, Asked>, topics: &[String; 2], message: &BorrowedMessage<'_>) {
    let side = topics.iter().position(|topic| topic == message.topic());
    let asked = u32::try_from(message.partition()).ok().and_then(|partition| asked.get_mut(&partition));
    if let (Some(side), Some(asked)) = (side, asked)
        && let Side::Wanted(last) = asked.sides[side]
    {
        asked.sides[side] = Side::Found(compare(last, message));
    }
}

fn compare(last: LastRead, message: &BorrowedMessage<'_>) -> SameLog {
    let timestamp = message.timestamp().to_millis().unwrap_or(-1);
    if (LastRead { offset: message.offset(), timestamp }) == last { SameLog::Yes } else { SameLog::No }
}

/// Asks for one record with a client of its own, to which the end of a log is the end of this log.
fn single(settings: &ClientConfig, topic: &str, partition: u32, last: LastRead) -> KafkaResult<SameLog> {
    let consumer: BaseConsumer<Tracing> = settings.create_with_context(Tracing::default())?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, signed(partition), Offset::Offset(last.offset))?;
    consumer.assign(&list)?;
    let begin = Instant::now();
    while begin.elapsed() < SINGLE_LIMIT {
        match consumer.poll(POLL) {
            Some(Ok(message)) => return Ok(compare(last, &message)),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(SameLog::No),
            Some(Err(problem)) => debug!(%problem, "a last record does not arrive"),
            None => {}
        }
    }
    Err(KafkaError::OffsetFetch(RDKafkaErrorCode::RequestTimedOut))
}
