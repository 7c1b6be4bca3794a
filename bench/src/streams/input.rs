//! The input that both sides read: frames from a seed, with event times as if they had been played just now.

use std::time::Duration;

use anyhow::{Context, Result};
use game::generator::Generator;
use game::{EventTime, FrameHeader, Machine, Zone, avro};
use kafka::rdkafka::error::{KafkaError, RDKafkaErrorCode};
use kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use model::PARTITIONS;

use super::outcome::Outcome;
use super::side::{requests, responses};
use crate::broker::Broker;
use crate::clock::now_ms;

/// What to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    /// How many frames.
    pub(crate) frames: u32,
    /// Frames a second of event time.
    pub(crate) event_rate: u32,
    /// How many machines play.
    pub(crate) machines: u32,
    /// Of machines and hits.
    pub(crate) seed: u64,
}

/// How the input ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a request and a response in each partition that join nothing, late enough for every session before to be over.
    Closing,
    /// With the last frame: more may follow.
    Open,
}

/// A session's gap, the grace, and five seconds more.
const CLOSING_MS: EventTime = 20_000;
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// Makes the two topics and fills them; returns what follows from it.
pub(crate) async fn write(broker: &Broker, prefix: &str, input: &Input, end: End) -> Result<Outcome> {
    broker.make_topics(&[requests(prefix), responses(prefix)], PARTITIONS).await?;
    let mut sender = Sender::new(broker, prefix, "100")?;
    let input = *input;
    tokio::task::spawn_blocking(move || fill(&mut sender, &input, end)).await?
}

fn fill(sender: &mut Sender, input: &Input, end: End) -> Result<Outcome> {
    let closing = now_ms() as EventTime - 1_000;
    let took_ms = EventTime::from(input.frames) * 1_000 / EventTime::from(input.event_rate);
    let start = closing - CLOSING_MS - took_ms;
    let mut generator = Generator::new(input.seed, input.machines, PARTITIONS, start);
    let mut expected = Outcome::default();
    for number in 0..EventTime::from(input.frames) {
        let at = start + number * 1_000 / EventTime::from(input.event_rate);
        let drawn = generator.draw(at, None);
        let (header, hits) = (&drawn.frame.header, &drawn.frame.hits);
        sender.send(Half::Request, drawn.partition, header, &avro::encode_body(false, hits))?;
        if drawn.answered {
            sender.send(Half::Response, drawn.partition, header, &avro::encode_body(true, hits))?;
            let score = hits.iter().map(|hit| i64::from(hit.score())).sum();
            expected.add(&header.machine.to_string(), 1, hits.len() as u64, score);
        }
    }
    if end == End::Closing {
        for partition in 0..PARTITIONS {
            let machine = closing_machine(partition).context("no player's machine is in this partition")?;
            // Two zones make two headers, which do not join.
            let header = |zone| FrameHeader { ts: closing, machine, zone };
            sender.send(Half::Request, partition, &header(Zone::EU), &avro::encode_body(false, &[]))?;
            sender.send(Half::Response, partition, &header(Zone::US), &avro::encode_body(true, &[]))?;
        }
    }
    sender.flush()?;
    Ok(expected)
}

/// A machine that the generator never draws.
fn closing_machine(partition: u32) -> Option<Machine> {
    (0..Machine::PLAYERS).filter_map(Machine::player).find(|machine| machine.partition(PARTITIONS) == partition)
}

/// Which of the two topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// The requests.
    Request,
    /// The responses.
    Response,
}

/// Puts frames into the two topics; when the queue is full, it waits.
pub(crate) struct Sender {
    producer: BaseProducer,
    requests: String,
    responses: String,
}

impl Sender {
    /// A sender with this `linger.ms`.
    pub(crate) fn new(broker: &Broker, prefix: &str, linger_ms: &str) -> Result<Self> {
        let mut config = kafka::client::producer(&broker.brokers, "bench");
        config.set("linger.ms", linger_ms).set("batch.size", "262144").set("acks", "all");
        Ok(Self { producer: config.create()?, requests: requests(prefix), responses: responses(prefix) })
    }

    /// Sends one half of a frame, with the frame's time.
    pub(crate) fn send(&self, half: Half, partition: u32, header: &FrameHeader, body: &[u8]) -> Result<()> {
        let topic = if half == Half::Request { &self.requests } else { &self.responses };
        let key = avro::encode_header(header);
        let mut record = BaseRecord::to(topic)
            .partition(i32::try_from(partition)?)
            .timestamp(header.ts)
            .key(key.as_slice())
            .payload(body);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    record = returned;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Lets the client do what it has to do.
    pub(crate) fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until Kafka has everything.
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(FLUSH_LIMIT)?)
    }
}
