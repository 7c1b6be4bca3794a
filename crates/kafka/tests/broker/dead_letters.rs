//! What the application put aside, as the page hears of it.

use kafka::dead_letters::{self, Config, Followed, Origin};
use kafka::rdkafka::message::OwnedHeaders;
use kafka::rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use kafka::topics::Topic;
use tokio_util::sync::CancellationToken;

use crate::fixture::{LIMIT, Made, unique, within};

fn headers(reason: &str, offset: i64) -> OwnedHeaders {
    let origin = Origin { topic: "GAME-FRAME-RQ", partition: 1, offset };
    dead_letters::headers(&origin, reason, "bytes follow the datum", "kstreams-a")
}

#[tokio::test]
async fn dead_letters_are_counted_by_reason_from_the_beginning_and_the_newest_is_described() {
    let (made, topic) = Made::one(Topic::dead_letters).await;
    let producer: FutureProducer = made.config().create().unwrap();
    let put = async |key: &str, headers: OwnedHeaders| {
        let record = FutureRecord::to(&topic).partition(1).key(key).payload(&[0xff_u8][..]).headers(headers);
        producer.send(record, LIMIT).await.unwrap();
    };
    put("player", headers("datum", 7)).await;
    put("key", headers("hits", 8)).await;

    let cancel = CancellationToken::new();
    let config = Config { topic: topic.clone(), ..Config::new(&made.brokers, "test") };
    let Followed { tally: mut letters, mut awaited } =
        dead_letters::follow(&config, |key| key == b"player", cancel.clone()).unwrap();
    assert_eq!(*letters.borrow(), None, "nothing is known before the log was read");
    let counted = async |letters: &mut tokio::sync::watch::Receiver<_>, wanted: u64| {
        let seen = letters.wait_for(|seen: &Option<model::dead_letters::DeadLetters>| {
            seen.as_ref().is_some_and(|seen| seen.count == wanted)
        });
        within("the count", seen).await.unwrap().clone().unwrap()
    };
    counted(&mut letters, 2).await;
    put("key", headers("hits", 9)).await;
    let three = counted(&mut letters, 3).await;
    assert_eq!(three.reasons, [("hits".to_owned(), 2), ("datum".to_owned(), 1)]);
    let newest = &three.newest[0];
    assert_eq!(
        (newest.topic.as_deref(), newest.partition, newest.offset),
        (Some("GAME-FRAME-RQ"), Some(1), Some(9))
    );
    assert_eq!((newest.reason.as_deref(), newest.pod.as_deref()), (Some("hits"), Some("kstreams-a")));
    assert_eq!(newest.error.as_deref(), Some("bytes follow the datum"));
    assert!(newest.at_ms.is_some());

    put("key", OwnedHeaders::new()).await;
    let four = counted(&mut letters, 4).await;
    assert_eq!((four.newest[0].offset, four.newest[0].reason.clone()), (None, None), "unknown is unknown");

    put("player", headers("late", 12)).await;
    let awaited = within("who waits", awaited.recv()).await.unwrap();
    assert_eq!(
        (awaited.key.as_slice(), awaited.letter.offset),
        (&b"player"[..], Some(12)),
        "not the old one"
    );
    assert_eq!(counted(&mut letters, 5).await.late, [(1, 1)]);
    cancel.cancel();
    made.delete().await;
}

#[tokio::test]
async fn an_empty_log_is_known_to_have_none_and_what_was_rolled_back_does_not_count() {
    let (made, topic) = Made::one(Topic::dead_letters).await;
    let cancel = CancellationToken::new();
    let config = Config { topic: topic.clone(), ..Config::new(&made.brokers, "test") };
    let Followed { tally: mut letters, awaited: _ } =
        dead_letters::follow(&config, |_| false, cancel.clone()).unwrap();
    within("the end of the log", letters.wait_for(|seen| seen.as_ref().is_some_and(|seen| seen.count == 0)))
        .await
        .unwrap();
    let producer: FutureProducer = made.config().set("transactional.id", unique("letters")).create().unwrap();
    tokio::task::spawn_blocking(move || {
        producer.init_transactions(LIMIT).unwrap();
        for (offset, is_kept) in [(1, false), (2, true)] {
            producer.begin_transaction().unwrap();
            let record = FutureRecord::to(&topic).partition(0).key("key").payload("value");
            drop(
                producer
                    .send_result(record.headers(headers("time", offset)))
                    .map_err(|(error, _)| error)
                    .unwrap(),
            );
            match is_kept {
                true => producer.commit_transaction(LIMIT).unwrap(),
                false => producer.abort_transaction(LIMIT).unwrap(),
            }
        }
    })
    .await
    .unwrap();
    let seen = within("one", letters.wait_for(|seen| seen.as_ref().is_some_and(|seen| seen.count > 0))).await;
    let seen = seen.unwrap().clone().unwrap();
    assert_eq!((seen.count, seen.newest[0].offset), (1, Some(2)));
    cancel.cancel();
    made.delete().await;
}
