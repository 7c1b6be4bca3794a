//! Consumer groups in their coordinator's words: state, members and what each of them owns.
//!
//! librdkafka can ask (`DescribeConsumerGroups`), its Rust wrapper cannot: [`ffi`] is the bridge, and the only module
//! with `unsafe` code. Groups of both protocols, classic and KIP-848, are described.

mod ffi;

use std::time::{Duration, Instant};

use ffi::Pending;
use model::topics::Topics;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::client::{self, Answered, Brokers, PATIENCE, Renewing, Tracing};
use crate::{Error, blocking};

const SILENT: &str = "its coordinator does not answer";

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
    /// Who owns which partition of these topics, which have so many partitions each.
    #[must_use]
    pub fn owners(&self, topics: &Topics, counts: &[usize]) -> model::lag::Group {
        let place = |name: &str| topics.list.iter().position(|topic| topic.name == name);
        let mut owners: Vec<Vec<Option<String>>> = counts.iter().map(|&count| vec![None; count]).collect();
        let mut members = Vec::new();
        for Member { client_id, host, assignment } in &self.members {
            let mut partitions = vec![0; topics.list.len()];
            for (name, partition) in assignment {
                let Some(topic) = place(name) else { continue };
                partitions[topic] += 1;
                let owner = owners.get_mut(topic).and_then(|owners| owners.get_mut(*partition as usize));
                if let Some(owner) = owner.filter(|owner| owner.is_none()) {
                    *owner = Some(client_id.clone());
                }
            }
            if partitions.iter().any(|owned| *owned > 0) {
                let host = host.trim_start_matches('/').to_owned();
                members.push(model::lag::Member { client_id: client_id.clone(), host, partitions });
            }
        }
        model::lag::Group { state: self.state.clone(), owners, members }
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
    let mut client = None;
    let mut is_unknown = false;
    while !ended() {
        let began = Instant::now();
        let answer = ready(&mut client, config).map_err(|error| error.to_string()).and_then(|client| {
            let answer = ask(client.get(), group_id, interval, &publish, &ended);
            client.note(began, Answered::whole(answer.is_ok()));
            answer
        });
        match &answer {
            Err(reason) if !is_unknown && !ended() => {
                tracing::warn!(group_id, reason, "the group's owners are unknown");
            }
            Ok(_) if is_unknown => tracing::info!(group_id, "the group's owners are known again"),
            _ => {}
        }
        is_unknown = answer.is_err();
        publish(answer.ok());
        std::thread::sleep(interval.saturating_sub(began.elapsed()));
    }
}

/// The client to ask with, made or made anew if need be.
fn ready<'c>(
    client: &'c mut Option<Renewing<BaseConsumer<Tracing>>>,
    config: &ClientConfig,
) -> Result<&'c mut Renewing<BaseConsumer<Tracing>>, Error> {
    let ready = match client.take() {
        Some(mut known) => {
            known.renew()?;
            known
        }
        None => {
            let config = config.clone();
            Renewing::new(move || client::create(&config))?
        }
    };
    Ok(client.insert(ready))
}

/// One question. It is given up after a while, since librdkafka forgets to ask for the coordinator again after some
/// errors; the client is then due to be replaced.
fn ask(
    consumer: &BaseConsumer<Tracing>,
    group_id: &str,
    interval: Duration,
    publish: &impl Fn(Option<GroupDescription>),
    ended: &impl Fn() -> bool,
) -> Result<GroupDescription, String> {
    let asked = Instant::now();
    let pending = Pending::new(consumer.client(), group_id)?;
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
}

#[cfg(test)]
mod tests {
    use model::topics::{Tasks, Topic};

    use super::*;

    fn member(client_id: &str, assignment: &[(&str, u32)]) -> Member {
        let assignment = assignment.iter().map(|&(topic, partition)| (topic.to_owned(), partition)).collect();
        Member { client_id: client_id.to_owned(), host: "/127.0.0.1".to_owned(), assignment }
    }

    fn topics() -> Topics {
        Topics { list: ["rq", "rs"].map(Topic::new).to_vec(), tasks: Tasks::Joined }
    }

    #[test]
    fn a_partition_is_owned_by_the_member_that_it_is_assigned_to() {
        let group = GroupDescription {
            state: "Stable".to_owned(),
            members: vec![
                member("a", &[("rq", 0), ("rs", 0), ("rq", 1)]),
                member("b", &[("rs", 1), ("rs", 2), ("rq", 2), ("other", 3), ("rq", 3)]),
            ],
        };
        let owners = |counts: [usize; 2]| {
            let owners = group.owners(&topics(), &counts).task_owners(&topics());
            owners.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()
        };
        assert_eq!(owners([4, 4]), ["a", "", "b", ""]);
        assert_eq!(owners([4, 3]), ["a", "", "b", "b"], "the other topic has no such partition");
        assert_eq!(owners([0, 0]), [""; 0]);
        let of = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
        assert_eq!(
            group.owners(&topics(), &[4, 3]).owners,
            [of(&["a", "a", "b", "b"]), of(&["a", "b", "b"])]
        );
    }

    #[test]
    fn members_are_told_by_what_they_own_of_the_topics() {
        let group = GroupDescription {
            state: "Stable".to_owned(),
            members: vec![
                member("a", &[("rq", 0), ("rs", 0), ("rq", 1), ("other", 1)]),
                member("watcher", &[("other", 3)]),
            ],
        };
        let members = group.owners(&topics(), &[2, 2]).members;
        let expected = model::lag::Member {
            client_id: "a".to_owned(),
            host: "127.0.0.1".to_owned(),
            partitions: vec![2, 1],
        };
        assert_eq!(members, [expected]);
    }
}
