//! What all tests of the codec share.

mod encodings;
mod evolution;
mod hostile;
mod written;

use serde::Serialize;
use serde_avro_fast::Schema;
use serde_avro_fast::ser::SerializerConfig;

use super::kind::{Kind, built_in};
use super::*;
use crate::frame::MAX_HITS;
use crate::{Direction, Game, ImpactType, Key, Level, Machine, Zone};

/// Ids as a registry might have given them; all four bytes count.
const IDS: Ids = Ids { header: 0x0102_0304, body: 7, session: u32::MAX };

/// One codec for each encoding.
fn codecs() -> [Codec; 2] {
    [Codec::single_object(), Codec::confluent(IDS)]
}

fn header() -> FrameHeader {
    FrameHeader { ts: 1_700_000_000_123, machine: Machine::new(42).unwrap(), zone: Zone::ZG }
}

fn hit(hex: &str) -> Hit {
    Hit::from_hex(hex).unwrap()
}

fn session() -> GameSession {
    GameSession {
        hits: vec![hit("e3001f00d9b5"), hit("c3ff8d4f14ffc3d9b5")],
        machine: "000042".to_owned(),
        frames: 1,
        count: 2,
        score: 120,
        start: 1_700_000_000_123,
        end: 1_700_000_000_123,
        is_final: true,
    }
}

/// A value as a writer with this schema encodes it, in Confluent's encoding.
fn written_with<T: Serialize>(schema: &str, id: u32, value: &T) -> Vec<u8> {
    let preamble = [&[0][..], &id.to_be_bytes()].concat();
    with_datum(preamble, &built_in(schema), value)
}

/// Bytes and, after them, a value as the schema has it.
fn with_datum<T: Serialize>(bytes: Vec<u8>, schema: &Schema, value: &T) -> Vec<u8> {
    serde_avro_fast::to_datum(value, bytes, &mut SerializerConfig::new(schema)).unwrap()
}

/// A session as the first version wrote it: each hit has a direction.
#[derive(Serialize)]
struct Original {
    hits: Vec<OriginalHit>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OriginalHit {
    impact: i32,
    key: Key,
    double_key: Option<Key>,
    direction: Direction,
    impact_type: ImpactType,
    level: Level,
    game: Game,
}

/// `c3ff8d4f14ffc3d9b5`.
fn original() -> Original {
    let hit = OriginalHit {
        impact: 20,
        key: Key::O,
        double_key: Some(Key::O),
        direction: Direction::Left,
        impact_type: ImpactType::Critical,
        level: Level::NewBie,
        game: Game::NeoBlood,
    };
    Original { hits: vec![hit] }
}
