//! The transactional producer: what a batch looks like in Kafka, and what can go wrong.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kafka::refusal::{Refusal, Refusals};
use kafka::{client, dead_letters, sessions};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use workload::avro::Codec;

use super::BlockOffset;
use crate::Config;
use crate::assignment::{index, signed};
use crate::batch::{Batch, DeadLetter};
use crate::changelog::POSITIONS;
use crate::consumer::Consumer;

/// How long any step of a transaction may take; the broker ends a transaction after a second.
const LIMIT: Duration = Duration::from_secs(3);
/// How long to wait for acknowledgements before looking again.
const NAP: Duration = Duration::from_micros(300);
/// Between two looks at a topic that has grown.
const PAUSE: Duration = Duration::from_millis(50);
/// The opaque of a record whose offset nobody asks for.
const PLAIN: usize = usize::MAX;

/// Why a transaction failed, or could not be begun.
#[derive(Debug)]
pub(crate) struct Fault {
    step: &'static str,
    reason: String,
    code: Option<Code>,
}

impl Fault {
    fn new(step: &'static str, error: &KafkaError) -> Self {
        let code = match error {
            KafkaError::Transaction(error) => Some(error.code()),
            error => error.rdkafka_error_code(),
        };
        let reason = match error {
            KafkaError::Transaction(error) => error.string(),
            error => error.to_string(),
        };
        Self { step, reason, code }
    }

    /// Why a record was not taken says more than that its transaction cannot go on.
    fn or_cause(self, refusal: Option<Refusal>) -> Self {
        match refusal {
            Some(refusal)
                if !matches!(refusal.code(), None | Some(Code::PurgeQueue | Code::PurgeInflight)) =>
            {
                Self { step: self.step, code: refusal.code(), reason: refusal.to_string() }
            }
            _ => self,
        }
    }

    fn late(step: &'static str) -> Self {
        Self { step, reason: "Kafka does not answer in time".to_owned(), code: None }
    }

    /// The thread is gone.
    pub(crate) fn ended() -> Self {
        Self { step: "go on", reason: "the thread of the transactions has ended".to_owned(), code: None }
    }

    /// Whether another producer has taken this one's place: after a stall of ours, or with the same id.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self.code, Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch))
    }

    /// Whether trying again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.code,
            Some(
                Code::TransactionalIdAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::SaslAuthenticationFailed
                    | Code::Authentication
                    | Code::InvalidTransactionTimeout
                    | Code::UnsupportedVersion
            )
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot {}: {}", self.step, self.reason)
    }
}

/// A producer that has no transaction open.
pub(super) struct Producer {
    client: BaseProducer<Deliveries>,
    codec: Codec,
    consumer: Arc<Consumer>,
    deliveries: Deliveries,
    topics: Topics,
    pod: String,
}

/// Where things go.
struct Topics {
    inputs: [String; 2],
    sessions: String,
    changelog: String,
    dead_letters: String,
}

/// What became of the records of a transaction.
#[derive(Clone, Default)]
struct Deliveries {
    /// Offsets of blocks, by their place in the batch.
    blocks: Arc<Mutex<Vec<(usize, i64)>>>,
    refusals: Refusals,
}

impl Producer {
    /// Makes a producer, and ends the transaction that its predecessor may have left.
    pub(super) fn new(config: &Config, codec: &Codec, consumer: &Arc<Consumer>) -> Result<Self, Fault> {
        let deliveries = Deliveries::default();
        let settings = client::transactional(&config.kafka, &config.pod, &config.transactional_id());
        let client: BaseProducer<Deliveries> = settings
            .create_with_context(deliveries.clone())
            .map_err(|error| Fault::new("make a producer", &error))?;
        client.init_transactions(LIMIT).map_err(|error| Fault::new("begin with transactions", &error))?;
        let topics = Topics {
            inputs: [config.requests.clone(), config.responses.clone()],
            sessions: config.sessions.clone(),
            changelog: config.changelog(),
            dead_letters: config.dead_letters(),
        };
        let (codec, consumer) = (codec.clone(), Arc::clone(consumer));
        Ok(Self { client, codec, consumer, deliveries, topics, pod: config.pod.clone() })
    }

    /// Commits a batch as a whole; where its blocks are.
    pub(super) fn commit(&self, batch: Batch, stop: &AtomicBool) -> Result<Vec<BlockOffset>, Fault> {
        self.try_commit(&batch, stop).map_err(|fault| fault.or_cause(self.deliveries.refusals.take()))
    }

    fn try_commit(&self, batch: &Batch, stop: &AtomicBool) -> Result<Vec<BlockOffset>, Fault> {
        self.client.begin_transaction().map_err(|error| Fault::new("begin a transaction", &error))?;
        self.send(batch)?;
        let group = self.consumer.group_metadata().ok_or_else(Fault::ended)?;
        self.client
            .send_offsets_to_transaction(&batch.offsets, &group, LIMIT)
            .map_err(|error| Fault::new("add offsets to a transaction", &error))?;
        self.acknowledged(stop)?;
        self.client.commit_transaction(LIMIT).map_err(|error| Fault::new("commit a transaction", &error))?;
        let mut delivered = self.deliveries.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let offsets = delivered.drain(..).filter_map(|(place, offset)| {
            let block = batch.blocks.get(place)?;
            Some(BlockOffset { partition: block.partition, number: block.number, offset })
        });
        Ok(offsets.collect())
    }

    fn send(&self, batch: &Batch) -> Result<(), Fault> {
        for (place, block) in batch.blocks.iter().enumerate() {
            let number = block.number.to_be_bytes();
            let record: BaseRecord<'_, [u8], [u8], usize> =
                BaseRecord::with_opaque_to(&self.topics.changelog, place)
                    .partition(signed(block.partition))
                    .key(&number[..])
                    .payload(&block.bytes[..])
                    .headers(
                        OwnedHeaders::new_with_capacity(1)
                            .insert(Header { key: POSITIONS, value: Some(&block.positions) }),
                    );
            self.queue(record)?;
        }
        let now = crate::now_ms();
        for (partition, output) in &batch.outputs {
            let key = self.codec.encode_header(&output.key);
            let value = self.codec.encode_session(&output.session);
            let record: BaseRecord<'_, [u8], [u8], usize> =
                BaseRecord::with_opaque_to(&self.topics.sessions, PLAIN)
                    .partition(signed(*partition))
                    .key(&key[..])
                    .payload(&value[..])
                    .timestamp(output.session.end)
                    .headers(sessions::headers(&self.pod, now, output.request_offset));
            self.queue(record)?;
        }
        batch.dead_letters.iter().try_for_each(|letter| self.put_aside(letter))
    }

    fn put_aside(&self, letter: &DeadLetter) -> Result<(), Fault> {
        let origin = dead_letters::Origin {
            topic: &self.topics.inputs[index(letter.input)],
            partition: letter.partition,
            offset: letter.offset,
        };
        let headers = dead_letters::headers(&origin, letter.reason, &letter.error, &self.pod);
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&self.topics.dead_letters, PLAIN)
                .partition(signed(letter.partition))
                .headers(headers);
        record.key = letter.key.as_deref();
        record.payload = letter.value.as_deref();
        record.timestamp = letter.timestamp.filter(|&at| at >= 0);
        self.queue(record)
    }

    /// Queues a record; while the queue is full it is served.
    fn queue(&self, record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), Fault> {
        let begin = Instant::now();
        let mut waiting = record;
        loop {
            match self.client.send(waiting) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) if begin.elapsed() < LIMIT => {
                    waiting = back;
                    self.serve();
                }
                // The topic has grown since this client got to know it.
                Err((KafkaError::MessageProduction(Code::UnknownPartition), back))
                    if begin.elapsed() < LIMIT =>
                {
                    let _ = self.client.client().fetch_metadata(Some(back.topic), LIMIT);
                    waiting = back;
                    std::thread::sleep(PAUSE);
                }
                Err((error, _)) => return Err(Fault::new("write in a transaction", &error)),
            }
        }
    }

    /// Waits until all records are acknowledged.
    fn acknowledged(&self, stop: &AtomicBool) -> Result<(), Fault> {
        let begin = Instant::now();
        while self.client.in_flight_count() > 0 {
            self.serve();
            let late = begin.elapsed() > LIMIT;
            if late || stop.load(Ordering::Acquire) && begin.elapsed() > LIMIT / 4 {
                return Err(Fault::late("write in a transaction"));
            }
        }
        match self.deliveries.refusals.take() {
            Some(refusal) => Err(Fault {
                step: "write in a transaction",
                code: refusal.code(),
                reason: refusal.to_string(),
            }),
            None => Ok(()),
        }
    }
}

impl Producer {
    /// Serves the acknowledgements that are there, or waits a moment for some. (A call to `poll` serves one event, or
    /// all that come until its time is over.)
    fn serve(&self) {
        let before = self.client.in_flight_count();
        self.client.poll(Duration::ZERO);
        if self.client.in_flight_count() == before {
            std::thread::sleep(NAP);
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "client error");
    }
}

impl ProducerContext for Deliveries {
    /// The place of a block in its batch, or [`PLAIN`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        match result {
            // Without an offset: a retry that the broker takes for a duplicate. On a partition that is new to this
            // producer it may be wrong there, when a later batch has overtaken the first one. Then the record is lost,
            // and the transaction must not be committed.
            Ok(message) if message.offset() < 0 => {
                let lost = KafkaError::MessageProduction(Code::OutOfOrderSequenceNumber);
                self.refusals.note(message.topic(), &lost);
            }
            Ok(_) if place == PLAIN => {}
            Ok(message) => {
                let mut delivered = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
                delivered.push((place, message.offset()));
            }
            Err((error, message)) => self.refusals.note(message.topic(), error),
        }
    }
}
