//! What the group assigned to this pod. Partition p of both inputs must be owned by the same pod, since their frames
//! are joined.

use std::collections::BTreeSet;

use rdkafka::topic_partition_list::TopicPartitionList;
use workload::Input;

/// The partitions that the group has given to this pod: requests, responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Assignment([BTreeSet<u32>; 2]);

impl Assignment {
    /// From a list of Kafka's; `topics` are those of requests and responses.
    pub(crate) fn of(list: &TopicPartitionList, topics: &[String; 2]) -> Self {
        Self(topics.each_ref().map(|topic| {
            let elements = list.elements_for_topic(topic);
            elements.iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect()
        }))
    }

    pub(crate) fn add(&mut self, more: &Self) {
        for (mine, more) in self.0.iter_mut().zip(&more.0) {
            mine.extend(more);
        }
    }

    pub(crate) fn remove(&mut self, less: &Self) {
        for (mine, less) in self.0.iter_mut().zip(&less.0) {
            mine.retain(|partition| !less.contains(partition));
        }
    }

    /// Partitions that are owned in both inputs.
    pub(crate) fn tasks(&self) -> BTreeSet<u32> {
        &self.0[0] & &self.0[1]
    }

    /// Partitions that are owned in one input only: nothing can be joined there.
    pub(crate) fn unpaired(&self) -> BTreeSet<u32> {
        &self.0[0] ^ &self.0[1]
    }

    /// Every partition of either input.
    pub(crate) fn any(&self) -> BTreeSet<u32> {
        &self.0[0] | &self.0[1]
    }
}

/// Both inputs of these partitions, as Kafka wants them.
pub(crate) fn both<'a>(
    topics: &[String; 2],
    partitions: impl IntoIterator<Item = &'a u32> + Clone,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for &partition in partitions.clone() {
            list.add_partition(topic, signed(partition));
        }
    }
    list
}

/// A partition's number as Kafka's protocol has it.
pub(crate) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// Where an input stands in a task.
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
    fn a_task_needs_the_partition_of_both_inputs() {
        let topics = ["RQ".to_owned(), "RS".to_owned()];
        let mut assignment = TopicPartitionList::new();
        for (topic, partition) in [("RQ", 3), ("RQ", 4), ("RS", 4), ("RS", 5), ("OTHER", 6)] {
            assignment.add_partition(topic, partition);
        }
        let mut assignment = Assignment::of(&assignment, &topics);
        let set = |partitions: &[u32]| partitions.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!((assignment.tasks(), assignment.unpaired()), (set(&[4]), set(&[3, 5])));
        let list = both(&topics, &assignment.tasks());
        assert_eq!(list.count(), 2);
        assert!(list.find_partition("RQ", 4).is_some() && list.find_partition("RS", 4).is_some());
        let mut more = TopicPartitionList::new();
        more.add_partition("RQ", 5);
        assignment.add(&Assignment::of(&more, &topics));
        assert_eq!((assignment.tasks(), assignment.unpaired()), (set(&[4, 5]), set(&[3])));
        assignment.remove(&Assignment::of(&more, &topics));
        assert_eq!((assignment.tasks(), assignment.any()), (set(&[4]), set(&[3, 4, 5])));
    }
}
