//! What can go wrong with Kafka; the variants are named after the operation.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::Trouble;
use crate::refusal::why;

/// An operation on Kafka failed. Retryable where [`Error::is_retryable`] says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not `HOST:PORT[,HOST:PORT..]`. Not retryable.
    #[error("`{address}` is not a Kafka address ({problem}): write HOST:PORT, several with commas between")]
    ParseBrokers {
        /// What was given.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// librdkafka refused the configuration or could not start its threads. Not retryable.
    #[error("cannot make a Kafka client: {}", reason(.0))]
    CreateClient(#[source] KafkaError),
    /// No broker answered. Retryable.
    #[error("no Kafka answers at {brokers}: start it, or name another one with --kafka HOST:PORT")]
    Unreachable {
        /// The addresses that were tried.
        brokers: String,
        /// What the client said.
        #[source]
        source: KafkaError,
    },
    /// A broker is there, and no connection comes about. Retryable where [`Trouble::is_retryable`] says so.
    #[error("Kafka at {brokers} {trouble}")]
    Refused {
        /// The addresses that were tried.
        brokers: String,
        /// Why.
        trouble: Trouble,
    },
    /// The list of brokers and topics could not be read. Retryable.
    #[error("cannot read the list of topics: {}", reason(.0))]
    FetchMetadata(#[source] KafkaError),
    /// Brokers answer, but not the one that keeps the group's offsets. Retryable.
    #[error(
        "the coordinator of {group_id} does not answer, other brokers do: the one that keeps the group's offsets may be away"
    )]
    CoordinatorSilent {
        /// Which group.
        group_id: String,
        /// What the client said.
        #[source]
        source: KafkaError,
    },
    /// Brokers answer, but not those that lead the partitions. Retryable.
    #[error("the leaders of some partitions do not answer, other brokers do: one may have just gone")]
    LeadersSilent(#[source] KafkaError),
    /// A topic could not be made.
    #[error("cannot make the topic {topic}: {}", reason(source))]
    CreateTopic {
        /// Its name.
        topic: String,
        /// What the controller said.
        #[source]
        source: KafkaError,
    },
    /// A topic is not there, where only the server makes it. Retryable.
    #[error("the topic {topic} is not there: the server makes it when it starts")]
    TopicMissing {
        /// Its name.
        topic: String,
    },
    /// A topic could not be given the partitions that it needs.
    #[error(
        "the topic {topic} has {found} partitions and needs {needed}, and cannot be given more: {}. \
         `kafka-topics --alter --topic {topic} --partitions {needed}` adds them",
        why_not_grown(source)
    )]
    GrowTopic {
        /// Its name.
        topic: String,
        /// How many it has.
        found: u32,
        /// How many it should have.
        needed: u32,
        /// What the controller said.
        #[source]
        source: KafkaError,
    },
    /// A topic is there already, with another number of partitions. Not retryable.
    #[error("the topic {topic} has {found} partitions and needs {expected}: {}", instead(*found, *expected))]
    PartitionCount {
        /// Its name.
        topic: String,
        /// How many it should have.
        expected: u32,
        /// How many it has.
        found: u32,
    },
    /// A topic was made, and its partitions still have no leaders. Retryable.
    #[error("the topic {topic} has partitions without a leader: wait until all brokers are up")]
    AwaitLeaders {
        /// Its name.
        topic: String,
    },
    /// The group's committed offsets could not be read. Retryable.
    #[error("cannot read the committed offsets of {group_id}: {}", reason(source))]
    FetchCommittedOffsets {
        /// Whose.
        group_id: String,
        /// What the coordinator said.
        #[source]
        source: KafkaError,
    },
    /// Log start or log end offsets could not be read. Retryable.
    #[error("cannot read the offsets of the logs: {}", reason(.0))]
    ListOffsets(#[source] KafkaError),
    /// The group's coordinator did not describe it. Retryable.
    #[error("cannot describe the group {group_id}: {reason}")]
    DescribeGroup {
        /// Which group.
        group_id: String,
        /// What librdkafka said.
        reason: String,
    },
    /// The group has members, so its offsets are theirs to move.
    #[error("the group {group_id} still has {members} members: stop all pods first")]
    GroupNotEmpty {
        /// Which group.
        group_id: String,
        /// How many members it has.
        members: usize,
    },
    /// Offsets could not be committed for the group. Retryable.
    #[error("cannot commit offsets for {group_id}: {}", reason(source))]
    CommitOffsets {
        /// For which group.
        group_id: String,
        /// What the coordinator said.
        #[source]
        source: KafkaError,
    },
    /// Partitions could not be assigned to a reader.
    #[error("cannot read {topic}: {}", reason(source))]
    Assign {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
    /// A record was not written. Retryable.
    #[error("cannot write to {topic}: {}", why(source))]
    Produce {
        /// The topic.
        topic: String,
        /// What the broker or the client said.
        #[source]
        source: KafkaError,
    },
    /// More records wait for Kafka than may wait. Retryable, later.
    #[error("{topic} takes no more records now: Kafka is slow, try again in a moment")]
    QueueFull {
        /// The topic.
        topic: String,
    },
    /// A value could not be written as JSON. Not retryable.
    #[error("cannot write a record for {topic}: {source}")]
    Encode {
        /// The topic.
        topic: &'static str,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
    /// A thread could not be started. Not retryable.
    #[error("cannot start the thread {name}: {source}")]
    SpawnThread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A blocking call panicked, or the runtime ended while it ran.
    #[error("a call to Kafka did not finish: {0}")]
    Join(#[source] tokio::task::JoinError),
}

impl Error {
    /// Whether the same call may work later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ParseBrokers { .. }
            | Self::CreateClient(_)
            | Self::PartitionCount { .. }
            | Self::GroupNotEmpty { .. }
            | Self::Assign { .. }
            | Self::Encode { .. }
            | Self::SpawnThread { .. }
            | Self::Join(_) => false,
            Self::CreateTopic { source, .. } | Self::GrowTopic { source, .. } => {
                code(source).is_none_or(is_transient)
            }
            Self::Refused { trouble, .. } => trouble.is_retryable(),
            Self::Unreachable { .. }
            | Self::CoordinatorSilent { .. }
            | Self::LeadersSilent(_)
            | Self::FetchMetadata(_)
            | Self::TopicMissing { .. }
            | Self::AwaitLeaders { .. }
            | Self::FetchCommittedOffsets { .. }
            | Self::ListOffsets(_)
            | Self::DescribeGroup { .. }
            | Self::CommitOffsets { .. }
            | Self::Produce { .. }
            | Self::QueueFull { .. } => true,
        }
    }
}

/// What happened, without the name that the wrapper has for its call: `NotCoordinator (Broker: Not coordinator)`.
pub(crate) fn reason(error: &KafkaError) -> String {
    match (error, code(error)) {
        (KafkaError::ClientConfig(_, text, key, value), _) => format!("{key}={value}: {text}"),
        (KafkaError::ClientCreation(text), _) => text.clone(),
        (_, Some(code)) => code.to_string(),
        (error, None) => error.to_string(),
    }
}

fn why_not_grown(source: &KafkaError) -> String {
    match code(source) {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            "the right to Alter this topic is missing: grant it, or let somebody who has it add them"
                .to_owned()
        }
        _ => reason(source),
    }
}

/// What to do about a topic with another number of partitions than it needs.
fn instead(found: u32, expected: u32) -> &'static str {
    if found < expected {
        "add the others with `kafka-topics --alter`, or start with --fresh to forget old data"
    } else {
        "delete it, or start with --fresh to forget old data"
    }
}

pub(crate) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    !matches!(
        code,
        Code::PolicyViolation
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidRequest
            | Code::InvalidReplicationFactor
    )
}

/// Whether an error means that no broker could be reached at all.
pub(crate) fn is_unreachable(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code(error),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::Authentication
                | Code::SSL
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_in_one_sentence() {
        let source = KafkaError::MetadataFetch(RDKafkaErrorCode::NotCoordinator);
        let error = Error::FetchCommittedOffsets { group_id: "g".to_owned(), source };
        assert_eq!(
            error.to_string(),
            "cannot read the committed offsets of g: NotCoordinator (Broker: Not coordinator)"
        );
    }

    #[test]
    fn a_topic_that_may_never_be_made_is_not_asked_for_again() {
        let failed = |code| Error::CreateTopic { topic: "t".to_owned(), source: KafkaError::AdminOp(code) };
        assert!(failed(RDKafkaErrorCode::RequestTimedOut).is_retryable());
        assert!(!failed(RDKafkaErrorCode::TopicAuthorizationFailed).is_retryable());
    }

    #[test]
    fn a_topic_that_is_too_small_is_named_with_what_to_do() {
        let failed = |code| Error::GrowTopic {
            topic: "SESSIONS".to_owned(),
            found: 12,
            needed: 13,
            source: KafkaError::AdminOp(code),
        };
        let error = failed(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert!(!error.is_retryable());
        assert_eq!(
            error.to_string(),
            "the topic SESSIONS has 12 partitions and needs 13, and cannot be given more: the right to Alter this topic \
             is missing: grant it, or let somebody who has it add them. `kafka-topics --alter --topic SESSIONS \
             --partitions 13` adds them"
        );
        let error = failed(RDKafkaErrorCode::ReassignmentInProgress);
        assert!(error.is_retryable());
        assert!(error.to_string().contains("ReassignmentInProgress"), "{error}");
    }
}
