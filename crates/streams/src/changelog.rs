//! A pair's changelog: a block a commit, numbered, and which of them are still needed.
//!
//! The commit of a pair's offsets carries a [`Mark`] as its metadata: which block belongs to these offsets, and where to begin
//! reading. So a new owner knows when it has read enough, even while the broker has yet to finish the transaction in the
//! changelog's own partition.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use game::fold::Block;
use game::{EventTime, Fold};

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

/// A block that was written, or is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    block: u64,
    /// `None` while it is on its way.
    offset: Option<i64>,
    high_ts: Option<EventTime>,
}

/// The blocks of a pair that are needed to restore it.
#[derive(Debug, Default)]
pub(crate) struct Changelog {
    blocks: VecDeque<Written>,
    /// No block that matters is below.
    from: i64,
    last: u64,
}

impl Changelog {
    /// Of a pair that begins without state: nothing before this offset matters.
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
    use game::sessions::Limits;

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
