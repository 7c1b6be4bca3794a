//! Inputs whose topics change: they grow, or are deleted and made anew.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use kafka::rdkafka::admin::{AdminOptions, NewPartitions};
use kafka::rdkafka::consumer::BaseConsumer;
use kafka::{Brokers, client, topics};
use tokio::time::Instant;
use workload::Input;

use crate::broker::{self, Progress};
use crate::log::{self, Record};
use crate::names::Names;

/// How long a change may take to be seen by everybody.
const LIMIT: Duration = Duration::from_secs(10);
/// An input that is ended and not committed for longer than this would count as idle, and the outcome depend on the
/// clock.
const COMMIT_LIMIT: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(50);

/// Adds partitions to both inputs, responses last, so that there are some without their counterparts for a moment.
pub(crate) async fn grow(brokers: &Brokers, names: &Names, partitions: u32) -> Result<()> {
    let admin = broker::admin(brokers)?;
    let inputs = Input::ALL.map(|input| names.input(input));
    for topic in &inputs {
        let new = NewPartitions::new(topic, usize::try_from(partitions)?);
        let results = admin.create_partitions([&new], &AdminOptions::new()).await?;
        if let Some((_, code)) = results.into_iter().find_map(Result::err) {
            bail!("cannot add partitions to {topic}: {code}");
        }
        tokio::time::sleep(POLL).await;
    }
    let consumer: BaseConsumer = client::base(brokers, "proof").create()?;
    let seen = inputs.clone();
    tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + LIMIT;
        for topic in &seen {
            while broker::partitions(&consumer, topic)? < partitions {
                ensure!(Instant::now() < deadline, "{topic} has not grown");
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    })
    .await??;
    topics::wait_until_present(brokers, &inputs.each_ref().map(String::as_str)).await?;
    Ok(())
}

/// Deletes an input when all of it is committed, and makes it anew. What was in it.
pub(crate) async fn recreate(
    brokers: &Brokers,
    names: &Names,
    input: Input,
    partitions: u32,
) -> Result<Vec<Vec<Record>>> {
    let topic = names.input(input);
    let mut progress = Progress::new(brokers, names, &[input], partitions)?;
    let deadline = Instant::now() + COMMIT_LIMIT;
    loop {
        let (asked, behind) = progress.behind().await?;
        if behind.is_empty() {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "{topic} is not committed {COMMIT_LIMIT:?} after its last record: {}",
            behind.join(", ")
        );
        progress = asked;
        tokio::time::sleep(POLL).await;
    }
    let old = log::read(brokers, &topic).await?;
    let admin = broker::admin(brokers)?;
    let results = admin.delete_topics(&[&topic], &AdminOptions::new()).await?;
    if let Some((_, code)) = results.into_iter().find_map(Result::err) {
        bail!("cannot delete {topic}: {code}");
    }
    broker::create(&admin, &topic, partitions, 1).await?;
    topics::wait_until_present(brokers, &[&topic]).await?;
    Ok(old)
}
