//! The demo that `deploy/` put into the cluster, whole and calm when a test begins.

use std::future::Future;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Secret, Service};
use kube::{Api, Client, Config};
use model::Millis;
use model::command::{Command, Outcome};
use model::snapshot::Cluster;
use model::wire::Snapshot;
use process::Clock;

use crate::page::Page;
use crate::presenter::Presenter;
use crate::truth::Truth;
use crate::wait::until;

/// Where the demo is.
pub const NAMESPACE: &str = "king-of-scaling";
/// What may pass until the page shows what the cluster does.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);
/// A pod's start on a busy machine.
const A_WHILE: Duration = Duration::from_secs(60);
/// No step of the autoscaler's lies that far back: its rules remember none.
const STILL: Duration = Duration::from_secs(6);

/// The demo, seen from all sides.
pub struct Demo {
    /// The administrator's way to the API server.
    pub client: Client,
    /// What the audience sees.
    pub page: Page,
    /// What Kubernetes says.
    pub truth: Truth,
    /// lag-api's admin port.
    pub lag_api: String,
    passcode: String,
}

impl Demo {
    /// Waits until everything answers, and resets it as a presenter would: one pod, no lag, the autoscaler on.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn calm() -> Self {
        let client = until("the API server answers", A_WHILE, || async {
            let client = administrator().await.ok()?;
            client.apiserver_version().await.ok().map(|_| client)
        })
        .await;
        let address = |service: Service| service.spec.and_then(|spec| spec.cluster_ip).expect("an address");
        let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
        let server = address(services.get("server").await.expect("the Service server"));
        let lag_api = address(services.get("lag-api").await.expect("the Service lag-api"));
        let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        let secret = secrets.get("king-secrets").await.expect("the Secret king-secrets");
        let passcode = secret.data.and_then(|data| data.get("passcode").cloned()).expect("a passcode");
        let demo = Self {
            truth: Truth::watch(&client).await,
            page: Page::open(&format!("http://{server}")).await,
            lag_api: format!("http://{lag_api}:9090"),
            passcode: String::from_utf8(passcode.0).expect("a passcode is text"),
            client,
        };
        demo.calm_down().await;
        demo
    }

    async fn calm_down(&self) {
        let sees =
            |what| self.page.until(what, A_WHILE, |now| (now.outages == Default::default()).then_some(()));
        sees("nothing is away").await;
        assert_eq!(self.ask(Command::Reset { confirmed: true }).await, Outcome::Done);
        self.page.until("the reset begins", A_WHILE, |now| now.progress.clone()).await;
        self.page.until("the reset ends", A_WHILE, |now| now.progress.is_none().then_some(())).await;
        let mut since = Instant::now();
        let mut last = None;
        until("one pod without lag, for some seconds", A_WHILE, || {
            let snapshot = self.page.snapshot();
            let worst = snapshot.lag.as_ref().and_then(|lag| lag.worst()).map(|(_, lag)| lag);
            let calm = self.truth.ready().len() == 1
                && self.truth.replicas() == Some(1)
                && self.truth.names().len() == 1
                && worst.is_some_and(|lag| lag < 1_000)
                && snapshot
                    .cluster
                    .as_ref()
                    .is_some_and(|cluster| self.truth.differs_from(cluster).is_none());
            let now = calm.then(|| self.truth.names());
            if now.is_none() || now != last {
                since = Instant::now();
                last = now;
            }
            let still = since.elapsed() > STILL;
            async move { still.then_some(()) }
        })
        .await;
    }

    /// Presses a button of the presenter's.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn ask(&self, command: Command) -> Outcome {
        let presenter = Presenter::sign_in(&self.passcode).await.expect("the presenter is let in");
        presenter.ask(&command).await.expect("the server answers")
    }

    /// Presses a button that has to work.
    ///
    /// # Panics
    /// When it does not.
    pub async fn press(&self, command: Command) {
        assert_eq!(self.ask(command.clone()).await, Outcome::Done, "{command:?}");
    }

    /// Waits until something is so in the cluster and on the page, which must not be later by more than a second.
    ///
    /// # Panics
    /// When it is later, or neither comes.
    pub async fn both(
        &self,
        what: &str,
        in_cluster: impl Fn(&Truth) -> bool,
        on_page: impl Fn(&Cluster) -> bool,
    ) {
        let (mut here, mut there) = (None, None);
        until(what, A_WHILE, || {
            let now = Instant::now();
            here = here.or_else(|| in_cluster(&self.truth).then_some(now));
            there = there.or_else(|| on_page(&self.page.cluster()).then_some(now));
            let done = here.is_some() && there.is_some();
            let late = here.is_some_and(|here| there.is_none() && here.elapsed() > SHOWN_WITHIN);
            assert!(!late, "a second after the cluster, the page does not show: {what}");
            async move { done.then_some(()) }
        })
        .await;
        let (here, there) = (here.expect("seen"), there.expect("seen"));
        println!(
            "{what}: on the page {} ms after the watch",
            there.saturating_duration_since(here).as_millis()
        );
    }

    /// Waits until page and cluster say the same in everything, for which they have a second.
    ///
    /// # Panics
    /// When they go on to differ.
    pub async fn agree(&self) {
        let begin = Instant::now();
        loop {
            let Some(difference) = self.truth.differs_from(&self.page.cluster()) else { return };
            assert!(begin.elapsed() < SHOWN_WITHIN, "{difference}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until there are so many pods, all of them ready, and the page says the same.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn settled(&self, pods: usize) {
        until("all pods are ready", A_WHILE, || {
            let settled = self.truth.ready().len() == pods && self.truth.pods().len() == pods;
            async move { settled.then_some(()) }
        })
        .await;
        self.agree().await;
    }

    /// Pauses the load and waits until everything is processed.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn without_load(&self) {
        self.press(Command::Base { frames_per_second: 0 }).await;
        let still = |now: &Snapshot| {
            let (rates, lag) = (now.rates.as_ref()?, now.lag.as_ref()?);
            (rates.produced == 0 && rates.consumed == 0 && lag.worst()?.1 == 0).then_some(())
        };
        self.page.until("no load and no lag", A_WHILE, still).await;
    }

    /// Switches the autoscaler off and sets the number of pods.
    ///
    /// # Panics
    /// When the pods do not come.
    pub async fn by_hand(&self, replicas: u32) {
        self.press(Command::Autoscaler { enabled: false }).await;
        let is_off = |cluster: &Cluster| !cluster.policy.enabled;
        self.page
            .until("the autoscaler is off", A_WHILE, |now| {
                now.cluster.as_ref().map(is_off).filter(|off| *off)
            })
            .await;
        self.press(Command::Scale { replicas }).await;
        self.settled(replicas as usize).await;
    }
}

/// The administrator's client. It does not try again by itself: a refusal is what a test may be after.
///
/// # Errors
/// When there is no kubeconfig.
pub async fn administrator() -> anyhow::Result<Client> {
    let mut config = Config::infer().await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// Milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> Millis {
    Clock::system().now_ms()
}

/// Polls until something is so, and says how long that took.
///
/// # Panics
/// When it does not come within a minute.
pub async fn timed<T, F>(what: &str, look: impl FnMut() -> F) -> (T, Duration)
where
    F: Future<Output = Option<T>>,
{
    let begin = Instant::now();
    let found = until(what, A_WHILE, look).await;
    (found, begin.elapsed())
}
