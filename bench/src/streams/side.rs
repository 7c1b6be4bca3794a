//! The two applications, and how each is started on the topics of a run.

use std::fmt;

use anyhow::Result;
use tempfile::TempDir;

use crate::broker::{self, Broker};
use crate::frames::inputs;
use crate::measured::Measured;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// A pod of `streams`.
    Ours,
    /// Kafka Streams, `bench/peer`.
    Peer,
}

/// How the peer is set; the defaults are what was fastest.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PeerOptions {
    /// Megabytes of the peer's heap; less makes its garbage collector dearer
    #[arg(long, default_value_t = 384, value_name = "MB", value_parser = clap::value_parser!(u32).range(64..=4_096))]
    peer_heap: u32,
    /// Where the peer keeps the windows of its join
    #[arg(long, default_value = "rocksdb", value_parser = ["rocksdb", "memory"])]
    peer_join: String,
    /// Where the peer keeps its sessions
    #[arg(long, default_value = "rocksdb", value_parser = ["rocksdb", "memory"])]
    peer_sessions: String,
    /// Milliseconds between two commits of the peer; ours takes 100
    #[arg(long, default_value_t = 100, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    peer_commit: u32,
}

/// One run of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    /// Who.
    pub(crate) side: Side,
    /// What the names of all its topics begin with; runs with the same one read the same input.
    pub(crate) prefix: &'a str,
    /// What tells runs of the same side apart.
    pub(crate) name: &'a str,
    /// How the peer is set.
    pub(crate) peer: &'a PeerOptions,
    /// Where logs and local state go.
    pub(crate) directory: &'a TempDir,
}

impl Run<'_> {
    /// The consumer group, which for the peer is the application id.
    pub(crate) fn group(&self) -> String {
        format!("{}-{:?}-{}", self.prefix, self.side, self.name)
    }

    /// The topic that this run writes its sessions to.
    pub(crate) fn sessions(&self) -> String {
        format!("{}-SESSIONS", self.group())
    }

    /// Makes the topics that the run does not make for itself.
    pub(crate) async fn make_topics(&self, broker: &Broker) -> Result<()> {
        let mut names = vec![self.sessions()];
        if self.side == Side::Ours {
            names.extend(["CHANGELOG", "DEAD-LETTERS"].map(|name| format!("{}-{name}", self.group())));
        }
        broker.make_topics(&names, model::PARTITIONS).await
    }

    /// Starts the application.
    pub(crate) fn start(&self, broker: &Broker) -> Result<Measured> {
        let log = self.directory.path().join(format!("{}.log", self.group()));
        let cores = broker.cores.as_ref();
        match self.side {
            Side::Ours => {
                Measured::start(cores, &broker::program("streams")?, self.our_arguments(broker), log)
            }
            Side::Peer => Measured::start(cores, &broker.java, self.peer_arguments(broker)?, log),
        }
    }

    fn our_arguments(&self, broker: &Broker) -> Vec<String> {
        let [requests, responses] = inputs(self.prefix);
        let options = [
            ("--kafka", broker.brokers.to_string()),
            ("--pod", "bench".to_owned()),
            ("--group", self.group()),
            ("--requests", requests),
            ("--responses", responses),
            ("--sessions", self.sessions()),
            ("--admin-address", "127.0.0.1:0".to_owned()),
            ("--capacity", "0".to_owned()),
        ];
        let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        options.chain(["--exit-with-parent".to_owned()]).collect()
    }

    fn peer_arguments(&self, broker: &Broker) -> Result<Vec<String>> {
        let mut arguments = vec![
            format!("-Xmx{}m", self.peer.peer_heap),
            // On one core it is the cheapest collector, and the one with the least memory.
            "-XX:+UseSerialGC".to_owned(),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
            "-cp".to_owned(),
            broker.peer_class_path()?,
            "king.peer.Peer".to_owned(),
        ];
        let session = workload::avro::encode_session(&workload::GameSession::default());
        let preamble: String = session.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
        let [requests, responses] = inputs(self.prefix);
        let options = [
            ("brokers", broker.brokers.to_string()),
            ("application", self.group()),
            ("requests", requests),
            ("responses", responses),
            ("sessions", self.sessions()),
            ("session-preamble", preamble),
            ("state", self.directory.path().join("state").display().to_string()),
            ("commit-ms", self.peer.peer_commit.to_string()),
            ("join", self.peer.peer_join.clone()),
            ("session-store", self.peer.peer_sessions.clone()),
        ];
        arguments.extend(options.into_iter().map(|(name, value)| format!("{name}={value}")));
        Ok(arguments)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Peer => "Kafka Streams",
        })
    }
}
