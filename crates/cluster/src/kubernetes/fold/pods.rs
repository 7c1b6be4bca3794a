//! The pods: where each stands, since when, and why.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStatus, Pod as Object, PodCondition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::ResourceExt;
use model::Millis;
use model::snapshot::{EndReason, Phase, Pod};

use super::{Objects, Seen, ending, main_container, millis, revision};
use crate::slots;

/// The pods that count, by the time they were made. Those that have failed or finished for good are left out: their
/// ReplicaSet has replaced them already.
pub(super) fn fold(objects: &Objects, seen: Seen<'_>, newest: u32) -> Vec<Pod> {
    let known = |name: &str| seen.before?.pods.iter().find(|pod| pod.name == name);
    let counts = |pod: &&Object| !matches!(phase_word(pod), Some("Failed" | "Succeeded"));
    let mut pods: Vec<(Pod, bool)> = objects
        .pods
        .iter()
        .map(AsRef::as_ref)
        .filter(counts)
        .map(|object| {
            let known = known(&object.name_any());
            (pod(object, known, objects, seen, newest), known.is_some())
        })
        .collect();
    pods.sort_by(|(one, _), (other, _)| (one.created_ms, &one.name).cmp(&(other.created_ms, &other.name)));
    give_slots(pods)
}

/// Pods that were there keep their colour; new ones get the lowest that is free, the oldest first.
fn give_slots(pods: Vec<(Pod, bool)>) -> Vec<Pod> {
    let mut with_colour: Vec<Pod> =
        pods.iter().filter(|(_, known)| *known).map(|(pod, _)| pod.clone()).collect();
    pods.into_iter()
        .map(|(mut pod, known)| {
            if !known {
                pod.slot = slots::lowest_free(&with_colour);
                with_colour.push(pod.clone());
            }
            pod
        })
        .collect()
}

fn pod(object: &Object, known: Option<&Pod>, objects: &Objects, seen: Seen<'_>, newest: u32) -> Pod {
    let replica_set = replica_set(object, objects);
    let standing = standing(object);
    let phase = match standing.phase {
        Phase::Terminating { .. } => Phase::Terminating {
            reason: match known.map(|known| known.phase) {
                // What was found out once stays so: the traces of it vanish.
                Some(Phase::Terminating { reason }) if reason != EndReason::Unknown => reason,
                _ => ending::reason(object, replica_set, objects, seen.killed, newest),
            },
        },
        phase => phase,
    };
    let restarts = status(object).map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0));
    let same = known.filter(|known| {
        std::mem::discriminant(&known.phase) == std::mem::discriminant(&phase) && known.restarts == restarts
    });
    let created_ms = object.metadata.creation_timestamp.as_ref().map(millis);
    let since_ms = standing.since_ms.or(created_ms);
    Pod {
        name: object.name_any(),
        slot: known.map_or(0, |known| known.slot),
        phase,
        phase_since_ms: same.map_or_else(|| within_second(since_ms, seen.now_ms), |same| same.phase_since_ms),
        created_ms: known.map_or_else(|| within_second(created_ms, seen.now_ms), |known| known.created_ms),
        restarts,
        revision: replica_set.map_or(0, revision),
        node: object.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        reason: standing.reason,
        message: standing.message,
    }
}

/// Kubernetes cuts its times to whole seconds: what was seen within that second is the better guess at the instant.
fn within_second(stamp_ms: Option<Millis>, now_ms: Millis) -> Millis {
    stamp_ms.map_or(now_ms, |stamp_ms| now_ms.clamp(stamp_ms, stamp_ms + 999))
}

pub(super) fn owner(pod: &Object) -> Option<&OwnerReference> {
    pod.owner_references().iter().find(|owner| owner.controller == Some(true))
}

fn replica_set<'o>(pod: &Object, objects: &'o Objects) -> Option<&'o ReplicaSet> {
    let owner = owner(pod)?;
    let owns = |set: &&std::sync::Arc<ReplicaSet>| set.uid().as_deref() == Some(owner.uid.as_str());
    objects.replica_sets.iter().find(owns).map(AsRef::as_ref)
}

struct Standing {
    phase: Phase,
    since_ms: Option<Millis>,
    reason: Option<String>,
    message: Option<String>,
}

fn standing(pod: &Object) -> Standing {
    let status = status(pod);
    let state = status.and_then(|status| status.state.as_ref());
    let last = status.and_then(|status| status.last_state.as_ref()).and_then(|last| last.terminated.as_ref());
    let last_reason = last.and_then(|last| last.reason.clone());
    let why_last = |ended: &ContainerStateTerminated| why_ended(pod, ended);
    let last_message = last.map(why_last);
    if let Some(deleted) = &pod.metadata.deletion_timestamp {
        let grace_ms = pod.metadata.deletion_grace_period_seconds.unwrap_or(0).unsigned_abs() * 1_000;
        let since_ms = Some(millis(deleted).saturating_sub(grace_ms));
        let phase = Phase::Terminating { reason: EndReason::Unknown };
        return Standing { phase, since_ms, reason: None, message: None };
    }
    match state {
        Some(ContainerState { running: Some(running), .. }) => match condition(pod, "Ready") {
            Some(PodCondition { status, last_transition_time, .. }) if status == "True" => {
                let since_ms = last_transition_time.as_ref().map(millis);
                Standing { phase: Phase::Ready, since_ms, reason: last_reason, message: last_message }
            }
            _ => {
                let since_ms = running.started_at.as_ref().map(millis);
                Standing { phase: Phase::Starting, since_ms, reason: last_reason, message: last_message }
            }
        },
        Some(ContainerState { terminated: Some(ended), .. }) => {
            let since_ms = ended.finished_at.as_ref().map(millis);
            let (reason, message) = (ended.reason.clone(), Some(why_last(ended)));
            Standing { phase: Phase::Crashed { retry_ms: None }, since_ms, reason, message }
        }
        Some(ContainerState { waiting: Some(waiting), .. }) => {
            // While a pod is being made these words say no more than its phase does.
            let is_news =
                |reason: &&String| !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing");
            let reason = waiting.reason.as_ref().filter(is_news).cloned();
            let Some(last) = last else {
                let message = waiting.message.clone().filter(|_| reason.is_some());
                return Standing { phase: Phase::Pending, since_ms: None, reason, message };
            };
            let retry_ms = retry_ms(last.finished_at.as_ref(), waiting.message.as_deref());
            let since_ms = last.finished_at.as_ref().map(millis);
            // `CrashLoopBackOff` says no more than the phase does; why it crashed does.
            let is_back_off = waiting.reason.as_deref() == Some("CrashLoopBackOff");
            let (reason, message) =
                if is_back_off { (last_reason, last_message) } else { (reason, waiting.message.clone()) };
            Standing { phase: Phase::Crashed { retry_ms }, since_ms, reason, message }
        }
        _ => {
            let scheduled = condition(pod, "PodScheduled").filter(|condition| condition.status == "False");
            let reason = scheduled.and_then(|condition| condition.reason.clone());
            let message = scheduled.and_then(|condition| condition.message.clone());
            Standing { phase: Phase::Pending, since_ms: None, reason, message }
        }
    }
}

/// Why a container has ended: for one that took too much memory, how much it may take.
fn why_ended(pod: &Object, ended: &ContainerStateTerminated) -> String {
    let container = pod.spec.as_ref().and_then(main_container);
    let limits = container.and_then(|container| container.resources.as_ref()?.limits.as_ref());
    let memory = limits.and_then(|limits| limits.get("memory")).filter(|_| is_out_of_memory(ended));
    match (memory, &ended.message) {
        (Some(limit), _) => format!("it needed more memory than its limit of {}", limit.0),
        (None, Some(message)) if !message.is_empty() => message.trim().to_owned(),
        (None, _) => format!("it ended with exit code {}", ended.exit_code),
    }
}

fn is_out_of_memory(ended: &ContainerStateTerminated) -> bool {
    ended.reason.as_deref() == Some("OOMKilled")
}

/// When the kubelet starts a crashed container again, where its message tells: `back-off 1m20s restarting failed
/// container=...` counts from the end of the last run.
fn retry_ms(finished: Option<&Time>, message: Option<&str>) -> Option<Millis> {
    let wait = message?.strip_prefix("back-off ")?.split(' ').next()?;
    let mut wait_ms = 0;
    let mut number = 0;
    for character in wait.chars() {
        match (character, character.to_digit(10)) {
            (_, Some(digit)) => number = number * 10 + u64::from(digit),
            ('h', _) => wait_ms += std::mem::take(&mut number) * 3_600_000,
            ('m', _) => wait_ms += std::mem::take(&mut number) * 60_000,
            ('s', _) => wait_ms += std::mem::take(&mut number) * 1_000,
            _ => return None,
        }
    }
    Some(millis(finished?) + wait_ms)
}

fn phase_word(pod: &Object) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn status(pod: &Object) -> Option<&ContainerStatus> {
    let name = &main_container(pod.spec.as_ref()?)?.name;
    pod.status.as_ref()?.container_statuses.as_ref()?.iter().find(|status| status.name == *name)
}

fn condition<'p>(pod: &'p Object, kind: &str) -> Option<&'p PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}
