//! A pair of partitions: the queues of both inputs, and the desk at which their records are worked on.
//!
//! The side that is behind in event time is read first, and the other one waits for it.

mod desk;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use game::EventTime;
use game::avro::Codec;
use game::fold::Side;
use model::Input;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use tracing::warn;

use crate::consumer::{Consumer, Signals};
use crate::metrics::Metrics;
use crate::pairs::{index, signed};
use crate::task::{Record, input};

pub(crate) use desk::Desk;

/// How many looks in a row, a second apart, must find an input at its end before it counts as idle.
const QUIET_LOOKS: u32 = 5;

/// A pair of partitions.
pub(crate) struct Pair {
    /// Of the wish to have it restored.
    pub(crate) ticket: u64,
    pub(crate) desk: Desk,
    queues: [Queue; 2],
}

struct Queue {
    queue: PartitionQueue<Signals>,
    /// Whether the log's end was seen after the last record.
    at_end: bool,
    quiet_looks: u32,
}

impl Pair {
    /// A pair that was just given to this pod, or is about to be: its queues are split off from the consumer's.
    pub(crate) fn new(
        consumer: &Arc<Consumer>,
        topics: &[String; 2],
        partition: u32,
        ticket: u64,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let [requests, responses] = topics;
        let queues =
            [Queue::split(consumer, requests, partition)?, Queue::split(consumer, responses, partition)?];
        Ok(Self { ticket, desk: Desk::new(partition, metrics), queues })
    }

    /// Forgets its state, and all that was done since the last commit.
    pub(crate) fn roll_back(&mut self, ticket: u64) {
        self.ticket = ticket;
        self.desk.clear();
        for queue in &mut self.queues {
            (queue.at_end, queue.quiet_looks) = (false, 0);
        }
    }

    /// Processes the next record, if one is there and there is room for what comes of it.
    pub(crate) fn work(&mut self, codec: &Codec, now: EventTime) -> bool {
        if self.desk.is_full() {
            return false;
        }
        if let Some(understood) = self.desk.try_held(codec, now) {
            return understood;
        }
        let Some((behind, may_go_ahead)) = self.desk.turn() else { return false };
        let ahead = match behind {
            Side::Request => Side::Response,
            Side::Response => Side::Request,
        };
        self.read(codec, input(behind), now) || (may_go_ahead && self.read(codec, input(ahead), now))
    }

    /// Says that at this time an input had nothing after this offset, or that this is not known.
    pub(crate) fn look_at_end(&mut self, input: Input, end: Option<i64>, now: EventTime) {
        let queue = &mut self.queues[index(input)];
        let position = self.desk.position(input);
        let is_quiet = queue.at_end && end.is_some_and(|end| position.is_none_or(|position| position >= end));
        queue.quiet_looks = if is_quiet { queue.quiet_looks + 1 } else { 0 };
        if queue.quiet_looks >= QUIET_LOOKS {
            self.desk.idle(input, now);
        }
    }

    fn read(&mut self, codec: &Codec, input: Input, now: EventTime) -> bool {
        let Queue { queue, at_end, quiet_looks } = &mut self.queues[index(input)];
        match queue.poll(Duration::ZERO) {
            None => false,
            Some(Ok(message)) => {
                (*at_end, *quiet_looks) = (false, 0);
                let record = Record {
                    input,
                    key: message.key(),
                    value: message.payload(),
                    timestamp: message.timestamp().to_millis(),
                    offset: message.offset(),
                };
                self.desk.take(codec, &record, now)
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                *at_end = true;
                false
            }
            Some(Err(problem)) => {
                warn!(?input, partition = self.desk.partition(), %problem, "a partition cannot be read now");
                false
            }
        }
    }
}

impl Queue {
    fn split(consumer: &Arc<Consumer>, topic: &str, partition: u32) -> anyhow::Result<Self> {
        let mut queue = consumer
            .split_partition_queue(topic, signed(partition))
            .with_context(|| format!("{topic}/{partition} has no queue of its own"))?;
        let worker = std::thread::current();
        queue.set_nonempty_callback(move || worker.unpark());
        Ok(Self { queue, at_end: false, quiet_looks: 0 })
    }
}
