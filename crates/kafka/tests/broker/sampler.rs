//! The sampler, and with it the undocumented `offsets_for_times` with `End` and `Beginning`.

use std::time::Duration;

use kafka::rdkafka::admin::AdminOptions;
use kafka::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use kafka::rdkafka::mocking::MockCluster;
use kafka::rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use kafka::sampler::{self, Config, Timings};
use kafka::{Brokers, client};
use model::lag::{PartitionOffsets, Sample, Sampled};
use tokio_util::sync::CancellationToken;

use crate::fixture::{LIMIT, Made, PARTITIONS, joined, records, unique, within};

pub(crate) fn config(brokers: &Brokers, group_id: &str, inputs: &[String; 2]) -> Config {
    Config {
        group_id: group_id.to_owned(),
        topics: joined(inputs),
        interval: Duration::from_millis(50),
        ..Config::of_the_demo(brokers)
    }
}

/// Samples until one is as expected. Each tells of as many owners as it has partitions.
async fn sample(config: Config, expected: impl Fn(&Sample) -> bool) -> Sample {
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let mut sampler = sampler::start(config, cancel).unwrap();
    let good = |sampled: &Sampled| {
        sampled.sample.as_ref().is_some_and(|sample| {
            if let Some(group) = &sample.group {
                assert!(group.owners.iter().map(Vec::len).eq(sample.counts()));
            }
            expected(sample)
        })
    };
    let sampled = within("a sample", sampler.sampled.wait_for(good)).await.unwrap();
    assert_eq!(sampled.outage, None);
    sampled.sample.clone().unwrap()
}

pub(crate) fn offsets(
    committed_offset: Option<i64>,
    log_start_offset: i64,
    log_end_offset: i64,
) -> Option<PartitionOffsets> {
    Some(PartitionOffsets {
        committed_offset,
        log_start_offset,
        log_end_offset,
        high_watermark: Some(log_end_offset),
    })
}

#[tokio::test]
async fn the_sampler_reads_commits_starts_and_ends_of_both_inputs() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    made.produce(&inputs[0], 1, 10).await;
    made.produce(&inputs[1], 2, 4).await;
    delete_records(&made, &inputs[0], 1, 3).await;
    commit(&made, &group_id, &inputs[0], 1, 7);

    let config = config(&made.brokers, &group_id, &inputs);
    let sample = sample(config, |sample| sample.group.is_some()).await;
    let requests = [offsets(None, 0, 0), offsets(Some(7), 3, 10), offsets(None, 0, 0)];
    let responses = [offsets(None, 0, 0), offsets(None, 0, 0), offsets(None, 0, 4)];
    assert_eq!(sample.offsets[0], requests);
    assert_eq!(sample.offsets[1], responses);
    let group = sample.group.unwrap();
    assert_eq!((group.state.as_str(), group.owners), ("Empty", vec![vec![None; 3]; 2]));
    made.delete().await;
}

#[tokio::test]
async fn a_topic_that_appears_later_is_found() {
    let inputs = [unique("rq"), unique("rs")];
    let requests = Made::new(&[records(&inputs[0])]).await;
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let config = config(&requests.brokers, &unique("group"), &inputs);
    let mut sampled = sampler::start(config, cancel).unwrap().sampled;
    let all = |sampled: &Sampled, topic: usize, known: fn(&Option<PartitionOffsets>) -> bool| {
        sampled.sample.as_ref().is_some_and(|sample| sample.offsets[topic].iter().all(known))
    };
    let half =
        sampled.wait_for(|sampled| all(sampled, 0, Option::is_some) && all(sampled, 1, Option::is_none));
    drop(within("a sample of one topic", half).await.unwrap());
    let responses = Made::new(&[records(&inputs[1])]).await;
    let whole = sampled.wait_for(|sampled| all(sampled, 1, Option::is_some));
    drop(within("a sample of both topics", whole).await.unwrap());
    requests.delete().await;
    responses.delete().await;
}

#[tokio::test]
async fn an_open_transaction_neither_stops_the_sampler_nor_counts() {
    let (made, inputs) = Made::inputs().await;
    let group_id = unique("group");
    made.produce(&inputs[0], 0, 2).await;
    let producer = open_transaction(&made, &inputs[0], 0).await;

    let config = config(&made.brokers, &group_id, &inputs);
    let sample = sample(config, |sample| sample.offsets[0][0].is_some()).await;
    let held = sample.offsets[0][0].unwrap();
    assert_eq!((held.log_end_offset, held.high_watermark), (2, Some(3)), "the last stable offset is the end");
    tokio::task::spawn_blocking(move || producer.abort_transaction(LIMIT).unwrap()).await.unwrap();
    made.delete().await;
}

#[tokio::test]
async fn an_outage_is_said_and_ends_when_the_broker_is_back() {
    let cluster = MockCluster::new(1).unwrap();
    let inputs = [unique("rq"), unique("rs")];
    for input in &inputs {
        cluster.create_topic(input, i32::try_from(PARTITIONS).unwrap(), 1).unwrap();
    }
    let brokers: Brokers = cluster.bootstrap_servers().parse().unwrap();
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let mut sampler = sampler::start(config(&brokers, &unique("group"), &inputs), cancel).unwrap();
    let up = |sampled: &Sampled| sampled.sample.is_some() && sampled.outage.is_none();
    let before = within("a sample", sampler.sampled.wait_for(up)).await.unwrap().sample.clone().unwrap();

    cluster.broker_down(-1).unwrap();
    let down = |sampled: &Sampled| sampled.outage.is_some();
    let sampled = within("the outage", sampler.sampled.wait_for(down)).await.unwrap().clone();
    assert!(sampled.outage.unwrap().since_ms >= before.sampled_ms);
    assert!(sampled.sample.is_some(), "the last sample is kept");
    // Long enough for every question to time out, the one for the group among them.
    let failures = |timings: &Timings| timings.failed >= 4;
    within("failures", sampler.timings.wait_for(failures)).await.unwrap();

    cluster.broker_up(-1).unwrap();
    within("the recovery", sampler.sampled.wait_for(up)).await.unwrap();
    let succeeded = sampler.timings.borrow().succeeded;
    let going_on = |timings: &Timings| timings.succeeded > succeeded + 10;
    within("more samples", sampler.timings.wait_for(going_on)).await.unwrap();
}

#[tokio::test]
async fn the_sampler_ends_when_it_is_told_to() {
    let (made, inputs) = Made::inputs().await;
    let cancel = CancellationToken::new();
    let mut sampler =
        sampler::start(config(&made.brokers, &unique("group"), &inputs), cancel.clone()).unwrap();
    cancel.cancel();
    within("the end", async { while sampler.sampled.changed().await.is_ok() {} }).await;
    made.delete().await;
}

/// A transaction with one record in it, which stays open until somebody ends it.
pub(crate) async fn open_transaction(made: &Made, topic: &str, partition: i32) -> FutureProducer {
    let mut settings = made.config();
    settings.set("transactional.id", unique("transaction"));
    let producer: FutureProducer = settings.create().unwrap();
    let producer = tokio::task::spawn_blocking(move || {
        producer.init_transactions(LIMIT).unwrap();
        producer.begin_transaction().unwrap();
        producer
    })
    .await
    .unwrap();
    let record = FutureRecord::<(), str>::to(topic).partition(partition).payload("open");
    producer.send(record, LIMIT).await.unwrap();
    producer
}

pub(crate) fn commit(made: &Made, group_id: &str, topic: &str, partition: i32, offset: i64) {
    let consumer: BaseConsumer = client::sampling(&made.brokers, "test", group_id).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

async fn delete_records(made: &Made, topic: &str, partition: i32, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
    made.admin().delete_records(&list, &AdminOptions::new()).await.unwrap();
}
