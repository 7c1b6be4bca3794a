//! A Kubernetes cluster, which this server watches.

use std::sync::Arc;

use cluster::kubernetes::{self, KubernetesConfig};
use process::{ConfigError, Shutdown, Unavailable};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use super::Adapters;
use crate::config::Runtime;

/// Says what the cluster calls itself.
///
/// # Errors
/// When it cannot be reached, with the reason; or when there is none.
pub async fn check_cluster(runtime: &Runtime) -> anyhow::Result<()> {
    let Runtime::Kubernetes(cluster) = runtime else {
        return Err(
            ConfigError::new("there is no cluster to check: give --kubeconfig FILES".to_owned()).into()
        );
    };
    let label =
        kubernetes::reach(&cluster.access).await.map_err(|error| Unavailable::new(error.to_string()))?;
    println!("{label}");
    Ok(())
}

impl Adapters {
    /// Begins to watch the cluster, which needs no Kafka. Gives back what it calls itself.
    pub(super) fn watch_kubernetes(
        &self,
        config: KubernetesConfig,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        shutdown: &Shutdown,
    ) -> watch::Receiver<String> {
        info!(namespace = config.namespace, access = ?config.access, "watching a Kubernetes cluster");
        let kubernetes = kubernetes::start(config, shutdown.token());
        self.commander.set_cluster(Arc::new(kubernetes.controls));
        let (labels, label) = watch::channel(String::new());
        let observation = || kubernetes.observation.clone();
        tasks.spawn(forward_new(observation(), self.outlets.cluster.clone(), |observation| {
            observation.cluster
        }));
        tasks.spawn(forward_new(observation(), self.outlets.cluster_outage.clone(), |observation| {
            observation.outage
        }));
        tasks.spawn(forward_new(observation(), labels, |observation| observation.label));
        tasks.spawn(async move { Ok(kubernetes.task.await?) });
        label
    }
}

/// Passes a part of each new value on, where that part is new.
async fn forward_new<T: Clone, U: PartialEq>(
    mut from: watch::Receiver<T>,
    to: watch::Sender<U>,
    part: impl Fn(T) -> U,
) -> anyhow::Result<()> {
    from.mark_changed();
    while from.changed().await.is_ok() {
        let value = part(from.borrow_and_update().clone());
        to.send_if_modified(|known| {
            let is_new = *known != value;
            *known = value;
            is_new
        });
    }
    Ok(())
}
