//! Whether an input of a task goes on: looked at once a second, from what its queue gave meanwhile and where its log
//! ends.

use std::time::Instant;

use crate::ends::{End, LogEnd};

/// How many looks in a row must find an input at its real end before it counts as idle.
const QUIET_LOOKS: u32 = 5;
/// How many must find that its log ends before its position: a leader that is new may not know the end yet.
const BEYOND_LOOKS: u32 = 2;

/// How an input of a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The task has no state yet: the restorer says for what it waits.
    Restoring,
    /// There is nothing to be said.
    GoesOn,
    /// Records are there, and none arrives, for so many looks in a row.
    StandsStill { looks: u32, position: i64, end: i64 },
    /// An open transaction of somebody else's holds so many records back, for so many looks in a row.
    HeldByTransaction { looks: u32, records: u64 },
    /// Kafka does not say where the log ends, for so many looks in a row.
    NoAnswer { looks: u32, reason: String },
    /// The log ends before the position: it was made anew.
    OutOfStep,
}

/// What one input has brought lately.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether the log's end was seen after the last record.
    at_end: bool,
    /// Up to where the consumer had fetched, if it said so after what the queue gave last.
    next_offset: Option<i64>,
    /// Where the log began then.
    start: i64,
    /// Up to where all is read: the consumer had fetched so far, and the queue was empty after that, at the log's end.
    read_to: Option<i64>,
    /// As that was at the last look.
    read_to_before: Option<i64>,
    /// The same at two looks in a row between which the queue gave nothing: a record that was on its way would have
    /// come.
    surely_read_to: Option<i64>,
    /// Of the time since the last look.
    found: Found,
    /// Where the log ended at the last look.
    last_end: Option<End>,
    /// Where the task stood then, and when that was: up to there the log went at that time.
    last_position: Option<(i64, Instant)>,
    beyond_looks: u32,
    quiet_looks: u32,
    still_looks: u32,
    held_looks: u32,
    unanswered_looks: u32,
}

/// What reading has found since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Found {
    /// It was not read: it waits for the other input, or for a commit.
    #[default]
    Unread,
    /// There was nothing to read.
    Nothing,
    /// There was a record.
    Record,
}

impl Progress {
    pub(super) fn found_nothing(&mut self) {
        if self.found == Found::Unread {
            self.found = Found::Nothing;
        }
        if self.at_end {
            self.read_to = self.next_offset;
        }
    }

    pub(super) fn found_record(&mut self) {
        (self.found, self.at_end, self.quiet_looks) = (Found::Record, false, 0);
        (self.next_offset, self.read_to) = (None, None);
    }

    /// What was fetched since may be in the queue behind it.
    pub(super) fn found_end(&mut self) {
        if self.found == Found::Unread {
            self.found = Found::Nothing;
        }
        (self.at_end, self.next_offset) = (true, None);
    }

    pub(super) fn fetched(&mut self, start: i64, next_offset: i64) {
        (self.start, self.next_offset) = (start, Some(next_offset));
    }

    /// The offset of the next record, if what is before it was aborted or is the end of a transaction: none of that
    /// comes as a record. What was deleted before it was read is another matter, which the next owner tells by count.
    pub(super) fn passed_over(&self, position: i64) -> Option<i64> {
        let end = self.last_end?;
        let read_to = self.surely_read_to.filter(|_| self.start <= position)?;
        (read_to > position && read_to <= end.stable).then_some(read_to)
    }

    /// Whether it was at its end for so long that nobody should wait for it.
    pub(super) fn is_idle(&self) -> bool {
        self.quiet_looks >= QUIET_LOOKS
    }

    /// Compares a position with where the log ends, which was asked for from a time on.
    pub(super) fn look(&mut self, position: i64, end: &LogEnd, asked: Instant) -> Standing {
        let found = std::mem::take(&mut self.found);
        let before = std::mem::replace(&mut self.read_to_before, self.read_to);
        self.surely_read_to = self.read_to.filter(|_| found == Found::Nothing && before == self.read_to);
        // By now the task may have read on: only where it stood before the question counts.
        let stood = self.last_position.replace((position, Instant::now())).filter(|(_, at)| *at <= asked);
        let end = match end {
            LogEnd::Known(end) => *end,
            LogEnd::Unknown(reason) => {
                (self.quiet_looks, self.last_end) = (0, None);
                self.unanswered_looks += 1;
                return Standing::NoAnswer { looks: self.unanswered_looks, reason: reason.clone() };
            }
        };
        self.unanswered_looks = 0;
        let before = self.last_end.replace(end);
        // Markers and aborted records are passed over by the consumer; they never come as records.
        let read_to = self.read_to.filter(|_| found == Found::Nothing).unwrap_or(position).max(position);
        let (is_at_stable_end, is_at_end) = (read_to >= end.stable, read_to >= end.end);
        count(&mut self.quiet_looks, self.at_end && is_at_end);
        count(&mut self.held_looks, is_at_stable_end && end.stable < end.end);
        // It must have been behind at the last look already.
        let was_behind = before.is_some_and(|before| position < before.stable);
        count(&mut self.still_looks, !is_at_stable_end && was_behind && found == Found::Nothing);
        count(&mut self.beyond_looks, stood.is_some_and(|(position, _)| position > end.end));
        if self.beyond_looks >= BEYOND_LOOKS {
            Standing::OutOfStep
        } else if self.held_looks > 0 {
            let records = (end.end - end.stable).unsigned_abs();
            Standing::HeldByTransaction { looks: self.held_looks, records }
        } else if self.still_looks > 0 {
            Standing::StandsStill { looks: self.still_looks, position, end: end.stable }
        } else {
            Standing::GoesOn
        }
    }
}

fn count(looks: &mut u32, holds: bool) {
    *looks = if holds { *looks + 1 } else { 0 };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn known(stable: i64, end: i64) -> LogEnd {
        LogEnd::Known(End { stable, end })
    }

    /// A look whose answer was asked for just before.
    fn answered(progress: &mut Progress, position: i64, end: LogEnd) -> Standing {
        progress.look(position, &end, Instant::now())
    }

    #[test]
    fn an_input_at_its_real_end_is_idle_after_five_looks() {
        let mut progress = Progress::default();
        for _ in 0..9 {
            assert_eq!(answered(&mut progress, 10, known(10, 10)), Standing::GoesOn);
        }
        assert!(!progress.is_idle(), "its end was not seen");
        progress.found_end();
        for look in 1..=QUIET_LOOKS {
            assert!(!progress.is_idle(), "look {look}");
            answered(&mut progress, 10, known(10, 10));
        }
        assert!(progress.is_idle());
        progress.found_record();
        assert!(!progress.is_idle());
    }

    #[test]
    fn an_input_that_an_open_transaction_holds_is_not_idle() {
        let mut progress = Progress::default();
        progress.found_end();
        for looks in 1..=20 {
            let expected = Standing::HeldByTransaction { looks, records: 5 };
            assert_eq!(answered(&mut progress, 10, known(10, 15)), expected);
            assert!(!progress.is_idle());
        }
        // It was aborted: what it held never comes, and the consumer passes over it.
        progress.found_end();
        progress.fetched(0, 16);
        for look in 0..QUIET_LOOKS {
            progress.found_nothing();
            assert_eq!(answered(&mut progress, 10, known(16, 16)), Standing::GoesOn);
            assert_eq!(progress.passed_over(10), (look > 0).then_some(16));
        }
        assert!(progress.is_idle());
        assert_eq!(progress.passed_over(16), None);
    }

    #[test]
    fn what_is_fetched_is_passed_over_only_after_the_queue_was_empty() {
        let mut progress = Progress::default();
        let look = |progress: &mut Progress, end| {
            answered(progress, 10, known(end, end));
            progress.passed_over(10)
        };
        progress.fetched(0, 12);
        progress.found_nothing();
        assert_eq!(look(&mut progress, 12), None, "the end was not seen");
        progress.found_end();
        progress.found_nothing();
        assert_eq!(look(&mut progress, 12), None, "this was said before the end was seen");
        progress.fetched(0, 12);
        assert_eq!(look(&mut progress, 12), None, "a record may be in the queue");
        for (end, expected, why) in [
            (12, None, "once more, to be sure"),
            (11, None, "this log is not as long"),
            (12, Some(12), "nothing came"),
        ] {
            progress.found_nothing();
            assert_eq!(look(&mut progress, end), expected, "{why}");
        }
        progress.fetched(0, 14);
        assert_eq!(look(&mut progress, 14), None, "the other two may be in the queue");
        progress.found_record();
        assert_eq!(look(&mut progress, 14), None);
    }

    #[test]
    fn records_that_were_deleted_unread_are_not_passed_over() {
        let mut progress = Progress::default();
        progress.found_end();
        progress.fetched(11, 12);
        for _ in 0..5 {
            progress.found_nothing();
            answered(&mut progress, 10, known(12, 12));
            assert_eq!(progress.passed_over(10), None);
        }
        assert_eq!(progress.passed_over(11), Some(12));
    }

    #[test]
    fn an_input_stands_still_when_records_are_there_and_none_arrives() {
        let mut progress = Progress::default();
        assert_eq!(answered(&mut progress, 10, known(10, 10)), Standing::GoesOn);
        progress.found_nothing();
        assert_eq!(answered(&mut progress, 10, known(12, 12)), Standing::GoesOn, "they have just come");
        for looks in 1..=3 {
            progress.found_nothing();
            let expected = Standing::StandsStill { looks, position: 10, end: 12 };
            assert_eq!(answered(&mut progress, 10, known(12, 12)), expected);
        }
        assert_eq!(
            answered(&mut progress, 10, known(12, 12)),
            Standing::GoesOn,
            "it was not read: it waits for another one"
        );
        progress.found_record();
        assert_eq!(answered(&mut progress, 11, known(12, 12)), Standing::GoesOn);
    }

    #[test]
    fn a_log_that_ends_before_the_position_is_another_one() {
        let mut progress = Progress::default();
        assert_eq!(
            answered(&mut progress, 10, known(3, 3)),
            Standing::GoesOn,
            "it may have read on since the question"
        );
        assert_eq!(
            answered(&mut progress, 10, known(3, 3)),
            Standing::GoesOn,
            "a leader may be new: look once more"
        );
        assert_eq!(answered(&mut progress, 10, known(4, 4)), Standing::OutOfStep);
    }

    #[test]
    fn a_task_that_reads_on_while_the_answer_comes_is_in_step() {
        let mut progress = Progress::default();
        for position in (0..1_000).step_by(100) {
            // All that was there when it was asked is read, and more that came since.
            let standing = answered(&mut progress, position + 50, known(position, position));
            assert_eq!(standing, Standing::GoesOn, "{position}");
        }
        let asked = Instant::now();
        assert_eq!(answered(&mut progress, 2_000, known(2_000, 2_000)), Standing::GoesOn);
        for _ in 0..5 {
            let old = asked.checked_sub(Duration::from_secs(1)).unwrap_or(asked);
            assert_eq!(
                progress.look(2_000, &known(1_000, 1_000), old),
                Standing::GoesOn,
                "asked before it stood there"
            );
        }
    }

    #[test]
    fn without_an_answer_nothing_is_idle_and_nothing_stands_still() {
        let mut progress = Progress::default();
        progress.found_end();
        for looks in 1..=9 {
            let reason = "no leader".to_owned();
            let standing = answered(&mut progress, 10, LogEnd::Unknown(reason.clone()));
            assert_eq!(standing, Standing::NoAnswer { looks, reason });
        }
        assert!(!progress.is_idle());
    }
}
