//! What can be set from outside.

use std::net::SocketAddr;

use clap::Parser;
use game::sessions::Limits;
use kafka::Brokers;
use process::ProcessArgs;

/// A pod of the application: joins requests and responses, builds sessions.
#[derive(Debug, Clone, Parser)]
#[command(name = "streams", version)]
pub struct Config {
    /// Where Kafka is: HOST:PORT, or several with commas between them
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
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
    #[arg(long, default_value_t = 500, value_name = "HITS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub session_hits: u32,
    /// Where to serve /livez, /readyz and /metrics; port 0 takes a free one and prints it
    #[arg(long, env = "ADMIN_ADDRESS", value_name = "ADDRESS")]
    pub admin_address: Option<SocketAddr>,
    /// The consumer group
    #[arg(long, hide = true, default_value = model::GROUP_ID)]
    pub group: String,
    /// The topic of the requests
    #[arg(long, hide = true, default_value = model::REQUESTS)]
    pub requests: String,
    /// The topic of the responses
    #[arg(long, hide = true, default_value = model::RESPONSES)]
    pub responses: String,
    /// The topic of the sessions
    #[arg(long, hide = true, default_value = model::SESSIONS)]
    pub sessions: String,
    /// Options of every process
    #[command(flatten)]
    pub process: ProcessArgs,
}

impl Config {
    /// What makes a session end.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            gap_ms: i64::from(self.session_gap) * 1_000,
            longest_ms: i64::from(self.session_length) * 1_000,
            most_hits: self.session_hits,
            ..Limits::default()
        }
    }
}
