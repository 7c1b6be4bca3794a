//! A task's changelog: a block a commit, numbered, and which of them are still needed.
//!
//! The commit of a task's offsets carries a [`Mark`] as its metadata: which block belongs to these offsets, and where
//! to begin reading. So a new owner knows when it has read enough, even while the broker has yet to finish the
//! transaction in the changelog's own partition.
//!
//! Each block carries, as a header, the [`Positions`] that it belongs to. So the changelog alone says how far a task
//! has come, also when the group's commits have expired or somebody else has moved them.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use kafka::SKIP;
use workload::fold::Block;
use workload::{EventTime, Fold};

/// The header of a block that says how far the task had come in its inputs.
pub(crate) const POSITIONS: &str = "positions";
/// The number of the first block of a task that begins without state.
pub(crate) const FIRST: u64 = 1;

/// What a commit says about the state that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The last block.
    pub(crate) block: u64,
    /// An offset of the changelog from which on all blocks are that matter.
    pub(crate) from: i64,
}

impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v1 block={} from={}", self.block, self.from)
    }
}

/// The metadata is none of ours: offsets that somebody else has set, say to skip records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAMark;

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let (block, from) =
            text.strip_prefix("v1 block=").and_then(|rest| rest.split_once(" from=")).ok_or(NotAMark)?;
        match (block.parse(), from.parse()) {
            (Ok(block), Ok(from)) => Ok(Self { block, from }),
            _ => Err(NotAMark),
        }
    }
}

/// What the metadata of a commit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// A pod of ours has committed it.
    Mark(Mark),
    /// A presenter has moved the offsets on purpose: the task begins without state there.
    Skip,
    /// Somebody else has committed it.
    Foreign,
}

impl Note {
    /// Reads the metadata of a commit.
    pub(crate) fn of(metadata: &str) -> Self {
        match metadata.parse() {
            Ok(mark) => Self::Mark(mark),
            Err(NotAMark) if metadata == SKIP => Self::Skip,
            Err(NotAMark) => Self::Foreign,
        }
    }
}

/// How far a task has come in its inputs: requests, responses.
pub(crate) type Positions = [Position; 2];

/// How far a task has come in one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// The offset of the next record.
    pub(crate) next: i64,
    /// The last record that was read, if there was one: whether the log still holds it tells whether it is still the
    /// same log.
    pub(crate) last: Option<LastRead>,
}

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRead {
    pub(crate) offset: i64,
    /// Its record time; -1 where it has none.
    pub(crate) timestamp: EventTime,
}

impl Position {
    /// The position after a record.
    pub(crate) fn after(offset: i64, timestamp: Option<EventTime>) -> Self {
        Self { next: offset + 1, last: Some(LastRead { offset, timestamp: timestamp.unwrap_or(-1) }) }
    }
}

/// The text of a block's header.
pub(crate) fn header(positions: &Positions) -> String {
    let of_input = |&Position { next, last }: &Position| match last {
        Some(LastRead { offset, timestamp }) => format!("{next},{offset},{timestamp}"),
        None => next.to_string(),
    };
    format!("v1 rq={} rs={}", of_input(&positions[0]), of_input(&positions[1]))
}

/// Reads the text of a block's header; `None` if it is none of ours.
pub(crate) fn positions(header: &str) -> Option<Positions> {
    let of_input = |text: &str| {
        let mut numbers = text.split(',').map(|number| number.parse::<i64>().ok());
        let next = numbers.next()??;
        let last = match (numbers.next(), numbers.next(), numbers.next()) {
            (None, ..) => None,
            (Some(offset), Some(timestamp), None) => {
                Some(LastRead { offset: offset?, timestamp: timestamp? })
            }
            _ => return None,
        };
        Some(Position { next, last })
    };
    let (requests, responses) = header.strip_prefix("v1 rq=")?.split_once(" rs=")?;
    Some([of_input(requests)?, of_input(responses)?])
}

/// A block that was written, or is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    block: u64,
    /// `None` while it is on its way.
    offset: Option<i64>,
    high_ts: Option<EventTime>,
}

/// The blocks of a task that are needed to restore it.
#[derive(Debug, Default)]
pub(crate) struct Changelog {
    blocks: VecDeque<Written>,
    /// No block that matters is below.
    from: i64,
    last: u64,
}

impl Changelog {
    /// Of a task that begins without state: nothing before this offset matters.
    pub(crate) fn new(from: i64) -> Self {
        Self { from, ..Self::default() }
    }

    /// Numbers a block that is to be written.
    pub(crate) fn append(&mut self, block: &Block) -> u64 {
        self.last += 1;
        self.blocks.push_back(Written { block: self.last, offset: None, high_ts: block.high_ts });
        self.last
    }

    /// Notes where a block is.
    pub(crate) fn written(&mut self, block: u64, offset: i64) {
        if let Some(written) = self.blocks.iter_mut().rev().find(|written| written.block == block) {
            written.offset = Some(offset);
        }
    }

    /// Notes a block that was read.
    pub(crate) fn read(&mut self, block: u64, offset: i64, high_ts: Option<EventTime>) {
        self.blocks.push_back(Written { block, offset: Some(offset), high_ts });
        self.last = block;
    }

    /// Forgets the blocks of which nothing is left in the state; never the last one, which has the times.
    pub(crate) fn forget(&mut self, fold: &Fold) {
        while let [first, _, ..] = self.blocks.make_contiguous()
            && let Written { offset: Some(offset), high_ts, .. } = *first
            && fold.outlived(high_ts)
        {
            self.from = offset + 1;
            self.blocks.pop_front();
        }
    }

    /// What the next commit says; `None` before the first block.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let first = self.blocks.front()?;
        Some(Mark { block: self.last, from: first.offset.unwrap_or(self.from) })
    }

    /// Nothing below this offset is needed any more.
    pub(crate) fn from(&self) -> i64 {
        self.from
    }
}

#[cfg(test)]
mod tests {
    use workload::sessions::Limits;

    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mark = Mark { block: 12, from: 345 };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for text in ["", "v1", "v2 block=1 from=2", "v1 block=1", "v1 block=x from=2", "by hand"] {
            assert_eq!(text.parse::<Mark>(), Err(NotAMark), "{text}");
        }
    }

    #[test]
    fn the_note_of_a_commit_says_who_has_made_it() {
        let mark = Mark { block: 12, from: 345 };
        assert_eq!(Note::of(&mark.to_string()), Note::Mark(mark));
        assert_eq!(Note::of(SKIP), Note::Skip);
        assert_eq!([Note::of(""), Note::of("v1 block=x from=2")], [Note::Foreign; 2]);
    }

    #[test]
    fn positions_are_read_as_they_were_written_and_nothing_else_is_read() {
        let nothing_read = Position { next: 7, last: None };
        for all in [
            [Position::after(12, Some(1_700_000_000_000)), Position::after(0, None)],
            [nothing_read, Position::default()],
        ] {
            assert_eq!(positions(&header(&all)), Some(all), "{}", header(&all));
        }
        for text in ["", "v1 rq=1", "v1 rq=1 rs=x", "v1 rq=1,2 rs=3", "v1 rq=1,2,3,4 rs=3", "v2 rq=1 rs=2"] {
            assert_eq!(positions(text), None, "{text}");
        }
    }

    #[test]
    fn blocks_of_which_nothing_is_left_are_forgotten_but_not_the_last_one() {
        let mut changelog = Changelog::new(100);
        assert_eq!(changelog.mark(), None);
        let fold = Fold::new(Limits::default());
        let block = |high_ts| Block { bytes: Vec::new(), high_ts };
        assert_eq!(changelog.append(&block(None)), 1);
        assert_eq!(changelog.mark(), Some(Mark { block: 1, from: 100 }), "its offset is not known yet");
        changelog.written(1, 107);
        changelog.forget(&fold);
        assert_eq!(changelog.mark(), Some(Mark { block: 1, from: 107 }));
        assert_eq!(changelog.append(&block(Some(5))), 2);
        changelog.forget(&fold);
        assert_eq!((changelog.mark(), changelog.from()), (Some(Mark { block: 2, from: 108 }), 108));
        changelog.written(2, 110);
        changelog.append(&block(None));
        changelog.forget(&fold);
        assert_eq!(changelog.mark(), Some(Mark { block: 3, from: 110 }), "a frame of 2 may be open");
    }
}
