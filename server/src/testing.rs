//! A server on a stage: the real router and the real fold, with fakes where the outside would be.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request, Response, header};
use kafka::control::Control;
use model::Millis;
use model::clocks::Watch;
use model::controls::{ClusterControls, KafkaControls, Manner, Refusal};
use model::dead_letters::DeadLetters;
use model::fold::Fold;
use model::history::{History, Second};
use model::lag::{Group, PartitionOffsets, Sample, Sampled};
use model::load::LoadSettings;
use model::policy::Policy;
use model::snapshot::{Cluster, Phase, Pod};
use phone_game::PhoneGame;
use process::{Clock, Shutdown};
use tokio::sync::watch;
use tower::ServiceExt;
use workload::Frame;

use crate::access::{Access, Front, PublicUrl};
use crate::commands::{Commander, Parts};
use crate::demo;
use crate::invitation::{Invitation, Invitations};
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::play::TapWriter;
use crate::refusals::Refusals;
use crate::show::{Feeds, Keep, Notes, Show};
use crate::site::Site;
use crate::state::Server;

pub(crate) const START: Millis = 1_000_000_000;
pub(crate) const PASSCODE: &str = "kumite";
pub(crate) const LOCAL: &str = "127.0.0.1:50000";
pub(crate) const ROOM: &str = "192.0.2.7:50000";

/// What was asked of the outside, in order.
#[derive(Debug, Default, Clone)]
pub(crate) struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A cluster that does at once what it is told.
struct FakeCluster {
    record: Record,
    observation: watch::Sender<Option<Cluster>>,
}

#[async_trait]
impl ClusterControls for FakeCluster {
    async fn kill(&self, pod: &str, manner: Manner) -> Result<(), Refusal> {
        self.record.note(format!("kill {pod} {manner:?}"));
        Ok(())
    }

    async fn restart_all(&self) -> Result<(), Refusal> {
        self.record.note("restart all".into());
        Ok(())
    }

    async fn roll(&self, capacity: Option<u32>) -> Result<(), Refusal> {
        self.record.note(format!("roll {capacity:?}"));
        Ok(())
    }

    async fn scale(&self, replicas: u32) -> Result<(), Refusal> {
        self.record.note(format!("scale {replicas}"));
        let pods = (0..replicas).map(|n| pod(&format!("kstreams-new-{n}"), Phase::Ready)).collect();
        self.observation.send_modify(|observation| observation.as_mut().unwrap().pods = pods);
        Ok(())
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), Refusal> {
        self.record.note(format!("policy enabled={} {}..{}", policy.enabled, policy.min, policy.max));
        self.observation.send_modify(|observation| observation.as_mut().unwrap().policy = policy);
        Ok(())
    }
}

struct FakeKafka {
    record: Record,
    /// Why offsets cannot be moved, if they cannot.
    stuck: Arc<Mutex<Option<String>>>,
}

#[async_trait]
impl KafkaControls for FakeKafka {
    async fn set_load(&self, load: LoadSettings) -> Result<(), Refusal> {
        let burst = load.burst.map(|burst| (burst.factor, burst.until_ms - burst.from_ms));
        let shape = load.shape.map_or_else(String::new, |running| format!(" {:?}", running.shape));
        let hot = load.hot.map(|hot| hot.partition);
        self.record.note(format!("load {} {burst:?} {hot:?}{shape}", load.base));
        Ok(())
    }

    async fn keep_policy(&self, policy: Policy) -> Result<(), Refusal> {
        self.record.note(format!("keep policy enabled={}", policy.enabled));
        Ok(())
    }

    async fn skip_to_end(&self) -> Result<(), Refusal> {
        self.record.note("skip to end".into());
        let stuck = self.stuck.lock().unwrap().clone();
        stuck.map_or(Ok(()), |reason| Err(Refusal::Unavailable(reason)))
    }
}

/// A Kafka that takes every tap, at offsets from 100 on.
#[derive(Default)]
struct FakeTaps(AtomicI64);

#[async_trait]
impl TapWriter for FakeTaps {
    async fn write(&self, _: &Frame, partition: u32) -> Result<(u32, i64), Refusal> {
        Ok((partition, 100 + self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

struct KeepNothing;

impl Keep for KeepNothing {
    fn keep(&self, _: &Second) {}
}

/// The server and the other ends of all that feeds it.
pub(crate) struct Stage {
    pub(crate) server: Arc<Server>,
    pub(crate) router: Router,
    pub(crate) sampled: watch::Sender<Sampled>,
    pub(crate) cluster: watch::Sender<Option<Cluster>>,
    pub(crate) control: watch::Sender<Control>,
    pub(crate) dead_letters: watch::Sender<Option<DeadLetters>>,
    pub(crate) clocks: Arc<Mutex<Watch>>,
    pub(crate) notes: Notes,
    pub(crate) record: Record,
    pub(crate) stuck: Arc<Mutex<Option<String>>>,
    pub(crate) now: Arc<AtomicU64>,
    site: tempfile::TempDir,
}

/// A stage without a public address.
pub(crate) fn stage() -> Stage {
    stage_at(None)
}

pub(crate) fn stage_at(public: Option<&str>) -> Stage {
    let now = Arc::new(AtomicU64::new(START));
    let clock = Clock::new({
        let now = Arc::clone(&now);
        move || now.load(Ordering::Relaxed)
    });
    let site = tempfile::tempdir().unwrap();
    std::fs::write(
        site.path().join("manifest.json"),
        r#"{"js":"app-1.js","wasm":"app-1.wasm","css":"app-1.css","fonts":[]}"#,
    )
    .unwrap();
    std::fs::write(site.path().join("app-1.js"), "script").unwrap();
    std::fs::write(site.path().join("app-1.js.br"), "smaller").unwrap();
    let hub = Arc::new(Hub::new(Fold::new(START, demo::source(), History::default(), START)));
    let game = Arc::new(Mutex::new(PhoneGame::new(START)));
    let clocks = Arc::default();
    let (metrics, shutdown, record) = (Arc::new(Metrics::new()), Shutdown::new(), Record::default());
    let stuck = Arc::default();
    let (sampled, sampled_feed) = watch::channel(Sampled::default());
    let (cluster, cluster_feed) = watch::channel(None);
    let (control, control_feed) = watch::channel(Control::default());
    let (dead_letters, dead_letters_feed) = watch::channel(None);
    let (notes, notes_feed) = Notes::channel();
    let commander = Commander::new(Parts {
        hub: Arc::clone(&hub),
        game: Arc::clone(&game),
        kafka: Arc::new(FakeKafka { record: record.clone(), stuck: Arc::clone(&stuck) }),
        observations: cluster_feed.clone(),
        notes: notes.clone(),
        clock: clock.clone(),
        max_pods: 12,
        own_policy: Some(demo::policy()),
    });
    commander.set_cluster(Arc::new(FakeCluster { record: record.clone(), observation: cluster.clone() }));
    let show = Show {
        hub: Arc::clone(&hub),
        game: Arc::clone(&game),
        clocks: Arc::clone(&clocks),
        keep: Box::new(KeepNothing),
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
    };
    let feeds = Feeds {
        sampled: sampled_feed,
        cluster: cluster_feed,
        cluster_outage: watch::channel(None).1,
        control: control_feed,
        dead_letters: dead_letters_feed,
        notes: notes_feed,
    };
    tokio::spawn(show.run(feeds, shutdown.clone()));
    let front = Front {
        public: public.map(|public| PublicUrl::parse(public).unwrap()),
        proxies: vec!["127.0.0.1".parse().unwrap()],
    };
    let server = Arc::new(Server {
        hub,
        game,
        commander: Arc::new(commander),
        taps: Arc::new(FakeTaps::default()),
        access: Access::new(Some(PASSCODE.to_owned()), &[7; 64], front, 8930),
        refusals: Refusals::default(),
        pages: crate::pages::Rendered::default(),
        site: Site::load(site.path()).unwrap(),
        invitations: Invitations::Network(Invitation::to("http://192.0.2.1:8930").unwrap()),
        metrics,
        clock,
        shutdown,
        places: Server::all_places(8_000),
    });
    let router = crate::router::router(Arc::clone(&server));
    Stage { server, router, sampled, cluster, control, dead_letters, notes, record, stuck, now, clocks, site }
}

impl Stage {
    /// Lets time pass, for the server's clock.
    pub(crate) fn pass(&self, millis: Millis) -> Millis {
        self.now.fetch_add(millis, Ordering::Relaxed) + millis
    }

    /// Lets the show fold what it was sent.
    pub(crate) async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// Shows a cluster with these pods, all ready.
    pub(crate) async fn pods(&self, names: &[&str]) {
        let pods: Vec<Pod> = names.iter().map(|name| pod(name, Phase::Ready)).collect();
        let desired = u32::try_from(pods.len()).unwrap();
        let policy = demo::policy();
        self.cluster.send_replace(Some(Cluster {
            pods,
            desired,
            revision: 1,
            capacity: 2_000,
            policy,
            ..Cluster::default()
        }));
        self.settle().await;
    }

    /// One sample: every partition of both inputs has this commit and this end.
    pub(crate) async fn sample(&self, committed: i64, end: i64) {
        self.pass(250);
        self.sampled.send_replace(sampled(self.now.load(Ordering::Relaxed), committed, end, "kstreams-a"));
        self.settle().await;
    }

    /// Asks as a browser on a page of ours would.
    pub(crate) async fn ask(&self, peer: &str, request: Request<Body>) -> Response<Body> {
        let mut request = request;
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        request.headers_mut().entry(header::HOST).or_insert("localhost:8930".parse().unwrap());
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Body> {
        self.ask(LOCAL, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Calls a server function from a page of ours.
    pub(crate) async fn call(&self, visitor: &Visitor, function: &str, arguments: &str) -> Response<Body> {
        self.ask(visitor.peer, visitor.request(function, arguments)).await
    }

    /// Somebody who has typed the passcode on this machine.
    pub(crate) async fn presenter(&self) -> Visitor {
        let visitor = Visitor::at(LOCAL);
        let answer = self.call(&visitor, "sign_in", &format!(r#"{{"passcode":"{PASSCODE}"}}"#)).await;
        Visitor { cookie: Some(cookie(answer.headers())), ..visitor }
    }

    /// A phone that has joined.
    pub(crate) async fn player(&self, fighter: u8) -> Visitor {
        let visitor = Visitor::at(ROOM);
        let answer = self.call(&visitor, "join", &format!(r#"{{"fighter":{fighter}}}"#)).await;
        Visitor { cookie: Some(cookie(answer.headers())), ..visitor }
    }

    /// The directory of the page's files.
    pub(crate) fn site(&self) -> &std::path::Path {
        self.site.path()
    }
}

/// Somebody with a browser.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) peer: &'static str,
    pub(crate) cookie: Option<String>,
    pub(crate) headers: HeaderMap,
}

impl Visitor {
    pub(crate) fn at(peer: &'static str) -> Self {
        let headers = HeaderMap::from_iter([(header::ORIGIN, "http://localhost:8930".parse().unwrap())]);
        Self { peer, cookie: None, headers }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn request(&self, function: &str, arguments: &str) -> Request<Body> {
        let mut request = Request::post(format!("/api/{function}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(arguments.to_owned()))
            .unwrap();
        request.headers_mut().extend(self.headers.clone());
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        }
        request
    }
}

/// The pair that a browser sends back.
pub(crate) fn cookie(headers: &HeaderMap) -> String {
    headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

pub(crate) fn pod(name: &str, phase: Phase) -> Pod {
    Pod {
        name: name.into(),
        slot: 0,
        phase,
        phase_since_ms: START,
        created_ms: START,
        restarts: 0,
        revision: 1,
        node: None,
        reason: None,
        message: None,
    }
}

pub(crate) fn sampled(at_ms: Millis, committed: i64, end: i64, owner: &str) -> Sampled {
    let offsets = Some(PartitionOffsets {
        committed_offset: Some(committed),
        log_start_offset: 0,
        log_end_offset: end,
        high_watermark: Some(end),
    });
    let group = Group {
        state: "Stable".into(),
        owners: vec![vec![Some(owner.to_owned()); 12]; 2],
        members: Vec::new(),
    };
    let sample = Sample {
        sampled_ms: at_ms,
        topics: Arc::new(kafka::sampler::demo_topics()),
        offsets: vec![vec![offsets; 12]; 2],
        doubts: Vec::new(),
        group: Some(group),
    };
    Sampled { sample: Some(sample), outage: None }
}
