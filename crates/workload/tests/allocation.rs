//! What decoding allocates is bounded by the length of its input, whatever lengths and counts the bytes claim.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(unsafe_code, reason = "an allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use workload::avro::{Codec, Ids, schema};
use workload::{FrameHeader, GameSession, Hit, Machine, Zone};

/// Adds up what a thread asks for; what it gives back is not taken off.
struct Counting;

thread_local! {
    static REQUESTED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's; counting neither allocates nor touches the blocks.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the same promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    // A thread that is ending has no counter any more.
    let _ = REQUESTED.try_with(|requested| requested.set(requested.get() + bytes));
}

/// The most that decoding may request: a `Vec` that doubles as it grows, and the text of an error.
const fn allowed(length: usize) -> usize {
    1_024 + 8 * length
}

fn check(codec: &Codec, bytes: &[u8]) {
    let before = REQUESTED.get();
    drop(codec.decode_header(bytes));
    drop(codec.decode_body(bytes));
    drop(codec.decode_session(bytes));
    let requested = REQUESTED.get() - before;
    assert!(requested <= 3 * allowed(bytes.len()), "{requested} bytes for {}: {bytes:02x?}", bytes.len());
}

const IDS: Ids = Ids { header: 1, body: 2, session: 3 };

/// A codec that has learned the first version's session as id 4, and has used each schema once: they are parsed then.
fn codec() -> Codec {
    let codec = Codec::confluent(IDS);
    codec.learn(4, schema::original::GAME_SESSION).unwrap();
    for id in [IDS.header, IDS.body, IDS.session, 4] {
        let bytes = [&[0][..], &id.to_be_bytes()].concat();
        assert!(codec.decode_header(&bytes).is_err());
        assert!(codec.decode_body(&bytes).is_err());
        assert!(codec.decode_session(&bytes).is_err());
    }
    codec
}

/// A number as Avro has it.
fn long(value: i64) -> Vec<u8> {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Numbers that claim more than there can be.
const ABSURD: [i64; 9] = [1_000, 1_001, 65_536, 1 << 31, 1 << 40, i64::MAX, -1, -(1 << 40), i64::MIN];

#[test]
fn an_absurd_length_allocates_nothing_of_the_kind() {
    let codec = codec();
    for absurd in ABSURD {
        for second in ABSURD {
            let lengths = [long(absurd), long(second)].concat();
            for (id, datum) in [
                // A machine's name, a frame's hits, the length of its first hit, a session's hits.
                (IDS.header, [&long(0)[..], &lengths].concat()),
                (IDS.body, [&long(0)[..], &lengths].concat()),
                (IDS.body, [&long(0)[..], &long(1), &lengths].concat()),
                (IDS.session, lengths.clone()),
                (4, lengths.clone()),
            ] {
                for padding in [0, 10, 1_000, 60_000] {
                    let preamble = [&[0][..], &id.to_be_bytes()].concat();
                    check(&codec, &[&preamble[..], &datum, &vec![0; padding]].concat());
                }
            }
        }
    }
}

#[test]
fn many_blocks_of_an_array_are_one_array() {
    let codec = codec();
    // Each block says one hit of no characters; the array never ends.
    let blocks = [0, 0, 0, 0, 2, 0].into_iter().chain([2, 0].into_iter().cycle().take(60_000));
    let bytes: Vec<u8> = blocks.collect();
    check(&codec, &bytes);
    assert!(codec.decode_body(&bytes).is_err());
}

#[test]
fn whatever_happens_to_a_record_the_bound_holds() {
    let codec = codec();
    let hit = Hit::from_hex("c3ff8d4f14ffc3d9b5").unwrap();
    let header = FrameHeader { ts: 1_700_000_000_123, machine: Machine::new(42).unwrap(), zone: Zone::ZG };
    let session = GameSession { hits: vec![hit; 563], machine: "000042".to_owned(), ..Default::default() };
    let originals =
        [codec.encode_header(&header), codec.encode_body(true, &[hit; 64]), codec.encode_session(&session)];
    let mut rng = StdRng::seed_from_u64(7);
    for original in originals {
        check(&codec, &original);
        for _ in 0..5_000 {
            let mut bytes = original.clone();
            for _ in 0..rng.random_range(1..4) {
                // Most of what can go wrong is at the beginning, where the lengths are.
                let span = if rng.random() { bytes.len() } else { bytes.len().min(24) };
                let position = rng.random_range(5..span);
                bytes[position] = rng.random();
            }
            check(&codec, &bytes);
        }
    }
}
