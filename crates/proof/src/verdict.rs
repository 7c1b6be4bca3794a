//! Whether what the pods wrote is what had to come out.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use game::{GameSession, avro};

use crate::log::Record;
use crate::reference::{Fault, Final};

/// No kind of difference takes more lines.
const LINES: usize = 10;
/// An update carries at most so many hits.
const KEPT_HITS: usize = 20;
/// A session with so many hits is full: an older frame that comes later may take later ones away from it.
const FULL_HITS: u32 = 500;

/// Compares what is in `SESSIONS`, a list a partition, with the final sessions that had to come out, all partitions together. A line a
/// difference; none when nothing is wrong.
#[must_use]
pub fn sessions(expected: &BTreeMap<Vec<u8>, Final>, written: &[Vec<Record>]) -> Vec<String> {
    let mut found = Found::default();
    for (partition, records) in written.iter().enumerate() {
        records.iter().for_each(|record| found.take(partition, written.len(), record));
    }
    let mut lines = Vec::new();
    let missing = expected.iter().filter(|(key, _)| !found.finals.contains_key(*key));
    some(&mut lines, "missing", missing.map(|(key, is)| format!("{}: {}", name(key), describe(is))));
    let unexpected = found.finals.iter().filter(|(key, _)| !expected.contains_key(*key));
    some(&mut lines, "unexpected", unexpected.map(|(key, is)| format!("{}: {}", name(key), describe(is))));
    let different = found.finals.iter().filter_map(|(key, is)| {
        let other = expected.get(key).filter(|&other| other != is)?;
        Some(format!("{}: {}, not {}", name(key), describe(is), describe(other)))
    });
    some(&mut lines, "different", different);
    for (problem, records) in found.problems {
        some(&mut lines, problem, records);
    }
    lines
}

/// Compares the dead letters, a list a partition, with those that had to come out, by origin.
#[must_use]
pub fn dead_letters(expected: &BTreeMap<Origin, Fault>, written: &[Vec<Record>]) -> Vec<String> {
    let mut found = BTreeMap::<Origin, &str>::new();
    let (mut twice, mut unnamed) = (Vec::new(), Vec::new());
    for record in written.iter().flatten() {
        match Origin::of(record) {
            Some(origin) => match found.entry(origin) {
                Entry::Vacant(entry) => drop(entry.insert(record.header("reason").unwrap_or_default())),
                Entry::Occupied(entry) => twice.push(entry.key().to_string()),
            },
            None => unnamed.push(format!("{:?}", record.headers)),
        }
    }
    let mut lines = Vec::new();
    let missing = expected.iter().filter(|(origin, _)| !found.contains_key(*origin));
    some(&mut lines, "missing dead letter", missing.map(|(origin, fault)| format!("{origin}: {fault:?}")));
    let unexpected = found.iter().filter(|(origin, _)| !expected.contains_key(*origin));
    some(
        &mut lines,
        "unexpected dead letter",
        unexpected.map(|(origin, reason)| format!("{origin}: {reason}")),
    );
    let misnamed = found.iter().filter_map(|(origin, reason)| {
        let fault = expected.get(origin).filter(|fault| !fault.is_called(reason))?;
        Some(format!("{origin}: {reason}, not {fault:?}"))
    });
    some(&mut lines, "dead letter for a wrong reason", misnamed);
    some(&mut lines, "dead letter that comes twice", twice);
    some(&mut lines, "dead letter without its origin", unnamed);
    lines
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
    problems: BTreeMap<&'static str, Vec<String>>,
}

impl Found {
    fn take(&mut self, partition: usize, partitions: usize, record: &Record) {
        let (Some(key), Some(value), Some(session)) = (&record.key, &record.value, decode(record)) else {
            return self
                .complain("not a session", format!("partition {partition}, offset {}", record.offset));
        };
        let rq_offset = record.header("rq-offset").and_then(|offset| offset.parse().ok()).unwrap_or(-1);
        let is = Final { value: value.clone(), rq_offset };
        let text = || format!("{}: {}", name(key), describe(&is));
        let header = avro::decode_header(key);
        let home = header.as_ref().is_ok_and(|key| {
            let of = key.machine.partition(u32::try_from(partitions).unwrap_or(0));
            of as usize == partition && key.machine.to_string() == session.machine && key.ts == session.start
        });
        if !home {
            self.complain("under a wrong key or in a wrong partition", text());
        }
        if session.is_final {
            self.take_final(key, &session, is);
        } else if self.finals.contains_key(key) {
            self.complain("update after its final session", text());
        } else {
            if session.hits.len() != (session.count as usize).min(KEPT_HITS) {
                self.complain("update with a wrong number of hits", text());
            }
            let largest = self.updates.entry(key.clone()).or_default();
            *largest = (largest.0.max(session.frames), largest.1.max(session.count));
        }
    }

    fn take_final(&mut self, key: &[u8], session: &GameSession, is: Final) {
        let (frames, hits) = self.updates.get(key).copied().unwrap_or_default();
        if (frames > session.frames || hits > session.count) && session.count < FULL_HITS {
            let text = format!("{}: {frames} frames, {hits} hits, then {}", name(key), describe(&is));
            self.complain("update of more than the final session", text);
        }
        if self.finals.contains_key(key) {
            self.complain("final a second time", format!("{}: {}", name(key), describe(&is)));
        } else {
            self.finals.insert(key.to_vec(), is);
        }
    }

    fn complain(&mut self, problem: &'static str, text: String) {
        self.problems.entry(problem).or_default().push(text);
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

/// Some of the differences of a kind, and how many there are.
fn some(lines: &mut Vec<String>, kind: &str, differences: impl IntoIterator<Item = String>) {
    let differences: Vec<String> = differences.into_iter().collect();
    lines.extend(differences.iter().take(LINES).map(|difference| format!("{kind}: {difference}")));
    if differences.len() > LINES {
        lines.push(format!("{kind}: {} more", differences.len() - LINES));
    }
}

#[cfg(test)]
mod tests;
