//! Who works on which pair of partitions, and for how long nobody did.
//!
//! The owner is the coordinator's word. Whether the owner still lives is the cluster's: between a pod's death and the
//! coordinator's notice a partition has an owner and yet nobody works on it. That hole begins when the pod died and ends
//! when the coordinator names a pod that lives.

use crate::Millis;
use crate::lag::Sample;
use crate::snapshot::{Handover, Owner, Ownership, Phase, Pod};

/// The next state of all pairs. `sample` is `None` when only the cluster changed; `pods` while that is unknown.
pub(super) fn next(
    before: Option<&Ownership>,
    sample: Option<&Sample>,
    pods: Option<&[Pod]>,
    now_ms: Millis,
) -> Option<Ownership> {
    let group = sample.and_then(|sample| sample.group.as_ref());
    let (state, owners) = match (group, before) {
        (Some(group), _) => (group.state.clone(), group.owners.clone()),
        (None, Some(before)) => {
            (before.state.clone(), before.partitions.iter().map(|owner| owner.pod.clone()).collect())
        }
        (None, None) => return None,
    };
    let partitions = owners
        .into_iter()
        .enumerate()
        .map(|(partition, pod)| {
            let known = before.and_then(|before| before.partitions.get(partition));
            let works = works(pod.as_deref(), pods);
            owner(known, pod, works, now_ms)
        })
        .collect();
    Some(Ownership { state, partitions })
}

/// How many pairs have another owner than the last one they had; `last` is brought up to date.
pub(super) fn moved(last: &mut Vec<Option<String>>, after: &Ownership) -> u32 {
    last.resize(after.partitions.len(), None);
    let mut moved = 0;
    for (last, owner) in last.iter_mut().zip(&after.partitions) {
        if owner.pod.is_some() && owner.pod != *last {
            moved += u32::from(last.is_some());
            last.clone_from(&owner.pod);
        }
    }
    moved
}

/// Since when nobody works for this owner; `Ok` when somebody does.
fn works(pod: Option<&str>, pods: Option<&[Pod]>) -> Result<(), Option<Millis>> {
    let Some(name) = pod else { return Err(None) };
    let Some(pods) = pods else { return Ok(()) };
    match pods.iter().find(|pod| pod.name == name) {
        // A pod that starts again has the name of the dead member that the coordinator still counts.
        Some(pod) if matches!(pod.phase, Phase::Crashed { .. } | Phase::Pending | Phase::Starting) => {
            Err(Some(pod.phase_since_ms))
        }
        Some(_) => Ok(()),
        None => Err(None),
    }
}

fn owner(
    known: Option<&Owner>,
    pod: Option<String>,
    works: Result<(), Option<Millis>>,
    now_ms: Millis,
) -> Owner {
    let idle_since_ms = known.and_then(|known| known.idle_since_ms);
    let handover = known.and_then(|known| known.handover);
    match works {
        Err(since_ms) => Owner { pod, idle_since_ms: idle_since_ms.or(since_ms).or(Some(now_ms)), handover },
        Ok(()) => {
            let ended = idle_since_ms
                .map(|since_ms| Handover { at_ms: now_ms, took_ms: now_ms.saturating_sub(since_ms) });
            Owner { pod, idle_since_ms: None, handover: ended.or(handover) }
        }
    }
}
