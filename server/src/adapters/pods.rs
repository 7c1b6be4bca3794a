//! The pods: local ones, which this server runs, or those of a Kubernetes cluster, which it watches.

use std::sync::Arc;
use std::time::Duration;

use cluster::LagView;
use cluster::local::{self, LocalConfig};
use kafka::control::Control;
use model::lag::Sampled;
use process::Shutdown;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use super::{Adapters, forward};

/// Local pods wait so long for the policy that was in force.
const CONTROL_WITHIN: Duration = Duration::from_secs(3);
/// What the chip says of local pods.
pub(super) const LOCAL_PODS: &str = "local pods";

/// Who runs the pods, and how.
#[derive(Debug, Clone)]
pub enum Pods {
    /// This server does; the policy is replaced by the one that was kept.
    Local(LocalConfig),
    /// A cluster does.
    #[cfg(feature = "kubernetes")]
    Kubernetes(cluster::kubernetes::KubernetesConfig),
}

impl Adapters {
    /// Starts local pods under the policy that was in force when the last server ended.
    pub(super) async fn start_local_pods(
        &self,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        sampled: watch::Receiver<Sampled>,
        mut control: watch::Receiver<Control>,
        shutdown: &Shutdown,
    ) {
        let mut config = match &self.pods {
            Pods::Local(config) => config.clone(),
            #[cfg(feature = "kubernetes")]
            Pods::Kubernetes(_) => return,
        };
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
