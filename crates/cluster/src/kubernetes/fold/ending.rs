//! Why a pod was told to stop. Kubernetes does not say it; what its ReplicaSet does next does.

use std::collections::HashSet;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use model::Millis;
use model::snapshot::EndReason;

use super::pods::owner;
use super::{Objects, count, millis, revision};

/// The reason, as far as it shows yet.
///
/// A ReplicaSet that has as many pods as it wants without this one ended it itself: to shrink, or to make room for a
/// newer revision. One that makes another pod in its place did not.
pub(super) fn reason(
    pod: &Pod,
    replica_set: Option<&ReplicaSet>,
    objects: &Objects,
    killed: &HashSet<String>,
    newest: u32,
) -> EndReason {
    if pod.uid().is_some_and(|uid| killed.contains(&uid)) {
        return EndReason::Killed;
    }
    let Some(set) = replica_set else { return EndReason::Unknown };
    let wanted = count(set.spec.as_ref().and_then(|spec| spec.replicas));
    let ended_ms = ended_ms(pod);
    let (mut alive, mut is_replaced) = (0, false);
    for other in objects.pods.iter().filter(|other| is_alive_in(other, set)) {
        alive += 1;
        is_replaced |= other.metadata.creation_timestamp.as_ref().map(millis) >= ended_ms;
    }
    match alive.cmp(&wanted) {
        _ if is_replaced => EndReason::Killed,
        std::cmp::Ordering::Less => EndReason::Unknown,
        _ if revision(set) < newest => EndReason::Upgraded,
        _ => EndReason::ScaledIn,
    }
}

/// When it was told to stop, in whole seconds; `Some`, since only pods that were told are asked about.
fn ended_ms(pod: &Pod) -> Option<Millis> {
    let grace_ms = pod.metadata.deletion_grace_period_seconds.unwrap_or(0).unsigned_abs() * 1_000;
    pod.metadata.deletion_timestamp.as_ref().map(|deleted| millis(deleted).saturating_sub(grace_ms))
}

fn is_alive_in(pod: &Pod, set: &ReplicaSet) -> bool {
    let is_its = owner(pod).is_some_and(|owner| Some(&owner.uid) == set.metadata.uid.as_ref());
    is_its && pod.metadata.deletion_timestamp.is_none()
}
