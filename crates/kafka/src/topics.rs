//! The topics of the show: what they look like, making them, and waiting until somebody made them.
//!
//! Existing topics keep their configuration. Operators may add partitions to an input while everything runs; the topics
//! in which partition p belongs to partition p of the inputs are given as many (`partitions`).

mod partitions;

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};

use crate::Error;
use crate::client::{self, Brokers, Tracing};
pub use partitions::{Grown, grow, partition_counts};
use partitions::{Step, plan};

/// The compacted topic that holds the load settings and the policy in force.
pub const CONTROL: &str = "KING-CONTROL";
/// The topic that holds a summary of each second of the last quarter of an hour.
pub const HISTORY: &str = "KING-HISTORY";

const REPLICAS_WANTED: usize = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long the leaders of a new topic may take: a cluster of three elects them in well under a second.
const LEADER_ATTEMPTS: u32 = 40;

/// Who adds partitions to a topic that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// An input: an operator does, and we do not ask why.
    ByOperators,
    /// A topic whose partition p belongs to partition p of the inputs: we do, as soon as an input has more.
    WithInputs,
    /// Nobody: its records are in one order, or one reader reads a fixed number of partitions.
    Never,
}

/// One topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it must have; at least, unless `growth` says that it never has more.
    pub partitions: u32,
    /// Who adds partitions to it.
    pub growth: Growth,
    /// Its configuration, where it differs from the broker's defaults.
    pub config: Vec<(&'static str, &'static str)>,
}

impl Topic {
    /// One of the inputs: an hour at most and 64 MB a partition, so that a laptop's disk does not fill.
    #[must_use]
    pub fn records(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "delete"),
            ("retention.ms", "3600000"),
            ("retention.bytes", "67108864"),
            ("segment.bytes", "16777216"),
        ];
        Self { name: name.to_owned(), partitions: model::PARTITIONS, growth: Growth::ByOperators, config }
    }

    /// `SESSIONS`, which is kept as the inputs are.
    #[must_use]
    pub fn sessions(name: &str) -> Self {
        Self { growth: Growth::WithInputs, ..Self::records(name) }
    }

    /// The application's state: kept for ever, and deleted by the application itself as far as it is of no more use.
    #[must_use]
    pub fn changelog(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("segment.bytes", "16777216"),
        ];
        Self { name: name.to_owned(), partitions: model::PARTITIONS, growth: Growth::WithInputs, config }
    }

    /// What the application put aside: a week at most and 64 MB a partition.
    #[must_use]
    pub fn dead_letters(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "delete"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "67108864"),
            ("segment.bytes", "16777216"),
        ];
        Self { name: name.to_owned(), partitions: model::PARTITIONS, growth: Growth::WithInputs, config }
    }

    /// The newest record of each key, for ever.
    #[must_use]
    pub fn control(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "compact"),
            ("min.cleanable.dirty.ratio", "0.1"),
            ("segment.ms", "600000"),
        ];
        Self { name: name.to_owned(), partitions: 1, growth: Growth::Never, config }
    }

    /// One record a second for 15 minutes. Segments are short, since only whole segments are deleted.
    #[must_use]
    pub fn history(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "delete"),
            ("retention.ms", "900000"),
            ("retention.bytes", "67108864"),
            ("segment.ms", "60000"),
            ("segment.bytes", "4194304"),
        ];
        Self { name: name.to_owned(), partitions: 1, growth: Growth::Never, config }
    }
}

/// All topics of the show.
#[must_use]
pub fn all() -> Vec<Topic> {
    vec![
        Topic::records(workload::topics::REQUESTS),
        Topic::records(workload::topics::RESPONSES),
        Topic::sessions(workload::topics::SESSIONS),
        Topic::changelog(workload::topics::CHANGELOG),
        Topic::dead_letters(workload::topics::DEAD_LETTERS),
        Topic::control(CONTROL),
        Topic::history(HISTORY),
    ]
}

/// What [`ensure`] changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ensured {
    /// The names of the topics that were made.
    pub made: Vec<String>,
    /// The topics that have more partitions than before.
    pub grown: Vec<Grown>,
}

/// Makes those topics that are missing, gives those that grow with the inputs as many partitions as the larger input
/// has, and returns when all of both have leaders. Calling it again changes nothing.
///
/// An input that is missing is made as large as the other one.
pub async fn ensure(brokers: &Brokers, topics: &[Topic]) -> Result<Ensured, Error> {
    let (steps, replicas) = {
        let metadata = fetch_metadata(brokers).await?;
        let steps = plan(topics, |name| count(&metadata, name))?;
        (steps, metadata.brokers().len().clamp(1, REPLICAS_WANTED))
    };
    if steps.is_empty() {
        return Ok(Ensured::default());
    }
    let admin: AdminClient<Tracing> = client::create(&client::base(brokers, "topics"))?;
    let mut ensured = Ensured::default();
    let (mut new, mut small) = (Vec::new(), Vec::new());
    for step in &steps {
        match *step {
            Step::Make { topic, partitions } => {
                ensured.made.push(topic.name.clone());
                new.push(new_topic(topic, partitions, replicas));
            }
            Step::Grow { topic, from, to } => small.push(Grown { topic: topic.name.clone(), from, to }),
        }
    }
    create(&admin, &new).await?;
    ensured.grown = partitions::add(&admin, &small).await?;
    let wanted: Vec<(&str, u32)> = steps.iter().map(|step| (step.topic(), step.partitions())).collect();
    await_leaders(brokers, &wanted).await?;
    Ok(ensured)
}

/// Waits until all these topics exist and have a leader, however long that takes; the caller ends it by dropping it.
/// A broker that does not answer is waited for as well. What is waited for is logged once.
///
/// One leader is enough: where a broker is away, the partitions that have a leader go on.
///
/// # Errors
/// Those that waiting does not cure: Kafka refuses the credentials, or its certificate is not accepted.
pub async fn wait_until_present(brokers: &Brokers, names: &[&str]) -> Result<(), Error> {
    let mut told = String::new();
    loop {
        let reason = match fetch_metadata(brokers).await {
            Ok(metadata) => match names.iter().find_map(|name| absence(&metadata, name)) {
                None => return Ok(()),
                Some(reason) => reason,
            },
            Err(error) if error.is_retryable() => error.to_string(),
            Err(error) => return Err(error),
        };
        if reason != told {
            tracing::info!(reason, "waiting for the topics");
            told = reason;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Why a topic cannot be worked on yet.
fn absence(metadata: &Metadata, name: &str) -> Option<String> {
    match find(metadata, name).map(MetadataTopic::partitions) {
        None | Some([]) => {
            Some(format!("the topic {name} is not there yet: the server makes it when it starts"))
        }
        Some(partitions) if partitions.iter().all(|partition| partition.leader() < 0) => {
            Some(format!("no partition of the topic {name} has a leader: start its brokers"))
        }
        Some(_) => None,
    }
}

async fn fetch_metadata(brokers: &Brokers) -> Result<Metadata, Error> {
    let brokers = brokers.clone();
    crate::blocking(move || client::fetch_metadata(&brokers, "topics")).await
}

fn find<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a MetadataTopic> {
    metadata.topics().iter().find(|topic| topic.name() == name)
}

/// How many partitions a topic has; 0 where it is not there.
fn count(metadata: &Metadata, name: &str) -> u32 {
    find(metadata, name).map_or(0, |topic| u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX))
}

fn new_topic<'a>(topic: &'a Topic, partitions: u32, replicas: usize) -> NewTopic<'a> {
    // An acknowledged record outlives one broker, and one broker may be away. A stock broker's 1 would not do the
    // first.
    let in_sync = if replicas > 2 { "2" } else { "1" };
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    let replicas = i32::try_from(replicas).unwrap_or(1);
    let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(replicas))
        .set("min.insync.replicas", in_sync);
    topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(10)))
        .operation_timeout(Some(Duration::from_secs(5)))
}

async fn create(admin: &AdminClient<Tracing>, new: &[NewTopic<'_>]) -> Result<(), Error> {
    let Some(first) = new.first() else { return Ok(()) };
    let failed = |topic: &str, source| Error::CreateTopic { topic: topic.to_owned(), source };
    let results = admin.create_topics(new, &options()).await.map_err(|source| failed(first.name, source))?;
    for result in results {
        match result {
            // Somebody else was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(failed(&topic, KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

/// Waits until each of these topics has at least so many partitions, all of them with a leader.
async fn await_leaders(brokers: &Brokers, wanted: &[(&str, u32)]) -> Result<(), Error> {
    let mut attempt = 0;
    loop {
        let metadata = fetch_metadata(brokers).await?;
        let is_ready = |&&(name, partitions): &&(&str, u32)| {
            count(&metadata, name) >= partitions && has_leaders(&metadata, name)
        };
        let Some((waiting, partitions)) = wanted.iter().find(|topic| !is_ready(topic)) else { return Ok(()) };
        attempt += 1;
        if attempt == LEADER_ATTEMPTS {
            let (topic, found) = ((*waiting).to_owned(), count(&metadata, waiting));
            return Err(if found < *partitions {
                Error::PartitionCount { topic, expected: *partitions, found }
            } else {
                Error::AwaitLeaders { topic }
            });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn has_leaders(metadata: &Metadata, name: &str) -> bool {
    find(metadata, name).is_some_and(|topic| {
        !topic.partitions().is_empty() && topic.partitions().iter().all(|partition| partition.leader() >= 0)
    })
}
