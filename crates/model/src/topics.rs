//! The topics that a consumer group reads, and how their partitions are worked on: data, so that any group has them.

use serde::{Deserialize, Serialize};

/// One topic that a group reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Topic {
    /// As in Kafka.
    pub name: String,
    /// What its records are called, in the plural: `requests`. Without it they are called by the topic's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
}

impl Topic {
    /// A topic whose records have no name of their own.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), records: None }
    }

    /// The name of its lag per pod among the custom metrics of Kubernetes: `consumer_lag_game_frame_rq`.
    #[must_use]
    pub fn pod_metric(&self) -> String {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        format!("consumer_lag_{}", self.name.to_lowercase().chars().map(letter).collect::<String>())
    }

    /// What its records are called.
    #[must_use]
    pub fn noun(&self) -> &str {
        self.records.as_deref().unwrap_or(&self.name)
    }
}

/// What belongs to one task, as Kafka Streams calls it: the partitions that one member works on together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Tasks {
    /// Each partition of each topic is worked on by itself.
    #[default]
    Single,
    /// The same partition of every topic is worked on together, since their records are joined.
    Joined,
}

/// The topics of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topics {
    /// Each topic has the same place in all that is told of the group.
    pub list: Vec<Topic>,
    /// How their partitions belong together.
    pub tasks: Tasks,
}

/// A partition of one of a group's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic's place in [`Topics::list`].
    pub topic: usize,
    /// Its number.
    pub partition: u32,
}

impl Topics {
    /// What the records of the topic in a place are called.
    #[must_use]
    pub fn noun(&self, topic: usize) -> &str {
        self.list.get(topic).map_or("records", Topic::noun)
    }

    /// What the records of a topic are called, by its name.
    #[must_use]
    pub fn noun_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.list.iter().find(|topic| topic.name == name).map_or(name, Topic::noun)
    }

    /// The name of the topic in a place.
    #[must_use]
    pub fn name(&self, topic: usize) -> &str {
        self.list.get(topic).map_or("a topic", |topic| &topic.name)
    }

    /// How many tasks there are, where the topics have so many partitions.
    #[must_use]
    pub fn task_count(&self, partitions: &[usize]) -> usize {
        match self.tasks {
            Tasks::Single => partitions.iter().sum(),
            Tasks::Joined => partitions.iter().copied().max().unwrap_or(0),
        }
    }

    /// The partitions of each task, where the topics have so many: task by task, of those that exist.
    #[must_use]
    pub fn tasks(&self, partitions: &[usize]) -> Vec<Vec<TopicPartition>> {
        let of_topic = |(topic, &count): (usize, &usize)| {
            (0..u32::try_from(count).unwrap_or(u32::MAX))
                .map(move |partition| TopicPartition { topic, partition })
        };
        let all = partitions.iter().enumerate().flat_map(of_topic);
        match self.tasks {
            Tasks::Single => all.map(|one| vec![one]).collect(),
            Tasks::Joined => {
                let mut tasks = vec![Vec::new(); self.task_count(partitions)];
                all.for_each(|one| tasks[one.partition as usize].push(one));
                tasks
            }
        }
    }

    /// The task that a partition belongs to, where the topics have so many partitions.
    #[must_use]
    pub fn task(&self, partitions: &[usize], of: TopicPartition) -> usize {
        match self.tasks {
            Tasks::Single => partitions.iter().take(of.topic).sum::<usize>() + of.partition as usize,
            Tasks::Joined => of.partition as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(tasks: Tasks) -> Topics {
        Topics { list: ["a", "b"].map(Topic::new).to_vec(), tasks }
    }

    #[test]
    fn each_partition_belongs_to_the_task_that_lists_it() {
        let mut compared = 0;
        for (tasks, expected) in [(Tasks::Single, 5), (Tasks::Joined, 3)] {
            let topics = topics(tasks);
            let all = topics.tasks(&[3, 2]);
            assert_eq!((all.len(), topics.task_count(&[3, 2])), (expected, expected));
            for (task, partitions) in all.iter().enumerate() {
                for partition in partitions {
                    assert_eq!(topics.task(&[3, 2], *partition), task, "{partition:?}");
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 10);
    }

    #[test]
    fn a_joined_task_has_what_exists_of_its_partition() {
        let of = |topic, partition| TopicPartition { topic, partition };
        let tasks = topics(Tasks::Joined).tasks(&[1, 2]);
        assert_eq!(tasks, [vec![of(0, 0), of(1, 0)], vec![of(1, 1)]]);
    }
}
