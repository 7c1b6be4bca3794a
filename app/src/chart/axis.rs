//! Where an instant and a value lie in the plot, and which values get a line.

use model::Millis;
use model::history::KEPT_MS;

/// The last ten minutes, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeAxis {
    /// The right end: now.
    pub end_ms: Millis,
}

impl TimeAxis {
    /// The left end.
    #[must_use]
    pub(crate) const fn start_ms(self) -> Millis {
        self.end_ms.saturating_sub(KEPT_MS)
    }

    /// Where an instant lies: 0 is ten minutes ago, 1 is now; what is outside lies on the edge.
    #[must_use]
    pub(crate) fn at(self, at_ms: Millis) -> f64 {
        let since_ms = at_ms.clamp(self.start_ms(), self.end_ms) - self.start_ms();
        since_ms as f64 / KEPT_MS as f64
    }
}

/// Records, from the bottom to the top, with round numbers on its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueAxis {
    step: u64,
    lines: u64,
}

impl ValueAxis {
    /// The least that the axis covers, so that the noise of an idle group does not look like a mountain.
    const LEAST: u64 = 100;
    /// The most lines above the zero line.
    const MOST_LINES: u64 = 5;

    /// The axis that covers 0 to `highest`, with a little air above it.
    #[must_use]
    pub(crate) fn covering(highest: u64) -> Self {
        let wanted = highest.saturating_add(highest / 20).max(Self::LEAST);
        let mut power = 1_u64;
        loop {
            // 2.5 is a whole number from the tens on.
            for (times, over) in [(1, 1), (2, 1), (5, 2), (5, 1)] {
                let step = power.saturating_mul(times) / over;
                let is_round = power.saturating_mul(times) % over == 0;
                if is_round && wanted.div_ceil(step) <= Self::MOST_LINES {
                    return Self { step, lines: wanted.div_ceil(step) };
                }
            }
            power = power.saturating_mul(10);
        }
    }

    /// The value at the top.
    #[must_use]
    pub(crate) const fn top(self) -> u64 {
        self.step.saturating_mul(self.lines)
    }

    /// The values that get a line, from 0 to the top.
    pub(crate) fn ticks(self) -> impl Iterator<Item = u64> {
        (0..=self.lines).map(move |line| line * self.step)
    }

    /// Where a value lies: 0 is the bottom, 1 the top; what is higher lies on the top.
    #[must_use]
    pub(crate) fn at(self, value: u64) -> f64 {
        (value as f64 / self.top() as f64).min(1.0)
    }
}

/// Moves two labels apart until `gap` lies between them, keeping their order and staying between 0 and 1.
#[must_use]
pub(crate) fn apart(first: f64, second: f64, gap: f64) -> (f64, f64) {
    let (low, high) = if first <= second { (first, second) } else { (second, first) };
    if high - low >= gap {
        return (first, second);
    }
    let middle = f64::midpoint(low, high).clamp(gap / 2.0, 1.0 - gap / 2.0);
    let (low, high) = (middle - gap / 2.0, middle + gap / 2.0);
    // Of two equal values the first is drawn on top.
    if first < second { (low, high) } else { (high, low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_right_end_and_ten_minutes_ago_the_left() {
        let axis = TimeAxis { end_ms: 1_000_000 };
        for (at_ms, x) in [(1_000_000, 1.0), (700_000, 0.5), (400_000, 0.0), (100, 0.0), (2_000_000, 1.0)] {
            assert!((axis.at(at_ms) - x).abs() < 1e-9, "{at_ms}");
        }
    }

    fn check(highest: u64, top: u64, lines: usize) {
        let axis = ValueAxis::covering(highest);
        assert_eq!((axis.top(), axis.ticks().count() - 1), (top, lines), "{highest}");
        assert!(axis.top() >= highest);
    }

    #[test]
    fn lines_lie_on_round_numbers() {
        check(0, 100, 5);
        check(97, 125, 5);
        check(20_000, 25_000, 5);
        check(101_800, 125_000, 5);
        check(9_600_000, 12_500_000, 5);
        check(10_000_000, 12_500_000, 5);
        check(470, 500, 5);
    }

    #[test]
    fn an_absurd_value_still_has_an_axis() {
        assert!(ValueAxis::covering(u64::MAX / 4).top() > 0);
    }

    #[test]
    fn labels_keep_their_distance_and_their_order() {
        assert_eq!(apart(0.2, 0.8, 0.1), (0.2, 0.8));
        let (first, second) = apart(0.50, 0.52, 0.1);
        assert!((first - 0.46).abs() < 1e-9 && (second - 0.56).abs() < 1e-9);
        assert_eq!(apart(0.0, 0.0, 0.25), (0.25, 0.0));
        assert_eq!(apart(1.0, 1.0, 0.25), (1.0, 0.75));
    }
}
