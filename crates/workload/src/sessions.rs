//! Sessions as they are written: what a record of `SESSIONS` holds, and what makes a session end.

use serde::{Deserialize, Serialize};

use crate::{EventTime, FrameHeader, Hit};

/// How many of a session's last hits an update carries; the final record carries all.
pub const KEPT_HITS: usize = 20;

/// Value of a session in Kafka, as the Avro record `GameSession` has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GameSession {
    /// Hits, oldest first: the last [`KEPT_HITS`] in an update, all in the final record.
    pub hits: Vec<Hit>,
    /// The machine's six digits; empty in a record of the first version.
    #[serde(default)]
    pub machine: String,
    /// Frames folded in.
    #[serde(default)]
    pub frames: u32,
    /// Hits folded in.
    #[serde(default)]
    pub count: u32,
    /// Points of all hits folded in.
    #[serde(default)]
    pub score: i64,
    /// `ts` of the first frame.
    #[serde(default)]
    pub start: EventTime,
    /// `ts` of the last frame.
    #[serde(default)]
    pub end: EventTime,
    /// Whether the session is over.
    #[serde(rename = "final", default)]
    pub is_final: bool,
}

/// What makes a session end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A pause of this length.
    pub gap_ms: EventTime,
    /// Its length, from its first frame.
    pub longest_ms: EventTime,
    /// Its hits; the frame that reaches the number is the last one.
    pub most_hits: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gap_ms: 10_000, longest_ms: 60_000, most_hits: 500 }
    }
}

/// A session to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The header of the session's first frame, its key in Kafka.
    pub key: FrameHeader,
    /// The session so far, or as it ended.
    pub session: GameSession,
    /// The highest offset of a request in it.
    pub request_offset: i64,
}
