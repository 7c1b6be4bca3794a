//! The way of a tap: into both inputs, and back through the sessions.

use std::time::Duration;

use kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use kafka::sessions::{self, Config};
use kafka::taps::{Tap, Taps};
use kafka::topics::Topic;
use kafka::{Brokers, Error};
use tokio_util::sync::CancellationToken;

use crate::fixture::{LIMIT, Made, now_ms, within};

#[tokio::test]
async fn a_tap_gets_the_offset_of_its_request() {
    let (made, inputs) = Made::inputs().await;
    let taps = Taps::with_inputs(&made.brokers, "test", inputs).unwrap();
    let tap = Tap { partition: 2, key: b"key", request: b"request", response: b"response" };
    for offset in 0..3 {
        let receipt = taps.tap(tap).await.unwrap();
        assert_eq!((receipt.partition, receipt.offset), (2, offset));
    }
    made.delete().await;
}

#[tokio::test]
async fn taps_that_kafka_does_not_take_are_refused_at_once() {
    let nobody: Brokers = "127.0.0.1:1".parse().unwrap();
    let taps = Taps::new(&nobody, "test").unwrap();
    let tap = Tap { partition: 0, key: b"key", request: b"request", response: b"response" };
    let full = within("a full queue", async {
        loop {
            // Asked once and then given up: the records stay in the queue.
            match tokio::time::timeout(Duration::ZERO, taps.tap(tap)).await {
                Ok(refused) => return refused.unwrap_err(),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(matches!(full, Error::QueueFull { .. }), "{full}");
}

#[tokio::test]
async fn sessions_arrive_from_the_end_on_and_only_those_that_are_wanted() {
    let (made, topic) = Made::one(Topic::records).await;
    let producer: FutureProducer = made.config().create().unwrap();
    let joined_at_ms = now_ms();
    let send = async |partition, key: &str, rq_offset| {
        let headers = sessions::headers("pod-a", joined_at_ms, rq_offset);
        let record = FutureRecord::to(&topic).partition(partition).key(key).payload("value").headers(headers);
        producer.send(record, LIMIT).await.unwrap();
    };
    send(1, "player-before", 0).await;

    let cancel = CancellationToken::new();
    let config = Config { topic: topic.clone(), ..Config::new(&made.brokers, "test") };
    let mut tail =
        sessions::tail(&config, |record| record.key().starts_with(b"player"), cancel.clone()).unwrap();
    // Where the end was found is not visible, so one record after the other is sent until one arrives.
    let first = within("the first session", async {
        let mut rq_offset = 1;
        loop {
            send(1, "machine", rq_offset).await;
            send(1, "player", rq_offset).await;
            rq_offset += 1;
            if let Ok(record) = tail.try_recv() {
                return record;
            }
        }
    })
    .await;
    assert_eq!(
        (first.partition, first.key.as_slice(), first.value.as_slice()),
        (1, &b"player"[..], &b"value"[..])
    );
    assert_eq!((first.pod.as_deref(), first.joined_at_ms), (Some("pod-a"), Some(joined_at_ms)));
    assert!(first.rq_offset.is_some_and(|offset| offset > 0), "{first:?}");
    assert!(first.timestamp_ms.is_some_and(|at| at >= joined_at_ms));

    cancel.cancel();
    within("the end", async { while tail.recv().await.is_some() {} }).await;
    made.delete().await;
}
