//! The client against a real schema registry, whose address is in `KING_TEST_REGISTRY`; `cargo xtask test` sets it.
//!
//! Every test has subjects of its own, so that they share a registry with each other and with whatever else is there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use schema_registry::{BACKWARD, Error, Registry, RegistryConfig, Schemas, Topics};
use workload::avro::{Codec, DecodeError, schema};
use workload::{FrameHeader, GameSession, Hit, Machine, Zone};

fn config() -> RegistryConfig {
    let address = std::env::var("KING_TEST_REGISTRY").expect(
        "these tests need a schema registry in KING_TEST_REGISTRY: run `cargo xtask test`, which starts one",
    );
    RegistryConfig::new(&address, None).unwrap()
}

fn registry() -> Registry {
    Registry::new(&config()).unwrap()
}

/// Topics that nobody else uses, in this registry and ever.
fn unique() -> Topics {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let name = |noun: &str| format!("test-{noun}-{}-{since_epoch}-{number}", std::process::id());
    Topics { requests: name("rq"), responses: name("rs"), sessions: name("sessions") }
}

fn header() -> FrameHeader {
    FrameHeader { ts: 1_700_000_000_123, machine: Machine::new(42).unwrap(), zone: Zone::ZG }
}

/// Registers the schemas of the first version as it would have done; the id of its session.
async fn register_originals(registry: &Registry, topics: &Topics) -> u32 {
    for topic in [&topics.requests, &topics.responses] {
        registry.register(&format!("{topic}-key"), schema::original::FRAME_HEADER).await.unwrap();
        registry.register(&format!("{topic}-value"), schema::original::FRAME_BODY).await.unwrap();
    }
    let Topics { sessions, .. } = topics;
    registry.register(&format!("{sessions}-key"), schema::original::FRAME_HEADER).await.unwrap();
    registry.register(&format!("{sessions}-value"), schema::original::GAME_SESSION).await.unwrap()
}

fn subjects(topics: &Topics) -> Vec<String> {
    let topics = [&topics.requests, &topics.responses, &topics.sessions];
    topics.iter().flat_map(|topic| [format!("{topic}-key"), format!("{topic}-value")]).collect()
}

#[tokio::test]
async fn our_schemas_follow_the_original_ones_under_backward_compatibility() {
    let (registry, topics) = (registry(), unique());
    register_originals(&registry, &topics).await;
    for subject in subjects(&topics) {
        registry.set_compatibility(&subject, BACKWARD).await.unwrap();
    }
    let session = format!("{}-value", topics.sessions);
    assert!(registry.is_compatible(&session, schema::GAME_SESSION).await.unwrap());

    registry.codec(&topics).await.unwrap();

    for subject in subjects(&topics) {
        assert_eq!(registry.compatibility(&subject).await.unwrap().as_deref(), Some(BACKWARD), "{subject}");
    }
    assert!(registry.look_up(&session, schema::GAME_SESSION).await.unwrap().is_some());
    // The way back is barred: the original cannot read a hit without direction.
    assert!(!registry.is_compatible(&session, schema::original::GAME_SESSION).await.unwrap());
}

#[tokio::test]
async fn an_incompatible_schema_is_refused() {
    let (registry, topics) = (registry(), unique());
    registry.codec(&topics).await.unwrap();
    let subject = format!("{}-key", topics.requests);
    // A new field without a default, and another record altogether.
    let new_field = schema::FRAME_HEADER.replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"x\", \"type\": \"int\"},",
        1,
    );
    for incompatible in [&new_field, schema::GAME_SESSION] {
        assert!(!registry.is_compatible(&subject, incompatible).await.unwrap());
        let error = registry.register(&subject, incompatible).await.unwrap_err();
        assert!(matches!(&error, Error::Incompatible { subject: of, .. } if *of == subject), "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_subject_that_holds_something_else_ends_the_start() {
    let (registry, topics) = (registry(), unique());
    let subject = format!("{}-value", topics.sessions);
    registry.register(&subject, schema::GAME_ACTION).await.unwrap();
    let error = Schemas::connect(Some(&config()), topics.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Incompatible { subject: of, .. } if *of == subject), "{error}");
}

#[tokio::test]
async fn every_start_gets_the_same_ids() {
    let topics = unique();
    let first = Schemas::connect(Some(&config()), topics.clone()).await.unwrap();
    let second = Schemas::connect(Some(&config()), topics.clone()).await.unwrap();
    let bytes = first.codec().encode_header(&header());
    assert_eq!(bytes, second.codec().encode_header(&header()));
    assert_eq!(second.codec().decode_header(&bytes).unwrap(), header());
}

#[tokio::test]
async fn programs_that_start_together_get_the_same_ids() {
    let topics = unique();
    let starts: Vec<_> = (0..6).map(|_| tokio::spawn(start(topics.clone()))).collect();
    let mut headers = Vec::new();
    for start in starts {
        headers.push(start.await.unwrap());
    }
    assert!(headers.iter().all(|bytes| *bytes == headers[0]), "{headers:?}");
}

/// A start of a program, and what it writes.
async fn start(topics: Topics) -> Vec<u8> {
    let schemas = Schemas::connect(Some(&config()), topics).await.unwrap();
    schemas.codec().encode_header(&header())
}

#[tokio::test]
async fn the_registry_explains_what_others_wrote() {
    let (registry, topics) = (registry(), unique());
    let original = register_originals(&registry, &topics).await;
    let codec = registry.codec(&topics).await.unwrap();
    // One hit in the first version's session: Critical 20, O, second key O, LEFT, NewBie, NeoBlood.
    let datum = [2, 40, 2, 2, 2, 6, 2, 4, 2, 0];
    let bytes = [&[0][..], &original.to_be_bytes(), &datum].concat();
    assert!(matches!(codec.decode_session(&bytes), Err(DecodeError::UnknownId { id }) if id == original));

    registry.explain(&codec, original).await.unwrap();

    let hits = vec![Hit::from_hex("c3ff8d4f14ffc3d9b5").unwrap()];
    assert_eq!(codec.decode_session(&bytes).unwrap(), GameSession { hits, ..GameSession::default() });
}

#[tokio::test]
async fn an_id_that_the_registry_does_not_have_is_refused_for_good() {
    const NOBODYS: u32 = 2_000_000_000;
    let (registry, codec) = (registry(), Codec::single_object());
    assert!(matches!(registry.schema(NOBODYS).await, Err(Error::UnknownId { id: NOBODYS })));
    registry.explain(&codec, NOBODYS).await.unwrap();
    let bytes = [&[0][..], &NOBODYS.to_be_bytes(), b"datum"].concat();
    assert!(matches!(codec.decode_header(&bytes), Err(DecodeError::ForeignId { id: NOBODYS })));
}
