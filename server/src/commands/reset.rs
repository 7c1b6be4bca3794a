//! The reset: load, autoscaler and players as at the beginning, pods to none, offsets to the end, pods to the minimum.
//!
//! It runs as a task of its own and says in the picture how far it has come. A step that fails is said there too, and
//! the pods are put back.

use std::sync::Arc;
use std::time::Duration;

use model::Millis;
use model::command::Outcome;
use model::controls::Refusal;
use model::load::LoadSettings;
use model::policy::Policy;
use model::snapshot::{Cluster, Progress};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{Commander, confirm, no_cluster, refused};
use crate::show::Note;
use crate::state::lock;

const STEPS: u32 = 5;
/// Local pods drain and leave in well under this; the group notices at the latest when a session times out.
const EMPTY_WITHIN: Duration = Duration::from_secs(7);
const READY_WITHIN: Duration = Duration::from_secs(5);
/// A cluster's scheduler and kubelets take their time on top of that.
const FOR_A_CLUSTER: Duration = Duration::from_secs(20);
/// Between two attempts to move the offsets while the group is not empty yet.
const ATTEMPT_AGAIN: Duration = Duration::from_millis(150);
/// How long a failure stays on the page.
const FAILURE_SHOWN: Duration = Duration::from_secs(8);

impl Commander {
    /// Begins a reset, unless one is under way.
    pub(super) fn reset(self: &Arc<Self>, confirmed: bool) -> Outcome {
        if !confirmed {
            return confirm("Everything begins anew: lag and scores go to 0, all pods are replaced. Reset?");
        }
        let Ok(running) = Arc::clone(&self.resetting).try_lock_owned() else {
            return refused("A reset is under way already.");
        };
        if self.cluster().is_err() {
            return refused(no_cluster().to_string());
        }
        let commander = Arc::clone(self);
        self.tasks.spawn(async move {
            let _running = running;
            commander.run_reset().await;
        });
        Outcome::Done
    }

    async fn run_reset(&self) {
        let began_ms = self.clock.now_ms();
        let policy = match self.policy_of_reset() {
            Ok(policy) => policy,
            Err(refusal) => return warn!(%refusal, "nothing to reset"),
        };
        match self.try_reset(&policy).await {
            Ok(()) => info!(took_ms = self.clock.now_ms().saturating_sub(began_ms), "reset"),
            Err(refusal) => {
                warn!(%refusal, "the reset failed: putting the pods back");
                let put_back = self.put_back(&policy).await;
                let end =
                    if put_back.is_ok() { "the pods are back" } else { "the pods could not be put back" };
                self.tell(STEPS, format!("Failed, {end}: {refusal}")).await;
                sleep(FAILURE_SHOWN).await;
            }
        }
        self.notes.send(Note::Progress(None)).await;
    }

    async fn try_reset(&self, policy: &Policy) -> Result<(), Refusal> {
        self.tell(1, "Load and autoscaler to their defaults").await;
        self.change_load(|_| LoadSettings::default()).await?;
        let cluster = self.cluster()?;
        cluster.set_policy(Policy { enabled: false, ..policy.clone() }).await?;

        self.tell(2, "Stopping all pods").await;
        cluster.scale(0).await?;
        self.sees(
            self.allowing(EMPTY_WITHIN),
            |cluster| cluster.pods.is_empty(),
            "the pods did not stop in time",
        )
        .await?;

        self.tell(3, "Moving the offsets to the end of the log").await;
        self.skip_to_end().await?;
        let skipped_ms = self.clock.now_ms();
        self.notes.send(Note::Reset).await;
        lock(&self.game).reset();

        self.tell(4, "Starting the pods").await;
        cluster.scale(policy.min).await?;
        let is_back =
            |cluster: &Cluster| cluster.ready() >= usize::try_from(policy.min).unwrap_or(usize::MAX);
        self.sees(self.allowing(READY_WITHIN), is_back, "the pods were started, but are not ready yet")
            .await?;
        // The autoscaler looks as soon as it is on, and must not see the lag of before.
        self.sampled_after(skipped_ms).await;

        self.tell(STEPS, "Keeping the defaults").await;
        self.put_policy(policy.clone()).await
    }

    /// Waits until the picture's lag is younger than this. Without a sample in time nothing scales anyway.
    async fn sampled_after(&self, at_ms: Millis) {
        let newer = async {
            while self.snapshot().lag.is_some_and(|lag| lag.sampled_ms <= at_ms) {
                sleep(ATTEMPT_AGAIN).await;
            }
        };
        let _ = timeout(EMPTY_WITHIN, newer).await;
    }

    /// The minimum of pods, then the autoscaler on.
    async fn put_back(&self, policy: &Policy) -> Result<(), Refusal> {
        let cluster = self.cluster()?;
        cluster.scale(policy.min).await?;
        cluster.set_policy(policy.clone()).await
    }

    /// The group is empty when the coordinator has noticed the last pod's leave; until then Kafka refuses.
    async fn skip_to_end(&self) -> Result<(), Refusal> {
        let mut last = None;
        let attempts = async {
            while let Err(refusal) = self.kafka.skip_to_end().await {
                last = Some(refusal);
                sleep(ATTEMPT_AGAIN).await;
            }
        };
        match timeout(EMPTY_WITHIN, attempts).await {
            Ok(()) => Ok(()),
            Err(_) => {
                Err(last.unwrap_or_else(|| Refusal::Unavailable("Kafka did not answer in time".to_owned())))
            }
        }
    }

    fn allowing(&self, local: Duration) -> Duration {
        if self.own_policy.is_some() { local } else { local + FOR_A_CLUSTER }
    }

    /// Waits until the cluster looks as it should.
    async fn sees(
        &self,
        within: Duration,
        wanted: impl Fn(&Cluster) -> bool,
        otherwise: &str,
    ) -> Result<(), Refusal> {
        let mut observations = self.observations.clone();
        let seen = observations.wait_for(|observation| observation.as_ref().is_some_and(&wanted));
        match timeout(within, seen).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable(otherwise.to_owned())),
        }
    }

    async fn tell(&self, number: u32, step: impl Into<String>) {
        let progress = Progress { what: "Reset".to_owned(), step: step.into(), number, of: STEPS };
        self.notes.send(Note::Progress(Some(progress))).await;
    }
}
