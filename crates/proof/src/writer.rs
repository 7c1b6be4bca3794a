//! Writes a load into the two topics, at its pace or all at once.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use kafka::{Brokers, client};
use model::Input;
use tokio::time::Instant;

use crate::load::{Load, Planned};
use crate::names::Names;

/// How the load is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As its times say, while the pods read it.
    Live,
    /// As fast as it goes.
    AtOnce,
}

/// Writes all records in their order and waits until Kafka has them.
///
/// # Errors
/// When a record cannot be written.
pub(crate) async fn write(brokers: &Brokers, names: &Names, load: &Load, pace: Pace) -> Result<()> {
    let mut config = client::producer(brokers, "proof");
    config
        .set("delivery.report.only.error", "false")
        // Of several batches under way to a new partition the first may be refused and the second accepted, since the broker knows nothing of
        // the producer yet; the first then counts as a duplicate, and is lost.
        .set("max.in.flight.requests.per.connection", "1")
        .set("linger.ms", "20");
    let producer: FutureProducer = config.create().context("cannot make a producer")?;
    let topics = Input::ALL.map(|input| names.input(input));
    let start = Instant::now();
    let mut deliveries = Vec::with_capacity(load.records.len());
    for planned in &load.records {
        if pace == Pace::Live {
            let at_ms = u64::try_from(planned.at_ms).unwrap_or(0);
            tokio::time::sleep_until(start + Duration::from_millis(at_ms)).await;
        }
        let topic = &topics[usize::from(planned.input == Input::Responses)];
        loop {
            match producer.send_result(record(topic, planned)?) {
                Ok(delivery) => break deliveries.push(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(error).context("cannot write a record"),
            }
        }
    }
    let mut next = HashMap::new();
    for (planned, delivery) in load.records.iter().zip(deliveries) {
        let delivery = delivery.await?.map_err(|(error, _)| error).context("a record was not written")?;
        let next = next.entry((planned.input, planned.partition)).or_insert(0);
        ensure!(
            delivery.offset == *next,
            "a record of {:?}/{} is at offset {}, not {next}: the log is not as the seed says",
            planned.input,
            planned.partition,
            delivery.offset
        );
        *next += 1;
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
