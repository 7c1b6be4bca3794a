//! A broker and topics of our own, and what most tests do with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::rdkafka::ClientConfig;
use kafka::rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use kafka::rdkafka::util::Timeout;
use kafka::topics::Topic;
use kafka::{Brokers, client, topics};
use model::topics::{Tasks, Topics};

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const PARTITIONS: u32 = 3;

static NAMES: AtomicU32 = AtomicU32::new(0);

pub(crate) fn brokers() -> Brokers {
    std::env::var("KING_TEST_KAFKA")
        .expect("these tests need a Kafka in KING_TEST_KAFKA: run `cargo xtask test`, which starts one")
        .parse()
        .unwrap()
}

/// A name that nobody else uses, on this broker and ever.
pub(crate) fn unique(noun: &str) -> String {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("test-{noun}-{}-{}-{number}", std::process::id(), now_ms())
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Topics that a test made, and takes away at its end.
pub(crate) struct Made {
    pub(crate) brokers: Brokers,
    names: Vec<String>,
}

impl Made {
    pub(crate) async fn new(topics: &[Topic]) -> Self {
        let brokers = brokers();
        topics::ensure(&brokers, topics).await.unwrap();
        Self { brokers, names: topics.iter().map(|topic| topic.name.clone()).collect() }
    }

    pub(crate) async fn one(topic: fn(&str) -> Topic) -> (Self, String) {
        let mut topic = topic(&unique("topic"));
        topic.partitions = topic.partitions.min(PARTITIONS);
        (Self::new(std::slice::from_ref(&topic)).await, topic.name)
    }

    /// Two topics with three partitions each.
    pub(crate) async fn inputs() -> (Self, [String; 2]) {
        let inputs = [unique("rq"), unique("rs")];
        let topics: Vec<Topic> = inputs.iter().map(|name| records(name)).collect();
        (Self::new(&topics).await, inputs)
    }

    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        client::base(&self.brokers, "test-admin").create().unwrap()
    }

    pub(crate) fn config(&self) -> ClientConfig {
        client::base(&self.brokers, "test")
    }

    pub(crate) async fn produce(&self, topic: &str, partition: i32, count: usize) {
        let producer: FutureProducer = self.config().create().unwrap();
        for _ in 0..count {
            let record: FutureRecord<'_, str, str> =
                FutureRecord::to(topic).partition(partition).payload("record");
            producer.send(record, Timeout::After(LIMIT)).await.unwrap();
        }
    }

    /// Adds partitions to a topic, up to so many.
    pub(crate) async fn grow(&self, topic: &str, partitions: usize) {
        let new = [NewPartitions::new(topic, partitions)];
        let grown = self.admin().create_partitions(&new, &AdminOptions::new()).await.unwrap();
        assert_eq!(grown, [Ok(topic.to_owned())]);
    }

    /// Deletes a topic and makes it again, with as many partitions.
    pub(crate) async fn make_anew(&self, topic: &Topic) {
        self.admin().delete_topics(&[&topic.name], &AdminOptions::new()).await.unwrap();
        // The broker refuses the name until it has deleted the old one.
        within("the topic made anew", async {
            while topics::ensure(&self.brokers, std::slice::from_ref(topic))
                .await
                .is_ok_and(|ensured| ensured.made.is_empty() && ensured.grown.is_empty())
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) async fn delete(self) {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        self.admin().delete_topics(&names, &AdminOptions::new()).await.unwrap();
    }
}

/// A topic for records, with few partitions.
pub(crate) fn records(name: &str) -> Topic {
    Topic { partitions: PARTITIONS, ..Topic::records(name) }
}

/// Topics that one application joins.
pub(crate) fn joined(names: &[String; 2]) -> Arc<Topics> {
    let list = names.iter().map(model::topics::Topic::new).collect();
    Arc::new(Topics { list, tasks: Tasks::Joined })
}
