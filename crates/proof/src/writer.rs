//! Writes a load into the two topics, at its pace or all at once, and changes the topics on the way where the schedule
//! says so.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use kafka::{Brokers, client};
use tokio::time::Instant;
use workload::Input;

use crate::load::Planned;
use crate::names::Names;

/// How the load is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As its times say from this instant on, while the pods read it.
    Live(Instant),
    /// As fast as it goes.
    AtOnce,
}

/// Writes all records in their order and waits until Kafka has them.
///
/// # Errors
/// When a record cannot be written.
pub(crate) async fn write<'a>(
    brokers: &Brokers,
    names: &Names,
    records: impl IntoIterator<Item = &'a Planned>,
    pace: Pace,
) -> Result<()> {
    let mut config = client::producer(brokers, "proof");
    config
        .set("delivery.report.only.error", "false")
        // Of several batches under way to a new partition the first may be refused and the second accepted, since the
        // broker knows nothing of the producer yet; the first then counts as a duplicate, and is lost.
        .set("max.in.flight.requests.per.connection", "1")
        .set("linger.ms", "20");
    let producer: FutureProducer = config.create().context("cannot make a producer")?;
    let topics = Input::ALL.map(|input| names.input(input));
    let mut deliveries = Vec::new();
    for planned in records {
        if let Pace::Live(start) = pace {
            let at_ms = u64::try_from(planned.at_ms).unwrap_or(0);
            tokio::time::sleep_until(start + Duration::from_millis(at_ms)).await;
        }
        let topic = &topics[usize::from(planned.input == Input::Responses)];
        let delivery = loop {
            match producer.send_result(record(topic, planned)?) {
                Ok(delivery) => break delivery,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(error).context("cannot write a record"),
            }
        };
        deliveries.push((planned.input, planned.partition, delivery));
    }
    let mut next = HashMap::new();
    for (input, partition, delivery) in deliveries {
        let delivery = delivery.await?.map_err(|(error, _)| error).context("a record was not written")?;
        let next = next.entry((input, partition)).or_insert(0);
        ensure!(
            delivery.offset >= *next,
            "a record of {input:?}/{partition} is at offset {}, before {next}: the log is not as the seed says",
            delivery.offset
        );
        *next = delivery.offset + 1;
    }
    Ok(())
}

fn record<'a>(topic: &'a str, planned: &'a Planned) -> Result<FutureRecord<'a, [u8], [u8]>> {
    let mut record =
        FutureRecord::to(topic).partition(i32::try_from(planned.partition)?).timestamp(planned.timestamp);
    record.key = planned.key.as_deref();
    record.payload = planned.value.as_deref();
    Ok(record)
}
