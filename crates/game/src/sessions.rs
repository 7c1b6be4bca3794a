//! Sessions: runs of one machine's frames with short gaps, bounded in length and in hits.
//!
//! Every folded frame leads to an update, the end of a session to its final record. What is kept per machine has a
//! fixed upper bound, and so has the number of machines.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{EventTime, Frame, FrameHeader, Hit, Machine};

/// How many of a session's last hits its record carries.
pub const KEPT_HITS: usize = 20;

/// Value of a session in Kafka, as the Avro record `GameSession` has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GameSession {
    /// The last hits, oldest first, at most [`KEPT_HITS`].
    pub hits: Vec<Hit>,
    /// The machine's six digits; empty in a record of the first version.
    #[serde(default)]
    pub machine: String,
    /// Frames folded in.
    #[serde(default)]
    pub frames: u32,
    /// Hits folded in.
    #[serde(default)]
    pub count: u32,
    /// Points of all hits folded in.
    #[serde(default)]
    pub score: i64,
    /// `ts` of the first frame.
    #[serde(default)]
    pub start: EventTime,
    /// `ts` of the last frame.
    #[serde(default)]
    pub end: EventTime,
    /// Whether the session is over.
    #[serde(rename = "final", default)]
    pub is_final: bool,
}

/// What makes a session end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A pause of this length.
    pub gap_ms: EventTime,
    /// Its length, from its first frame.
    pub longest_ms: EventTime,
    /// Its hits; the frame that reaches the number is the last one.
    pub most_hits: u32,
    /// The open sessions of all machines together: above it, the one that would end first ends early.
    pub most_sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gap_ms: 10_000, longest_ms: 60_000, most_hits: 500, most_sessions: 20_000 }
    }
}

/// A session to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The header of the session's first frame, its key in Kafka.
    pub key: FrameHeader,
    /// The session so far, or as it ended.
    pub session: GameSession,
    /// The highest offset of a request of this session that is folded in.
    pub request_offset: i64,
}

/// What became of frames and sessions, since this was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sessions that began.
    pub opened: u64,
    /// Sessions that ended.
    pub closed: u64,
    /// Frames from long before their machine's session, which are left out.
    pub late: u64,
    /// Sessions that ended early because there were too many.
    pub evicted: u64,
}

/// The open sessions of one partition.
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    open: HashMap<Machine, Session>,
    /// One entry a session: when to look at it next. A session that went on meanwhile is put back.
    agenda: BTreeSet<(EventTime, Machine)>,
    changed: HashSet<Machine>,
    counts: Counts,
}

#[derive(Debug)]
struct Session {
    key: FrameHeader,
    hits: VecDeque<Hit>,
    frames: u32,
    count: u32,
    score: i64,
    start: EventTime,
    end: EventTime,
    request_offset: i64,
    /// Its entry in the agenda.
    due: EventTime,
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: HashMap::new(),
            agenda: BTreeSet::new(),
            changed: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Folds a frame into its machine's session; `outputs` gets the sessions that end by it.
    pub fn fold(&mut self, frame: &Frame, request_offset: i64, outputs: &mut Vec<Output>) {
        let FrameHeader { ts, machine, .. } = frame.header;
        if let Some(session) = self.open.get(&machine) {
            if ts < session.start.saturating_sub(self.limits.gap_ms) {
                self.counts.late += 1;
                return;
            }
            if ts > session.deadline(&self.limits) {
                self.close(machine, outputs);
            }
        }
        if !self.open.contains_key(&machine) {
            self.begin(frame.header, outputs);
        }
        let Some(session) = self.open.get_mut(&machine) else { return };
        session.fold(frame, request_offset);
        if session.count >= self.limits.most_hits {
            self.close(machine, outputs);
        } else {
            self.changed.insert(machine);
        }
    }

    /// Ends the sessions whose time is over; `outputs` gets them.
    pub fn advance(&mut self, to: EventTime, outputs: &mut Vec<Output>) {
        while let Some(&(due, machine)) = self.agenda.first()
            && due < to
        {
            let Some(session) = self.open.get_mut(&machine) else {
                self.agenda.pop_first();
                continue;
            };
            let deadline = session.deadline(&self.limits);
            if deadline < to {
                self.close(machine, outputs);
            } else {
                session.due = deadline;
                self.agenda.pop_first();
                self.agenda.insert((deadline, machine));
            }
        }
    }

    /// Takes the updates of all sessions that changed since the last call, one a session.
    pub fn take_updates(&mut self, outputs: &mut Vec<Output>) {
        for machine in self.changed.drain() {
            outputs.extend(self.open.get(&machine).map(Session::update));
        }
    }

    /// What became of frames and sessions.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many sessions are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no session is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn begin(&mut self, header: FrameHeader, outputs: &mut Vec<Output>) {
        if self.open.len() >= self.limits.most_sessions
            && let Some(&(_, machine)) = self.agenda.first()
        {
            self.counts.evicted += 1;
            self.close(machine, outputs);
        }
        let session = Session::begin(header, &self.limits);
        self.agenda.insert((session.due, header.machine));
        self.open.insert(header.machine, session);
        self.counts.opened += 1;
    }

    fn close(&mut self, machine: Machine, outputs: &mut Vec<Output>) {
        let Some(session) = self.open.remove(&machine) else { return };
        self.agenda.remove(&(session.due, machine));
        self.changed.remove(&machine);
        self.counts.closed += 1;
        let mut output = session.update();
        output.session.is_final = true;
        outputs.push(output);
    }
}

impl Session {
    fn begin(key: FrameHeader, limits: &Limits) -> Self {
        Self {
            key,
            hits: VecDeque::new(),
            frames: 0,
            count: 0,
            score: 0,
            start: key.ts,
            end: key.ts,
            request_offset: -1,
            due: key.ts.saturating_add(limits.gap_ms.min(limits.longest_ms)),
        }
    }

    fn fold(&mut self, frame: &Frame, request_offset: i64) {
        self.frames += 1;
        self.start = self.start.min(frame.header.ts);
        self.end = self.end.max(frame.header.ts);
        self.request_offset = self.request_offset.max(request_offset);
        for hit in &frame.hits {
            if self.hits.len() == KEPT_HITS {
                self.hits.pop_front();
            }
            self.hits.push_back(*hit);
            self.count += 1;
            self.score += i64::from(hit.score());
        }
    }

    /// The last instant at which a frame still belongs to it.
    fn deadline(&self, limits: &Limits) -> EventTime {
        self.end.saturating_add(limits.gap_ms).min(self.start.saturating_add(limits.longest_ms))
    }

    fn update(&self) -> Output {
        let session = GameSession {
            hits: self.hits.iter().copied().collect(),
            machine: self.key.machine.to_string(),
            frames: self.frames,
            count: self.count,
            score: self.score,
            start: self.start,
            end: self.end,
            is_final: false,
        };
        Output { key: self.key, session, request_offset: self.request_offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zone;

    const LIMITS: Limits = Limits { gap_ms: 10_000, longest_ms: 60_000, most_hits: 500, most_sessions: 3 };

    fn frame(machine: u32, ts: EventTime, hits: usize) -> Frame {
        let header = FrameHeader { ts, machine: Machine::new(machine).unwrap(), zone: Zone::US };
        Frame { header, hits: vec![Hit::from_hex("c3ff8ab13000e9c5").unwrap(); hits] }
    }

    /// Folds frames of machine 1 and gives the finished sessions as (start, end, hits).
    fn closed(sessions: &mut Sessions, frames: &[(EventTime, usize)]) -> Vec<(EventTime, EventTime, u32)> {
        let mut outputs = Vec::new();
        for &(ts, hits) in frames {
            sessions.fold(&frame(1, ts, hits), ts, &mut outputs);
        }
        assert!(outputs.iter().all(|output| output.session.is_final));
        outputs.iter().map(|Output { session, .. }| (session.start, session.end, session.count)).collect()
    }

    #[test]
    fn frames_with_short_gaps_are_one_session() {
        let mut sessions = Sessions::new(LIMITS);
        assert_eq!(closed(&mut sessions, &[(1_000, 2), (11_000, 3)]), []);
        assert_eq!(closed(&mut sessions, &[(21_001, 1)]), [(1_000, 11_000, 5)]);
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn an_update_holds_the_session_so_far() {
        let mut sessions = Sessions::new(LIMITS);
        closed(&mut sessions, &[(1_000, 12), (2_000, 13)]);
        let mut outputs = Vec::new();
        sessions.take_updates(&mut outputs);
        let [Output { key, session, request_offset }] = &outputs[..] else { panic!("one update a session") };
        assert_eq!((key.ts, *request_offset), (1_000, 2_000));
        assert_eq!((session.frames, session.count, session.hits.len()), (2, 25, KEPT_HITS));
        assert_eq!((session.score, session.machine.as_str()), (25 * 48, "000001"));
        assert!(!session.is_final);
        outputs.clear();
        sessions.take_updates(&mut outputs);
        assert_eq!(outputs, [], "nothing changed since");
    }

    #[test]
    fn a_session_ends_after_a_minute_and_after_500_hits() {
        let mut sessions = Sessions::new(LIMITS);
        let frames: Vec<_> = (0..14).map(|frame| (frame * 5_000, 1)).collect();
        assert_eq!(closed(&mut sessions, &frames), [(0, 60_000, 13)]);

        let mut sessions = Sessions::new(LIMITS);
        assert_eq!(closed(&mut sessions, &[(0, 300), (1, 200), (2, 1)]), [(0, 1, 500)]);
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn a_silent_machines_session_ends_when_time_has_passed_its_gap() {
        let mut sessions = Sessions::new(LIMITS);
        let mut outputs = Vec::new();
        sessions.fold(&frame(1, 1_000, 1), 0, &mut outputs);
        sessions.fold(&frame(2, 2_000, 1), 1, &mut outputs);
        sessions.fold(&frame(1, 9_000, 1), 2, &mut outputs);
        sessions.advance(12_000, &mut outputs);
        assert_eq!(outputs, []);
        sessions.advance(12_001, &mut outputs);
        assert_eq!(outputs.iter().map(|output| output.key.machine.id()).collect::<Vec<_>>(), [2]);
        sessions.advance(19_001, &mut outputs);
        assert_eq!(outputs.len(), 2);
        assert!(sessions.is_empty() && sessions.agenda.is_empty() && sessions.changed.is_empty());
    }

    #[test]
    fn a_frame_from_long_before_the_session_is_counted_and_left_out() {
        let mut sessions = Sessions::new(LIMITS);
        assert_eq!(closed(&mut sessions, &[(20_000, 1), (9_999, 1), (10_000, 1)]), []);
        assert_eq!(sessions.counts(), Counts { opened: 1, late: 1, ..Counts::default() });
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let mut sessions = Sessions::new(LIMITS);
        let mut outputs = Vec::new();
        for machine in 1..=5 {
            sessions.fold(&frame(machine, EventTime::from(machine), 1), 0, &mut outputs);
        }
        assert_eq!((sessions.len(), sessions.agenda.len()), (3, 3));
        assert_eq!(outputs.iter().map(|output| output.key.machine.id()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(sessions.counts().evicted, 2);
    }
}
