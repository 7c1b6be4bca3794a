//! The task that lists and watches. Its life is a row of sessions: each makes a client, lists every kind, watches, and
//! ends with the first thing that goes wrong; the next one begins anew. That makes one way back from everything: a lost
//! watch, an expired token, an API server that was away.

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
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
use model::topics::Topic;
use model::{DEPLOYMENT, Millis};
use serde::de::DeserializeOwned;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::connect::{Connection, Renewal};
use super::fold::{Objects, Seen, fold};
use super::{Error, Observation, Shared, lock};

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
/// How long to wait before new credentials are asked for again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// How often to look whether kinds that we may not see are shown by now.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A session that lived this long was well: what ended it may be over already.
const STEADY: Duration = Duration::from_secs(5);

/// Watches; see the module. `C` makes a new client.
pub(super) struct Watch<C> {
    pub(super) connect: C,
    pub(super) namespace: String,
    pub(super) topics: Vec<Topic>,
    pub(super) clock: fn() -> Millis,
    pub(super) shared: Arc<Shared>,
    pub(super) observations: channel::Sender<Observation>,
}

impl<C, F> Watch<C>
where
    C: Fn(Renewal) -> F + Send + Sync,
    F: Future<Output = Result<Connection, Error>> + Send,
{
    /// Watches until it is dropped.
    pub(super) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut heard_ms = (self.clock)();
        let (mut renewal, mut next) = (Renewal::WhenDue, None);
        loop {
            let began = Instant::now();
            let connection = match next.take() {
                Some(connection) => Ok(connection),
                None => self.connect(renewal, heard_ms).await,
            };
            let ended = match connection {
                Ok(connection) => self.session(connection, &mut heard_ms).await,
                Err(error) => Err(error),
            };
            let error = match ended {
                Ok(connection) => {
                    debug!("watching anew with new credentials");
                    next = Some(connection);
                    continue;
                }
                Err(error) => error,
            };
            renewal = if error.is_unauthorized() { Renewal::Now } else { Renewal::WhenDue };
            let was_steady = began.elapsed() >= STEADY;
            if was_steady {
                pause = FIRST_PAUSE;
            }
            match error {
                Error::Hidden => debug!(%error, "watching anew"),
                // A connection that is closed, as when an API server is replaced, is no outage yet.
                error if was_steady && !matches!(error, Error::Silence) => info!(%error, "watching anew"),
                error => self.tell(Some(Outage { since_ms: heard_ms, reason: error.to_string() })),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A connection; that it takes long is told.
    async fn connect(&self, renewal: Renewal, heard_ms: Millis) -> Result<Connection, Error> {
        let mut connecting = std::pin::pin!((self.connect)(renewal));
        if let Ok(connection) = timeout(PATIENCE, &mut connecting).await {
            return connection;
        }
        self.tell(Some(Outage { since_ms: heard_ms, reason: Error::Credentials.to_string() }));
        connecting.await
    }

    /// The connection that follows, made before the credentials of this one end.
    async fn successor(&self, renew_at: Option<Instant>) -> Connection {
        let Some(renew_at) = renew_at else { return std::future::pending().await };
        tokio::time::sleep_until(renew_at).await;
        loop {
            match (self.connect)(Renewal::WhenDue).await {
                Ok(connection) => return connection,
                Err(error) => warn!(%error, "the credentials end soon, and there are no new ones"),
            }
            sleep(RENEWAL_PAUSE).await;
        }
    }

    /// Lists and watches until something goes wrong, or there are new credentials. `heard_ms` is when the API server
    /// last answered.
    async fn session(&self, connection: Connection, heard_ms: &mut Millis) -> Result<Connection, Error> {
        let Connection { client, renew_at } = connection;
        let mut successor = std::pin::pin!(self.successor(renew_at));
        let label = label(&client).await?;
        self.observations.send_if_modified(|observation| {
            std::mem::replace(&mut observation.label, label.clone()) != label
        });
        let (stores, mut changes) = open(&client, &self.namespace).await?;
        *lock(&self.shared.client) = Some(client.clone());
        let mut to_list = changes.len();
        let look_again = async {
            match stores.hidden_kinds.is_empty() {
                true => std::future::pending().await,
                false => sleep(LOOK_AGAIN).await,
            }
        };
        let mut look_again = std::pin::pin!(look_again);
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
                            self.publish(&stores.objects(&self.topics));
                        }
                    }
                    Change::Object if to_list == 0 => self.publish(&stores.objects(&self.topics)),
                    Change::Object => {}
                },
                Some(answer) = answers.next() => drop(answer?),
                () = &mut look_again => return Err(Error::Hidden),
                connection = &mut successor => return Ok(connection),
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
        let observation = self.observations.borrow().clone();
        let cluster = fold(objects, Seen { before: observation.cluster.as_ref(), killed: &killed, now_ms });
        if cluster.is_none() {
            let missing = Error::NoDeployment { name: DEPLOYMENT, namespace: self.namespace.clone() };
            let since_ms = observation.outage.map_or(now_ms, |outage| outage.since_ms);
            self.tell(Some(Outage { since_ms, reason: missing.to_string() }));
        } else {
            self.tell(None);
        }
        // A Deployment that was deleted has no pods; what else was known of it is all there is to say.
        let cluster = cluster.or_else(|| {
            observation.cluster.map(|before| Cluster {
                pods: Vec::new(),
                desired: 0,
                decision: None,
                ..before
            })
        });
        self.observations.send_if_modified(|observation| {
            let is_new = observation.cluster != cluster;
            observation.cluster = cluster;
            is_new
        });
    }

    fn tell(&self, outage: Option<Outage>) {
        self.observations.send_if_modified(|observation| {
            let is_new = observation.outage != outage;
            match (&observation.outage, &outage) {
                (None, Some(outage)) => warn!(reason = outage.reason, "the cluster cannot be seen"),
                (Some(_), None) => info!("the cluster can be seen again"),
                _ => {}
            }
            observation.outage = outage;
            is_new
        });
    }
}

/// What the API server calls itself, for example `Kubernetes 1.37`.
pub(super) async fn label(client: &Client) -> Result<String, Error> {
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

/// Without Deployments and pods there is nothing to show. The others may be hidden from us: `None`.
struct Stores {
    deployments: Store<Deployment>,
    replica_sets: Option<Store<ReplicaSet>>,
    pods: Store<Pod>,
    autoscalers: Option<Store<HorizontalPodAutoscaler>>,
    events: Option<Store<EventObject>>,
    scaled_objects: Option<Store<DynamicObject>>,
    hidden_kinds: Vec<String>,
}

impl Stores {
    fn objects(&self, topics: &[Topic]) -> Objects {
        fn all<K: Watched>(store: Option<&Store<K>>) -> Vec<Arc<K>> {
            store.map(Store::state).unwrap_or_default()
        }
        let Self { deployments, replica_sets, pods, autoscalers, events, scaled_objects, hidden_kinds } =
            self;
        Objects {
            topics: topics.to_vec(),
            deployments: deployments.state(),
            replica_sets: all(replica_sets.as_ref()),
            pods: pods.state(),
            autoscalers: all(autoscalers.as_ref()),
            events: all(events.as_ref()),
            scaled_objects: all(scaled_objects.as_ref()),
            hidden_kinds: hidden_kinds.clone(),
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
    let (pods, changed) = follow(Api::namespaced(client.clone(), namespace), of_pods.clone(), ());
    changes.push(changed);
    let mut hidden = Vec::new();
    let api = Api::namespaced(client.clone(), namespace);
    let replica_sets = follow_if_shown(api, of_pods, (), &mut changes, &mut hidden).await?;
    let api = Api::namespaced(client.clone(), namespace);
    let autoscalers = follow_if_shown(api, watcher::Config::default(), (), &mut changes, &mut hidden).await?;
    let api = Api::namespaced(client.clone(), namespace);
    let events = follow_if_shown(api, of_autoscalers, (), &mut changes, &mut hidden).await?;
    let api = Api::namespaced_with(client.clone(), namespace, &scaled_object());
    // Most clusters have no KEDA, and whoever may not see its objects is not told whether there are any.
    let (all, mut of_keda) = (watcher::Config::default(), Vec::new());
    let scaled_objects = follow_if_shown(api, all, scaled_object(), &mut changes, &mut of_keda).await?;
    let stores =
        Stores { deployments, replica_sets, pods, autoscalers, events, scaled_objects, hidden_kinds: hidden };
    Ok((stores, select_all(changes)))
}

/// A kind that can be followed.
trait Watched:
    Resource<DynamicType = <Self as Lookup>::DynamicType>
    + Lookup<DynamicType: Eq + Hash + Clone + Send + Sync>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl Watched for Deployment {}
impl Watched for ReplicaSet {}
impl Watched for Pod {}
impl Watched for HorizontalPodAutoscaler {}
impl Watched for EventObject {}
impl Watched for DynamicObject {}

/// Follows a kind that we can do without, if it is there and we may see it. One that we may not see is noted.
async fn follow_if_shown<K: Watched>(
    api: Api<K>,
    config: watcher::Config,
    kind: <K as Lookup>::DynamicType,
    changes: &mut Vec<Changes>,
    hidden: &mut Vec<String>,
) -> Result<Option<Store<K>>, Error> {
    let asked = timeout(PATIENCE, api.list_metadata(&ListParams::default().limit(1))).await;
    match asked.map_err(|_| Error::Silence)? {
        Ok(_) => {
            let (store, changed) = follow(api, config, kind);
            changes.push(changed);
            Ok(Some(store))
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            hidden.push(<K as Resource>::plural(&kind).into_owned());
            Ok(None)
        }
        // A kind that is not served is told in plain text, without a reason to go by.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(Error::Watch(watcher::Error::InitialListFailed(error))),
    }
}

/// The kind of KEDA's ScaledObjects.
pub(super) fn scaled_object() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject"))
}

fn follow<K: Watched>(
    api: Api<K>,
    config: watcher::Config,
    kind: <K as Lookup>::DynamicType,
) -> (Store<K>, Changes) {
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
