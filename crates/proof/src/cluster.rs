//! Three brokers of the proof's own, with every record of the application's kept three times. They start when the first
//! schedule needs them, and end with the last. Each is a process under the guard of `xtask`, so none outlives us.

mod disk;
mod node;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kafka::Brokers;
use tokio::task::JoinSet;

use crate::broker;
use crate::schedule::NODES;
use crate::setup::Java;
use disk::Disk;
use node::Node;

/// The settings of the demo's broker; what a cluster needs follows them, and the last word counts.
const SETTINGS: &str = include_str!("../../../deploy/kafka/server.properties");
const CLUSTER_SETTINGS: &str = "\
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
# A machine that also runs the pods is slow: a second without a heartbeat is no death here.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# The disk is small.
log.segment.delete.delay.ms=1000
log.index.size.max.bytes=1048576
";

/// The brokers.
pub(crate) struct Cluster {
    brokers: Brokers,
    nodes: Vec<Node>,
    disk: Result<Disk>,
}

impl Cluster {
    /// Starts them, with their data and logs in a directory; the data is on a disk of its own where one can be mounted.
    pub(crate) async fn start(java: &Java, directory: &Path) -> Result<Self> {
        let _ = std::fs::remove_dir_all(directory);
        let data = directory.join("data");
        std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let disk = Disk::mount(&data).await;
        let ports = ports(2 * NODES)?;
        let (listeners, controllers) = ports.split_at(NODES);
        let mut formats = JoinSet::new();
        let mut files = Vec::new();
        for node in 0..NODES {
            let file = directory.join(format!("broker-{node}.properties"));
            let text = settings(node, listeners, controllers, &data);
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            formats.spawn(node::format(node::within(disk.as_ref().ok(), java), file.clone()));
            files.push(file);
        }
        while let Some(formatted) = formats.join_next().await {
            formatted.context("formatting panicked")??;
        }
        let start = |(node, file): (usize, PathBuf)| {
            let log = directory.join(format!("broker-{node}.log"));
            Node::start(node::within(disk.as_ref().ok(), java), java.guard.clone(), file, log)
        };
        let nodes = files.into_iter().enumerate().map(start).collect();
        let addresses: Vec<String> = listeners.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let cluster = Self { brokers: addresses.join(",").parse()?, nodes, disk };
        broker::answers(&cluster.brokers).await?;
        Ok(cluster)
    }

    pub(crate) fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    /// Why its disk cannot be filled.
    pub(crate) fn lacks_disk(&self) -> Option<String> {
        self.disk.as_ref().err().map(|error| format!("{error:#}"))
    }

    /// SIGKILL for one, which stays away until it is started.
    pub(crate) fn kill(&self, node: usize) -> Result<()> {
        self.nodes[node].kill()
    }

    /// Starts it again.
    pub(crate) fn start_again(&self, node: usize) {
        self.nodes[node].start_again();
    }

    pub(crate) async fn fill_disk(&self) -> Result<()> {
        self.disk()?.fill().await
    }

    pub(crate) async fn free_disk(&self) -> Result<()> {
        self.disk()?.free().await
    }

    /// Ends all brokers.
    pub(crate) async fn end(self) {
        for node in self.nodes {
            node.end().await;
        }
    }

    fn disk(&self) -> Result<&Disk> {
        self.disk.as_ref().map_err(|error| anyhow::anyhow!("no disk of its own: {error:#}"))
    }
}

/// Ports that nobody uses now, all different.
fn ports(count: usize) -> Result<Vec<u16>> {
    let listeners: std::io::Result<Vec<_>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let listeners = listeners.context("cannot open a port")?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn settings(node: usize, listeners: &[u16], controllers: &[u16], data: &Path) -> String {
    let (broker, controller) = (listeners[node], controllers[node]);
    let voters: Vec<String> =
        (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
    format!(
        "{SETTINGS}{CLUSTER_SETTINGS}\
         node.id={}\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
         controller.quorum.voters={}\n\
         log.dirs={}\n",
        node + 1,
        voters.join(","),
        data.join(node.to_string()).display()
    )
}
