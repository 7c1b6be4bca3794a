//! How many partitions topics have, and adding some.
//!
//! Nobody takes partitions away: Kafka cannot.

use std::fmt;

use rdkafka::admin::{AdminClient, NewPartitions};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Growth, Topic, await_leaders, count, fetch_metadata, options};
use crate::Error;
use crate::client::{self, Brokers, Tracing};

/// A topic that was given more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Its name.
    pub topic: String,
    /// How many partitions it had.
    pub from: u32,
    /// How many it has now.
    pub to: u32,
}

/// `SESSIONS from 12 to 13 partitions`
impl fmt::Display for Grown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, from, to } = self;
        write!(f, "{topic} from {from} to {to} partitions")
    }
}

/// Gives each of these topics at least so many partitions, and returns when all of them have leaders. Returns those
/// that grew now: what somebody else was quicker with is left out.
///
/// # Errors
/// [`Error::TopicMissing`] where one of them is not there, and [`Error::GrowTopic`] where the controller refuses.
pub async fn grow(brokers: &Brokers, topics: &[&str], partitions: u32) -> Result<Vec<Grown>, Error> {
    let mut small = Vec::new();
    for (topic, found) in topics.iter().zip(partition_counts(brokers, topics).await?) {
        match found {
            None => return Err(Error::TopicMissing { topic: (*topic).to_owned() }),
            Some(from) if from < partitions => {
                small.push(Grown { topic: (*topic).to_owned(), from, to: partitions });
            }
            Some(_) => {}
        }
    }
    if small.is_empty() {
        return Ok(small);
    }
    let admin: AdminClient<Tracing> = client::create(&client::base(brokers, "topics"))?;
    let grown = add(&admin, &small).await?;
    let wanted: Vec<(&str, u32)> = small.iter().map(|topic| (topic.topic.as_str(), topic.to)).collect();
    await_leaders(brokers, &wanted).await?;
    Ok(grown)
}

/// How many partitions each of these topics has, in the same order; `None` where it is not there, or may not be seen.
pub async fn partition_counts(brokers: &Brokers, topics: &[&str]) -> Result<Vec<Option<u32>>, Error> {
    let metadata = fetch_metadata(brokers).await?;
    let found = topics.iter().map(|topic| count(&metadata, topic));
    Ok(found.map(|found| (found > 0).then_some(found)).collect())
}

/// Asks the controller for the partitions that are missing. Returns those topics that it gave some to.
pub(super) async fn add(admin: &AdminClient<Tracing>, small: &[Grown]) -> Result<Vec<Grown>, Error> {
    let Some(first) = small.first() else { return Ok(Vec::new()) };
    let failed = |topic: &Grown, source| {
        let Grown { topic, from, to } = topic.clone();
        Error::GrowTopic { topic, found: from, needed: to, source }
    };
    let new: Vec<NewPartitions<'_>> = small
        .iter()
        .map(|topic| NewPartitions::new(&topic.topic, usize::try_from(topic.to).unwrap_or(usize::MAX)))
        .collect();
    let results = admin.create_partitions(&new, &options()).await.map_err(|source| failed(first, source))?;
    let mut grown = Vec::new();
    for result in results {
        let (name, outcome) = match result {
            Ok(name) => (name, Ok(())),
            Err((name, code)) => (name, Err(code)),
        };
        let topic = small.iter().find(|topic| topic.topic == name).unwrap_or(first);
        match outcome {
            Ok(()) => grown.push(topic.clone()),
            // Somebody else was quicker. Whether that is so is seen when the leaders are waited for.
            Err(RDKafkaErrorCode::InvalidPartitions) => {}
            Err(code) => return Err(failed(topic, KafkaError::AdminOp(code))),
        }
    }
    Ok(grown)
}

/// What is to be done about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// It is not there.
    Make { topic: &'a Topic, partitions: u32 },
    /// It has too few partitions.
    Grow { topic: &'a Topic, from: u32, to: u32 },
}

impl<'a> Step<'a> {
    pub(super) fn topic(&self) -> &'a str {
        match *self {
            Self::Make { topic, .. } | Self::Grow { topic, .. } => &topic.name,
        }
    }

    pub(super) fn partitions(&self) -> u32 {
        match *self {
            Self::Make { partitions, .. } => partitions,
            Self::Grow { to, .. } => to,
        }
    }
}

/// What must be done, where `found` says how many partitions a topic has, and 0 for one that is not there.
pub(super) fn plan(topics: &[Topic], found: impl Fn(&str) -> u32) -> Result<Vec<Step<'_>>, Error> {
    let inputs = topics.iter().filter(|topic| topic.growth == Growth::ByOperators);
    let largest_input =
        inputs.map(|topic| topic.partitions.max(found(&topic.name))).max().unwrap_or_default();
    let mut steps = Vec::new();
    for topic in topics {
        let found = found(&topic.name);
        let partitions = match topic.growth {
            Growth::ByOperators | Growth::WithInputs => topic.partitions.max(largest_input),
            Growth::Never => topic.partitions,
        };
        let is_refused = match topic.growth {
            Growth::ByOperators => found < topic.partitions,
            Growth::WithInputs => false,
            Growth::Never => found != topic.partitions,
        };
        if found == 0 {
            steps.push(Step::Make { topic, partitions });
        } else if is_refused {
            return Err(Error::PartitionCount {
                topic: topic.name.clone(),
                expected: topic.partitions,
                found,
            });
        } else if topic.growth == Growth::WithInputs && found < partitions {
            steps.push(Step::Grow { topic, from: found, to: partitions });
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps for an input each, an output and a topic of one partition, which have so many partitions now.
    fn steps(found: [u32; 4]) -> Result<Vec<(String, u32, u32)>, String> {
        let topics = [Topic::records("a"), Topic::records("b"), Topic::changelog("c"), Topic::control("d")];
        let count = |name: &str| found[topics.iter().position(|topic| topic.name == name).unwrap()];
        let steps = plan(&topics, count).map_err(|error| error.to_string())?;
        let from = |step: &Step<'_>| match *step {
            Step::Make { .. } => 0,
            Step::Grow { from, .. } => from,
        };
        Ok(steps.iter().map(|step| (step.topic().to_owned(), from(step), step.partitions())).collect())
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_too_small_grows() {
        let step = |topic: &str, from, to| (topic.to_owned(), from, to);
        for (found, expected) in [
            ([12, 12, 12, 1], vec![]),
            ([0, 0, 0, 0], vec![step("a", 0, 12), step("b", 0, 12), step("c", 0, 12), step("d", 0, 1)]),
            ([12, 13, 12, 1], vec![step("c", 12, 13)]),
            ([14, 13, 13, 1], vec![step("c", 13, 14)]),
            ([13, 13, 13, 1], vec![]),
            ([12, 12, 24, 1], vec![]),
            ([13, 0, 12, 1], vec![step("b", 0, 13), step("c", 12, 13)]),
            ([13, 13, 0, 1], vec![step("c", 0, 13)]),
        ] {
            assert_eq!(steps(found), Ok(expected), "{found:?}");
        }
    }

    #[test]
    fn an_input_that_is_too_small_and_a_second_partition_of_control_are_refused() {
        for (found, expected) in [
            ([11, 12, 12, 1], "the topic a has 11 partitions and needs 12: add the others"),
            ([12, 12, 12, 2], "the topic d has 2 partitions and needs 1: delete it"),
        ] {
            let error = steps(found).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
