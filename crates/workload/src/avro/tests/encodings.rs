//! Both encodings, byte by byte, and what is none.

use super::*;

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
    let bytes = Codec::single_object().encode_header(&header());
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
}

#[test]
fn a_body_is_an_avro_single_object() {
    let bytes = Codec::single_object().encode_body(true, &[hit("e3001f00d9b5")]);
    let canonical_form = concat!(
        r#"{"name":"fr.xebia.ldi.common.schema.FrameBody","type":"record","fields":["#,
        r#"{"name":"approval","type":["null","boolean"]},"#,
        r#"{"name":"bytes","type":{"type":"array","items":"string"}}]}"#
    );
    assert_eq!(bytes[2..10], fingerprint(canonical_form));
    assert_eq!(bytes[10..], *b"\x02\x01\x02\x18e3001f00d9b5\x00");
}

#[test]
fn with_a_registry_a_zero_and_the_schemas_id_come_before_the_same_datum() {
    let [single, confluent] = codecs();
    let check = |single: &[u8], confluent: &[u8], preamble: &[u8]| {
        assert_eq!(confluent[..5], *preamble);
        assert_eq!(confluent[5..], single[10..]);
    };
    check(&single.encode_header(&header()), &confluent.encode_header(&header()), &[0, 1, 2, 3, 4]);
    let hits = [hit("e3001f00d9b5")];
    check(&single.encode_body(false, &hits), &confluent.encode_body(false, &hits), &[0, 0, 0, 0, 7]);
    check(
        &single.encode_session(&session()),
        &confluent.encode_session(&session()),
        &[0, 0xff, 0xff, 0xff, 0xff],
    );
}

#[test]
fn what_one_codec_writes_is_read_again() {
    for codec in codecs() {
        assert_eq!(codec.decode_header(&codec.encode_header(&header())).unwrap(), header());
        let hits = vec![hit("e3001f00d9b5"), hit("c3ff8ab13000e9c5")];
        let body = codec.decode_body(&codec.encode_body(true, &hits)).unwrap();
        assert_eq!(body, FrameBody { approval: Some(true), hits, bad_hits: 0 });
        assert_eq!(codec.decode_session(&codec.encode_session(&session())).unwrap(), session());
    }
}

#[test]
fn a_codec_that_writes_with_ids_still_reads_single_objects() {
    let [single, confluent] = codecs();
    assert_eq!(confluent.decode_header(&single.encode_header(&header())).unwrap(), header());
    assert_eq!(confluent.decode_session(&single.encode_session(&session())).unwrap(), session());
}

#[test]
fn the_functions_without_a_codec_write_and_read_single_objects() {
    let single = Codec::single_object();
    assert_eq!(encode_header(&header()), single.encode_header(&header()));
    assert_eq!(decode_header(&encode_header(&header())).unwrap(), header());
    assert_eq!(encode_body(true, &[]), single.encode_body(true, &[]));
    assert!(decode_body(&encode_body(true, &[])).is_ok());
    assert_eq!(decode_session(&encode_session(&session())).unwrap(), session());
}

#[test]
fn a_hit_that_does_not_decode_is_skipped_and_counted() {
    #[derive(Serialize)]
    struct Record<'a> {
        approval: Option<bool>,
        bytes: Vec<&'a str>,
    }

    let record = Record { approval: None, bytes: vec!["zz", "e3001f00d9b5", ""] };
    let bytes = written_with(schema::FRAME_BODY, IDS.body, &record);
    let body = Codec::confluent(IDS).decode_body(&bytes).unwrap();
    assert_eq!(body, FrameBody { approval: None, hits: vec![hit("e3001f00d9b5")], bad_hits: 2 });
}

#[test]
fn more_hits_than_a_frame_can_hold_are_refused() {
    for codec in codecs() {
        let frame = |hits| codec.decode_body(&codec.encode_body(false, &vec![hit("e3001f00d9b5"); hits]));
        assert_eq!(frame(MAX_HITS).unwrap().hits.len(), MAX_HITS);
        assert!(frame(MAX_HITS + 1).is_err());
    }
}

#[test]
fn the_longest_final_session_is_read() {
    // 499 hits do not end a session, and a frame of 64 follows.
    let session = GameSession { hits: vec![hit("c3ff8d4f14ffc3d9b5"); 499 + MAX_HITS], ..session() };
    for codec in codecs() {
        assert_eq!(codec.decode_session(&codec.encode_session(&session)).unwrap(), session);
    }
}

#[test]
fn bytes_of_another_kind_say_what_is_wrong_with_them() {
    let [single, confluent] = codecs();
    let check = |bytes: &[u8], reason: &str| {
        assert_eq!(confluent.decode_header(bytes).unwrap_err().reason(), reason, "{bytes:02x?}");
    };
    check(b"", "encoding");
    check(b"{\"json\": true}", "encoding");
    check(&single.encode_header(&header())[..9], "encoding");
    check(&confluent.encode_header(&header())[..4], "encoding");
    check(&single.encode_body(true, &[]), "schema");
    check(&confluent.encode_body(true, &[]), "schema");
    check(b"\x00\x00\x00\x00\x01 and more bytes", "schema");
    for valid in [single.encode_header(&header()), confluent.encode_header(&header())] {
        check(&valid[..valid.len() - 1], "datum");
        check(&[&valid[..], &[0]].concat(), "datum");
    }
    check(&[0xc3; datum::LONGEST + 1], "size");
}

#[test]
fn a_key_with_a_machine_that_is_none_is_refused() {
    for codec in codecs() {
        let mut bytes = codec.encode_header(&header());
        let digit = bytes.len() - 2;
        bytes[digit] = b'x';
        assert_eq!(codec.decode_header(&bytes).unwrap_err().reason(), "datum");
    }
}
