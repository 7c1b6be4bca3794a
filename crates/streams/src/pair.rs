//! A pair of partitions at work: the queues of both, how far each was read and committed, and the task between them.
//!
//! The side that is behind in event time is read first, so that both inputs progress together and the join need not
//! hold more than its window.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use game::EventTime;
use game::sessions::{Limits, Output};
use model::Input;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use tracing::{debug, warn};

use crate::consumer::{Consumer, Signals};
use crate::metrics::Metrics;
use crate::pairs::{index, signed};
use crate::task::{Counts, Record, Task};

/// How far one input may be read ahead of the other, which has more to give but not at this moment.
const AHEAD_MS: EventTime = 2_000;
/// How long a record may take from its producer into the log.
const DELAY_MS: EventTime = 5_000;

/// A pair of partitions at work.
pub(crate) struct Pair {
    partition: u32,
    task: Task,
    sides: [Side; 2],
    counted: Counts,
    metrics: Metrics,
}

struct Side {
    queue: PartitionQueue<Signals>,
    /// The offset after the last record that was processed.
    position: Option<i64>,
    /// The position that was noted last, to be committed.
    noted: Option<i64>,
    /// Whether the log's end was seen after the last record.
    at_end: bool,
}

impl Pair {
    /// Begins to work on a partition that was just assigned: its queues are split off from the consumer's.
    pub(crate) fn begin(
        consumer: &Arc<Consumer>,
        topics: &[String; 2],
        partition: u32,
        limits: Limits,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let [requests, responses] = topics;
        let sides =
            [Side::split(consumer, requests, partition)?, Side::split(consumer, responses, partition)?];
        Ok(Self { partition, task: Task::new(limits), sides, counted: Counts::default(), metrics })
    }

    /// Processes the next record, if one is there.
    pub(crate) fn work(&mut self, now: EventTime, outputs: &mut Vec<Output>) -> bool {
        let (behind, ahead) = self.order();
        self.read(behind, now, outputs)
            || (self.may_go_ahead(behind, ahead) && self.read(ahead, now, outputs))
    }

    /// Processes a record that came in through the consumer's own queue.
    pub(crate) fn take(
        &mut self,
        input: Input,
        message: &BorrowedMessage<'_>,
        now: EventTime,
        outputs: &mut Vec<Output>,
    ) {
        process(&mut self.task, &self.metrics, input, message, now, outputs);
        self.sides[index(input)].went_on(message);
    }

    /// Takes the updates of the sessions that changed.
    pub(crate) fn take_updates(&mut self, outputs: &mut Vec<Output>) {
        self.task.take_updates(outputs);
    }

    /// The position of an input; `None` before its first record.
    pub(crate) fn position(&self, input: Input) -> Option<i64> {
        self.sides[index(input)].position
    }

    /// The position of an input if it has changed since the last call.
    pub(crate) fn take_progress(&mut self, input: Input) -> Option<i64> {
        let side = &mut self.sides[index(input)];
        let changed = side.position != side.noted;
        side.noted = side.position;
        side.position.filter(|_| changed)
    }

    /// Says that at this time an input had nothing after this offset. In the end that closes sessions when nobody
    /// plays any more.
    pub(crate) fn note_end(&mut self, input: Input, end: i64, now: EventTime, outputs: &mut Vec<Output>) {
        let side = &self.sides[index(input)];
        if side.position.map_or(side.at_end, |position| position >= end) {
            self.task.advance(input, now.saturating_sub(DELAY_MS), outputs);
        }
    }

    /// Adds to the metrics what happened since the last call.
    pub(crate) fn report(&mut self) {
        let counts = self.task.counts();
        self.metrics.add(&self.counted, &counts);
        self.counted = counts;
    }

    /// The size of the state: headers that wait, open sessions.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.task.waiting(), self.task.open_sessions())
    }

    /// The input that is behind, and the other one. An input of which nothing was read yet is behind.
    fn order(&self) -> (Input, Input) {
        if self.task.time(Input::Responses) < self.task.time(Input::Requests) {
            (Input::Responses, Input::Requests)
        } else {
            (Input::Requests, Input::Responses)
        }
    }

    /// Whether an input may be read though the other one, which is behind, gives nothing now.
    fn may_go_ahead(&self, behind: Input, ahead: Input) -> bool {
        let time = |input| self.task.time(input);
        self.sides[index(behind)].at_end
            || match (time(behind), time(ahead)) {
                (Some(behind), Some(ahead)) => ahead.saturating_sub(behind) < AHEAD_MS,
                (_, None) => true,
                // Whether the other one has anything is not known yet: Kafka's first answer tells.
                (None, Some(_)) => false,
            }
    }

    fn read(&mut self, input: Input, now: EventTime, outputs: &mut Vec<Output>) -> bool {
        let side = &mut self.sides[index(input)];
        match side.queue.poll(Duration::ZERO) {
            None => return false,
            Some(Ok(message)) => {
                process(&mut self.task, &self.metrics, input, &message, now, outputs);
                side.position = Some(message.offset() + 1);
                side.at_end = false;
                return true;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => side.at_end = true,
            Some(Err(problem)) => {
                warn!(?input, partition = self.partition, %problem, "a partition cannot be read now");
            }
        }
        false
    }
}

impl Side {
    fn split(consumer: &Arc<Consumer>, topic: &str, partition: u32) -> anyhow::Result<Self> {
        let mut queue = consumer
            .split_partition_queue(topic, signed(partition))
            .with_context(|| format!("{topic}/{partition} has no queue of its own"))?;
        let worker = std::thread::current();
        queue.set_nonempty_callback(move || worker.unpark());
        Ok(Self { queue, position: None, noted: None, at_end: false })
    }

    fn went_on(&mut self, message: &BorrowedMessage<'_>) {
        self.position = Some(message.offset() + 1);
        self.at_end = false;
    }
}

fn process(
    task: &mut Task,
    metrics: &Metrics,
    input: Input,
    message: &BorrowedMessage<'_>,
    now: EventTime,
    outputs: &mut Vec<Output>,
) {
    let record = Record {
        input,
        key: message.key().unwrap_or_default(),
        value: message.payload().unwrap_or_default(),
        timestamp: message.timestamp().to_millis(),
        offset: message.offset(),
    };
    if let Err(bad) = task.process(&record, now, outputs) {
        debug!(?input, partition = message.partition(), offset = record.offset, %bad, "a record is left out");
        metrics.count_bad(bad.reason());
    }
    metrics.count_processed(input);
}
