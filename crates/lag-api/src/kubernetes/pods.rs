//! The pods of the application, watched.

use std::collections::BTreeMap;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod as KubePod;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use model::lag::Outage;
use model::scaling::PodState;
use process::Clock;
use tokio::sync::watch;
use tracing::{info, warn};

use super::follow;
use crate::look::{Pod, Pods};

/// Watches for ever, and publishes every change. A broken watch keeps the last list and says since when.
pub async fn run(
    client: Client,
    namespace: String,
    selector: String,
    clock: Clock,
    seen: watch::Sender<Pods>,
) {
    let api = Api::<KubePod>::namespaced(client, &namespace);
    let mut list = List::default();
    loop {
        let config = watcher::Config::default().labels(&selector);
        watch_once(follow(api.clone(), config), &mut list, &clock, &seen).await;
    }
}

/// Watches until the watch breaks. A watch that goes on after that says nothing until a pod changes, so whether the
/// list is still right would stay unknown: the pods are listed anew instead.
async fn watch_once(
    events: impl Stream<Item = watcher::Result<Event<KubePod>>>,
    list: &mut List,
    clock: &Clock,
    seen: &watch::Sender<Pods>,
) {
    let mut events = std::pin::pin!(events);
    let mut is_listed = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if let Some(pods) = list.apply(event) {
                    is_listed = true;
                    seen.send_modify(|seen| publish(seen, pods));
                }
            }
            Err(error) => {
                let reason = error.to_string();
                seen.send_modify(|pods| fail(pods, clock.now_ms(), reason));
                if is_listed {
                    return;
                }
            }
        }
    }
}

/// Only a whole list ends an outage: while the list is on its way, nobody knows which pods there are.
fn publish(seen: &mut Pods, pods: Vec<Pod>) {
    if seen.outage.take().is_some() {
        info!("the API server shows the pods again");
    }
    seen.pods = Some(pods);
}

fn fail(pods: &mut Pods, now_ms: model::Millis, reason: String) {
    match &mut pods.outage {
        Some(outage) => outage.reason = reason,
        none => {
            warn!(reason, "the watch of the pods is broken");
            *none = Some(Outage { since_ms: now_ms, reason });
        }
    }
}

/// The pods by name; while they are listed anew, the old list holds.
#[derive(Debug, Default)]
struct List {
    pods: BTreeMap<String, Pod>,
    incoming: Option<BTreeMap<String, Pod>>,
}

impl List {
    /// The whole list after this event; `None` while it is on its way.
    fn apply(&mut self, event: Event<KubePod>) -> Option<Vec<Pod>> {
        match event {
            Event::Init => self.incoming = Some(BTreeMap::new()),
            Event::InitApply(pod) => {
                self.incoming.get_or_insert_default().insert(pod.name_any(), read(&pod));
            }
            Event::InitDone => self.pods = self.incoming.take().unwrap_or_default(),
            Event::Apply(pod) => drop(self.pods.insert(pod.name_any(), read(&pod))),
            Event::Delete(pod) => drop(self.pods.remove(&pod.name_any())),
        }
        self.incoming.is_none().then(|| self.pods.values().cloned().collect())
    }
}

fn read(pod: &KubePod) -> Pod {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let state = match phase {
        _ if pod.metadata.deletion_timestamp.is_some() => PodState::Gone,
        Some("Succeeded" | "Failed") => PodState::Gone,
        Some("Running" | "Unknown") => PodState::Running,
        _ => PodState::Pending,
    };
    Pod { name: pod.name_any(), labels: pod.labels().clone(), state }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodStatus;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn pod(name: &str, phase: Option<&str>) -> KubePod {
        let mut pod = KubePod::default();
        pod.metadata.name = Some(name.to_owned());
        pod.status = Some(PodStatus { phase: phase.map(str::to_owned), ..PodStatus::default() });
        pod
    }

    #[test]
    fn a_pod_counts_as_kubernetes_counts_it() {
        for (phase, expected) in [
            (None, PodState::Pending),
            (Some("Pending"), PodState::Pending),
            (Some("Running"), PodState::Running),
            (Some("Failed"), PodState::Gone),
            (Some("Succeeded"), PodState::Gone),
        ] {
            assert_eq!(read(&pod("a", phase)).state, expected, "{phase:?}");
        }
        let mut terminating = pod("a", Some("Running"));
        terminating.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(read(&terminating).state, PodState::Gone);
    }

    fn names(pods: Option<Vec<Pod>>) -> Option<Vec<String>> {
        pods.map(|pods| pods.into_iter().map(|pod| pod.name).collect())
    }

    #[test]
    fn a_list_is_published_whole() {
        let mut list = List::default();
        assert_eq!(list.apply(Event::Init), None);
        assert_eq!(list.apply(Event::InitApply(pod("b", None))), None);
        assert_eq!(list.apply(Event::InitApply(pod("a", None))), None);
        assert_eq!(names(list.apply(Event::InitDone)), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(names(list.apply(Event::Delete(pod("a", None)))), Some(vec!["b".to_owned()]));
        // Listed anew after an outage, in which pods came and went.
        assert_eq!(list.apply(Event::Init), None);
        list.apply(Event::InitApply(pod("c", None)));
        assert_eq!(names(list.apply(Event::InitDone)), Some(vec!["c".to_owned()]));
    }

    #[test]
    fn an_outage_keeps_the_list_and_its_own_beginning() {
        let mut pods = Pods { pods: Some(Vec::new()), outage: None };
        fail(&mut pods, 10, "first".to_owned());
        fail(&mut pods, 20, "second".to_owned());
        assert_eq!(pods.outage, Some(Outage { since_ms: 10, reason: "second".to_owned() }));
        publish(&mut pods, Vec::new());
        assert_eq!(pods, Pods { pods: Some(Vec::new()), outage: None });
    }

    #[tokio::test]
    async fn an_outage_lasts_until_the_pods_were_listed_anew() {
        let broken = || Err(watcher::Error::NoResourceVersion);
        let begun = [Ok(Event::Init), Ok(Event::InitApply(pod("a", None)))];
        let events = begun
            .into_iter()
            .chain([
                broken(),
                broken(),
                Ok(Event::Init),
                Ok(Event::InitApply(pod("b", None))),
                Ok(Event::InitDone),
            ])
            .chain([Ok(Event::Apply(pod("c", None))), broken(), Ok(Event::Apply(pod("d", None)))]);
        let (seen, looks) = watch::channel(Pods::default());
        let mut list = List::default();
        let mut times = Vec::new();
        let events = futures::stream::iter(events).inspect(|_| {
            let Pods { pods, outage } = looks.borrow().clone();
            times.push((names(pods), outage.is_some()));
        });
        watch_once(events, &mut list, &Clock::new(|| 10), &seen).await;
        let known = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        // What was known before each event.
        let expected = [
            (None, false),
            (None, false),
            (None, false),
            (None, true),
            (None, true),
            (None, true),
            (None, true),
            (known(&["b"]), false),
            (known(&["b", "c"]), false),
        ];
        assert_eq!(times, expected);
        let Pods { pods, outage } = looks.borrow().clone();
        assert_eq!((names(pods), outage.map(|outage| outage.since_ms)), (known(&["b", "c"]), Some(10)));
    }
}
