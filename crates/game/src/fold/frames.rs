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

/// A frame of which one half has come, or both.
#[derive(Debug)]
struct Frame {
    place: Place,
    request: Option<Request>,
    /// The record time of the response.
    response: Option<EventTime>,
}

impl Frame {
    /// Its request, when both halves have come and are near enough.
    fn joined(&self) -> Option<&Request> {
        let (request, response) = (self.request.as_ref()?, self.response?);
        (request.at.abs_diff(response) <= PAIR_MS.unsigned_abs()).then_some(request)
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

    fn add(&mut self, place: Place, request: &Request) {
        self.last = place;
        self.frames += 1;
        self.request_offset = self.request_offset.max(request.offset);
        for hit in &request.hits {
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
        self.frames.iter().rev().take_while(|frame| frame.place >= place).any(|frame| {
            frame.place == place
                && match side {
                    Side::Request => frame.request.is_some(),
                    Side::Response => frame.response.is_some(),
                }
        })
    }

    /// Takes a request that is not there yet; whether its frame is whole now.
    pub(super) fn request(&mut self, place: Place, request: Request, limits: &Limits) -> bool {
        let at = self.find(place);
        self.frames[at].request = Some(request);
        self.join(at, limits)
    }

    /// Takes the record time of a response that is not there yet; whether its frame is whole now.
    pub(super) fn response(&mut self, place: Place, response: EventTime, limits: &Limits) -> bool {
        let at = self.find(place);
        self.frames[at].response = Some(response);
        self.join(at, limits)
    }

    /// The frame at a place; most are the newest ones.
    fn find(&mut self, place: Place) -> usize {
        let behind = self.frames.iter().rev().take_while(|frame| frame.place > place).count();
        let at = self.frames.len() - behind;
        if at > 0 && self.frames[at - 1].place == place {
            return at - 1;
        }
        if self.frames.capacity() == 0 {
            // Most machines of a large crowd have one frame.
            self.frames.reserve_exact(1);
        }
        self.frames.insert(at, Frame { place, request: None, response: None });
        at
    }

    fn join(&mut self, at: usize, limits: &Limits) -> bool {
        let frame = &self.frames[at];
        let Some(request) = frame.joined() else { return false };
        if self.sessions.last().is_none_or(|newest| newest.last < frame.place) {
            append(&mut self.sessions, frame.place, request, limits).changed = true;
        } else {
            self.cut_again(at, limits);
        }
        true
    }

    /// Cuts sessions anew, since a frame came between others.
    fn cut_again(&mut self, added: usize, limits: &Limits) {
        let added = self.frames[added].place;
        let before = std::mem::take(&mut self.sessions);
        for frame in &self.frames {
            if let Some(request) = frame.joined() {
                append(&mut self.sessions, frame.place, request, limits);
            }
        }
        for session in &mut self.sessions {
            let overlaps = |first, last| first <= session.last && session.first <= last;
            session.changed = overlaps(added, added)
                || before.iter().any(|old| old.changed && overlaps(old.first, old.last));
        }
    }

    /// Takes the sessions that are final once everything below `complete` has come; the place of their last frame, if there are any.
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
        self.frames.retain(|frame| frame.place > last || frame.joined().is_none());
    }

    /// Drops the halves that stayed alone once everything below `complete` has come.
    pub(super) fn drop_alone(&mut self, complete: EventTime, counts: &mut Counts) {
        let is_over = |frame: &Frame| frame.place.0 < complete && frame.joined().is_none();
        if !self.frames.iter().any(is_over) {
            return;
        }
        self.frames.retain(|frame| {
            let over = is_over(frame);
            counts.expired_requests += u64::from(over && frame.request.is_some());
            counts.expired_responses += u64::from(over && frame.response.is_some());
            !over
        });
    }

    /// Drops final sessions again while state is restored; cuts anew what is left.
    pub(super) fn restore_final(&mut self, place: Place, limits: &Limits) {
        self.drop_joined(place);
        self.sessions.clear();
        for frame in &self.frames {
            if let Some(request) = frame.joined() {
                append(&mut self.sessions, frame.place, request, limits);
            }
        }
    }

    /// The next completeness at which something is over; `None` when nothing is left.
    pub(super) fn due(&self, limits: &Limits) -> Option<EventTime> {
        let alone = self.frames.iter().find(|frame| frame.joined().is_none());
        let alone = alone.map(|frame| frame.place.0.saturating_add(1));
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

    /// Says that no update is owed: what was restored was written before.
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
        let inside = self.frames.iter().rev().skip_while(|frame| frame.place > last);
        let inside = inside.take_while(|frame| frame.place >= first);
        hits.extend(
            inside
                .filter_map(Frame::joined)
                .flat_map(|request| request.hits.iter().rev())
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
fn append<'a>(
    sessions: &'a mut Vec<Session>,
    place: Place,
    request: &Request,
    limits: &Limits,
) -> &'a mut Session {
    if sessions.last().is_none_or(|newest| !newest.takes(place, limits)) {
        if sessions.capacity() == 0 {
            sessions.reserve_exact(1);
        }
        sessions.push(Session::begin(place));
    }
    let newest = sessions.len() - 1;
    sessions[newest].add(place, request);
    &mut sessions[newest]
}
