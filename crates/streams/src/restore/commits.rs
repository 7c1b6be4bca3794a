//! What the group has committed for a task, and what that means for its state.

use std::collections::BTreeMap;

use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::changelog::{Mark, Note};

/// A commit of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) offset: i64,
    pub(super) note: Note,
}

/// The commits of a task: requests, responses; `None` where there is none.
pub(super) type Commits = [Option<Commit>; 2];

/// What to read of a task's changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// From where the mark says to its block, which belongs to the commits.
    ToBlock(Mark),
    /// All of it: the commits are gone, or somebody else's.
    ToEnd,
    /// Nothing: the offsets were moved on purpose.
    Nothing,
}

impl Plan {
    /// A mark decides: of two, the newer one.
    pub(super) fn of(commits: &Commits) -> Self {
        let notes = || commits.iter().flatten().map(|commit| commit.note);
        let mark = |note| match note {
            Note::Mark(mark) => Some(mark),
            Note::Skip | Note::Foreign => None,
        };
        match notes().filter_map(mark).max_by_key(|mark| mark.block) {
            Some(mark) => Self::ToBlock(mark),
            None if notes().any(|note| note == Note::Skip) => Self::Nothing,
            None => Self::ToEnd,
        }
    }
}

/// The offsets of commits, as the consumer takes them.
pub(super) fn offsets(commits: &Commits) -> [Option<i64>; 2] {
    commits.map(|commit| commit.map(|commit| commit.offset))
}

/// Reads Kafka's answer: the commits by task, or why a task has no answer.
pub(super) fn read(
    answer: &TopicPartitionList,
    topics: &[String; 2],
) -> BTreeMap<u32, Result<Commits, KafkaError>> {
    let mut tasks = BTreeMap::new();
    for element in answer.elements() {
        let (Ok(partition), Some(side)) =
            (u32::try_from(element.partition()), topics.iter().position(|topic| topic == element.topic()))
        else {
            continue;
        };
        let task = tasks.entry(partition).or_insert(Ok(Commits::default()));
        match (element.error(), element.offset(), &mut *task) {
            (Err(problem), ..) => *task = Err(problem),
            (Ok(()), Offset::Offset(offset), Ok(commits)) => {
                commits[side] = Some(Commit { offset, note: Note::of(element.metadata()) });
            }
            (Ok(()), ..) => {}
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_mark_decides_and_without_one_what_was_meant() {
        let commit = |note| Some(Commit { offset: 5, note });
        let mark = |block| Note::Mark(Mark { from: 1, block });
        let plan = |requests, responses| Plan::of(&[requests, responses]);
        assert_eq!(plan(commit(mark(3)), commit(mark(4))), Plan::ToBlock(Mark { from: 1, block: 4 }));
        assert_eq!(plan(None, commit(mark(3))), Plan::ToBlock(Mark { from: 1, block: 3 }));
        assert_eq!(plan(commit(Note::Foreign), commit(mark(3))), Plan::ToBlock(Mark { from: 1, block: 3 }));
        assert_eq!(plan(commit(Note::Skip), commit(Note::Skip)), Plan::Nothing);
        assert_eq!(plan(commit(Note::Skip), commit(Note::Foreign)), Plan::Nothing);
        assert_eq!(plan(commit(Note::Foreign), commit(Note::Foreign)), Plan::ToEnd);
        assert_eq!(plan(None, None), Plan::ToEnd);
    }

    #[test]
    fn a_task_without_an_answer_does_not_hide_the_others() {
        let topics = ["RQ".to_owned(), "RS".to_owned()];
        let mut answer = TopicPartitionList::new();
        let mark = Mark { from: 1, block: 2 };
        let mut element = answer.add_partition("RQ", 0);
        element.set_offset(Offset::Offset(7)).unwrap();
        element.set_metadata(mark.to_string());
        answer.add_partition("RS", 0);
        answer.add_partition("RS", 1).set_offset(Offset::Offset(9)).unwrap();
        let tasks = read(&answer, &topics);
        let commit = |offset, note| Some(Commit { offset, note });
        assert_eq!(*tasks[&0].as_ref().unwrap(), [commit(7, Note::Mark(mark)), None]);
        assert_eq!(*tasks[&1].as_ref().unwrap(), [None, commit(9, Note::Foreign)]);
        assert_eq!(tasks.len(), 2);
    }
}
