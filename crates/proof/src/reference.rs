//! What must come out, worked out from `docs/SEMANTICS.md` alone: all records of a pair of partitions at once, in plain
//! steps, by one thread. The logs have ended and the clock went on, so that every session is final.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

use workload::Input;
use workload::{FrameHeader, GameSession, Hit, Machine, Zone, avro};

use crate::log::Record;

/// How far below the high time a record may be, ms.
const GRACE_MS: i64 = 5_000;
/// How far above the clock a record may bring the high time, ms.
const FAST_MS: i64 = 1_000;
/// How far below one writer's high time another's is at most, ms.
const APART_MS: i64 = 60_000;
/// How far apart the record times of a pair may be, ms.
const JOIN_MS: i64 = 3_000;
/// How far a record time may be from its `ts`, and how far in the clock's future, ms.
const PLAUSIBLE_MS: i64 = 60_000;
/// A frame this long after the one before it begins a session, ms.
const GAP_MS: i64 = 10_000;
/// A session's last frame is at most this long after its first one, ms.
const LENGTH_MS: i64 = 60_000;
/// A session with so many hits is full.
const FULL_HITS: usize = 500;

/// What must come out of a pair of partitions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The final sessions by their keys.
    pub finals: BTreeMap<Vec<u8>, Final>,
    /// The records in the dead letters, by input and offset.
    pub dead: BTreeMap<(Input, i64), Fault>,
    /// What became of the records.
    pub counts: Counts,
}

/// A final session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final {
    /// Its value.
    pub value: Vec<u8>,
    /// Its header `rq-offset`.
    pub rq_offset: i64,
}

/// Why a record is in the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its key is missing or does not decode.
    Key,
    /// Its value is missing or does not decode, or holds too many hits.
    Value,
    /// Its `approval` is not that of its topic.
    Approval,
    /// Its record time is missing, too far from its `ts`, or in the future.
    Time,
    /// It counts, but at least one of its hits does not decode.
    Hits,
    /// It is well-formed, but too far below the high time.
    Late,
}

/// What became of the records of the two inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames: pairs of a request and a response.
    pub joined: u64,
    /// Records too far below the high time.
    pub late: u64,
    /// Records with a header that came before on the same input.
    pub duplicates: u64,
    /// Records without an other half.
    pub expired: u64,
    /// Records that changed nothing.
    pub malformed: u64,
}

impl Fault {
    /// Whether this word in a dead letter may stand for it. Of a key or a value that does not decode it says how.
    #[must_use]
    pub fn is_called(self, reason: &str) -> bool {
        const DECODING: [&str; 4] = ["encoding", "schema", "size", "datum"];
        match self {
            Self::Key => reason == "key" || DECODING.contains(&reason),
            Self::Value => reason == "value" || DECODING.contains(&reason),
            Self::Approval => reason == "approval",
            Self::Time => reason == "time",
            Self::Hits => reason == "hits",
            Self::Late => reason == "late",
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.joined += other.joined;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.expired += other.expired;
        self.malformed += other.malformed;
    }
}

/// A record that takes part in the join.
struct Half {
    time: i64,
    hits: Vec<Hit>,
    offset: i64,
}

/// One machine's joined frames in their order, with their requests.
type Frames = BTreeMap<(i64, Zone), Half>;

struct Frame {
    ts: i64,
    zone: Zone,
    half: Half,
}

/// Folds the two logs of a partition; `now` is the pods' clock while they read, ms since the epoch.
#[must_use]
pub fn fold(requests: &[Record], responses: &[Record], now: i64) -> Outcome {
    let mut outcome = Outcome::default();
    let requests = admit(Input::Requests, requests, now, &mut outcome);
    let responses = admit(Input::Responses, responses, now, &mut outcome);
    for (machine, frames) in join(requests, responses, &mut outcome.counts) {
        outcome.finals.extend(cut(frames).iter().filter_map(|session| describe(machine, session)));
    }
    outcome
}

/// The records of one input that take part in the join: the first of each header that is neither malformed nor late.
fn admit(input: Input, records: &[Record], now: i64, outcome: &mut Outcome) -> HashMap<FrameHeader, Half> {
    // By whether the writer is the server, which writes its players' frames.
    let mut highs = BTreeMap::<bool, i64>::new();
    let mut halves = HashMap::new();
    for record in records {
        let (header, half, bad_hits) = match decode(input, record, now) {
            Ok(decoded) => decoded,
            Err(fault) => {
                outcome.counts.malformed += 1;
                outcome.dead.insert((input, record.offset), fault);
                continue;
            }
        };
        let is_players = header.machine.is_player();
        let high =
            highs.iter().map(|(&whose, &high)| if whose == is_players { high } else { high - APART_MS });
        if high.max().is_some_and(|high| header.ts < high - GRACE_MS) {
            outcome.counts.late += 1;
            outcome.dead.insert((input, record.offset), Fault::Late);
            continue;
        }
        if bad_hits {
            outcome.dead.insert((input, record.offset), Fault::Hits);
        }
        let high = highs.entry(is_players).or_insert(i64::MIN);
        *high = header.ts.min(now + FAST_MS).max(*high);
        match halves.entry(header) {
            Entry::Vacant(entry) => drop(entry.insert(half)),
            Entry::Occupied(_) => outcome.counts.duplicates += 1,
        }
    }
    halves
}

fn decode(input: Input, record: &Record, now: i64) -> Result<(FrameHeader, Half, bool), Fault> {
    let key = record.key.as_deref().ok_or(Fault::Key)?;
    let header = avro::decode_header(key).map_err(|_| Fault::Key)?;
    let value = record.value.as_deref().ok_or(Fault::Value)?;
    let body = avro::decode_body(value).map_err(|_| Fault::Value)?;
    if body.approval != Some(input == Input::Responses) {
        return Err(Fault::Approval);
    }
    let time = record.timestamp.ok_or(Fault::Time)?;
    if (time - header.ts).abs() > PLAUSIBLE_MS || time > now + PLAUSIBLE_MS {
        return Err(Fault::Time);
    }
    Ok((header, Half { time, hits: body.hits, offset: record.offset }, body.bad_hits > 0))
}

/// The frames of each machine: requests whose response is near enough.
fn join(
    requests: HashMap<FrameHeader, Half>,
    mut responses: HashMap<FrameHeader, Half>,
    counts: &mut Counts,
) -> BTreeMap<Machine, Frames> {
    let mut machines = BTreeMap::<Machine, Frames>::new();
    for (header, request) in requests {
        match responses.remove(&header) {
            Some(response) if (request.time - response.time).abs() <= JOIN_MS => {
                counts.joined += 1;
                machines.entry(header.machine).or_default().insert((header.ts, header.zone), request);
            }
            Some(_) => counts.expired += 2,
            None => counts.expired += 1,
        }
    }
    counts.expired += u64::try_from(responses.len()).unwrap_or(u64::MAX);
    machines
}

/// The sessions of one machine, oldest first.
fn cut(frames: Frames) -> Vec<Vec<Frame>> {
    let mut sessions: Vec<Vec<Frame>> = Vec::new();
    for ((ts, zone), half) in frames {
        let frame = Frame { ts, zone, half };
        match sessions.last_mut() {
            Some(session) if belongs(&frame, session) => session.push(frame),
            _ => sessions.push(vec![frame]),
        }
    }
    sessions
}

fn belongs(frame: &Frame, session: &[Frame]) -> bool {
    let after = |other: Option<&Frame>| other.map_or(0, |other| frame.ts - other.ts);
    after(session.last()) < GAP_MS && after(session.first()) <= LENGTH_MS && hits(session).count() < FULL_HITS
}

fn hits(session: &[Frame]) -> impl Iterator<Item = &Hit> {
    session.iter().flat_map(|frame| &frame.half.hits)
}

/// The key of a session, and the record with it.
fn describe(machine: Machine, session: &[Frame]) -> Option<(Vec<u8>, Final)> {
    let (first, last) = (session.first()?, session.last()?);
    let value = GameSession {
        hits: hits(session).copied().collect(),
        machine: machine.to_string(),
        frames: u32::try_from(session.len()).ok()?,
        count: u32::try_from(hits(session).count()).ok()?,
        score: hits(session).map(|hit| i64::from(hit.score())).sum(),
        start: first.ts,
        end: last.ts,
        is_final: true,
    };
    let key = avro::encode_header(&FrameHeader { ts: first.ts, machine, zone: first.zone });
    let rq_offset = session.iter().map(|frame| frame.half.offset).max()?;
    Some((key, Final { value: avro::encode_session(&value), rq_offset }))
}

#[cfg(test)]
mod tests;
