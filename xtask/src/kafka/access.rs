//! How our programs reach a broker.

use std::process::Command;

/// What our programs read of the environment to find Kafka, and to speak to it.
const VARIABLES: [&str; 5] = ["KAFKA_BROKERS", "KAFKA_SECURITY", "KAFKA_CA", "API_KEY", "SECRET_KEY"];

/// Options and environment of a program that speaks to a broker.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// A broker of ours: what the person has set for another Kafka is not for this one.
    Ours {
        /// Its address.
        address: String,
    },
    /// A Kafka that somebody else runs; key and secret are in our own environment.
    Existing {
        /// Its addresses.
        address: String,
        /// The options.
        args: Vec<String>,
    },
}

impl Access {
    /// Bootstrap servers.
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::Ours { address } | Self::Existing { address, .. } => address,
        }
    }

    /// Gives a command what it needs.
    pub(crate) fn give_to(&self, command: &mut Command) {
        match self {
            Self::Ours { address } => {
                forget(command);
                command.args(["--kafka", address]);
            }
            Self::Existing { args, .. } => {
                command.args(args);
            }
        }
    }
}

/// Takes from a command's environment what the person has set for their own demo's Kafka.
pub(crate) fn forget(command: &mut Command) {
    for name in VARIABLES {
        command.env_remove(name);
    }
}
