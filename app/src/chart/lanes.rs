//! The lives of the pods: one lane a slot, on the time axis of the curves, in units of [`WIDTH`] x [`HEIGHT`].

use std::fmt::Write;

use model::Millis;
use model::history::{Condition, Life, Point};
use model::policy::MAX_REPLICAS;

use super::{HEIGHT, TimeAxis, WIDTH};

/// How many lanes there are, which says how thin they get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// Four at least, so that a second pod does not make the first one thinner; twelve at most.
    pub count: u32,
}

/// The bars of one lane, as one path for each way to draw them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lane {
    /// While a pod was ready.
    pub ready: String,
    /// While it started or left.
    pub faint: String,
}

/// Where a pod was hurt, as fractions of the drawing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cross {
    /// From the left.
    pub x: f64,
    /// From the top, in the middle of the lane.
    pub y: f64,
    /// Whose it is.
    pub pod: String,
}

impl Lanes {
    /// The lanes that these lives and replicas need.
    #[must_use]
    pub(crate) fn holding(lives: &[Life], desired: u32) -> Self {
        let used = lives.iter().map(|life| u32::from(life.slot) + 1).max().unwrap_or(0);
        Self { count: used.max(desired).clamp(4, MAX_REPLICAS) }
    }

    fn height(self) -> f64 {
        f64::from(HEIGHT) / f64::from(self.count)
    }

    /// The middle of a lane, as a fraction of the drawing.
    #[must_use]
    pub(crate) fn middle(self, slot: u8) -> f64 {
        (f64::from(slot) + 0.5) / f64::from(self.count)
    }
}

/// The bars of one lane.
#[must_use]
pub(crate) fn lane(time: TimeAxis, lanes: Lanes, slot: u8, lives: &[Life]) -> Lane {
    let mut lane = Lane::default();
    for life in lives.iter().filter(|life| life.slot == slot) {
        for (from_ms, until_ms, condition) in spans(life, time.end_ms) {
            let path = match condition {
                Condition::Ready => &mut lane.ready,
                Condition::Starting | Condition::Leaving | Condition::Killed => &mut lane.faint,
                Condition::Crashed => continue,
            };
            bar(path, time, lanes, slot, from_ms, until_ms);
        }
    }
    lane
}

/// Where pods were killed or crashed.
#[must_use]
pub(crate) fn crosses(time: TimeAxis, lanes: Lanes, lives: &[Life]) -> Vec<Cross> {
    let hurt = |condition: Condition| matches!(condition, Condition::Killed | Condition::Crashed);
    lives
        .iter()
        .flat_map(|life| life.spans.iter().map(move |(at_ms, condition)| (life, *at_ms, *condition)))
        .filter(|(_, at_ms, condition)| hurt(*condition) && *at_ms > time.start_ms())
        .map(|(life, at_ms, _)| Cross {
            x: time.at(at_ms),
            y: lanes.middle(life.slot),
            pod: life.pod.clone(),
        })
        .collect()
}

/// The outline of the desired replicas: so many lanes, from the top.
#[must_use]
pub(crate) fn outline<'a>(time: TimeAxis, lanes: Lanes, points: impl Iterator<Item = &'a Point>) -> String {
    let mut path = String::new();
    let mut last: Option<(u32, u32)> = None;
    for point in points.filter(|point| point.at_ms >= time.start_ms()) {
        let Some(desired) = point.desired else { continue };
        let x = across(time, point.at_ms);
        let y = (f64::from(desired.min(lanes.count)) * lanes.height()).round() as u32;
        match last {
            None => drop(write!(path, "M{x} {y}")),
            Some((_, before)) if before == y => {}
            Some(_) => drop(write!(path, "H{x}V{y}")),
        }
        last = Some((x, y));
    }
    if let Some((x, _)) = last {
        let _ = write!(path, "H{x}");
    }
    path
}

fn across(time: TimeAxis, at_ms: Millis) -> u32 {
    (time.at(at_ms) * f64::from(WIDTH)).round() as u32
}

/// What a pod was, from when to when; all that lies in the past of the axis.
fn spans(life: &Life, end_ms: Millis) -> impl Iterator<Item = (Millis, Millis, Condition)> {
    let ended_ms = life.ended_ms.unwrap_or(end_ms).min(end_ms);
    let ends = life.spans.iter().skip(1).map(|(at_ms, _)| *at_ms).chain([ended_ms]);
    life.spans
        .iter()
        .zip(ends)
        .map(move |((from_ms, condition), until_ms)| (*from_ms, until_ms.min(ended_ms), *condition))
        .filter(|(from_ms, until_ms, _)| from_ms < until_ms)
}

fn bar(path: &mut String, time: TimeAxis, lanes: Lanes, slot: u8, from_ms: Millis, until_ms: Millis) {
    if until_ms <= time.start_ms() {
        return;
    }
    let (left, right) = (across(time, from_ms), across(time, until_ms));
    // A fifth of a lane is air.
    let top = (lanes.height() * (f64::from(slot) + 0.1)).round() as u32;
    let height = (lanes.height() * 0.8).round() as u32;
    let _ = write!(path, "M{left} {top}H{right}v{height}H{left}z");
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: TimeAxis = TimeAxis { end_ms: 600_000 };
    const FOUR: Lanes = Lanes { count: 4 };

    fn life(slot: u8, spans: &[(Millis, Condition)], ended_ms: Option<Millis>) -> Life {
        Life { pod: format!("kstreams-{slot}"), slot, spans: spans.to_vec(), ended_ms }
    }

    #[test]
    fn lanes_get_thinner_with_more_pods_and_never_fewer_than_four() {
        assert_eq!(Lanes::holding(&[], 1), FOUR);
        assert_eq!(Lanes::holding(&[life(6, &[], None)], 1).count, 7);
        assert_eq!(Lanes::holding(&[], 40).count, 12);
    }

    #[test]
    fn a_life_is_faint_until_it_is_ready_and_reaches_to_now() {
        let lives = [life(0, &[(100_000, Condition::Starting), (101_000, Condition::Ready)], None)];
        let bars = lane(TIME, FOUR, 0, &lives);
        assert_eq!(bars.faint, "M1000 25H1010v200H1000z");
        assert_eq!(bars.ready, "M1010 25H6000v200H1010z");
        assert_eq!(lane(TIME, FOUR, 1, &lives), Lane::default());
    }

    #[test]
    fn a_crash_is_a_cross_and_a_hole() {
        let spans = [(0, Condition::Ready), (300_000, Condition::Crashed), (310_000, Condition::Ready)];
        let lives = [life(1, &spans, Some(400_000))];
        assert_eq!(lane(TIME, FOUR, 1, &lives).ready, "M0 275H3000v200H0zM3100 275H4000v200H3100z");
        let crosses = crosses(TIME, FOUR, &lives);
        assert_eq!(crosses.len(), 1);
        assert!((crosses[0].x - 0.5).abs() < 1e-9 && (crosses[0].y - 0.375).abs() < 1e-9);
    }

    #[test]
    fn the_outline_steps_with_the_desired_replicas() {
        let point = |at_ms, desired| Point { at_ms, desired: Some(desired), ..Point::default() };
        let points = [point(1_000, 1), point(2_000, 4), point(3_000, 4)];
        assert_eq!(outline(TIME, FOUR, points.iter()), "M10 250H20V1000H30");
    }
}
