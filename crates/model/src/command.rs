//! What a presenter may ask for, as it travels from the page to the server.

use serde::{Deserialize, Serialize};

use crate::controls::Manner;
use crate::load::Shape;
use crate::policy::Policy;

/// One button.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Multiplies the base rate for 20 s.
    Burst {
        /// 2, 5 or 10.
        factor: u32,
    },
    /// Sets the base rate.
    Base {
        /// Frames per second, 0 to [`crate::load::MAX_FRAMES_PER_SECOND`].
        frames_per_second: u32,
    },
    /// Lets the load follow a shape over time, from now on; ends a burst.
    Shape {
        /// Which one; `None`: the base rate again.
        shape: Option<Shape>,
    },
    /// Gives one partition more than its share, or ends that.
    Hot {
        /// The partition; `None` ends it.
        partition: Option<u32>,
    },
    /// Kills one pod.
    Kill {
        /// Which one; `None`: one that is drawn by the server.
        pod: Option<String>,
        /// How.
        manner: Manner,
        /// Whether the presenter knows that fewer than one ready pod may be left.
        confirmed: bool,
    },
    /// Kills all pods at once, gracefully; always asks first.
    RestartAll {
        /// Whether the presenter knows that no pod will be ready.
        confirmed: bool,
    },
    /// Replaces all pods one after the other.
    Roll {
        /// Another capacity for the new pods, in records per second; 0: no limit.
        capacity: Option<u32>,
    },
    /// Sets the number of replicas by hand, within min and max, while the autoscaler is off.
    Scale {
        /// How many.
        replicas: u32,
    },
    /// Switches the autoscaler on or off.
    Autoscaler {
        /// On.
        enabled: bool,
    },
    /// Puts another policy in force.
    SetPolicy {
        /// The whole policy.
        policy: Policy,
    },
    /// Shows a player out, whose score is lost.
    Remove {
        /// The name on the leaderboard.
        fighter: String,
    },
    /// Puts everything back: load, autoscaler and players to their defaults, lag to 0, pods to the minimum.
    Reset {
        /// Whether the presenter knows that scores are lost.
        confirmed: bool,
    },
}

/// What the server answers to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is done or under way.
    Done,
    /// It was not done: it is dangerous, and the presenter should say yes first.
    Confirm {
        /// What will happen.
        question: String,
    },
    /// It was not done.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}
