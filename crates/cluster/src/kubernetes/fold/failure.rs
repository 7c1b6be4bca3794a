//! Why the pods that are asked for do not come, as far as Kubernetes says it of the Deployment: a quota, an admission
//! policy, or a rollout that gets nowhere.

use k8s_openapi::api::apps::v1::Deployment;

use super::{Objects, revision};

/// The reason and message of the first condition that tells of it. The newest ReplicaSet says it before the Deployment
/// does.
pub(super) fn of(deployment: &Deployment, objects: &Objects) -> Option<String> {
    let newest = objects.replica_sets.iter().max_by_key(|set| revision(set.as_ref()));
    let of_set = newest.and_then(|set| set.status.as_ref()).and_then(|status| status.conditions.as_ref());
    let of_set = of_set.into_iter().flatten().map(|condition| {
        (&condition.type_, &condition.status, condition.reason.as_deref(), condition.message.as_deref())
    });
    let of_deployment = deployment.status.as_ref().and_then(|status| status.conditions.as_ref());
    let of_deployment = of_deployment.into_iter().flatten().map(|condition| {
        (&condition.type_, &condition.status, condition.reason.as_deref(), condition.message.as_deref())
    });
    let mut told = of_set.chain(of_deployment).filter_map(|(kind, status, reason, message)| {
        let is_trouble =
            matches!((kind.as_str(), status.as_str()), ("ReplicaFailure", "True") | ("Progressing", "False"));
        is_trouble.then(|| format!("{}: {}", reason.unwrap_or(kind), short(message.unwrap_or_default())))
    });
    told.next()
}

/// Without the name of the pod that was not made: `pods "kstreams-7c9d8f6b5-kx7w2" is forbidden: exceeded quota: ...`.
fn short(message: &str) -> &str {
    message
        .strip_prefix("pods \"")
        .and_then(|message| message.split_once("\" is forbidden: "))
        .map_or(message, |(_, reason)| reason)
}
