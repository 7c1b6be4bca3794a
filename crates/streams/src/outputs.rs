//! Sessions on their way into Kafka, and how many of them are not acknowledged yet.
//!
//! Outputs are numbered by generation; a new one begins with each checkpoint, so that a checkpoint is complete when
//! no output of its generation, or of an older one, is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use game::avro;
use game::sessions::Output;
use kafka::{client, sessions};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use crate::Config;
use crate::pairs::signed;

/// The producer's queue is full: the output has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Writes sessions.
pub(crate) struct Outputs {
    producer: BaseProducer<Acknowledgements>,
    topic: String,
    pod: String,
    /// Which of the two generations new outputs belong to: 0 or 1.
    generation: usize,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Outputs on their way, by generation.
    pending: [AtomicI64; 2],
    /// Outputs whose fate is known.
    answered: AtomicI64,
    failed: AtomicBool,
}

struct Acknowledgements(Arc<State>);

impl Outputs {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let mut settings = client::producer(&config.kafka, &config.pod);
        settings
            .set("delivery.report.only.error", "false")
            .set("linger.ms", "2")
            .set("queue.buffering.max.messages", "10000")
            .set("queue.buffering.max.kbytes", "4096")
            // An output is given up only together with the inputs that it comes from.
            .set("message.timeout.ms", "0");
        let state = Arc::new(State::default());
        let producer = settings
            .create_with_context(Acknowledgements(Arc::clone(&state)))
            .context("making the producer")?;
        Ok(Self { producer, topic: config.sessions.clone(), pod: config.pod.clone(), generation: 0, state })
    }

    /// Queues a session for a partition.
    pub(crate) fn send(&self, output: &Output, partition: u32, now_ms: model::Millis) -> Result<(), Full> {
        let key = avro::encode_header(&output.key);
        let value = avro::encode_session(&output.session);
        let record = BaseRecord::with_opaque_to(&self.topic, self.generation)
            .partition(signed(partition))
            .key(&key)
            .payload(&value)
            .timestamp(output.session.end)
            .headers(sessions::headers(&self.pod, now_ms, output.request_offset));
        let pending = &self.state.pending[self.generation];
        // Before the record is on its way, for its acknowledgement must not come first.
        pending.fetch_add(1, Ordering::AcqRel);
        match self.producer.send(record) {
            Ok(()) => Ok(()),
            Err((error, _)) => {
                pending.fetch_sub(1, Ordering::AcqRel);
                match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::QueueFull) => {}
                    _ => {
                        tracing::warn!(%error, "a session cannot be written");
                        self.state.failed.store(true, Ordering::Release);
                    }
                }
                Err(Full)
            }
        }
    }

    /// Serves the acknowledgements that are there. (A call to `poll` serves one event.)
    pub(crate) fn serve(&self) {
        let mut before = self.state.answered.load(Ordering::Acquire);
        loop {
            self.producer.poll(Duration::ZERO);
            let now = self.state.answered.load(Ordering::Acquire);
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Ends a generation: what is sent from now on does not count for it.
    ///
    /// The one before must be complete.
    pub(crate) fn next_generation(&mut self) {
        self.generation = 1 - self.generation;
    }

    /// Whether all outputs of the generation that ended last are acknowledged.
    pub(crate) fn last_generation_is_complete(&self) -> bool {
        self.state.pending[1 - self.generation].load(Ordering::Acquire) == 0
    }

    /// Outputs on their way.
    pub(crate) fn pending(&self) -> i64 {
        self.state.pending.iter().map(|pending| pending.load(Ordering::Acquire)).sum()
    }

    /// Whether an output failed since the last call.
    pub(crate) fn take_failure(&self) -> bool {
        self.state.failed.swap(false, Ordering::AcqRel)
    }

    /// Why the producer can do no more, if so.
    pub(crate) fn fatal(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
    }

    /// Waits until every output is acknowledged, at most this long; whether they are.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        let start = Instant::now();
        while self.pending() > 0 {
            if start.elapsed() > limit {
                return false;
            }
            self.serve();
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "client error");
    }
}

impl ProducerContext for Acknowledgements {
    /// The generation.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, generation: usize) {
        if let Err((error, _)) = result {
            tracing::debug!(%error, "a session was refused");
            self.0.failed.store(true, Ordering::Release);
        }
        if let Some(pending) = self.0.pending.get(generation) {
            pending.fetch_sub(1, Ordering::AcqRel);
        }
        self.0.answered.fetch_add(1, Ordering::AcqRel);
    }
}
