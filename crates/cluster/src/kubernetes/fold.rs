//! From Kubernetes' objects to what the page shows. Pure: the time comes in, and what cannot be read off the objects (a
//! pod's colour, the instant within a second, why a pod was ended) is taken from the observation before.

mod autoscaler;
mod decision;
mod ending;
mod failure;
mod pods;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Container, Event, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::core::DynamicObject;
use model::snapshot::{Cluster, Replicas};
use model::topics::Topic;
use model::{DEPLOYMENT, Millis};

pub(super) use autoscaler::{is_disabled, is_lag_of, limits, policy, rules};

/// The Deployment of the generator.
const GENERATOR: &str = "datagen";
/// Where Kubernetes writes the revision of a Deployment and of its ReplicaSets.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// The variable that limits a pod's records per second.
pub(super) const CAPACITY: &str = "CAPACITY";

/// The objects of one namespace that the page is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    /// The topics of the group, whose lag metrics may be.
    pub(super) topics: Vec<Topic>,
    pub(super) deployments: Vec<Arc<Deployment>>,
    pub(super) replica_sets: Vec<Arc<ReplicaSet>>,
    pub(super) pods: Vec<Arc<Pod>>,
    pub(super) autoscalers: Vec<Arc<HorizontalPodAutoscaler>>,
    pub(super) events: Vec<Arc<Event>>,
    /// KEDA's; empty where KEDA is not installed.
    pub(super) scaled_objects: Vec<Arc<DynamicObject>>,
    /// The kinds of which we may see none.
    pub(super) hidden_kinds: Vec<String>,
}

/// What a fold needs besides the objects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The observation before.
    pub(super) before: Option<&'a Cluster>,
    /// UIDs of the pods that were deleted from here.
    pub(super) killed: &'a HashSet<String>,
    /// The time.
    pub(super) now_ms: Millis,
}

/// What the objects mean; `None` while there is no Deployment `kstreams`.
pub(super) fn fold(objects: &Objects, seen: Seen<'_>) -> Option<Cluster> {
    let deployment = objects.deployment(DEPLOYMENT)?;
    let revision = revision(deployment);
    let policy = autoscaler::policy(objects);
    let decision = objects.autoscaler().and_then(|hpa| decision::of(hpa, objects, &policy));
    Some(Cluster {
        pods: pods::fold(objects, seen, revision),
        desired: desired(deployment),
        revision,
        capacity: capacity(deployment),
        decision,
        policy,
        hpa: Some(autoscaler::told(objects)),
        generator: objects.deployment(GENERATOR).map(|generator| Replicas {
            desired: desired(generator),
            ready: count(generator.status.as_ref().and_then(|status| status.ready_replicas)),
        }),
        replica_failure: failure::of(deployment, objects),
        hidden_kinds: objects.hidden_kinds.clone(),
    })
}

impl Objects {
    fn deployment(&self, name: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.name_any() == name).map(AsRef::as_ref)
    }

    /// The autoscaler of the Deployment, whatever its own name is.
    pub(super) fn autoscaler(&self) -> Option<&HorizontalPodAutoscaler> {
        self.all_autoscalers().into_iter().next()
    }

    /// All that want to scale the Deployment: the one that has its name, then by age. Kubernetes lists them in no
    /// order.
    fn all_autoscalers(&self) -> Vec<&HorizontalPodAutoscaler> {
        let targets = |hpa: &&Arc<HorizontalPodAutoscaler>| {
            let target = hpa.spec.as_ref().map(|spec| &spec.scale_target_ref);
            target.is_some_and(|target| target.kind == "Deployment" && target.name == DEPLOYMENT)
        };
        in_order(self.autoscalers.iter().filter(targets))
    }

    /// Their names, if there are several.
    fn rivals(&self) -> Vec<String> {
        let all = self.all_autoscalers();
        if all.len() < 2 { Vec::new() } else { all.into_iter().map(ResourceExt::name_any).collect() }
    }

    /// KEDA's ScaledObject of the Deployment.
    pub(super) fn scaled_object(&self) -> Option<&DynamicObject> {
        let targets = |object: &&Arc<DynamicObject>| {
            let target = &object.data["spec"]["scaleTargetRef"];
            target["name"] == DEPLOYMENT && target["kind"].as_str().is_none_or(|kind| kind == "Deployment")
        };
        in_order(self.scaled_objects.iter().filter(targets)).into_iter().next()
    }
}

/// The one that is called as the Deployment first, then the oldest.
fn in_order<'o, K: ResourceExt + 'o>(objects: impl Iterator<Item = &'o Arc<K>>) -> Vec<&'o K> {
    let mut all: Vec<&K> = objects.map(AsRef::as_ref).collect();
    all.sort_by_cached_key(|object| {
        let name = object.name_any();
        (name != DEPLOYMENT, object.meta().creation_timestamp.as_ref().map(millis), name)
    });
    all
}

/// The container that does the work, where sidecars stand beside it.
pub(super) fn main_container(pod: &PodSpec) -> Option<&Container> {
    let ours = |container: &&Container| container.name == DEPLOYMENT || container.name == "streams";
    pod.containers.iter().find(ours).or_else(|| pod.containers.first())
}

/// Replicas asked for: Kubernetes' default is 1.
fn desired(deployment: &Deployment) -> u32 {
    count(deployment.spec.as_ref().and_then(|spec| spec.replicas).or(Some(1)))
}

/// What the template says in plain text; a value from elsewhere is not followed.
fn capacity(deployment: &Deployment) -> u32 {
    let template = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let variables = template.and_then(main_container).and_then(|container| container.env.as_ref());
    let capacity = variables.into_iter().flatten().find(|variable| variable.name == CAPACITY);
    capacity.and_then(|variable| variable.value.as_ref()?.parse().ok()).unwrap_or(0)
}

fn revision(object: &impl ResourceExt) -> u32 {
    object.annotations().get(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

fn count(replicas: Option<i32>) -> u32 {
    replicas.and_then(|replicas| u32::try_from(replicas).ok()).unwrap_or(0)
}

fn millis(time: &Time) -> Millis {
    Millis::try_from(time.0.as_millisecond()).unwrap_or(0)
}
