//! A task: partition p of both inputs, with the queues that its records come from and the state that they are folded
//! into.
//!
//! The side that is behind in event time is read first, and the other one waits for it.

mod progress;
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use tracing::warn;
use workload::EventTime;
use workload::Input;
use workload::avro::Codec;
use workload::fold::{Ahead, Turn};

use crate::assignment::{index, signed};
use crate::consumer::{Consumer, Signals};
use crate::ends::LogEnd;
use crate::metrics::Metrics;
use crate::record::{Record, input};

use progress::Progress;
pub(crate) use progress::Standing;
pub(crate) use state::{CaughtUp, Taken, TaskState};

/// A task: the same partition of both inputs, with its state.
pub(crate) struct Task {
    /// Rises each time that its state has to be restored.
    pub(crate) generation: u64,
    pub(crate) state: TaskState,
    queues: [Queue; 2],
}

struct Queue {
    queue: PartitionQueue<Signals>,
    progress: Progress,
}

/// What a turn of a task has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worked {
    /// A record was processed: there may be more.
    Record,
    /// Nothing is there, or nothing can be taken now.
    Nothing,
    /// The log begins anew: the position has to be found again.
    OutOfStep,
}

impl Task {
    /// A task that was just given to this pod, or is about to be: its queues are split off from the consumer's.
    pub(crate) fn new(
        consumer: &Arc<Consumer>,
        topics: &[String; 2],
        partition: u32,
        generation: u64,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let [requests, responses] = topics;
        let queues =
            [Queue::split(consumer, requests, partition)?, Queue::split(consumer, responses, partition)?];
        Ok(Self { generation, state: TaskState::new(partition, metrics), queues })
    }

    /// Forgets its state, and all that was done since the last commit.
    pub(crate) fn roll_back(&mut self, generation: u64) {
        self.generation = generation;
        self.state.clear();
        for queue in &mut self.queues {
            queue.progress = Progress::default();
        }
    }

    /// Processes the next record, if one is there and there is room for what comes of it.
    pub(crate) fn work(&mut self, codec: &Codec, now: EventTime) -> Worked {
        if self.state.is_full() {
            return Worked::Nothing;
        }
        if let Some(taken) = self.state.try_held(codec, now) {
            return taken.into();
        }
        let Some(Turn { behind, ahead }) = self.state.turn() else { return Worked::Nothing };
        match (self.read(codec, input(behind), now), ahead) {
            (Worked::Nothing, Ahead::MayBeRead) => self.read(codec, input(behind.other()), now),
            (worked, _) => worked,
        }
    }

    /// Notes where the log of an input begins, and how far the consumer has fetched it.
    pub(crate) fn fetched(&mut self, input: Input, start: i64, next_offset: i64) {
        self.queues[index(input)].progress.fetched(start, next_offset);
    }

    /// Looks at an input, about once a second: whether it goes on. An input that was read to its real end and brought
    /// nothing for a while counts as idle: its time follows the clock. Where a log goes on without records, so does the
    /// position: it is no lag.
    pub(crate) fn look(&mut self, input: Input, end: &LogEnd, asked: Instant, now: EventTime) -> Standing {
        let Some(position) = self.state.position(input) else { return Standing::Restoring };
        let progress = &mut self.queues[index(input)].progress;
        let standing = progress.look(position, end, asked);
        if let Some(next) = progress.passed_over(position) {
            self.state.pass_over(input, next);
        }
        if progress.is_idle() {
            self.state.idle(input, now);
        }
        standing
    }

    fn read(&mut self, codec: &Codec, input: Input, now: EventTime) -> Worked {
        let Queue { queue, progress } = &mut self.queues[index(input)];
        match queue.poll(Duration::ZERO) {
            None => {
                progress.found_nothing();
                Worked::Nothing
            }
            Some(Ok(message)) => {
                progress.found_record();
                let record = Record {
                    input,
                    key: message.key(),
                    value: message.payload(),
                    timestamp: message.timestamp().to_millis(),
                    offset: message.offset(),
                };
                self.state.take(codec, &record, now).into()
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                progress.found_end();
                Worked::Nothing
            }
            Some(Err(problem)) => {
                warn!(?input, partition = self.state.partition(), %problem, "a partition cannot be read now");
                Worked::Nothing
            }
        }
    }
}

impl From<Taken> for Worked {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Processed => Self::Record,
            Taken::Held | Taken::NotRestored => Self::Nothing,
            Taken::BelowPosition => Self::OutOfStep,
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
        Ok(Self { queue, progress: Progress::default() })
    }
}
