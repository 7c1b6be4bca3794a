//! Datums of our own schemas, field by field. A pod writes each session ten times a second: through a general
//! serializer that is most of its work, and what is written here never varies. Tests compare it with the schemas.

use crate::{FrameHeader, GameSession, Hit};

/// A frame's key: `ts`, `machine`, `zone`.
pub(super) fn header(header: &FrameHeader, bytes: &mut Vec<u8>) {
    long(header.ts, bytes);
    text(header.machine.digits().as_str(), bytes);
    symbol(header.zone as u8, bytes);
}

/// A frame's value: `approval`, `bytes`.
pub(super) fn body(approval: bool, hits: &[Hit], bytes: &mut Vec<u8>) {
    some(bytes);
    bytes.push(approval.into());
    array(hits, bytes, |hit, bytes| text(hit.hex().as_str(), bytes));
}

/// A session.
pub(super) fn session(session: &GameSession, bytes: &mut Vec<u8>) {
    array(&session.hits, bytes, hit);
    text(&session.machine, bytes);
    long(session.frames.into(), bytes);
    long(session.count.into(), bytes);
    long(session.score, bytes);
    long(session.start, bytes);
    long(session.end, bytes);
    bytes.push(session.is_final.into());
}

fn hit(hit: &Hit, bytes: &mut Vec<u8>) {
    long(hit.impact.into(), bytes);
    symbol(hit.key as u8, bytes);
    optional(hit.double_key.map(|key| key as u8), bytes);
    optional(hit.direction.map(|direction| direction as u8), bytes);
    symbol(hit.impact_type as u8, bytes);
    symbol(hit.level as u8, bytes);
    symbol(hit.game as u8, bytes);
}

/// One block with all elements, and the empty block that ends an array.
fn array<T>(elements: &[T], bytes: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    if !elements.is_empty() {
        // A slice has no more than i64::MAX elements.
        long(elements.len() as i64, bytes);
        elements.iter().for_each(|element| write(element, bytes));
    }
    bytes.push(0);
}

/// An enum's symbol by its place in the schema, which is its place in our enum.
fn symbol(index: u8, bytes: &mut Vec<u8>) {
    long(index.into(), bytes);
}

/// A union of null and an enum.
fn optional(symbol_index: Option<u8>, bytes: &mut Vec<u8>) {
    match symbol_index {
        None => bytes.push(0),
        Some(index) => {
            some(bytes);
            symbol(index, bytes);
        }
    }
}

/// The second branch of a union whose first is null.
fn some(bytes: &mut Vec<u8>) {
    bytes.push(2);
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    // A string has no more than i64::MAX bytes.
    long(text.len() as i64, bytes);
    bytes.extend_from_slice(text.as_bytes());
}

/// Zigzag, then seven bits a byte, lowest first. Avro's `int` is written alike.
fn long(value: i64, bytes: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
