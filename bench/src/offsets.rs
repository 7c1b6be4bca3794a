//! What Kafka itself says of the group's progress: committed offsets and log ends of all 24 partitions, asked for again
//! and again on a thread of its own, and the pauses in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use kafka::Brokers;
use kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use kafka::rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use model::PARTITIONS;
use workload::Input;
use workload::topics::GROUP_ID;

use crate::clock::now_ms;

const TIMEOUT: Duration = Duration::from_secs(3);
/// Readings of one recording at the shortest interval in use: ten minutes; a bound on memory, not a wish.
const MOST_READINGS: usize = 150_000;

/// One answer of Kafka.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// When it was asked: whatever was committed before is in it.
    pub(crate) asked_ms: f64,
    /// When it had answered: whatever is in it was committed before.
    pub(crate) answered_ms: f64,
    /// The committed offset of each partition, requests first; 0 where there is no commit yet.
    pub(crate) committed: Vec<i64>,
    /// The log end of each partition; read after the commits.
    pub(crate) ends: Vec<i64>,
}

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Recorder {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Result<Vec<Reading>>>>,
}

impl Recorder {
    /// Begins to record every `interval`; the log ends only if they are asked for, since they cost a request more.
    pub(crate) fn start(brokers: &Brokers, interval: Duration, with_ends: bool) -> Result<Self> {
        let probe = Probe::new(brokers)?;
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let record = move || {
            let mut readings = Vec::new();
            while !stopped.load(Ordering::Relaxed) && readings.len() < MOST_READINGS {
                let begin = Instant::now();
                readings.push(probe.read(with_ends)?);
                counted.store(readings.len(), Ordering::Relaxed);
                std::thread::sleep(interval.saturating_sub(begin.elapsed()));
            }
            Ok(readings)
        };
        let thread = std::thread::Builder::new().name("offsets".to_owned()).spawn(record)?;
        Ok(Self { stop, count, thread: Some(thread) })
    }

    /// How many readings there are so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends the recording.
    pub(crate) async fn stop(mut self) -> Result<Vec<Reading>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("stopped twice")?;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
        joined.map_err(|_| anyhow!("the recording thread panicked"))?
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Asks once.
pub(crate) async fn read(brokers: &Brokers) -> Result<Reading> {
    let brokers = brokers.clone();
    tokio::task::spawn_blocking(move || Probe::new(&brokers)?.read(true)).await?
}

/// The client that asks; it is no member of the group.
struct Probe {
    consumer: BaseConsumer,
}

impl Probe {
    fn new(brokers: &Brokers) -> Result<Self> {
        let consumer = kafka::client::sampling(brokers, "bench", GROUP_ID).create()?;
        Ok(Self { consumer })
    }

    fn read(&self, with_ends: bool) -> Result<Reading> {
        let asked_ms = now_ms();
        let committed = offsets(&self.consumer.committed_offsets(partitions(), TIMEOUT)?);
        let answered_ms = now_ms();
        let ends = if with_ends { self.ends()? } else { Vec::new() };
        Ok(Reading { asked_ms, answered_ms, committed, ends })
    }

    /// One ListOffsets for all partitions: librdkafka hands -1 through, which means "latest" to the broker.
    fn ends(&self) -> Result<Vec<i64>> {
        let mut asked = partitions();
        asked.set_all_offsets(Offset::End)?;
        Ok(offsets(&self.consumer.offsets_for_times(asked, TIMEOUT)?))
    }
}

fn partitions() -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    let last = i32::try_from(PARTITIONS).unwrap_or(i32::MAX) - 1;
    for input in Input::ALL {
        list.add_partition_range(input.topic(), 0, last);
    }
    list
}

fn offsets(list: &TopicPartitionList) -> Vec<i64> {
    let elements = list.elements();
    elements.iter().map(|element| element.offset().to_raw().unwrap_or(0).max(0)).collect()
}

/// The longest time that records of one partition waited without any of them being committed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pause {
    /// Index into the readings' partitions.
    pub(crate) partition: usize,
    /// When it began: at the last progress, or when a record came after that.
    pub(crate) from_ms: f64,
    /// How long it was.
    pub(crate) took_ms: f64,
}

/// The longest pause of any partition. One that is still under way at the end counts as far as it was seen.
pub(crate) fn longest_pause(readings: &[Reading]) -> Option<Pause> {
    let partitions = readings.first()?.committed.len();
    (0..partitions)
        .filter_map(|partition| longest_pause_of(readings, partition))
        .max_by(|one, other| one.took_ms.total_cmp(&other.took_ms))
}

fn longest_pause_of(readings: &[Reading], partition: usize) -> Option<Pause> {
    let mut longest: Option<Pause> = None;
    let mut waiting_since: Option<f64> = None;
    let mut before = None;
    for reading in readings {
        let (committed, end) = (reading.committed[partition], reading.ends[partition]);
        if let Some(from_ms) = waiting_since {
            let took_ms = reading.answered_ms - from_ms;
            if longest.is_none_or(|known| known.took_ms < took_ms) {
                longest = Some(Pause { partition, from_ms, took_ms });
            }
        }
        if before.is_some_and(|before| committed > before) || committed >= end {
            waiting_since = None;
        }
        if committed < end {
            waiting_since = waiting_since.or(Some(reading.answered_ms));
        }
        before = Some(committed);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steps: &[(f64, i64, i64)], expected: Option<(f64, f64)>) {
        let readings: Vec<Reading> = steps
            .iter()
            .map(|&(at, committed, end)| Reading {
                asked_ms: at,
                answered_ms: at,
                committed: vec![committed],
                ends: vec![end],
            })
            .collect();
        let found = longest_pause(&readings).map(|pause| (pause.from_ms, pause.took_ms));
        assert_eq!(found, expected, "{steps:?}");
    }

    #[test]
    fn a_partition_without_input_does_not_pause() {
        check(&[(0.0, 5, 5), (900.0, 5, 5)], None);
        check(&[], None);
    }

    #[test]
    fn a_pause_begins_when_a_record_waits() {
        check(&[(0.0, 5, 5), (800.0, 5, 6), (1_000.0, 6, 6)], Some((800.0, 200.0)));
    }

    #[test]
    fn a_pause_begins_anew_with_each_progress() {
        check(&[(0.0, 0, 9), (100.0, 3, 9), (400.0, 6, 9), (500.0, 9, 9)], Some((100.0, 300.0)));
    }

    #[test]
    fn a_pause_that_does_not_end_is_not_forgotten() {
        check(&[(0.0, 0, 9), (100.0, 3, 9), (2_100.0, 3, 20)], Some((100.0, 2_000.0)));
    }

    #[test]
    fn the_worst_partition_counts() {
        let reading = |at_ms, committed: [i64; 2]| Reading {
            asked_ms: at_ms,
            answered_ms: at_ms,
            committed: committed.to_vec(),
            ends: vec![10, 10],
        };
        let readings = [reading(0.0, [0, 0]), reading(100.0, [1, 0]), reading(300.0, [2, 1])];
        let pause = longest_pause(&readings).unwrap();
        assert_eq!((pause.partition, pause.took_ms), (1, 300.0));
    }
}
