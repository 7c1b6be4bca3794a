//! Who works on which pair of partitions, and for how long nobody did.
//!
//! The owner is the coordinator's word. Whether the owner still lives is the cluster's: between a pod's death and the
//! coordinator's notice a partition has an owner and yet nobody works on it. That hole begins when the pod died and
//! ends when the coordinator names a pod that lives.

use crate::Millis;
use crate::history::Life;
use crate::lag::{Member, Sample};
use crate::snapshot::{Handover, Lag, OtherMember, Owner, Ownership, Phase, Pod};

/// The state of a group whose coordinator does not answer, in Kafka's own word.
const UNKNOWN: &str = "Unknown";
/// What a dead process had committed is seen within this time: two samples.
const LAST_COMMIT_MS: Millis = 500;
/// A member that no pod is known for is told after this time: the cluster may be slower than the coordinator.
const OTHER_MS: Millis = 2_000;

/// The pods that are known: those of now, and those of the last minutes, whom the coordinator may still count.
pub(super) struct Pods<'a> {
    /// `None` until the cluster was seen.
    pub(super) now: Option<&'a [Pod]>,
    pub(super) lives: &'a [Life],
}

/// What must be remembered from observation to observation.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// The last pod that owned each pair, also while nobody does.
    last: Vec<Option<String>>,
    /// How far the group has come in each pair, and when that last rose.
    progress: Vec<Progress>,
    /// Members that are no pods, and when each was first seen.
    others: Vec<(OtherMember, Millis)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    position: Option<i64>,
    risen_ms: Option<Millis>,
}

impl Owners {
    /// The next state of all pairs. `sample` is `None` when only the cluster changed.
    pub(super) fn next(
        &mut self,
        before: Option<&Ownership>,
        sample: Option<&Sample>,
        lag: Option<&Lag>,
        pods: &Pods<'_>,
        now_ms: Millis,
    ) -> Option<Ownership> {
        sample.into_iter().for_each(|sample| self.progressed(sample));
        let group = sample.and_then(|sample| sample.group.as_ref());
        if let Some(group) = group {
            self.others(&group.members, pods, now_ms);
        }
        let (state, mut owners) = match (group, before) {
            (Some(group), _) => (group.state.clone(), group.owners.clone()),
            (None, Some(before)) => {
                // The last owners are shown on, and it is said that they are not known to be the owners any more.
                let state = if sample.is_some() { UNKNOWN } else { &before.state };
                (state.to_owned(), before.partitions.iter().map(|owner| owner.pod.clone()).collect())
            }
            (None, None) => return None,
        };
        // A partition that was added is nobody's until the group has shared it out.
        owners.resize(owners.len().max(lag.map_or(0, Lag::count)), None);
        let partitions = (0..).zip(&owners).map(|(partition, pod)| {
            let known = before.and_then(|before| before.partitions.get(partition));
            let works = self.works(partition, &owners, lag, pods.now);
            owner(known, pod.clone(), works, now_ms)
        });
        let partitions = partitions.collect();
        let others = self.others.iter().filter(|(_, since_ms)| since_ms + OTHER_MS <= now_ms);
        Some(Ownership { state, partitions, others: others.map(|(other, _)| other.clone()).collect() })
    }

    /// How many pairs have another owner than the last one they had.
    pub(super) fn moved(&mut self, after: &Ownership) -> u32 {
        self.last.resize(after.partitions.len(), None);
        let mut moved = 0;
        for (last, owner) in self.last.iter_mut().zip(&after.partitions) {
            if owner.pod.is_some() && owner.pod != *last {
                moved += u32::from(last.is_some());
                last.clone_from(&owner.pod);
            }
        }
        moved
    }

    fn progressed(&mut self, sample: &Sample) {
        let count = sample.requests.len().max(sample.responses.len());
        self.progress.resize(count.max(self.progress.len()), Progress::default());
        for (partition, progress) in self.progress.iter_mut().enumerate() {
            let halves = [&sample.requests, &sample.responses].map(|half| half.get(partition));
            let positions = halves
                .into_iter()
                .flatten()
                .map(|offsets| Some(offsets.as_ref()?.committed_offset.unwrap_or(0)));
            let Some(position) = positions.sum::<Option<i64>>() else { continue };
            if progress.position.is_some_and(|before| before < position) {
                progress.risen_ms = Some(sample.sampled_ms);
            }
            progress.position = Some(position);
        }
    }

    /// Notes which members are no pods. A member that owns nothing takes nothing from the pods.
    fn others(&mut self, members: &[Member], pods: &Pods<'_>, now_ms: Millis) {
        let Some(now) = pods.now else { return };
        let is_pod = |name: &str| {
            now.iter().any(|pod| pod.name == name) || pods.lives.iter().any(|life| life.pod == name)
        };
        let before = std::mem::take(&mut self.others);
        for Member { client_id, host, requests, responses } in members {
            let partitions = requests + responses;
            if partitions == 0 || is_pod(client_id) {
                continue;
            }
            let known = before.iter().find(|(other, _)| other.name == *client_id && other.host == *host);
            let since_ms = known.map_or(now_ms, |(_, since_ms)| *since_ms);
            let other = OtherMember { name: client_id.clone(), host: host.clone(), partitions };
            self.others.push((other, since_ms));
        }
    }

    /// Since when nobody works for the owner of a pair; `Ok` when somebody does.
    fn works(
        &self,
        partition: usize,
        owners: &[Option<String>],
        lag: Option<&Lag>,
        pods: Option<&[Pod]>,
    ) -> Result<(), Option<Millis>> {
        let Some(name) = owners.get(partition).and_then(Option::as_ref) else { return Err(None) };
        let Some(pods) = pods else { return Ok(()) };
        let Some(pod) = pods.iter().find(|pod| pod.name == *name) else { return Err(None) };
        match pod.phase {
            Phase::Crashed { .. } | Phase::Pending => Err(Some(pod.phase_since_ms)),
            // A pod that starts again has the name of the dead member that the coordinator still counts: it is at work
            // where commits rise. One that is not ready may wait for a single partition, and work on all the others.
            Phase::Starting if !self.is_at_work(partition, pod, owners, lag) => Err(Some(pod.phase_since_ms)),
            Phase::Starting | Phase::Ready | Phase::Terminating { .. } => Ok(()),
        }
    }

    /// Whether the group has come further in this pair since its pod is starting; or, where there is nothing to read,
    /// in another pair of the same pod.
    fn is_at_work(&self, partition: usize, pod: &Pod, owners: &[Option<String>], lag: Option<&Lag>) -> bool {
        let has_risen = |partition: usize| {
            let risen_ms = self.progress.get(partition).and_then(|progress| progress.risen_ms);
            risen_ms.is_some_and(|risen_ms| risen_ms > pod.phase_since_ms + LAST_COMMIT_MS)
        };
        let is_done = || lag.and_then(|lag| lag.pair(partition)) == Some(0);
        let others =
            || (0..owners.len()).any(|other| owners[other].as_deref() == Some(&pod.name) && has_risen(other));
        has_risen(partition) || (is_done() && others())
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
