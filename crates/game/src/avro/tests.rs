use super::*;
use crate::{Direction, Game, ImpactType, Key, Level, Machine, Zone};

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

/// CRC-64-AVRO, bit by bit, as the specification has it.
fn fingerprint(canonical_form: &str) -> [u8; 8] {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    let mut crc = EMPTY;
    for byte in canonical_form.bytes() {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
        }
    }
    crc.to_le_bytes()
}

#[test]
fn a_header_is_an_avro_single_object() {
    let bytes = encode_header(&header());
    let canonical_form = concat!(
        r#"{"name":"fr.xebia.ldi.common.schema.FrameHeader","type":"record","fields":["#,
        r#"{"name":"ts","type":"long"},{"name":"machine","type":"string"},"#,
        r#"{"name":"zone","type":{"name":"fr.xebia.ldi.common.schema.Zone","type":"enum","#,
        r#""symbols":["EU","US","ZG","AU"]}}]}"#
    );
    assert_eq!(bytes[..2], [0xc3, 0x01]);
    assert_eq!(bytes[2..10], fingerprint(canonical_form));
    // The timestamp in zigzag, six characters, the third symbol.
    assert_eq!(bytes[16..], *b"\x0c000042\x04");
    assert_eq!(decode_header(&bytes).unwrap(), header());
}

#[test]
fn a_body_is_an_avro_single_object() {
    let bytes = encode_body(true, &[hit("e3001f00d9b5")]);
    let canonical_form = concat!(
        r#"{"name":"fr.xebia.ldi.common.schema.FrameBody","type":"record","fields":["#,
        r#"{"name":"approval","type":["null","boolean"]},"#,
        r#"{"name":"bytes","type":{"type":"array","items":"string"}}]}"#
    );
    assert_eq!(bytes[2..10], fingerprint(canonical_form));
    assert_eq!(bytes[10..], *b"\x02\x01\x02\x18e3001f00d9b5\x00");
    let body = decode_body(&bytes).unwrap();
    assert_eq!(body, FrameBody { approval: Some(true), hits: vec![hit("e3001f00d9b5")], bad_hits: 0 });
}

#[test]
fn a_session_survives_the_round_trip() {
    assert_eq!(decode_session(&encode_session(&session())).unwrap(), session());
}

#[test]
fn a_session_of_the_first_version_is_still_readable() {
    let bytes = encode(
        &First { hits: vec![FirstHit { direction: Direction::Left, ..FIRST_HIT }] },
        &GAME_SESSION_2018,
    );
    let read = decode_session(&bytes).unwrap();
    assert_eq!(read, GameSession { hits: vec![hit("c3ff8d4f14ffc3d9b5")], ..GameSession::default() });
}

#[test]
fn the_first_version_could_not_write_a_hit_without_direction() {
    let session = GameSession { hits: vec![hit("e3001f00d9b5")], ..GameSession::default() };
    let mut config = SerializerConfig::new(&GAME_SESSION_2018);
    assert!(serde_avro_fast::to_single_object_vec(&session, &mut config).is_err());
}

#[derive(Serialize)]
struct First {
    hits: Vec<FirstHit>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FirstHit {
    impact: i32,
    key: Key,
    double_key: Option<Key>,
    direction: Direction,
    impact_type: ImpactType,
    level: Level,
    game: Game,
}

const FIRST_HIT: FirstHit = FirstHit {
    impact: 20,
    key: Key::O,
    double_key: Some(Key::O),
    direction: Direction::Up,
    impact_type: ImpactType::Critical,
    level: Level::NewBie,
    game: Game::NeoBlood,
};

#[test]
fn the_declared_action_is_a_valid_schema() {
    parse(schema::GAME_ACTION);
}

#[test]
fn a_hit_that_does_not_decode_is_skipped_and_counted() {
    #[derive(Serialize)]
    struct Record<'a> {
        approval: Option<bool>,
        bytes: Vec<&'a str>,
    }

    let record = Record { approval: None, bytes: vec!["zz", "e3001f00d9b5", ""] };
    let body = decode_body(&encode(&record, &FRAME_BODY)).unwrap();
    assert_eq!(body, FrameBody { approval: None, hits: vec![hit("e3001f00d9b5")], bad_hits: 2 });
}

#[test]
fn more_hits_than_a_frame_can_hold_are_refused() {
    let most = vec![hit("e3001f00d9b5"); MAX_HITS];
    assert_eq!(decode_body(&encode_body(false, &most)).unwrap().hits.len(), MAX_HITS);
    let more = vec![hit("e3001f00d9b5"); MAX_HITS + 1];
    assert!(decode_body(&encode_body(false, &more)).is_err());
}

#[test]
fn bytes_of_another_kind_say_what_is_wrong_with_them() {
    let check = |bytes: &[u8], reason: &str| assert_eq!(decode_header(bytes).unwrap_err().reason(), reason);
    let valid = encode_header(&header());
    check(b"", "encoding");
    check(&valid[..9], "encoding");
    check(b"\x00\x00\x00\x00\x01 and more bytes", "encoding");
    check(&encode_body(true, &[]), "schema");
    check(&valid[..valid.len() - 1], "datum");
    check(&[&valid[..], &[0]].concat(), "datum");
    check(&[0xc3; LONGEST + 1], "size");
}

#[test]
fn a_key_with_a_machine_that_is_none_is_refused() {
    let mut bytes = encode_header(&header());
    bytes[17] = b'x';
    assert_eq!(decode_header(&bytes).unwrap_err().reason(), "datum");
}

#[test]
fn broken_bytes_never_do_more_than_fail() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    let mut rng = StdRng::seed_from_u64(3);
    let originals = [encode_header(&header()), encode_body(false, &[hit("c3ff8ab13000e9c5"); 5]), {
        encode_session(&session())
    }];
    for original in originals {
        for _ in 0..20_000 {
            let mut bytes = original.clone();
            for _ in 0..rng.random_range(1..4) {
                let position = rng.random_range(10..bytes.len());
                bytes[position] = rng.random();
            }
            bytes.truncate(rng.random_range(10..=bytes.len()));
            let _ = (decode_header(&bytes), decode_body(&bytes), decode_session(&bytes));
        }
    }
}
