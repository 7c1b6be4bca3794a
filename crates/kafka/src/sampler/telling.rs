//! What the sampler says in the log of single partitions: once when something begins, and once when it is over.

use std::collections::BTreeMap;

use model::figures::ranges;
use model::lag::{Doubt, Sample};

/// What was said and is not over.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<(Kind, usize), Vec<u32>>);

/// What there is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Gone,
    Lost,
    Ahead,
    Held,
    NoLeader,
    NoAnswer,
    Only,
}

impl Kind {
    const fn of(doubt: Doubt) -> Option<Self> {
        match doubt {
            // A group that begins is the usual thing.
            Doubt::New => None,
            Doubt::Gone => Some(Self::Gone),
            Doubt::Lost => Some(Self::Lost),
            Doubt::Ahead => Some(Self::Ahead),
            Doubt::Held { .. } => Some(Self::Held),
            Doubt::NoLeader => Some(Self::NoLeader),
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Gone => {
                "the group's commits are gone: its lag is counted from the oldest record, until pods have found out where to go on"
            }
            Self::Lost => "records were deleted before the group read them",
            Self::Ahead => {
                "the group's commits are beyond the end of the log: its lag is counted from the oldest record, until pods have found out where to go on"
            }
            Self::Held => "an open transaction holds records back: nobody can read them until it ends",
            Self::NoLeader => "partitions have no leader: their lag is unknown",
            Self::NoAnswer => "Kafka gives no answer for partitions: their lag is unknown",
            Self::Only => "not every topic has these partitions: what is in them is never joined",
        }
    }
}

impl Telling {
    /// Logs what began and what ended since the last sample.
    pub(super) fn tell(&mut self, sample: &Sample) {
        let found = find(sample);
        for ((kind, place), partitions) in &found {
            let before = self.0.get(&(*kind, *place)).map(Vec::as_slice).unwrap_or_default();
            if partitions.iter().any(|partition| !before.contains(partition)) {
                let topic = sample.topics.name(*place);
                tracing::warn!(topic, partitions = ranges(partitions), "{}", kind.sentence());
            }
        }
        for (kind, place) in self.0.keys().filter(|key| !found.contains_key(key)) {
            tracing::info!(topic = sample.topics.name(*place), "over: {}", kind.sentence());
        }
        self.0 = found;
    }
}

fn find(sample: &Sample) -> BTreeMap<(Kind, usize), Vec<u32>> {
    let lag = model::fold::lag(sample);
    let mut found: BTreeMap<(Kind, usize), Vec<u32>> = BTreeMap::new();
    for (of, doubt) in &lag.doubts {
        if let Some(kind) = Kind::of(*doubt) {
            found.entry((kind, of.topic)).or_default().push(of.partition);
        }
    }
    for (of, offsets) in sample.partitions() {
        if offsets.is_none() && !lag.doubts.contains(&(of, Doubt::NoLeader)) {
            found.entry((Kind::NoAnswer, of.topic)).or_default().push(of.partition);
        }
    }
    for task in 0..lag.task_count() {
        for topic in lag.only(task) {
            found.entry((Kind::Only, topic)).or_default().push(u32::try_from(task).unwrap_or(u32::MAX));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::lag::PartitionOffsets;
    use model::topics::TopicPartition;

    use super::*;
    use crate::sampler::demo_topics;

    #[test]
    fn all_that_is_special_is_found_with_its_partitions() {
        let offsets = |committed_offset| {
            Some(PartitionOffsets {
                committed_offset,
                log_start_offset: 0,
                log_end_offset: 9,
                high_watermark: None,
            })
        };
        let of = |topic, partition| TopicPartition { topic, partition };
        let sample = Sample {
            sampled_ms: 1,
            topics: Arc::new(demo_topics()),
            offsets: vec![
                vec![offsets(Some(20)), offsets(None), None, None, offsets(Some(9))],
                vec![offsets(None), offsets(None), offsets(None)],
            ],
            doubts: vec![
                (of(0, 2), Doubt::NoLeader),
                (of(0, 4), Doubt::Held { records: 7, since_ms: 1 }),
                (of(1, 0), Doubt::Gone),
            ],
            group: None,
        };
        let expected = [
            ((Kind::Gone, 1), vec![0]),
            ((Kind::Ahead, 0), vec![0]),
            ((Kind::Held, 0), vec![4]),
            ((Kind::NoLeader, 0), vec![2]),
            ((Kind::NoAnswer, 0), vec![3]),
            ((Kind::Only, 0), vec![3, 4]),
        ];
        assert_eq!(find(&sample), expected.into());
    }
}
