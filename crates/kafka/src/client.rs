//! Addresses of brokers, and the settings that our clients share. Numbers without a source here were measured on
//! Kafka 4.3 and librdkafka 2.12: librdkafka's defaults are made for large machines and cost a pod 120 to 150 MB.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

use crate::error::{Error, is_unreachable};
use crate::version;

/// `session.timeout.ms` of a pod: how long a killed pod goes on owning its partitions. A second would do on a quiet machine; on a
/// laptop that compiles, or shares its screen, healthy pods were thrown out of the group with it.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest session timeout that a broker with stock settings accepts; the one to fall back to when it answers
/// `INVALID_SESSION_TIMEOUT`.
pub const STOCK_SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// `transaction.timeout.ms` of a pod: so long, and up to the time between two looks of the broker, the offsets that a dead pod has added to a
/// transaction keep the next owner waiting.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(1);
/// `max.poll.interval.ms` of a pod, which polls many times a second.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How long a question to a broker may take before it counts as unanswered.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// The same for the sampler, which asks again soon; a long pause of the broker's garbage collector is shorter.
pub(crate) const SAMPLE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// librdkafka never frees its topic handles: a client that asks several times a second is replaced now and then.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// Where Kafka is: one or more `HOST:PORT`, checked when parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Brokers(String);

impl Brokers {
    /// As librdkafka's `bootstrap.servers` wants it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Each `HOST:PORT`.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Brokers {
    type Err = Error;

    fn from_str(address: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = address.split(',').map(str::trim).collect();
        match parts.iter().find_map(|part| problem_of(part)) {
            Some(problem) => Err(Error::ParseBrokers { address: address.to_owned(), problem }),
            None => Ok(Self(parts.join(","))),
        }
    }
}

/// What is wrong with one `HOST:PORT`, if anything is.
fn problem_of(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("it is empty");
    }
    if part.contains("://") {
        return Some("it has a scheme");
    }
    let Some((host, port)) = part.rsplit_once(':') else { return Some("the port is missing") };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map_or(host, |inner| inner);
    if host.is_empty() {
        return Some("the host is missing");
    }
    if host.chars().any(|c| c.is_whitespace() || matches!(c, '/' | '@' | '[' | ']')) {
        return Some("the host has a character that no host has");
    }
    match port.parse::<u16>() {
        Ok(1..) => None,
        _ => Some("the port is not a number from 1 to 65535"),
    }
}

/// What all our clients have in common: an identity, quick reconnects, no telemetry, logs into `tracing`.
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
        .set_log_level(log_level());
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

/// A consumer of the application's group: bounded memory, and quick to notice a dead sibling. It commits nothing by itself, since a pod
/// commits in its transactions. Both inputs of a partition go to the same pod.
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
        // Also how long a rebalance waits for a member that a restarted broker still remembers; five minutes by default.
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
/// Only failed deliveries are reported: who waits for each acknowledgement sets `delivery.report.only.error` to `false`.
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
        .set("linger.ms", "1");
    config
}

/// A consumer that only asks for the committed offsets of a group, and never joins it.
///
/// `read_uncommitted`, since librdkafka otherwise asks for stable offsets and times out while a pod's transaction is open.
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

/// Makes a client that logs into `tracing`.
pub fn create<T: FromClientConfigAndContext<Tracing>>(config: &ClientConfig) -> Result<T, Error> {
    config.create_with_context(Tracing).map_err(Error::CreateClient)
}

/// Sends librdkafka's own words to `tracing`, under the target `librdkafka`.
///
/// A lost connection is logged at debug level only: the caller whose question stays unanswered says so once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracing;

impl ClientContext for Tracing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        tracing::trace!(target: "librdkafka", client = statistics.name, queued = statistics.msg_cnt, "statistics");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
    }
}

impl ConsumerContext for Tracing {}

/// What a [`ClientContext`] of another crate calls in its own `log`.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        _ if facility == "FAIL" || facility == "ERROR" => {
            tracing::debug!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Warning
    }
}

/// What is known of a Kafka after asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `Kafka 4.3`, or only `Kafka` where the version cannot be learned.
    pub label: String,
    /// How many brokers there are.
    pub brokers: usize,
}

/// Asks which Kafka this is, once: the caller decides how often to try again.
pub async fn describe_broker(brokers: &Brokers) -> Result<Description, Error> {
    let brokers = brokers.clone();
    crate::blocking(move || {
        let consumer: BaseConsumer<Tracing> = create(&base(&brokers, "describe"))?;
        let metadata = consumer
            .fetch_metadata(None, REQUEST_TIMEOUT)
            .map_err(|source| unanswered(&brokers, source, Error::FetchMetadata))?;
        let label =
            version::ask(&brokers).map_or_else(|| "Kafka".to_owned(), |version| format!("Kafka {version}"));
        Ok(Description { label, brokers: metadata.brokers().len() })
    })
    .await
}

/// The error of a question that a broker should have answered: nobody there, or something else.
pub(crate) fn unanswered(
    brokers: &Brokers,
    source: KafkaError,
    other: impl FnOnce(KafkaError) -> Error,
) -> Error {
    if is_unreachable(&source) {
        Error::Unreachable { brokers: brokers.to_string(), source }
    } else {
        other(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Result<&str, &str>) {
        let parsed = address.parse::<Brokers>();
        match expected {
            Ok(brokers) => assert_eq!(parsed.unwrap().as_str(), brokers, "{address}"),
            Err(problem) => {
                let message = parsed.unwrap_err().to_string();
                assert!(message.contains(problem), "{address}: {message}");
            }
        }
    }

    #[test]
    fn an_address_is_host_and_port() {
        check("127.0.0.1:9092", Ok("127.0.0.1:9092"));
        check("[::1]:9092", Ok("[::1]:9092"));
        check("one.example:9092, two.example:9093", Ok("one.example:9092,two.example:9093"));
    }

    #[test]
    fn a_bad_address_is_told_what_is_wrong_with_it() {
        check("", Err("empty"));
        check("a:1,", Err("empty"));
        check("kafka", Err("port is missing"));
        check(":9092", Err("host is missing"));
        check("kafka:0", Err("port is not a number"));
        check("kafka:99999", Err("port is not a number"));
        check("http://kafka:9092", Err("scheme"));
        check("kaf ka:9092", Err("character"));
    }

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
