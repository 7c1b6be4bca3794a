//! The number of replicas, by hand and by policy.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::DynamicObject;
use model::DEPLOYMENT;
use model::controls::Refusal;
use model::policy::Policy;
use serde_json::{Value, json};
use std::sync::Arc;
use tracing::info;

use super::{Controls, ask, unseen};
use crate::kubernetes::fold::{Objects, policy};
use crate::kubernetes::switch;
use crate::kubernetes::watch::scaled_object;

/// The controller writes its status all the time: a patch that comes too late is made anew so often.
const ATTEMPTS: usize = 4;

impl Controls {
    /// Sets the replicas through the scale subresource.
    pub(super) async fn set_scale(&self, replicas: u32) -> Result<(), Refusal> {
        let deployments = self.deployments()?;
        let (policy, now) = {
            let observation = self.observation.borrow();
            let cluster = observation.cluster.as_ref().ok_or_else(unseen)?;
            (cluster.policy.clone(), cluster.desired)
        };
        Refusal::unless_none(policy.scale_problem(replicas, now))?;
        info!("scaling by hand from {now} to {replicas} replicas");
        let (params, patch) =
            (PatchParams::default(), Patch::Merge(json!({ "spec": { "replicas": replicas } })));
        let scaled = deployments.patch_scale(DEPLOYMENT, &params, &patch);
        ask("patch deployments/scale", scaled).await.map(drop)
    }

    /// Puts a policy in force, in the ScaledObject where KEDA owns the autoscaler, else in the autoscaler.
    pub(super) async fn put_policy(&self, wanted: &Policy) -> Result<(), Refusal> {
        if wanted.min > wanted.max {
            return Err(Refusal::Rejected("The minimum is above the maximum.".to_owned()));
        }
        for _ in 0..ATTEMPTS {
            let objects = self.scalers().await?;
            let patched = match (objects.scaled_object(), objects.autoscaler()) {
                (Some(object), _) => {
                    keda_can(&policy(&objects), wanted)?;
                    let api: Api<DynamicObject> =
                        Api::namespaced_with(self.client()?, &self.config.namespace, &scaled_object());
                    self.send(&api, &object.name_any(), switch::of_scaled_object(object, wanted)).await
                }
                (None, Some(hpa)) => {
                    let api: Api<HorizontalPodAutoscaler> =
                        Api::namespaced(self.client()?, &self.config.namespace);
                    self.send(&api, &hpa.name_any(), switch::of_autoscaler(hpa, wanted)).await
                }
                // Nothing is as much as off.
                (None, None) if !wanted.enabled => return Ok(()),
                (None, None) => {
                    return Err(Refusal::Rejected(format!(
                        "There is no HorizontalPodAutoscaler for {DEPLOYMENT} in {}: apply deploy/ again.",
                        self.config.namespace
                    )));
                }
            };
            match patched {
                Err(Sent::Conflict) => {}
                Err(Sent::Refused(refusal)) => return Err(refusal),
                Ok(()) => return Ok(()),
            }
        }
        Err(Refusal::Unavailable("The autoscaler changes too often just now: try again.".to_owned()))
    }

    /// What scales, as it is now: a patch made for an older version would be refused.
    async fn scalers(&self) -> Result<Objects, Refusal> {
        let (client, namespace) = (self.client()?, &self.config.namespace);
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
        let all = ListParams::default();
        let autoscalers = ask("list horizontalpodautoscalers", api.list(&all)).await?;
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &scaled_object());
        let scaled_objects = ask("list scaledobjects", async {
            match api.list(&all).await {
                Ok(list) => Ok(list.items),
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        });
        Ok(Objects {
            autoscalers: autoscalers.items.into_iter().map(Arc::new).collect(),
            scaled_objects: scaled_objects.await?.into_iter().map(Arc::new).collect(),
            ..Objects::default()
        })
    }

    async fn send<K>(&self, api: &Api<K>, name: &str, patch: Value) -> Result<(), Sent>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let conflicting = async {
            match api.patch(name, &params, &patch).await {
                Ok(_) => Ok(false),
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(true),
                Err(error) => Err(error),
            }
        };
        match ask("patch the autoscaler", conflicting).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Sent::Conflict),
            Err(refusal) => Err(Sent::Refused(refusal)),
        }
    }
}

/// Why a patch is not in force.
enum Sent {
    /// The object has changed since it was read.
    Conflict,
    Refused(Refusal),
}

/// Of KEDA's objects only the switch and the limits are ours.
fn keda_can(now: &Policy, wanted: &Policy) -> Result<(), Refusal> {
    if wanted.metrics == now.metrics || now.metrics.is_empty() {
        return Ok(());
    }
    Err(Refusal::Rejected("KEDA sets the targets: edit the triggers of the ScaledObject instead.".to_owned()))
}
