//! Lag of one partition, from three offsets that Kafka told, and of a group, from all its partitions.
//!
//! The rule of the house: lag is never negative, an unknown is never 0, and whatever makes a figure doubtful travels
//! with it as a flag.

use serde::{Deserialize, Serialize};

use crate::{Input, Millis};

/// What Kafka said about one partition of a topic, for one consumer group. Fetched in this order: commit, start, end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartitionOffsets {
    /// The group's committed offset: the next record that it will read. `None`: the group has not committed here yet.
    pub committed_offset: Option<i64>,
    /// The oldest offset that is still in the log.
    pub log_start_offset: i64,
    /// The offset that the next record will get (the last stable offset where transactions are open).
    pub log_end_offset: i64,
}

/// Where a group without a commit starts to read (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// At the oldest record.
    #[default]
    Earliest,
    /// At the newest record.
    Latest,
}

/// What makes a partition's lag special; shown beside the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// No commit yet: the figure follows the group's reset policy.
    New,
    /// Records were deleted before the group read them.
    Lost,
    /// The commit is beyond the log's end: the topic was made anew or truncated.
    Ahead,
}

/// One partition's lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionLag {
    /// Records between what the group has committed and the log's end.
    pub lag: u64,
    /// Records that retention deleted before the group read them.
    pub lost: u64,
    /// What to say beside the figure.
    pub doubt: Option<Doubt>,
}

impl PartitionOffsets {
    /// The lag that these offsets mean.
    #[must_use]
    pub fn lag(&self, reset: OffsetReset) -> PartitionLag {
        let Self { committed_offset, log_start_offset: start, log_end_offset: end } = *self;
        match committed_offset {
            None => {
                let lag = match reset {
                    OffsetReset::Earliest => distance(start, end),
                    OffsetReset::Latest => 0,
                };
                PartitionLag { lag, lost: 0, doubt: Some(Doubt::New) }
            }
            Some(committed) if committed > end => PartitionLag { lag: 0, lost: 0, doubt: Some(Doubt::Ahead) },
            Some(committed) if committed < start => PartitionLag {
                lag: distance(start, end),
                lost: distance(committed, start),
                doubt: Some(Doubt::Lost),
            },
            Some(committed) => PartitionLag { lag: distance(committed, end), lost: 0, doubt: None },
        }
    }
}

fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// One sample of a group: both inputs, all partitions, and who owns them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When the log ends were read.
    pub sampled_ms: Millis,
    /// Offsets of `GAME-FRAME-RQ`, indexed by partition; `None` where Kafka gave no answer for that partition.
    pub requests: Vec<Option<PartitionOffsets>>,
    /// Offsets of `GAME-FRAME-RS`, likewise.
    pub responses: Vec<Option<PartitionOffsets>>,
    /// The group as its coordinator describes it; `None` while that is unknown.
    pub group: Option<Group>,
}

impl Sample {
    /// The offsets of one input, indexed by partition.
    #[must_use]
    pub fn offsets(&self, input: Input) -> &[Option<PartitionOffsets>] {
        match input {
            Input::Requests => &self.requests,
            Input::Responses => &self.responses,
        }
    }
}

/// A consumer group, in the coordinator's words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// As Kafka spells it: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling`,
    /// `Empty`, `Dead`, `Unknown`.
    pub state: String,
    /// The owning member's `client.id`, which is the pod's name, indexed by partition. A pair of partitions is owned
    /// when both its inputs belong to the same member.
    pub owners: Vec<Option<String>>,
}

impl Group {
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

    fn check(committed_offset: Option<i64>, start: i64, end: i64, expected: (u64, u64, Option<Doubt>)) {
        let offsets = PartitionOffsets { committed_offset, log_start_offset: start, log_end_offset: end };
        let PartitionLag { lag, lost, doubt } = offsets.lag(OffsetReset::Earliest);
        assert_eq!((lag, lost, doubt), expected, "{offsets:?}");
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
        let offsets = PartitionOffsets { committed_offset: None, log_start_offset: 30, log_end_offset: 100 };
        assert_eq!(offsets.lag(OffsetReset::Latest).lag, 0);
    }

    #[test]
    fn deleted_records_are_lost_and_not_lag() {
        check(Some(10), 30, 100, (70, 20, Some(Doubt::Lost)));
    }

    #[test]
    fn a_commit_beyond_the_end_is_never_negative_lag() {
        check(Some(101), 0, 100, (0, 0, Some(Doubt::Ahead)));
    }
}
