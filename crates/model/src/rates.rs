//! Records per second, from the slopes of log ends and committed offsets over the last two seconds.

use std::collections::VecDeque;

use crate::lag::{PartitionOffsets, Sample};
use crate::snapshot::Rates;
use crate::{Input, Millis};

/// How far back the slopes reach.
const WINDOW_MS: Millis = 2_000;

/// The samples of the last two seconds.
#[derive(Debug, Clone, Default)]
pub struct RateWindow {
    samples: VecDeque<Positions>,
}

#[derive(Debug, Clone)]
struct Positions {
    at_ms: Millis,
    frames: i64,
    produced: i64,
    committed: Vec<i64>,
}

impl RateWindow {
    /// Adds a sample. A sample with an unknown offset is left out: a slope needs both its ends.
    pub fn push(&mut self, sample: &Sample) {
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
        let elapsed_ms = last.at_ms.checked_sub(first.at_ms).filter(|elapsed| *elapsed > 0)?;
        let per_second = |from: i64, to: i64| rate(to.saturating_sub(from), elapsed_ms);
        let by_partition: Vec<u32> =
            first.committed.iter().zip(&last.committed).map(|(from, to)| per_second(*from, *to)).collect();
        Some(Rates {
            produced: per_second(first.produced, last.produced),
            consumed: by_partition.iter().sum(),
            frames: per_second(first.frames, last.frames),
            by_partition,
            asked: None,
        })
    }
}

impl Positions {
    fn of(sample: &Sample) -> Option<Self> {
        let ends = |input| {
            sample
                .offsets(input)
                .iter()
                .map(|partition| Some(partition.as_ref()?.log_end_offset))
                .sum::<Option<i64>>()
        };
        let position =
            |offsets: &PartitionOffsets| offsets.committed_offset.unwrap_or(offsets.log_start_offset);
        let committed = sample
            .requests
            .iter()
            .zip(&sample.responses)
            .map(|(requests, responses)| Some(position(requests.as_ref()?) + position(responses.as_ref()?)))
            .collect::<Option<Vec<i64>>>()?;
        let frames = ends(Input::Requests)?;
        Some(Self { at_ms: sample.sampled_ms, frames, produced: frames + ends(Input::Responses)?, committed })
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
        });
        Sample { sampled_ms: at_ms, requests: vec![offsets; 2], responses: vec![offsets; 2], group: None }
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
        assert_eq!(rates.frames, 8_000);
        assert_eq!(rates.by_partition, vec![80, 80]);
        assert_eq!(rates.consumed, 160);
    }

    #[test]
    fn a_sample_with_a_hole_changes_nothing() {
        let mut window = RateWindow::default();
        window.push(&sample(0, 0, 0));
        let mut hole = sample(250, 5, 5);
        hole.responses[1] = None;
        window.push(&hole);
        assert_eq!(window.rates(), None);
    }
}
