//! One record and what a task makes of it, without Kafka: bytes come in, sessions and dead letters come out. The clock
//! is passed in: records too far in the future are refused, and those a little ahead do not move the time of the
//! others.

use workload::Input;
use workload::avro::{Codec, DecodeError};
use workload::fold::{Counts, GRACE_MS, Side, Taken};
use workload::{EventTime, Fold, FrameHeader};

/// A record further in the future would end all sessions at once.
const FUTURE_MS: EventTime = 60_000;
/// How far the time in a header may be from its record's.
const APART_MS: EventTime = 60_000;

/// A record of one of the two inputs, as Kafka gives it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Which input.
    pub input: Input,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its timestamp, if it has one.
    pub timestamp: Option<EventTime>,
    /// Its offset.
    pub offset: i64,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// It has no key.
    #[error("it has no key")]
    NoKey,
    /// It has no value.
    #[error("it has no value")]
    NoValue,
    /// Its key does not decode.
    #[error("its key is {0}")]
    Key(DecodeError),
    /// Its value does not decode.
    #[error("its value is {0}")]
    Value(DecodeError),
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
    /// Some of its hits do not decode; the others count.
    #[error("{0} of its hits do not decode")]
    Hits(u32),
    /// Others of its partition are too far ahead of it.
    #[error("its time is {} behind its partition's, and more than {} is too late", seconds(*.by_ms), seconds(GRACE_MS))]
    Late {
        /// How far.
        by_ms: EventTime,
    },
}

impl BadRecord {
    /// The id of a schema that nobody has asked the registry about yet: the record may be a good one.
    #[must_use]
    pub const fn unknown_id(&self) -> Option<u32> {
        match self {
            Self::Key(DecodeError::UnknownId { id }) | Self::Value(DecodeError::UnknownId { id }) => {
                Some(*id)
            }
            _ => None,
        }
    }

    /// A word for metrics and dead letters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoKey => "key",
            Self::NoValue => "value",
            Self::Key(error) | Self::Value(error) => error.reason(),
            Self::Approval(_) => "approval",
            Self::Time { .. } => "time",
            Self::Hits(_) => "hits",
            Self::Late { .. } => "late",
        }
    }
}

/// `12.3 s`
fn seconds(ms: EventTime) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}

/// Takes a record into the fold.
///
/// # Errors
/// When the record is malformed or late: nothing has changed then, except that a frame with some bad hits counts
/// without them.
pub fn process(fold: &mut Fold, codec: &Codec, record: &Record<'_>, now: EventTime) -> Result<(), BadRecord> {
    let key = record.key.ok_or(BadRecord::NoKey)?;
    let value = record.value.ok_or(BadRecord::NoValue)?;
    let header = codec.decode_header(key).map_err(BadRecord::Key)?;
    let body = codec.decode_body(value).map_err(BadRecord::Value)?;
    let at = time_of(record, &header, now)?;
    let taken = match (record.input, body.approval) {
        (Input::Requests, Some(false)) => fold.request(header, at, record.offset, body.hits, now),
        (Input::Responses, Some(true)) => fold.response(header, at, now),
        (_, approval) => return Err(BadRecord::Approval(approval)),
    };
    match taken {
        Taken::Late { by_ms } => Err(BadRecord::Late { by_ms }),
        Taken::Joined | Taken::Waiting | Taken::Duplicate if body.bad_hits > 0 => {
            Err(BadRecord::Hits(body.bad_hits))
        }
        Taken::Joined | Taken::Waiting | Taken::Duplicate => Ok(()),
    }
}

/// The side of the fold that an input is.
pub(crate) const fn side(input: Input) -> Side {
    match input {
        Input::Requests => Side::Request,
        Input::Responses => Side::Response,
    }
}

/// The input that a side of the fold is.
pub(crate) const fn input(side: Side) -> Input {
    match side {
        Side::Request => Input::Requests,
        Side::Response => Input::Responses,
    }
}

/// What was counted between two looks.
pub(crate) fn difference(now: &Counts, before: &Counts) -> Counts {
    Counts {
        joined: now.joined - before.joined,
        expired_requests: now.expired_requests - before.expired_requests,
        expired_responses: now.expired_responses - before.expired_responses,
        duplicates: now.duplicates - before.duplicates,
        late_requests: now.late_requests - before.late_requests,
        late_responses: now.late_responses - before.late_responses,
        closed: now.closed - before.closed,
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
    use workload::sessions::Limits;
    use workload::{Hit, Machine, Zone, avro};

    use super::*;

    const NOW: EventTime = 1_700_000_000_000;

    fn header(ts: EventTime) -> FrameHeader {
        FrameHeader { ts, machine: Machine::new(900_001).unwrap(), zone: Zone::AU }
    }

    #[test]
    fn a_request_and_its_response_become_an_update_with_the_offset_of_its_request() {
        let mut fold = Fold::new(Limits::default());
        let key = avro::encode_header(&header(NOW));
        let hits = [Hit::from_hex("c3ff8ab13000e9c5").unwrap()];
        for (input, offset) in [(Input::Requests, 7), (Input::Responses, 3)] {
            let value = avro::encode_body(input == Input::Responses, &hits);
            let record = Record { input, key: Some(&key), value: Some(&value), timestamp: Some(NOW), offset };
            process(&mut fold, &Codec::single_object(), &record, NOW).unwrap();
        }
        let mut outputs = Vec::new();
        fold.take_outputs(&mut outputs);
        assert_eq!(outputs.len(), 1);
        assert_eq!((outputs[0].key, outputs[0].request_offset), (header(NOW), 7));
        assert_eq!((outputs[0].session.score, outputs[0].session.count), (48, 1));
    }

    #[test]
    fn a_late_record_is_named_and_says_by_how_much() {
        let mut fold = Fold::new(Limits::default());
        let mut take = |ts, value: &[u8]| {
            let key = avro::encode_header(&header(ts));
            let (input, timestamp) = (Input::Requests, Some(ts));
            let record = Record { input, key: Some(&key), value: Some(value), timestamp, offset: 0 };
            process(&mut fold, &Codec::single_object(), &record, NOW)
        };
        let value = avro::encode_body(false, &[Hit::from_hex("c3ff8ab13000e9c5").unwrap()]);
        assert!(take(NOW, &value).is_ok());
        let late = take(NOW - 12_340, &value).unwrap_err();
        let said = "its time is 12.3 s behind its partition's, and more than 5.0 s is too late";
        assert_eq!((late.reason(), late.to_string().as_str()), ("late", said));
        let mut bad_hit = value.clone();
        let at = bad_hit.windows(4).position(|window| window == b"c3ff").unwrap();
        bad_hit[at] = b'z';
        assert_eq!(take(NOW - 12_340, &bad_hit).unwrap_err().reason(), "late");
        assert_eq!(
            take(NOW + 60_000, &value).map_err(|bad| bad.to_string()),
            Ok(()),
            "far ahead, and it counts"
        );
        assert!(take(NOW - 3_999, &value).is_ok(), "and what is written at the right time counts after it");
        assert_eq!(take(NOW - 4_001, &value).unwrap_err().reason(), "late");
        let counts = fold.counts();
        assert_eq!((counts.late_requests, counts.late_responses), (3, 0));
    }

    #[test]
    fn malformed_records_are_named_and_change_nothing() {
        let key = avro::encode_header(&header(NOW));
        let value = avro::encode_body(false, &[]);
        let (input, timestamp) = (Input::Requests, Some(NOW));
        let valid = Record { input, key: Some(&key), value: Some(&value), timestamp, offset: 0 };
        let check = |record: Record<'_>, reason: &str| {
            let mut fold = Fold::new(Limits::default());
            let bad = process(&mut fold, &Codec::single_object(), &record, NOW).unwrap_err();
            assert_eq!(bad.reason(), reason, "{bad}");
            assert!(!fold.has_changed(), "{bad}");
        };
        check(Record { key: None, ..valid }, "key");
        check(Record { value: None, ..valid }, "value");
        check(Record { key: Some(b""), ..valid }, "encoding");
        check(Record { value: Some(b""), ..valid }, "encoding");
        check(Record { value: Some(&key), ..valid }, "schema");
        check(Record { value: Some(&value[..value.len() - 1]), ..valid }, "datum");
        check(Record { input: Input::Responses, ..valid }, "approval");
        check(Record { timestamp: None, ..valid }, "time");
        check(Record { timestamp: Some(NOW + 60_001), ..valid }, "time");
        check(Record { timestamp: Some(NOW - 60_001), ..valid }, "time");
    }
}
