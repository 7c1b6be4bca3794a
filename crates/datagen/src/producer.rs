//! Records into Kafka, with back-pressure: when the queue is full, sending waits.
//!
//! Delivery is never given up; only a broker that has lost its memory of this producer (its data was wiped) makes
//! librdkafka refuse what is queued, and then a new client goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka::client::{self, Troubles};
use model::Input;
use process::Shutdown;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use tracing::{error, warn};

use crate::config::Config;
use crate::metrics::Metrics;

/// How long to wait before a full queue, or a broker that is away, is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Records in memory: a quarter of a second of the strongest burst on the page. With more a record costs more: measured at full
/// speed, 100,000 that wait no longer fit the processor's cache, and take one and a half times the CPU.
const QUEUE: &str = "20000";

/// The process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// One record to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Which of the two topics.
    pub(crate) input: Input,
    /// The partition of its machine.
    pub(crate) partition: u32,
    /// The header.
    pub(crate) key: &'a [u8],
    /// The body.
    pub(crate) value: &'a [u8],
    /// Its timestamp.
    pub(crate) ts: i64,
}

/// Sends records and counts acknowledgements: what was queued, less what still waits and what was refused. Only refusals
/// are reported one by one.
pub(crate) struct Producer {
    config: ClientConfig,
    topics: [String; 2],
    context: Refusals,
    client: BaseProducer<Refusals>,
    metrics: Metrics,
    shutdown: Shutdown,
    /// Requests and responses that were queued.
    queued: [u64; 2],
    /// Of these, what the metrics count as acknowledged.
    counted: [u64; 2],
}

#[derive(Clone)]
struct Refusals {
    metrics: Metrics,
    troubles: Arc<Troubles>,
}

impl Producer {
    pub(crate) fn new(config: &Config, shutdown: Shutdown, metrics: Metrics) -> anyhow::Result<Self> {
        let topics = [config.requests.clone(), config.responses.clone()];
        let mut config = client::producer(&config.kafka, "datagen");
        config
            .set("queue.buffering.max.messages", QUEUE)
            .set("acks", "all")
            // Nothing is dropped because of its age.
            .set("message.timeout.ms", "0")
            // Some records of a partition go together even at the base rate: a third of the broker's work.
            .set("linger.ms", "15");
        let context = Refusals { metrics: metrics.clone(), troubles: Arc::default() };
        let client = connect(&config, &context)?;
        Ok(Self { config, topics, context, client, metrics, shutdown, queued: [0; 2], counted: [0; 2] })
    }

    /// Queues a record; waits as long as the queue is full.
    pub(crate) fn send(&mut self, record: Record<'_>) -> Result<(), Stopped> {
        let topic = usize::from(record.input == Input::Responses);
        let mut attempts = 0_u64;
        loop {
            let message = BaseRecord::to(&self.topics[topic])
                .partition(i32::try_from(record.partition).unwrap_or(i32::MAX))
                .key(record.key)
                .payload(record.value)
                .timestamp(record.ts);
            let Err((problem, _)) = self.client.send(message) else {
                self.queued[topic] += 1;
                return Ok(());
            };
            attempts += 1;
            self.overcome(&problem, attempts)?;
        }
    }

    /// Serves what the client has to say, and sleeps. (`poll` with a timeout would spin through its last millisecond:
    /// a fifth of each step.)
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), Stopped> {
        let start = Instant::now();
        self.serve()?;
        std::thread::sleep(time.saturating_sub(start.elapsed()));
        if self.shutdown.is_requested() { Err(Stopped) } else { Ok(()) }
    }

    /// Serves what the client has to say: refusals and errors, one a call.
    pub(crate) fn serve(&mut self) -> Result<(), Stopped> {
        loop {
            let before = self.metrics.refused.get();
            self.client.poll(Duration::ZERO);
            if self.metrics.refused.get() == before {
                break;
            }
        }
        self.count();
        if self.shutdown.is_requested() { Err(Stopped) } else { Ok(()) }
    }

    /// Records that Kafka acknowledged since the start.
    pub(crate) fn acknowledged(&self) -> u64 {
        let waiting = u64::try_from(self.client.in_flight_count()).unwrap_or_default();
        self.queued.iter().sum::<u64>().saturating_sub(waiting + self.metrics.refused.get())
    }

    /// Requests that Kafka acknowledged since the start.
    pub(crate) fn acknowledged_frames(&self) -> u64 {
        self.counted[0]
    }

    /// Waits until Kafka has everything, however long that takes.
    pub(crate) fn drain(&mut self) -> Result<(), Stopped> {
        while self.client.in_flight_count() > 0 {
            self.wait(RETRY)?;
        }
        self.serve()
    }

    /// Waits until all queued records are acknowledged, but not longer than this.
    pub(crate) fn flush(&mut self, limit: Duration) {
        let start = Instant::now();
        while self.client.in_flight_count() > 0 && start.elapsed() < limit {
            // The process stops already.
            let _ = self.serve();
            std::thread::sleep(RETRY);
        }
        let lost = self.client.in_flight_count();
        if lost > 0 {
            warn!(records = lost, "ending with records that Kafka has not acknowledged");
        }
    }

    /// Brings the metrics up to date. The client says how many records wait, not of which topic: while some do, each topic
    /// has its share of them.
    fn count(&mut self) {
        let queued = self.queued.iter().sum::<u64>().max(1);
        let acknowledged = self.acknowledged();
        let counters = [&self.metrics.requests, &self.metrics.responses];
        for ((counted, queued_here), counter) in self.counted.iter_mut().zip(self.queued).zip(counters) {
            let share = u128::from(acknowledged) * u128::from(queued_here) / u128::from(queued);
            let share = u64::try_from(share).unwrap_or(u64::MAX).max(*counted);
            counter.inc_by(share - *counted);
            *counted = share;
        }
    }

    fn overcome(&mut self, problem: &KafkaError, attempts: u64) -> Result<(), Stopped> {
        match problem.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) if attempts == 1 => {
                self.metrics.waits.inc();
            }
            Some(RDKafkaErrorCode::QueueFull) => {}
            Some(RDKafkaErrorCode::Fatal) => {
                let reason = self.client.client().fatal_error().map(|(_, reason)| reason);
                warn!(?reason, "this producer is of no more use, going on with a new one");
                match connect(&self.config, &self.context) {
                    Ok(client) => self.client = client,
                    Err(error) => error!("{error:#}"),
                }
            }
            _ if attempts == 1 => warn!(%problem, "Kafka does not take records now"),
            _ => {}
        }
        self.wait(RETRY)
    }
}

fn connect(config: &ClientConfig, context: &Refusals) -> anyhow::Result<BaseProducer<Refusals>> {
    config.create_with_context(context.clone()).context("making a producer")
}

impl ClientContext for Refusals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "client error");
        if let Some(trouble) = self.troubles.note(&error, reason) {
            warn!("Kafka {trouble}");
        }
    }
}

impl ProducerContext for Refusals {
    type DeliveryOpaque = ();

    /// Only for what was refused (`delivery.report.only.error`).
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((problem, _)) = result {
            tracing::debug!(%problem, "a record was refused");
            self.metrics.refused.inc();
        }
    }
}
