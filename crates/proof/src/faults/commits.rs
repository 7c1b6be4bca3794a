//! Offsets of the group that somebody else sets, or that expire. Kafka allows it when the group has no member.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use kafka::rdkafka::TopicPartitionList;
use kafka::rdkafka::admin::AdminOptions;
use kafka::rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use kafka::rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use kafka::rdkafka::topic_partition_list::Offset;
use kafka::{Brokers, client};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use workload::Input;

use crate::broker::{self, ANSWER};
use crate::names::Names;
use crate::schedule::Commits;

/// A pod that was killed is a member until its session is over, and one that was asked to leave until it has.
const EMPTY_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// So far beyond the end, no log comes within a test.
const AHEAD: i64 = 10_000_000;

pub(super) async fn set(
    brokers: &Brokers,
    names: &Names,
    partitions: u32,
    commits: Commits,
    seed: u64,
) -> Result<()> {
    if commits == Commits::Expired {
        return expire(brokers, names).await;
    }
    let consumer: BaseConsumer = client::sampling(brokers, "somebody", names.group()).create()?;
    let topics = Input::ALL.map(|input| names.input(input));
    let mut rng = StdRng::seed_from_u64(seed);
    tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + EMPTY_LIMIT;
        loop {
            match set_once(&consumer, &topics, partitions, commits, &mut rng) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("cannot set the group's offsets");
                }
                // It has members yet.
                Err(_) => std::thread::sleep(POLL),
            }
        }
    })
    .await?
}

/// In about half of all partitions, at least in one of each input.
fn set_once(
    consumer: &BaseConsumer,
    topics: &[String; 2],
    partitions: u32,
    commits: Commits,
    rng: &mut StdRng,
) -> KafkaResult<()> {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        let certain = rng.random_range(0..partitions);
        for partition in (0..partitions).filter(|&it| it == certain || rng.random_bool(0.5)) {
            all.add_partition(topic, i32::try_from(partition).unwrap_or(0));
        }
    }
    let committed = consumer.committed_offsets(all, ANSWER)?;
    let mut set = TopicPartitionList::new();
    for element in committed.elements() {
        let before = element.offset().to_raw().filter(|&offset| offset >= 0).unwrap_or(0);
        let offset = match commits {
            Commits::Back if rng.random_bool(0.3) => 0,
            Commits::Back => before - rng.random_range(0..=before.min(200)),
            Commits::Ahead | Commits::Expired => {
                let (_, end) = consumer.fetch_watermarks(element.topic(), element.partition(), ANSWER)?;
                end + if rng.random_bool(0.5) { AHEAD } else { rng.random_range(1..500) }
            }
        };
        set.add_partition_offset(element.topic(), element.partition(), Offset::Offset(offset))?;
    }
    consumer.commit(&set, CommitMode::Sync)
}

/// Expired offsets are gone as those of a deleted group are.
async fn expire(brokers: &Brokers, names: &Names) -> Result<()> {
    let admin = broker::admin(brokers)?;
    let deadline = Instant::now() + EMPTY_LIMIT;
    loop {
        let results = admin.delete_groups(&[names.group()], &AdminOptions::new()).await?;
        match results.into_iter().next() {
            Some(Ok(_)) => return Ok(()),
            Some(Err((_, RDKafkaErrorCode::NonEmptyGroup))) if Instant::now() < deadline => {
                tokio::time::sleep(POLL).await;
            }
            Some(Err((group, code))) => bail!("cannot delete the group {group}: {code}"),
            None => bail!("no answer about the group"),
        }
    }
}
