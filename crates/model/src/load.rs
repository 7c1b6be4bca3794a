//! What the generator is asked to produce: a base rate, a burst for a time, a hot partition.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// Frames per second of a normal day. A frame is two records, a request and (nearly always) its response.
pub const DEFAULT_FRAMES_PER_SECOND: u32 = 400;
/// The most that a presenter may ask for.
pub const MAX_FRAMES_PER_SECOND: u32 = 4_000;
/// How long a burst lasts.
pub const BURST_MS: Millis = 20_000;

/// The load settings in force; the record `load` in the topic `KING-CONTROL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadSettings {
    /// Frames per second without a burst; 0 pauses the generator.
    pub base: u32,
    /// A multiple of the base rate, for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// One partition that gets more than its share, until it is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<HotPartition>,
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

impl Default for LoadSettings {
    fn default() -> Self {
        Self { base: DEFAULT_FRAMES_PER_SECOND, burst: None, hot: None }
    }
}

impl LoadSettings {
    /// Frames per second to produce at a time.
    #[must_use]
    pub fn target(&self, now_ms: Millis) -> u32 {
        self.base.saturating_mul(self.factor(now_ms))
    }

    /// The multiple in force at a time: 1 without a burst.
    #[must_use]
    pub fn factor(&self, now_ms: Millis) -> u32 {
        match self.burst {
            Some(burst) if (burst.from_ms..burst.until_ms).contains(&now_ms) => burst.factor,
            _ => 1,
        }
    }
}
