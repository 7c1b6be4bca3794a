//! One machine's frames in the order of event time: halves that wait for each other, and the frames of sessions that
//! are not final yet.

use crate::sessions::{GameSession, KEPT_HITS, Limits, Output};
use crate::{EventTime, FrameHeader, Hit, Machine, Zone};

use super::{Counts, PAIR_MS, Side};

/// What a request brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// Its record time.
    pub(super) at: EventTime,
    /// Its offset in its partition.
    pub(super) offset: i64,
    pub(super) hits: Box<[Hit]>,
}

/// A frame's place in its machine's order.
pub(super) type Place = (EventTime, Zone);

/// Which halves of a frame have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halves {
    Request,
    Response,
    /// Both, near enough to each other.
    Joined,
    /// Both, too far apart.
    Apart,
}

/// A frame of which one half has come, or both. There may be a million: nothing is kept that is not needed any more.
#[derive(Debug)]
struct Frame {
    ts: EventTime,
    /// Of the request, once it has come.
    offset: i64,
    hits: Box<[Hit]>,
    /// The record time of the half that came first, from `ts` on.
    first_at: i32,
    zone: Zone,
    halves: Halves,
}

impl Frame {
    fn place(&self) -> Place {
        (self.ts, self.zone)
    }

    fn is_joined(&self) -> bool {
        self.halves == Halves::Joined
    }

    /// What both halves are to each other when the second one has this record time.
    fn meet(&self, at: EventTime) -> Halves {
        let apart = i64::from(self.first_at).abs_diff(at.saturating_sub(self.ts));
        if apart <= PAIR_MS.unsigned_abs() { Halves::Joined } else { Halves::Apart }
    }
}

/// A run of joined frames, as far as it is known.
#[derive(Debug, Clone, Copy)]
struct Session {
    first: Place,
    last: Place,
    frames: u32,
    count: u32,
    score: i64,
    request_offset: i64,
    /// Whether a frame was added since the last update.
    changed: bool,
}

impl Session {
    fn begin(place: Place) -> Self {
        Self { first: place, last: place, frames: 0, count: 0, score: 0, request_offset: -1, changed: false }
    }

    fn takes(&self, (ts, _): Place, limits: &Limits) -> bool {
        ts.saturating_sub(self.last.0) < limits.gap_ms
            && ts.saturating_sub(self.first.0) <= limits.longest_ms
            && self.count < limits.most_hits
    }

    fn add(&mut self, frame: &Frame) {
        self.last = frame.place();
        self.frames += 1;
        self.request_offset = self.request_offset.max(frame.offset);
        for hit in &frame.hits {
            self.count += 1;
            self.score += i64::from(hit.score());
        }
    }

    /// The earliest completeness at which it is final.
    fn final_from(&self, next: Option<&Self>, limits: &Limits) -> EventTime {
        let after = |ts: EventTime| ts.saturating_add(1);
        let mut from = self.last.0.saturating_add(limits.gap_ms).min(after(self.first.0 + limits.longest_ms));
        if self.count >= limits.most_hits {
            from = after(self.last.0);
        }
        if let Some(next) = next {
            from = from.min(after(next.first.0));
        }
        // Never before its own last frame is complete.
        from.max(after(self.last.0))
    }
}

/// One machine's frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// In the order of their places, each place once.
    frames: Vec<Frame>,
    /// The joined ones among them, cut into sessions.
    sessions: Vec<Session>,
    /// Whether it is on the list of those with updates.
    pub(super) is_listed: bool,
}

impl Frames {
    /// Whether this half of a frame is there already.
    pub(super) fn holds(&self, place: Place, side: Side) -> bool {
        let lacks = match side {
            Side::Request => Halves::Response,
            Side::Response => Halves::Request,
        };
        self.find(place).is_ok_and(|at| self.frames[at].halves != lacks)
    }

    /// Takes a request that is not there yet; whether its frame is whole now.
    pub(super) fn request(&mut self, place: Place, request: Request, limits: &Limits) -> bool {
        let Request { at, offset, hits } = request;
        match self.find(place) {
            Ok(nth) => {
                let frame = &mut self.frames[nth];
                (frame.halves, frame.offset, frame.hits) = (frame.meet(at), offset, hits);
                self.cut(nth, limits)
            }
            Err(nth) => {
                self.insert(nth, place, at, Halves::Request, (offset, hits));
                false
            }
        }
    }

    /// Takes the record time of a response that is not there yet; whether its frame is whole now.
    pub(super) fn response(&mut self, place: Place, at: EventTime, limits: &Limits) -> bool {
        match self.find(place) {
            Ok(nth) => {
                self.frames[nth].halves = self.frames[nth].meet(at);
                self.cut(nth, limits)
            }
            Err(nth) => {
                self.insert(nth, place, at, Halves::Response, (-1, Box::default()));
                false
            }
        }
    }

    /// The frame at a place, or where it would be; most are the newest ones.
    fn find(&self, place: Place) -> Result<usize, usize> {
        let behind = self.frames.iter().rev().take_while(|frame| frame.place() > place).count();
        let at = self.frames.len() - behind;
        match at.checked_sub(1) {
            Some(before) if self.frames[before].place() == place => Ok(before),
            _ => Err(at),
        }
    }

    fn insert(
        &mut self,
        nth: usize,
        (ts, zone): Place,
        at: EventTime,
        halves: Halves,
        (offset, hits): (i64, Box<[Hit]>),
    ) {
        if self.frames.capacity() == 0 {
            // Most machines of a large crowd have one frame.
            self.frames.reserve_exact(1);
        }
        // A record's time is never so far from its frame's.
        let first_at = at.saturating_sub(ts).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        self.frames.insert(nth, Frame { ts, offset, hits, first_at, zone, halves });
    }

    /// Makes a frame whose second half has come part of a session, if it is joined now.
    fn cut(&mut self, nth: usize, limits: &Limits) -> bool {
        let frame = &self.frames[nth];
        if !frame.is_joined() {
            return false;
        }
        if self.sessions.last().is_none_or(|newest| newest.last < frame.place()) {
            append(&mut self.sessions, frame, limits).changed = true;
        } else {
            self.cut_again(nth, limits);
        }
        true
    }

    /// Cuts sessions anew, since a frame came between others.
    fn cut_again(&mut self, added: usize, limits: &Limits) {
        let added = self.frames[added].place();
        let before = std::mem::take(&mut self.sessions);
        self.cut_all(limits);
        for session in &mut self.sessions {
            let overlaps = |first, last| first <= session.last && session.first <= last;
            session.changed = overlaps(added, added)
                || before.iter().any(|old| old.changed && overlaps(old.first, old.last));
        }
    }

    fn cut_all(&mut self, limits: &Limits) {
        for frame in self.frames.iter().filter(|frame| frame.is_joined()) {
            append(&mut self.sessions, frame, limits);
        }
    }

    /// Takes the sessions that are final once everything below `complete` has come; the place of their last frame, if
    /// there are any.
    pub(super) fn take_finals(
        &mut self,
        machine: Machine,
        complete: EventTime,
        limits: &Limits,
        outputs: &mut Vec<Output>,
    ) -> Option<Place> {
        let finals = (0..self.sessions.len())
            .take_while(|&nth| self.sessions[nth].final_from(self.sessions.get(nth + 1), limits) <= complete)
            .count();
        for nth in 0..finals {
            outputs.push(self.output(machine, &self.sessions[nth], true));
        }
        let last = self.sessions.drain(..finals).next_back()?.last;
        self.drop_joined(last);
        Some(last)
    }

    /// Drops the joined frames up to a place: their sessions are final.
    fn drop_joined(&mut self, last: Place) {
        self.frames.retain(|frame| frame.place() > last || !frame.is_joined());
    }

    /// Drops the halves that stayed alone once everything below `complete` has come.
    pub(super) fn drop_alone(&mut self, complete: EventTime, counts: &mut Counts) {
        let is_over = |frame: &Frame| frame.ts < complete && !frame.is_joined();
        if !self.frames.iter().any(is_over) {
            return;
        }
        self.frames.retain(|frame| {
            let over = is_over(frame);
            counts.expired_requests += u64::from(over && frame.halves != Halves::Response);
            counts.expired_responses += u64::from(over && frame.halves != Halves::Request);
            !over
        });
    }

    /// Drops final sessions again while state is restored; cuts anew what is left.
    pub(super) fn restore_final(&mut self, place: Place, limits: &Limits) {
        self.drop_joined(place);
        self.sessions.clear();
        self.cut_all(limits);
    }

    /// The next completeness at which something is over; `None` when nothing is left.
    pub(super) fn due(&self, limits: &Limits) -> Option<EventTime> {
        let alone = self.frames.iter().find(|frame| !frame.is_joined());
        let alone = alone.map(|frame| frame.ts.saturating_add(1));
        let session = self.sessions.first().map(|first| first.final_from(self.sessions.get(1), limits));
        alone.into_iter().chain(session).min()
    }

    /// The sessions that a frame was added to since the last call.
    pub(super) fn take_updates(&mut self, machine: Machine, outputs: &mut Vec<Output>) {
        self.is_listed = false;
        for nth in 0..self.sessions.len() {
            if std::mem::take(&mut self.sessions[nth].changed) {
                outputs.push(self.output(machine, &self.sessions[nth], false));
            }
        }
    }

    /// Says that no update is pending: what was restored was written before.
    pub(super) fn forget_updates(&mut self) {
        self.is_listed = false;
        self.sessions.iter_mut().for_each(|session| session.changed = false);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames that wait for their other half, and open sessions.
    pub(super) fn size(&self) -> (usize, usize) {
        let joined: u32 = self.sessions.iter().map(|session| session.frames).sum();
        (self.frames.len() - joined as usize, self.sessions.len())
    }

    fn output(&self, machine: Machine, session: &Session, is_final: bool) -> Output {
        let wanted = if is_final { usize::MAX } else { KEPT_HITS };
        let &Session { first, last, frames, count, score, request_offset, .. } = session;
        let mut hits = Vec::with_capacity(wanted.min(count as usize));
        let inside = self.frames.iter().rev().skip_while(|frame| frame.place() > last);
        let inside = inside.take_while(|frame| frame.place() >= first);
        hits.extend(
            inside
                .filter(|frame| frame.is_joined())
                .flat_map(|frame| frame.hits.iter().rev())
                .take(wanted)
                .copied(),
        );
        hits.reverse();
        let machine_id = machine.to_string();
        let (start, end) = (first.0, last.0);
        let session = GameSession { hits, machine: machine_id, frames, count, score, start, end, is_final };
        Output { key: FrameHeader { ts: first.0, machine, zone: first.1 }, session, request_offset }
    }
}

/// Adds a frame after all others: to the newest session, or as the first one of another.
fn append<'a>(sessions: &'a mut Vec<Session>, frame: &Frame, limits: &Limits) -> &'a mut Session {
    if sessions.last().is_none_or(|newest| !newest.takes(frame.place(), limits)) {
        if sessions.capacity() == 0 {
            sessions.reserve_exact(1);
        }
        sessions.push(Session::begin(frame.place()));
    }
    let newest = sessions.len() - 1;
    sessions[newest].add(frame);
    &mut sessions[newest]
}
