//! A real cluster: watches the Deployments `kstreams` and `datagen`, the pods, the autoscaler and its events in one
//! namespace, and changes them when asked.
//!
//! One task, the [`watch`], lists and watches, and gives every change to the pure [`fold`]. When anything fails it
//! begins anew from a fresh list with fresh credentials, and says meanwhile since when the picture is old. Commands go
//! through [`Controls`], on the connection of the watch.

mod connect;
mod controls;
mod error;
mod fold;
mod quantity;
mod switch;
#[cfg(test)]
mod testing;
mod watch;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use model::Millis;
use model::lag::Outage;
use model::snapshot::Cluster;
use model::topics::Topic;
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use connect::{Access, Kubeconfig};
pub use controls::Controls;
pub use error::Error;

/// What is shown of which cluster.
#[derive(Debug, Clone)]
pub struct KubernetesConfig {
    /// How to find it.
    pub access: Access,
    /// Where the Deployments are.
    pub namespace: String,
    /// The topics of the group that the autoscaler may look at.
    pub topics: Vec<Topic>,
    /// What pods want to hear before they crash on demand (`KING_CRASH_TOKEN`); without it they cannot be asked.
    pub crash_token: Option<String>,
    /// The pod that this process runs in, if it does: never killed from here.
    pub own_pod: Option<String>,
    /// Milliseconds since the epoch.
    pub clock: fn() -> Millis,
}

/// What is known of the cluster, new with every change.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The Deployment, its pods and its autoscaler; `None` until they were seen.
    pub cluster: Option<Cluster>,
    /// Why that is old, and since when.
    pub outage: Option<Outage>,
    /// For example `Kubernetes 1.37`; empty until the API server was asked.
    pub label: String,
}

/// A cluster that is being watched.
#[derive(Debug)]
pub struct Kubernetes {
    /// What is known of it.
    pub observation: channel::Receiver<Observation>,
    /// For commands.
    pub controls: Controls,
    /// Ends after a shutdown.
    pub task: JoinHandle<()>,
}

/// Begins to watch. What cannot be had now is tried again until it can.
#[must_use]
pub fn start(config: KubernetesConfig, shutdown: CancellationToken) -> Kubernetes {
    let (observations, observation) = channel::channel(Observation::default());
    let shared = Arc::new(Shared::default());
    let controls = Controls::new(config.clone(), Arc::clone(&shared), observation.clone());
    let (access, namespace, topics, clock) = (config.access, config.namespace, config.topics, config.clock);
    let connect = move |renewal| {
        let access = access.clone();
        async move { access.connect(renewal).await }
    };
    let watch = watch::Watch { connect, namespace, topics, clock, shared, observations };
    let task = tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = watch.run() => {}
        }
    });
    Kubernetes { observation, controls, task }
}

/// Asks the API server who it is, for example `Kubernetes 1.37`.
///
/// # Errors
/// When it cannot be reached, or does not answer.
pub async fn reach(access: &Access) -> Result<String, Error> {
    watch::label(&access.connect(connect::Renewal::WhenDue).await?.client).await
}

/// What the watch and the controls know together.
#[derive(Default)]
struct Shared {
    /// The client that answered last.
    client: Mutex<Option<Client>>,
    /// UIDs of the pods that were deleted from here, until they are gone.
    killed: Mutex<HashSet<String>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("killed", &self.killed).finish_non_exhaustive()
    }
}

/// Locks what no panic leaves half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
