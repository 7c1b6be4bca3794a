//! Lag of one partition, from three offsets that Kafka told, and of a group, from all its partitions.
//!
//! The rule of the house: lag is never negative, an unknown is never 0, and whatever makes a figure doubtful travels
//! with it as a flag.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::topics::{TopicPartition, Topics};

/// What Kafka said about one partition of a topic, for one consumer group. Fetched in this order: commit, high
/// watermark, start, end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartitionOffsets {
    /// The group's committed offset: the next record that it will read. `None`: the group has no commit here.
    pub committed_offset: Option<i64>,
    /// The oldest offset that is still in the log.
    pub log_start_offset: i64,
    /// The offset that the next record will get; where a transaction is open, the last stable offset.
    pub log_end_offset: i64,
    /// The offset that the next record will get, open transactions or not; `None` where Kafka did not say.
    pub high_watermark: Option<i64>,
}

/// What makes a partition's lag special; shown beside the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// The group has not committed here yet: all that is left in the log is lag, since it will start at the oldest
    /// record.
    New,
    /// The group had committed here, and has no commit any more: its offsets expired, or the topic was made anew.
    Gone,
    /// Records were deleted before the group read them.
    Lost,
    /// The commit is beyond the log's end: the topic was made anew or truncated, or somebody set the offset. The group
    /// will start again at the oldest record, so all that is left in the log is lag.
    Ahead,
    /// An open transaction holds records back that are in the log: nobody can read them yet. They are no lag.
    Held {
        /// How many.
        records: u64,
        /// When the transaction was first seen to hold something back.
        since_ms: Millis,
    },
    /// No broker leads the partition now, so its lag is not known.
    NoLeader,
}

/// One partition's lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionLag {
    /// Records between where the group goes on and the log's end.
    pub lag: u64,
    /// Records that retention deleted before the group read them.
    pub lost: u64,
    /// What to say beside the figure.
    pub doubt: Option<Doubt>,
}

impl PartitionOffsets {
    /// The lag that these offsets mean for a group that starts at the oldest record where it has no valid commit
    /// (`auto.offset.reset=earliest`), as the application does.
    #[must_use]
    pub fn lag(&self) -> PartitionLag {
        let Self { committed_offset, log_start_offset: start, log_end_offset: end, high_watermark: _ } =
            *self;
        match committed_offset {
            None => PartitionLag { lag: distance(start, end), lost: 0, doubt: Some(Doubt::New) },
            Some(_) if self.is_ahead() => {
                PartitionLag { lag: distance(start, end), lost: 0, doubt: Some(Doubt::Ahead) }
            }
            Some(committed) if committed < start => PartitionLag {
                lag: distance(start, end),
                lost: distance(committed, start),
                doubt: Some(Doubt::Lost),
            },
            Some(committed) => PartitionLag { lag: distance(committed, end), lost: 0, doubt: None },
        }
    }

    /// The offset at which the group goes on: its commit, or the oldest record where that is not valid.
    #[must_use]
    pub fn position(&self) -> i64 {
        match self.committed_offset {
            Some(committed) if !self.is_ahead() => committed.max(self.log_start_offset),
            _ => self.log_start_offset,
        }
    }

    /// Whether the commit is beyond all that is in the log. What is in an open transaction may not be read, but it is
    /// there.
    fn is_ahead(&self) -> bool {
        let end = self.high_watermark.unwrap_or(self.log_end_offset).max(self.log_end_offset);
        self.committed_offset.is_some_and(|committed| committed > end)
    }
}

fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// One sample of a group: all partitions of its topics, and who owns them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When the log ends were read.
    pub sampled_ms: Millis,
    /// The topics of the group; what follows has their order.
    pub topics: Arc<Topics>,
    /// Offsets by topic, indexed by partition; `None` where Kafka gave no answer for that partition. A topic has none
    /// while nobody knows how many there are.
    pub offsets: Vec<Vec<Option<PartitionOffsets>>>,
    /// What is special about single partitions and is not seen from their offsets of this moment.
    pub doubts: Vec<(TopicPartition, Doubt)>,
    /// The group as its coordinator describes it; `None` while that is unknown.
    pub group: Option<Group>,
}

impl Sample {
    /// How many partitions each topic has.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        self.offsets.iter().map(Vec::len).collect()
    }

    /// Every partition of every topic, with its offsets.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, Option<PartitionOffsets>)> {
        self.offsets.iter().enumerate().flat_map(|(topic, offsets)| {
            (0..)
                .zip(offsets)
                .map(move |(partition, offsets)| (TopicPartition { topic, partition }, *offsets))
        })
    }
}

/// How long a transaction must hold records back before it is worth a word: those that end normally are shorter.
pub const HELD_MS: Millis = 1_000;

/// What a sampler remembers from one sample to the next.
#[derive(Debug, Default)]
pub struct Memory {
    partitions: BTreeMap<TopicPartition, Remembered>,
}

/// What is remembered of one partition.
#[derive(Debug, Default)]
struct Remembered {
    /// Whether the group had a commit here.
    had_commit: bool,
    /// The last stable offset that does not move while records wait behind it, and since when.
    stuck: Option<(i64, Millis)>,
}

impl Memory {
    /// Adds the doubts that only a look back tells: commits that are gone, and transactions that stay open.
    pub fn look(&mut self, sample: &mut Sample) {
        let known = sample.partitions().filter_map(|(partition, offsets)| Some((partition, offsets?)));
        let mut found = Vec::new();
        for (partition, offsets) in known {
            let remembered = self.partitions.entry(partition).or_default();
            let doubts = [remembered.gone(&offsets), remembered.held(&offsets, sample.sampled_ms)];
            found.extend(doubts.into_iter().flatten().map(|doubt| (partition, doubt)));
        }
        sample.doubts.extend(found);
    }
}

impl Remembered {
    fn gone(&mut self, offsets: &PartitionOffsets) -> Option<Doubt> {
        match offsets.committed_offset {
            Some(_) => {
                self.had_commit = true;
                None
            }
            None => self.had_commit.then_some(Doubt::Gone),
        }
    }

    fn held(&mut self, offsets: &PartitionOffsets, now_ms: Millis) -> Option<Doubt> {
        // The high watermark is read first: what is beyond the stable end read after it is in a transaction.
        let records = distance(offsets.log_end_offset, offsets.high_watermark?);
        if records == 0 {
            self.stuck = None;
            return None;
        }
        let since_ms = match self.stuck {
            Some((stable, since_ms)) if stable == offsets.log_end_offset => since_ms,
            _ => now_ms,
        };
        self.stuck = Some((offsets.log_end_offset, since_ms));
        (now_ms.saturating_sub(since_ms) >= HELD_MS).then_some(Doubt::Held { records, since_ms })
    }
}

/// A consumer group, in the coordinator's words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// As Kafka spells it: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling`,
    /// `Empty`, `Dead`, `Unknown`.
    pub state: String,
    /// The owning member's `client.id`, by topic and indexed by partition; `None` while nobody owns it.
    pub owners: Vec<Vec<Option<String>>>,
    /// The members that own partitions of these topics, pods or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
}

/// A member of a group, by what it owns of the group's topics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Its `client.id`: the name, if it is a pod.
    pub client_id: String,
    /// The address that it came from, for example `10.244.0.7`.
    pub host: String,
    /// How many partitions it owns, by topic.
    pub partitions: Vec<u32>,
}

impl Group {
    /// The owner of each task: the member that owns all its partitions.
    #[must_use]
    pub fn task_owners(&self, topics: &Topics) -> Vec<Option<String>> {
        let counts: Vec<usize> = self.owners.iter().map(Vec::len).collect();
        let owner = |partitions: Vec<TopicPartition>| {
            let mut owners =
                partitions.iter().map(|of| self.owners[of.topic][of.partition as usize].as_ref());
            let first = owners.next()??;
            owners.all(|owner| owner == Some(first)).then(|| first.clone())
        };
        topics.tasks(&counts).into_iter().map(owner).collect()
    }

    /// Whether the group is between two assignments.
    #[must_use]
    pub fn is_rebalancing(&self) -> bool {
        matches!(
            self.state.as_str(),
            "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling"
        )
    }
}

/// What the sampler last knew, and whether it can still ask.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampled {
    /// The newest complete answer.
    pub sample: Option<Sample>,
    /// Why there is no newer one, if the last attempt failed.
    pub outage: Option<Outage>,
}

/// Something outside that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it stopped to answer.
    pub since_ms: Millis,
    /// What it said last, in one sentence.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::{Tasks, Topic};

    fn offsets(committed_offset: Option<i64>, start: i64, end: i64) -> PartitionOffsets {
        PartitionOffsets {
            committed_offset,
            log_start_offset: start,
            log_end_offset: end,
            high_watermark: Some(end),
        }
    }

    fn check(committed_offset: Option<i64>, start: i64, end: i64, expected: (u64, u64, Option<Doubt>)) {
        let offsets = offsets(committed_offset, start, end);
        let PartitionLag { lag, lost, doubt } = offsets.lag();
        assert_eq!((lag, lost, doubt), expected, "{offsets:?}");
        assert_eq!(u64::try_from(end - offsets.position()).unwrap(), lag, "{offsets:?}");
    }

    #[test]
    fn lag_is_what_a_reader_still_has_to_read() {
        check(Some(40), 0, 100, (60, 0, None));
        check(Some(100), 0, 100, (0, 0, None));
    }

    #[test]
    fn a_group_without_a_commit_has_all_that_is_left_in_the_log() {
        check(None, 30, 100, (70, 0, Some(Doubt::New)));
        check(None, 100, 100, (0, 0, Some(Doubt::New)));
    }

    #[test]
    fn deleted_records_are_lost_and_not_lag() {
        check(Some(10), 30, 100, (70, 20, Some(Doubt::Lost)));
    }

    #[test]
    fn a_commit_beyond_the_end_has_all_that_is_left_in_the_log() {
        check(Some(101), 0, 100, (100, 0, Some(Doubt::Ahead)));
        check(Some(10_000_000), 30, 100, (70, 0, Some(Doubt::Ahead)));
    }

    #[test]
    fn a_commit_behind_an_open_transactions_first_record_is_not_ahead() {
        let in_transaction = PartitionOffsets { high_watermark: Some(110), ..offsets(Some(105), 0, 100) };
        assert_eq!(in_transaction.lag(), PartitionLag { lag: 0, lost: 0, doubt: None });
    }

    fn sample(sampled_ms: Millis, offsets: Option<PartitionOffsets>) -> Sample {
        Sample {
            sampled_ms,
            topics: crate::testing::joined(),
            offsets: vec![vec![offsets], vec![]],
            doubts: vec![],
            group: None,
        }
    }

    /// Looks at samples a quarter of a second apart; the doubts of each.
    fn looks(samples: &[Option<PartitionOffsets>]) -> Vec<Vec<Doubt>> {
        let mut memory = Memory::default();
        let look = |(number, offsets): (u64, &Option<PartitionOffsets>)| {
            let mut sample = sample(number * 250, *offsets);
            memory.look(&mut sample);
            let only = TopicPartition { topic: 0, partition: 0 };
            assert!(sample.doubts.iter().all(|(of, _)| *of == only));
            sample.doubts.into_iter().map(|(_, doubt)| doubt).collect()
        };
        (0..).zip(samples).map(look).collect()
    }

    #[test]
    fn a_commit_that_is_gone_is_told_from_one_that_never_was() {
        let (none, some) = (Some(offsets(None, 0, 9)), Some(offsets(Some(4), 0, 9)));
        let told = looks(&[none, some, none, None, none, some, some]);
        let gone = vec![Doubt::Gone];
        assert_eq!(told, [vec![], vec![], gone.clone(), vec![], gone, vec![], vec![]]);
    }

    #[test]
    fn a_transaction_that_stays_open_is_told_after_a_second_and_until_it_ends() {
        let held = |stable, high| {
            Some(PartitionOffsets { high_watermark: Some(high), ..offsets(Some(stable), 0, stable) })
        };
        let told = looks(&[
            held(10, 10),
            held(10, 12),
            held(10, 14),
            None,
            held(10, 16),
            held(10, 18),
            held(10, 20),
            held(20, 20),
        ]);
        let is = |records| vec![Doubt::Held { records, since_ms: 250 }];
        assert_eq!(told[4..], [vec![], is(8), is(10), vec![]]);
        assert!(told[..4].iter().all(Vec::is_empty));
    }

    #[test]
    fn short_transactions_one_after_the_other_hold_nothing() {
        let short: Vec<_> = (0..20)
            .map(|n| Some(PartitionOffsets { high_watermark: Some(n + 5), ..offsets(Some(n), 0, n) }))
            .collect();
        assert!(looks(&short).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_task_is_owned_by_whoever_owns_all_its_partitions() {
        let owners = |names: &[&str]| {
            names.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect::<Vec<_>>()
        };
        let group = Group {
            state: "Stable".to_owned(),
            owners: vec![owners(&["a", "a", "b", "b"]), owners(&["a", "b", "b"])],
            members: Vec::new(),
        };
        let topics = |tasks| Topics { list: ["rq", "rs"].map(Topic::new).to_vec(), tasks };
        assert_eq!(group.task_owners(&topics(Tasks::Joined)), owners(&["a", "", "b", "b"]));
        assert_eq!(group.task_owners(&topics(Tasks::Single)), owners(&["a", "a", "b", "b", "a", "b", "b"]));
    }
}
