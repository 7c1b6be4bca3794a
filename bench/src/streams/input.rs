//! The input that both sides read: frames from a seed, with event times as if they had been played just now.

use anyhow::{Context, Result};
use model::PARTITIONS;
use workload::generator::Generator;
use workload::{EventTime, FrameHeader, Machine, Zone, avro};

use super::outcome::Outcome;
use crate::broker::Broker;
use crate::clock::now_ms;
use crate::frames::{Half, Sender, inputs};

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
    /// With a request and a response in each partition that join nothing, late enough for every session before to be
    /// over.
    Closing,
    /// With the last frame: more may follow.
    Open,
}

/// A session's gap, the grace, and five seconds more.
const CLOSING_MS: EventTime = 20_000;

/// Makes the two topics and fills them; returns what follows from it.
pub(crate) async fn write(broker: &Broker, prefix: &str, input: &Input, end: End) -> Result<Outcome> {
    broker.make_topics(&inputs(prefix), PARTITIONS).await?;
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
    (0..Machine::PLAYERS)
        .filter_map(Machine::player)
        .find(|machine| machine.partition(PARTITIONS) == partition)
}
