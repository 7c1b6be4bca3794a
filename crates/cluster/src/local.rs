//! Pods as child processes, with the manners of Kubernetes: a Deployment's replicas and rolling upgrades, a kubelet's
//! probes and restarts, and an autoscaler.
//!
//! One task, the [`actor`], owns all of it; a task a process (see [`process`]) reports to it. Everybody else sees the
//! state in a watch channel and sends commands through [`Controls`]. Pods hold the other end of a pipe: when this
//! process dies, however it dies, they see their stdin end and stop.

mod actor;
mod backoff;
mod controls;
mod kubelet;
mod log;
mod names;
mod plan;
mod probe;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use model::Millis;
use model::policy::Policy;
use model::snapshot::Cluster;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::LagView;

pub use controls::Controls;

/// How the pods are run.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// The program of a pod. It gets `--pod`, `--capacity`, `--admin-address` and `--exit-with-parent`.
    pub streams: PathBuf,
    /// What every pod gets besides.
    pub args: Vec<String>,
    /// Records per second that a pod of the first revision may process; 0: no limit.
    pub capacity: u32,
    /// The policy that is in force at the start. Its minimum is the first number of replicas.
    pub policy: Policy,
    /// The most that a policy may ask for.
    pub max_pods: u32,
    /// How often the autoscaler looks.
    pub sync: Duration,
    /// How long a pod may take to stop (`terminationGracePeriodSeconds`).
    pub grace: Duration,
    /// Where each pod's log goes, in a file of its own; without it, to stderr with the pod's name before each line.
    pub log_dir: Option<PathBuf>,
    /// Milliseconds since the epoch.
    pub clock: fn() -> Millis,
}

/// A running local cluster.
#[derive(Debug)]
pub struct Local {
    /// The state, new with every change.
    pub cluster: watch::Receiver<Cluster>,
    /// For commands.
    pub controls: Controls,
    /// Ends when all pods have ended, after a shutdown.
    pub task: JoinHandle<()>,
}

/// Starts the cluster and its first pods. On `shutdown` all pods are told to stop, and are killed 1.5 s later.
///
/// `rng` makes the names; `lag` is what the autoscaler reads.
#[must_use]
pub fn start(
    config: LocalConfig,
    rng: StdRng,
    lag: watch::Receiver<Option<LagView>>,
    shutdown: CancellationToken,
) -> Local {
    let (controls, commands) = mpsc::channel(16);
    let (actor, cluster) = actor::Actor::new(config, rng, lag);
    let task = tokio::spawn(actor.run(commands, shutdown));
    Local { cluster, controls: Controls::new(controls), task }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
