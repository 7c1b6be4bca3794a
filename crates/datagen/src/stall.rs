//! Notices that Kafka takes nothing while records wait for it, and that records are refused: each is said once, and
//! once more when it is over.

use std::time::Duration;

use kafka::refusal::Refusal;

/// How long records may wait before it is worth a word. Acknowledgements take milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often refused records are looked at: a cause comes a moment later than its consequences.
const INTERVAL: Duration = Duration::from_secs(1);
/// For how long none must be refused until it is over.
const QUIET: Duration = Duration::from_secs(5);

/// What is worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Kafka has taken nothing for [`PATIENCE`].
    Stalled,
    /// It takes records again, after so long.
    GoesOn(Duration),
}

/// Whether records leave. All times are since the same beginning.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    acknowledged: u64,
    refused: u64,
    since: Duration,
    told: bool,
}

impl Stall {
    /// Takes note of how many records were acknowledged and refused so far, and whether some wait.
    pub(crate) fn look(
        &mut self,
        at: Duration,
        [acknowledged, refused]: [u64; 2],
        is_waiting: bool,
    ) -> Option<News> {
        let stood = at.saturating_sub(self.since);
        let is_taken = acknowledged != self.acknowledged;
        // To refuse is to answer as well, but it ends no stall.
        let is_answered = is_taken || (refused != self.refused && !self.told);
        (self.acknowledged, self.refused) = (acknowledged, refused);
        if is_answered || !is_waiting {
            let news = (self.told && is_taken).then_some(News::GoesOn(stood));
            self.told = self.told && !is_taken;
            self.since = if self.told { self.since } else { at };
            return news;
        }
        if self.told || stood < PATIENCE {
            return None;
        }
        self.told = true;
        Some(News::Stalled)
    }
}

/// What became known of records that Kafka refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// So many until now, for a cause that was not told yet.
    Began { records: u64, cause: Refusal },
    /// No more of them for a while, after so many.
    Over { records: u64 },
}

/// Records that are refused, by their causes.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    looked: Duration,
    refused: u64,
    /// When the last one was refused.
    last: Duration,
    /// How many were refused before the first of these causes was told.
    before: u64,
    told: Vec<Refusal>,
    /// The first cause of all.
    first: Option<Refusal>,
}

impl Losses {
    /// Whether it is time to look.
    pub(crate) fn is_due(&self, at: Duration) -> bool {
        at.saturating_sub(self.looked) >= INTERVAL
    }

    /// Takes note of how many records were refused so far, and of the cause of those since the last look.
    pub(crate) fn look(&mut self, at: Duration, refused: u64, cause: Option<Refusal>) -> Option<Loss> {
        self.looked = at;
        let before = std::mem::replace(&mut self.refused, refused);
        if refused == before {
            let is_over = !self.told.is_empty() && at.saturating_sub(self.last) >= QUIET;
            return is_over.then(|| {
                self.told.clear();
                Loss::Over { records: refused - self.before }
            });
        }
        self.last = at;
        let cause = cause.filter(|cause| !self.told.contains(cause))?;
        if self.told.is_empty() {
            self.before = before;
        }
        self.first.get_or_insert_with(|| cause.clone());
        self.told.push(cause.clone());
        Some(Loss::Began { records: refused - self.before, cause })
    }

    /// Why the first records were refused, as far as it was told.
    pub(crate) fn first_cause(&self) -> Option<&Refusal> {
        self.first.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn records_that_wait_for_two_seconds_are_a_stall_until_one_leaves() {
        let mut stall = Stall::default();
        for (at, counts, is_waiting, expected) in [
            (0, [0, 0], false, None),
            (9_000, [0, 0], false, None),
            (9_005, [0, 0], true, None),
            (10_999, [0, 0], true, None),
            (11_000, [0, 0], true, Some(News::Stalled)),
            (12_000, [0, 0], true, None),
            (14_000, [1, 0], true, Some(News::GoesOn(ms(5_000)))),
            (15_999, [1, 0], true, None),
            (16_000, [2, 0], true, None),
            (17_000, [2, 1], true, None),
            (18_999, [2, 1], true, None),
            (19_000, [2, 1], true, Some(News::Stalled)),
            (20_000, [2, 9], true, None),
            (21_000, [2, 9], false, None),
            (22_000, [3, 9], true, Some(News::GoesOn(ms(5_000)))),
        ] {
            assert_eq!(stall.look(ms(at), counts, is_waiting), expected, "at {at} ms");
        }
    }

    #[test]
    fn each_cause_of_a_loss_is_told_once_until_it_is_over() {
        let cause = |topic: &str| {
            Refusal::new(topic, &KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))
        };
        let began = |records, topic| Some(Loss::Began { records, cause: cause(topic) });
        let mut losses = Losses::default();
        for (at, refused, topic, expected) in [
            (1_000, 0, None, None),
            (2_000, 7, Some("rq"), began(7, "rq")),
            (3_000, 9, Some("rq"), None),
            (4_000, 12, Some("rs"), began(12, "rs")),
            (5_000, 13, Some("rq"), None),
            (9_999, 13, None, None),
            (10_000, 13, None, Some(Loss::Over { records: 13 })),
            (11_000, 13, None, None),
            (12_000, 14, Some("rq"), began(1, "rq")),
        ] {
            assert_eq!(losses.look(ms(at), refused, topic.map(cause)), expected, "at {at} ms");
        }
        assert_eq!(losses.first_cause(), Some(&cause("rq")));
    }
}
