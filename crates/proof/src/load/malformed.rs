//! Malformed records of every kind. Many have a `ts` far ahead: one that were not left out would make everything after
//! it late.

use rand::RngExt;
use rand::rngs::StdRng;
use workload::Input;
use workload::{FrameHeader, Hit};

use super::{Bytes, avro};

/// So far ahead, a record is in the future of the clock, since a load begins an hour ago, ms.
const FUTURE_MS: i64 = 10 * 3_600_000;
/// So far ahead of the others' event time a malformed record is, ms.
const AHEAD_MS: i64 = 30_000;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy)]
enum Kind {
    NoKey,
    EmptyKey,
    NoValue,
    EmptyValue,
    NotAvro,
    UnknownSchema,
    KeyAsValue,
    Truncated,
    Trailing,
    TooLong,
    AbsurdCount,
    TooManyHits,
    NoMachine,
    NoZone,
    OtherApproval,
    NoApproval,
    TooEarly,
    TooLate,
    NoTime,
    Future,
}

const KINDS: [Kind; 20] = [
    Kind::NoKey,
    Kind::EmptyKey,
    Kind::NoValue,
    Kind::EmptyValue,
    Kind::NotAvro,
    Kind::UnknownSchema,
    Kind::KeyAsValue,
    Kind::Truncated,
    Kind::Trailing,
    Kind::TooLong,
    Kind::AbsurdCount,
    Kind::TooManyHits,
    Kind::NoMachine,
    Kind::NoZone,
    Kind::OtherApproval,
    Kind::NoApproval,
    Kind::TooEarly,
    Kind::TooLate,
    Kind::NoTime,
    Kind::Future,
];

/// A malformed record that resembles a good one: ahead of it, or under the same header.
pub(super) fn record(rng: &mut StdRng, input: Input, like: FrameHeader, hits: &[Hit], time: i64) -> Bytes {
    let kind = KINDS[rng.random_range(0..KINDS.len())];
    let by = if rng.random_bool(0.5) { AHEAD_MS } else { 0 };
    of_kind(kind, input, FrameHeader { ts: like.ts + by, ..like }, hits, time + by)
}

fn of_kind(kind: Kind, input: Input, header: FrameHeader, hits: &[Hit], time: i64) -> Bytes {
    let approval = input == Input::Responses;
    let key = workload::avro::encode_header(&header);
    let value = workload::avro::encode_body(approval, hits);
    let texts: Vec<String> = hits.iter().map(Hit::to_hex).collect();
    let machine = header.machine.to_string();
    let with_key = |key: Vec<u8>| (Some(key), Some(value.clone()), time);
    let with_value = |value: Vec<u8>| (Some(key.clone()), Some(value), time);
    let with_time = |time| (Some(key.clone()), Some(value.clone()), time);
    match kind {
        Kind::NoKey => (None, Some(value), time),
        Kind::EmptyKey => with_key(Vec::new()),
        Kind::NoValue => (Some(key), None, time),
        Kind::EmptyValue => with_value(Vec::new()),
        Kind::NotAvro => with_value(b"{\"approval\":true}".to_vec()),
        Kind::UnknownSchema => with_key([&key[..2], b"\0\x01\x02\x03\x04\x05\x06\x07", &key[10..]].concat()),
        Kind::KeyAsValue => with_value(key.clone()),
        Kind::Truncated => with_value(value[..value.len() - 1].to_vec()),
        Kind::Trailing => with_value([&value[..], b"\0"].concat()),
        Kind::TooLong => with_value([&value[..], &[0; 70_000]].concat()),
        Kind::AbsurdCount => with_value(absurd(approval)),
        Kind::TooManyHits => with_value(avro::body(Some(approval), &vec![TEXT.to_owned(); 65])),
        Kind::NoMachine => with_key(avro::header(header.ts, "12345", 0, &key)),
        Kind::NoZone => with_key(avro::header(header.ts, &machine, 4, &key)),
        Kind::OtherApproval => with_value(avro::body(Some(!approval), &texts)),
        Kind::NoApproval => with_value(avro::body(None, &texts)),
        Kind::TooEarly => with_time(header.ts - 60_001),
        Kind::TooLate => with_time(header.ts + 60_001),
        Kind::NoTime => with_time(-1),
        Kind::Future => {
            let header = FrameHeader { ts: header.ts + FUTURE_MS, ..header };
            (Some(workload::avro::encode_header(&header)), Some(value), header.ts)
        }
    }
}

/// Any hit.
const TEXT: &str = "e3001f00d9b5";

/// A body that promises as many hits as there are numbers.
fn absurd(approval: bool) -> Vec<u8> {
    let mut value = avro::body(Some(approval), &[]);
    value.pop();
    avro::long(&mut value, i64::MAX);
    value
}
