//! What a schedule needs of the broker: its own topics, how far its group is, and a sudden death.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::rdkafka::TopicPartitionList;
use kafka::rdkafka::admin::{AdminClient, AdminOptions};
use kafka::rdkafka::client::DefaultClientContext;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::topic_partition_list::Offset;
use kafka::topics::{self, Topic};
use kafka::{Brokers, client};
use model::Input;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::names::Names;

/// How long a broker may take from its death to its first answer.
const RESTART_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const ANSWER: Duration = Duration::from_secs(3);

/// Makes the topics of a schedule. Nothing in them grows old, and some records are in the future.
pub(crate) async fn create_topics(brokers: &Brokers, names: &Names, partitions: u32) -> Result<()> {
    let config = vec![
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
    ];
    let topics =
        names.topics().map(|name| Topic { partitions, config: config.clone(), ..Topic::records(&name) });
    topics::ensure(brokers, &topics).await?;
    Ok(())
}

/// Takes everything of a schedule away again. What cannot be deleted now is left to the broker's own end.
pub(crate) async fn delete(brokers: &Brokers, names: &Names) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client::base(brokers, "proof").create()?;
    let topics = names.topics();
    admin.delete_topics(&topics.each_ref().map(String::as_str), &AdminOptions::new()).await?;
    admin.delete_groups(&[names.group()], &AdminOptions::new()).await?;
    Ok(())
}

/// Asks how far the group is.
pub(crate) struct Progress {
    consumer: BaseConsumer,
    partitions: TopicPartitionList,
}

impl Progress {
    pub(crate) fn new(brokers: &Brokers, names: &Names, partitions: u32) -> Result<Self> {
        let consumer = client::sampling(brokers, "proof", names.group()).create()?;
        let mut list = TopicPartitionList::new();
        for topic in Input::ALL.map(|input| names.input(input)) {
            for partition in 0..i32::try_from(partitions)? {
                list.add_partition(&topic, partition);
            }
        }
        Ok(Self { consumer, partitions: list })
    }

    /// The partitions whose end is not committed: topic, partition, committed offset, end. Blocks.
    pub(crate) fn behind(&self) -> Result<Vec<String>> {
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

/// Waits until no transaction is open in a topic: then what is committed is all there will be.
pub(crate) async fn settled(brokers: &Brokers, topic: &str, partitions: u32, limit: Duration) -> Result<()> {
    let config = |isolation: &str| {
        let mut config = client::base(brokers, "proof");
        config.set("group.id", "proof").set("isolation.level", isolation).clone()
    };
    let stable: BaseConsumer = config("read_committed").create()?;
    let all: BaseConsumer = config("read_uncommitted").create()?;
    let topic = topic.to_owned();
    let deadline = Instant::now() + limit;
    tokio::task::spawn_blocking(move || {
        for partition in 0..i32::try_from(partitions)? {
            let end = |consumer: &BaseConsumer| consumer.fetch_watermarks(&topic, partition, ANSWER);
            while end(&stable)?.1 != end(&all)?.1 {
                ensure!(Instant::now() < deadline, "a transaction in {topic}/{partition} stays open");
                std::thread::sleep(POLL);
            }
        }
        Ok(())
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
