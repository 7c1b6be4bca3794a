//! What librdkafka calls while our clients work: its log goes to `tracing`, and its troubles are kept.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

use super::trouble::{Trouble, Troubles};

/// Sends librdkafka's own words to `tracing`, under the target `librdkafka`.
///
/// A lost connection is logged at debug level only: the caller whose question stays unanswered says so once, and why.
#[derive(Debug, Clone, Default)]
pub struct Tracing(Arc<Troubles>);

impl Tracing {
    /// Why no connection came about, if librdkafka said so.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.0.last()
    }
}

impl ClientContext for Tracing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        tracing::trace!(target: "librdkafka", client = statistics.name, queued = statistics.msg_cnt, "statistics");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
        self.0.note(&error, reason);
    }
}

impl ConsumerContext for Tracing {}

/// What librdkafka logs under these, the caller gets as an error as well, and says it once in words of ours: broken connections, and,
/// line by line for each partition, a transaction that fails.
const TOLD_ELSEWHERE: [&str; 7] =
    ["FAIL", "ERROR", "TXNERR", "FATAL", "ADDOFFSETS", "GETPID", "METADATAUPDATE"];

/// What a [`ClientContext`] of another crate calls in its own `log`.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        _ if TOLD_ELSEWHERE.contains(&facility) => {
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

/// librdkafka's own level: what `tracing` would drop is not even written.
pub(super) fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Warning
    }
}
