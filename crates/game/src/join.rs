//! The join of requests and responses: same header, at most three seconds apart, each pair once.
//!
//! Time is event time, and a side's time is the newest that this side has brought. What waits is given up only when
//! *both* sides are past its window: a side that is merely read later than the other loses nothing.

use std::collections::{HashMap, VecDeque};

use crate::{EventTime, FrameHeader};

/// How far apart a request and its response may be.
pub const WINDOW_MS: EventTime = 3_000;

/// One of the two inputs of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The requests, which carry what the join results in.
    Request,
    /// The responses.
    Response,
}

/// Requests and responses of one partition that wait for each other. `T` is what a request brings.
#[derive(Debug)]
pub struct Join<T> {
    window_ms: EventTime,
    capacity: usize,
    entries: HashMap<FrameHeader, Entry<T>>,
    /// Every entry once, in the order of arrival: what is given up first is in front.
    arrivals: VecDeque<(EventTime, FrameHeader)>,
    request_time: EventTime,
    response_time: EventTime,
    counts: Counts,
}

#[derive(Debug)]
enum Entry<T> {
    Request(EventTime, T),
    Response(EventTime),
    /// Kept until the window is over, so that a frame that Kafka delivers twice is joined once.
    Joined,
}

/// What became of the records, since the join was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pairs.
    pub joined: u64,
    /// Requests without a response in time.
    pub expired_requests: u64,
    /// Responses without a request in time.
    pub expired_responses: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Records given up early because too many waited.
    pub evicted: u64,
}

impl<T> Join<T> {
    /// An empty join that holds at most `capacity` headers.
    #[must_use]
    pub fn new(window_ms: EventTime, capacity: usize) -> Self {
        Self {
            window_ms,
            capacity,
            entries: HashMap::new(),
            arrivals: VecDeque::new(),
            request_time: EventTime::MIN,
            response_time: EventTime::MIN,
            counts: Counts::default(),
        }
    }

    /// Takes a request; what it brought comes back at once when its response was waiting.
    pub fn request(&mut self, header: FrameHeader, at: EventTime, value: T) -> Option<T> {
        self.advance(Side::Request, at);
        let is_over = self.is_over(at);
        match self.entries.get_mut(&header) {
            Some(Entry::Request(..) | Entry::Joined) => {
                self.counts.duplicates += 1;
                None
            }
            Some(entry @ &mut Entry::Response(response_at)) => {
                if response_at.abs_diff(at) <= self.window_ms.unsigned_abs() {
                    *entry = Entry::Joined;
                    self.counts.joined += 1;
                    return Some(value);
                }
                *entry = Entry::Request(at, value);
                self.counts.expired_responses += 1;
                None
            }
            None if is_over => {
                self.counts.expired_requests += 1;
                None
            }
            None => {
                self.wait(header, at, Entry::Request(at, value));
                None
            }
        }
    }

    /// Takes a response; gives what its request brought when that was waiting.
    pub fn response(&mut self, header: FrameHeader, at: EventTime) -> Option<T> {
        self.advance(Side::Response, at);
        let is_over = self.is_over(at);
        match self.entries.get_mut(&header) {
            Some(Entry::Response(_) | Entry::Joined) => {
                self.counts.duplicates += 1;
                None
            }
            Some(entry @ Entry::Request(..)) => {
                let near = |request_at: EventTime| request_at.abs_diff(at) <= self.window_ms.unsigned_abs();
                match std::mem::replace(entry, Entry::Joined) {
                    Entry::Request(request_at, value) if near(request_at) => {
                        self.counts.joined += 1;
                        Some(value)
                    }
                    _ => {
                        *entry = Entry::Response(at);
                        self.counts.expired_requests += 1;
                        None
                    }
                }
            }
            None if is_over => {
                self.counts.expired_responses += 1;
                None
            }
            None => {
                self.wait(header, at, Entry::Response(at));
                None
            }
        }
    }

    /// Says that one side has come to this time, with a record or without one, and gives up what waited too long.
    pub fn advance(&mut self, side: Side, to: EventTime) {
        let time = match side {
            Side::Request => &mut self.request_time,
            Side::Response => &mut self.response_time,
        };
        *time = to.max(*time);
        while let Some(&(at, _)) = self.arrivals.front()
            && self.is_over(at)
        {
            self.give_up_oldest();
        }
    }

    /// The time of one side; `None` until it brought a record.
    #[must_use]
    pub fn side_time(&self, side: Side) -> Option<EventTime> {
        let time = match side {
            Side::Request => self.request_time,
            Side::Response => self.response_time,
        };
        (time != EventTime::MIN).then_some(time)
    }

    /// The time that both sides have come to; `None` until both brought a record.
    #[must_use]
    pub fn time(&self) -> Option<EventTime> {
        Some(self.side_time(Side::Request)?.min(self.side_time(Side::Response)?))
    }

    /// What became of the records.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many headers it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn is_over(&self, at: EventTime) -> bool {
        at.saturating_add(self.window_ms) < self.request_time.min(self.response_time)
    }

    fn wait(&mut self, header: FrameHeader, at: EventTime, entry: Entry<T>) {
        if self.arrivals.len() >= self.capacity && matches!(self.give_up_oldest(), Some(Waited::InVain)) {
            self.counts.evicted += 1;
        }
        self.entries.insert(header, entry);
        self.arrivals.push_back((at, header));
    }

    fn give_up_oldest(&mut self) -> Option<Waited> {
        let (_, header) = self.arrivals.pop_front()?;
        match self.entries.remove(&header)? {
            Entry::Request(..) => self.counts.expired_requests += 1,
            Entry::Response(_) => self.counts.expired_responses += 1,
            Entry::Joined => return Some(Waited::Enough),
        }
        Some(Waited::InVain)
    }
}

enum Waited {
    Enough,
    InVain,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Machine, Zone};

    fn header(ts: EventTime) -> FrameHeader {
        FrameHeader { ts, machine: Machine::new(7).unwrap(), zone: Zone::EU }
    }

    fn join() -> Join<&'static str> {
        Join::new(WINDOW_MS, 100)
    }

    #[test]
    fn a_pair_is_joined_in_either_order() {
        let mut join = join();
        assert_eq!(join.request(header(1), 1_000, "first"), None);
        assert_eq!(join.response(header(1), 1_010), Some("first"));
        assert_eq!(join.response(header(2), 1_020), None);
        assert_eq!(join.request(header(2), 1_030, "second"), Some("second"));
        assert_eq!(join.counts(), Counts { joined: 2, ..Counts::default() });
    }

    #[test]
    fn three_seconds_apart_is_near_enough_and_more_is_not() {
        let check = |apart: EventTime, expected| {
            let mut join = join();
            join.request(header(1), 10_000, "value");
            assert_eq!(join.response(header(1), 10_000 + apart), expected, "{apart}");
            let mut join = self::join();
            join.response(header(1), 10_000);
            assert_eq!(join.request(header(1), 10_000 + apart, "value"), expected, "{apart}");
        };
        check(3_000, Some("value"));
        check(-3_000, Some("value"));
        check(3_001, None);
        check(-3_001, None);
    }

    #[test]
    fn a_pair_is_joined_once_however_often_its_records_come() {
        let mut join = join();
        join.request(header(1), 1_000, "first");
        assert_eq!(join.response(header(1), 1_000), Some("first"));
        assert_eq!(join.response(header(1), 1_000), None);
        assert_eq!(join.request(header(1), 1_000, "again"), None);
        assert_eq!(join.response(header(1), 1_000), None);
        assert_eq!(join.counts(), Counts { joined: 1, duplicates: 3, ..Counts::default() });
    }

    #[test]
    fn what_waits_is_given_up_when_both_sides_have_passed_its_window() {
        let mut join = join();
        join.request(header(1), 1_000, "alone");
        join.advance(Side::Request, 60_000);
        assert_eq!(join.counts().expired_requests, 0, "the responses may still be on their way");
        join.advance(Side::Response, 4_000);
        assert_eq!(join.counts().expired_requests, 0);
        join.advance(Side::Response, 4_001);
        assert_eq!(join.counts().expired_requests, 1);
        assert!(join.is_empty());
    }

    #[test]
    fn a_side_that_is_read_a_minute_later_loses_nothing() {
        let mut join = join();
        for second in 0..60 {
            join.request(header(second), second * 1_000, "value");
        }
        for second in 0..60 {
            assert_eq!(join.response(header(second), second * 1_000), Some("value"), "{second}");
        }
        assert!(join.len() <= 5, "joined pairs are forgotten after their window");
    }

    #[test]
    fn a_record_that_comes_after_its_window_is_counted_at_once() {
        let mut join = join();
        join.advance(Side::Request, 60_000);
        join.advance(Side::Response, 60_000);
        assert_eq!(join.request(header(1), 1_000, "late"), None);
        assert_eq!(join.response(header(2), 1_000), None);
        assert_eq!((join.counts().expired_requests, join.counts().expired_responses), (1, 1));
        assert!(join.is_empty());
    }

    #[test]
    fn its_size_is_bounded_and_what_is_evicted_is_counted() {
        let mut join = Join::new(WINDOW_MS, 10);
        for ts in 0..25 {
            join.request(header(ts), ts, ());
        }
        assert_eq!(join.len(), 10);
        assert_eq!((join.counts().evicted, join.counts().expired_requests), (15, 15));
    }
}
