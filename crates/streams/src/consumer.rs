//! The pod's consumer: how it is set up, and what it reports to the worker that polls it.
//!
//! Rebalances are not carried out inside librdkafka's callback but put on a list, which the worker looks at right
//! after each poll: there it has its tasks and their outputs at hand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::Thread;
use std::time::Duration;

use anyhow::Context as _;
use kafka::client::{self, Membership, Troubles};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use serde::Deserialize;

use crate::Config;

/// How long leaving the group may take; it takes about a tenth of a second.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// How long a member that hears of no assignment waits before it counts as one without partitions.
const WITHOUT_PARTITIONS_MS: i64 = 2_500;

/// What the worker has to deal with after a poll.
pub(crate) enum Event {
    /// The group gives these partitions to this pod: all that it has, or, where the broker assigns, those that are new.
    Assigned(TopicPartitionList),
    /// The group takes these partitions back.
    Revoked(TopicPartitionList),
    /// This pod is a member, and has all that the group wants it to have.
    Steady,
    /// How far the logs were fetched, about once a second.
    Fetched(Vec<Fetched>),
    /// No broker can be reached.
    Away,
    /// A broker answers again.
    Back,
}

/// How far the log of a partition was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    /// Where the log begins.
    pub(crate) start: i64,
    /// Where it ended at the last answer: the last stable offset.
    pub(crate) end: i64,
    /// What is asked for next.
    pub(crate) next_offset: i64,
}

pub(crate) type Consumer = BaseConsumer<Signals>;

/// What librdkafka calls.
#[derive(Default)]
pub(crate) struct Signals {
    events: Mutex<Vec<Event>>,
    /// Set when the consumer is about to be dropped: nobody looks at events any more.
    closing: AtomicBool,
    /// Whether the last broker that could be reached is gone.
    is_away: AtomicBool,
    troubles: Troubles,
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

/// Makes the consumer. `worker` is woken when there is something to poll.
pub(crate) fn create(
    config: &Config,
    membership: Membership,
    worker: &Thread,
) -> anyhow::Result<Arc<Consumer>> {
    let mut settings = client::pod_consumer(&config.kafka, &config.pod, &config.group, membership);
    settings
        .set("enable.partition.eof", "true")
        .set("statistics.interval.ms", "1000")
        // Topics that are made anew are found soon. One at a time they would leave tasks without their other input for
        // five minutes.
        .set("topic.metadata.refresh.interval.ms", "2000")
        // A tap waits for this at most; less would be more requests than records.
        .set("fetch.wait.max.ms", "20")
        .set("fetch.min.bytes", "16384")
        // Every partition has a queue of its own here, so these count 24 times in a pod that owns all.
        .set("fetch.message.max.bytes", "131072")
        .set("queued.min.messages", "1500")
        .set("queued.max.messages.kbytes", "256");
    let mut consumer: Consumer =
        settings.create_with_context(Signals::default()).context("making the consumer")?;
    let thread = worker.clone();
    consumer.set_nonempty_callback(move || thread.unpark());
    Ok(Arc::new(consumer))
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
        // The end of a log is none, though librdkafka reports it here as well.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        tracing::debug!(%error, reason, "client error");
        if let Some(trouble) = self.troubles.note(&error, reason) {
            tracing::warn!("Kafka {trouble}");
        }
        let is_away = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if is_away && !self.is_away.swap(true, Ordering::AcqRel) {
            self.push(Event::Away);
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice::<Statistics>(statistics) {
            Ok(statistics) => {
                if statistics.is_answered() && self.is_away.swap(false, Ordering::AcqRel) {
                    self.push(Event::Back);
                }
                if statistics.is_steady() {
                    self.push(Event::Steady);
                }
                self.push(Event::Fetched(statistics.fetched()));
            }
            Err(error) => tracing::debug!(%error, "statistics of another shape"),
        }
    }
}

impl ConsumerContext for Signals {
    fn rebalance(&self, consumer: &Consumer, kind: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let event = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Event::Assigned(partitions.clone())
        } else {
            Event::Revoked(partitions.clone())
        };
        if self.closing.load(Ordering::Acquire) {
            decline(consumer, &event);
        } else {
            self.push(event);
        }
    }
}

/// Whether the group takes and gives everything at each rebalance.
pub(crate) fn is_eager(consumer: &Consumer) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Eager)
}

/// Tells the group that these partitions are free.
pub(crate) fn give_back(consumer: &Consumer, partitions: &TopicPartitionList) -> KafkaResult<()> {
    if is_eager(consumer) { consumer.unassign() } else { consumer.incremental_unassign(partitions) }
}

/// Answers a rebalance of a consumer that is about to leave; it waits for an answer before it does.
pub(crate) fn decline(consumer: &Consumer, event: &Event) {
    let answered = match event {
        Event::Assigned(_) => consumer.unassign(),
        Event::Revoked(partitions) => give_back(consumer, partitions),
        Event::Steady | Event::Fetched(_) | Event::Away | Event::Back => Ok(()),
    };
    if let Err(error) = answered {
        tracing::debug!(%error, "giving partitions back");
    }
}

/// The part of librdkafka's statistics that is of use here.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: BTreeMap<String, BrokerStatistics>,
    #[serde(default)]
    topics: BTreeMap<String, TopicStatistics>,
    cgrp: Option<GroupStatistics>,
}

#[derive(Deserialize)]
struct GroupStatistics {
    state: String,
    /// Milliseconds since it has this state.
    stateage: i64,
    join_state: String,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    state: String,
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
    lo_offset: i64,
    ls_offset: i64,
    next_offset: i64,
}

impl Statistics {
    /// Whether this pod is a member and has all that it shall have. Where the broker assigns, a member without
    /// partitions hears of no assignment: then it is enough that it heard of none for a while.
    fn is_steady(&self) -> bool {
        let is_steady = |group: &GroupStatistics| match group.join_state.as_str() {
            "steady" => true,
            "init" => group.stateage > WITHOUT_PARTITIONS_MS,
            _ => false,
        };
        self.cgrp.as_ref().is_some_and(|group| group.state == "up" && is_steady(group))
    }

    fn fetched(&self) -> Vec<Fetched> {
        let mut all = Vec::new();
        for (topic, statistics) in &self.topics {
            for (partition, &PartitionStatistics { lo_offset, ls_offset, next_offset }) in
                &statistics.partitions
            {
                // Offsets are negative until the first answer to a fetch; so is the partition of records without one.
                let Ok(partition) = u32::try_from(*partition) else { continue };
                if lo_offset >= 0 && ls_offset >= 0 {
                    let (start, end) = (lo_offset, ls_offset);
                    all.push(Fetched { topic: topic.clone(), partition, start, end, next_offset });
                }
            }
        }
        all
    }

    fn is_answered(&self) -> bool {
        self.brokers.values().any(BrokerStatistics::is_recent)
    }
}

impl BrokerStatistics {
    /// Whether it has answered within the last second, and the connection has not ended since.
    fn is_recent(&self) -> bool {
        self.state == "UP" && (0..1_000_000).contains(&self.rxidle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_no_broker_can_be_reached_is_told_once_and_so_is_its_end() {
        let signals = Signals::default();
        let down = || KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        let statistics = |state: &str| format!(r#"{{"brokers":{{"a":{{"state":"{state}","rxidle":9}}}}}}"#);
        let told = |signals: &Signals| -> Vec<&str> {
            let name = |event: Event| match event {
                Event::Away => Some("away"),
                Event::Back => Some("back"),
                _ => None,
            };
            signals.take().into_iter().filter_map(name).collect()
        };
        signals.error(down(), "1/1 brokers are down");
        signals.error(down(), "1/1 brokers are down");
        signals.stats_raw(statistics("CONNECT").as_bytes());
        assert_eq!(told(&signals), ["away"]);
        signals.stats_raw(statistics("UP").as_bytes());
        signals.stats_raw(statistics("UP").as_bytes());
        assert_eq!(told(&signals), ["back"]);
    }

    #[test]
    fn how_far_logs_were_fetched_is_read_from_the_statistics_and_unknown_ones_are_left_out() {
        let signals = Signals::default();
        signals.stats_raw(
            br#"{"name":"x","cgrp":{"state":"up","stateage":5,"join_state":"steady"},"brokers":{"a":{"state":"UP","rxidle":20000},"b":{"state":"DOWN","rxidle":-1}},
                "topics":{"RQ":{"age":1,"partitions":{
                "3":{"leader":1,"lo_offset":5,"ls_offset":9,"hi_offset":9,"next_offset":7},
                "4":{"leader":1,"lo_offset":-1001,"ls_offset":9,"next_offset":-1001},
                "-1":{"leader":-1,"lo_offset":0,"ls_offset":0,"next_offset":0}}}}}"#,
        );
        let events = signals.take();
        let [Event::Steady, Event::Fetched(fetched)] = &events[..] else { panic!("two events") };
        let expected = Fetched { topic: "RQ".to_owned(), partition: 3, start: 5, end: 9, next_offset: 7 };
        assert_eq!(*fetched, [expected]);
    }
}
