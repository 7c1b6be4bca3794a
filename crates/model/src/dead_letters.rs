//! Records that the application could not make use of, and put aside: how many, why, and the newest of them.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// What is known of them. It stays small whatever somebody writes into their topic.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadLetters {
    /// How many, since the beginning of the log when the server started.
    pub count: u64,
    /// How many for each reason, the most frequent first.
    pub reasons: Vec<(String, u64)>,
    /// How many were late in each partition of both inputs, by partition; those without are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<(u32, u64)>,
    /// The newest ones, newest first.
    pub newest: Vec<DeadLetter>,
}

/// One record that was put aside. What its headers do not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetter {
    /// The topic that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its partition there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Its offset there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Why, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The pod that put it aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// When it was put aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<Millis>,
}

/// The reason of a record that came too late to count.
pub const LATE: &str = "late";
/// The reason of a record that counts without some of its hits.
pub const HITS: &str = "hits";
/// So many partitions are told apart; there are seldom more.
const MOST_PARTITIONS: usize = 64;
/// So many of the newest are remembered.
const KEPT: usize = 3;
/// So many reasons are told apart; the application has fewer.
const MOST_REASONS: usize = 12;
/// What counts as the reason of all the others.
const OTHER: &str = "other";
/// What counts as the reason where the headers have none.
const UNKNOWN: &str = "unknown";
/// A topic's name has no more characters, and no reason, sentence or pod of ours has.
const LONGEST: usize = 249;

impl DeadLetters {
    /// Takes one in.
    pub fn add(&mut self, letter: DeadLetter) {
        let letter = letter.shortened();
        self.count += 1;
        self.count_reason(letter.reason.as_deref().unwrap_or(UNKNOWN));
        if let (Some(LATE), Some(partition)) = (letter.reason.as_deref(), letter.partition) {
            self.count_late(partition);
        }
        self.newest.insert(0, letter);
        self.newest.truncate(KEPT);
    }

    fn count_reason(&mut self, reason: &str) {
        let is_known = |reason: &str| self.reasons.iter().any(|(known, _)| known == reason);
        let reason = if is_known(reason) || self.reasons.len() + 1 < MOST_REASONS { reason } else { OTHER };
        match self.reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => self.reasons.push((reason.to_owned(), 1)),
        }
        self.reasons.sort_by(|(a, more), (b, fewer)| fewer.cmp(more).then_with(|| a.cmp(b)));
    }

    fn count_late(&mut self, partition: u32) {
        match self.late.binary_search_by_key(&partition, |(partition, _)| *partition) {
            Ok(at) => self.late[at].1 += 1,
            Err(at) if self.late.len() < MOST_PARTITIONS => self.late.insert(at, (partition, 1)),
            // It counts for its reason all the same.
            Err(_) => {}
        }
    }
}

impl DeadLetter {
    /// Without what nobody would read: somebody may have written megabytes into its headers.
    #[must_use]
    pub fn shortened(self) -> Self {
        let short = |text: Option<String>| {
            text.map(|text| if text.len() > LONGEST { text.chars().take(LONGEST).collect() } else { text })
        };
        Self {
            topic: short(self.topic),
            reason: short(self.reason),
            error: short(self.error),
            pod: short(self.pod),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(reason: &str, offset: i64) -> DeadLetter {
        DeadLetter { reason: Some(reason.to_owned()), offset: Some(offset), ..DeadLetter::default() }
    }

    #[test]
    fn reasons_are_counted_and_the_newest_remembered() {
        let mut letters = DeadLetters::default();
        for (offset, reason) in (0..).zip(["time", "hits", "hits", "datum", "hits", "datum"]) {
            letters.add(letter(reason, offset));
        }
        letters.add(DeadLetter::default());
        assert_eq!(letters.count, 7);
        let reasons: Vec<_> =
            letters.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(reasons, [("hits", 3), ("datum", 2), ("time", 1), ("unknown", 1)]);
        let offsets: Vec<_> = letters.newest.iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, [None, Some(5), Some(4)]);
    }

    #[test]
    fn late_ones_are_counted_by_partition() {
        let mut letters = DeadLetters::default();
        for (partition, reason) in [(7, LATE), (3, LATE), (5, "time"), (7, LATE)] {
            letters.add(DeadLetter { partition: Some(partition), ..letter(reason, 0) });
        }
        letters.add(letter(LATE, 0));
        assert_eq!(letters.late, [(3, 1), (7, 2)]);
        for partition in 0..1_000 {
            letters.add(DeadLetter { partition: Some(partition), ..letter(LATE, 0) });
        }
        assert_eq!((letters.late.len(), letters.count), (MOST_PARTITIONS, 1_005));
    }

    #[test]
    fn whatever_is_written_it_stays_small() {
        let mut letters = DeadLetters::default();
        let long = "ß".repeat(10_000);
        for number in 0..1_000 {
            letters
                .add(DeadLetter { error: Some(long.clone()), ..letter(&format!("{number}{long}"), number) });
        }
        assert_eq!((letters.reasons.len(), letters.newest.len()), (MOST_REASONS, KEPT));
        assert_eq!(letters.reasons.iter().map(|(_, count)| count).sum::<u64>(), letters.count);
        assert_eq!(letters.reasons[0], (OTHER.to_owned(), 1_000 - 11));
        assert!(serde_json::to_string(&letters).unwrap().len() < 10_000);
    }
}
