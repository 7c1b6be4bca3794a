//! What librdkafka calls while our clients work: its log goes to `tracing`, and its troubles are kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

use super::trouble::{Trouble, Troubles};
use crate::refusal::Refusal;

/// Sends librdkafka's own words to `tracing`, under the target `librdkafka`.
///
/// A lost connection is logged at debug level only: the caller whose question stays unanswered says so once, and why.
#[derive(Debug, Clone, Default)]
pub struct Tracing {
    troubles: Arc<Troubles>,
    /// The last record that Kafka did not take, and when that was.
    refused: Arc<Mutex<Option<(Refusal, Instant)>>>,
}

/// Refusals for the same cause within this time are one.
const TOGETHER: Duration = Duration::from_secs(10);

impl Tracing {
    /// Why no connection came about, if librdkafka said so.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.troubles.last()
    }

    /// Whether a refusal is worth a word: another cause than before, or the first after a while.
    pub(crate) fn is_news(&self, refusal: &Refusal, now: Instant) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let before = refused.replace((refusal.clone(), now));
        before.is_none_or(|(before, at)| before != *refusal || now.duration_since(at) > TOGETHER)
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
        self.troubles.note(&error, reason);
    }
}

impl ConsumerContext for Tracing {}

/// What librdkafka logs under these, the caller gets as an error as well, and says it once in words of ours: broken
/// connections, and, line by line for each partition, a transaction that fails.
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

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn a_refusal_that_goes_on_is_said_once() {
        let refusal = |code| Refusal::new("KING-HISTORY", &KafkaError::MessageProduction(code));
        let (tracing, begin) = (Tracing::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(tracing.is_news(&refusal(Code::MessageSizeTooLarge), begin));
        assert!((1..60).all(|second| !tracing.is_news(&refusal(Code::MessageSizeTooLarge), at(second))));
        assert!(tracing.is_news(&refusal(Code::TopicAuthorizationFailed), at(60)), "another cause");
        assert!(tracing.is_news(&refusal(Code::TopicAuthorizationFailed), at(71)), "it had ended");
    }
}
