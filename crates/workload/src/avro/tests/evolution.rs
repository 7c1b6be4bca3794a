//! Records of writers older and newer than this program.

use super::*;
use crate::avro::learned::MOST;

/// A header as somebody may write it one day: more fields, and in another order.
const FUTURE_HEADER: &str = r#"{
  "namespace": "fr.xebia.ldi.common.schema", "type": "record", "name": "FrameHeader", "fields": [
    {"name": "zone", "type": {"type": "enum", "name": "Zone", "symbols": ["AU", "EU", "US", "ZG", "XX"]}},
    {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "string"}}},
    {"name": "machine", "type": "string"},
    {"name": "ts", "type": "long"}
  ]
}"#;

#[derive(Serialize)]
struct FutureHeader {
    zone: &'static str,
    tags: std::collections::BTreeMap<&'static str, Vec<&'static str>>,
    machine: &'static str,
    ts: i64,
}

fn future_header(zone: &'static str) -> Vec<u8> {
    let tags = std::iter::once(("colour", vec!["red", "blue"])).collect();
    let value = FutureHeader { zone, tags, machine: "000042", ts: 1_700_000_000_123 };
    written_with(FUTURE_HEADER, 9, &value)
}

#[test]
fn all_schemas_are_valid() {
    let originals = [
        schema::original::FRAME_HEADER,
        schema::original::FRAME_BODY,
        schema::original::HIT,
        schema::original::GAME_SESSION,
    ];
    for text in originals {
        built_in(text);
    }
    for text in [schema::FRAME_HEADER, schema::FRAME_BODY, schema::GAME_SESSION, schema::GAME_ACTION] {
        built_in(text);
    }
}

#[test]
fn headers_and_bodies_are_what_they_were_in_the_first_version() {
    for (kind, original) in
        [(Kind::Header, schema::original::FRAME_HEADER), (Kind::Body, schema::original::FRAME_BODY)]
    {
        assert_eq!(kind.schema().rabin_fingerprint(), built_in(original).rabin_fingerprint());
    }
}

#[test]
fn a_session_of_the_first_version_is_read_in_both_encodings() {
    let schema = built_in(schema::original::GAME_SESSION);
    let preamble = [&[0xc3, 0x01], &schema.rabin_fingerprint()[..]].concat();
    let single = with_datum(preamble, &schema, &original());
    let confluent = written_with(schema::original::GAME_SESSION, 1, &original());
    for codec in codecs() {
        codec.learn(1, schema::original::GAME_SESSION).unwrap();
        for bytes in [&single, &confluent] {
            let read = codec.decode_session(bytes).unwrap();
            let expected = GameSession { hits: vec![hit("c3ff8d4f14ffc3d9b5")], ..GameSession::default() };
            assert_eq!(read, expected);
        }
    }
}

#[test]
fn the_first_version_could_not_write_a_hit_without_direction() {
    let session = GameSession { hits: vec![hit("e3001f00d9b5")], ..GameSession::default() };
    let schema = built_in(schema::original::GAME_SESSION);
    let mut config = SerializerConfig::new(&schema);
    assert!(serde_avro_fast::to_datum_vec(&session, &mut config).is_err());
}

#[test]
fn an_unknown_id_is_asked_for_once_and_then_read() {
    let codec = Codec::confluent(IDS);
    let bytes = future_header("ZG");
    assert!(matches!(codec.decode_header(&bytes), Err(DecodeError::UnknownId { id: 9 })));
    // Clones share what one of them learns.
    codec.clone().learn(9, FUTURE_HEADER).unwrap();
    assert_eq!(codec.decode_header(&bytes).unwrap(), header());
    assert_eq!(codec.decode_header(&future_header("XX")).unwrap_err().reason(), "datum");
}

#[test]
fn a_schema_that_was_learned_by_id_is_known_by_its_fingerprint_too() {
    let codec = Codec::single_object();
    let preamble = [&[0xc3, 0x01], &built_in(FUTURE_HEADER).rabin_fingerprint()[..]].concat();
    let bytes = [&preamble[..], &future_header("ZG")[5..]].concat();
    assert!(matches!(codec.decode_header(&bytes), Err(DecodeError::UnknownFingerprint { .. })));
    codec.learn(9, FUTURE_HEADER).unwrap();
    assert_eq!(codec.decode_header(&bytes).unwrap(), header());
}

#[test]
fn an_id_that_is_of_no_use_is_not_asked_for_again() {
    let codec = Codec::confluent(IDS);
    let record = |id: u32| [&[0][..], &id.to_be_bytes(), b"datum"].concat();
    let foreign = |id| matches!(codec.decode_header(&record(id)), Err(DecodeError::ForeignId { id: found }) if found == id);
    codec.refuse(20);
    assert!(foreign(20));
    assert!(matches!(codec.learn(21, "no schema"), Err(LearnError::Parse { id: 21, .. })));
    assert!(foreign(21));
    assert!(
        matches!(codec.learn(22, schema::GAME_ACTION), Err(LearnError::Foreign { id: 22, name }) if name.ends_with("GameAction"))
    );
    assert!(foreign(22));
    assert!(matches!(codec.learn(23, "\"string\""), Err(LearnError::Foreign { id: 23, .. })));
    // A body where a header belongs, learned or our own.
    codec.learn(24, schema::FRAME_BODY).unwrap();
    assert!(foreign(24));
    assert!(foreign(IDS.body));
    // The registry has it now.
    codec.learn(20, FUTURE_HEADER).unwrap();
    assert!(!foreign(20));
}

#[test]
fn what_is_learned_is_bounded() {
    let codec = Codec::confluent(IDS);
    let most = u32::try_from(MOST).unwrap();
    for id in 100..100 + most {
        codec.learn(id, schema::FRAME_HEADER).unwrap();
    }
    assert!(matches!(codec.learn(50, FUTURE_HEADER), Err(LearnError::Full { id: 50, most: MOST })));
    assert!(codec.learn(100, FUTURE_HEADER).is_ok(), "what is known may be learned anew");
    // The oldest of too many refused ids is asked for again.
    for id in 1_000..1_000 + most {
        codec.refuse(id);
    }
    let record = |id: u32| codec.decode_header(&[&[0][..], &id.to_be_bytes()].concat()).unwrap_err();
    assert!(matches!(record(50), DecodeError::UnknownId { id: 50 }));
    assert!(matches!(record(1_000), DecodeError::ForeignId { id: 1_000 }));
}
