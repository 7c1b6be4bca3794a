//! Commands to the cluster. An answer means that Kubernetes has taken the command; what comes of it shows in the
//! observation.

mod crash;
mod scale;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{Timestamp, Unit};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Client, ResourceExt};
use model::DEPLOYMENT;
use model::controls::{ClusterControls, Manner, Refusal};
use model::policy::Policy;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;

use super::error::refusal;
use super::fold::{CAPACITY, main_container};
use super::watch::{NAME, PART_OF};
use super::{KubernetesConfig, Observation, Shared, lock};

/// A presenter does not wait longer for the API server.
const PATIENCE: Duration = Duration::from_secs(5);
/// What `kubectl rollout restart` writes into the template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Sends commands to the API server.
#[derive(Debug, Clone)]
pub struct Controls {
    config: KubernetesConfig,
    shared: Arc<Shared>,
    observation: watch::Receiver<Observation>,
    http: reqwest::Client,
}

impl Controls {
    pub(super) fn new(
        config: KubernetesConfig,
        shared: Arc<Shared>,
        observation: watch::Receiver<Observation>,
    ) -> Self {
        Self { config, shared, observation, http: reqwest::Client::new() }
    }

    fn client(&self) -> Result<Client, Refusal> {
        lock(&self.shared.client).clone().ok_or_else(unseen)
    }

    fn pods(&self) -> Result<Api<Pod>, Refusal> {
        Ok(Api::namespaced(self.client()?, &self.config.namespace))
    }

    fn deployments(&self) -> Result<Api<Deployment>, Refusal> {
        Ok(Api::namespaced(self.client()?, &self.config.namespace))
    }

    /// The pod itself, if it may be hurt.
    async fn victim(&self, pods: &Api<Pod>, name: &str) -> Result<Pod, Refusal> {
        let refuse = |why: &str| Err(Refusal::Rejected(format!("{name} {why}.")));
        if self.config.own_pod.as_deref() == Some(name) {
            return refuse("is the pod of this page: it stays");
        }
        let Some(pod) = ask("get pods", pods.get_opt(name)).await? else { return refuse("is gone") };
        if !is_ours(&pod) {
            return refuse("is no pod of the demo (it lacks the labels): it stays");
        }
        Ok(pod)
    }

    async fn delete(&self, pods: &Api<Pod>, pod: &Pod) -> Result<(), Refusal> {
        let name = pod.name_any();
        let uid = pod.uid().unwrap_or_default();
        // Before it is asked for: the watch may tell of it before the answer does.
        lock(&self.shared.killed).insert(uid.clone());
        let preconditions = Some(Preconditions { uid: Some(uid.clone()), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        let deleted = ask("delete pods", pods.delete(&name, &params)).await;
        match &deleted {
            Ok(_) => info!("deleted {name}"),
            Err(_) => drop(lock(&self.shared.killed).remove(&uid)),
        }
        deleted.map(drop)
    }
}

#[async_trait]
impl ClusterControls for Controls {
    async fn kill(&self, name: &str, manner: Manner) -> Result<(), Refusal> {
        let pods = self.pods()?;
        let pod = self.victim(&pods, name).await?;
        match manner {
            Manner::Graceful if pod.metadata.deletion_timestamp.is_some() => {
                Err(Refusal::Rejected(format!("{name} is on its way out already.")))
            }
            Manner::Graceful => self.delete(&pods, &pod).await,
            Manner::Crash => self.crash(&pod).await,
        }
    }

    async fn restart_all(&self) -> Result<(), Refusal> {
        let pods = self.pods()?;
        let labels = format!("{}={},{}={}", PART_OF.0, PART_OF.1, NAME.0, NAME.1);
        let all = ask("list pods", pods.list(&ListParams::default().labels(&labels))).await?;
        let is_own = |pod: &Pod| self.config.own_pod.as_deref() == pod.metadata.name.as_deref();
        let alive = all.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && !is_own(pod));
        join_all(alive.map(|pod| self.delete(&pods, pod))).await.into_iter().collect()
    }

    async fn roll(&self, capacity: Option<u32>) -> Result<(), Refusal> {
        let deployments = self.deployments()?;
        let now = Timestamp::now().round(Unit::Second).unwrap_or_else(|_| Timestamp::now());
        let mut template = json!({ "metadata": { "annotations": { RESTARTED_AT: now.to_string() } } });
        if let Some(capacity) = capacity {
            let deployment = ask("get deployments", deployments.get(DEPLOYMENT)).await?;
            let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
            let container = spec.and_then(main_container).map(|container| container.name.clone());
            let variable = json!({ "name": CAPACITY, "value": capacity.to_string(), "valueFrom": null });
            template["spec"] = json!({ "containers": [{ "name": container, "env": [variable] }] });
        }
        let (params, patch) =
            (PatchParams::default(), Patch::Strategic(json!({ "spec": { "template": template } })));
        let patched = deployments.patch(DEPLOYMENT, &params, &patch);
        ask("patch deployments", patched).await.map(drop)
    }

    async fn scale(&self, replicas: u32) -> Result<(), Refusal> {
        self.set_scale(replicas).await
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), Refusal> {
        self.put_policy(&policy).await
    }
}

/// Both labels: the show's, and the Deployment's.
fn is_ours(pod: &Pod) -> bool {
    [PART_OF, NAME].iter().all(|(key, value)| pod.labels().get(*key).is_some_and(|label| label == value))
}

/// One request, for as long as a presenter waits. `what` completes "may not ...".
async fn ask<T>(what: &str, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Refusal> {
    match timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(|error| refusal(what, &error)),
        Err(_) => Err(Refusal::Unavailable(
            "The API server does not answer in time: look whether it was done, and try again.".to_owned(),
        )),
    }
}

fn unseen() -> Refusal {
    Refusal::Unavailable("The cluster was not reached yet: try again in a moment.".to_owned())
}
