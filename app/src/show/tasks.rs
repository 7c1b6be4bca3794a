//! The tasks of the group, as the page numbers them, and what each is called: by its partition, and by its topic where
//! the partitions of several topics are worked on by themselves.

use leptos::prelude::*;
use model::PARTITIONS;
use model::snapshot::Lag;
use model::topics::Tasks;
use model::wire::Picture;

use crate::store::{Part, Store};

/// What a task is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Called<'p> {
    /// The number of its partition.
    pub partition: u32,
    /// The topic's name, where another topic has a task of the same number.
    pub topic: Option<&'p str>,
}

/// The same, for what is drawn anew when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// The number of the partition.
    pub partition: u32,
    /// The topic's name, where it is needed.
    pub topic: Option<String>,
}

/// How many tasks there are; as many as the show's own topics have while nobody knows.
pub(super) fn task_count(picture: &Picture) -> u32 {
    let of_lag = picture.snapshot.lag.as_ref().map_or(0, Lag::task_count);
    let owned = picture.snapshot.ownership.as_ref().map_or(0, |ownership| ownership.tasks.len());
    match u32::try_from(of_lag.max(owned)) {
        Ok(0) | Err(_) => PARTITIONS,
        Ok(count) => count,
    }
}

/// What a task is called; by its own number while its partitions are not known.
pub(super) fn called(picture: &Picture, task: u32) -> Called<'_> {
    let unknown = Called { partition: task, topic: None };
    let Some(lag) = &picture.snapshot.lag else { return unknown };
    match lag.topics.tasks {
        Tasks::Joined => unknown,
        Tasks::Single => lag.task_partitions(task as usize).first().map_or(unknown, |of| Called {
            partition: of.partition,
            topic: (lag.topics.list.len() > 1).then(|| lag.topics.name(of.topic)),
        }),
    }
}

/// All tasks by what they are called.
pub(super) fn labels(store: Store) -> Memo<Vec<Label>> {
    Memo::new(move |_| {
        store.read(&[Part::Lag, Part::Ownership], |picture| {
            let label = |task| {
                let Called { partition, topic } = called(picture, task);
                Label { partition, topic: topic.map(str::to_owned) }
            };
            (0..task_count(picture)).map(label).collect()
        })
    })
}

/// Some tasks, topic by topic; `numbers` says the partitions of one.
pub(super) fn said(picture: &Picture, tasks: &[u32], numbers: impl Fn(&[u32]) -> String) -> String {
    let mut by_topic: Vec<(Option<&str>, Vec<u32>)> = Vec::new();
    for &task in tasks {
        let Called { partition, topic } = called(picture, task);
        match by_topic.last_mut() {
            Some((last, partitions)) if *last == topic => partitions.push(partition),
            Some(_) | None => by_topic.push((topic, vec![partition])),
        }
    }
    let said = by_topic.into_iter().map(|(topic, partitions)| match topic {
        Some(topic) => format!("{topic} {}", numbers(&partitions)),
        None => numbers(&partitions),
    });
    said.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::figures::ranges;
    use model::topics::{Topic, Topics};

    fn picture(topics: &[&str], tasks: Tasks) -> Picture {
        let mut picture = Picture::default();
        let list = topics.iter().map(|name| Topic::new(*name)).collect();
        let partitions = vec![vec![Some(0); 3]; topics.len()];
        picture.snapshot.lag = Some(Lag { topics: Topics { list, tasks }, partitions, ..Lag::default() });
        picture
    }

    #[test]
    fn a_task_is_called_by_its_topic_only_where_that_tells_it_from_others() {
        let (two, one): (&[&str], &[&str]) = (&["a", "b"], &["a"]);
        for (topics, tasks, count, topic, together) in [
            (two, Tasks::Joined, 3, None, "0 and 2"),
            (one, Tasks::Single, 3, None, "0 and 2"),
            (two, Tasks::Single, 6, Some("a"), "a 0 and 2"),
        ] {
            let picture = picture(topics, tasks);
            assert_eq!(task_count(&picture), count);
            assert_eq!(called(&picture, 2), Called { partition: 2, topic });
            assert_eq!(said(&picture, &[0, 2], ranges), together);
        }
        assert_eq!(said(&picture(two, Tasks::Single), &[1, 2, 3, 5], ranges), "a 1 and 2; b 0 and 2");
        assert_eq!(called(&Picture::default(), 2), Called { partition: 2, topic: None });
        assert_eq!(task_count(&Picture::default()), PARTITIONS);
    }
}
