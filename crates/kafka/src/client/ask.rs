//! The first questions to a Kafka: whether it can be spoken to, and which one it is.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::Metadata;

use super::{Brokers, REQUEST_TIMEOUT, TRANSACTION_TIMEOUT, Tracing, Trouble, base, create, doubt};
use crate::error::{Error, is_unreachable};
use crate::version;

/// A refusal is there long before the question times out: librdkafka goes on trying, so it is looked for after this.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(500);
/// More than a client tells between two looks.
const MOST_EVENTS: usize = 256;
/// How often a broker looks for transactions that have timed out: the second part of how long a dead pod's may last.
const CLEANUP_INTERVAL: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms";

/// What is known of a Kafka after asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `Kafka 4.3`, or only `Kafka` where the version cannot be learned.
    pub label: String,
    /// How many brokers there are.
    pub brokers: usize,
    /// How often a broker looks for transactions that have timed out; `None` where it does not say.
    pub transaction_cleanup_interval: Option<Duration>,
}

impl Description {
    /// For how long a dead pod's transaction may hold its partitions; `None` where the broker does not say.
    #[must_use]
    pub fn longest_transaction_hold(&self) -> Option<Duration> {
        self.transaction_cleanup_interval.map(|interval| TRANSACTION_TIMEOUT + interval)
    }
}

/// Asks once whether Kafka can be spoken to; within three seconds, in `Err`, why not. [`Error::is_retryable`] tells
/// what may pass (nobody there) from what somebody must correct (the secret, the CA, the host name).
pub async fn check(brokers: &Brokers) -> Result<(), Error> {
    let brokers = brokers.clone();
    crate::blocking(move || fetch_metadata(&brokers, "check").map(drop)).await
}

/// Asks which Kafka this is, once: the caller decides how often to try again.
pub async fn describe_broker(brokers: &Brokers) -> Result<Description, Error> {
    let asked = brokers.clone();
    let metadata = crate::blocking(move || fetch_metadata(&asked, "describe")).await?;
    let asked = brokers.clone();
    let release = crate::blocking(move || Ok(version::ask(&asked))).await?;
    let transaction_cleanup_interval = match metadata.brokers().first() {
        Some(broker) => ask_cleanup_interval(brokers, broker.id()).await,
        None => None,
    };
    Ok(Description {
        label: release.map_or_else(|| "Kafka".to_owned(), |release| format!("Kafka {release}")),
        brokers: metadata.brokers().len(),
        transaction_cleanup_interval,
    })
}

/// A managed Kafka may refuse this question, or leave the setting out of its answer.
async fn ask_cleanup_interval(brokers: &Brokers, broker: i32) -> Option<Duration> {
    let admin: AdminClient<Tracing> = create(&base(brokers, "describe")).ok()?;
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
    let answer = admin.describe_configs(&[ResourceSpecifier::Broker(broker)], &options).await;
    let refused =
        |error: &dyn std::fmt::Display| tracing::debug!(%error, "the broker does not tell its settings");
    let mut answers = answer.inspect_err(|error| refused(error)).ok()?;
    let config = answers.pop()?.inspect_err(|error| refused(error)).ok()?;
    config.get(CLEANUP_INTERVAL)?.value.as_ref()?.parse().ok().map(Duration::from_millis)
}

/// Brokers and topics, over a connection of its own; blocks.
pub(crate) fn fetch_metadata(brokers: &Brokers, client_id: &str) -> Result<Metadata, Error> {
    let consumer: BaseConsumer<Tracing> = create(&base(brokers, client_id))?;
    ask(&consumer).map_err(|source| {
        let error = unanswered(brokers, &consumer, source, Error::FetchMetadata);
        match doubt::resolve(brokers, &error) {
            Some(trouble) => Error::Refused { brokers: brokers.to_string(), trouble },
            None => error,
        }
    })
}

/// Returns early when somebody must correct something first.
fn ask(consumer: &BaseConsumer<Tracing>) -> KafkaResult<Metadata> {
    consumer.fetch_metadata(None, FIRST_LOOK).or_else(|error| match trouble(consumer) {
        Some(trouble) if !trouble.is_retryable() => Err(error),
        _ => consumer.fetch_metadata(None, REQUEST_TIMEOUT - FIRST_LOOK),
    })
}

/// Why a consumer finds no broker, as far as it was told.
pub(super) fn trouble(consumer: &BaseConsumer<Tracing>) -> Option<Trouble> {
    // A poll serves one event, and does not say whether there was one.
    for _ in 0..MOST_EVENTS {
        let _ = consumer.poll(Duration::ZERO);
    }
    consumer.context().trouble()
}

/// The error of a question that a broker should have answered: refused, nobody there, or something else. The consumer
/// that asked must have no partitions, since it is polled here.
pub(crate) fn unanswered(
    brokers: &Brokers,
    consumer: &BaseConsumer<Tracing>,
    source: KafkaError,
    other: impl FnOnce(KafkaError) -> Error,
) -> Error {
    if !is_unreachable(&source) {
        return other(source);
    }
    match trouble(consumer) {
        Some(trouble) => Error::Refused { brokers: brokers.to_string(), trouble },
        None => Error::Unreachable { brokers: brokers.to_string(), source },
    }
}
