//! Records into Kafka, with back-pressure: when the queue is full, sending waits.
//!
//! Delivery is never given up. What Kafka refuses for good (a topic that takes no record of this size, a broker that
//! has lost its data and its memory of this producer) is counted, and its cause is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka::client::{self, Troubles};
use kafka::refusal::{Refusal, Refusals};
use process::Shutdown;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use tracing::{error, info, warn};
use workload::Input;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::stall::{Loss, Losses, News, Stall};

/// How long to wait before a full queue, or a broker that is away, is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Records in memory: a quarter of a second of the strongest burst on the page. With more a record costs more: measured
/// at full speed, 100,000 that wait no longer fit the processor's cache, and take one and a half times the CPU.
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

/// Sends records and counts acknowledgements: what was queued, less what still waits and what was refused. Only
/// refusals are reported one by one.
pub(crate) struct Producer {
    config: ClientConfig,
    topics: [String; 2],
    deliveries: Deliveries,
    client: BaseProducer<Deliveries>,
    metrics: Metrics,
    shutdown: Shutdown,
    start: Instant,
    /// Requests and responses that were queued.
    queued: [u64; 2],
    /// Of these, what the metrics count as acknowledged.
    counted: [u64; 2],
    /// Why the next record cannot even be queued.
    blocked: Option<Refusal>,
    stall: Stall,
    losses: Losses,
}

/// What a client tells of the records that it could not deliver.
#[derive(Clone)]
struct Deliveries {
    requests: String,
    /// Requests and responses that were refused.
    refused: Arc<[AtomicU64; 2]>,
    refusals: Refusals,
    metrics: Metrics,
    troubles: Arc<Troubles>,
}

impl Deliveries {
    fn refused(&self) -> [u64; 2] {
        self.refused.each_ref().map(|refused| refused.load(Ordering::Relaxed))
    }
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
        let deliveries = Deliveries {
            requests: topics[0].clone(),
            refused: Arc::default(),
            refusals: Refusals::default(),
            metrics: metrics.clone(),
            troubles: Arc::default(),
        };
        let client = connect(&config, &deliveries)?;
        Ok(Self {
            config,
            topics,
            deliveries,
            client,
            metrics,
            shutdown,
            start: Instant::now(),
            queued: [0; 2],
            counted: [0; 2],
            blocked: None,
            stall: Stall::default(),
            losses: Losses::default(),
        })
    }

    /// Queues a record; waits as long as the queue is full.
    pub(crate) fn send(&mut self, record: Record<'_>) -> Result<(), Stopped> {
        let topic = usize::from(record.input == Input::Responses);
        loop {
            let message = BaseRecord::to(&self.topics[topic])
                .partition(i32::try_from(record.partition).unwrap_or(i32::MAX))
                .key(record.key)
                .payload(record.value)
                .timestamp(record.ts);
            let Err((problem, _)) = self.client.send(message) else {
                self.queued[topic] += 1;
                self.blocked = None;
                return Ok(());
            };
            let is_new = self.blocked.is_none();
            self.blocked = Some(Refusal::new(&self.topics[topic], &problem));
            self.overcome(&problem, is_new)?;
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
            let before = self.refused();
            self.client.poll(Duration::ZERO);
            if self.refused() == before {
                break;
            }
        }
        self.count();
        self.tell();
        if self.shutdown.is_requested() { Err(Stopped) } else { Ok(()) }
    }

    /// Records that Kafka acknowledged since the start.
    pub(crate) fn acknowledged(&self) -> u64 {
        let waiting = u64::try_from(self.client.in_flight_count()).unwrap_or_default();
        self.queued.iter().sum::<u64>().saturating_sub(waiting + self.refused())
    }

    /// Records that Kafka refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.deliveries.refused().iter().sum()
    }

    /// Why it refused the first of them, as far as it was told.
    pub(crate) fn first_cause(&self) -> Option<&Refusal> {
        self.losses.first_cause()
    }

    /// Requests and responses that Kafka acknowledged since the start.
    pub(crate) fn acknowledged_of_each(&self) -> [u64; 2] {
        self.counted
    }

    /// Waits until Kafka has everything that it does not refuse, however long that takes.
    pub(crate) fn drain(&mut self) -> Result<(), Stopped> {
        while self.client.in_flight_count() > 0 {
            self.wait(RETRY)?;
        }
        let served = self.serve();
        self.tell_losses(self.start.elapsed());
        served
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

    /// Brings the metrics up to date. The client says how many records wait, not of which topic: while some do, each
    /// topic has its share of them.
    fn count(&mut self) {
        let refused = self.deliveries.refused();
        let taken = [0, 1].map(|topic: usize| self.queued[topic].saturating_sub(refused[topic]));
        let all = taken.iter().sum::<u64>().max(1);
        let acknowledged = self.acknowledged();
        let counters = [&self.metrics.requests, &self.metrics.responses];
        for ((counted, taken), counter) in self.counted.iter_mut().zip(taken).zip(counters) {
            let share = u128::from(acknowledged) * u128::from(taken) / u128::from(all);
            let share = u64::try_from(share).unwrap_or(u64::MAX).max(*counted);
            counter.inc_by(share - *counted);
            *counted = share;
        }
    }

    /// Says what stands still, and what is lost.
    fn tell(&mut self) {
        let at = self.start.elapsed();
        let waiting = self.client.in_flight_count();
        let counts = [self.acknowledged(), self.refused()];
        match self.stall.look(at, counts, waiting > 0 || self.blocked.is_some()) {
            Some(News::Stalled) => {
                self.metrics.achieved.set(0);
                self.metrics.behind.set(1);
                warn!(records = waiting, "Kafka takes no records: waiting for it ({})", self.obstacle());
            }
            Some(News::GoesOn(stood)) => info!(after = ?stood, "Kafka takes records again"),
            None => {}
        }
        if self.losses.is_due(at) {
            self.tell_losses(at);
        }
    }

    /// Why records wait, as far as it is known.
    fn obstacle(&self) -> String {
        let is_full = |refusal: &&Refusal| refusal.code() == Some(RDKafkaErrorCode::QueueFull);
        match (self.blocked.as_ref().filter(|refusal| !is_full(refusal)), self.deliveries.troubles.last()) {
            (Some(refusal), _) => refusal.to_string(),
            (None, Some(trouble)) => format!("Kafka {trouble}"),
            (None, None) => "its brokers do not answer, or their partitions have no leader".to_owned(),
        }
    }

    fn tell_losses(&mut self, at: Duration) {
        match self.losses.look(at, self.refused(), self.deliveries.refusals.take()) {
            Some(Loss::Began { records, cause }) => {
                warn!(records, "Kafka refuses records for good, and they are lost: {cause}");
            }
            Some(Loss::Over { records }) => info!(records, "Kafka refuses no more records"),
            None => {}
        }
    }

    fn overcome(&mut self, problem: &KafkaError, is_new: bool) -> Result<(), Stopped> {
        match problem.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) if is_new => {
                self.metrics.waits.inc();
            }
            Some(RDKafkaErrorCode::Fatal) => self.renew(is_new),
            _ => {}
        }
        self.wait(RETRY)
    }

    /// Goes on with a new client in the place of one that is of no more use.
    fn renew(&mut self, is_new: bool) {
        if let Some((code, reason)) = self.client.client().fatal_error() {
            // The cause of what the old one gives up.
            self.deliveries.refusals.note(&self.topics[0], &KafkaError::MessageProduction(code));
            if is_new {
                warn!(reason, "this producer is of no more use, going on with a new one");
            }
        }
        match connect(&self.config, &self.deliveries) {
            Ok(client) => self.client = client,
            Err(error) if is_new => error!("{error:#}"),
            Err(_) => {}
        }
    }
}

fn connect(config: &ClientConfig, deliveries: &Deliveries) -> anyhow::Result<BaseProducer<Deliveries>> {
    config.create_with_context(deliveries.clone()).context("making a producer")
}

impl ClientContext for Deliveries {
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

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    /// Only for what was refused (`delivery.report.only.error`).
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((problem, record)) = result {
            tracing::debug!(%problem, "a record was refused");
            self.refusals.note(record.topic(), problem);
            let topic = usize::from(record.topic() != self.requests);
            self.refused[topic].fetch_add(1, Ordering::Relaxed);
            self.metrics.refused.inc();
        }
    }
}
