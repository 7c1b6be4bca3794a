//! The names of the demo's topics and of its consumer group.

use serde::{Deserialize, Serialize};

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

/// One of the two inputs of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Input {
    /// [`REQUESTS`]
    Requests,
    /// [`RESPONSES`]
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

    /// What its records are called.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Responses => "responses",
        }
    }
}
