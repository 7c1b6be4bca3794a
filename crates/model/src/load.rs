//! What the generator is asked to produce: a base rate, a shape over time, a burst, a hot partition.

pub mod curve;
mod shape;
#[cfg(test)]
mod tests;
pub mod trace;

use serde::{Deserialize, Serialize};

pub use shape::Shape;

use crate::{Millis, PARTITIONS};

/// Frames per second of a normal day. A frame is two records, a request and (nearly always) its response.
pub const DEFAULT_FRAMES_PER_SECOND: u32 = 400;
/// The highest base rate that a presenter may ask for.
pub const MAX_FRAMES_PER_SECOND: u32 = 4_000;
/// The highest multiple of a burst.
pub const MAX_FACTOR: u32 = 10;
/// The most that a shape, a burst or a trace makes of it.
pub const MAX_TARGET: u32 = MAX_FACTOR * MAX_FRAMES_PER_SECOND;
/// How long a burst lasts.
pub const BURST_MS: Millis = 20_000;
/// The part of all frames that a hot partition gets, in percent.
pub const HOT_PERCENT: u8 = 50;

/// The load settings in force; the record `load` in the topic `KING-CONTROL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadSettings {
    /// Frames per second without a burst or a shape; 0 pauses the generator.
    pub base: u32,
    /// A multiple of the base rate, for a time. While it lasts it stands in front of the shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// One partition that gets more than its share, until it is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<HotPartition>,
    /// A multiple of the base rate that changes over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Running>,
}

/// A multiple of the base rate, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// The multiple: 2, 5 or 10 on the page.
    pub factor: u32,
    /// When it began.
    pub from_ms: Millis,
    /// When it ends by itself.
    pub until_ms: Millis,
}

/// One partition that gets more than its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotPartition {
    /// Which one.
    pub partition: u32,
    /// Its part of all frames, in percent.
    pub percent: u8,
}

/// A shape that was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which one.
    pub shape: Shape,
    /// When it began.
    pub from_ms: Millis,
}

impl Running {
    /// When it is over by itself; `None` where it goes on until it is ended.
    #[must_use]
    pub fn until_ms(&self) -> Option<Millis> {
        self.shape.curve().ends_after_ms().map(|lasts_ms| self.from_ms.saturating_add(lasts_ms))
    }
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self { base: DEFAULT_FRAMES_PER_SECOND, burst: None, hot: None, shape: None }
    }
}

impl LoadSettings {
    /// Why nobody can be asked for this; a sentence.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let Self { base, burst, hot, shape: _ } = self;
        if *base > MAX_FRAMES_PER_SECOND {
            return Some(format!("At most {MAX_FRAMES_PER_SECOND} frames per second."));
        }
        if burst.is_some_and(|burst| burst.factor > MAX_FACTOR) {
            return Some(format!("A burst is at most {MAX_FACTOR} times the base rate."));
        }
        if hot.is_some_and(|hot| hot.partition >= PARTITIONS) {
            return Some(format!("The generator writes to the partitions 0 to {} only.", PARTITIONS - 1));
        }
        if hot.is_some_and(|hot| hot.percent > 100) {
            return Some("One of the partitions gets at most 100 percent of the load.".to_owned());
        }
        None
    }

    /// Frames per second to produce at a time.
    #[must_use]
    pub fn target(&self, now_ms: Millis) -> u32 {
        match (self.factor(now_ms), self.running(now_ms)) {
            (1, Some(running)) => running.shape.curve().rate(self.base, now_ms - running.from_ms),
            (factor, _) => self.base.saturating_mul(factor),
        }
    }

    /// The multiple of the burst that is in force at a time: 1 without one.
    #[must_use]
    pub fn factor(&self, now_ms: Millis) -> u32 {
        match self.burst {
            Some(burst) if (burst.from_ms..burst.until_ms).contains(&now_ms) => burst.factor,
            _ => 1,
        }
    }

    /// The shape that runs at a time: none before its beginning, none after its end.
    #[must_use]
    pub fn running(&self, now_ms: Millis) -> Option<Running> {
        let is_on = |running: &Running| {
            now_ms >= running.from_ms && running.until_ms().is_none_or(|until_ms| now_ms < until_ms)
        };
        self.shape.filter(is_on)
    }

    /// Frames that are due from one time to another, in millionths: the area under the target, which adds up exactly
    /// however finely time is cut. 0 where time does not go on.
    #[must_use]
    pub fn millionths(&self, from_ms: Millis, to_ms: Millis) -> u64 {
        let Some(burst) = self.burst else { return self.shaped(from_ms, to_ms) };
        // A burst without a length stands in front of nothing.
        let (first, last) = (burst.from_ms.min(burst.until_ms), burst.until_ms);
        let to_ms = to_ms.max(from_ms);
        let [begins, ends] = [first, last].map(|edge| edge.clamp(from_ms, to_ms));
        let burst = flat(self.base.saturating_mul(burst.factor), begins, ends);
        self.shaped(from_ms, begins).saturating_add(burst).saturating_add(self.shaped(ends, to_ms))
    }

    fn shaped(&self, from_ms: Millis, to_ms: Millis) -> u64 {
        let Some(Running { shape, from_ms: begins }) = self.shape else {
            return flat(self.base, from_ms, to_ms);
        };
        let to_ms = to_ms.max(from_ms);
        let before = flat(self.base, from_ms.min(begins), to_ms.min(begins));
        let [from, to] = [from_ms, to_ms].map(|at_ms| at_ms.saturating_sub(begins));
        let curve = shape.curve();
        let shaped = curve.millionths(self.base, to) - curve.millionths(self.base, from);
        before.saturating_add(u64::try_from(shaped).unwrap_or(u64::MAX))
    }
}

/// Millionths of frames at an even rate.
fn flat(frames_per_second: u32, from_ms: Millis, to_ms: Millis) -> u64 {
    u64::from(frames_per_second).saturating_mul(to_ms.saturating_sub(from_ms)).saturating_mul(1_000)
}
