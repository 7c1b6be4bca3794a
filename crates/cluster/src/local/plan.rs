//! What a Deployment does next: how many pods to make, and which to end. Pure; asked again after every change.

use std::cmp::Reverse;

use model::snapshot::{Cluster, EndReason, Phase, Pod};

/// `maxSurge`: pods that a rolling upgrade may add. `maxUnavailable` is 0: an old pod goes when a new one is ready.
const MAX_SURGE: usize = 1;

/// The next step.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Pods of the newest revision to make.
    pub(super) create: usize,
    /// Pods to end.
    pub(super) end: Vec<(String, EndReason)>,
}

/// The next step towards `desired` pods of the newest revision.
pub(super) fn next(cluster: &Cluster) -> Plan {
    let desired = cluster.desired as usize;
    let alive = || cluster.pods.iter().filter(|pod| !matches!(pod.phase, Phase::Terminating { .. }));
    let (new, old): (Vec<&Pod>, Vec<&Pod>) = alive().partition(|pod| pod.revision == cluster.revision);
    if old.is_empty() || desired == 0 {
        let everything = if desired == 0 { alive().collect() } else { new.clone() };
        return Plan { create: desired.saturating_sub(new.len()), end: surplus(everything, desired) };
    }
    let room = (desired + MAX_SURGE).saturating_sub(new.len() + old.len());
    let mut end = surplus(new.clone(), desired);
    end.extend(replaced(&old, &new, desired));
    Plan { create: desired.saturating_sub(new.len()).min(room), end }
}

/// Those beyond `desired`, in the order in which Kubernetes picks its victims.
fn surplus(mut pods: Vec<&Pod>, desired: usize) -> Vec<(String, EndReason)> {
    pods.sort_by_key(|pod| least_missed(pod));
    let victims = pods.iter().take(pods.len().saturating_sub(desired));
    victims.map(|pod| (pod.name.clone(), EndReason::ScaledIn)).collect()
}

/// Old pods that a rolling upgrade can do without: as many as keep `desired` pods ready, those that are not ready
/// first.
fn replaced(old: &[&Pod], new: &[&Pod], desired: usize) -> Vec<(String, EndReason)> {
    let is_ready = |pod: &&&Pod| pod.phase == Phase::Ready;
    let new_unready = new.len() - new.iter().filter(is_ready).count();
    let old_ready = old.iter().filter(is_ready).count();
    // New pods that are not ready yet count as if they might never be.
    let expendable = (old.len() + new.len()).saturating_sub(desired + new_unready);
    let unready = expendable.min(old.len() - old_ready);
    let ready = (old_ready + new.len() - new_unready)
        .saturating_sub(desired)
        .min(expendable - unready)
        .min(old_ready);
    let mut victims = old.to_vec();
    victims.sort_by_key(|pod| least_missed(pod));
    let reason =
        |more_than_surge: bool| if more_than_surge { EndReason::ScaledIn } else { EndReason::Upgraded };
    let beyond = (old.len() + new.len()).saturating_sub(desired + MAX_SURGE);
    let named = victims.into_iter().take(unready + ready).enumerate();
    named.map(|(index, pod)| (pod.name.clone(), reason(index < beyond))).collect()
}

/// The order of Kubernetes' `ActivePods`, first to go first: not running, not ready, ready for the shortest time, most
/// restarts, youngest.
fn least_missed(pod: &Pod) -> impl Ord + use<> {
    let running = !matches!(pod.phase, Phase::Pending);
    let ready = pod.phase == Phase::Ready;
    let ready_since = if ready { Reverse(pod.phase_since_ms) } else { Reverse(0) };
    (running, ready, ready_since, Reverse(pod.restarts), Reverse(pod.created_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word a pod: its revision, `+` ready, `-` starting, `x` terminating, `p` pending; named a, b, c by position,
    /// each a second younger than the one before. Expected: how many are made, and the names of those that end.
    #[track_caller]
    fn check(pods: &str, desired: u32, create: usize, end: &str) {
        let pod = |(index, word): (usize, &str)| {
            let at_ms = index as u64 * 1_000;
            let phase = match &word[1..] {
                "+" => Phase::Ready,
                "-" => Phase::Starting,
                "p" => Phase::Pending,
                _ => Phase::Terminating { reason: EndReason::Killed },
            };
            Pod {
                name: char::from(b'a' + u8::try_from(index).unwrap()).to_string(),
                slot: 0,
                phase,
                phase_since_ms: at_ms,
                created_ms: at_ms,
                restarts: 0,
                revision: word[..1].parse().unwrap(),
                node: None,
                reason: None,
                message: None,
            }
        };
        let pods: Vec<Pod> = pods.split_whitespace().enumerate().map(pod).collect();
        let cluster = Cluster { pods, desired, revision: 2, ..Cluster::default() };
        let plan = next(&cluster);
        let ended: String = plan.end.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((plan.create, ended.as_str()), (create, end), "{:?}", cluster.pods);
    }

    #[test]
    fn missing_pods_are_made_at_once_and_terminating_ones_do_not_count() {
        check("", 3, 3, "");
        check("2+ 2x", 2, 1, "");
        check("2- 2-", 2, 0, "");
    }

    #[test]
    fn scale_in_takes_the_pending_then_the_unready_then_the_youngest() {
        check("2+ 2+ 2+", 1, 0, "cb");
        check("2- 2+ 2+", 2, 0, "a");
        check("2- 2+ 2p", 1, 0, "ca");
        check("2+ 1+ 2x", 0, 0, "ba");
    }

    #[test]
    fn an_upgrade_makes_one_new_pod_and_ends_an_old_one_when_that_is_ready() {
        check("1+ 1+ 1+", 3, 1, "");
        check("1+ 1+ 1+ 2-", 3, 0, "");
        check("1+ 1+ 1+ 2+", 3, 0, "c");
        check("1+ 1+ 1x 2+", 3, 1, "");
        check("1+ 2+ 2+ 2+", 3, 0, "a");
        check("1+ 2+", 1, 0, "a");
    }

    #[test]
    fn an_upgrade_ends_old_pods_that_are_of_no_use_first() {
        check("1+ 1- 1+", 3, 1, "");
        check("1+ 1- 1+ 2+", 3, 0, "b");
        check("1+ 1- 1+ 2-", 3, 0, "");
    }

    #[test]
    fn a_change_of_scale_during_an_upgrade_is_followed() {
        check("1+ 1+ 1+ 2-", 1, 0, "cb");
        check("1+ 2+", 4, 3, "");
        check("1+ 2+ 2+ 2+", 2, 0, "da");
    }
}
