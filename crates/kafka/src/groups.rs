//! Consumer groups in their coordinator's words: state, members and what each of them owns.
//!
//! librdkafka can ask (`DescribeConsumerGroups`), its Rust wrapper cannot: [`ffi`] is the bridge, and the only module
//! with `unsafe` code. Groups of both protocols, classic and KIP-848, are described.

mod ffi;

use std::time::{Duration, Instant};

use ffi::Pending;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::client::{self, Brokers, Tracing};
use crate::{Error, blocking};

const SILENT: &str = "its coordinator does not answer";
/// A request that is pending for so long is given up together with its client: librdkafka forgets to ask for the
/// coordinator again after some errors.
const PATIENCE: Duration = Duration::from_secs(5);

/// A group, as the coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// As Kafka spells it; an unknown group is `Dead`, and a KIP-848 group that reconciles is `Unknown`.
    pub state: String,
    /// Its members, in the coordinator's order.
    pub members: Vec<Member>,
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its `client.id`, which is the pod's name.
    pub client_id: String,
    /// The address that it came from, for example `/10.244.0.7`.
    pub host: String,
    /// The partitions that it owns; empty while the group is between two assignments.
    pub assignment: Vec<(String, u32)>,
}

impl GroupDescription {
    /// Who owns which pair of partitions: the member that owns partition p of both inputs owns pair p.
    #[must_use]
    pub fn owners(&self, inputs: &[String; 2], partitions: u32) -> model::lag::Group {
        let owner = |partition| {
            let owns = |member: &&Member| {
                let has = |topic: &String| {
                    member.assignment.iter().any(|(name, owned)| name == topic && *owned == partition)
                };
                inputs.iter().all(has)
            };
            self.members.iter().find(owns).map(|member| member.client_id.clone())
        };
        model::lag::Group { state: self.state.clone(), owners: (0..partitions).map(owner).collect() }
    }
}

/// Asks the coordinator once, over a connection of its own.
pub async fn describe(brokers: &Brokers, group_id: &str) -> Result<GroupDescription, Error> {
    let (config, group_id) = (client::base(brokers, "groups"), group_id.to_owned());
    blocking(move || describe_once(&config, &group_id)).await
}

/// Asks the coordinator once, over a connection of its own; blocks.
pub(crate) fn describe_once(config: &ClientConfig, group_id: &str) -> Result<GroupDescription, Error> {
    let consumer: BaseConsumer<Tracing> = client::create(config)?;
    let failed = |reason: String| Error::DescribeGroup { group_id: group_id.to_owned(), reason };
    let pending = Pending::new(consumer.client(), group_id).map_err(failed)?;
    match pending.wait(client::REQUEST_TIMEOUT) {
        Some(answer) => answer.map_err(failed),
        None => Err(failed(SILENT.to_owned())),
    }
}

/// Asks again and again, and calls `publish` with every answer, or with `None` where there is none in time. Blocks
/// until `ended` says so.
pub(crate) fn follow(
    config: &ClientConfig,
    group_id: &str,
    interval: Duration,
    publish: impl Fn(Option<GroupDescription>),
    ended: impl Fn() -> bool,
) {
    while !ended() {
        match client::create(config) {
            Ok(consumer) => follow_with(&consumer, group_id, interval, &publish, &ended),
            Err(error) => {
                tracing::warn!(%error, "the group's owners are unknown");
                publish(None);
                std::thread::sleep(interval);
            }
        }
    }
}

/// The same over one client, for as long as a client may live.
fn follow_with(
    consumer: &BaseConsumer<Tracing>,
    group_id: &str,
    interval: Duration,
    publish: &impl Fn(Option<GroupDescription>),
    ended: &impl Fn() -> bool,
) {
    let started = Instant::now();
    while !ended() && started.elapsed() < client::LIFETIME {
        let asked = Instant::now();
        let answer = Pending::new(consumer.client(), group_id).and_then(|pending| {
            loop {
                // Nobody else takes the log lines of this client out of its queue.
                consumer.poll(Duration::ZERO);
                match pending.wait(interval) {
                    Some(answer) => return answer,
                    None if ended() || asked.elapsed() > PATIENCE => return Err(SILENT.to_owned()),
                    None if asked.elapsed() > client::SAMPLE_TIMEOUT => publish(None),
                    None => {}
                }
            }
        });
        publish(answer.inspect_err(|reason| tracing::debug!(reason, "the group's owners are unknown")).ok());
        if asked.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(interval.saturating_sub(asked.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(client_id: &str, assignment: &[(&str, u32)]) -> Member {
        let assignment = assignment.iter().map(|&(topic, partition)| (topic.to_owned(), partition)).collect();
        Member { client_id: client_id.to_owned(), host: "/127.0.0.1".to_owned(), assignment }
    }

    #[test]
    fn a_pair_is_owned_when_both_inputs_belong_to_the_same_member() {
        let group = GroupDescription {
            state: "Stable".to_owned(),
            members: vec![
                member("a", &[("rq", 0), ("rs", 0), ("rq", 1)]),
                member("b", &[("rs", 1), ("rs", 2), ("rq", 2), ("other", 3), ("rq", 3)]),
            ],
        };
        let owners = group.owners(&["rq".to_owned(), "rs".to_owned()], 4).owners;
        let owners: Vec<Option<&str>> = owners.iter().map(Option::as_deref).collect();
        assert_eq!(owners, [Some("a"), None, Some("b"), None]);
    }
}
