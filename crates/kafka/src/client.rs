//! The settings that our clients share. Numbers without a source here were measured on Kafka 4.3 and librdkafka 2.12:
//! librdkafka's defaults are made for large machines and cost a pod 120 to 150 MB.

mod args;
mod ask;
mod brokers;
mod ca;
mod context;
mod doubt;
mod lasting;
mod renewing;
mod security;
mod trouble;

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;

use crate::error::Error;

pub use ask::{Description, check, describe_broker};
pub(crate) use ask::{fetch_metadata, unanswered};
pub use brokers::Brokers;
pub use context::{Tracing, log};
pub(crate) use lasting::Lasting;
pub(crate) use renewing::PATIENCE;
pub use renewing::{Answered, Renewing};
pub use security::{Credentials, Security};
pub use trouble::{Trouble, Troubles};

/// `session.timeout.ms` of a pod: how long a killed pod goes on owning its partitions. A second would do on a quiet
/// machine; on a laptop that compiles, or shares its screen, healthy pods were thrown out of the group with it.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest session timeout that a broker with stock settings accepts; the one to fall back to when it answers
/// `INVALID_SESSION_TIMEOUT`.
pub const STOCK_SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// `transaction.timeout.ms` of a pod: so long, and up to the time between two looks of the broker, the offsets that a
/// dead pod has added to a transaction keep the next owner waiting.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(1);
/// `max.poll.interval.ms` of a pod, which polls many times a second.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How long a question to a broker may take before it counts as unanswered.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// The same for the sampler, which asks again soon; a long pause of the broker's garbage collector is shorter.
pub(crate) const SAMPLE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// What all our clients have in common: an identity, the connection's security, quick reconnects, no telemetry.
#[must_use]
pub fn base(brokers: &Brokers, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers.as_str())
        .set("client.id", client_id)
        .set("allow.auto.create.topics", "false")
        .set("enable.metrics.push", "false")
        .set("socket.keepalive.enable", "true")
        .set("socket.connection.setup.timeout.ms", "2000")
        // A broker that comes back is found within a second, not within librdkafka's ten.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.fast.interval.ms", "100")
        .set("topic.metadata.propagation.max.ms", "5000")
        .set_log_level(context::log_level());
    brokers.security().configure(&mut config);
    config
}

/// How a pod is a member of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// KIP-848: the broker assigns, and says how long a session lasts.
    Consumer,
    /// The protocol of old: the members assign.
    Classic {
        /// `session.timeout.ms`
        session_timeout: Duration,
    },
}

/// A consumer of the application's group: bounded memory, and quick to notice a dead sibling. It commits nothing by
/// itself, since a pod commits in its transactions. Both inputs of a partition go to the same pod.
#[must_use]
pub fn pod_consumer(
    brokers: &Brokers,
    client_id: &str,
    group_id: &str,
    membership: Membership,
) -> ClientConfig {
    let mut config = reader(brokers, client_id);
    config
        .set("group.id", group_id)
        // Also how long a rebalance waits for a member that a restarted broker still remembers; five minutes by
        // default.
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL.as_millis().to_string())
        .set("enable.auto.offset.store", "false")
        .set("fetch.min.bytes", "65536");
    match membership {
        Membership::Consumer => {
            config.set("group.protocol", "consumer").set("group.remote.assignor", "range");
        }
        Membership::Classic { session_timeout } => {
            let heartbeat = (session_timeout / 20).max(Duration::from_millis(100));
            config
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "range")
                .set("session.timeout.ms", session_timeout.as_millis().to_string())
                .set("heartbeat.interval.ms", heartbeat.as_millis().to_string());
        }
    }
    config
}

/// A consumer that is told its partitions (no group) and keeps its memory small.
#[must_use]
pub fn reader(brokers: &Brokers, client_id: &str) -> ClientConfig {
    let mut config = base(brokers, client_id);
    config
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.message.max.bytes", "262144")
        // The default of 1 s makes a small queue crawl.
        .set("fetch.queue.backoff.ms", "2")
        .set("queued.min.messages", "5000")
        .set("queued.max.messages.kbytes", "8192");
    config
}

/// A producer that neither loses nor doubles a record, with a queue that fits a small pod.
///
/// Only failed deliveries are reported: who waits for each acknowledgement sets `delivery.report.only.error` to
/// `false`.
#[must_use]
pub fn producer(brokers: &Brokers, client_id: &str) -> ClientConfig {
    let mut config = base(brokers, client_id);
    config.remove("allow.auto.create.topics");
    config
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "30000")
        .set("queue.buffering.max.kbytes", "16384")
        .set("delivery.report.only.error", "true");
    config
}

/// A producer of transactions, and of nothing outside of them.
#[must_use]
pub fn transactional(brokers: &Brokers, client_id: &str, transactional_id: &str) -> ClientConfig {
    let mut config = producer(brokers, client_id);
    config
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
        .set("delivery.report.only.error", "false")
        // While the broker still ends the transaction before, it answers a new one with "try again".
        .set("retry.backoff.ms", "5")
        .set("retry.backoff.max.ms", "200")
        .set("linger.ms", "1");
    config
}

/// A consumer that only asks for the committed offsets of a group, and never joins it.
///
/// `read_uncommitted`, since librdkafka otherwise asks for stable offsets and times out while a pod's transaction is
/// open.
#[must_use]
pub fn sampling(brokers: &Brokers, client_id: &str, group_id: &str) -> ClientConfig {
    let mut config = base(brokers, client_id);
    config
        .set("group.id", group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_uncommitted");
    config
}

/// Makes a client that logs into `tracing`, and keeps why it finds no broker.
pub fn create<T: FromClientConfigAndContext<Tracing>>(config: &ClientConfig) -> Result<T, Error> {
    config.create_with_context(Tracing::default()).map_err(Error::CreateClient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_beats_twenty_times_a_session() {
        let brokers: Brokers = "localhost:9092".parse().unwrap();
        for (session_timeout, heartbeat) in [(SESSION_TIMEOUT, "100"), (STOCK_SESSION_TIMEOUT, "300")] {
            let config = pod_consumer(&brokers, "pod", "group", Membership::Classic { session_timeout });
            assert_eq!(config.get("heartbeat.interval.ms"), Some(heartbeat));
        }
    }

    #[test]
    fn a_broker_that_assigns_is_not_told_the_settings_of_old() {
        let brokers: Brokers = "localhost:9092".parse().unwrap();
        let config = pod_consumer(&brokers, "pod", "group", Membership::Consumer);
        for of_old in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
            assert_eq!(config.get(of_old), None);
        }
    }
}
