//! Paths of the curves, in whole units of a drawing of [`WIDTH`] x [`HEIGHT`].
//!
//! A second without a point, or a point without a value, is a hole in the line: nothing is ever guessed.

use std::fmt::Write;

use model::Millis;

use super::{TimeAxis, ValueAxis};

/// The drawing's width: ten units a second.
pub(crate) const WIDTH: u32 = 6_000;
/// The drawing's height.
pub(crate) const HEIGHT: u32 = 1_000;
/// Points come once a second; more than this between two of them, and one is missing.
pub(super) const HOLE_MS: Millis = 1_600;

/// A value at a time; `None` where it is unknown.
pub(super) type Dot = (Millis, Option<u64>);
type Spot = (i64, i64);

/// A line through the values.
#[must_use]
pub(crate) fn line(time: TimeAxis, values: ValueAxis, dots: impl Iterator<Item = Dot>) -> String {
    let mut path = String::new();
    for run in runs(time, values, dots) {
        draw(&mut path, &run);
    }
    path
}

/// The area between a line and zero.
#[must_use]
pub(crate) fn area(time: TimeAxis, values: ValueAxis, dots: impl Iterator<Item = Dot>) -> String {
    let mut path = String::new();
    for run in runs(time, values, dots) {
        draw(&mut path, &run);
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            let _ = write!(path, "L{} {HEIGHT}L{} {HEIGHT}z", last.0, first.0);
        }
    }
    path
}

/// A line that jumps from value to value: for what changes at an instant.
#[must_use]
pub(crate) fn steps(time: TimeAxis, values: ValueAxis, dots: impl Iterator<Item = Dot>) -> String {
    let mut path = String::new();
    for run in runs(time, values, dots) {
        draw(&mut path, &stairs(&run));
    }
    path
}

/// The stripe of `share` above and below a line of steps.
#[must_use]
pub(crate) fn band(
    time: TimeAxis,
    values: ValueAxis,
    share: f64,
    dots: impl Iterator<Item = Dot> + Clone,
) -> String {
    let scaled = |factor: f64| {
        let dots = dots.clone().map(move |(at_ms, value)| (at_ms, value.map(|v| (v as f64 * factor) as u64)));
        runs(time, values, dots)
    };
    let mut path = String::new();
    for (low, high) in scaled(1.0 - share).iter().zip(scaled(1.0 + share).iter()) {
        let mut outline = stairs(low);
        outline.extend(stairs(high).into_iter().rev());
        draw(&mut path, &outline);
        path.push('z');
    }
    path
}

/// The values as spots, cut where something is missing.
fn runs(time: TimeAxis, values: ValueAxis, dots: impl Iterator<Item = Dot>) -> Vec<Vec<Spot>> {
    let mut runs: Vec<Vec<Spot>> = Vec::new();
    let mut last_ms = None;
    for (at_ms, value) in dots.filter(|(at_ms, _)| *at_ms >= time.start_ms()) {
        let Some(value) = value else {
            last_ms = None;
            continue;
        };
        let x = (time.at(at_ms) * f64::from(WIDTH)).round() as i64;
        let y = ((1.0 - values.at(value)) * f64::from(HEIGHT)).round() as i64;
        let goes_on = last_ms.is_some_and(|last_ms| at_ms <= last_ms + HOLE_MS);
        last_ms = Some(at_ms);
        match runs.last_mut() {
            Some(run) if goes_on => run.push((x, y)),
            _ => runs.push(vec![(x, y)]),
        }
    }
    runs
}

fn stairs(run: &[Spot]) -> Vec<Spot> {
    let mut stairs: Vec<Spot> = Vec::with_capacity(run.len());
    for &(x, y) in run {
        if let Some(&(_, last)) = stairs.last().filter(|(_, last)| *last != y) {
            stairs.push((x, last));
        }
        stairs.push((x, y));
    }
    stairs
}

/// Draws one run. Spots on the straight line between their neighbours are left out: most of an idle line is one stroke.
fn draw(path: &mut String, run: &[Spot]) {
    for (index, &(x, y)) in run.iter().enumerate() {
        let neighbours = index.checked_sub(1).and_then(|before| run.get(before)).zip(run.get(index + 1));
        if neighbours.is_some_and(|(before, after)| is_between(*before, (x, y), *after)) {
            continue;
        }
        let _ = write!(path, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
    }
    if run.len() == 1 {
        // A lone value is a dot: a stroke without length, with round ends.
        path.push_str("h0");
    }
}

fn is_between(before: Spot, spot: Spot, after: Spot) -> bool {
    (spot.0 - before.0) * (after.1 - spot.1) == (after.0 - spot.0) * (spot.1 - before.1)
        && (spot.0 - before.0) * (after.0 - spot.0) >= 0
        && (spot.1 - before.1) * (after.1 - spot.1) >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: TimeAxis = TimeAxis { end_ms: 600_000 };

    /// An axis with 100 at its top: ten units of the drawing are one record.
    fn values() -> ValueAxis {
        ValueAxis::covering(0)
    }

    #[test]
    fn an_idle_line_is_one_stroke() {
        let dots = (1..=5).map(|second| (second * 1_000, Some(0)));
        assert_eq!(line(TIME, values(), dots), "M10 1000L50 1000");
    }

    #[test]
    fn a_missing_second_and_an_unknown_value_are_holes() {
        let dots = [(1_000, Some(10)), (2_000, Some(20)), (4_000, Some(20)), (5_000, None), (6_000, Some(0))];
        assert_eq!(line(TIME, values(), dots.into_iter()), "M10 900L20 800M40 800h0M60 1000h0");
    }

    #[test]
    fn an_area_stands_on_zero() {
        let dots = [(1_000, Some(10)), (2_000, Some(20))];
        assert_eq!(area(TIME, values(), dots.into_iter()), "M10 900L20 800L20 1000L10 1000z");
    }

    #[test]
    fn replicas_change_at_an_instant() {
        let dots = [(1_000, Some(10)), (2_000, Some(10)), (3_000, Some(50)), (4_000, Some(50))];
        assert_eq!(steps(TIME, values(), dots.into_iter()), "M10 900L30 900L30 500L40 500");
    }

    #[test]
    fn the_band_goes_there_above_and_back_below() {
        let dots = [(1_000, Some(50)), (2_000, Some(50))];
        assert_eq!(band(TIME, values(), 0.1, dots.into_iter()), "M10 550L20 550L20 450L10 450z");
    }

    #[test]
    fn what_is_too_old_is_not_drawn() {
        let dots = [(100_000, Some(10)), (400_000, Some(10))];
        let late = TimeAxis { end_ms: 900_000 };
        assert_eq!(line(late, values(), dots.into_iter()), "M1000 900h0");
    }
}
