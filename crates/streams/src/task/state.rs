//! The work on a task: its state, and what came of records since the last commit.

use anyhow::Context as _;
use rdkafka::Offset;
use tracing::debug;
use workload::EventTime;
use workload::Input;
use workload::avro::Codec;
use workload::fold::{Block, Counts, Size, Turn};

use crate::assignment::{index, signed};
use crate::batch::{Batch, DeadLetter, StateBlock};
use crate::changelog::{self, Position, Positions};
use crate::metrics::Metrics;
use crate::record::{self, BadRecord, Record, difference, side};
use crate::restore::{Begins, Work};

/// What one transaction may carry of a task; a block must fit into one record.
const MOST_CHANGES: usize = 256 * 1024;
const MOST_OUTPUTS: usize = 2_000;
const MOST_DEAD_BYTES: usize = 1024 * 1024;

/// What a task has made of its records so far; it takes records once it is restored.
pub(crate) struct TaskState {
    partition: u32,
    /// `None` until it is restored.
    work: Option<Work>,
    /// A record whose schema is being asked about: nothing is read before it.
    held: Option<Held>,
    dead_letters: Vec<DeadLetter>,
    dead_bytes: usize,
    /// Whether a record was read, or the clock went on, since the last commit.
    is_dirty: bool,
    /// As the last block had them.
    noted: Option<Positions>,
    counted: Counts,
    metrics: Metrics,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was processed, or put aside.
    Processed,
    /// It waits for its schema.
    Held,
    /// It is below the position, though the log was read from there.
    BelowPosition,
    /// There is no state yet.
    NotRestored,
}

/// Whether final sessions are still to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// None, or none that there is room for now.
    Fully,
    /// There may be more.
    Partly,
}

/// A record that waits to be understood.
struct Held {
    input: Input,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Option<EventTime>,
    offset: i64,
    /// Of the schema.
    id: u32,
}

impl TaskState {
    pub(super) fn new(partition: u32, metrics: Metrics) -> Self {
        Self {
            partition,
            work: None,
            held: None,
            dead_letters: Vec::new(),
            dead_bytes: 0,
            is_dirty: false,
            noted: None,
            counted: Counts::default(),
            metrics,
        }
    }

    /// Begins to work with a restored state. One that stands elsewhere than the group's commits is committed at once.
    pub(crate) fn begin(&mut self, work: Work, begins: Begins) {
        self.counted = work.fold.counts();
        self.noted = None;
        self.is_dirty = begins == Begins::Elsewhere;
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
    pub(crate) fn suspend(&mut self) -> Option<Work> {
        self.report();
        self.work.take()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.work, self.held, self.is_dirty, self.noted) = (None, None, false, None);
        self.dead_letters.clear();
        self.dead_bytes = 0;
    }

    pub(super) fn partition(&self) -> u32 {
        self.partition
    }

    /// The offset of an input's next record; `None` until the state is restored.
    pub(crate) fn position(&self, input: Input) -> Option<i64> {
        Some(self.work.as_ref()?.positions[index(input)].next)
    }

    /// The schema that it waits for.
    pub(crate) fn unknown_id(&self) -> Option<u32> {
        self.held.as_ref().map(|held| held.id)
    }

    /// Which side to read next; `None` until it is restored.
    pub(super) fn turn(&self) -> Option<Turn> {
        self.work.as_ref().map(|work| work.fold.turn())
    }

    /// Whether nothing more is to be read before the next commit, or before the state is there.
    pub(super) fn is_full(&self) -> bool {
        self.work.as_ref().is_none_or(|work| {
            work.fold.changed_bytes() > MOST_CHANGES
                || work.fold.pending_outputs() > MOST_OUTPUTS
                || self.dead_bytes > MOST_DEAD_BYTES
        })
    }

    /// Tries the record again that waits to be understood; `None` when none does.
    pub(super) fn try_held(&mut self, codec: &Codec, now: EventTime) -> Option<Taken> {
        let held = self.held.take()?;
        let Held { input, timestamp, offset, .. } = held;
        let (key, value) = (held.key.as_deref(), held.value.as_deref());
        Some(self.take(codec, &Record { input, key, value, timestamp, offset }, now))
    }

    /// Takes a record in.
    pub(super) fn take(&mut self, codec: &Codec, record: &Record<'_>, now: EventTime) -> Taken {
        let Some(work) = &mut self.work else { return Taken::NotRestored };
        if record.offset < work.positions[index(record.input)].next {
            return Taken::BelowPosition;
        }
        let processed = record::process(&mut work.fold, codec, record, now);
        if let Some(id) = processed.as_ref().err().and_then(BadRecord::unknown_id) {
            self.held = Some(Held::new(record, id));
            return Taken::Held;
        }
        work.positions[index(record.input)] = Position::after(record.offset, record.timestamp);
        self.is_dirty = true;
        if let Err(bad) = processed {
            self.put_aside(record, &bad);
        }
        self.metrics.count_processed(record.input);
        Taken::Processed
    }

    /// Goes on at a later offset: there is no record before it.
    pub(super) fn pass_over(&mut self, input: Input, next: i64) {
        if let Some(work) = &mut self.work {
            work.positions[index(input)].next = next;
            self.is_dirty = true;
        }
    }

    fn put_aside(&mut self, record: &Record<'_>, bad: &BadRecord) {
        let partition = self.partition;
        debug!(input = ?record.input, partition, offset = record.offset, %bad, "a dead letter");
        self.metrics.count_bad(bad.reason());
        self.dead_bytes += 64 + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        self.dead_letters.push(DeadLetter {
            input: record.input,
            partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            reason: bad.reason(),
            error: bad.to_string(),
        });
    }

    /// Lets an input's time follow the clock.
    pub(super) fn idle(&mut self, input: Input, now: EventTime) {
        if let Some(work) = &mut self.work {
            work.fold.idle(side(input), now);
            self.is_dirty = true;
        }
    }

    /// Looks for final sessions that are still to be found.
    pub(crate) fn catch_up(&mut self) -> CaughtUp {
        let Some(work) = &mut self.work else { return CaughtUp::Fully };
        if !work.fold.is_behind() || work.fold.pending_outputs() > MOST_OUTPUTS {
            return CaughtUp::Fully;
        }
        work.fold.catch_up();
        self.is_dirty = true;
        if work.fold.is_behind() { CaughtUp::Partly } else { CaughtUp::Fully }
    }

    /// Adds to a batch what happened since the last one.
    pub(crate) fn add_to(&mut self, batch: &mut Batch, topics: &[String; 2]) -> anyhow::Result<()> {
        let Some(work) = &mut self.work else { return Ok(()) };
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        let mut outputs = Vec::new();
        work.fold.take_outputs(&mut outputs);
        // Also a task that has only passed over records says in its changelog how far it is.
        if work.fold.has_changed() || self.noted != Some(work.positions) {
            let block = work.fold.take_changes();
            work.changelog.forget(&work.fold);
            let number = work.changelog.append(&block);
            let Block { bytes, .. } = block;
            let positions = changelog::header(&work.positions);
            batch.blocks.push(StateBlock { partition: self.partition, number, positions, bytes });
            self.noted = Some(work.positions);
        }
        self.metrics.outputs.inc_by(outputs.len() as u64);
        batch.outputs.extend(outputs.into_iter().map(|output| (self.partition, output)));
        batch.dead_letters.append(&mut self.dead_letters);
        self.dead_bytes = 0;
        let metadata = work.changelog.mark().map(|mark| mark.to_string());
        for (topic, Position { next, .. }) in topics.iter().zip(work.positions) {
            let mut offset = batch.offsets.add_partition(topic, signed(self.partition));
            offset.set_offset(Offset::Offset(next)).context("an offset that cannot be")?;
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
        self.metrics.add(self.partition, &difference(&counts, &self.counted));
        self.counted = counts;
    }

    /// The size of the state.
    pub(crate) fn size(&self) -> Size {
        self.work.as_ref().map_or_else(Size::default, |work| work.fold.size())
    }
}

impl Held {
    fn new(record: &Record<'_>, id: u32) -> Self {
        Self {
            input: record.input,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            timestamp: record.timestamp,
            offset: record.offset,
            id,
        }
    }
}
