//! What can be set from outside.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use kafka::Brokers;
use process::ProcessArgs;
use schema_registry::{RegistryArgs, Topics};
use workload::sessions::Limits;

/// A pod of the application: joins requests and responses, builds sessions.
#[derive(Debug, Clone, Parser)]
#[command(name = "streams", version)]
pub struct Config {
    /// Where Kafka is, and how to speak to it
    #[command(flatten)]
    pub kafka: Brokers,
    /// The pod's name, which becomes its client.id
    #[arg(long, env = "POD_NAME", default_value = "kstreams-local", value_name = "NAME")]
    pub pod: String,
    /// The most records per second, both inputs together; 0: no limit
    #[arg(long, env = "CAPACITY", default_value_t = 0, value_name = "N")]
    pub capacity: u32,
    /// A session ends after a pause of so many seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub session_gap: u16,
    /// A session ends after so many seconds at the latest
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub session_length: u16,
    /// A session ends after so many hits at the latest
    #[arg(long, default_value_t = 500, value_name = "HITS", value_parser = clap::value_parser!(u32).range(1..=900))]
    pub session_hits: u32,
    /// How it is a member of its group
    #[arg(long, env = "GROUP_PROTOCOL", value_enum, default_value_t, value_name = "PROTOCOL")]
    pub group_protocol: GroupProtocol,
    /// How often to commit while there is much to do; a pod with nothing else to do commits sooner
    #[arg(long, env = "COMMIT_INTERVAL_MS", default_value_t = 100, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u16).range(10..=1_000))]
    pub commit_interval: u16,
    /// Where to serve /livez, /readyz, /metrics, and /crash where KING_CRASH_TOKEN is set; port 0 takes a free one and
    /// prints it
    #[arg(long, env = "ADMIN_ADDRESS", value_name = "ADDRESS")]
    pub admin_address: Option<SocketAddr>,
    /// The consumer group
    #[arg(long, hide = true, default_value = workload::topics::GROUP_ID)]
    pub group: String,
    /// The topic of the requests
    #[arg(long, hide = true, default_value = workload::topics::REQUESTS)]
    pub requests: String,
    /// The topic of the responses
    #[arg(long, hide = true, default_value = workload::topics::RESPONSES)]
    pub responses: String,
    /// The topic of the sessions
    #[arg(long, hide = true, default_value = workload::topics::SESSIONS)]
    pub sessions: String,
    /// Where the schemas are
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Options of every process
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// How members of a group and the broker agree on who owns what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GroupProtocol {
    /// KIP-848: the broker assigns, and only what moves is handed over. Needs Kafka 4.0
    #[default]
    Consumer,
    /// The protocol of old: everything is given back and assigned anew at each rebalance
    Classic,
}

impl Config {
    /// The topic of the state.
    #[must_use]
    pub fn changelog(&self) -> String {
        format!("{}-CHANGELOG", self.group)
    }

    /// The topic of the records that are left out.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        format!("{}-DEAD-LETTERS", self.group)
    }

    /// The topics whose records have schemas.
    #[must_use]
    pub fn subjects(&self) -> Topics {
        let (requests, responses) = (self.requests.clone(), self.responses.clone());
        Topics { requests, responses, sessions: self.sessions.clone() }
    }

    /// Every topic that a pod needs.
    #[must_use]
    pub fn topics(&self) -> [String; 5] {
        let (requests, responses) = (self.requests.clone(), self.responses.clone());
        [requests, responses, self.sessions.clone(), self.changelog(), self.dead_letters()]
    }

    /// Its own among the group's pods: a pod that comes back under its name ends the transaction that it has left.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        format!("{}-{}", self.group, self.pod)
    }

    /// What makes a session end.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            gap_ms: i64::from(self.session_gap) * 1_000,
            longest_ms: i64::from(self.session_length) * 1_000,
            most_hits: self.session_hits,
        }
    }
}
