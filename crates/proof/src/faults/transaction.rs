//! A transaction of somebody else's in an input. Its records are malformed: if they count at all, then as dead letters.

use std::time::Duration;

use anyhow::{Context, Result};
use kafka::rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use kafka::{Brokers, client};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use workload::Input;

use crate::names::Names;
use crate::schedule::Ending;

const LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Transaction {
    producer: ThreadedProducer<DefaultProducerContext>,
    records: usize,
}

impl Transaction {
    /// Begins it, with some records in about a third of the input's partitions.
    pub(super) async fn open(
        brokers: &Brokers,
        names: &Names,
        input: Input,
        partitions: u32,
        seed: u64,
    ) -> Result<Self> {
        let mut config = client::transactional(brokers, "somebody", &format!("{}-somebody", names.group()));
        config.set("transaction.timeout.ms", "60000");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
        let topic = names.input(input);
        tokio::task::spawn_blocking(move || {
            producer.init_transactions(LIMIT).context("beginning a foreign transaction")?;
            producer.begin_transaction()?;
            let mut rng = StdRng::seed_from_u64(seed);
            let mut chosen: Vec<u32> = (0..partitions).collect();
            chosen.shuffle(&mut rng);
            chosen.truncate(usize::try_from(partitions.div_ceil(3))?);
            let mut records = 0;
            for partition in chosen {
                for _ in 0..rng.random_range(1..=5) {
                    let record = BaseRecord::to(&topic)
                        .partition(i32::try_from(partition)?)
                        .key("somebody's")
                        .payload("record");
                    producer.send(record).map_err(|(error, _)| error)?;
                    records += 1;
                }
            }
            producer.flush(LIMIT)?;
            Ok(Self { producer, records })
        })
        .await?
    }

    /// Ends it. How many records count.
    pub(super) async fn close(self, ending: Ending) -> Result<usize> {
        let Self { producer, records } = self;
        tokio::task::spawn_blocking(move || {
            let (ended, count) = match ending {
                Ending::Abort => (producer.abort_transaction(LIMIT), 0),
                Ending::Commit => (producer.commit_transaction(LIMIT), records),
            };
            ended.context("ending a foreign transaction")?;
            Ok(count)
        })
        .await?
    }
}
