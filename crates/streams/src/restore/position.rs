//! Where a task goes on, decided from three witnesses: the changelog, the commits, and the logs themselves.
//!
//! The changelog decides, since its positions and its state were written together. What the commits or the logs say
//! otherwise is told.

use std::fmt;

use super::commits::{Commit, Commits};
use crate::changelog::{LastRead, Note, Position, Positions};

/// Where the log of one input begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) start: i64,
    /// The last stable offset.
    pub(super) end: i64,
}

/// Whether a log still holds the record that was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SameLog {
    /// It does, or nothing says otherwise.
    Yes,
    /// At its offset is another record, or none.
    No,
}

/// What a pod says of a position that is not simply the committed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remark {
    /// There is no commit any more, though there was one.
    CommitGone { next: i64 },
    /// Somebody else has committed another offset, and it is not taken.
    ForeignCommit { committed: i64, next: i64 },
    /// Somebody else has committed, and this pod has no state of its own: it begins there.
    ForeignBegin { committed: i64, records: i64 },
    /// The log ends before the position: it was made anew, or has lost its end.
    Beyond { before: i64, log_end: i64, next: i64 },
    /// The log is another one under the same name.
    OtherLog { before: i64, next: i64 },
    /// Records were deleted before they were read.
    Deleted { records: i64, next: i64 },
}

impl Remark {
    /// A word for metrics.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::CommitGone { .. } => "commit_gone",
            Self::ForeignCommit { .. } => "foreign_commit",
            Self::ForeignBegin { .. } => "foreign_begin",
            Self::Beyond { .. } => "beyond_end",
            Self::OtherLog { .. } => "other_log",
            Self::Deleted { .. } => "deleted_records",
        }
    }

    /// How many records are passed over without having been read, as far as that is known.
    pub(crate) const fn lost(self) -> u64 {
        match self {
            Self::Deleted { records, .. } | Self::ForeignBegin { records, .. } => records.unsigned_abs(),
            Self::CommitGone { .. }
            | Self::ForeignCommit { .. }
            | Self::Beyond { .. }
            | Self::OtherLog { .. } => 0,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CommitGone { next } => write!(
                f,
                "the group's commit is gone (expired, or deleted): going on from {next}, as the changelog says"
            ),
            Self::ForeignCommit { committed, next } => write!(
                f,
                "offset {committed} was committed by somebody else: going on from {next}, as the changelog says"
            ),
            Self::ForeignBegin { committed, records } => write!(
                f,
                "offset {committed} was committed by somebody else, and there is no changelog: beginning there without state. \
                 {records} records before it are passed over"
            ),
            Self::Beyond { before, log_end, next } => write!(
                f,
                "the log ends at {log_end}, before the position {before}: it was made anew, or has lost its end. \
                 Going on from its start, {next}"
            ),
            Self::OtherLog { before, next } => write!(
                f,
                "the log does not hold the record before the position {before}: it was made anew. \
                 Going on from its start, {next}"
            ),
            Self::Deleted { records, next } => write!(
                f,
                "{records} records were deleted before they were read: going on from the log's start, {next}"
            ),
        }
    }
}

/// The record that the log must still hold if it is the same one; `None` where that cannot be asked, or where its end
/// answers it.
pub(super) fn witness(before: Position, log: Log) -> Option<LastRead> {
    before.last.filter(|last| before.next <= log.end && last.offset >= log.start)
}

/// Where one input of a task without state begins.
pub(super) fn begin(commit: Option<Commit>, log: Log) -> (Position, Option<Remark>) {
    match commit {
        None => (Position { next: log.start, last: None }, None),
        Some(Commit { offset, note }) => {
            let records = offset - log.start;
            let foreign =
                (note == Note::Foreign).then_some(Remark::ForeignBegin { committed: offset, records });
            let (next, remark) = inside(offset, log);
            (Position { next, last: None }, remark.or(foreign))
        }
    }
}

/// Where one input of a task goes on whose state belongs to a position.
pub(super) fn go_on(
    before: Position,
    commit: Option<Commit>,
    log: Log,
    same_log: SameLog,
) -> (Position, Option<Remark>) {
    let (next, moved) = match same_log {
        SameLog::Yes => inside(before.next, log),
        SameLog::No => (log.start, Some(Remark::OtherLog { before: before.next, next: log.start })),
    };
    let differs = match commit {
        None => Some(Remark::CommitGone { next }),
        Some(Commit { offset, .. }) if offset != before.next => {
            Some(Remark::ForeignCommit { committed: offset, next })
        }
        Some(_) => None,
    };
    let last = if moved.is_some() { None } else { before.last };
    (Position { next, last }, moved.or(differs))
}

/// An offset, or the log's start where the log does not reach it.
fn inside(offset: i64, log: Log) -> (i64, Option<Remark>) {
    let Log { start, end } = log;
    if offset > end {
        (start, Some(Remark::Beyond { before: offset, log_end: end, next: start }))
    } else if offset < start {
        (start, Some(Remark::Deleted { records: start - offset, next: start }))
    } else {
        (offset, None)
    }
}

/// Whether the task stands where the changelog says; it may stand elsewhere only if that was told.
pub(super) fn next(positions: &Positions) -> [i64; 2] {
    positions.map(|position| position.next)
}

/// Whether both inputs are committed where they stand: then the consumer begins there by itself.
pub(super) fn is_committed(positions: &Positions, commits: &Commits) -> bool {
    super::commits::offsets(commits) == next(positions).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changelog::Mark;

    const LOG: Log = Log { start: 100, end: 200 };

    fn ours(offset: i64) -> Option<Commit> {
        Some(Commit { offset, note: Note::Mark(Mark { from: 0, block: 1 }) })
    }

    fn foreign(offset: i64) -> Option<Commit> {
        Some(Commit { offset, note: Note::Foreign })
    }

    #[test]
    fn a_task_with_state_goes_on_where_its_changelog_says_and_says_what_differs() {
        let check = |next: i64, commit, expected: (i64, Option<Remark>)| {
            let (position, remark) = go_on(Position::after(next - 1, None), commit, LOG, SameLog::Yes);
            assert_eq!((position.next, remark), expected, "{next} with {commit:?}");
        };
        check(150, ours(150), (150, None));
        check(150, None, (150, Some(Remark::CommitGone { next: 150 })));
        check(150, foreign(180), (150, Some(Remark::ForeignCommit { committed: 180, next: 150 })));
        check(
            150,
            foreign(10_000_000),
            (150, Some(Remark::ForeignCommit { committed: 10_000_000, next: 150 })),
        );
        check(250, ours(250), (100, Some(Remark::Beyond { before: 250, log_end: 200, next: 100 })));
        check(40, ours(40), (100, Some(Remark::Deleted { records: 60, next: 100 })));
        check(100, ours(100), (100, None));
        check(200, ours(200), (200, None));
    }

    #[test]
    fn another_log_is_read_from_its_start() {
        let before = Position::after(149, Some(5));
        let (position, remark) = go_on(before, None, LOG, SameLog::No);
        assert_eq!(position, Position { next: 100, last: None });
        assert_eq!(remark, Some(Remark::OtherLog { before: 150, next: 100 }));
    }

    #[test]
    fn a_record_that_the_log_may_hold_tells_whether_it_is_the_same_log() {
        let before = Position::after(149, Some(5));
        assert_eq!(witness(before, LOG), before.last);
        assert_eq!(witness(Position::after(49, Some(5)), LOG), None, "it was deleted");
        assert_eq!(
            witness(Position::after(249, Some(5)), LOG),
            None,
            "beyond the end: that is answer enough"
        );
        assert_eq!(witness(Position::default(), LOG), None, "nothing was read yet");
    }

    #[test]
    fn a_task_without_state_begins_at_the_commit_or_at_the_start() {
        assert_eq!(begin(None, LOG), (Position { next: 100, last: None }, None));
        let skipped = Some(Commit { offset: 200, note: Note::Skip });
        assert_eq!(begin(skipped, LOG), (Position { next: 200, last: None }, None));
        let (position, remark) = begin(foreign(150), LOG);
        assert_eq!(position.next, 150);
        assert_eq!(remark, Some(Remark::ForeignBegin { committed: 150, records: 50 }));
        assert_eq!(remark.map(Remark::lost), Some(50), "they are told by count");
        let (position, remark) = begin(foreign(10_000_000), LOG);
        assert_eq!(position.next, 100);
        assert_eq!(remark, Some(Remark::Beyond { before: 10_000_000, log_end: 200, next: 100 }));
    }
}
