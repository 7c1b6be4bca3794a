//! The lag of each pod: that of the partitions that it owns.
//!
//! The readings always add up to the group's lag. The lag of partitions that no counted pod owns is shared among the
//! counted pods: it is work that they will have to do, and dropping it would look like progress.

use super::Millis;
use crate::figures;
use crate::fold;
use crate::lag::{Group, Sample};
use crate::snapshot::{Lag, Phase};

/// A sample that is older than this says nothing about now.
pub const MAX_AGE_MS: Millis = 5_000;

/// What the autoscaler reads: the lag of all partitions, and who owns them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LagView {
    /// Lag of all topics.
    pub lag: Lag,
    /// The group; `None` while the coordinator's word is missing.
    pub group: Option<Group>,
}

impl LagView {
    /// What a sample says of both.
    #[must_use]
    pub fn of(sample: &Sample) -> Self {
        Self { lag: fold::lag(sample), group: sample.group.clone() }
    }
}

/// One pod, as the arithmetic sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodReadings {
    /// How it counts.
    pub state: PodState,
    /// Its lag by topic, records; `None` while unknown.
    pub lag: Vec<Option<u64>>,
}

/// How Kubernetes' arithmetic counts a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    /// Told to stop, or failed for good: dropped with its value.
    Gone,
    /// Not started yet: has no lag, and counts only on the way up.
    Pending,
    /// Started, whether it is ready or not; a pod in a crash loop too.
    Running,
}

impl From<Phase> for PodState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Pending => Self::Pending,
            Phase::Starting | Phase::Ready | Phase::Crashed { .. } => Self::Running,
            Phase::Terminating { .. } => Self::Gone,
        }
    }
}

/// All that one look at the group brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measured {
    /// The topics whose lag it is, by name.
    pub topics: Vec<String>,
    /// One a pod, in the order in which the pods were given.
    pub pods: Vec<PodReadings>,
    /// Whether the group is between two assignments.
    pub rebalancing: bool,
    /// Why readings are unknown, if any is.
    pub unknown: Option<String>,
}

/// The view, where it still says something about now.
///
/// # Errors
/// One sentence that says why it does not: it is missing, or older than [`MAX_AGE_MS`].
pub fn fresh(view: Option<&LagView>, now_ms: Millis) -> Result<&LagView, String> {
    let view = view.ok_or("Kafka was not sampled yet")?;
    let age_ms = now_ms.saturating_sub(view.lag.sampled_ms);
    if age_ms > MAX_AGE_MS {
        return Err(format!("the last sample is {} old", figures::duration(age_ms)));
    }
    Ok(view)
}

/// Gives every pod the lag of the partitions that it owns, by the pods' names.
///
/// With a view that is missing, older than [`MAX_AGE_MS`] or without owners, every reading is unknown; where Kafka gave
/// no answer for a partition, the readings of that topic are.
#[must_use]
pub fn measure(view: Option<&LagView>, now_ms: Millis, pods: &[(&str, PodState)]) -> Measured {
    match usable(view, now_ms) {
        Err(reason) => {
            let unknown = |&(_, state): &(&str, PodState)| PodReadings { state, lag: Vec::new() };
            let pods = pods.iter().map(unknown).collect();
            Measured { topics: Vec::new(), pods, rebalancing: false, unknown: Some(reason) }
        }
        Ok((lag, group)) => {
            let owners = |topic: usize| group.owners.get(topic).map(Vec::as_slice).unwrap_or_default();
            let by_topic = lag.partitions.iter().enumerate();
            let shares: Vec<Option<Vec<Option<u64>>>> =
                by_topic.map(|(topic, lags)| share(lags, owners(topic), pods)).collect();
            let readings = |(pod, &(_, state)): (usize, &(&str, PodState))| PodReadings {
                state,
                lag: shares.iter().map(|shares| shares.as_ref().and_then(|all| all[pod])).collect(),
            };
            Measured {
                topics: lag.topics.list.iter().map(|topic| topic.name.clone()).collect(),
                pods: pods.iter().enumerate().map(readings).collect(),
                rebalancing: group.is_rebalancing(),
                unknown: lag.unknowns(),
            }
        }
    }
}

impl Measured {
    /// Every pod with its lag in a topic; `None` where that is unknown.
    pub fn of_topic<'a>(
        &'a self,
        topic: &str,
    ) -> impl Iterator<Item = (PodState, Option<u64>)> + Clone + use<'a> {
        let place = self.topics.iter().position(|known| known == topic);
        self.pods.iter().map(move |pod| (pod.state, place.and_then(|place| *pod.lag.get(place)?)))
    }
}

fn usable(view: Option<&LagView>, now_ms: Millis) -> Result<(&Lag, &Group), String> {
    let view = fresh(view, now_ms)?;
    let group = view.group.as_ref().ok_or("nobody knows which pod owns what")?;
    Ok((&view.lag, group))
}

/// One topic's lag by pod; `None` as soon as one partition is unknown, since a part is not a total. Pods that do not
/// run have no value.
fn share(
    lags: &[Option<u64>],
    owners: &[Option<String>],
    pods: &[(&str, PodState)],
) -> Option<Vec<Option<u64>>> {
    if lags.is_empty() {
        return None;
    }
    let mut shares: Vec<Option<u64>> =
        pods.iter().map(|(_, state)| (*state == PodState::Running).then_some(0)).collect();
    let mut unowned = 0;
    for (partition, lag) in lags.iter().enumerate() {
        let lag = (*lag)?;
        let owner = owners.get(partition).and_then(Option::as_deref);
        let pod = pods.iter().position(|(name, state)| Some(*name) == owner && *state == PodState::Running);
        match pod.and_then(|pod| shares[pod].as_mut()) {
            Some(share) => *share += lag,
            None => unowned += lag,
        }
    }
    let counted = shares.iter().flatten().count() as u64;
    for (pod, share) in (0u64..).zip(shares.iter_mut().flatten()) {
        *share += unowned / counted + u64::from(pod < unowned % counted);
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use PodState::{Gone, Pending, Running};

    use super::*;
    use crate::topics::Topics;

    const PODS: [(&str, PodState); 4] = [("a", Running), ("b", Running), ("c", Gone), ("d", Pending)];

    fn view(lags: &[Option<u64>], owners: &[&str], state: &str) -> LagView {
        let owners: Vec<_> =
            owners.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect();
        LagView {
            lag: Lag {
                sampled_ms: 10_000,
                topics: Topics::clone(&crate::testing::joined()),
                partitions: vec![lags.to_vec(), vec![Some(0); 3]],
                lost: 0,
                doubts: Vec::new(),
            },
            group: Some(Group {
                state: state.to_owned(),
                owners: vec![owners.clone(), owners],
                members: Vec::new(),
            }),
        }
    }

    fn requests(measured: &Measured) -> Vec<Option<u64>> {
        measured.of_topic("GAME-FRAME-RQ").map(|(_, lag)| lag).collect()
    }

    fn check(lags: &[Option<u64>], owners: &[&str], expected: [Option<u64>; 4]) {
        let measured = measure(Some(&view(lags, owners, "Stable")), 10_000, &PODS);
        assert_eq!(requests(&measured), expected, "{lags:?} owned by {owners:?}");
    }

    #[test]
    fn a_pod_has_the_lag_of_its_partitions() {
        check(&[Some(5), Some(7), Some(11)], &["a", "b", "a"], [Some(16), Some(7), None, None]);
    }

    #[test]
    fn what_no_running_pod_owns_is_shared_so_that_nothing_is_lost() {
        // Nobody, a stranger, a pod on its way out and a pod that has not started: none of them will do the work.
        check(&[Some(5), Some(7), Some(11)], &["a", "", "x"], [Some(5 + 9), Some(9), None, None]);
        check(&[Some(5), Some(7), Some(12)], &["c", "d", "b"], [Some(6), Some(18), None, None]);
        check(&[Some(1), Some(1), Some(1)], &[], [Some(2), Some(1), None, None]);
    }

    #[test]
    fn one_unknown_partition_makes_its_topic_unknown_and_not_the_other() {
        let measured = measure(Some(&view(&[Some(1), None], &["a", "b"], "Stable")), 10_000, &PODS);
        assert_eq!(measured.pods[0].lag, [None, Some(0)]);
        assert_eq!(measured.unknown.unwrap(), "no answer for GAME-FRAME-RQ 1");
    }

    #[test]
    fn an_old_sample_or_none_leaves_everything_unknown() {
        let fresh = view(&[Some(1)], &["a"], "Stable");
        let stale = measure(Some(&fresh), 10_000 + MAX_AGE_MS + 1, &PODS);
        assert_eq!(requests(&stale)[0], None);
        assert_eq!(stale.unknown.unwrap().replace('\u{a0}', " "), "the last sample is 5 s old");
        assert_eq!(requests(&measure(Some(&fresh), 10_000 + MAX_AGE_MS, &PODS))[0], Some(1));
        assert!(measure(None, 10_000, &PODS).unknown.is_some());
        assert!(measure(Some(&LagView { group: None, ..fresh }), 10_000, &PODS).unknown.is_some());
    }

    #[test]
    fn a_group_between_two_assignments_is_rebalancing() {
        assert!(measure(Some(&view(&[Some(1)], &[], "PreparingRebalance")), 10_000, &PODS).rebalancing);
        assert!(!measure(Some(&view(&[Some(1)], &[], "Stable")), 10_000, &PODS).rebalancing);
    }

    #[test]
    fn with_no_running_pod_there_is_no_reading() {
        let measured = measure(Some(&view(&[Some(3)], &["c"], "Stable")), 10_000, &PODS[2..]);
        assert!(measured.pods.iter().all(|pod| pod.lag.iter().all(Option::is_none)));
    }
}
