//! Who works on which task, and for how long nobody did.
//!
//! The owner is the coordinator's word. Whether the owner still lives is the cluster's: between a pod's death and the
//! coordinator's notice a partition has an owner and yet nobody works on it. That hole begins when the pod died and
//! ends when the coordinator names a pod that lives.

use crate::Millis;
use crate::history::Life;
use crate::lag::{Member, Sample};
use crate::snapshot::{Handover, Lag, OtherMember, Owner, Ownership, Phase, Pod};
use crate::topics::{Tasks, TopicPartition};

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
    /// How many partitions each topic had, for which the tasks below are.
    counts: Vec<usize>,
    /// The last pod that owned each task, also while nobody does.
    last: Vec<Option<String>>,
    /// How far the group has come in each task, and when that last rose.
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
    /// The next state of all tasks. `sample` is `None` when only the cluster changed.
    pub(super) fn next(
        &mut self,
        before: Option<&Ownership>,
        sample: Option<&Sample>,
        lag: Option<&Lag>,
        pods: &Pods<'_>,
        now_ms: Millis,
    ) -> Option<Ownership> {
        let mut before = before.cloned();
        sample.into_iter().for_each(|sample| self.put_in_places(before.as_mut(), sample));
        sample.into_iter().for_each(|sample| self.progressed(sample));
        let group = sample.and_then(|sample| sample.group.as_ref().map(|group| (group, &*sample.topics)));
        if let Some((group, _)) = group {
            self.others(&group.members, pods, now_ms);
        }
        let (state, mut owners) = match (group, &before) {
            (Some((group, topics)), _) => (group.state.clone(), group.task_owners(topics)),
            (None, Some(before)) => {
                // The last owners are shown on, and it is said that they are not known to be the owners any more.
                let state = if sample.is_some() { UNKNOWN } else { &before.state };
                (state.to_owned(), before.tasks.iter().map(|owner| owner.pod.clone()).collect())
            }
            (None, None) => return None,
        };
        // A partition that was added is nobody's until the group has shared it out.
        owners.resize(owners.len().max(lag.map_or(0, Lag::task_count)), None);
        let tasks = (0..).zip(&owners).map(|(task, pod)| {
            let known = before.as_ref().and_then(|before| before.tasks.get(task));
            let works = self.works(task, &owners, lag, pods.now);
            owner(known, pod.clone(), works, now_ms)
        });
        let tasks = tasks.collect();
        let others = self.others.iter().filter(|(_, since_ms)| since_ms + OTHER_MS <= now_ms);
        Some(Ownership { state, tasks, others: others.map(|(other, _)| other.clone()).collect() })
    }

    /// How many tasks have another owner than the last one they had.
    pub(super) fn moved(&mut self, after: &Ownership) -> u32 {
        self.last.resize(after.tasks.len(), None);
        let mut moved = 0;
        for (last, owner) in self.last.iter_mut().zip(&after.tasks) {
            if owner.pod.is_some() && owner.pod != *last {
                moved += u32::from(last.is_some());
                last.clone_from(&owner.pod);
            }
        }
        moved
    }

    /// Moves what is known of each task to its place among the tasks of this sample: where partitions are worked on by
    /// themselves, one that is added to a topic moves those of the topics behind it.
    fn put_in_places(&mut self, before: Option<&mut Ownership>, sample: &Sample) {
        let former = std::mem::replace(&mut self.counts, sample.counts());
        if former == self.counts || sample.topics.tasks == Tasks::Joined {
            return;
        }
        let tasks = sample.topics.tasks(&former);
        let place = |partitions: &Vec<TopicPartition>| sample.topics.task(&self.counts, partitions[0]);
        let places: Vec<usize> = tasks.iter().map(place).collect();
        self.last = moved(std::mem::take(&mut self.last), &places);
        self.progress = moved(std::mem::take(&mut self.progress), &places);
        if let Some(before) = before {
            before.tasks = moved(std::mem::take(&mut before.tasks), &places);
        }
    }

    fn progressed(&mut self, sample: &Sample) {
        let tasks = sample.topics.tasks(&sample.counts());
        self.progress.resize(tasks.len().max(self.progress.len()), Progress::default());
        for (progress, partitions) in self.progress.iter_mut().zip(tasks) {
            let committed = |of: TopicPartition| {
                let offsets = sample.offsets[of.topic][of.partition as usize].as_ref()?;
                Some(offsets.committed_offset.unwrap_or(0))
            };
            let Some(position) = partitions.into_iter().map(committed).sum::<Option<i64>>() else { continue };
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
        for Member { client_id, host, partitions } in members {
            let partitions = partitions.iter().sum();
            if partitions == 0 || is_pod(client_id) {
                continue;
            }
            let known = before.iter().find(|(other, _)| other.name == *client_id && other.host == *host);
            let since_ms = known.map_or(now_ms, |(_, since_ms)| *since_ms);
            let other = OtherMember { name: client_id.clone(), host: host.clone(), partitions };
            self.others.push((other, since_ms));
        }
    }

    /// Since when nobody works for the owner of a task; `Ok` when somebody does.
    fn works(
        &self,
        task: usize,
        owners: &[Option<String>],
        lag: Option<&Lag>,
        pods: Option<&[Pod]>,
    ) -> Result<(), Option<Millis>> {
        let Some(name) = owners.get(task).and_then(Option::as_ref) else { return Err(None) };
        let Some(pods) = pods else { return Ok(()) };
        let Some(pod) = pods.iter().find(|pod| pod.name == *name) else { return Err(None) };
        match pod.phase {
            Phase::Crashed { .. } | Phase::Pending => Err(Some(pod.phase_since_ms)),
            // A pod that starts again has the name of the dead member that the coordinator still counts: it is at work
            // where commits rise. One that is not ready may wait for a single partition, and work on all the others.
            Phase::Starting if !self.is_at_work(task, pod, owners, lag) => Err(Some(pod.phase_since_ms)),
            Phase::Starting | Phase::Ready | Phase::Terminating { .. } => Ok(()),
        }
    }

    /// Whether the group has come further in this task since its pod is starting; or, where there is nothing to read, in
    /// another task of the same pod.
    fn is_at_work(&self, task: usize, pod: &Pod, owners: &[Option<String>], lag: Option<&Lag>) -> bool {
        let has_risen = |task: usize| {
            let risen_ms = self.progress.get(task).and_then(|progress| progress.risen_ms);
            risen_ms.is_some_and(|risen_ms| risen_ms > pod.phase_since_ms + LAST_COMMIT_MS)
        };
        let is_done = || lag.and_then(|lag| lag.task(task)) == Some(0);
        let others =
            || (0..owners.len()).any(|other| owners[other].as_deref() == Some(&pod.name) && has_risen(other));
        has_risen(task) || (is_done() && others())
    }
}

/// Puts each value into its place; the places between are as nobody knows them.
fn moved<T: Default + Clone>(values: Vec<T>, places: &[usize]) -> Vec<T> {
    let mut moved = vec![T::default(); places.iter().max().map_or(0, |last| last + 1)];
    for (value, &place) in values.into_iter().zip(places) {
        moved[place] = value;
    }
    moved
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
