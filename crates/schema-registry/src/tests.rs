//! The client against listeners that misbehave. The real thing is in `tests/registry`.

mod listener;
mod log;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpListener;
use workload::avro::DecodeError;

use super::*;
use listener::{Answer, listen};

fn registry(address: &str) -> Registry {
    Registry::new(&RegistryConfig::new(address, None).unwrap()).unwrap()
}

/// A registry that has every schema, all under the same id.
fn obliging(request: &str) -> Answer {
    assert!(request.starts_with("POST /apis/subjects/"), "{request}");
    Answer::ok(r#"{"id": 7}"#)
}

#[tokio::test]
async fn what_an_answer_means_depends_on_its_status() {
    let check = async |status: u16, body: &'static str, retryable: bool, says: &str| {
        let address = listen(move |_| Answer::Status(status, body.to_owned())).await;
        let error = registry(&address).register("S-key", "{}").await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        error
    };
    check(500, "", true, "cannot answer now (500").await;
    check(503, "<html>", true, "cannot answer now (503").await;
    check(429, "", true, "cannot answer now (429").await;
    check(401, "", false, "SCHEMA_REGISTRY_KEY").await;
    check(403, "", false, "SCHEMA_REGISTRY_KEY").await;
    let error =
        check(409, r#"{"error_code": 409, "message": "a field is gone"}"#, false, "a field is gone").await;
    assert!(matches!(error, Error::Incompatible { subject, .. } if subject == "S-key"));
    check(422, r#"{"error_code": 42201, "message": "no schema"}"#, false, "no schema").await;
    check(404, "<html>", false, "not that of a schema registry").await;
    check(302, "", false, "not that of a schema registry").await;
    check(200, "<html>", false, "not that of a schema registry").await;
    check(200, r#"{"id": -1}"#, false, "not that of a schema registry").await;
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let address = listen(|_| Answer::Endless).await;
    let error = registry(&address).schema(1).await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_address_is_retryable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = registry(&address).schema(1).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_retryable());
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_none() {
    // The clock stands unless everybody waits, and then jumps to the next timeout.
    let address = listen(|_| Answer::Never).await;
    let error = registry(&address).schema(1).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { reason, .. } if reason == "too late"), "{error}");
}

#[tokio::test]
async fn credentials_go_into_a_header_and_nowhere_else() {
    let address = listen(|request| {
        // me:tiger
        assert!(request.to_lowercase().contains("authorization: basic bwu6dglnzxi=\r\n"), "{request}");
        assert!(!request.contains("tiger"));
        Answer::Status(401, String::new())
    })
    .await;
    let credentials = Credentials { key: "me".to_owned(), secret: "tiger".to_owned() };
    let registry = Registry::new(&RegistryConfig::new(&address, Some(credentials)).unwrap()).unwrap();
    let error = registry.schema(1).await.unwrap_err();
    assert!(!format!("{error} {error:?} {registry:?}").contains("tiger"));
}

#[tokio::test]
async fn a_start_waits_for_a_registry_that_is_away_and_says_so_once() {
    let log = log::capture();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = listen(move |request| match count.fetch_add(1, Ordering::Relaxed) {
        // Six subjects are asked for at once, in each of three attempts.
        0..6 => Answer::Hangup,
        6..18 => Answer::Status(503, String::new()),
        _ => obliging(request),
    })
    .await;
    let config = RegistryConfig::new(&format!("{address}/apis/"), None).unwrap();
    let schemas = Schemas::connect(Some(&config), Topics::default()).await.unwrap();
    assert_eq!(schemas.codec().encode_body(false, &[])[..5], [0, 0, 0, 0, 7]);
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("trying again until the schema registry answers"), "{lines:?}");
    assert!(lines[1].contains("the schema registry answers again"), "{lines:?}");
}

#[tokio::test]
async fn what_waiting_cannot_help_ends_a_start() {
    let address = listen(|_| Answer::Status(403, String::new())).await;
    let config = RegistryConfig::new(&address, None).unwrap();
    assert!(matches!(Schemas::connect(Some(&config), Topics::default()).await, Err(Error::Refused { .. })));
}

#[tokio::test]
async fn a_registry_that_goes_away_leaves_the_codec_at_work_and_unknown_ids_unknown() {
    let away = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&away);
    let address = listen(move |request| match request {
        _ if gone.load(Ordering::Relaxed) => Answer::Hangup,
        request if request.starts_with("GET /apis/schemas/ids/8 ") => {
            Answer::ok(&json!({ "schema": schema::original::FRAME_HEADER }).to_string())
        }
        request if request.starts_with("GET /apis/schemas/ids/9 ") => {
            Answer::Status(404, r#"{"error_code": 40403, "message": "none"}"#.to_owned())
        }
        request => obliging(request),
    })
    .await;
    let config = RegistryConfig::new(&format!("{address}/apis"), None).unwrap();
    let schemas = Schemas::connect(Some(&config), Topics::default()).await.unwrap();
    let codec = schemas.codec();
    let own = workload::FrameHeader {
        ts: 1,
        machine: workload::Machine::new(4).unwrap(),
        zone: workload::Zone::EU,
    };
    let own_bytes = codec.encode_header(&own);
    let with_id = |id: u8| [&[0, 0, 0, 0, id], &own_bytes[5..]].concat();

    away.store(true, Ordering::Relaxed);
    assert_eq!(codec.decode_header(&own_bytes).unwrap(), own);
    assert!(schemas.explain(8).await.unwrap_err().is_retryable());
    assert!(matches!(codec.decode_header(&with_id(8)), Err(DecodeError::UnknownId { id: 8 })));

    away.store(false, Ordering::Relaxed);
    patiently(|| schemas.explain(8)).await.unwrap();
    assert_eq!(codec.decode_header(&with_id(8)).unwrap(), own);
    schemas.explain(9).await.unwrap();
    assert!(matches!(codec.decode_header(&with_id(9)), Err(DecodeError::ForeignId { id: 9 })));
}

#[tokio::test]
async fn without_a_registry_records_name_their_schemas_by_fingerprints() {
    let schemas = Schemas::connect(None, Topics::default()).await.unwrap();
    assert_eq!(schemas.codec().encode_body(false, &[])[..2], [0xc3, 0x01]);
    let bytes = [0, 0, 0, 0, 8, 0];
    assert!(matches!(schemas.codec().decode_body(&bytes), Err(DecodeError::UnknownId { id: 8 })));
    schemas.explain(8).await.unwrap();
    assert!(matches!(schemas.codec().decode_body(&bytes), Err(DecodeError::ForeignId { id: 8 })));
}
