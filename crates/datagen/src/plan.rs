//! How much is produced when: what the control topic or a command line asks for.

use model::Millis;
use model::load::LoadSettings;
use model::load::curve::Curve;
use workload::generator::Hot;

/// One frame, in the unit in which frames add up.
pub(crate) const FRAME: u64 = 1_000_000;

/// The load over time.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    settings: LoadSettings,
    /// A recorded load, from time 0 on, in the place of the settings' shape.
    trace: Option<Curve>,
}

impl Plan {
    pub(crate) fn new(settings: LoadSettings, trace: Option<Curve>) -> Self {
        Self { settings, trace }
    }

    /// Frames per second asked for at a time.
    pub(crate) fn target(&self, at_ms: Millis) -> u32 {
        match &self.trace {
            Some(trace) => trace.rate(self.settings.base, at_ms),
            None => self.settings.target(at_ms),
        }
    }

    /// Frames that are due from one time to another, in millionths; exact, however time is cut.
    pub(crate) fn millionths(&self, from_ms: Millis, to_ms: Millis) -> u64 {
        let Some(trace) = &self.trace else { return self.settings.millionths(from_ms, to_ms) };
        let due = |at_ms| trace.millionths(self.settings.base, at_ms);
        u64::try_from(due(to_ms).saturating_sub(due(from_ms))).unwrap_or(u64::MAX)
    }

    /// The partition that gets more than its share.
    pub(crate) fn hot(&self) -> Option<Hot> {
        self.settings.hot.map(|hot| Hot { partition: hot.partition, percent: hot.percent })
    }

    /// The first millisecond at which so many frames are due since time 0, or the limit.
    pub(crate) fn reaches(&self, frames: u64, limit_ms: Millis) -> Millis {
        let (mut too_early, mut enough) = (0, limit_ms);
        while too_early + 1 < enough {
            let middle = too_early + (enough - too_early) / 2;
            if self.millionths(0, middle) / FRAME < frames { too_early = middle } else { enough = middle }
        }
        enough
    }
}

impl From<LoadSettings> for Plan {
    fn from(settings: LoadSettings) -> Self {
        Self::new(settings, None)
    }
}
