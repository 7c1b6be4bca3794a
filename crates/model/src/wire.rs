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
use crate::lag::Outage;
use crate::load::LoadSettings;
use crate::snapshot::{Cluster, Lag, Outages, Ownership, Players, Progress, Rates, Snapshot, Source};

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

/// What changed: absent fields stay as they are, listed things are added or replaced.
///
/// Whatever may be unknown in the snapshot may become unknown again: `Some(None)`, on the wire `null`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tick {
    /// When it was folded.
    #[serde(rename = "t")]
    pub at_ms: Millis,
    /// Which Kafka, which cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Lag.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub lag: Option<Option<Lag>>,
    /// Owners.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub ownership: Option<Option<Ownership>>,
    /// Rates, once a second; unknown after a reset and while partitions do not answer.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub rates: Option<Option<Rates>>,
    /// Pods, replicas, policy, decision.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub cluster: Option<Option<Cluster>>,
    /// Load settings.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub load: Option<Option<LoadSettings>>,
    /// What was put aside.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub dead_letters: Option<Option<DeadLetters>>,
    /// Clocks that are far from the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clocks: Option<Clocks>,
    /// Players.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub players: Option<Players>,
    /// What does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outages: Option<Outages>,
    /// The command under way.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub progress: Option<Option<Progress>>,
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

/// Keeps a `null` apart from an absent field.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Tick {
    /// The current values that differ between two snapshots.
    #[must_use]
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        fn changed<T: PartialEq + Clone>(before: &T, after: &T) -> Option<T> {
            (before != after).then(|| after.clone())
        }
        // Named one by one, here and below: a new field must be thought about.
        let Snapshot {
            at_ms,
            source,
            lag,
            ownership,
            rates,
            cluster,
            load,
            dead_letters,
            clocks,
            players,
            outages,
            progress,
        } = after;
        Self {
            at_ms: *at_ms,
            source: changed(&before.source, source),
            lag: changed(&before.lag, lag),
            ownership: changed(&before.ownership, ownership),
            rates: changed(&before.rates, rates),
            cluster: changed(&before.cluster, cluster),
            load: changed(&before.load, load),
            dead_letters: changed(&before.dead_letters, dead_letters),
            clocks: changed(&before.clocks, clocks),
            players: changed(&before.players, players),
            outages: changed(&before.outages, outages),
            progress: changed(&before.progress, progress),
            points: Vec::new(),
            markers: Vec::new(),
            lives: Vec::new(),
        }
    }

    /// A tick that carries every current value, whatever the page had.
    #[must_use]
    pub fn whole(now: &Snapshot) -> Self {
        let Snapshot {
            at_ms,
            source,
            lag,
            ownership,
            rates,
            cluster,
            load,
            dead_letters,
            clocks,
            players,
            outages,
            progress,
        } = now.clone();
        Self {
            at_ms,
            source: Some(source),
            lag: Some(lag),
            ownership: Some(ownership),
            rates: Some(rates),
            cluster: Some(cluster),
            load: Some(load),
            dead_letters: Some(dead_letters),
            clocks: Some(clocks),
            players: Some(players),
            outages: Some(outages),
            progress: Some(progress),
            points: Vec::new(),
            markers: Vec::new(),
            lives: Vec::new(),
        }
    }

    /// Whether it says nothing but the time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { at_ms: self.at_ms, ..Self::default() }
    }
}

impl Picture {
    /// Brings the picture up to date. Applying every tick of a run in order gives the server's own picture.
    pub fn apply(&mut self, tick: Tick) {
        fn put<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        let Tick {
            at_ms,
            source,
            lag,
            ownership,
            rates,
            cluster,
            load,
            dead_letters,
            clocks,
            players,
            outages,
            progress,
            points,
            markers,
            lives,
        } = tick;
        let now = &mut self.snapshot;
        now.at_ms = at_ms;
        put(&mut now.source, source);
        put(&mut now.lag, lag);
        put(&mut now.ownership, ownership);
        put(&mut now.rates, rates);
        put(&mut now.cluster, cluster);
        put(&mut now.load, load);
        put(&mut now.dead_letters, dead_letters);
        put(&mut now.clocks, clocks);
        put(&mut now.players, players);
        put(&mut now.outages, outages);
        put(&mut now.progress, progress);
        points.into_iter().for_each(|point| self.history.push_point(point));
        markers.into_iter().for_each(|marker| self.history.put_marker(marker));
        lives.into_iter().for_each(|life| self.history.put_life(life));
        self.history.prune(at_ms);
    }

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
