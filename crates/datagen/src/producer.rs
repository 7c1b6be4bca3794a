//! Records into Kafka, with back-pressure: when the queue is full, sending waits.
//!
//! Delivery is never given up; only a broker that has lost its memory of this producer (its data was wiped) makes
//! librdkafka refuse what is queued, and then a new client goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Records in memory: about a second of the strongest burst on the page, and a few megabytes.
const QUEUE: &str = "10000";
/// How long to wait before a full queue, or a broker that is away, is tried again.
const RETRY: Duration = Duration::from_millis(5);

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

/// Sends records and counts acknowledgements.
pub(crate) struct Producer {
    config: ClientConfig,
    topics: [String; 2],
    context: Acknowledgements,
    client: BaseProducer<Acknowledgements>,
    shutdown: Shutdown,
}

#[derive(Clone)]
struct Acknowledgements {
    metrics: Metrics,
    delivered_requests: Arc<AtomicU64>,
    /// Records whose fate is known.
    answered: Arc<AtomicU64>,
    troubles: Arc<Troubles>,
}

impl Producer {
    pub(crate) fn new(config: &Config, shutdown: Shutdown, metrics: Metrics) -> anyhow::Result<Self> {
        let topics = [config.requests.clone(), config.responses.clone()];
        let mut config = client::producer(&config.kafka, "datagen");
        config
            .set("delivery.report.only.error", "false")
            .set("queue.buffering.max.messages", QUEUE)
            .set("acks", "all")
            // Nothing is dropped because of its age.
            .set("message.timeout.ms", "0")
            // Some records of a partition go together even at the base rate: a third of the broker's work.
            .set("linger.ms", "15");
        let context = Acknowledgements {
            metrics,
            delivered_requests: Arc::default(),
            answered: Arc::default(),
            troubles: Arc::default(),
        };
        let client = connect(&config, &context)?;
        Ok(Self { config, topics, context, client, shutdown })
    }

    /// Queues a record; waits as long as the queue is full.
    pub(crate) fn send(&mut self, record: Record<'_>) -> Result<(), Stopped> {
        let topic = usize::from(record.input == Input::Responses);
        let mut attempts = 0_u64;
        loop {
            let message = BaseRecord::with_opaque_to(&self.topics[topic], topic)
                .partition(i32::try_from(record.partition).unwrap_or(i32::MAX))
                .key(record.key)
                .payload(record.value)
                .timestamp(record.ts);
            let Err((problem, _)) = self.client.send(message) else { return Ok(()) };
            attempts += 1;
            self.overcome(&problem, attempts)?;
        }
    }

    /// Serves the acknowledgements that are there, and sleeps. (`poll` with a timeout would spin through its last
    /// millisecond: a fifth of each step.)
    pub(crate) fn wait(&self, time: Duration) -> Result<(), Stopped> {
        let start = Instant::now();
        self.serve();
        std::thread::sleep(time.saturating_sub(start.elapsed()));
        if self.shutdown.is_requested() { Err(Stopped) } else { Ok(()) }
    }

    /// Requests that Kafka acknowledged since the start.
    pub(crate) fn delivered_frames(&self) -> u64 {
        self.context.delivered_requests.load(Ordering::Relaxed)
    }

    /// Waits until all queued records are acknowledged, but not longer than this.
    pub(crate) fn flush(&self, limit: Duration) {
        let start = Instant::now();
        while self.client.in_flight_count() > 0 && start.elapsed() < limit {
            self.serve();
            std::thread::sleep(RETRY);
        }
        let lost = self.client.in_flight_count();
        if lost > 0 {
            warn!(records = lost, "ending with records that Kafka has not acknowledged");
        }
    }

    /// One call to `poll` serves one event.
    fn serve(&self) {
        let answered = &self.context.answered;
        let mut before = answered.load(Ordering::Relaxed);
        loop {
            self.client.poll(Duration::ZERO);
            let now = answered.load(Ordering::Relaxed);
            if now == before {
                return;
            }
            before = now;
        }
    }

    fn overcome(&mut self, problem: &KafkaError, attempts: u64) -> Result<(), Stopped> {
        match problem.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) if attempts == 1 => {
                self.context.metrics.waits.inc();
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

fn connect(
    config: &ClientConfig,
    context: &Acknowledgements,
) -> anyhow::Result<BaseProducer<Acknowledgements>> {
    config.create_with_context(context.clone()).context("making a producer")
}

impl ClientContext for Acknowledgements {
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

impl ProducerContext for Acknowledgements {
    /// Which of the two topics.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, topic: usize) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        match result {
            Ok(_) if topic == 0 => {
                self.delivered_requests.fetch_add(1, Ordering::Relaxed);
                self.metrics.requests.inc();
            }
            Ok(_) => {
                self.metrics.responses.inc();
            }
            Err((problem, _)) => {
                tracing::debug!(%problem, "a record was refused");
                self.metrics.refused.inc();
            }
        }
    }
}
