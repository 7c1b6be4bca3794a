//! What Kubernetes itself says, watched by the shortest way: the measure for what the page shows.

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use model::DEPLOYMENT;
use model::snapshot::{Cluster, Phase};

use crate::demo::NAMESPACE;

/// The Deployment `kstreams`, its pods and its autoscaler.
#[derive(Clone)]
pub struct Truth {
    pods: Store<Pod>,
    deployments: Store<Deployment>,
    autoscalers: Store<HorizontalPodAutoscaler>,
}

impl Truth {
    /// Watches from now on; knows everything when this returns.
    ///
    /// # Panics
    /// When a watch ends.
    pub async fn watch(client: &Client) -> Self {
        let pods = "app.kubernetes.io/part-of=king-of-scaling,app.kubernetes.io/name=kstreams";
        let truth = Self {
            pods: store(client, watcher::Config::default().labels(pods)),
            deployments: store(client, watcher::Config::default()),
            autoscalers: store(client, watcher::Config::default()),
        };
        truth.pods.wait_until_ready().await.expect("pods are watched");
        truth.deployments.wait_until_ready().await.expect("Deployments are watched");
        truth.autoscalers.wait_until_ready().await.expect("autoscalers are watched");
        truth
    }

    /// The pods, in no order.
    #[must_use]
    pub fn pods(&self) -> Vec<std::sync::Arc<Pod>> {
        self.pods.state()
    }

    /// Names of the pods that are there to stay.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let pods = self.pods();
        let alive = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let mut names: Vec<String> = alive.map(|pod| pod.name_any()).collect();
        names.sort();
        names
    }

    /// Names of the pods that are ready and not on their way out.
    #[must_use]
    pub fn ready(&self) -> Vec<String> {
        let pods = self.pods();
        let mut names: Vec<String> =
            pods.iter().filter(|pod| is_ready(pod)).map(|pod| pod.name_any()).collect();
        names.sort();
        names
    }

    /// How often the process of a pod was started again.
    #[must_use]
    pub fn restarts(&self, name: &str) -> Option<i32> {
        let pods = self.pods();
        let pod = pods.iter().find(|pod| pod.name_any() == name)?;
        Some(pod.status.as_ref()?.container_statuses.as_ref()?.first()?.restart_count)
    }

    /// `spec.replicas` of the Deployment.
    #[must_use]
    pub fn replicas(&self) -> Option<u32> {
        let deployments = self.deployments.state();
        let kstreams = deployments.iter().find(|deployment| deployment.name_any() == DEPLOYMENT)?;
        u32::try_from(kstreams.spec.as_ref()?.replicas?).ok()
    }

    /// The autoscaler, if there is one.
    #[must_use]
    pub fn autoscaler(&self) -> Option<std::sync::Arc<HorizontalPodAutoscaler>> {
        self.autoscalers.state().into_iter().find(|hpa| hpa.name_any() == DEPLOYMENT)
    }

    /// The status and the reason of one of the autoscaler's conditions.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<(String, String)> {
        let hpa = self.autoscaler()?;
        let conditions = hpa.status.as_ref()?.conditions.as_ref()?;
        let condition = conditions.iter().find(|condition| condition.type_ == kind)?;
        Some((condition.status.clone(), condition.reason.clone().unwrap_or_default()))
    }

    /// In what the page differs from this, if it does: pods, their state, restarts and nodes, replicas, the autoscaler.
    #[must_use]
    pub fn differs_from(&self, page: &Cluster) -> Option<String> {
        let mut here: Vec<_> = self.pods().iter().map(|pod| describe(pod)).collect();
        let mut there: Vec<_> = page
            .pods
            .iter()
            .map(|pod| {
                let phase = match pod.phase {
                    Phase::Ready => "ready",
                    Phase::Terminating { .. } => "terminating",
                    _ => "not ready",
                };
                (pod.name.clone(), phase, i64::from(pod.restarts), pod.node.clone())
            })
            .collect();
        here.sort();
        there.sort();
        if here != there {
            return Some(format!("pods: {here:?} in the cluster, {there:?} on the page"));
        }
        if self.replicas() != Some(page.desired) {
            return Some(format!(
                "replicas: {:?} in the cluster, {} on the page",
                self.replicas(),
                page.desired
            ));
        }
        let exists = self.autoscaler().is_some();
        let shown = page.hpa.as_ref().is_some_and(|hpa| hpa.exists);
        (exists != shown).then(|| format!("autoscaler: {exists} in the cluster, {shown} on the page"))
    }
}

fn describe(pod: &Pod) -> (String, &'static str, i64, Option<String>) {
    let phase = match pod.metadata.deletion_timestamp {
        Some(_) => "terminating",
        None if is_ready(pod) => "ready",
        None => "not ready",
    };
    let status = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let restarts =
        status.and_then(|all| all.first()).map_or(0, |container| i64::from(container.restart_count));
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    (pod.name_any(), phase, restarts, node)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

fn store<K>(client: &Client, config: watcher::Config) -> Store<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    let (store, writer) = reflector::store();
    let events = watcher(api, config).default_backoff().reflect(writer);
    tokio::spawn(async move {
        let mut events = std::pin::pin!(events);
        // A failure is tried again by the backoff; what is old meanwhile fails the test that needs it.
        while events.next().await.is_some() {}
    });
    store
}
