//! Where an instant and a value lie in the plot, and which values get a line.

use std::iter;

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

/// Moves labels apart until `gap` lies between each and the next, keeping their order and staying between 0 and 1; less
/// where there is not so much room.
#[must_use]
pub(crate) fn apart(values: &[f64], gap: f64) -> Vec<f64> {
    let gaps = values.len().saturating_sub(1) as f64;
    let gap = gap.min(1.0 / gaps);
    // From the bottom to the top; of equal values the first is drawn on top.
    let mut order: Vec<usize> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        order.insert(order.partition_point(|below| values[*below] < *value), index);
    }
    // Labels that touch are one pile, whose middle is that of its values. A pile is the sum of where its labels would
    // like the lowest label of all to be, and their number.
    let mut piles: Vec<(f64, usize)> = Vec::new();
    for (rank, index) in order.iter().enumerate() {
        let mut pile = (values[*index] - rank as f64 * gap, 1);
        while let Some(below) = piles.pop_if(|below| bottom(*below) > bottom(pile)) {
            pile = (pile.0 + below.0, pile.1 + below.1);
        }
        piles.push(pile);
    }
    let highest = (1.0 - gaps * gap).max(0.0);
    let bottoms = piles.into_iter().flat_map(|pile| iter::repeat_n(bottom(pile).clamp(0.0, highest), pile.1));
    let mut places = vec![0.0; values.len()];
    for ((rank, index), bottom) in order.into_iter().enumerate().zip(bottoms) {
        places[index] = bottom + rank as f64 * gap;
    }
    places
}

fn bottom((sum, labels): (f64, usize)) -> f64 {
    sum / labels as f64
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

    #[track_caller]
    fn check_apart(values: &[f64], gap: f64, expected: &[f64]) {
        let places = apart(values, gap);
        let is_near = |(place, expected): (&f64, &f64)| (place - expected).abs() < 1e-9;
        assert!(
            places.len() == expected.len() && places.iter().zip(expected).all(is_near),
            "{places:?}, not {expected:?}"
        );
    }

    #[test]
    fn labels_keep_their_distance_and_their_order() {
        check_apart(&[0.2, 0.8], 0.1, &[0.2, 0.8]);
        check_apart(&[0.50, 0.52], 0.1, &[0.46, 0.56]);
        check_apart(&[0.0, 0.0], 0.25, &[0.25, 0.0]);
        check_apart(&[1.0, 1.0], 0.25, &[1.0, 0.75]);
    }

    #[test]
    fn any_number_of_labels_is_moved_apart() {
        check_apart(&[], 0.1, &[]);
        check_apart(&[1.0], 0.1, &[1.0]);
        check_apart(&[0.5, 0.9, 0.5, 0.5], 0.1, &[0.6, 0.9, 0.5, 0.4]);
        check_apart(&[0.0, 0.05, 0.12], 0.1, &[0.0, 0.1, 0.2]);
        check_apart(&[0.0, 0.0, 0.0], 0.6, &[1.0, 0.5, 0.0]);
    }
}
