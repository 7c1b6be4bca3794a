//! What is written by hand is what a general serializer makes of the schemas.

use super::*;

/// The same datums by way of the schema.
fn check<T: Serialize>(kind: Kind, encoded: &[u8], value: &T) {
    assert_eq!(encoded[10..], with_datum(Vec::new(), kind.schema(), value));
}

#[test]
fn headers_are_written_as_the_schema_has_them() {
    let codec = Codec::single_object();
    for zone in Zone::ALL {
        for (ts, machine) in
            [(0, 0), (63, 7), (64, 42), (-65, 899_999), (i64::MAX, 900_000), (i64::MIN, 999_999)]
        {
            let header = FrameHeader { ts, machine: Machine::new(machine).unwrap(), zone };
            check(Kind::Header, &codec.encode_header(&header), &header);
        }
    }
}

#[test]
fn bodies_are_written_as_the_schema_has_them() {
    #[derive(Serialize)]
    struct Body {
        approval: Option<bool>,
        bytes: Vec<String>,
    }

    let codec = Codec::single_object();
    for approval in [false, true] {
        for hits in [vec![], vec![hit("e3001f00d9b5")], vec![hit("c3ff8d4f14ffc3d9b5"); MAX_HITS]] {
            let body = Body { approval: Some(approval), bytes: hits.iter().map(Hit::to_hex).collect() };
            check(Kind::Body, &codec.encode_body(approval, &hits), &body);
        }
    }
}

#[test]
fn sessions_with_every_hit_are_written_as_the_schema_has_them() {
    let optional_keys = || std::iter::once(None).chain(Key::ALL.iter().copied().map(Some));
    let directions = || std::iter::once(None).chain(Direction::ALL.iter().copied().map(Some));
    let codec = Codec::single_object();
    for &game in Game::ALL {
        for &level in Level::ALL {
            for &impact_type in ImpactType::ALL {
                let mut hits = Vec::new();
                for &key in Key::ALL {
                    for double_key in optional_keys() {
                        for direction in directions() {
                            for impact in [0, 63, 64, 255] {
                                hits.push(Hit {
                                    impact,
                                    key,
                                    double_key,
                                    direction,
                                    impact_type,
                                    level,
                                    game,
                                });
                            }
                        }
                    }
                }
                let session = GameSession { hits, frames: u32::MAX >> 1, ..session() };
                check(Kind::Session, &codec.encode_session(&session), &session);
            }
        }
    }
    let empty = GameSession { score: i64::MIN, end: i64::MAX, ..GameSession::default() };
    check(Kind::Session, &codec.encode_session(&empty), &empty);
}
