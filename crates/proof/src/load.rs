//! The load of a seed: what is written, where and when. It keeps near the edges of the semantics: gaps of 10 s,
//! sessions of a minute and of 500 hits, records at the limits of the grace and of the join, duplicates, malformed
//! records.
//!
//! Event time runs faster than the clock, so that in a few seconds sessions end by all three rules. No input of a
//! partition is without a record for long: after 5 s of the clock without one it would no longer hold the other input
//! back, and the outcome would depend on the clock.

mod avro;
mod machines;
mod malformed;

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use workload::Input;
use workload::{FrameHeader, Hit};

/// How much event time a load covers, ms.
const EVENT_MS: i64 = 84_000;
/// Event time passes so many times as fast as the clock.
const SPEED: i64 = 12;
/// A load of the present time lasts so long, ms.
const PRESENT_MS: i64 = 5_000;
/// In so short a time more machines have to play.
const PRESENT_MACHINES: u32 = 3;
/// A fast clock is so far ahead, ms.
const FAST_MS: i64 = 10_000;
/// The numbers of partitions that a load may have.
const PARTITIONS: [u32; 4] = [4, 6, 8, 12];
/// Makes another sequence of a seed for the partitions that are added.
const BESIDE: u64 = 0x5eed;
/// Into partitions that are added, records are written for so long, ms.
const BESIDE_MS: i64 = 5_000;

/// All that is written for a seed.
#[derive(Debug)]
pub struct Load {
    /// How many partitions each topic has.
    pub partitions: u32,
    /// What is written, in this order.
    pub records: Vec<Planned>,
}

/// A record that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// When, ms by the clock from the beginning of the load.
    pub at_ms: i64,
    /// To which input.
    pub input: Input,
    /// To which of its partitions.
    pub partition: u32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its record time; -1 is Kafka's "none".
    pub timestamp: i64,
}

impl Load {
    /// The partitions of an input that get records.
    pub(crate) fn partitions_of(&self, input: Input) -> BTreeSet<u32> {
        let of_input = self.records.iter().filter(|record| record.input == input);
        of_input.map(|record| record.partition).collect()
    }

    /// The load of a seed, its event time beginning at `start` (ms since the epoch), which should be an hour ago: so no
    /// record is in the future, and none is so old that a broker forgets its producer when it starts again.
    #[must_use]
    pub fn of(seed: u64, start: i64) -> Self {
        let (rng, partitions) = begin(seed);
        Self::draw(rng, partitions, start)
    }

    /// How many partitions the inputs of a seed have at first.
    #[must_use]
    pub fn partitions(seed: u64) -> u32 {
        begin(seed).1
    }

    /// What is written, from `at_ms` on, into the partitions that are added when `before` becomes `partitions`. It is
    /// another load of the same seed, for other machines, of which only those in the new partitions play.
    #[must_use]
    pub fn beside(seed: u64, start: i64, before: u32, partitions: u32, at_ms: i64) -> Self {
        let all = Self::draw(StdRng::seed_from_u64(seed ^ BESIDE), partitions, start);
        let is_new = |record: &Planned| record.partition >= before && record.at_ms <= BESIDE_MS;
        let records = all.records.into_iter().filter(is_new);
        let records = records.map(|record| Planned { at_ms: record.at_ms + at_ms, ..record }).collect();
        Self { partitions, records }
    }

    /// A load whose event time is the clock's, from `start` on (ms since the epoch, `at_ms` after the writing begins).
    /// A third of all machines has a clock that is ten seconds fast. It keeps away from the edges: what a pod reads
    /// within some seconds is never late.
    #[must_use]
    pub fn of_two_clocks(seed: u64, start: i64, at_ms: i64) -> Self {
        let (rng, partitions) = begin(seed);
        let mut script = Script { rng, partitions, start, pace: Pace::Present, lines: Vec::new() };
        for (header, hits) in machines::frames(&mut script.rng, PRESENT_MACHINES * partitions, start) {
            if header.ts < start + PRESENT_MS {
                script.frame(header, &hits);
            }
        }
        let mut load = script.load();
        load.records.iter_mut().for_each(|record| record.at_ms += at_ms);
        load
    }

    fn draw(rng: StdRng, partitions: u32, start: i64) -> Self {
        let mut script = Script { rng, partitions, start, pace: Pace::Fast, lines: Vec::new() };
        for (header, hits) in machines::frames(&mut script.rng, partitions, start) {
            script.frame(header, &hits);
        }
        script.load()
    }

    /// How long it takes to write it at its own pace, ms.
    #[must_use]
    pub fn lasts_ms(&self) -> i64 {
        self.records.last().map_or(0, |last| last.at_ms)
    }
}

fn begin(seed: u64) -> (StdRng, u32) {
    let mut rng = StdRng::seed_from_u64(seed);
    let partitions = PARTITIONS.choose(&mut rng).copied().unwrap_or(4);
    (rng, partitions)
}

/// Where a load is drawn.
struct Script {
    rng: StdRng,
    partitions: u32,
    start: i64,
    pace: Pace,
    lines: Vec<Line>,
}

/// How event time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Faster than the clock, and near all edges of the semantics.
    Fast,
    /// As the clock, and away from those edges that depend on when a record is read.
    Present,
}

struct Line {
    /// The event time at which it is written, ms from the start. Never before its `ts`, so that event time in the logs
    /// follows it.
    at: i64,
    record: Planned,
}

impl Script {
    /// All that was thought of, in the order of its writing.
    fn load(mut self) -> Load {
        // The sort is stable: records of one moment stay in the order in which they were thought of.
        self.lines.sort_by_key(|line| line.at);
        let records = self.lines.into_iter().map(|line| line.record).collect();
        Load { partitions: self.partitions, records }
    }

    /// Both records of a frame, or what fate leaves of them.
    fn frame(&mut self, header: FrameHeader, hits: &[Hit]) {
        // It is written by the true clock.
        let now = header.ts;
        let is_fast = self.pace == Pace::Present && header.machine.id().is_multiple_of(3);
        let header = FrameHeader { ts: header.ts + if is_fast { FAST_MS } else { 0 }, ..header };
        let (request_time, response_time) = self.record_times(header.ts);
        let fate = self.rng.random_range(0..1_000);
        let (asked, answered) = (fate >= 5, !(5..15).contains(&fate));
        if asked {
            let at = now + self.delay();
            self.half(Input::Requests, at, request_time, header, hits);
        }
        if answered {
            let at = now + self.delay();
            self.half(Input::Responses, at, response_time, header, hits);
        }
        if self.pace == Pace::Fast && self.rng.random_ratio(1, 50) {
            self.probe(header, hits);
        }
    }

    /// One record, sometimes with a second one under the same header, or with a malformed one beside it.
    fn half(&mut self, input: Input, at: i64, time: i64, header: FrameHeader, hits: &[Hit]) {
        if self.rng.random_ratio(1, 60) {
            let bad = malformed::record(&mut self.rng, input, header, hits, time);
            self.add(input, at, header, bad);
        }
        let value = if self.rng.random_ratio(1, 100) {
            avro::body_with_bad_hits(&mut self.rng, input, hits)
        } else {
            workload::avro::encode_body(input == Input::Responses, hits)
        };
        self.add(input, at, header, (Some(workload::avro::encode_header(&header)), Some(value), time));
        if self.rng.random_ratio(3, 100) {
            let again = at + self.rng.random_range(0..=if self.pace == Pace::Fast { 6_000 } else { 100 });
            let other = &hits[..hits.len() / 2];
            let value = workload::avro::encode_body(input == Input::Responses, other);
            let time = time + self.rng.random_range(-4_000..=4_000);
            self.add(input, again, header, (Some(workload::avro::encode_header(&header)), Some(value), time));
        }
    }

    /// A frame that is exactly as old as the grace allows, or 1 ms more or less, when it comes right after another one.
    fn probe(&mut self, tip: FrameHeader, hits: &[Hit]) {
        let tip = FrameHeader { ts: tip.ts + 7_000, ..tip };
        let age = [4_999, 5_000, 5_001].choose(&mut self.rng).copied().unwrap_or(5_000);
        let probe = FrameHeader { ts: tip.ts - age, ..tip };
        for header in [tip, probe] {
            for input in Input::ALL {
                let value = workload::avro::encode_body(input == Input::Responses, hits);
                let record = (Some(workload::avro::encode_header(&header)), Some(value), header.ts);
                self.add(input, tip.ts, header, record);
            }
        }
    }

    fn add(&mut self, input: Input, at: i64, header: FrameHeader, record: Bytes) {
        let (key, value, timestamp) = record;
        let at = at - self.start;
        let partition = header.machine.partition(self.partitions);
        let at_ms = if self.pace == Pace::Fast { at / SPEED } else { at };
        let record = Planned { at_ms, input, partition, key, value, timestamp };
        self.lines.push(Line { at, record });
    }

    /// How long after its `ts` a record is written: mostly at once, sometimes within the grace, near its end or after
    /// it.
    fn delay(&mut self) -> i64 {
        match self.rng.random_range(0..100) {
            _ if self.pace == Pace::Present => self.rng.random_range(0..=200),
            0..80 => self.rng.random_range(0..=200),
            80..92 => self.rng.random_range(200..=4_800),
            92..97 => self.rng.random_range(4_900..=5_100),
            _ => self.rng.random_range(5_100..=9_000),
        }
    }

    /// The record times of a request and its response: mostly near each other, sometimes at the limit of the join or
    /// beyond it.
    fn record_times(&mut self, ts: i64) -> (i64, i64) {
        let request = match self.rng.random_range(0..200) {
            // Sixty seconds ahead of a fast clock is too far in the future, or not, by when it is read.
            _ if self.pace == Pace::Present => return self.near_times(ts),
            0 => ts - 60_000,
            1 => ts + 60_000,
            _ => return self.near_times(ts),
        };
        (request, request)
    }

    fn near_times(&mut self, ts: i64) -> (i64, i64) {
        let request = ts + self.rng.random_range(0..=20);
        let apart = match self.rng.random_range(0..100) {
            0..85 => self.rng.random_range(0..=50),
            85..93 => self.rng.random_range(-3_000..=3_000),
            93..97 => [-3_001, -3_000, 3_000, 3_001].choose(&mut self.rng).copied().unwrap_or(3_000),
            _ => self.rng.random_range(3_001..=20_000),
        };
        (request, request + apart)
    }
}

/// Key, value and record time of a record.
type Bytes = (Option<Vec<u8>>, Option<Vec<u8>>, i64);

#[cfg(test)]
mod tests;
