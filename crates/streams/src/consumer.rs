//! The pod's consumer: how it is set up, and what it reports to the worker that polls it.
//!
//! Rebalances are not carried out inside librdkafka's callback but put on a list, which the worker looks at right
//! after each poll: there it has its tasks and outputs at hand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::Thread;
use std::time::Duration;

use anyhow::Context as _;
use kafka::client;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use serde::Deserialize;

use crate::Config;

/// How long leaving the group may take; it takes about a tenth of a second.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// What the worker has to deal with after a poll.
pub(crate) enum Event {
    /// The group gives these partitions to this pod.
    Assigned(TopicPartitionList),
    /// The group takes all partitions back (the protocol is eager).
    Revoked,
    /// Offsets could not be committed; librdkafka tries again with the next ones.
    CommitFailed(KafkaError),
    /// Where the logs begin and end, about once a second.
    Watermarks(Vec<Watermark>),
}

/// Where the log of a partition begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Whether the partition's leader has answered within the last second: then nothing is behind that end.
    pub(crate) is_fresh: bool,
}

pub(crate) type Consumer = BaseConsumer<Signals>;

/// What librdkafka calls.
#[derive(Default)]
pub(crate) struct Signals {
    events: Mutex<Vec<Event>>,
    /// Set when the consumer is about to be dropped: nobody looks at events any more.
    closing: AtomicBool,
}

impl Signals {
    /// What happened since the last call.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on partitions are given back at once.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// Makes the consumer and joins the group. `worker` is woken when there is something to poll.
pub(crate) fn subscribe(
    config: &Config,
    session_timeout: Duration,
    worker: &Thread,
) -> anyhow::Result<Arc<Consumer>> {
    let mut settings = client::pod_consumer(&config.kafka, &config.pod, &config.group, session_timeout);
    settings
        .set("enable.partition.eof", "true")
        .set("statistics.interval.ms", "1000")
        // Topics that are made anew are found soon. One at a time they would look like half pairs for five minutes.
        .set("topic.metadata.refresh.interval.ms", "2000")
        // A tap waits for this at most; less would be more requests than records.
        .set("fetch.wait.max.ms", "20")
        .set("fetch.min.bytes", "16384")
        // Every partition has a queue of its own here, so these count 24 times in a pod that owns all.
        .set("fetch.message.max.bytes", "65536")
        .set("queued.min.messages", "500")
        .set("queued.max.messages.kbytes", "128");
    let mut consumer: Consumer =
        settings.create_with_context(Signals::default()).context("making the consumer")?;
    let thread = worker.clone();
    consumer.set_nonempty_callback(move || thread.unpark());
    let consumer = Arc::new(consumer);
    consumer.subscribe(&[&config.requests, &config.responses]).context("subscribing")?;
    Ok(consumer)
}

/// Leaves the group. A broker that has just died would keep this thread for seconds: then the session's timeout says
/// to the group what this pod could not say.
pub(crate) fn close(consumer: Arc<Consumer>) {
    let (closed, is_closed) = mpsc::channel();
    let close = move || {
        drop(consumer);
        // Nobody listens any more if it took too long.
        let _ = closed.send(());
    };
    let spawned = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(close);
    if spawned.is_err() || is_closed.recv_timeout(CLOSE_LIMIT).is_err() {
        tracing::warn!("leaving without a word to the group: Kafka does not answer");
    }
}

impl ClientContext for Signals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "client error");
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice::<Statistics>(statistics) {
            Ok(statistics) => self.push(Event::Watermarks(statistics.watermarks())),
            Err(error) => tracing::debug!(%error, "statistics of another shape"),
        }
    }
}

impl ConsumerContext for Signals {
    fn rebalance(&self, consumer: &Consumer, kind: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            if let Err(error) = consumer.unassign() {
                tracing::debug!(%error, "giving partitions back");
            }
        } else if assigned {
            self.push(Event::Assigned(partitions.clone()));
        } else {
            self.push(Event::Revoked);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(problem) = result {
            self.push(Event::CommitFailed(problem));
        }
    }
}

/// The part of librdkafka's statistics that is of use here.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: BTreeMap<String, BrokerStatistics>,
    #[serde(default)]
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    nodeid: i32,
    /// Microseconds since the last answer; negative without one.
    rxidle: i64,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: BTreeMap<i32, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    leader: i32,
    lo_offset: i64,
    ls_offset: i64,
}

impl Statistics {
    fn watermarks(&self) -> Vec<Watermark> {
        let mut watermarks = Vec::new();
        for (topic, statistics) in &self.topics {
            for (partition, &PartitionStatistics { leader, lo_offset, ls_offset }) in &statistics.partitions {
                // Offsets are negative until the first answer to a fetch; so is the partition of records without one.
                let Ok(partition) = u32::try_from(*partition) else { continue };
                if lo_offset >= 0 && ls_offset >= 0 {
                    let (start, end, is_fresh) = (lo_offset, ls_offset, self.has_answered(leader));
                    watermarks.push(Watermark { topic: topic.clone(), partition, start, end, is_fresh });
                }
            }
        }
        watermarks
    }

    fn has_answered(&self, leader: i32) -> bool {
        let is_recent = |broker: &BrokerStatistics| (0..1_000_000).contains(&broker.rxidle);
        self.brokers.values().any(|broker| broker.nodeid == leader && is_recent(broker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermarks_are_read_from_the_statistics_and_unknown_ones_left_out() {
        let signals = Signals::default();
        signals.stats_raw(
            br#"{"name":"x","brokers":{"a":{"nodeid":1,"rxidle":20000},"b":{"nodeid":2,"rxidle":-1}},
                "topics":{"RQ":{"age":1,"partitions":{
                "3":{"leader":1,"lo_offset":5,"ls_offset":9,"hi_offset":9},
                "4":{"leader":1,"lo_offset":-1001,"ls_offset":9},
                "5":{"leader":2,"lo_offset":5,"ls_offset":9},
                "-1":{"leader":-1,"lo_offset":0,"ls_offset":0}}}}}"#,
        );
        let events = signals.take();
        let [Event::Watermarks(watermarks)] = &events[..] else { panic!("one event") };
        let watermark =
            |partition, is_fresh| Watermark { topic: "RQ".to_owned(), partition, start: 5, end: 9, is_fresh };
        assert_eq!(*watermarks, [watermark(3, true), watermark(5, false)]);
    }
}
