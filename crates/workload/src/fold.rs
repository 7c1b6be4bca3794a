//! The work on one pair of partitions: requests and responses come in, sessions come out.
//!
//! What comes out depends only on what the two partitions hold, not on how their reading interleaves; docs/SEMANTICS.md
//! says how. Everything kept is bounded per machine, and what changes is noted for the changelog.

mod changes;
mod frames;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::sessions::{Limits, Output};
use crate::{EventTime, FrameHeader, Hit, Machine};

pub use changes::{Block, BlockError};
use changes::{Changes, Event, Reader, Times};
use frames::{Frames, Request};

/// How far apart the record times of a pair may be.
pub const PAIR_MS: EventTime = 3_000;
/// How far below the high time of its partition a record may be.
pub const GRACE_MS: EventTime = 5_000;
/// How far one input may be read ahead of the other.
pub const AHEAD_MS: EventTime = 2_000;
/// How far the time of an idle input follows the clock.
pub const IDLE_MS: EventTime = 5_000;
/// How far the records of one writer may be ahead of another's: a record further in the future is refused.
pub const APART_MS: EventTime = 60_000;
/// How far in the future of the clock a record may bring the high time of its input. Well below the grace: what is
/// written at the right time counts, though somebody else's clock is fast.
pub const FAST_MS: EventTime = 1_000;

/// Machines that are looked at in one go.
const LOOKS: usize = 64;

/// One of the two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The requests, which carry the hits.
    Request,
    /// The responses.
    Response,
}

impl Side {
    /// Both, requests first.
    pub const ALL: [Self; 2] = [Self::Request, Self::Response];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Request => Self::Response,
            Self::Response => Self::Request,
        }
    }
}

/// Which input to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The input that is behind in event time: it is read first.
    pub behind: Side,
    /// The other one, when nothing of the first one is there.
    pub ahead: Ahead,
}

/// Whether the input that is ahead in event time may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It may.
    MayBeRead,
    /// It waits for the other one.
    Waits,
}

/// Who stamps frames: each has a clock of his own, and so a time of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The generator.
    Generator,
    /// The server, for its players.
    Server,
}

impl Writer {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Generator, Self::Server];

    /// Who stamps the frames of this machine.
    #[must_use]
    pub const fn of(machine: Machine) -> Self {
        if machine.is_player() { Self::Server } else { Self::Generator }
    }

    const fn other(self) -> Self {
        match self {
            Self::Generator => Self::Server,
            Self::Server => Self::Generator,
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It met its other half.
    Joined,
    /// It waits for its other half, or the other half that came is too far from it.
    Waiting,
    /// A record with its header was there already: it does not count.
    Duplicate,
    /// Others are too far ahead of it: it does not count.
    Late {
        /// How far its time lies behind the high time of its input, which is more than [`GRACE_MS`].
        by_ms: EventTime,
    },
}

/// What became of records and sessions, since the fold was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pairs.
    pub joined: u64,
    /// Requests without a response.
    pub expired_requests: u64,
    /// Responses without a request.
    pub expired_responses: u64,
    /// Records whose header was there already.
    pub duplicates: u64,
    /// Requests that came too late.
    pub late_requests: u64,
    /// Responses that came too late.
    pub late_responses: u64,
    /// Sessions that became final.
    pub closed: u64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Machines of which anything is kept.
    pub machines: usize,
    /// Frames that wait for their other half.
    pub waiting: usize,
    /// Sessions that are not final.
    pub open_sessions: usize,
}

/// The state of one pair of partitions.
#[derive(Debug)]
pub struct Fold {
    limits: Limits,
    times: Times,
    /// Where the clock has brought an idle input.
    idle: [Option<EventTime>; 2],
    machines: HashMap<Machine, Frames>,
    /// Of the machines of each writer, one entry a machine: when to look at it next.
    agenda: [BinaryHeap<Reverse<(EventTime, Machine)>>; 2],
    /// Machines with updates to be written.
    changed: Vec<Machine>,
    /// Final sessions to be written.
    finals: Vec<Output>,
    changes: Changes,
    /// As the last block had them.
    noted: Times,
    counts: Counts,
}

impl Fold {
    /// A fold that knows nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            times: Times::default(),
            idle: [None; 2],
            machines: HashMap::new(),
            agenda: Default::default(),
            changed: Vec::new(),
            finals: Vec::new(),
            changes: Changes::default(),
            noted: Times::default(),
            counts: Counts::default(),
        }
    }

    /// Takes a request with its record time and its offset; `now` is the clock's time.
    pub fn request(
        &mut self,
        header: FrameHeader,
        at: EventTime,
        offset: i64,
        hits: Vec<Hit>,
        now: EventTime,
    ) -> Taken {
        let FrameHeader { ts, machine, zone } = header;
        if let Some(left_out) = self.leave_out(Side::Request, header) {
            return left_out;
        }
        self.changes.request(machine, (ts, zone), at, offset, &hits);
        let request = Request { at, offset, hits: hits.into_boxed_slice() };
        let limits = self.limits;
        let joined = self.frames_of(machine, ts).request((ts, zone), request, &limits);
        self.came(Side::Request, header, joined, now)
    }

    /// Takes a response with its record time; `now` is the clock's time.
    pub fn response(&mut self, header: FrameHeader, at: EventTime, now: EventTime) -> Taken {
        let FrameHeader { ts, machine, zone } = header;
        if let Some(left_out) = self.leave_out(Side::Response, header) {
            return left_out;
        }
        self.changes.response(machine, (ts, zone), at);
        let limits = self.limits;
        let joined = self.frames_of(machine, ts).response((ts, zone), at, &limits);
        self.came(Side::Response, header, joined, now)
    }

    /// Says that an input was read to its end and has brought nothing for a while: its time follows the clock.
    pub fn idle(&mut self, side: Side, now: EventTime) {
        let idle = &mut self.idle[side as usize];
        *idle = (*idle).max(Some(now.saturating_sub(IDLE_MS)));
        self.advance();
    }

    /// Which input to read next.
    #[must_use]
    pub fn turn(&self) -> Turn {
        let [request, response] = Side::ALL.map(|side| self.time(side));
        let behind = if response < request { Side::Response } else { Side::Request };
        // The time of an idle input is kept behind the clock, up to which the other one may be read.
        let is_idle = self.idle[behind as usize] > self.high(behind);
        let most = if is_idle { AHEAD_MS + IDLE_MS } else { AHEAD_MS };
        let is_near = match (self.time(behind), self.time(behind.other())) {
            (Some(behind), Some(ahead)) => ahead.saturating_sub(behind) <= most,
            (_, ahead) => ahead.is_none(),
        };
        Turn { behind, ahead: if is_near { Ahead::MayBeRead } else { Ahead::Waits } }
    }

    /// How far an input has come in event time; `None` before its first record.
    #[must_use]
    pub fn time(&self, side: Side) -> Option<EventTime> {
        self.high(side).max(self.idle[side as usize])
    }

    /// Everything of a writer below has come; `None` until both inputs brought a record.
    #[must_use]
    pub fn complete(&self, writer: Writer) -> Option<EventTime> {
        self.times.complete[writer as usize]
    }

    /// The highest of the high times of an input.
    fn high(&self, side: Side) -> Option<EventTime> {
        let [generator, server] = self.times.high[side as usize];
        generator.max(server)
    }

    /// How far an input has come in the time of a writer, as its records tell. A writer who writes nothing follows the
    /// other one, as far behind as he could be.
    fn high_of(&self, side: Side, writer: Writer) -> Option<EventTime> {
        let high = self.times.high[side as usize];
        let follows = high[writer.other() as usize].map(|other| other.saturating_sub(APART_MS));
        high[writer as usize].max(follows)
    }

    /// Takes what is to be written since the last call: final sessions first, then an update of each session that
    /// changed.
    pub fn take_outputs(&mut self, outputs: &mut Vec<Output>) {
        outputs.append(&mut self.finals);
        for machine in self.changed.drain(..) {
            if let Some(frames) = self.machines.get_mut(&machine) {
                frames.take_updates(machine, outputs);
            }
        }
    }

    /// Whether something changed since the last block was taken.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.changes.is_empty() || self.noted != self.times
    }

    /// Takes what changed since the last call; it may be nothing but the times.
    pub fn take_changes(&mut self) -> Block {
        self.noted = self.times;
        self.changes.take(&self.times)
    }

    /// Whether a block with frames up to `high_ts` is of no more use: all of them are final, or were given up.
    #[must_use]
    pub fn outlived(&self, high_ts: Option<EventTime>) -> bool {
        let Some(high_ts) = high_ts else { return true };
        let lasts = self.limits.longest_ms.saturating_add(self.limits.gap_ms);
        let is_over = |time: Option<EventTime>| time.is_some_and(|time| time > high_ts.saturating_add(lasts));
        // Of a writer of whom nothing is kept no frame is open.
        let [generator, server] = self.times.complete;
        is_over(generator.max(server))
            && Writer::ALL.into_iter().all(|writer| {
                let due = self.due(writer);
                due.is_none_or(|due| is_over(self.complete(writer).map(|complete| complete.min(due))))
            })
    }

    /// Whether final sessions wait to be found: then [`Fold::catch_up`] has more to do.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        Writer::ALL.into_iter().any(|writer| {
            let due = self.due(writer);
            due.is_some() && self.complete(writer) >= due
        })
    }

    /// Looks at some of the machines of which something may be over.
    pub fn catch_up(&mut self) {
        for writer in Writer::ALL {
            let Some(complete) = self.complete(writer) else { continue };
            for _ in 0..LOOKS {
                match self.agenda[writer as usize].peek() {
                    Some(&Reverse((due, machine))) if due <= complete => {
                        self.agenda[writer as usize].pop();
                        self.look_at(machine, complete);
                    }
                    _ => break,
                }
            }
        }
    }

    /// When to look next at a machine of a writer; `None` when nothing of him is kept.
    fn due(&self, writer: Writer) -> Option<EventTime> {
        self.agenda[writer as usize].peek().map(|&Reverse((due, _))| due)
    }

    /// Final sessions and updates that wait to be taken.
    #[must_use]
    pub fn pending_outputs(&self) -> usize {
        self.finals.len() + self.changed.len()
    }

    /// Bytes of changes that wait to be taken.
    #[must_use]
    pub fn changed_bytes(&self) -> usize {
        self.changes.len()
    }

    /// What became of the records.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How much is kept; looks at every machine.
    #[must_use]
    pub fn size(&self) -> Size {
        let mut size = Size { machines: self.machines.len(), ..Size::default() };
        for (waiting, open_sessions) in self.machines.values().map(Frames::size) {
            size.waiting += waiting;
            size.open_sessions += open_sessions;
        }
        size
    }

    /// What becomes of a record that does not count, since it is late or a duplicate; `None` for one that counts.
    fn leave_out(&mut self, side: Side, FrameHeader { ts, machine, zone }: FrameHeader) -> Option<Taken> {
        // An idle input's time may have completed what its own records have not.
        let writer = Writer::of(machine);
        let completed = self.complete(writer).map(|complete| complete.saturating_add(GRACE_MS));
        let behind = self.high_of(side, writer).max(completed).map(|high| high.saturating_sub(ts));
        if let Some(by_ms) = behind.filter(|&by_ms| by_ms > GRACE_MS) {
            match side {
                Side::Request => self.counts.late_requests += 1,
                Side::Response => self.counts.late_responses += 1,
            }
            return Some(Taken::Late { by_ms });
        }
        if self.machines.get(&machine).is_some_and(|frames| frames.holds((ts, zone), side)) {
            self.counts.duplicates += 1;
            return Some(Taken::Duplicate);
        }
        None
    }

    fn frames_of(&mut self, machine: Machine, ts: EventTime) -> &mut Frames {
        self.machines.entry(machine).or_insert_with(|| {
            self.agenda[Writer::of(machine) as usize].push(Reverse((ts.saturating_add(1), machine)));
            Frames::default()
        })
    }

    fn came(
        &mut self,
        side: Side,
        FrameHeader { ts, machine, .. }: FrameHeader,
        joined: bool,
        now: EventTime,
    ) -> Taken {
        if joined {
            self.counts.joined += 1;
            if let Some(frames) = self.machines.get_mut(&machine)
                && !std::mem::replace(&mut frames.is_listed, true)
            {
                self.changed.push(machine);
            }
        }
        // What is written at the right time must not be late because of one fast clock.
        let reached = Some(ts.min(now.saturating_add(FAST_MS)));
        let high = &mut self.times.high[side as usize][Writer::of(machine) as usize];
        if *high < reached {
            *high = reached;
            self.advance();
        }
        if joined { Taken::Joined } else { Taken::Waiting }
    }

    /// Brings completeness up to date. When many sessions end at once they are found bit by bit.
    fn advance(&mut self) {
        for writer in Writer::ALL {
            let [request, response] =
                Side::ALL.map(|side| self.high_of(side, writer).max(self.idle[side as usize]));
            let (Some(request), Some(response)) = (request, response) else { return };
            let complete = &mut self.times.complete[writer as usize];
            *complete = (*complete).max(Some(request.min(response).saturating_sub(GRACE_MS)));
        }
        self.catch_up();
    }

    fn look_at(&mut self, machine: Machine, complete: EventTime) {
        let Some(frames) = self.machines.get_mut(&machine) else { return };
        let before = self.finals.len();
        if let Some(last) = frames.take_finals(machine, complete, &self.limits, &mut self.finals) {
            self.changes.finals(machine, last);
            self.counts.closed += (self.finals.len() - before) as u64;
        }
        frames.drop_alone(complete, &mut self.counts);
        match frames.due(&self.limits) {
            Some(due) => self.agenda[Writer::of(machine) as usize].push(Reverse((due, machine))),
            None => drop(self.machines.remove(&machine)),
        }
    }
}

/// A fold that gets its state back, block after block.
#[derive(Debug)]
pub struct Restoring(Fold);

impl Restoring {
    /// Begins with nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Fold::new(limits))
    }

    /// Applies a block; they come in the order in which they were written. Gives the highest `ts` of a frame in it.
    ///
    /// # Errors
    /// When the bytes are no block. Then the state is of no use.
    pub fn apply(&mut self, block: &[u8]) -> Result<Option<EventTime>, BlockError> {
        let fold = &mut self.0;
        let mut high_ts = None;
        let mut reader = Reader::new(block)?;
        while let Some((machine, place, event)) = reader.next()? {
            if event == Event::Final {
                if let Some(frames) = fold.machines.get_mut(&machine) {
                    frames.restore_final(place, &fold.limits);
                    if frames.is_empty() {
                        fold.machines.remove(&machine);
                    }
                }
                continue;
            }
            high_ts = high_ts.max(Some(place.0));
            let frames = fold.machines.entry(machine).or_default();
            match event {
                Event::Request { at, offset, hits } => {
                    let request = Request { at, offset, hits: hits.into_boxed_slice() };
                    frames.request(place, request, &fold.limits);
                }
                Event::Response { at } => {
                    frames.response(place, at, &fold.limits);
                }
                Event::Final => {}
            }
        }
        fold.times = reader.times;
        Ok(high_ts)
    }

    /// Machines so far.
    #[must_use]
    pub fn machines(&self) -> usize {
        self.0.machines.len()
    }

    /// The fold as it was after the last block.
    #[must_use]
    pub fn finish(self) -> Fold {
        let Self(mut fold) = self;
        // Their other half was in a block that is gone, or they were given up before.
        let mut given_up = Counts::default();
        fold.machines.retain(|machine, frames| {
            let writer = Writer::of(*machine);
            frames.drop_alone(fold.times.complete[writer as usize].unwrap_or(EventTime::MIN), &mut given_up);
            frames.forget_updates();
            let due = frames.due(&fold.limits);
            fold.agenda[writer as usize].extend(due.map(|due| Reverse((due, *machine))));
            due.is_some()
        });
        fold.noted = fold.times;
        fold
    }
}

#[cfg(test)]
mod tests;
