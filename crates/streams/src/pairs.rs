//! Pairs of partitions: partition p of both inputs must be owned by the same pod, since their frames are joined.

use std::collections::BTreeSet;

use model::Input;
use rdkafka::topic_partition_list::TopicPartitionList;

/// An assignment, sorted into pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pairs {
    /// Partitions that are owned in both inputs.
    pub(crate) whole: BTreeSet<u32>,
    /// Partitions that are owned in one input only: nothing can be joined there.
    pub(crate) half: BTreeSet<u32>,
}

impl Pairs {
    /// Sorts an assignment; `topics` are those of requests and responses.
    pub(crate) fn of(assignment: &TopicPartitionList, topics: &[String; 2]) -> Self {
        let [requests, responses] = topics.each_ref().map(|topic| {
            let elements = assignment.elements_for_topic(topic);
            elements
                .iter()
                .filter_map(|element| u32::try_from(element.partition()).ok())
                .collect::<BTreeSet<_>>()
        });
        Self { whole: &requests & &responses, half: &requests ^ &responses }
    }

    /// The whole pairs as Kafka wants them, to be read from where the group has committed.
    pub(crate) fn to_list(&self, topics: &[String; 2]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            for &partition in &self.whole {
                list.add_partition(topic, signed(partition));
            }
        }
        list
    }
}

/// A partition's number as Kafka's protocol has it.
pub(crate) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// Where an input stands in a pair.
pub(crate) const fn index(input: Input) -> usize {
    match input {
        Input::Requests => 0,
        Input::Responses => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_pair_is_told_from_a_whole_one() {
        let topics = ["RQ".to_owned(), "RS".to_owned()];
        let mut assignment = TopicPartitionList::new();
        for (topic, partition) in [("RQ", 3), ("RQ", 4), ("RS", 4), ("RS", 5), ("OTHER", 6)] {
            assignment.add_partition(topic, partition);
        }
        let pairs = Pairs::of(&assignment, &topics);
        assert_eq!((pairs.whole.clone(), pairs.half.clone()), (BTreeSet::from([4]), BTreeSet::from([3, 5])));
        let list = pairs.to_list(&topics);
        assert_eq!(list.count(), 2);
        assert!(list.find_partition("RQ", 4).is_some() && list.find_partition("RS", 4).is_some());
    }
}
