//! A presenter in front of the show: commands, and waits for what the live stream tells.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use model::Millis;
use model::command::{Command, Outcome};
use model::load::LoadSettings;
use model::snapshot::Phase;
use model::wire::{Picture, Snapshot};
use test_client::{Live, Session, View};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::now_ms;
use crate::demo::Demo;

/// From whatever state to a calm one: a burst ends, lag drains, pods leave one window of scale-in later.
const CALM_LIMIT: Duration = Duration::from_secs(120);
/// Records of one input that are no backlog: what is on its way between two commits under default load.
const NO_LAG: u64 = 1_500;

/// What the stream last told, and when that arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// When the newest event arrived.
    pub(crate) at_ms: f64,
    /// The state after it.
    pub(crate) now: Snapshot,
}

/// A signed-in presenter with an open stream.
pub(crate) struct Show {
    session: Session,
    seen: watch::Receiver<Seen>,
    reader: JoinHandle<()>,
}

impl Show {
    /// Signs in and opens the stream.
    pub(crate) async fn open(demo: &Demo, http: &reqwest::Client) -> Result<Self> {
        let mut session = Session::new(&demo.url, http);
        session.sign_in(&demo.passcode).await?;
        let live = Live::open(http, &demo.url, View::Show, None, &session.cookie()).await?;
        let (sender, seen) = watch::channel(Seen::default());
        let reader = tokio::spawn(async move {
            if let Err(error) = read(live, &sender).await {
                eprintln!("{error:#}");
            }
        });
        Ok(Self { session, seen, reader })
    }

    /// Gives a command, and fails unless it is carried out.
    pub(crate) async fn command(&self, command: Command) -> Result<()> {
        match self.session.command(&command).await? {
            Outcome::Done => Ok(()),
            outcome => bail!("{command:?} was answered with {outcome:?}"),
        }
    }

    /// Sets the base rate and waits until it is in force: the next command starts from what the server has read back.
    pub(crate) async fn base(&mut self, frames_per_second: u32) -> Result<()> {
        self.command(Command::Base { frames_per_second }).await?;
        let in_force = |now: &Snapshot| now.load.as_ref().is_some_and(|load| load.base == frames_per_second);
        self.until("another base rate", CALM_LIMIT, in_force).await.map(drop)
    }

    /// Switches the autoscaler and waits until that is in force.
    pub(crate) async fn autoscaler(&mut self, enabled: bool) -> Result<()> {
        self.command(Command::Autoscaler { enabled }).await?;
        let in_force =
            |now: &Snapshot| now.cluster.as_ref().is_some_and(|cluster| cluster.policy.enabled == enabled);
        self.until("the autoscaler's switch", CALM_LIMIT, in_force).await.map(drop)
    }

    /// The newest state.
    pub(crate) fn now(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until the state is as wanted; the state that was.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Snapshot) -> bool,
    ) -> Result<Seen> {
        let found = tokio::time::timeout(limit, self.seen.wait_for(|seen| wanted(&seen.now)));
        let found = found.await.map(|found| found.map(|seen| seen.clone()));
        match found {
            Ok(found) => found.context("the live stream has ended"),
            Err(_) => bail!("{what}: not within {limit:?}; the last state was {:?}", self.now().now),
        }
    }

    /// Brings the show to its defaults and waits until it is calm: no lag, the fewest pods, all ready and owning.
    pub(crate) async fn calm(&mut self) -> Result<()> {
        self.until("the first sample", CALM_LIMIT, |now| now.lag.is_some() && now.cluster.is_some()).await?;
        if !is_calm(&self.now().now) {
            self.command(Command::Reset { confirmed: true }).await?;
        }
        self.until("a calm show", CALM_LIMIT, is_calm).await?;
        Ok(())
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut live: Live, seen: &watch::Sender<Seen>) -> Result<()> {
    let mut picture = Picture::default();
    loop {
        if live.next().await?.apply(&mut picture)? {
            seen.send_replace(Seen { at_ms: now_ms(), now: picture.snapshot.clone() });
        }
    }
}

/// Whether nothing goes on but the default load.
fn is_calm(now: &Snapshot) -> bool {
    let Some(cluster) = &now.cluster else { return false };
    let load = now.load.clone().unwrap_or_default();
    let burst_ended = |at_ms: Millis| load.burst.is_none_or(|burst| burst.until_ms < at_ms);
    let settled =
        LoadSettings { burst: None, ..load.clone() } == LoadSettings::default() && burst_ended(now.at_ms);
    let lag_is_low = now.lag.as_ref().and_then(|lag| lag.worst()).is_some_and(|(_, lag)| lag < NO_LAG);
    settled
        && cluster.policy.enabled
        && cluster.desired == cluster.policy.min
        && is_whole(now)
        && lag_is_low
        && now.progress.is_none()
        && now.outages.kafka.is_none()
}

/// Whether all pods that are asked for are there, ready, and own all partitions between them.
pub(crate) fn is_whole(now: &Snapshot) -> bool {
    let (Some(cluster), Some(ownership)) = (&now.cluster, &now.ownership) else { return false };
    let owned = |pod: &str| ownership.tasks.iter().any(|owner| owner.pod.as_deref() == Some(pod));
    cluster.pods.len() == cluster.desired as usize
        && cluster.pods.iter().all(|pod| pod.phase == Phase::Ready && owned(&pod.name))
        && ownership.state == "Stable"
        && ownership.tasks.iter().all(|owner| owner.pod.is_some() && owner.idle_since_ms.is_none())
}
