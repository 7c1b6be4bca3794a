//! The game on the phones: what a player sends and what comes back.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// The fighters that a player chooses from; a name is never typed.
pub const FIGHTERS: [&str; 24] = [
    "Iron Heron",
    "Neon Mantis",
    "Quiet Ox",
    "Red Comet",
    "Blue Badger",
    "Silver Wasp",
    "Stone Lynx",
    "Amber Fox",
    "Night Otter",
    "Jade Viper",
    "Storm Crane",
    "Lucky Moth",
    "Copper Bear",
    "Ghost Pike",
    "Velvet Bull",
    "Solar Newt",
    "Frost Raven",
    "Turbo Snail",
    "Crimson Hare",
    "Brave Gecko",
    "Thunder Toad",
    "Paper Tiger",
    "Cobalt Crow",
    "Rusty Shark",
];
/// Hits a second that one player may land; a short burst of twice as many is fine.
pub const TAPS_PER_SECOND: u32 = 5;
/// The most players at a time; an idle one leaves for a new one.
pub const MAX_PLAYERS: usize = 2_000;

/// The two keys of the pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// The blue one.
    X,
    /// The red one.
    O,
}

/// The direction pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they say themselves")]
pub enum Direction {
    Up,
    Down,
    Left,
    Right,
}

/// How hard a hit landed; the server draws it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of the record's schema")]
pub enum Impact {
    Fatal,
    Critical,
    Special,
    Direct,
    Missed,
}

/// Who a phone is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    /// From [`FIGHTERS`], with a number behind it where several chose the same: `Iron Heron 2`.
    pub fighter: String,
    /// The machine id in its frames: six digits, 900000 and up.
    pub machine: String,
}

/// One tap of the player: what was hit, and where the record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// Rises by one a tap, within a player.
    pub number: u32,
    /// The key.
    pub key: Key,
    /// The direction held, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// How hard it landed.
    pub impact: Impact,
    /// What it is worth once it is counted.
    pub points: u32,
    /// The partition of its request.
    pub partition: u32,
    /// From the tap's arrival at the server to Kafka's acknowledgement.
    pub acked_ms: u32,
    /// Where it is now.
    pub stage: Stage,
}

/// Where a tap is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// In Kafka, not counted yet.
    Waiting {
        /// Records of its partition that the application reads before it; `None` while that is unknown.
        ahead: Option<u64>,
        /// When it arrived at the server.
        since_ms: Millis,
    },
    /// Folded into a session that came back through `SESSIONS`.
    Counted {
        /// Short name of the pod that counted it.
        pod: String,
        /// From the tap's arrival to the join, by that pod's clock.
        joined_ms: u32,
        /// From the tap's arrival to its session's return to the server.
        total_ms: u32,
        /// Short name of a pod that was killed or crashed while this tap waited on its partition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hurt: Option<String>,
    },
    /// Left out by the application, which put it aside: it does not count.
    PutAside {
        /// Why, in one word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Why, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// What the server answers to a tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TapAnswer {
    /// It is a record in Kafka now.
    Sent(Tap),
    /// Too fast, or the room is: nothing was sent.
    Limited {
        /// When to try again.
        retry_in_ms: u32,
        /// Whether the whole room is limited, rather than this player.
        room: bool,
    },
    /// Kafka did not take it; nothing was sent.
    Unavailable {
        /// In one sentence.
        reason: String,
    },
    /// This phone has to choose a fighter (again).
    Unknown,
}

/// The stream of a phone: what changed since the last one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PhoneTick {
    /// By the server's clock.
    #[serde(rename = "t")]
    pub at_ms: Millis,
    /// What the records are called of which the lag is largest, and that lag; `None` while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<(String, u64)>,
    /// Pods that are ready; `None` while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// Pods that are asked for; `None` while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
    /// Since when Kafka does not answer, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since_ms: Option<Millis>,
    /// Who has joined.
    pub players: u32,
    /// This player's score and place, from 1; absent for a phone that has not joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// This player's taps that changed: new places in line, counted ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taps: Vec<Tap>,
}

/// A player's score and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Points of the hits that were counted.
    pub score: u64,
    /// Place among all players, from 1.
    pub rank: u32,
}
