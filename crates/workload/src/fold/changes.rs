//! What changed in a fold, as bytes for its changelog: one block a commit, and the blocks from a certain one on give
//! the state again.
//!
//! A block is: version, the high times, completeness, then events. Numbers are Avro's zigzag varints; times are written
//! as differences, a hit as three bytes.

use crate::hit::HitError;
use crate::{EventTime, Hit, Machine, Zone};

use super::frames::Place;

const VERSION: u8 = 2;
/// With one high time an input and one completeness, for all writers.
const ONE_TIME: u8 = 1;
/// No frame is larger in a block than in its topic.
const MOST_HITS: u64 = crate::frame::MAX_HITS as u64;

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Written by a program of another version.
    #[error("version {0} of a block is unknown")]
    Version(u8),
    /// It ends within an event.
    #[error("the block ends too early")]
    TooShort,
    /// A value that cannot be.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// A hit that cannot be.
    #[error(transparent)]
    Hit(#[from] HitError),
}

/// One block of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// As it goes into the changelog.
    pub bytes: Vec<u8>,
    /// The highest `ts` of a frame in it; `None` without frames.
    pub high_ts: Option<EventTime>,
}

/// Where a fold stands. Arrays of writers are indexed by [`super::Writer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    /// The high times of the writers: of requests, of responses.
    pub(super) high: [[Option<EventTime>; 2]; 2],
    pub(super) complete: [Option<EventTime>; 2],
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A request came in.
    Request { at: EventTime, offset: i64, hits: Vec<Hit> },
    /// A response came in.
    Response { at: EventTime },
    /// The sessions up to this frame became final.
    Final,
}

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
const FINAL: u8 = 2;

/// Collects a block's events.
#[derive(Debug, Default)]
pub(super) struct Changes {
    events: Vec<u8>,
    high_ts: Option<EventTime>,
    last_ts: EventTime,
    last_offset: i64,
}

impl Changes {
    pub(super) fn request(
        &mut self,
        machine: Machine,
        place: Place,
        at: EventTime,
        offset: i64,
        hits: &[Hit],
    ) {
        self.begin(REQUEST, machine, place);
        self.frame(place, at);
        self.number(offset.wrapping_sub(self.last_offset));
        self.last_offset = offset;
        // A frame has at most 64.
        self.events.push(hits.len() as u8);
        for hit in hits {
            let [high, middle, low, _] = hit.pack().to_be_bytes();
            self.events.extend_from_slice(&[high, middle, low]);
        }
    }

    pub(super) fn response(&mut self, machine: Machine, place: Place, at: EventTime) {
        self.begin(RESPONSE, machine, place);
        self.frame(place, at);
    }

    pub(super) fn finals(&mut self, machine: Machine, place: Place) {
        self.begin(FINAL, machine, place);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The block of everything since the last call.
    pub(super) fn take(&mut self, times: &Times) -> Block {
        let mut head = Vec::with_capacity(64 + self.events.len());
        head.push(VERSION);
        for time in times.high.into_iter().flatten().chain(times.complete) {
            write(&mut head, time.unwrap_or(EventTime::MIN));
        }
        head.append(&mut self.events);
        let high_ts = self.high_ts.take();
        (self.last_ts, self.last_offset) = (0, 0);
        Block { bytes: head, high_ts }
    }

    fn begin(&mut self, kind: u8, machine: Machine, (ts, zone): Place) {
        self.events.push(kind | (zone as u8) << 4);
        let [_, high, middle, low] = machine.id().to_be_bytes();
        self.events.extend_from_slice(&[high, middle, low]);
        self.number(ts.wrapping_sub(self.last_ts));
        self.last_ts = ts;
    }

    fn frame(&mut self, (ts, _): Place, at: EventTime) {
        self.number(at.wrapping_sub(ts));
        self.high_ts = self.high_ts.max(Some(ts));
    }

    fn number(&mut self, number: i64) {
        write(&mut self.events, number);
    }
}

fn write(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Reads a block's events, one after the other.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    pub(super) times: Times,
    last_ts: EventTime,
    last_offset: i64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a [u8]) -> Result<Self, BlockError> {
        let mut reader = Self { rest: block, times: Times::default(), last_ts: 0, last_offset: 0 };
        let version = reader.byte()?;
        let mut time = || reader.number().map(|time| (time != EventTime::MIN).then_some(time));
        reader.times = match version {
            VERSION => Times { high: [[time()?, time()?], [time()?, time()?]], complete: [time()?, time()?] },
            ONE_TIME => {
                let (requests, responses, complete) = (time()?, time()?, time()?);
                Times { high: [[requests; 2], [responses; 2]], complete: [complete; 2] }
            }
            other => return Err(BlockError::Version(other)),
        };
        Ok(reader)
    }

    /// The next event, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<(Machine, Place, Event)>, BlockError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let head = self.byte()?;
        let zone = Zone::ALL.get(usize::from(head >> 4)).copied().ok_or(BlockError::Range("a zone"))?;
        let id = u32::from_be_bytes([0, self.byte()?, self.byte()?, self.byte()?]);
        let machine = Machine::new(id).ok_or(BlockError::Range("a machine"))?;
        let ts = self.last_ts.wrapping_add(self.number()?);
        self.last_ts = ts;
        let event = match head & 0x0f {
            REQUEST => self.request(ts)?,
            RESPONSE => Event::Response { at: ts.wrapping_add(self.number()?) },
            FINAL => Event::Final,
            _ => return Err(BlockError::Range("an event")),
        };
        Ok(Some((machine, (ts, zone), event)))
    }

    fn request(&mut self, ts: EventTime) -> Result<Event, BlockError> {
        let at = ts.wrapping_add(self.number()?);
        let offset = self.last_offset.wrapping_add(self.number()?);
        self.last_offset = offset;
        let count = self.byte()?;
        if u64::from(count) > MOST_HITS {
            return Err(BlockError::Range("the number of hits"));
        }
        let mut hits = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let packed = u32::from_be_bytes([self.byte()?, self.byte()?, self.byte()?, 0]);
            hits.push(Hit::unpack(packed)?);
        }
        Ok(Event::Request { at, offset, hits })
    }

    fn byte(&mut self) -> Result<u8, BlockError> {
        let (&byte, rest) = self.rest.split_first().ok_or(BlockError::TooShort)?;
        self.rest = rest;
        Ok(byte)
    }

    fn number(&mut self) -> Result<i64, BlockError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(BlockError::Range("a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_survive_the_round_trip() {
        for number in [0, 1, -1, 63, -64, 64, 1 << 20, i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            let mut reader = Reader { rest: &bytes, times: Times::default(), last_ts: 0, last_offset: 0 };
            assert_eq!(reader.number(), Ok(number));
            assert!(reader.rest.is_empty());
        }
    }

    #[test]
    fn events_come_back_as_they_were_written() {
        let machine = Machine::new(999_999).unwrap();
        let hits = vec![Hit::from_hex("c3ff8d4f14ffc3d9b5").unwrap(), Hit::from_hex("e3001f00d9b5").unwrap()];
        let place = (1_700_000_000_000, Zone::AU);
        let mut changes = Changes::default();
        changes.request(machine, place, place.0 + 3, 77, &hits);
        changes.response(machine, (place.0 - 5, Zone::EU), place.0);
        changes.finals(machine, place);
        let times = Times { high: [[Some(5), None], [None, Some(6)]], complete: [Some(-7), None] };
        let block = changes.take(&times);
        assert_eq!(block.high_ts, Some(place.0));
        assert!(changes.is_empty());
        let mut reader = Reader::new(&block.bytes).unwrap();
        assert_eq!(reader.times, times);
        let request = Event::Request { at: place.0 + 3, offset: 77, hits };
        assert_eq!(reader.next(), Ok(Some((machine, place, request))));
        let response = (machine, (place.0 - 5, Zone::EU), Event::Response { at: place.0 });
        assert_eq!(reader.next(), Ok(Some(response)));
        assert_eq!(reader.next(), Ok(Some((machine, place, Event::Final))));
        assert_eq!(reader.next(), Ok(None));
        for length in 0..block.bytes.len() {
            let cut = Reader::new(&block.bytes[..length]);
            let read = cut.and_then(|mut reader| {
                while reader.next()?.is_some() {}
                Ok(())
            });
            assert!(
                read.is_err() || length > 30,
                "{length}: a cut block is an error, or ends between events"
            );
        }
        assert_eq!(Reader::new(&[9]).err(), Some(BlockError::Version(9)));
    }

    #[test]
    fn a_block_of_the_first_version_has_one_time_for_all_writers() {
        let mut block = vec![1];
        for time in [5, EventTime::MIN, -7] {
            write(&mut block, time);
        }
        let times = Times { high: [[Some(5); 2], [None; 2]], complete: [Some(-7); 2] };
        assert_eq!(Reader::new(&block).unwrap().times, times);
    }
}
