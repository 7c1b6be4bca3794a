//! What happened, from the differences between two observations.

use crate::Millis;
use crate::history::{Event, History, Marker};
use crate::load::LoadSettings;
use crate::snapshot::{Cluster, EndReason, Phase, Pod};

/// Gives each marker an id of its own, also across runs of the server.
#[derive(Debug)]
pub(super) struct MarkerIds {
    next: u64,
}

impl MarkerIds {
    /// Goes on after the markers that are known.
    pub(super) fn after(history: &History) -> Self {
        Self { next: history.markers.iter().map(|marker| marker.id + 1).max().unwrap_or(0) }
    }

    /// A marker with a new id.
    pub(super) fn marker(&mut self, at_ms: Millis, event: Event) -> Marker {
        let id = self.next;
        self.next += 1;
        Marker { id, at_ms, until_ms: None, event }
    }
}

/// What happened between two observations of the cluster. The first observation is no event.
pub(super) fn of_cluster(before: Option<&Cluster>, after: &Cluster) -> Vec<Event> {
    let Some(before) = before else { return Vec::new() };
    let mut events = Vec::new();
    for pod in &after.pods {
        let known = before.pods.iter().find(|known| known.name == pod.name);
        events.extend(known.and_then(|known| of_pod(known, pod)));
    }
    let gone = before.pods.iter().filter(|known| !after.pods.iter().any(|pod| pod.name == known.name));
    // A pod that vanishes without a farewell was killed by somebody else.
    events.extend(
        gone.filter(|pod| !matches!(pod.phase, Phase::Terminating { .. }) && after.desired >= before.desired)
            .map(|pod| Event::Killed { pod: pod.name.clone() }),
    );
    if after.revision > before.revision {
        events.push(Event::Upgrade { revision: after.revision });
    }
    if after.desired != before.desired {
        events.push(Event::Scaled { from: before.desired, to: after.desired, auto: after.policy.enabled });
    }
    events
}

fn of_pod(before: &Pod, after: &Pod) -> Option<Event> {
    let is_killed = |pod: &Pod| pod.phase == Phase::Terminating { reason: EndReason::Killed };
    let is_crashed = |pod: &Pod| matches!(pod.phase, Phase::Crashed { .. });
    if is_killed(after) && !is_killed(before) {
        return Some(Event::Killed { pod: after.name.clone() });
    }
    // Either observation may be missed: that of the dead process, or that of its restart.
    let died = (is_crashed(after) && !is_crashed(before))
        || (after.restarts > before.restarts && !is_crashed(before));
    died.then(|| Event::Crashed { pod: after.name.clone() })
}

/// What happened between two settings of the load, and until when it lasts where that is known. The first one is no
/// event.
pub(super) fn of_load(
    before: Option<&LoadSettings>,
    after: &LoadSettings,
    at_ms: Millis,
) -> Vec<(Event, Option<Millis>)> {
    let Some(before) = before else { return Vec::new() };
    let burst = after.burst.filter(|burst| before.burst != Some(*burst));
    let hot = after.hot.filter(|hot| before.hot != Some(*hot));
    let base = (before.base != after.base).then_some(Event::Base { to: after.base });
    let shape = after.shape.filter(|running| before.shape != Some(*running));
    let is_ended = after.shape.is_none() && before.running(at_ms).is_some();
    let begun = shape.map(|running| (Event::Shape { shape: Some(running.shape) }, running.until_ms()));
    let ended = is_ended.then_some((Event::Shape { shape: None }, None));
    burst
        .map(|burst| (Event::Burst { factor: burst.factor }, Some(burst.until_ms)))
        .into_iter()
        .chain(begun.or(ended))
        .chain(hot.map(|hot| (Event::Hot { partition: hot.partition }, None)))
        .chain(base.map(|base| (base, None)))
        .collect()
}
