//! Another consumer in the pods' group, as somebody may start it by mistake: it commits what it reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::{Brokers, client};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use workload::Input;

use crate::names::Names;
use crate::schedule::Protocol;

const POLL: Duration = Duration::from_millis(50);
/// How long it may take to get a partition, and a record from it.
const READ_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct ForeignMember {
    leaves: Arc<AtomicBool>,
    read: Arc<AtomicUsize>,
    reading: JoinHandle<()>,
}

impl ForeignMember {
    pub(super) fn join(brokers: &Brokers, names: &Names, input: Input, protocol: Protocol) -> Result<Self> {
        let mut config = client::base(brokers, "foreign-member");
        config
            .set("group.id", names.group())
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "200")
            .set("auto.offset.reset", "earliest");
        match protocol {
            Protocol::Consumer => config.set("group.protocol", "consumer"),
            Protocol::Classic => config.set("partition.assignment.strategy", "range"),
        };
        let consumer: BaseConsumer = config.create()?;
        consumer.subscribe(&[&names.input(input)])?;
        let (leaves, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (asked, counted) = (Arc::clone(&leaves), Arc::clone(&read));
        let reading = tokio::task::spawn_blocking(move || {
            while !asked.load(Ordering::Acquire) {
                if let Some(Ok(_)) = consumer.poll(POLL) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Its end commits once more and leaves the group.
            drop(consumer);
        });
        Ok(Self { leaves, read, reading })
    }

    /// Leaves when it has read something, which takes a while where it joined late.
    pub(super) async fn leave(self) -> Result<()> {
        let deadline = Instant::now() + READ_LIMIT;
        while self.read.load(Ordering::Relaxed) == 0 && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        self.leaves.store(true, Ordering::Release);
        self.reading.await?;
        ensure!(
            self.read.load(Ordering::Relaxed) > 0,
            "the foreign member has read nothing: it took nothing away"
        );
        Ok(())
    }
}
