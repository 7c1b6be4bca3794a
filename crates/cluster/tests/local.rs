//! The local cluster with real processes: `examples/fake_pod.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cluster::LagView;
use cluster::local::{Local, LocalConfig, start};
use model::controls::{ClusterControls, Manner, Refusal};
use model::lag::Group;
use model::policy::Policy;
use model::scaling::Verdict;
use model::snapshot::{Cluster, EndReason, Lag, Phase, Pod};
use model::topics::{Tasks, Topic, Topics};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const TOPICS: [&str; 2] = ["rq", "rs"];

fn now_ms() -> u64 {
    u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Cargo builds examples beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples").join(name)
}

fn config(policy: Policy) -> LocalConfig {
    LocalConfig {
        streams: example("fake_pod"),
        args: vec!["--log".into(), "warn".into()],
        capacity: 2_000,
        policy,
        max_pods: 12,
        sync: Duration::from_millis(100),
        grace: Duration::from_millis(500),
        log_dir: None,
        clock: now_ms,
    }
}

fn by_hand(min: u32) -> Policy {
    Policy { enabled: false, min, ..Policy::on_lag_of(TOPICS) }
}

struct Show {
    local: Local,
    lag: watch::Sender<Option<LagView>>,
    shutdown: CancellationToken,
}

impl Show {
    fn start(config: LocalConfig) -> Self {
        let (lag, received) = watch::channel(None);
        let shutdown = CancellationToken::new();
        let local = start(config, StdRng::seed_from_u64(7), received, shutdown.clone());
        Self { local, lag, shutdown }
    }

    /// Waits for a state; says which one there was when it does not come.
    async fn until(&mut self, what: &str, holds: impl FnMut(&Cluster) -> bool) -> Cluster {
        let waited =
            timeout(PATIENCE, self.local.cluster.wait_for(holds)).await.map(|state| state.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("never {what}: {:#?}", self.local.cluster.borrow()))
    }

    async fn until_ready(&mut self, pods: usize) -> Cluster {
        self.until("ready", |cluster| cluster.ready() == pods && cluster.pods.len() == pods).await
    }

    /// Both topics have this lag, which nobody owns.
    fn set_lag(&self, total: u64) {
        let lag = Lag {
            sampled_ms: now_ms(),
            topics: Topics { list: TOPICS.map(Topic::new).to_vec(), tasks: Tasks::Joined },
            partitions: vec![vec![Some(total)]; 2],
            lost: 0,
            doubts: Vec::new(),
        };
        let group = Group { state: "Stable".into(), owners: vec![vec![None]; 2], members: Vec::new() };
        self.lag.send_replace(Some(LagView { lag, group: Some(group) }));
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.local.task).await.expect("the cluster stops").unwrap();
        assert_eq!(self.local.cluster.borrow().pods, []);
    }
}

fn names(cluster: &Cluster) -> BTreeSet<String> {
    cluster.pods.iter().map(|pod| pod.name.clone()).collect()
}

fn pod<'a>(cluster: &'a Cluster, name: &str) -> Option<&'a Pod> {
    cluster.pods.iter().find(|pod| pod.name == name)
}

fn is_terminating(pod: &Pod) -> bool {
    matches!(pod.phase, Phase::Terminating { .. })
}

#[tokio::test]
async fn pods_become_ready_each_with_a_colour_of_its_own_and_end_with_the_cluster() {
    let mut show = Show::start(config(by_hand(3)));
    let cluster = show.until_ready(3).await;
    assert_eq!(cluster.pods.iter().map(|pod| pod.slot).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(cluster.pods.iter().all(|pod| pod.name.starts_with("kstreams-") && pod.revision == 1));
    show.stop().await;
}

#[tokio::test]
async fn a_crashed_pod_starts_again_under_its_name_and_the_second_time_it_waits() {
    let mut show = Show::start(config(by_hand(1)));
    let name = show.until_ready(1).await.pods[0].name.clone();
    show.local.controls.kill(&name, Manner::Crash).await.unwrap();
    let cluster =
        show.until("restarted", |cluster| cluster.pods[0].restarts == 1 && cluster.ready() == 1).await;
    assert_eq!(names(&cluster), BTreeSet::from([name.clone()]));
    show.local.controls.kill(&name, Manner::Crash).await.unwrap();
    let cluster = show.until("down", |cluster| matches!(cluster.pods[0].phase, Phase::Crashed { .. })).await;
    let Phase::Crashed { retry_ms: Some(retry_ms) } = cluster.pods[0].phase else { panic!("{cluster:?}") };
    assert_eq!(retry_ms - cluster.pods[0].phase_since_ms, 10_000);
    let again = show.local.controls.kill(&name, Manner::Crash).await;
    assert!(matches!(again, Err(Refusal::Rejected(_))), "{again:?}");
    // A deleted pod without a process is replaced at once.
    show.local.controls.kill(&name, Manner::Graceful).await.unwrap();
    let cluster = show.until_ready(1).await;
    assert_ne!(cluster.pods[0].name, name);
    show.stop().await;
}

#[tokio::test]
async fn a_killed_pod_is_replaced_at_once_under_a_new_name() {
    let mut show = Show::start(config(by_hand(2)));
    let before = show.until_ready(2).await;
    let name = before.pods[0].name.clone();
    show.local.controls.kill(&name, Manner::Graceful).await.unwrap();
    let at_once = show.local.cluster.borrow().clone();
    assert_eq!(pod(&at_once, &name).unwrap().phase, Phase::Terminating { reason: EndReason::Killed });
    assert_eq!((at_once.pods.len(), at_once.pods[2].slot), (3, 2), "the replacement has a colour of its own");
    let after = show.until("replaced", |cluster| cluster.ready() == 2 && pod(cluster, &name).is_none()).await;
    assert_eq!(names(&before).intersection(&names(&after)).count(), 1);
    assert!(show.local.controls.kill(&name, Manner::Graceful).await.is_err());
    show.stop().await;
}

#[tokio::test]
async fn a_pod_that_does_not_stop_is_killed_after_its_grace() {
    let mut config = config(by_hand(1));
    config.args.push("--stubborn".into());
    let mut show = Show::start(config);
    let name = show.until_ready(1).await.pods[0].name.clone();
    show.local.controls.kill(&name, Manner::Graceful).await.unwrap();
    show.until("killed", |cluster| pod(cluster, &name).is_none()).await;
    show.stop().await;
}

#[tokio::test]
async fn a_pod_that_cannot_start_crashes_and_backs_off() {
    let mut config = config(by_hand(1));
    config.args.push("--broken".into());
    let mut show = Show::start(config);
    let waiting = |cluster: &Cluster| {
        cluster
            .pods
            .iter()
            .any(|pod| pod.restarts == 1 && matches!(pod.phase, Phase::Crashed { retry_ms: Some(_) }))
    };
    show.until("backing off", waiting).await;
    show.stop().await;
}

#[tokio::test]
async fn a_pod_whose_probe_fails_is_not_ready_until_it_passes_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ready");
    let mut config = config(by_hand(1));
    config.args.extend(["--ready-while".into(), file.display().to_string()]);
    let mut show = Show::start(config);
    show.until("started", |cluster| cluster.pods.iter().any(|pod| pod.phase == Phase::Starting)).await;
    std::fs::write(&file, "").unwrap();
    show.until_ready(1).await;
    std::fs::remove_file(&file).unwrap();
    show.until("unready", |cluster| cluster.ready() == 0).await;
    std::fs::write(&file, "").unwrap();
    show.until_ready(1).await;
    show.stop().await;
}

#[tokio::test]
async fn the_autoscaler_follows_the_lag_and_freezes_without_it() {
    let mut policy = Policy::on_lag_of(TOPICS);
    policy.down.stabilization_ms = 0;
    let mut show = Show::start(config(policy));
    let blind = |cluster: &Cluster| {
        cluster.decision.as_ref().is_some_and(|decision| matches!(decision.verdict, Verdict::Blind { .. }))
    };
    show.until("blind", blind).await;
    show.set_lag(14_000);
    show.until_ready(3).await;
    show.set_lag(0);
    let scaled_in = Phase::Terminating { reason: EndReason::ScaledIn };
    show.until("shrinking", |cluster| cluster.pods.iter().any(|pod| pod.phase == scaled_in)).await;
    show.until_ready(1).await;
    let by_hand = show.local.controls.scale(2).await;
    assert!(matches!(by_hand, Err(Refusal::Rejected(_))), "{by_hand:?}");
    show.stop().await;
}

#[tokio::test]
async fn zero_replicas_suspend_the_autoscaler_until_there_are_some_again() {
    let mut show = Show::start(config(Policy::on_lag_of(TOPICS)));
    show.until_ready(1).await;
    show.set_lag(50_000);
    show.local.controls.scale(0).await.unwrap();
    show.until("empty", |cluster| cluster.pods.is_empty()).await;
    let suspended = |cluster: &Cluster| {
        cluster.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Suspended)
    };
    show.until("suspended", suspended).await;
    show.set_lag(50_000);
    show.local.controls.scale(1).await.unwrap();
    show.until("growing", |cluster| cluster.desired == 4).await;
    show.stop().await;
}

#[tokio::test]
async fn a_rolling_upgrade_keeps_as_many_pods_ready_as_desired() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(by_hand(3));
    config.log_dir = Some(dir.path().to_owned());
    let mut show = Show::start(config);
    let before = show.until_ready(3).await;
    show.local.controls.roll(Some(3_000)).await.unwrap();
    let mut most = 0;
    let upgraded = |cluster: &Cluster| {
        assert!(cluster.ready() >= 3, "{cluster:#?}");
        most = most.max(cluster.current());
        cluster.pods.len() == 3 && cluster.pods.iter().all(|pod| pod.revision == 2)
    };
    let after = show.until("upgraded", upgraded).await;
    assert_eq!((after.capacity, after.revision, most), (3_000, 2, 4));
    assert!(names(&before).is_disjoint(&names(&after)));
    show.local.controls.restart_all().await.unwrap();
    let restarted = |cluster: &Cluster| cluster.ready() == 3 && !cluster.pods.iter().any(is_terminating);
    let replaced = |cluster: &Cluster| restarted(cluster) && names(cluster).is_disjoint(&names(&after));
    show.until("restarted", replaced).await;
    let log = std::fs::read_to_string(dir.path().join(format!("{}.log", after.pods[0].name))).unwrap();
    assert!(log.contains("with capacity 3000"), "{log}");
    show.stop().await;
}

#[tokio::test]
async fn replicas_are_set_by_hand_while_the_autoscaler_is_off() {
    let mut show = Show::start(config(by_hand(1)));
    show.until_ready(1).await;
    show.local.controls.scale(3).await.unwrap();
    show.until_ready(3).await;
    show.local.controls.scale(1).await.unwrap();
    show.until_ready(1).await;
    assert!(show.local.controls.scale(5).await.is_err());
    let off = |cluster: &Cluster| {
        cluster.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Off)
    };
    show.until("off", off).await;
    let above = Policy { max: 13, ..Policy::on_lag_of(TOPICS) };
    assert!(show.local.controls.set_policy(above).await.is_err());
    show.local.controls.set_policy(Policy { min: 2, ..Policy::on_lag_of(TOPICS) }).await.unwrap();
    show.until_ready(2).await;
    show.stop().await;
}

#[tokio::test]
async fn pods_end_even_when_their_parent_is_killed() {
    // Every pod holds a connection to the witness for as long as it lives.
    let witness = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = witness.local_addr().unwrap().to_string();
    let mut command = tokio::process::Command::new(example("fake_parent"));
    command.arg(example("fake_pod")).arg(address).kill_on_drop(true);
    let mut parent = command.spawn().unwrap();
    let mut pods = Vec::new();
    for _ in 0..2 {
        pods.push(timeout(PATIENCE, witness.accept()).await.unwrap().unwrap().0);
    }
    parent.kill().await.unwrap();
    for mut pod in pods {
        let end = timeout(Duration::from_secs(5), pod.read(&mut [0])).await.expect("the pod ends within 5 s");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}
