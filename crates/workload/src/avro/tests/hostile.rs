//! Bytes that somebody made up. What they may allocate is counted in `tests/allocation.rs`.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// Every decoder on the same bytes.
fn decode_all(codec: &Codec, bytes: &[u8]) {
    let _ = (codec.decode_header(bytes), codec.decode_body(bytes), codec.decode_session(bytes));
    let _ = Hit::from_bytes(bytes);
    let _ = std::str::from_utf8(bytes).map(Hit::from_hex);
}

/// One of the ways in which bytes go wrong.
fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    let position = rng.random_range(0..=bytes.len());
    match rng.random_range(0..6) {
        0 => bytes.truncate(position),
        1 => bytes.insert(position, rng.random()),
        // The longest numbers: lengths, counts, symbols.
        2 => drop(bytes.splice(position..position, [0xff; 9].into_iter().chain([rng.random_range(0..4)]))),
        3 => bytes.extend_from_within(position..),
        _ if position == bytes.len() => bytes.push(rng.random()),
        4 => bytes[position] = rng.random(),
        _ => bytes[position] ^= 1 << rng.random_range(0..8),
    }
}

#[test]
fn broken_bytes_never_do_more_than_fail() {
    let mut rng = StdRng::seed_from_u64(3);
    for codec in codecs() {
        codec.learn(1, schema::original::GAME_SESSION).unwrap();
        let originals = [
            codec.encode_header(&header()),
            codec.encode_body(false, &[hit("c3ff8ab13000e9c5"); 5]),
            codec.encode_session(&session()),
            written_with(schema::original::GAME_SESSION, 1, &original()),
            b"c3ff8d4f14ffc3d9b5".to_vec(),
            vec![0xc3, 0xff, 0x8d, 0x4f, 0x14, 0xff, 0xc3, 0xd9, 0xb5],
        ];
        for original in originals {
            for _ in 0..20_000 {
                let mut bytes = original.clone();
                for _ in 0..rng.random_range(1..6) {
                    mutate(&mut bytes, &mut rng);
                }
                decode_all(&codec, &bytes);
            }
        }
    }
}

#[test]
fn noise_after_a_valid_preamble_never_does_more_than_fail() {
    let mut rng = StdRng::seed_from_u64(5);
    for codec in codecs() {
        let records = [
            codec.encode_header(&header()),
            codec.encode_body(false, &[hit("e3001f00d9b5")]),
            codec.encode_session(&session()),
        ];
        for record in records {
            for _ in 0..20_000 {
                let mut bytes = record[..rng.random_range(0..=10)].to_vec();
                let length = rng.random_range(0..40);
                bytes.extend((0..length).map(|_| rng.random::<u8>()));
                decode_all(&codec, &bytes);
            }
        }
    }
}

#[test]
fn a_writers_schema_that_nests_too_deeply_is_not_followed() {
    let nested = |depth| {
        let array = |inner: String, _| format!(r#"{{"type": "array", "items": {inner}}}"#);
        (0..depth).fold("\"null\"".to_owned(), array)
    };
    let codec = Codec::single_object();
    let header = |id: u32, depth: usize| {
        let fields = format!(r#"{{"name": "deep", "type": {}}}"#, nested(depth));
        let text = format!(r#"{{"type": "record", "name": "FrameHeader", "fields": [{fields}]}}"#);
        codec.learn(id, &text).unwrap();
        // Arrays of one element each, down to the last.
        let datum = [vec![2; depth], vec![0; depth]].concat();
        codec.decode_header(&[&[0][..], &id.to_be_bytes(), &datum].concat()).unwrap_err().to_string()
    };
    assert_eq!(header(1, 5), "missing field `ts`");
    assert!(header(2, 50).contains("recursivity"), "{}", header(2, 50));
}
