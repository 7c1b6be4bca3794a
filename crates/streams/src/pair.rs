//! A pair of partitions: the queues of both, and the state between them, once that is restored.
//!
//! The side that is behind in event time is read first, and the other one waits for it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use game::EventTime;
use game::fold::{Block, Counts, Side, Size};
use game::sessions::Output;
use model::Input;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use tracing::{debug, warn};

use crate::batch::{Batch, DeadLetter, StateBlock};
use crate::changelog::Mark;
use crate::consumer::{Consumer, Signals};
use crate::metrics::Metrics;
use crate::pairs::{index, signed};
use crate::restore::Work;
use crate::task::{self, Record, difference, input, side};

/// How many looks in a row, a second apart, must find an input at its end before it counts as idle.
const QUIET_LOOKS: u32 = 5;
/// What one transaction may carry of a pair; a block must fit into one record.
const MOST_CHANGES: usize = 256 * 1024;
const MOST_OUTPUTS: usize = 2_000;
const MOST_DEAD_BYTES: usize = 1024 * 1024;

/// A pair of partitions.
pub(crate) struct Pair {
    partition: u32,
    /// Of the wish to have it restored.
    pub(crate) ticket: u64,
    queues: [Queue; 2],
    /// `None` until it is restored.
    work: Option<Work>,
    dead_letters: Vec<DeadLetter>,
    dead_bytes: usize,
    /// Whether a record was read, or the clock went on, since the last commit.
    is_dirty: bool,
    counted: Counts,
    metrics: Metrics,
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
        Ok(Self {
            partition,
            ticket,
            queues,
            work: None,
            dead_letters: Vec::new(),
            dead_bytes: 0,
            is_dirty: false,
            counted: Counts::default(),
            metrics,
        })
    }

    /// Begins to work with a restored state.
    pub(crate) fn begin(&mut self, work: Work) {
        self.counted = work.fold.counts();
        self.work = Some(work);
    }

    /// Whether it can be worked on.
    pub(crate) fn is_restored(&self) -> bool {
        self.work.is_some()
    }

    /// Whether there is something to commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Gives its state away, which must be committed.
    pub(crate) fn park(&mut self) -> Option<Work> {
        self.report();
        self.work.take()
    }

    /// Forgets its state, and all that was done since the last commit.
    pub(crate) fn roll_back(&mut self, ticket: u64) {
        (self.work, self.ticket, self.is_dirty) = (None, ticket, false);
        self.dead_letters.clear();
        self.dead_bytes = 0;
        for queue in &mut self.queues {
            (queue.at_end, queue.quiet_looks) = (false, 0);
        }
    }

    /// The offset of an input's next record; `None` if it is not known.
    pub(crate) fn position(&self, input: Input) -> Option<i64> {
        self.work.as_ref()?.positions[index(input)]
    }

    /// Processes the next record, if one is there and there is room for what comes of it.
    pub(crate) fn work(&mut self, now: EventTime) -> bool {
        let Some(work) = &self.work else { return false };
        if self.is_full(work) {
            return false;
        }
        let (behind, may_go_ahead) = work.fold.turn();
        let (behind, ahead) = match behind {
            Side::Request => (Side::Request, Side::Response),
            Side::Response => (Side::Response, Side::Request),
        };
        self.read(input(behind), now) || (may_go_ahead && self.read(input(ahead), now))
    }

    /// Looks for final sessions that are still to be found; whether there may be more.
    pub(crate) fn catch_up(&mut self) -> bool {
        let Some(work) = &mut self.work else { return false };
        if !work.fold.is_behind() || work.fold.owed() > MOST_OUTPUTS {
            return false;
        }
        work.fold.catch_up();
        self.is_dirty = true;
        work.fold.is_behind()
    }

    /// Says that at this time an input had nothing after this offset.
    pub(crate) fn look_at_end(&mut self, input: Input, end: Option<i64>, now: EventTime) {
        let queue = &mut self.queues[index(input)];
        let position = self.work.as_ref().and_then(|work| work.positions[index(input)]);
        let is_quiet = queue.at_end && end.is_some_and(|end| position.is_none_or(|position| position >= end));
        queue.quiet_looks = if is_quiet { queue.quiet_looks + 1 } else { 0 };
        if queue.quiet_looks >= QUIET_LOOKS
            && let Some(work) = &mut self.work
        {
            work.fold.idle(side(input), now);
            self.is_dirty = true;
        }
    }

    /// Adds to a batch what happened since the last one.
    pub(crate) fn add_to(&mut self, batch: &mut Batch, topics: &[String; 2]) -> anyhow::Result<()> {
        let Some(work) = &mut self.work else { return Ok(()) };
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        let mut outputs: Vec<Output> = Vec::new();
        work.fold.take_outputs(&mut outputs);
        if let Some(block) = work.fold.take_changes() {
            work.changelog.forget(&work.fold);
            let number = work.changelog.append(&block);
            let Block { bytes, .. } = block;
            batch.blocks.push(StateBlock { partition: self.partition, number, bytes });
        }
        self.metrics.outputs.inc_by(outputs.len() as u64);
        batch.outputs.extend(outputs.into_iter().map(|output| (self.partition, output)));
        batch.dead_letters.append(&mut self.dead_letters);
        self.dead_bytes = 0;
        let metadata = work.changelog.mark().map(|mark: Mark| mark.to_string());
        for (topic, position) in topics.iter().zip(work.positions) {
            let Some(position) = position else { continue };
            let mut offset = batch.offsets.add_partition(topic, signed(self.partition));
            offset.set_offset(rdkafka::Offset::Offset(position)).context("an offset that cannot be")?;
            if let Some(metadata) = &metadata {
                offset.set_metadata(metadata);
            }
        }
        Ok(())
    }

    /// Notes where a block of its changelog is; the offset up to which the changelog is of no more use.
    pub(crate) fn written(&mut self, block: u64, offset: i64) -> Option<i64> {
        let work = self.work.as_mut()?;
        work.changelog.written(block, offset);
        Some(work.changelog.from())
    }

    /// Adds to the metrics what happened since the last call.
    pub(crate) fn report(&mut self) {
        let Some(work) = &self.work else { return };
        let counts = work.fold.counts();
        self.metrics.add(&difference(&counts, &self.counted));
        self.counted = counts;
    }

    /// The size of the state.
    pub(crate) fn size(&self) -> Size {
        self.work.as_ref().map_or_else(Size::default, |work| work.fold.size())
    }

    fn is_full(&self, work: &Work) -> bool {
        work.fold.changed_bytes() > MOST_CHANGES
            || work.fold.owed() > MOST_OUTPUTS
            || self.dead_bytes > MOST_DEAD_BYTES
    }

    fn read(&mut self, input: Input, now: EventTime) -> bool {
        let queue = &mut self.queues[index(input)];
        let Some(work) = &mut self.work else { return false };
        let message = match queue.queue.poll(Duration::ZERO) {
            None => return false,
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(_))) => {
                queue.at_end = true;
                return false;
            }
            Some(Err(problem)) => {
                warn!(?input, partition = self.partition, %problem, "a partition cannot be read now");
                return false;
            }
        };
        (queue.at_end, queue.quiet_looks) = (false, 0);
        let position = &mut work.positions[index(input)];
        if position.is_some_and(|position| message.offset() < position) {
            // Fetched before it was known where to begin.
            return true;
        }
        *position = Some(message.offset() + 1);
        self.is_dirty = true;
        self.metrics.count_processed(input);
        let record = record(input, &message);
        if let Err(bad) = task::process(&mut work.fold, &record, now) {
            let letter = dead_letter(&record, self.partition, &bad);
            self.dead_bytes += 64 + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            debug!(?input, partition = self.partition, offset = record.offset, %bad, "a dead letter");
            self.metrics.count_bad(bad.reason());
            self.dead_letters.push(letter);
        }
        true
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

fn record<'a>(input: Input, message: &'a BorrowedMessage<'_>) -> Record<'a> {
    Record {
        input,
        key: message.key(),
        value: message.payload(),
        timestamp: message.timestamp().to_millis(),
        offset: message.offset(),
    }
}

fn dead_letter(record: &Record<'_>, partition: u32, bad: &task::BadRecord) -> DeadLetter {
    DeadLetter {
        input: record.input,
        partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        reason: bad.reason(),
        error: bad.to_string(),
    }
}
