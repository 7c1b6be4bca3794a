//! What the show means: lag, scaling, the picture that people see and how it travels.
//!
//! Nothing here reads a clock, a file or a socket, and nothing needs tokio: time comes in as milliseconds since the
//! epoch, so that the same code runs in the server, in the browser and in a test with an invented time.

pub mod bucket;
pub mod clocks;
pub mod command;
pub mod controls;
pub mod dead_letters;
pub mod figures;
pub mod fold;
pub mod history;
pub mod hpa;
pub mod lag;
pub mod load;
pub mod play;
pub mod policy;
pub mod rates;
pub mod scaling;
pub mod snapshot;
pub mod text;
pub mod wire;

/// Milliseconds since the epoch, by the server's clock unless a field says otherwise.
pub type Millis = u64;

/// The topic that carries the requests: one record a frame, `approval` false.
pub const REQUESTS: &str = "GAME-FRAME-RQ";
/// The topic that carries the responses: the same header as their request, `approval` true.
pub const RESPONSES: &str = "GAME-FRAME-RS";
/// The topic of the sessions that the application writes.
pub const SESSIONS: &str = "SESSIONS";
/// The topic of the application's state, by its name as the application derives it from its group.
pub const CHANGELOG: &str = "KINGOFSCALING-APP-CHANGELOG";
/// The topic of the records that the application left out; its name comes from the group as well.
pub const DEAD_LETTERS: &str = "KINGOFSCALING-APP-DEAD-LETTERS";
/// Consumer group and application id of the stream-processing application.
pub const GROUP_ID: &str = "KINGOFSCALING-APP";
/// The partitions of each of these topics.
pub const PARTITIONS: u32 = 12;
/// The Deployment whose pods are scaled.
pub const DEPLOYMENT: &str = "kstreams";

/// One of the two inputs of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Input {
    /// `GAME-FRAME-RQ`
    #[serde(rename = "rq")]
    Requests,
    /// `GAME-FRAME-RS`
    #[serde(rename = "rs")]
    Responses,
}

impl Input {
    /// Both inputs, requests first.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Responses];

    /// The topic's name in Kafka.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Requests => REQUESTS,
            Self::Responses => RESPONSES,
        }
    }

    /// The word that the page uses for its records.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Responses => "responses",
        }
    }
}
