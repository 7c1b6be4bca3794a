//! With what a proof runs: where Kafka is, what may be done to it, and which program is proved.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};
use kafka::Brokers;

use crate::schedule::{Ground, Theme};

/// With what a proof runs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The broker.
    pub brokers: Brokers,
    /// The file with the id of its process, which somebody starts again when it dies. Without it no broker is killed.
    pub broker_pid_file: Option<PathBuf>,
    /// What else there is for themes that need more than a broker.
    pub surroundings: Surroundings,
    /// The program `streams`.
    pub program: PathBuf,
    /// Where the pods' logs go, a directory a seed; only those of failed seeds stay.
    pub logs: PathBuf,
}

/// What some themes need beside the broker. `cargo xtask test` and `cargo xtask bench proof` give it by the
/// environment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// A listener of the broker's for clients that come through a proxy.
    pub behind_proxy: Option<BehindProxy>,
    /// What starts more brokers.
    pub java: Option<Java>,
}

/// A listener of the broker's that tells its clients another address, at which our proxy listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BehindProxy {
    /// Where the broker listens.
    pub listener: SocketAddr,
    /// Where it says that it does.
    pub advertised: SocketAddr,
}

/// What starts a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The program `java`.
    pub program: PathBuf,
    /// The folder of Kafka's jars.
    pub jars: PathBuf,
    /// The program `xtask`, whose guard ends a broker when we do.
    pub guard: PathBuf,
}

impl Surroundings {
    /// What the environment tells of: `KING_TEST_KAFKA_BEHIND_PROXY` (`LISTENER,ADVERTISED`), and `KING_TEST_JAVA` with
    /// `KING_TEST_KAFKA_JARS` and `KING_TEST_GUARD`. What is not there is `None`.
    ///
    /// # Errors
    /// When an address cannot be parsed.
    pub fn from_env() -> Result<Self> {
        let behind_proxy = std::env::var("KING_TEST_KAFKA_BEHIND_PROXY").ok();
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let java = || {
            Some(Java {
                program: path("KING_TEST_JAVA")?,
                jars: path("KING_TEST_KAFKA_JARS")?,
                guard: path("KING_TEST_GUARD")?,
            })
        };
        Ok(Self { behind_proxy: behind_proxy.as_deref().map(str::parse).transpose()?, java: java() })
    }
}

impl FromStr for BehindProxy {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (listener, advertised) =
            text.split_once(',').context("two addresses with a comma between them")?;
        Ok(Self { listener: listener.parse()?, advertised: advertised.parse()? })
    }
}

impl Setup {
    /// Why a theme cannot be proved here.
    pub(crate) fn lacks(&self, theme: Theme) -> Option<&'static str> {
        let Surroundings { behind_proxy, java } = &self.surroundings;
        match theme.ground() {
            Ground::Mortal if self.broker_pid_file.is_none() => {
                Some("KING_TEST_KAFKA_PID_FILE is not set: nobody starts the broker again")
            }
            Ground::Proxy if behind_proxy.is_none() => {
                Some("KING_TEST_KAFKA_BEHIND_PROXY is not set: the broker has no listener for a proxy")
            }
            Ground::Cluster if java.is_none() => {
                Some("KING_TEST_JAVA is not set: no more brokers can be started")
            }
            Ground::Shared | Ground::Mortal | Ground::Proxy | Ground::Cluster => None,
        }
    }
}
