//! Avro by hand, for what the application's own encoder cannot write.

use rand::RngExt;
use rand::rngs::StdRng;
use workload::Hit;
use workload::Input;

/// `C3 01` and the fingerprint of the schema.
const PREAMBLE: usize = 10;

/// A value of a frame with any `approval` and any texts in the place of hits.
pub(super) fn body(approval: Option<bool>, hits: &[String]) -> Vec<u8> {
    let mut bytes = workload::avro::encode_body(false, &[])[..PREAMBLE].to_vec();
    match approval {
        None => long(&mut bytes, 0),
        Some(approval) => {
            long(&mut bytes, 1);
            bytes.push(u8::from(approval));
        }
    }
    if !hits.is_empty() {
        long(&mut bytes, hits.len() as i64);
        hits.iter().for_each(|hit| text(&mut bytes, hit));
    }
    long(&mut bytes, 0);
    bytes
}

/// The value of a frame with one or two texts among its hits that are no hits.
pub(super) fn body_with_bad_hits(rng: &mut StdRng, input: Input, hits: &[Hit]) -> Vec<u8> {
    const BAD: [&str; 5] = ["", "zz", "e3001f00d9b", "e3001f00d9b500", "ff001f00d9b5"];
    let mut texts: Vec<String> = hits.iter().map(Hit::to_hex).take(workload::frame::MAX_HITS - 2).collect();
    for _ in 0..rng.random_range(1..=2) {
        let bad = BAD[rng.random_range(0..BAD.len())];
        texts.insert(rng.random_range(0..=texts.len()), bad.to_owned());
    }
    body(Some(input == Input::Responses), &texts)
}

/// A key with any text for the machine and any index for the zone.
pub(super) fn header(ts: i64, machine: &str, zone: i64, like: &[u8]) -> Vec<u8> {
    let mut bytes = like[..PREAMBLE].to_vec();
    long(&mut bytes, ts);
    text(&mut bytes, machine);
    long(&mut bytes, zone);
    bytes
}

/// An `int` or a `long`: zigzag, seven bits a byte.
pub(super) fn long(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    long(bytes, text.len() as i64);
    bytes.extend(text.as_bytes());
}
