//! Readers in other languages: Python's fastavro reads our records, and we read what it writes. The interpreter that
//! has it is in `KING_TEST_PYTHON`; `cargo xtask test` sets it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use workload::avro::{Codec, Ids, schema};
use workload::{FrameBody, FrameHeader, GameSession, Hit, Machine, Zone};

const IDS: Ids = Ids { header: 100_001, body: 2, session: 3 };
/// Ids of the first version's schemas.
const ORIGINAL: Ids = Ids { header: 11, body: 12, session: 13 };

/// Has `records.py` do the tasks.
fn python(tasks: &[Value]) -> Vec<Value> {
    let interpreter = std::env::var("KING_TEST_PYTHON").expect(
        "this test needs a Python with fastavro in KING_TEST_PYTHON: run `cargo xtask test`, which installs one",
    );
    let mut child = Command::new(interpreter)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fastavro/records.py"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(Value::from(tasks).to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "records.py failed, see above");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|start| u8::from_str_radix(&digits[start..start + 2], 16).unwrap())
        .collect()
}

fn header() -> FrameHeader {
    FrameHeader { ts: 1_700_000_000_123, machine: Machine::new(42).unwrap(), zone: Zone::ZG }
}

/// One without direction, one with everything.
fn hits() -> [Hit; 2] {
    ["e3001f00d9b5", "c3ff8d4f14ffc3d9b5"].map(|hex| Hit::from_hex(hex).unwrap())
}

fn update() -> GameSession {
    GameSession {
        hits: hits().to_vec(),
        machine: "000042".to_owned(),
        frames: 31,
        count: 77,
        score: 12_345,
        start: 1_700_000_000_123,
        end: 1_700_000_009_999,
        is_final: false,
    }
}

/// The longest that there can be.
fn last() -> GameSession {
    GameSession { hits: vec![hits()[1]; 563], count: 563, is_final: true, ..update() }
}

#[test]
fn fastavro_reads_our_records_in_both_encodings() {
    let mut tasks = Vec::new();
    let mut expected = Vec::new();
    for (codec, ids) in [(Codec::single_object(), None), (Codec::confluent(IDS), Some(IDS))] {
        let mut check = |record: &[u8], schema: &str, id: Option<u32>, value: Value| {
            tasks.push(json!({ "read": hex(record), "schema": schema, "id": id }));
            expected.push(value);
        };
        check(
            &codec.encode_header(&header()),
            "FrameHeader.avsc",
            ids.map(|ids| ids.header),
            json!({ "ts": 1_700_000_000_123_i64, "machine": "000042", "zone": "ZG" }),
        );
        for approval in [false, true] {
            check(
                &codec.encode_body(approval, &hits()),
                "FrameBody.avsc",
                ids.map(|ids| ids.body),
                json!({ "approval": approval, "bytes": ["e3001f00d9b5", "c3ff8d4f14ffc3d9b5"] }),
            );
        }
        for session in [update(), last()] {
            let value = serde_json::to_value(&session).unwrap();
            let id = ids.map(|ids| ids.session);
            check(&codec.encode_session(&session), "GameSession.avsc", id, value);
        }
    }
    assert_eq!(python(&tasks), expected);
}

#[test]
fn what_fastavro_writes_with_the_original_schemas_is_read_by_us() {
    let originals = json!([
        [{ "ts": 1_700_000_000_123_i64, "machine": "000042", "zone": "ZG" }, "2018/FrameHeader.avsc", ORIGINAL.header],
        [{ "approval": true, "bytes": ["c3ff8d4f14ffc3d9b5", "zz"] }, "2018/FrameBody.avsc", ORIGINAL.body],
        [{ "hits": [serde_json::to_value(hits()[1]).unwrap()] }, "2018/GameSession.avsc", ORIGINAL.session],
    ]);
    let mut tasks = Vec::new();
    for original in originals.as_array().unwrap() {
        for id in [&Value::Null, &original[2]] {
            tasks.push(json!({ "write": original[0], "schema": original[1], "id": id }));
        }
    }
    let codec = Codec::confluent(IDS);
    codec.learn(ORIGINAL.header, schema::original::FRAME_HEADER).unwrap();
    codec.learn(ORIGINAL.body, schema::original::FRAME_BODY).unwrap();
    codec.learn(ORIGINAL.session, schema::original::GAME_SESSION).unwrap();
    let records: Vec<Vec<u8>> = python(&tasks).iter().map(bytes).collect();
    let [headers, bodies, sessions] = records.as_chunks::<2>().0 else { panic!("{records:?}") };
    for record in headers {
        assert_eq!(codec.decode_header(record).unwrap(), header());
    }
    for record in bodies {
        let body = FrameBody { approval: Some(true), hits: vec![hits()[1]], bad_hits: 1 };
        assert_eq!(codec.decode_body(record).unwrap(), body);
    }
    for record in sessions {
        let session = GameSession { hits: vec![hits()[1]], ..GameSession::default() };
        assert_eq!(codec.decode_session(record).unwrap(), session);
    }
}

#[test]
fn to_a_reader_with_todays_schema_an_original_session_has_the_defaults() {
    let hit = serde_json::to_value(hits()[1]).unwrap();
    let write = json!({ "write": { "hits": [hit] }, "schema": "2018/GameSession.avsc", "id": null });
    let record = python(&[write]).remove(0);
    let read = json!({ "read": record, "schema": "2018/GameSession.avsc", "id": null, "reader": "GameSession.avsc" });
    let session = GameSession { hits: vec![hits()[1]], ..GameSession::default() };
    assert_eq!(python(&[read]), [serde_json::to_value(session).unwrap()]);
}
