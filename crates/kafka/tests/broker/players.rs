//! The way of a tap: into both inputs, and back through the sessions.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka::control::ControlWriter;
use kafka::rdkafka::client::ClientContext;
use kafka::rdkafka::error::RDKafkaErrorCode;
use kafka::rdkafka::message::Message;
use kafka::rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, FutureProducer, FutureRecord, Producer, ProducerContext,
};
use kafka::refusal::Refusals;
use kafka::sessions::{self, Config};
use kafka::taps::{Tap, Taps};
use kafka::topics::Topic;
use kafka::{Brokers, Error, client};
use model::load::LoadSettings;
use tokio_util::sync::CancellationToken;

use crate::fixture::{LIMIT, Made, now_ms, records, unique, within};

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

/// An input whose second topic takes no record of ours: a batch of one is larger than that.
async fn inputs_of_which_one_is_small() -> (Made, [String; 2]) {
    let inputs = [unique("rq"), unique("rs")];
    let small = [("max.message.bytes", "70")];
    let [requests, responses] = inputs.each_ref().map(|name| records(name));
    let responses = Topic { config: small.to_vec(), ..responses };
    (Made::new(&[requests, responses]).await, inputs)
}

#[tokio::test]
async fn a_tap_that_is_too_large_for_its_topic_is_told_with_the_topic_and_the_setting() {
    let (made, inputs) = inputs_of_which_one_is_small().await;
    let taps = Taps::with_inputs(&made.brokers, "test", inputs.clone()).unwrap();
    let tap = Tap { partition: 2, key: b"key", request: b"request", response: b"response" };
    let error = within("an answer", taps.tap(tap)).await.unwrap_err();
    let expected = format!("cannot write to {}: too large for the topic's max.message.bytes", inputs[1]);
    assert!(error.to_string().starts_with(&expected), "{error}");
    made.delete().await;
}

#[tokio::test]
async fn a_setting_that_is_too_large_for_its_topic_is_told_with_the_setting() {
    let control = Topic { config: vec![("max.message.bytes", "70")], ..Topic::control(&unique("control")) };
    let made = Made::new(std::slice::from_ref(&control)).await;
    let writer = ControlWriter::with_topic(&made.brokers, "test", &control.name).unwrap();
    let error = within("an answer", writer.set_load(&LoadSettings::default())).await.unwrap_err();
    assert!(error.to_string().contains("too large for the topic's max.message.bytes"), "{error}");
    made.delete().await;
}

/// The context of a transactional producer as a pod has it.
#[derive(Clone, Default)]
struct Deliveries {
    refusals: Refusals,
    codes: Arc<Mutex<Vec<RDKafkaErrorCode>>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, record)) = result {
            self.codes.lock().unwrap().extend(error.rdkafka_error_code());
            self.refusals.note(record.topic(), error);
        }
    }
}

#[tokio::test]
async fn a_transaction_that_fails_keeps_the_first_cause() {
    let (made, inputs) = inputs_of_which_one_is_small().await;
    let deliveries = Deliveries::default();
    let mut config = client::transactional(&made.brokers, "test", &unique("transactional"));
    // Two records leave at once, one waits for a second that never comes; no longer than the transaction may last.
    config.set("batch.num.messages", "2").set("linger.ms", "900");
    let producer: BaseProducer<Deliveries> = config.create_with_context(deliveries.clone()).unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    for topic in [&inputs[0], &inputs[1], &inputs[1]] {
        let record = BaseRecord::<'_, str, str>::to(topic).partition(0).key("key").payload("value");
        producer.send(record).unwrap();
    }
    let begin = Instant::now();
    while producer.in_flight_count() > 0 {
        assert!(begin.elapsed() < LIMIT, "not all is reported in time");
        producer.poll(Duration::from_millis(10));
        if deliveries.codes.lock().unwrap().contains(&RDKafkaErrorCode::MessageSizeTooLarge) {
            // Or by librdkafka itself, where the transaction has come to its end.
            let _ = producer.abort_transaction(Duration::from_millis(100));
        }
    }
    let codes = deliveries.codes.lock().unwrap().clone();
    assert!(codes.contains(&RDKafkaErrorCode::PurgeQueue), "{codes:?}");
    let refusal = deliveries.refusals.take().unwrap();
    assert_eq!(refusal.code(), Some(RDKafkaErrorCode::MessageSizeTooLarge), "{refusal}");
    assert_eq!(refusal.topic(), inputs[1]);
    made.delete().await;
}
