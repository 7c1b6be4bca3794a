//! The task that lists and watches. Its life is a row of sessions: each makes a client, lists every kind, watches, and
//! ends with the first thing that goes wrong; the next one begins anew. That makes one way back from everything: a lost
//! watch, an expired token, an API server that was away.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, select_all};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Event as EventObject, Pod};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Lookup, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use model::lag::Outage;
use model::snapshot::Cluster;
use model::{DEPLOYMENT, Millis};
use serde::de::DeserializeOwned;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::fold::{Objects, Seen, fold};
use super::{Error, Shared, Sight, lock};

/// The label of everything that belongs to the show.
pub(super) const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "king-of-scaling");
/// The label of one Deployment's pods.
pub(super) const NAME: (&str, &str) = ("app.kubernetes.io/name", DEPLOYMENT);

/// How often the API server is asked whether it is there: a watch alone does not notice that nobody speaks any more.
const BEAT: Duration = Duration::from_secs(1);
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A session that lived this long was well: what ended it may be over already.
const STEADY: Duration = Duration::from_secs(5);

/// Watches; see the module. `C` makes a new client.
pub(super) struct Watch<C> {
    pub(super) connect: C,
    pub(super) namespace: String,
    pub(super) clock: fn() -> Millis,
    pub(super) shared: Arc<Shared>,
    pub(super) sights: channel::Sender<Sight>,
}

impl<C, F> Watch<C>
where
    C: Fn() -> F + Send + Sync,
    F: Future<Output = Result<Client, Error>> + Send,
{
    /// Watches until it is dropped.
    pub(super) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut heard_ms = (self.clock)();
        loop {
            let began = Instant::now();
            let Err(error) = self.session(&mut heard_ms).await;
            let was_steady = began.elapsed() >= STEADY;
            if was_steady {
                pause = FIRST_PAUSE;
            }
            // A connection that is closed, as when an API server is replaced, is no outage yet.
            if was_steady && !matches!(error, Error::Silence) {
                info!(%error, "watching anew");
            } else {
                self.tell(Some(Outage { since_ms: heard_ms, reason: error.to_string() }));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Lists and watches until something goes wrong. `heard_ms` is when the API server last answered.
    async fn session(&self, heard_ms: &mut Millis) -> Result<std::convert::Infallible, Error> {
        let client = (self.connect)().await?;
        let label = label(&client).await?;
        self.sights.send_if_modified(|sight| std::mem::replace(&mut sight.label, label.clone()) != label);
        let (stores, mut changes) = open(&client, &self.namespace).await?;
        *lock(&self.shared.client) = Some(client.clone());
        let mut to_list = changes.len();
        let mut beats = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut answers = std::pin::pin!(futures::stream::unfold(beats, |mut beats| async {
            beats.tick().await;
            Some((self::label(&client).await, beats))
        }));
        loop {
            tokio::select! {
                change = changes.next() => match change.ok_or(Error::WatchEnded)?? {
                    Change::Listing => {}
                    Change::Listed => {
                        to_list = to_list.saturating_sub(1);
                        if to_list == 0 {
                            self.publish(&stores.objects());
                        }
                    }
                    Change::Object if to_list == 0 => self.publish(&stores.objects()),
                    Change::Object => {}
                },
                Some(answer) = answers.next() => drop(answer?),
            }
            *heard_ms = (self.clock)();
        }
    }

    fn publish(&self, objects: &Objects) {
        let killed = {
            let mut killed = lock(&self.shared.killed);
            killed.retain(|uid| objects.pods.iter().any(|pod| pod.metadata.uid.as_ref() == Some(uid)));
            killed.clone()
        };
        let now_ms = (self.clock)();
        let sight = self.sights.borrow().clone();
        let cluster = fold(objects, Seen { before: sight.cluster.as_ref(), killed: &killed, now_ms });
        if cluster.is_none() {
            let missing = Error::NoDeployment { name: DEPLOYMENT, namespace: self.namespace.clone() };
            let since_ms = sight.outage.map_or(now_ms, |outage| outage.since_ms);
            self.tell(Some(Outage { since_ms, reason: missing.to_string() }));
        } else {
            self.tell(None);
        }
        // A Deployment that was deleted has no pods; what else was known of it is all there is to say.
        let cluster = cluster.or_else(|| {
            sight.cluster.map(|before| Cluster { pods: Vec::new(), desired: 0, decision: None, ..before })
        });
        self.sights.send_if_modified(|sight| {
            let is_new = sight.cluster != cluster;
            sight.cluster = cluster;
            is_new
        });
    }

    fn tell(&self, outage: Option<Outage>) {
        self.sights.send_if_modified(|sight| {
            let is_new = sight.outage != outage;
            match (&sight.outage, &outage) {
                (None, Some(outage)) => warn!(reason = outage.reason, "the cluster cannot be seen"),
                (Some(_), None) => info!("the cluster can be seen again"),
                _ => {}
            }
            sight.outage = outage;
            is_new
        });
    }
}

/// What the API server calls itself, for example `Kubernetes 1.37`.
async fn label(client: &Client) -> Result<String, Error> {
    let asked = timeout(PATIENCE, client.apiserver_version()).await.map_err(|_| Error::Silence)?;
    let version = asked.map_err(Error::AskVersion)?;
    // Some providers write a plus behind the minor version.
    Ok(format!("Kubernetes {}.{}", version.major, version.minor.trim_end_matches('+')))
}

/// What a watch just did.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// It is listing.
    Listing,
    /// All that there is was listed.
    Listed,
    /// One object changed.
    Object,
}

type Changes = BoxStream<'static, Result<Change, Error>>;

struct Stores {
    deployments: Store<Deployment>,
    replica_sets: Store<ReplicaSet>,
    pods: Store<Pod>,
    autoscalers: Store<HorizontalPodAutoscaler>,
    events: Store<EventObject>,
    scaled_objects: Option<Store<DynamicObject>>,
}

impl Stores {
    fn objects(&self) -> Objects {
        Objects {
            deployments: self.deployments.state(),
            replica_sets: self.replica_sets.state(),
            pods: self.pods.state(),
            autoscalers: self.autoscalers.state(),
            events: self.events.state(),
            scaled_objects: self.scaled_objects.as_ref().map(Store::state).unwrap_or_default(),
        }
    }
}

/// Begins to watch every kind.
async fn open(
    client: &Client,
    namespace: &str,
) -> Result<(Stores, futures::stream::SelectAll<Changes>), Error> {
    let part_of = format!("{}={}", PART_OF.0, PART_OF.1);
    let ours = watcher::Config::default().labels(&part_of);
    let of_pods = watcher::Config::default().labels(&format!("{part_of},{}={}", NAME.0, NAME.1));
    let of_autoscalers = watcher::Config::default().fields("involvedObject.kind=HorizontalPodAutoscaler");
    let (deployments, changed) = follow(Api::namespaced(client.clone(), namespace), ours, ());
    let mut changes = vec![changed];
    let (replica_sets, changed) = follow(Api::namespaced(client.clone(), namespace), of_pods.clone(), ());
    changes.push(changed);
    let (pods, changed) = follow(Api::namespaced(client.clone(), namespace), of_pods, ());
    changes.push(changed);
    let (autoscalers, changed) =
        follow(Api::namespaced(client.clone(), namespace), watcher::Config::default(), ());
    changes.push(changed);
    let (events, changed) = follow(Api::namespaced(client.clone(), namespace), of_autoscalers, ());
    changes.push(changed);
    let scaled_objects = keda(client, namespace).await?.map(|(api, resource)| {
        let (store, changed) = follow(api, watcher::Config::default(), resource);
        changes.push(changed);
        store
    });
    let stores = Stores { deployments, replica_sets, pods, autoscalers, events, scaled_objects };
    Ok((stores, select_all(changes)))
}

/// KEDA's ScaledObjects, where KEDA is installed and we may see them.
async fn keda(client: &Client, namespace: &str) -> Result<Option<(Api<DynamicObject>, ApiResource)>, Error> {
    let resource = scaled_object();
    let api = Api::namespaced_with(client.clone(), namespace, &resource);
    match timeout(PATIENCE, api.list(&ListParams::default().limit(1))).await.map_err(|_| Error::Silence)? {
        Ok(_) => Ok(Some((api, resource))),
        // A kind that is not served is told in plain text, without a reason to go by.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
        Err(error) => Err(Error::Watch(watcher::Error::InitialListFailed(error))),
    }
}

/// The kind of KEDA's ScaledObjects.
pub(super) fn scaled_object() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject"))
}

fn follow<K>(api: Api<K>, config: watcher::Config, kind: <K as Lookup>::DynamicType) -> (Store<K>, Changes)
where
    K: Resource<DynamicType = <K as Lookup>::DynamicType>
        + Lookup
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
    <K as Lookup>::DynamicType: Eq + std::hash::Hash + Clone + Send + Sync,
{
    let writer = Writer::new(kind);
    let store = writer.as_reader();
    let changes = reflector::reflector(writer, watcher(api, config)).map(|event| match event {
        Ok(Event::Init | Event::InitApply(_)) => Ok(Change::Listing),
        Ok(Event::InitDone) => Ok(Change::Listed),
        Ok(Event::Apply(_) | Event::Delete(_)) => Ok(Change::Object),
        // The version that it watched from is too old: it lists again by itself.
        Err(watcher::Error::WatchError(status)) if status.code == 410 => Ok(Change::Listing),
        Err(error) => Err(Error::Watch(error)),
    });
    (store, changes.boxed())
}
