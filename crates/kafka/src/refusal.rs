//! Why Kafka did not take a record.
//!
//! One failure brings many errors: after a record that is refused, librdkafka gives up what is queued behind it, and
//! those records are reported as "purged in queue", often before the one that tells the cause. [`Refusals`] keeps the
//! first telling one of a batch, and [`Refusal`] says it with what to do.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::{Error, code, reason};

/// A record that Kafka did not take, and will not take if it is sent again as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    topic: String,
    error: KafkaError,
}

/// How much an error says about its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Telling {
    /// The record was given up because of an earlier failure.
    Consequence,
    /// It took too long; why is not said.
    Symptom,
    /// Somebody said what is wrong with the record, the topic or the producer.
    Cause,
}

impl Refusal {
    /// A record for this topic was not delivered.
    pub fn new(topic: &str, error: &KafkaError) -> Self {
        Self { topic: topic.to_owned(), error: error.clone() }
    }

    /// The topic that the record was for.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What the broker or librdkafka said.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        code(&self.error)
    }

    /// Of two, the one that tells the cause; the first of them where both do, or neither.
    #[must_use]
    pub fn or_more_telling(self, other: Self) -> Self {
        if self.telling() < other.telling() { other } else { self }
    }

    fn telling(&self) -> Telling {
        match self.code() {
            None | Some(Code::PurgeQueue | Code::PurgeInflight | Code::Fatal | Code::DestroyBroker) => {
                Telling::Consequence
            }
            Some(Code::MessageTimedOut | Code::TimedOutQueue | Code::OperationTimedOut) => Telling::Symptom,
            Some(_) => Telling::Cause,
        }
    }
}

/// `GAME-FRAME-RS: too large for the topic's max.message.bytes`
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.topic, why(&self.error))
    }
}

impl From<Refusal> for Error {
    fn from(Refusal { topic, error: source }: Refusal) -> Self {
        Self::Produce { topic, source }
    }
}

/// Why a record was not delivered, and where it is known what to do.
pub(crate) fn why(error: &KafkaError) -> String {
    let known = match code(error) {
        Some(Code::MessageSizeTooLarge) => {
            "too large for the topic's max.message.bytes: raise it (`kafka-configs --alter --add-config max.message.bytes=..`)"
        }
        Some(Code::MessageBatchTooLarge) => "too large for the topic's segment.bytes: raise it",
        Some(
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicId,
        ) => "the topic is not there any more, or has no such partition",
        Some(Code::TopicAuthorizationFailed) => "the right to Write to this topic is missing: grant it",
        Some(Code::ClusterAuthorizationFailed) => {
            "the right IdempotentWrite on the cluster is missing: grant it"
        }
        Some(Code::InvalidTimestamp) => {
            "its time is out of the topic's bounds: see message.timestamp.before.max.ms and message.timestamp.after.max.ms"
        }
        Some(Code::InvalidRecord) => {
            "not what the topic asks for: is it compacted, or validated by the broker?"
        }
        Some(Code::PolicyViolation) => "a policy of the broker forbids it",
        Some(Code::OutOfOrderSequenceNumber | Code::UnknownProducerId) => {
            "the broker has lost what it knew of this producer: a topic was deleted, or the broker's data"
        }
        Some(Code::MessageTimedOut | Code::TimedOutQueue) => "Kafka did not take it in time",
        Some(Code::PurgeQueue | Code::PurgeInflight | Code::Fatal) => "given up after an earlier failure",
        _ => return reason(error),
    };
    known.to_owned()
}

/// The first telling refusal of the records that were sent since it was last taken. Clones share it, so that the
/// context of a producer notes what its owner takes.
///
/// A transaction that fails for such a record fails in each of its steps, with errors that only say so
/// ("current transaction failed"): who takes the refusal first has the cause.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Option<Refusal>>>);

impl Refusals {
    /// Takes note of a record that was not delivered, in `ProducerContext::delivery`.
    pub fn note(&self, topic: &str, error: &KafkaError) {
        let refusal = Refusal::new(topic, error);
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *first = Some(match first.take() {
            Some(first) => first.or_more_telling(refusal),
            None => refusal,
        });
    }

    /// The cause, as far as it was told until now; afterwards there is none.
    pub fn take(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_of(codes: &[Code]) -> Option<Code> {
        let refusals = Refusals::default();
        for code in codes {
            refusals.clone().note("topic", &KafkaError::MessageProduction(*code));
        }
        let taken = refusals.take();
        assert_eq!(refusals.take(), None, "it is told once");
        taken.and_then(|refusal| refusal.code())
    }

    #[test]
    fn the_first_telling_error_of_a_batch_stays() {
        use Code::{
            Fatal, MessageSizeTooLarge, MessageTimedOut, PurgeInflight, PurgeQueue, TopicAuthorizationFailed,
        };
        for (codes, expected) in [
            (&[][..], None),
            (&[PurgeQueue, PurgeInflight], Some(PurgeQueue)),
            (&[PurgeQueue, MessageSizeTooLarge, PurgeQueue], Some(MessageSizeTooLarge)),
            (&[MessageSizeTooLarge, TopicAuthorizationFailed], Some(MessageSizeTooLarge)),
            (&[Fatal, MessageTimedOut, PurgeQueue], Some(MessageTimedOut)),
            (&[MessageTimedOut, TopicAuthorizationFailed], Some(TopicAuthorizationFailed)),
        ] {
            assert_eq!(first_of(codes), expected, "{codes:?}");
        }
    }

    #[test]
    fn a_refusal_says_the_topic_the_cause_and_the_remedy() {
        for (code, expected) in [
            (Code::MessageSizeTooLarge, "t: too large for the topic's max.message.bytes: raise it"),
            (Code::UnknownTopicOrPartition, "t: the topic is not there any more"),
            (Code::TopicAuthorizationFailed, "t: the right to Write to this topic is missing: grant it"),
            (Code::InvalidTimestamp, "t: its time is out of the topic's bounds: see message.timestamp"),
            (Code::PurgeQueue, "t: given up after an earlier failure"),
            (Code::KafkaStorageError, "t: KafkaStorageError (Broker: Disk error"),
        ] {
            let said = Refusal::new("t", &KafkaError::MessageProduction(code)).to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
