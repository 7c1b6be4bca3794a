//! The last ten minutes: one point a second, the lives of the pods, and markers for what was done to them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::load::Shape;
use crate::snapshot::{EndReason, Phase, Pod};

/// How far back the picture reaches.
pub const KEPT_MS: Millis = 600_000;

/// One second's summary. What is unknown is absent; a second without a sample has no point at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Point {
    /// When.
    #[serde(rename = "t")]
    pub at_ms: Millis,
    /// Total lag by topic.
    #[serde(rename = "lag", default, skip_serializing_if = "Vec::is_empty")]
    pub lag: Vec<Option<u64>>,
    /// Records appended per second.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub produced: Option<u32>,
    /// Records committed per second.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<u32>,
    /// Replicas asked for.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
    /// Pods that were ready.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// The lag that the pods may have: the target of one metric times the current replicas.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<u64>,
}

/// The life of one pod, as a bar under the curve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The pod's name.
    pub pod: String,
    /// Its colour and lane.
    pub slot: u8,
    /// What it was from when on; rising in time, never empty.
    pub spans: Vec<(Millis, Condition)>,
    /// When it was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Millis>,
}

/// What a pod was for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Not ready yet, or not any more.
    #[serde(rename = "s")]
    Starting,
    /// Ready.
    #[serde(rename = "r")]
    Ready,
    /// Its process was dead: a cross.
    #[serde(rename = "x")]
    Crashed,
    /// Killed by somebody: a cross.
    #[serde(rename = "k")]
    Killed,
    /// Leaving because of a scale step or an upgrade.
    #[serde(rename = "l")]
    Leaving,
}

impl From<Phase> for Condition {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Pending | Phase::Starting => Self::Starting,
            Phase::Ready => Self::Ready,
            Phase::Crashed { .. } => Self::Crashed,
            Phase::Terminating { reason: EndReason::Killed } => Self::Killed,
            Phase::Terminating { .. } => Self::Leaving,
        }
    }
}

/// Something that was done, on the time axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Tells it from others; a marker that comes again with the same id replaces the first.
    pub id: u64,
    /// When it began.
    #[serde(rename = "t")]
    pub at_ms: Millis,
    /// When it ended, for what lasts.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<Millis>,
    /// What it was.
    #[serde(rename = "e")]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The load was multiplied for a time.
    Burst {
        /// By how much.
        factor: u32,
    },
    /// The base rate changed.
    Base {
        /// Frames per second.
        to: u32,
    },
    /// A partition was made hot.
    Hot {
        /// Which one.
        partition: u32,
    },
    /// The load follows another shape.
    Shape {
        /// Which one; `None`: the base rate again.
        shape: Option<Shape>,
    },
    /// A pod was killed; another takes its place.
    Killed {
        /// Its name.
        pod: String,
    },
    /// A pod's process died; it starts again.
    Crashed {
        /// Its name.
        pod: String,
    },
    /// The number of replicas changed.
    Scaled {
        /// Before.
        from: u32,
        /// After.
        to: u32,
        /// Whether the autoscaler did it, rather than a hand.
        auto: bool,
    },
    /// Partitions changed hands.
    Rebalance {
        /// How many tasks have another owner.
        moved: u32,
    },
    /// A rolling upgrade began.
    Upgrade {
        /// To which revision.
        revision: u32,
    },
    /// Kafka did not answer.
    KafkaAway,
    /// The cluster did not answer.
    ClusterAway,
    /// The server behind this page was started again; its local pods began anew.
    ServerRestarted,
    /// Everything was put back to its defaults.
    Reset,
}

/// The last ten minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// One a second, rising in time. Seconds without a sample are missing: a gap, never a guess.
    pub points: VecDeque<Point>,
    /// Rising in time.
    pub markers: VecDeque<Marker>,
    /// In the order in which the pods were made.
    pub lives: Vec<Life>,
}

/// What one second adds to the history; the value of a record in `KING-HISTORY`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Second {
    /// The second's point; its time is that of the record.
    pub point: Point,
    /// Markers that began or changed in this second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Marker>,
    /// Pods that live or ended in this second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lives: Vec<Life>,
}

/// A second from Kafka that is so far ahead of the clock is none of ours: it would hide all that come after it.
const AHEAD_MS: Millis = 5_000;
/// More markers or lives in one second, or more spans in one life, are none of ours either.
const MAX_OF_A_SECOND: usize = 1_000;

impl Second {
    /// What is wrong with one that was read, if anything is.
    #[must_use]
    pub fn problem(&self, now_ms: Millis) -> Option<&'static str> {
        let Self { point, markers, lives } = self;
        let latest_ms = now_ms + AHEAD_MS;
        let spans = || lives.iter().flat_map(|life| &life.spans);
        // What was begun may end later: a burst, a shape.
        let ends = || {
            markers
                .iter()
                .filter_map(|marker| marker.until_ms)
                .chain(lives.iter().filter_map(|life| life.ended_ms))
        };
        if point.at_ms > latest_ms
            || markers.iter().any(|marker| marker.at_ms > latest_ms)
            || spans().any(|(since_ms, _)| *since_ms > latest_ms)
            || ends().any(|end_ms| end_ms > latest_ms + KEPT_MS)
        {
            Some("it is in the future")
        } else if markers.len() > MAX_OF_A_SECOND
            || lives.len() > MAX_OF_A_SECOND
            || lives.iter().any(|life| life.spans.len() > MAX_OF_A_SECOND)
        {
            Some("it has more in it than a second can have")
        } else {
            None
        }
    }
}

impl History {
    /// Adds a point; one that is not newer than the last is left out.
    pub fn push_point(&mut self, point: Point) {
        if self.points.back().is_none_or(|last| last.at_ms < point.at_ms) {
            self.points.push_back(point);
        }
    }

    /// Adds a marker, or replaces the one with its id.
    pub fn put_marker(&mut self, marker: Marker) {
        match self.markers.iter_mut().rev().find(|known| known.id == marker.id) {
            Some(known) => *known = marker,
            None => self.markers.push_back(marker),
        }
    }

    /// Adds a pod's life, or replaces the one of the same pod.
    pub fn put_life(&mut self, life: Life) {
        match self.lives.iter_mut().rev().find(|known| known.pod == life.pod) {
            Some(known) => *known = life,
            None => self.lives.push(life),
        }
    }

    /// Adds what was kept in `KING-HISTORY`.
    pub fn push_second(&mut self, second: Second) {
        self.push_point(second.point);
        second.markers.into_iter().for_each(|marker| self.put_marker(marker));
        second.lives.into_iter().for_each(|life| self.put_life(life));
    }

    /// Ends the lives that are still open, because their pods died with the server that watched them.
    pub fn end_lives(&mut self, at_ms: Millis) {
        for life in self.lives.iter_mut().filter(|life| life.ended_ms.is_none()) {
            life.ended_ms = Some(at_ms.max(life.spans.last().map_or(0, |(since_ms, _)| *since_ms)));
        }
    }

    /// Brings the lives up to date with the pods there are; gives back those that changed.
    pub fn observe(&mut self, at_ms: Millis, pods: &[Pod]) -> Vec<Life> {
        let mut changed = Vec::new();
        for life in self.lives.iter_mut().filter(|life| life.ended_ms.is_none()) {
            if !pods.iter().any(|pod| pod.name == life.pod) {
                life.ended_ms = Some(at_ms);
                changed.push(life.clone());
            }
        }
        for pod in pods {
            let condition = Condition::from(pod.phase);
            let span = (pod.phase_since_ms.min(at_ms), condition);
            match self.lives.iter_mut().rev().find(|life| life.pod == pod.name && life.ended_ms.is_none()) {
                Some(life) if life.spans.last().is_some_and(|(_, last)| *last == condition) => {}
                Some(life) => {
                    let floor = life.spans.last().map_or(0, |(since_ms, _)| *since_ms);
                    life.spans.push((span.0.max(floor), condition));
                    changed.push(life.clone());
                }
                None => {
                    let life =
                        Life { pod: pod.name.clone(), slot: pod.slot, spans: vec![span], ended_ms: None };
                    self.lives.push(life.clone());
                    changed.push(life);
                }
            }
        }
        changed
    }

    /// Forgets what is older than ten minutes.
    pub fn prune(&mut self, now_ms: Millis) {
        let oldest = now_ms.saturating_sub(KEPT_MS);
        while self.points.front().is_some_and(|point| point.at_ms < oldest) {
            self.points.pop_front();
        }
        while self.markers.front().is_some_and(|marker| marker.until_ms.unwrap_or(marker.at_ms) < oldest) {
            self.markers.pop_front();
        }
        self.lives.retain(|life| life.ended_ms.is_none_or(|ended| ended >= oldest));
        for life in &mut self.lives {
            // A pod that has crashed for hours keeps only the spans that can still be seen.
            while life.spans.get(1).is_some_and(|(since_ms, _)| *since_ms < oldest) {
                life.spans.remove(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_is_none_of_ours_is_known_by_its_time_and_size() {
        let now_ms = 1_000_000;
        let at = |at_ms| Second { point: Point { at_ms, ..Point::default() }, ..Second::default() };
        for ours in [at(1), at(now_ms), at(now_ms + AHEAD_MS)] {
            assert_eq!(ours.problem(now_ms), None);
        }
        assert!(at(now_ms + AHEAD_MS + 1).problem(now_ms).unwrap().contains("future"));
        let life = |spans: &[Millis]| Life {
            pod: "kstreams-a".to_owned(),
            slot: 0,
            spans: spans.iter().map(|since_ms| (*since_ms, Condition::Ready)).collect(),
            ended_ms: None,
        };
        let with = |lives| Second { lives, ..at(now_ms) };
        assert_eq!(with(vec![life(&[now_ms])]).problem(now_ms), None);
        assert!(with(vec![life(&[now_ms, u64::MAX])]).problem(now_ms).unwrap().contains("future"));
        let ends = |end_ms| Life { ended_ms: Some(end_ms), ..life(&[now_ms]) };
        assert_eq!(with(vec![ends(now_ms + KEPT_MS)]).problem(now_ms), None);
        assert!(with(vec![ends(u64::MAX)]).problem(now_ms).unwrap().contains("future"));
        assert!(with(vec![life(&[1]); MAX_OF_A_SECOND + 1]).problem(now_ms).unwrap().contains("more"));
        assert!(with(vec![life(&[1; MAX_OF_A_SECOND + 1])]).problem(now_ms).unwrap().contains("more"));
    }
}
