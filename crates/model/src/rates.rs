//! Records per second, from the slopes of log ends and committed offsets over the last two seconds.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Millis;
use crate::lag::{PartitionOffsets, Sample};
use crate::snapshot::Rates;
use crate::topics::{TopicPartition, Topics};

/// How far back the slopes reach.
const WINDOW_MS: Millis = 2_000;
/// A slope that ends so long before the newest sample says nothing about now.
const STALE_MS: Millis = 1_000;

/// The samples of the last two seconds.
#[derive(Debug, Clone, Default)]
pub struct RateWindow {
    topics: Arc<Topics>,
    samples: VecDeque<Positions>,
    /// When the newest sample was taken, whole or not.
    newest_ms: Millis,
}

#[derive(Debug, Clone)]
struct Positions {
    at_ms: Millis,
    /// The sum of a topic's log ends, by topic.
    ends: Vec<i64>,
    /// By topic, indexed by partition.
    committed: Vec<Vec<i64>>,
}

impl RateWindow {
    /// Adds a sample. A sample with an unknown offset is left out: a slope needs both its ends. When such samples are
    /// all that comes, the rates become unknown.
    pub fn push(&mut self, sample: &Sample) {
        self.newest_ms = sample.sampled_ms;
        self.topics = Arc::clone(&sample.topics);
        let Some(positions) = Positions::of(sample) else { return };
        let reaches = positions.at_ms.saturating_sub(WINDOW_MS);
        while self.samples.len() > 1 && self.samples.get(1).is_some_and(|next| next.at_ms <= reaches) {
            self.samples.pop_front();
        }
        self.samples.push_back(positions);
    }

    /// Forgets the past, because offsets were moved by hand.
    pub fn clear(&mut self) {
        self.samples.clear();
    }

    /// The rates over the window; `None` until it holds two samples.
    #[must_use]
    pub fn rates(&self) -> Option<Rates> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        if last.at_ms + STALE_MS < self.newest_ms {
            return None;
        }
        let elapsed_ms = last.at_ms.checked_sub(first.at_ms).filter(|elapsed| *elapsed > 0)?;
        let per_second = |from: i64, to: i64| rate(to.saturating_sub(from), elapsed_ms);
        // What was added since is read from its first record on.
        let by_topic = last.ends.iter().enumerate();
        let by_topic =
            by_topic.map(|(topic, to)| per_second(first.ends.get(topic).copied().unwrap_or(0), *to));
        let counts: Vec<usize> = last.committed.iter().map(Vec::len).collect();
        let position = |positions: &Positions, partitions: &[TopicPartition]| {
            let of_one = |of: &TopicPartition| {
                let committed = positions.committed.get(of.topic)?.get(of.partition as usize)?;
                Some(*committed)
            };
            partitions.iter().filter_map(of_one).sum::<i64>()
        };
        let by_task: Vec<u32> = self
            .topics
            .tasks(&counts)
            .iter()
            .map(|partitions| per_second(position(first, partitions), position(last, partitions)))
            .collect();
        Some(Rates {
            produced: per_second(first.ends.iter().sum(), last.ends.iter().sum()),
            consumed: by_task.iter().sum(),
            by_topic: by_topic.collect(),
            by_task,
            asked: None,
        })
    }
}

impl Positions {
    fn of(sample: &Sample) -> Option<Self> {
        if sample.offsets.is_empty() || sample.offsets.iter().any(Vec::is_empty) {
            return None;
        }
        let ends = |offsets: &Vec<Option<PartitionOffsets>>| {
            offsets.iter().map(|offsets| Some(offsets.as_ref()?.log_end_offset)).sum::<Option<i64>>()
        };
        let position = |offsets: &Option<PartitionOffsets>| offsets.as_ref().map(PartitionOffsets::position);
        let committed = |offsets: &Vec<Option<PartitionOffsets>>| offsets.iter().map(position).collect();
        let committed = sample.offsets.iter().map(committed).collect::<Option<Vec<Vec<i64>>>>()?;
        let ends = sample.offsets.iter().map(ends).collect::<Option<Vec<i64>>>()?;
        Some(Self { at_ms: sample.sampled_ms, ends, committed })
    }
}

fn rate(records: i64, elapsed_ms: Millis) -> u32 {
    let records = u64::try_from(records).unwrap_or(0);
    u32::try_from((records * 1_000 + elapsed_ms / 2) / elapsed_ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: Millis, committed: i64, end: i64) -> Sample {
        let offsets = Some(PartitionOffsets {
            committed_offset: Some(committed),
            log_start_offset: 0,
            log_end_offset: end,
            high_watermark: None,
        });
        Sample {
            sampled_ms: at_ms,
            topics: crate::testing::joined(),
            offsets: vec![vec![offsets; 2]; 2],
            doubts: Vec::new(),
            group: None,
        }
    }

    #[test]
    fn one_sample_has_no_slope() {
        let mut window = RateWindow::default();
        window.push(&sample(0, 0, 0));
        assert_eq!(window.rates(), None);
    }

    #[test]
    fn rates_are_slopes_over_the_last_two_seconds() {
        let mut window = RateWindow::default();
        for tick in 0..40_i64 {
            let end = (tick - 20).max(0) * 1_000;
            window.push(&sample(u64::try_from(tick).unwrap() * 250, 10 * tick, end));
        }
        let rates = window.rates().unwrap();
        assert_eq!(rates.produced, 16_000, "four partitions, 1,000 records each a tick, four ticks a second");
        assert_eq!(rates.by_topic, [8_000, 8_000]);
        assert_eq!(rates.by_task, vec![80, 80]);
        assert_eq!(rates.consumed, 160);
    }

    #[test]
    fn a_sample_with_a_hole_changes_nothing() {
        let mut window = RateWindow::default();
        window.push(&sample(0, 0, 0));
        let mut hole = sample(250, 5, 5);
        hole.offsets[1][1] = None;
        window.push(&hole);
        assert_eq!(window.rates(), None);
    }

    #[test]
    fn rates_are_unknown_once_no_whole_sample_comes() {
        let mut window = RateWindow::default();
        for tick in 0..20_u64 {
            let mut sample = sample(tick * 250, 10 * i64::try_from(tick).unwrap(), 1_000);
            if tick > 8 {
                sample.offsets[0][0] = None;
            }
            window.push(&sample);
            assert_eq!(window.rates().is_some(), (1..=12).contains(&tick), "{tick}");
        }
    }

    #[test]
    fn a_partition_that_is_added_counts_at_once_also_where_the_other_topic_has_none() {
        let mut window = RateWindow::default();
        window.push(&sample(0, 10, 10));
        let mut grown = sample(1_000, 10, 10);
        grown.offsets[0].push(Some(PartitionOffsets {
            committed_offset: Some(30),
            log_start_offset: 0,
            log_end_offset: 50,
            high_watermark: None,
        }));
        window.push(&grown);
        let rates = window.rates().unwrap();
        assert_eq!((rates.by_task, rates.consumed), (vec![0, 0, 30], 30));
        assert_eq!((rates.by_topic, rates.produced), (vec![50, 0], 50));
    }

    #[test]
    fn a_commit_beyond_the_end_is_no_progress() {
        let mut window = RateWindow::default();
        window.push(&sample(0, 10, 10));
        window.push(&sample(1_000, 10_000_000, 10));
        assert_eq!(window.rates().unwrap().consumed, 0);
    }
}
