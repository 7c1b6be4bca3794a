//! What every schedule needs of Kafka: its own topics, how far its group is, whether all transactions have ended.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kafka::rdkafka::TopicPartitionList;
use kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use kafka::rdkafka::topic_partition_list::Offset;
use kafka::{Brokers, client, topics};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;
use workload::Input;

use crate::complaint::Complaint;
use crate::names::Names;

/// How long a broker may take from its death to its first answer.
const RESTART_LIMIT: Duration = Duration::from_secs(60);
/// How long pods may take from their start to their first commits.
const FIRST_COMMITS_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
pub(crate) const ANSWER: Duration = Duration::from_secs(3);

pub(crate) type Admin = AdminClient<DefaultClientContext>;

pub(crate) fn admin(brokers: &Brokers) -> Result<Admin> {
    client::base(brokers, "proof").create().context("cannot make an admin client")
}

/// The settings of a schedule's topics. Nothing in them grows old, and some records are in the future.
pub(crate) const SETTINGS: [(&str, &str); 3] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
];

/// How often brokers keep what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replicas {
    pub(crate) inputs: i32,
    /// `SESSIONS`, changelog and dead letters.
    pub(crate) own: i32,
}

/// Makes the topics of a schedule.
pub(crate) async fn create_topics(
    brokers: &Brokers,
    names: &Names,
    partitions: u32,
    replicas: Replicas,
) -> Result<()> {
    let admin = admin(brokers)?;
    for input in Input::ALL {
        create(&admin, &names.input(input), partitions, replicas.inputs).await?;
    }
    for topic in names.own() {
        create(&admin, &topic, partitions, replicas.own).await?;
    }
    let all = names.topics();
    topics::wait_until_present(brokers, &all.each_ref().map(String::as_str)).await?;
    Ok(())
}

/// Makes one topic; it may take a moment until it has leaders.
pub(crate) async fn create(admin: &Admin, topic: &str, partitions: u32, replicas: i32) -> Result<()> {
    let in_sync = (replicas - 1).max(1).to_string();
    let new = NewTopic::new(topic, i32::try_from(partitions)?, TopicReplication::Fixed(replicas))
        .set("min.insync.replicas", &in_sync);
    let new = SETTINGS.iter().fold(new, |new, (key, value)| new.set(key, value));
    let deadline = Instant::now() + RESTART_LIMIT;
    loop {
        let results = admin.create_topics([&new], &AdminOptions::new()).await?;
        match results.into_iter().next() {
            Some(Ok(_)) => return Ok(()),
            // What was deleted is there a little longer; a cluster that has just started may not know all of its
            // brokers yet.
            Some(Err((
                _,
                RDKafkaErrorCode::TopicAlreadyExists | RDKafkaErrorCode::InvalidReplicationFactor,
            ))) if Instant::now() < deadline => {
                tokio::time::sleep(POLL).await;
            }
            Some(Err((topic, code))) => bail!("cannot make {topic}: {code}"),
            None => bail!("no answer about {topic}"),
        }
    }
}

/// Takes everything of a schedule away again. What cannot be deleted now is left to the broker's own end.
pub(crate) async fn delete(brokers: &Brokers, names: &Names) -> Result<()> {
    let admin = admin(brokers)?;
    let topics = names.topics();
    admin.delete_topics(&topics.each_ref().map(String::as_str), &AdminOptions::new()).await?;
    admin.delete_groups(&[names.group()], &AdminOptions::new()).await?;
    Ok(())
}

/// The application's own topics that have fewer partitions than the inputs.
pub(crate) async fn too_small(brokers: &Brokers, names: &Names, inputs: u32) -> Result<Vec<Complaint>> {
    let (consumer, own): (BaseConsumer, _) = (client::base(brokers, "proof").create()?, names.own());
    tokio::task::spawn_blocking(move || {
        let mut complaints = Vec::new();
        for topic in own {
            let partitions = partitions(&consumer, &topic)?;
            if partitions < inputs {
                complaints.push(Complaint::TopicTooSmall { topic, partitions, inputs });
            }
        }
        Ok(complaints)
    })
    .await?
}

/// How many partitions a topic has. Blocks.
pub(crate) fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<u32> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic)
        .map_or(0, |found| found.partitions().len());
    Ok(u32::try_from(found)?)
}

/// Asks how far the group is.
pub(crate) struct Progress {
    consumer: BaseConsumer,
    partitions: TopicPartitionList,
}

impl Progress {
    pub(crate) fn new(brokers: &Brokers, names: &Names, inputs: &[Input], partitions: u32) -> Result<Self> {
        let consumer = client::sampling(brokers, "proof", names.group()).create()?;
        let mut list = TopicPartitionList::new();
        for topic in inputs.iter().map(|&input| names.input(input)) {
            for partition in 0..i32::try_from(partitions)? {
                list.add_partition(&topic, partition);
            }
        }
        Ok(Self { consumer, partitions: list })
    }

    /// The partitions whose end is not committed: topic, partition, committed offset, end.
    pub(crate) async fn behind(self) -> Result<(Self, Vec<String>)> {
        tokio::task::spawn_blocking(move || {
            let behind = self.ask().unwrap_or_else(|error| vec![error.to_string()]);
            (self, behind)
        })
        .await
        .context("asking for the group's offsets panicked")
    }

    fn ask(&self) -> KafkaResult<Vec<String>> {
        let committed = self.consumer.committed_offsets(self.partitions.clone(), ANSWER)?;
        let mut behind = Vec::new();
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let (_, end) = self.consumer.fetch_watermarks(topic, partition, ANSWER)?;
            if element.offset() != Offset::Offset(end) {
                behind.push(format!("{topic}/{partition}: committed {:?}, end {end}", element.offset()));
            }
        }
        Ok(behind)
    }
}

/// Waits until the group has committed something in each of these partitions of an input.
pub(crate) async fn first_commits(
    brokers: &Brokers,
    names: &Names,
    input: Input,
    partitions: BTreeSet<u32>,
) -> Result<()> {
    let consumer: BaseConsumer = client::sampling(brokers, "proof", names.group()).create()?;
    let topic = names.input(input);
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&topic, i32::try_from(partition)?);
    }
    let deadline = Instant::now() + FIRST_COMMITS_LIMIT;
    tokio::task::spawn_blocking(move || {
        loop {
            let committed = consumer.committed_offsets(list.clone(), ANSWER);
            let is_there = |offset: Offset| matches!(offset, Offset::Offset(_));
            match committed.map(|list| list.elements().iter().all(|element| is_there(element.offset()))) {
                Ok(true) => return Ok(()),
                Ok(false) | Err(_) if Instant::now() < deadline => std::thread::sleep(POLL),
                Ok(false) => bail!("no first commit in every partition of {topic}"),
                Err(error) => return Err(error).context("the group's first commits"),
            }
        }
    })
    .await?
}

/// Waits until no transaction is open in a topic: then what is committed is all there will be.
pub(crate) async fn settled(brokers: &Brokers, topic: &str, limit: Duration) -> Result<Option<Complaint>> {
    let config = |isolation: &str| {
        let mut config = client::base(brokers, "proof");
        config.set("group.id", "proof").set("isolation.level", isolation).clone()
    };
    let stable: BaseConsumer = config("read_committed").create()?;
    let all: BaseConsumer = config("read_uncommitted").create()?;
    let topic = topic.to_owned();
    let deadline = Instant::now() + limit;
    tokio::task::spawn_blocking(move || {
        loop {
            // A leader that is elected just now does not answer; the next one does.
            match open_partition(&stable, &all, &topic) {
                Ok(None) => return Ok(None),
                Ok(partition) if Instant::now() > deadline => {
                    return Ok(Some(Complaint::OpenTransaction { topic, partition }));
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Ok(Some(_)) | Err(_) => std::thread::sleep(POLL),
            }
        }
    })
    .await?
}

/// The first partition of a topic in which a transaction is open.
fn open_partition(stable: &BaseConsumer, all: &BaseConsumer, topic: &str) -> Result<Option<u32>> {
    for partition in 0..partitions(all, topic)? {
        let end = |consumer: &BaseConsumer| -> Result<i64> {
            Ok(consumer.fetch_watermarks(topic, i32::try_from(partition)?, ANSWER)?.1)
        };
        if end(stable)? != end(all)? {
            return Ok(Some(partition));
        }
    }
    Ok(None)
}

/// Waits until no transaction is open among the group's offsets, of whichever partition: a client that asks for stable
/// ones is not answered before.
pub(crate) async fn group_settled(
    brokers: &Brokers,
    names: &Names,
    limit: Duration,
) -> Result<Option<Complaint>> {
    let mut config = client::base(brokers, "proof");
    let consumer: BaseConsumer =
        config.set("group.id", names.group()).set("isolation.level", "read_committed").create()?;
    let (inputs, group) = (Input::ALL.map(|input| names.input(input)), names.group().to_owned());
    let deadline = Instant::now() + limit;
    tokio::task::spawn_blocking(move || {
        let mut list = TopicPartitionList::new();
        for input in &inputs {
            list.add_partition_range(input, 0, i32::try_from(partitions(&consumer, input)?)? - 1);
        }
        while consumer.committed_offsets(list.clone(), Duration::from_secs(1)).is_err() {
            if Instant::now() > deadline {
                return Ok(Some(Complaint::OpenTransaction { topic: group, partition: None }));
            }
        }
        Ok(None)
    })
    .await?
}

/// Kills the broker's process, whose id is in a file. Its supervisor starts another one.
pub(crate) fn kill(pid_file: &Path) -> Result<()> {
    let pid = std::fs::read_to_string(pid_file).context("cannot read the id of the broker's process")?;
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).context("the broker is not running")?;
    kill_process(pid, Signal::KILL).context("cannot kill the broker")
}

/// Waits until a broker that was killed is there again.
pub(crate) async fn answers(brokers: &Brokers) -> Result<()> {
    let deadline = Instant::now() + RESTART_LIMIT;
    while kafka::client::describe_broker(brokers).await.is_err() {
        ensure!(Instant::now() < deadline, "the broker does not answer {RESTART_LIMIT:?} after its death");
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
