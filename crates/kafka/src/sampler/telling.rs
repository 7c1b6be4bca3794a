//! What the sampler says in the log of single partitions: once when something begins, and once when it is over.

use std::collections::BTreeMap;

use model::Input;
use model::figures::ranges;
use model::lag::{Doubt, Sample};

/// What was said and is not over.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<(Kind, Input), Vec<u32>>);

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
            Self::Only => "the other input has no such partitions: what is in them is never joined",
        }
    }
}

impl Telling {
    /// Logs what began and what ended since the last sample.
    pub(super) fn tell(&mut self, sample: &Sample, inputs: &[String; 2]) {
        let found = find(sample);
        for ((kind, input), partitions) in &found {
            let before = self.0.get(&(*kind, *input)).map(Vec::as_slice).unwrap_or_default();
            if partitions.iter().any(|partition| !before.contains(partition)) {
                let topic = &inputs[*input as usize];
                tracing::warn!(topic, partitions = ranges(partitions), "{}", kind.sentence());
            }
        }
        for (kind, input) in self.0.keys().filter(|key| !found.contains_key(key)) {
            tracing::info!(topic = inputs[*input as usize], "over: {}", kind.sentence());
        }
        self.0 = found;
    }
}

fn find(sample: &Sample) -> BTreeMap<(Kind, Input), Vec<u32>> {
    let lag = model::fold::lag(sample);
    let mut found: BTreeMap<(Kind, Input), Vec<u32>> = BTreeMap::new();
    for (input, partition, doubt) in &lag.doubts {
        if let Some(kind) = Kind::of(*doubt) {
            found.entry((kind, *input)).or_default().push(*partition);
        }
    }
    for input in Input::ALL {
        for (partition, lag_of_partition) in (0..).zip(lag.partitions(input)) {
            let has_leader = !lag.doubts.contains(&(input, partition, Doubt::NoLeader));
            if lag_of_partition.is_none() && has_leader {
                found.entry((Kind::NoAnswer, input)).or_default().push(partition);
            }
            if lag.only(partition as usize) == Some(input) {
                found.entry((Kind::Only, input)).or_default().push(partition);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use model::lag::PartitionOffsets;

    use super::*;

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
        let sample = Sample {
            sampled_ms: 1,
            requests: vec![offsets(Some(20)), offsets(None), None, None, offsets(Some(9))],
            responses: vec![offsets(None), offsets(None), offsets(None)],
            doubts: vec![
                (Input::Requests, 2, Doubt::NoLeader),
                (Input::Requests, 4, Doubt::Held { records: 7, since_ms: 1 }),
                (Input::Responses, 0, Doubt::Gone),
            ],
            group: None,
        };
        let expected = [
            ((Kind::Gone, Input::Responses), vec![0]),
            ((Kind::Ahead, Input::Requests), vec![0]),
            ((Kind::Held, Input::Requests), vec![4]),
            ((Kind::NoLeader, Input::Requests), vec![2]),
            ((Kind::NoAnswer, Input::Requests), vec![3]),
            ((Kind::Only, Input::Requests), vec![3, 4]),
        ];
        assert_eq!(find(&sample), expected.into());
    }
}
