//! The pods: local ones, which this server runs, or those of a Kubernetes cluster, which it watches.

use std::sync::Arc;
use std::time::Duration;

use cluster::LagView;
use cluster::kubernetes::{self, KubernetesConfig};
use cluster::local::{self, LocalConfig};
use kafka::control::Control;
use model::lag::Sampled;
use process::Shutdown;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{Adapters, forward};

/// Local pods wait so long for the policy that was in force.
const CONTROL_WITHIN: Duration = Duration::from_secs(3);
/// What the chip says of local pods.
const LOCAL_PODS: &str = "local pods";

/// Who runs the pods, and how.
#[derive(Debug, Clone)]
pub enum Pods {
    /// This server does; the policy is replaced by the one that was kept.
    Local(LocalConfig),
    /// A cluster does.
    Kubernetes(KubernetesConfig),
}

impl Adapters {
    /// Begins to watch the cluster, if it is one: that needs no Kafka. Gives back what it calls itself.
    pub(super) fn watch_cluster(
        &self,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        shutdown: &Shutdown,
    ) -> watch::Receiver<String> {
        let config = match &self.pods {
            Pods::Local(_) => return watch::channel(LOCAL_PODS.to_owned()).1,
            Pods::Kubernetes(config) => config.clone(),
        };
        info!(namespace = config.namespace, access = ?config.access, "watching a Kubernetes cluster");
        let kubernetes = kubernetes::start(config, shutdown.token());
        self.commander.set_cluster(Arc::new(kubernetes.controls));
        let (labels, label) = watch::channel(String::new());
        let sight = || kubernetes.sight.clone();
        tasks.spawn(forward_new(sight(), self.outlets.cluster.clone(), |sight| sight.cluster));
        tasks.spawn(forward_new(sight(), self.outlets.cluster_outage.clone(), |sight| sight.outage));
        tasks.spawn(forward_new(sight(), labels, |sight| sight.label));
        tasks.spawn(async move { Ok(kubernetes.task.await?) });
        label
    }

    /// Starts local pods under the policy that was in force when the last server ended.
    pub(super) async fn start_local_pods(
        &self,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        sampled: watch::Receiver<Sampled>,
        mut control: watch::Receiver<Control>,
        shutdown: &Shutdown,
    ) {
        let Pods::Local(config) = &self.pods else { return };
        let mut config = config.clone();
        let kept = match timeout(CONTROL_WITHIN, control.wait_for(|control| control.caught_up)).await {
            Ok(Ok(control)) => control.policy.clone(),
            Ok(Err(_)) => None,
            Err(_) => {
                warn!("the kept policy was not read in time: beginning with the default one");
                None
            }
        };
        if let Some(kept) = kept {
            if kept.max <= config.max_pods {
                config.policy = kept;
            } else {
                let (max, most) = (kept.max, config.max_pods);
                warn!(
                    max,
                    most,
                    "the kept policy asks for more pods than are allowed: beginning with the default one"
                );
            }
        }
        let (views, view) = watch::channel(None);
        tasks.spawn(forward(sampled, views, |sampled| sampled.sample.as_ref().map(LagView::of)));
        let local = local::start(config, StdRng::from_rng(&mut rand::rng()), view, shutdown.token());
        self.commander.set_cluster(Arc::new(local.controls));
        tasks.spawn(forward(local.cluster, self.outlets.cluster.clone(), Some));
        tasks.spawn(async move { Ok(local.task.await?) });
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
