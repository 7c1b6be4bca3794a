//! The topics of the show: what they look like, making them, and waiting until somebody made them.
//!
//! Existing topics are left as they are; only a wrong number of partitions is an error, since partition p of both
//! inputs must meet in one pod.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};

use crate::Error;
use crate::client::{self, Brokers, Tracing};

/// The compacted topic that holds the load settings and the policy in force.
pub const CONTROL: &str = "KING-CONTROL";
/// The topic that holds a summary of each second of the last quarter of an hour.
pub const HISTORY: &str = "KING-HISTORY";

const REPLICAS_WANTED: usize = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long the leaders of a new topic may take: a cluster of three elects them in well under a second.
const LEADER_ATTEMPTS: u32 = 40;

/// One topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it must have.
    pub partitions: u32,
    /// Its configuration, where it differs from the broker's defaults.
    pub config: Vec<(&'static str, &'static str)>,
}

impl Topic {
    /// One of the inputs or `SESSIONS`: an hour at most and 64 MB a partition, so that a laptop's disk does not fill.
    #[must_use]
    pub fn records(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "delete"),
            ("retention.ms", "3600000"),
            ("retention.bytes", "67108864"),
            ("segment.bytes", "16777216"),
        ];
        Self { name: name.to_owned(), partitions: model::PARTITIONS, config }
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
        Self { name: name.to_owned(), partitions: model::PARTITIONS, config }
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
        Self { name: name.to_owned(), partitions: model::PARTITIONS, config }
    }

    /// The newest record of each key, for ever.
    #[must_use]
    pub fn control(name: &str) -> Self {
        let config = vec![
            ("cleanup.policy", "compact"),
            ("min.cleanable.dirty.ratio", "0.1"),
            ("segment.ms", "600000"),
        ];
        Self { name: name.to_owned(), partitions: 1, config }
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
        Self { name: name.to_owned(), partitions: 1, config }
    }
}

/// All topics of the show.
#[must_use]
pub fn all() -> Vec<Topic> {
    let mut topics: Vec<Topic> =
        [model::REQUESTS, model::RESPONSES, model::SESSIONS].into_iter().map(Topic::records).collect();
    topics.push(Topic::changelog(model::CHANGELOG));
    topics.push(Topic::dead_letters(model::DEAD_LETTERS));
    topics.push(Topic::control(CONTROL));
    topics.push(Topic::history(HISTORY));
    topics
}

/// Makes those topics that are missing, and returns when all have leaders. Calling it again changes nothing.
///
/// Returns the names of the topics that were made now.
pub async fn ensure(brokers: &Brokers, topics: &[Topic]) -> Result<Vec<String>, Error> {
    let admin: AdminClient<Tracing> = client::create(&client::base(brokers, "topics"))?;
    let (missing, replicas) = {
        let metadata = fetch_metadata(brokers).await?;
        (missing(&metadata, topics)?, metadata.brokers().len().clamp(1, REPLICAS_WANTED))
    };
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    create(&admin, &missing, replicas).await?;
    await_leaders(brokers, &missing).await?;
    Ok(missing.into_iter().map(|topic| topic.name.clone()).collect())
}

/// Waits until all these topics exist and have leaders, however long that takes; the caller ends it by dropping it.
/// A broker that does not answer is waited for as well. What is waited for is logged once.
///
/// # Errors
/// Those that waiting does not cure: Kafka refuses the credentials, or its certificate is not accepted.
pub async fn wait_until_present(brokers: &Brokers, names: &[&str]) -> Result<(), Error> {
    let mut told = String::new();
    loop {
        let reason = match fetch_metadata(brokers).await {
            Ok(metadata) => match names.iter().find(|name| !has_leaders(&metadata, name)) {
                None => return Ok(()),
                Some(name) => {
                    format!("the topic {name} is not there yet: the server makes it when it starts")
                }
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

async fn fetch_metadata(brokers: &Brokers) -> Result<Metadata, Error> {
    let brokers = brokers.clone();
    crate::blocking(move || client::fetch_metadata(&brokers, "topics")).await
}

fn find<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a MetadataTopic> {
    metadata.topics().iter().find(|topic| topic.name() == name)
}

fn missing<'a>(metadata: &Metadata, topics: &'a [Topic]) -> Result<Vec<&'a Topic>, Error> {
    let mut missing = Vec::new();
    for topic in topics {
        match find(metadata, &topic.name).map(|found| found.partitions().len()) {
            None | Some(0) => missing.push(topic),
            Some(found) if found == topic.partitions as usize => {}
            Some(found) => {
                return Err(Error::PartitionCount {
                    topic: topic.name.clone(),
                    expected: topic.partitions,
                    found,
                });
            }
        }
    }
    Ok(missing)
}

async fn create(admin: &AdminClient<Tracing>, topics: &[&Topic], replicas: usize) -> Result<(), Error> {
    let replicas = i32::try_from(replicas).unwrap_or(1);
    // An acknowledged record outlives one broker, and one broker may be away. A stock broker's 1 would not do the first.
    let in_sync = (replicas - 1).max(1).to_string();
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
            let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(replicas))
                .set("min.insync.replicas", &in_sync);
            topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(10)))
        .operation_timeout(Some(Duration::from_secs(5)));
    let failed = |topic: &str, source| Error::CreateTopic { topic: topic.to_owned(), source };
    let results = admin
        .create_topics(&new, &options)
        .await
        .map_err(|source| failed(topics.first().map_or("", |topic| &topic.name), source))?;
    for result in results {
        match result {
            // Somebody else was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(failed(&topic, KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

async fn await_leaders(brokers: &Brokers, topics: &[&Topic]) -> Result<(), Error> {
    let mut attempt = 0;
    loop {
        let metadata = fetch_metadata(brokers).await?;
        let Some(waiting) = topics.iter().find(|topic| !has_leaders(&metadata, &topic.name)) else {
            return missing(&metadata, &topics.iter().map(|&topic| topic.clone()).collect::<Vec<_>>())
                .map(drop);
        };
        attempt += 1;
        if attempt == LEADER_ATTEMPTS {
            return Err(Error::AwaitLeaders { topic: waiting.name.clone() });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn has_leaders(metadata: &Metadata, name: &str) -> bool {
    find(metadata, name).is_some_and(|topic| {
        !topic.partitions().is_empty() && topic.partitions().iter().all(|partition| partition.leader() >= 0)
    })
}
