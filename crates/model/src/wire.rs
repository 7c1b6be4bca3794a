//! What travels from the server to a page: the only types that both ends of a stream know.
//!
//! A stream begins with a [`Hello`]. Unless the page resumes, a whole [`Picture`] follows; then a [`Tick`] for every
//! change. The SSE event's name is the frame's kind (`hello`, `picture`, `tick`, `phone`), its id a [`FrameId`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::clocks::Clocks;
use crate::dead_letters::DeadLetters;
use crate::history::{History, Life, Marker, Point};
use crate::lag::{Doubt, Outage};
use crate::load::LoadSettings;
use crate::snapshot::{Cluster, Lag, Outages, Ownership, Players, Progress, Rates, Source};
use crate::topics::{TopicPartition, Topics};

/// The id of a frame: which run of the server, and when it was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameId {
    /// When this run of the server began.
    pub epoch: u64,
    /// Rises with every frame of a run: the frame's `at_ms`, which the fold keeps strictly rising.
    pub seq: u64,
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

/// Not of the form `epoch:seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame id is EPOCH:SEQ, two whole numbers")]
pub struct NotAFrameId;

impl FromStr for FrameId {
    type Err = NotAFrameId;

    fn from_str(text: &str) -> Result<Self, NotAFrameId> {
        let (epoch, seq) = text.split_once(':').ok_or(NotAFrameId)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| NotAFrameId)?,
            seq: seq.parse().map_err(|_| NotAFrameId)?,
        })
    }
}

/// The first event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// This run of the server.
    pub epoch: u64,
    /// The oldest instant of which the server still knows everything.
    pub oldest: u64,
    /// The newest frame.
    pub newest: u64,
    /// How the stream goes on.
    pub mode: Mode,
    /// Frames that the page has missed; their seconds, markers and lives come with the next frame all the same.
    pub missed: u64,
}

/// How a stream goes on after its hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// A whole picture comes next: the page begins, or its last frame is of another run or too old.
    Picture,
    /// A tick with all that changed since the page's last frame comes next.
    Resume,
}

/// All that a page shows: now, and the last ten minutes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Picture {
    /// Which run of the server drew it.
    pub epoch: u64,
    /// Now.
    pub snapshot: Snapshot,
    /// The last ten minutes.
    pub history: History,
}

/// A part of the snapshot, as a value that changes: what travels when it has, and how it is put in place.
pub trait Changing {
    /// What is sent.
    type Change;
    /// What is sent to whoever has `before`; `None` where nothing has changed.
    fn change(before: &Self, after: &Self) -> Option<Self::Change>;
    /// What is sent to whoever has anything.
    fn whole(&self) -> Self::Change;
    /// Puts in place what came.
    fn receive(&mut self, change: Self::Change);
}

/// Parts that travel as a whole, and become unknown as `null`.
macro_rules! sent_whole {
    ($($part:ty),* $(,)?) => {
        $(impl Changing for $part {
            type Change = Self;
            fn change(before: &Self, after: &Self) -> Option<Self> {
                (before != after).then(|| after.clone())
            }
            fn whole(&self) -> Self {
                self.clone()
            }
            fn receive(&mut self, change: Self) {
                *self = change;
            }
        })*
    };
}

/// The one description of the picture's parts. From it come the [`Snapshot`], the [`Tick`] between two of them, its
/// application, and the [`Part`]s that a page redraws: whoever adds a field here has added it everywhere.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident: $field:ident: $type:ty,)*) => {
        /// Everything that is true now. An unknown is `None`, never 0.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Snapshot {
            /// When this was folded, by the server's clock.
            pub at_ms: Millis,
            $($(#[$doc])* pub $field: $type,)*
        }

        /// What changed: absent fields stay as they are, listed things are added or replaced.
        ///
        /// Whatever may be unknown in the snapshot may become unknown again: `Some(None)`, on the wire `null`.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Tick {
            /// When it was folded.
            #[serde(rename = "t")]
            pub at_ms: Millis,
            $($(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
            pub $field: Option<<$type as Changing>::Change>,)*
            /// New points.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub points: Vec<Point>,
            /// New or changed markers.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub markers: Vec<Marker>,
            /// New or changed lives.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub lives: Vec<Life>,
        }

        /// A part of the picture that changes by itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Part {
            $($(#[$doc])* $name,)*
            /// Points, markers and lives.
            History,
        }

        impl Part {
            /// Every part.
            pub const ALL: &[Self] = &[$(Self::$name,)* Self::History];
        }

        impl Tick {
            /// The current values that differ between two snapshots.
            #[must_use]
            pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
                Self {
                    at_ms: after.at_ms,
                    $($field: Changing::change(&before.$field, &after.$field),)*
                    points: Vec::new(),
                    markers: Vec::new(),
                    lives: Vec::new(),
                }
            }

            /// A tick that carries every current value, whatever the page had.
            #[must_use]
            pub fn whole(now: &Snapshot) -> Self {
                Self {
                    at_ms: now.at_ms,
                    $($field: Some(Changing::whole(&now.$field)),)*
                    points: Vec::new(),
                    markers: Vec::new(),
                    lives: Vec::new(),
                }
            }

            /// The parts that it carries.
            #[must_use]
            pub fn parts(&self) -> Vec<Part> {
                let Self { at_ms: _, $($field,)* points, markers, lives } = self;
                let mut parts = Vec::new();
                $(if $field.is_some() {
                    parts.push(Part::$name);
                })*
                if !(points.is_empty() && markers.is_empty() && lives.is_empty()) {
                    parts.push(Part::History);
                }
                parts
            }
        }

        impl Picture {
            /// Brings the picture up to date. Applying every tick of a run in order gives the server's own picture.
            pub fn apply(&mut self, tick: Tick) {
                let Tick { at_ms, $($field,)* points, markers, lives } = tick;
                self.snapshot.at_ms = at_ms;
                $(if let Some(change) = $field {
                    self.snapshot.$field.receive(change);
                })*
                points.into_iter().for_each(|point| self.history.push_point(point));
                markers.into_iter().for_each(|marker| self.history.put_marker(marker));
                lives.into_iter().for_each(|life| self.history.put_life(life));
                self.history.prune(at_ms);
            }
        }
    };
}

parts! {
    /// Which Kafka, which group and which cluster this shows.
    Source: source: Source,
    /// Lag by topic and partition; `None` until the first sample.
    Lag: lag: Option<Lag>,
    /// Who owns which task; `None` until the coordinator was asked.
    Ownership: ownership: Option<Ownership>,
    /// Records per second, once a second; `None` until two samples can be compared, after a reset, and while partitions
    /// do not answer.
    Rates: rates: Option<Rates>,
    /// Pods, replicas, policy and decision; `None` until the cluster was seen.
    Cluster: cluster: Option<Cluster>,
    /// What the generator is asked to do; `None` until the control topic was read, and where there is none.
    Load: load: Option<LoadSettings>,
    /// What the application could not make use of; `None` until its log was read.
    DeadLetters: dead_letters: Option<DeadLetters>,
    /// Clocks that are far from the server's.
    Clocks: clocks: Clocks,
    /// The people who play.
    Players: players: Players,
    /// What outside does not answer, so that its part of this is old.
    Outages: outages: Outages,
    /// A command that takes its time, while it runs.
    Progress: progress: Option<Progress>,
}

sent_whole!(
    Source,
    Option<Ownership>,
    Option<Rates>,
    Option<Cluster>,
    Option<LoadSettings>,
    Option<DeadLetters>,
    Clocks,
    Players,
    Outages,
    Option<Progress>,
);

/// What is sent of the lag, four times a second: names of topics only when they have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagChange {
    /// When the log ends were read.
    #[serde(rename = "at")]
    pub sampled_ms: Millis,
    /// The topics, where they are others than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Topics>,
    /// Records behind by topic, indexed by partition.
    #[serde(rename = "by")]
    pub partitions: Vec<Vec<Option<u64>>>,
    /// Records that were deleted before the group read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// What to say beside single figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<(TopicPartition, Doubt)>,
}

impl LagChange {
    fn of(lag: &Lag, topics: Option<Topics>) -> Self {
        let Lag { sampled_ms, topics: _, partitions, lost, doubts } = lag.clone();
        Self { sampled_ms, topics, partitions, lost: (lost > 0).then_some(lost), doubts }
    }
}

impl Changing for Option<Lag> {
    type Change = Option<LagChange>;

    fn change(before: &Self, after: &Self) -> Option<Self::Change> {
        let known = before.as_ref().map(|before| &before.topics);
        (before != after).then(|| {
            let after = after.as_ref()?;
            Some(LagChange::of(after, (known != Some(&after.topics)).then(|| after.topics.clone())))
        })
    }

    fn whole(&self) -> Self::Change {
        self.as_ref().map(|lag| LagChange::of(lag, Some(lag.topics.clone())))
    }

    fn receive(&mut self, change: Self::Change) {
        let before = self.take();
        *self = change.map(|LagChange { sampled_ms, topics, partitions, lost, doubts }| Lag {
            sampled_ms,
            topics: topics.or(before.map(|before| before.topics)).unwrap_or_default(),
            partitions,
            lost: lost.unwrap_or(0),
            doubts,
        });
    }
}

/// Keeps a `null` apart from an absent field.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Tick {
    /// Whether it says nothing but the time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().is_empty()
    }
}

impl Picture {
    /// The id of the newest frame in it.
    #[must_use]
    pub const fn id(&self) -> FrameId {
        FrameId { epoch: self.epoch, seq: self.snapshot.at_ms }
    }

    /// The outage of Kafka, if there is one: what is old then is lag, owners and rates.
    #[must_use]
    pub fn kafka_outage(&self) -> Option<&Outage> {
        self.snapshot.outages.kafka.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_id_reads_back() {
        let id = FrameId { epoch: 7, seq: 12 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "7", "7:", "a:b", "7:12:1", "-1:2"] {
            assert_eq!(bad.parse::<FrameId>(), Err(NotAFrameId), "{bad}");
        }
    }

    #[test]
    fn what_becomes_unknown_survives_the_wire() {
        let tick = Tick { rates: Some(None), progress: Some(None), ..Tick::default() };
        let text = serde_json::to_string(&tick).unwrap();
        assert_eq!(text, r#"{"t":0,"rates":null,"progress":null}"#);
        assert_eq!(serde_json::from_str::<Tick>(&text).unwrap(), tick);
    }
}
