//! The work on one pair of partitions: pure state, made when the pair is assigned and dropped when it is revoked.
//!
//! Records come in, sessions come out; the clock is passed in and only serves to refuse records from the future.

use game::join::{self, Join, Side};
use game::sessions::{self, Limits, Output, Sessions};
use game::{EventTime, Frame, FrameHeader, Hit, avro};
use model::Input;

/// The most headers that wait in a join: the frames of three seconds, with everything on one partition.
const JOIN_CAPACITY: usize = 16_384;
/// A record further in the future would end all sessions at once.
const FUTURE_MS: EventTime = 60_000;
/// How far the time in a header may be from its record's.
const APART_MS: EventTime = 60_000;

/// A record of one of the two inputs, as Kafka gives it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Which input.
    pub input: Input,
    /// Its key; empty if it has none.
    pub key: &'a [u8],
    /// Its value; empty if it has none.
    pub value: &'a [u8],
    /// Its timestamp, if it has one.
    pub timestamp: Option<EventTime>,
    /// Its offset.
    pub offset: i64,
}

/// Why a record is left out.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// Its key does not decode.
    #[error("its key is {0}")]
    Key(avro::DecodeError),
    /// Its value does not decode.
    #[error("its value is {0}")]
    Value(avro::DecodeError),
    /// A request that says it is a response, or the other way round.
    #[error("its approval is {0:?}")]
    Approval(Option<bool>),
    /// Its time is missing, in the future, or not that of its header.
    #[error("its time cannot be: {record:?} with a header of {header}")]
    Time {
        /// The record's timestamp.
        record: Option<EventTime>,
        /// The header's `ts`.
        header: EventTime,
    },
}

impl BadRecord {
    /// A word for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Key(error) | Self::Value(error) => error.reason(),
            Self::Approval(_) => "approval",
            Self::Time { .. } => "time",
        }
    }
}

/// What became of the records of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the join.
    pub join: join::Counts,
    /// In the sessions.
    pub sessions: sessions::Counts,
    /// Hits that do not decode, in requests that do.
    pub bad_hits: u64,
}

/// The work on one pair of partitions.
#[derive(Debug)]
pub struct Task {
    join: Join<Request>,
    sessions: Sessions,
    bad_hits: u64,
}

#[derive(Debug)]
struct Request {
    hits: Vec<Hit>,
    offset: i64,
}

impl Task {
    /// A task that knows nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { join: Join::new(join::WINDOW_MS, JOIN_CAPACITY), sessions: Sessions::new(limits), bad_hits: 0 }
    }

    /// Takes a record in; `outputs` gets the sessions that end by it.
    ///
    /// # Errors
    /// When the record is malformed: nothing has changed then.
    pub fn process(
        &mut self,
        record: &Record<'_>,
        now: EventTime,
        outputs: &mut Vec<Output>,
    ) -> Result<(), BadRecord> {
        let header = avro::decode_header(record.key).map_err(BadRecord::Key)?;
        let body = avro::decode_body(record.value).map_err(BadRecord::Value)?;
        let at = time_of(record, &header, now)?;
        let joined = match (record.input, body.approval) {
            (Input::Requests, Some(false)) => {
                self.bad_hits += u64::from(body.bad_hits);
                self.join.request(header, at, Request { hits: body.hits, offset: record.offset })
            }
            (Input::Responses, Some(true)) => self.join.response(header, at),
            (_, approval) => return Err(BadRecord::Approval(approval)),
        };
        if let Some(Request { hits, offset }) = joined {
            self.sessions.fold(&Frame { header, hits }, offset, outputs);
        }
        if let Some(time) = self.join.time() {
            self.sessions.advance(time, outputs);
        }
        Ok(())
    }

    /// Takes the updates of the sessions that changed since the last call.
    pub fn take_updates(&mut self, outputs: &mut Vec<Output>) {
        self.sessions.take_updates(outputs);
    }

    /// Says that an input is quiet: it was read to its end, and nothing older than this can follow.
    pub fn advance(&mut self, input: Input, to: EventTime, outputs: &mut Vec<Output>) {
        self.join.advance(side(input), to);
        if let Some(time) = self.join.time() {
            self.sessions.advance(time, outputs);
        }
    }

    /// How far an input has come in event time; `None` before its first record.
    #[must_use]
    pub fn time(&self, input: Input) -> Option<EventTime> {
        self.join.side_time(side(input))
    }

    /// What became of its records.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { join: self.join.counts(), sessions: self.sessions.counts(), bad_hits: self.bad_hits }
    }

    /// Headers in the join.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.join.len()
    }

    /// Open sessions.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }
}

fn side(input: Input) -> Side {
    match input {
        Input::Requests => Side::Request,
        Input::Responses => Side::Response,
    }
}

/// A record's time, if it can be: one wild timestamp must not end every session of the partition.
fn time_of(record: &Record<'_>, header: &FrameHeader, now: EventTime) -> Result<EventTime, BadRecord> {
    let possible = record.timestamp.filter(|&at| {
        at >= 0 && at <= now.saturating_add(FUTURE_MS) && header.ts.abs_diff(at) <= APART_MS.unsigned_abs()
    });
    possible.ok_or(BadRecord::Time { record: record.timestamp, header: header.ts })
}

#[cfg(test)]
mod tests {
    use game::{Machine, Zone};

    use super::*;

    const NOW: EventTime = 1_700_000_000_000;

    struct Bench {
        task: Task,
        outputs: Vec<Output>,
    }

    impl Bench {
        fn new() -> Self {
            Self { task: Task::new(Limits::default()), outputs: Vec::new() }
        }

        fn send(&mut self, input: Input, ts: EventTime, offset: i64) -> Result<(), BadRecord> {
            let key = avro::encode_header(&header(ts));
            let hits = [Hit::from_hex("c3ff8ab13000e9c5").unwrap()];
            let value = avro::encode_body(input == Input::Responses, &hits);
            let record = Record { input, key: &key, value: &value, timestamp: Some(ts), offset };
            self.task.process(&record, NOW, &mut self.outputs)
        }
    }

    fn header(ts: EventTime) -> FrameHeader {
        FrameHeader { ts, machine: Machine::new(900_001).unwrap(), zone: Zone::AU }
    }

    #[test]
    fn a_pair_of_records_becomes_an_update_with_the_offset_of_its_request() {
        let mut bench = Bench::new();
        bench.send(Input::Requests, NOW, 7).unwrap();
        bench.send(Input::Responses, NOW, 3).unwrap();
        bench.task.take_updates(&mut bench.outputs);
        let [Output { key, session, request_offset }] = &bench.outputs[..] else { panic!("one update") };
        assert_eq!((*key, *request_offset), (header(NOW), 7));
        assert_eq!((session.score, session.count, session.is_final), (48, 1, false));
    }

    #[test]
    fn a_session_ends_when_both_inputs_have_passed_its_gap() {
        let mut bench = Bench::new();
        bench.send(Input::Requests, NOW - 60_000, 7).unwrap();
        bench.send(Input::Responses, NOW - 60_000, 3).unwrap();
        bench.task.advance(Input::Requests, NOW, &mut bench.outputs);
        assert_eq!(bench.outputs, []);
        bench.task.advance(Input::Responses, NOW, &mut bench.outputs);
        assert!(matches!(&bench.outputs[..], [output] if output.session.is_final));
        assert_eq!((bench.task.waiting(), bench.task.open_sessions()), (0, 0));
    }

    #[test]
    fn malformed_records_are_named_and_change_nothing() {
        let key = avro::encode_header(&header(NOW));
        let value = avro::encode_body(false, &[]);
        let valid =
            Record { input: Input::Requests, key: &key, value: &value, timestamp: Some(NOW), offset: 0 };
        let check = |record: Record<'_>, reason: &str| {
            let mut bench = Bench::new();
            let bad = bench.task.process(&record, NOW, &mut bench.outputs).unwrap_err();
            assert_eq!(bad.reason(), reason, "{bad}");
            assert_eq!((bench.task.waiting(), bench.task.time(record.input)), (0, None));
        };
        check(Record { key: b"", ..valid }, "encoding");
        check(Record { value: b"", ..valid }, "encoding");
        check(Record { value: &key, ..valid }, "schema");
        check(Record { value: &value[..value.len() - 1], ..valid }, "datum");
        check(Record { input: Input::Responses, ..valid }, "approval");
        check(Record { timestamp: None, ..valid }, "time");
        check(Record { timestamp: Some(NOW + 60_001), ..valid }, "time");
        check(Record { timestamp: Some(NOW - 60_001), ..valid }, "time");
    }
}
