//! Whether what the pods wrote is what had to come out.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use workload::{GameSession, avro};

use crate::complaint::{Complaint, Wrong};
use crate::log::Record;
use crate::reference::{Fault, Final};

/// An update carries at most so many hits.
const KEPT_HITS: usize = 20;
/// A session with so many hits is full: an older frame that comes later may take later ones away from it.
const FULL_HITS: u32 = 500;

/// Compares what is in `SESSIONS`, a list a partition, with the final sessions that had to come out, all partitions
/// together. A machine may be in its partition of any of these `counts` of partitions: the inputs have grown from the
/// first to the last.
#[must_use]
pub fn sessions(
    expected: &BTreeMap<Vec<u8>, Final>,
    written: &[Vec<Record>],
    counts: &[u32],
) -> Vec<Complaint> {
    let mut found = Found::default();
    for (partition, records) in (0..).zip(written) {
        records.iter().for_each(|record| found.take(partition, counts, record));
    }
    let missing = expected.iter().filter(|(key, _)| !found.finals.contains_key(*key));
    let unexpected = found.finals.iter().filter(|(key, _)| !expected.contains_key(*key));
    let different = found.finals.iter().filter_map(|(key, is)| {
        let other = expected.get(key).filter(|&other| other != is)?;
        Some(format!("{}: {}, not {}", name(key), describe(is), describe(other)))
    });
    let describe = |(key, is): (&Vec<u8>, &Final)| format!("{}: {}", name(key), describe(is));
    let mut complaints = vec![
        Complaint::about(Wrong::FinalMissing, missing.map(describe)),
        Complaint::about(Wrong::FinalUnexpected, unexpected.map(describe)),
        Complaint::about(Wrong::FinalDifferent, different),
    ];
    complaints.extend(found.problems.into_iter().map(|(wrong, records)| Complaint::about(wrong, records)));
    complaints.into_iter().flatten().collect()
}

/// Compares the dead letters, a list a partition, with those that had to come out, by origin. An offset of a topic that
/// was made anew may have been dead twice.
#[must_use]
pub fn dead_letters(expected: &BTreeMap<Origin, Vec<Fault>>, written: &[Vec<Record>]) -> Vec<Complaint> {
    let mut found = BTreeMap::<Origin, Vec<&str>>::new();
    let mut unnamed = Vec::new();
    for record in written.iter().flatten() {
        match Origin::of(record) {
            Some(origin) => {
                found.entry(origin).or_default().push(record.header("reason").unwrap_or_default());
            }
            None => unnamed.push(format!("{:?}", record.headers)),
        }
    }
    let (mut missing, mut unexpected, mut misnamed, mut twice) = (vec![], vec![], vec![], vec![]);
    for (origin, faults) in expected {
        if found.get(origin).map_or(0, Vec::len) < faults.len() {
            missing.push(format!("{origin}: {faults:?}"));
        }
    }
    for (origin, reasons) in &found {
        let Some(faults) = expected.get(origin) else {
            unexpected.push(format!("{origin}: {reasons:?}"));
            continue;
        };
        if reasons.len() > faults.len() {
            twice.push(origin.to_string());
        }
        // In their order, which is that of the log.
        if reasons.iter().zip(faults).any(|(reason, fault)| !fault.is_called(reason)) {
            misnamed.push(format!("{origin}: {reasons:?}, not {faults:?}"));
        }
    }
    let complaints = [
        Complaint::about(Wrong::LetterMissing, missing),
        Complaint::about(Wrong::LetterUnexpected, unexpected),
        Complaint::about(Wrong::LetterReason, misnamed),
        Complaint::about(Wrong::LetterTwice, twice),
        Complaint::about(Wrong::LetterOrigin, unnamed),
    ];
    complaints.into_iter().flatten().collect()
}

/// Where a dead letter comes from, as its headers say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
}

impl Origin {
    fn of(record: &Record) -> Option<Self> {
        let number = |name| record.header(name)?.parse::<i64>().ok();
        let partition = u32::try_from(number("partition")?).ok()?;
        Some(Self { topic: record.header("topic")?.to_owned(), partition, offset: number("offset")? })
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} at {}", self.topic, self.partition, self.offset)
    }
}

/// How many final sessions there are.
#[must_use]
pub fn count_finals(written: &[Vec<Record>]) -> usize {
    written.iter().flatten().filter(|record| decode(record).is_some_and(|session| session.is_final)).count()
}

/// What was read so far, record by record.
#[derive(Default)]
struct Found {
    finals: BTreeMap<Vec<u8>, Final>,
    /// The largest update of each key: frames and hits.
    updates: HashMap<Vec<u8>, (u32, u32)>,
    problems: BTreeMap<Wrong, Vec<String>>,
}

impl Found {
    fn take(&mut self, partition: u32, counts: &[u32], record: &Record) {
        let (Some(key), Some(value), Some(session)) = (&record.key, &record.value, decode(record)) else {
            return self
                .complain(Wrong::NoSession, format!("partition {partition}, offset {}", record.offset));
        };
        let rq_offset = record.header("rq-offset").and_then(|offset| offset.parse().ok()).unwrap_or(-1);
        let is = Final { value: value.clone(), rq_offset };
        let text = || format!("{}: {}", name(key), describe(&is));
        let header = avro::decode_header(key);
        let home = header.as_ref().is_ok_and(|key| {
            let is_home = counts.iter().any(|&count| key.machine.partition(count) == partition);
            is_home && key.machine.to_string() == session.machine && key.ts == session.start
        });
        if !home {
            self.complain(Wrong::SessionMisplaced, text());
        }
        if session.is_final {
            self.take_final(key, &session, is);
        } else if self.finals.contains_key(key) {
            self.complain(Wrong::UpdateAfterFinal, text());
        } else {
            if session.hits.len() != (session.count as usize).min(KEPT_HITS) {
                self.complain(Wrong::UpdateHits, text());
            }
            let largest = self.updates.entry(key.clone()).or_default();
            *largest = (largest.0.max(session.frames), largest.1.max(session.count));
        }
    }

    fn take_final(&mut self, key: &[u8], session: &GameSession, is: Final) {
        let (frames, hits) = self.updates.get(key).copied().unwrap_or_default();
        if (frames > session.frames || hits > session.count) && session.count < FULL_HITS {
            let text = format!("{}: {frames} frames, {hits} hits, then {}", name(key), describe(&is));
            self.complain(Wrong::UpdateOfMore, text);
        }
        if self.finals.contains_key(key) {
            self.complain(Wrong::FinalTwice, format!("{}: {}", name(key), describe(&is)));
        } else {
            self.finals.insert(key.to_vec(), is);
        }
    }

    fn complain(&mut self, wrong: Wrong, text: String) {
        self.problems.entry(wrong).or_default().push(text);
    }
}

fn decode(record: &Record) -> Option<GameSession> {
    avro::decode_session(record.value.as_deref()?).ok()
}

fn name(key: &[u8]) -> String {
    avro::decode_header(key).map_or_else(
        |error| format!("a key that is {error}"),
        |key| format!("machine {} ({:?}) from {}", key.machine, key.zone, key.ts),
    )
}

fn describe(is: &Final) -> String {
    avro::decode_session(&is.value).map_or_else(
        |error| format!("a value that is {error}"),
        |session| {
            format!(
                "{} frames, {} hits, score {}, to {}, rq-offset {}",
                session.frames, session.count, session.score, session.end, is.rq_offset
            )
        },
    )
}

#[cfg(test)]
mod tests;
