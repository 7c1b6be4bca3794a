//! What an application has made of its input: how many pairs, and the hits and the score of each machine.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Result;
use kafka::Brokers;
use kafka::rdkafka::Message;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::error::KafkaError;
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use model::PARTITIONS;
use workload::{GameSession, avro};

use super::side::Side;

const POLL: Duration = Duration::from_millis(200);

/// Sums over all sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// Joined pairs: each is a frame of one session.
    pub(crate) pairs: u64,
    /// By machine.
    pub(crate) machines: BTreeMap<String, Sums>,
}

/// What a machine's sessions hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// Hits.
    pub(crate) hits: u64,
    /// Their worth.
    pub(crate) score: i64,
}

impl Outcome {
    /// Adds frames of a machine.
    pub(crate) fn add(&mut self, machine: &str, frames: u64, hits: u64, score: i64) {
        self.pairs += frames;
        if !self.machines.contains_key(machine) {
            self.machines.insert(machine.to_owned(), Sums::default());
        }
        if let Some(sums) = self.machines.get_mut(machine) {
            sums.hits += hits;
            sums.score += score;
        }
    }

    /// The first difference, in words.
    pub(crate) fn difference(&self, expected: &Self) -> Option<String> {
        let machines = self.machines.keys().chain(expected.machines.keys());
        let differs = |machine: &&String| self.machines.get(*machine) != expected.machines.get(*machine);
        let of =
            |outcome: &Self, machine: &String| outcome.machines.get(machine).copied().unwrap_or_default();
        match machines.clone().find(differs) {
            Some(machine) => Some(format!(
                "{} of {} machines differ, {} and not {} pairs; machine {machine} has {:?} and not {:?}",
                machines.filter(differs).collect::<std::collections::BTreeSet<_>>().len(),
                expected.machines.len(),
                self.pairs,
                expected.pairs,
                of(self, machine),
                of(expected, machine)
            )),
            None if self.pairs != expected.pairs => {
                Some(format!("{} and not {} pairs", self.pairs, expected.pairs))
            }
            None => None,
        }
    }

    /// Reads all that is committed in a topic of sessions: of ours the final ones count, of the peer, which writes
    /// none, the last record of each window.
    pub(crate) async fn read(brokers: &Brokers, topic: &str, side: Side) -> Result<Self> {
        let (brokers, topic) = (brokers.clone(), topic.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut sessions = Sessions { side, last: HashMap::new(), outcome: Self::default() };
            read_to_end(&brokers, &topic, |key, value| sessions.take(key, value))?;
            Ok(sessions.outcome())
        })
        .await?
    }
}

struct Sessions {
    side: Side,
    /// The peer's windows.
    last: HashMap<Vec<u8>, GameSession>,
    outcome: Outcome,
}

impl Sessions {
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let session = value.map(avro::decode_session).transpose()?;
        match (self.side, session) {
            (Side::Ours, Some(session)) if session.is_final => add(&mut self.outcome, &session),
            (Side::Ours, _) => {}
            // A window that grew has another key.
            (Side::Peer, None) => drop(self.last.remove(key)),
            (Side::Peer, Some(session)) => drop(self.last.insert(key.to_vec(), session)),
        }
        Ok(())
    }

    fn outcome(mut self) -> Outcome {
        self.last.values().for_each(|session| add(&mut self.outcome, session));
        self.outcome
    }
}

fn add(outcome: &mut Outcome, session: &GameSession) {
    outcome.add(&session.machine, session.frames.into(), session.count.into(), session.score);
}

fn read_to_end(
    brokers: &Brokers,
    topic: &str,
    mut take: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>,
) -> Result<()> {
    let mut config = kafka::client::reader(brokers, "bench-outcome");
    config.set("group.id", "bench-outcome").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..i32::try_from(PARTITIONS)? {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut open = PARTITIONS;
    while open > 0 {
        match consumer.poll(POLL) {
            Some(Ok(record)) => take(record.key().unwrap_or_default(), record.payload())?,
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(frames: u32, is_final: bool) -> Vec<u8> {
        let session = GameSession {
            machine: "000042".to_owned(),
            frames,
            count: 2 * frames,
            is_final,
            ..GameSession::default()
        };
        avro::encode_session(&session)
    }

    fn read(side: Side, records: &[(&str, Option<Vec<u8>>)]) -> Outcome {
        let mut sessions = Sessions { side, last: HashMap::new(), outcome: Outcome::default() };
        for (key, value) in records {
            sessions.take(key.as_bytes(), value.as_deref()).unwrap();
        }
        sessions.outcome()
    }

    #[test]
    fn of_ours_the_final_sessions_count_and_of_the_peer_the_last_record_of_each_window() {
        let ours = read(Side::Ours, &[("a", Some(session(1, false))), ("a", Some(session(3, true)))]);
        let records = [
            ("a", Some(session(1, false))),
            ("a", None),
            ("b", Some(session(2, false))),
            ("b", Some(session(3, false))),
        ];
        assert_eq!(ours, read(Side::Peer, &records));
        assert_eq!((ours.pairs, ours.machines["000042"].hits), (3, 6));
    }

    #[test]
    fn a_difference_is_told() {
        let ours = read(Side::Ours, &[("a", Some(session(3, true)))]);
        let theirs = read(Side::Peer, &[("a", Some(session(2, false)))]);
        assert_eq!(ours.difference(&ours), None);
        assert!(theirs.difference(&ours).is_some_and(|text| text.contains("000042")));
    }
}
