//! What the presenter asks for: checked against the picture, then handed to the cluster or to Kafka.

mod reset;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::bucket::Bucket;
use model::command::{Command, Outcome};
use model::controls::{ClusterControls, KafkaControls, Manner, Refusal};
use model::load::{BURST_MS, Burst, HOT_PERCENT, HotPartition, LoadSettings, Running, Shape};
use model::policy::Policy;
use model::snapshot::{Cluster, Phase, short_name};
use model::wire::Snapshot;
use model::{Millis, figures};
use phone_game::PhoneGame;
use process::Clock;
use rand::seq::IteratorRandom;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::access::Presenter;
use crate::live::Hub;
use crate::show::Notes;
use crate::state::lock;

/// What the slowest finger and the fastest script may ask for.
const COMMANDS_PER_SECOND: u32 = 5;
const FACTORS: [u32; 3] = [2, 5, 10];
/// For how long the picture may not show yet what was just written: Kafka's way back takes a fraction of it.
const ON_ITS_WAY_MS: Millis = 2_000;

/// Carries commands out.
pub struct Commander {
    pub(crate) hub: Arc<Hub>,
    pub(crate) game: Arc<Mutex<PhoneGame>>,
    pub(crate) kafka: Arc<dyn KafkaControls>,
    /// Set once the cluster's adapter has started.
    pub(crate) cluster: OnceLock<Arc<dyn ClusterControls>>,
    pub(crate) observations: watch::Receiver<Option<Cluster>>,
    pub(crate) notes: Notes,
    pub(crate) clock: Clock,
    /// The most pods that there may be.
    pub(crate) max_pods: u32,
    pub(crate) own_policy: Option<Policy>,
    rate: Mutex<Bucket>,
    /// The load that was written last, and when: two quick commands must not undo each other.
    written: tokio::sync::Mutex<Option<(Millis, LoadSettings)>>,
    /// Held by the reset that is under way.
    resetting: Arc<tokio::sync::Mutex<()>>,
    /// Resets run on when their caller has hung up.
    tasks: TaskTracker,
}

/// What a commander is made of.
pub struct Parts {
    /// The picture.
    pub hub: Arc<Hub>,
    /// The players, for a reset.
    pub game: Arc<Mutex<PhoneGame>>,
    /// Kafka.
    pub kafka: Arc<dyn KafkaControls>,
    /// What the cluster's adapter sees.
    pub observations: watch::Receiver<Option<Cluster>>,
    /// To the fold task.
    pub notes: Notes,
    /// The time.
    pub clock: Clock,
    /// The most pods.
    pub max_pods: u32,
    /// The autoscaler's defaults, where it is ours: a reset puts them in force, and Kafka keeps what is in force.
    /// `None` where the cluster keeps its own.
    pub own_policy: Option<Policy>,
}

impl Commander {
    /// Without a cluster yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let rate = Bucket::new(COMMANDS_PER_SECOND, 2 * COMMANDS_PER_SECOND, parts.clock.now_ms());
        Self {
            hub: parts.hub,
            game: parts.game,
            kafka: parts.kafka,
            cluster: OnceLock::new(),
            observations: parts.observations,
            notes: parts.notes,
            clock: parts.clock,
            max_pods: parts.max_pods,
            own_policy: parts.own_policy,
            rate: Mutex::new(rate),
            written: tokio::sync::Mutex::default(),
            resetting: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// The cluster's adapter has started. The first one counts.
    pub fn set_cluster(&self, cluster: Arc<dyn ClusterControls>) {
        if self.cluster.set(cluster).is_err() {
            tracing::warn!("a second cluster is left aside");
        }
    }

    /// Carries a command out; only a presenter can ask.
    pub async fn carry_out(self: &Arc<Self>, _: Presenter, command: Command) -> Outcome {
        if let Err(wait_ms) =
            self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(self.clock.now_ms())
        {
            return refused(format!(
                "Too many commands at once: try again in {}.",
                figures::duration(wait_ms.into())
            ));
        }
        tracing::info!(?command, "the presenter asks");
        let done = match command {
            Command::Reset { confirmed } => return self.reset(confirmed),
            _ if self.resetting.try_lock().is_err() => {
                return refused("A reset is under way: wait until it is done.");
            }
            Command::Burst { factor } => self.burst(factor).await,
            Command::Base { frames_per_second } => self.base(frames_per_second).await,
            Command::Shape { shape } => self.shape(shape).await,
            Command::Hot { partition } => self.hot(partition).await,
            Command::Kill { pod, manner, confirmed } => return self.kill(pod, manner, confirmed).await,
            Command::RestartAll { confirmed: false } => {
                return confirm(
                    "All pods stop at once, and lag grows until new ones are ready. Restart them all?",
                );
            }
            Command::RestartAll { confirmed: true } => self.restart_all().await,
            Command::Roll { capacity } => self.roll(capacity).await,
            Command::Scale { replicas } => self.scale(replicas).await,
            Command::Autoscaler { enabled } => self.autoscaler(enabled).await,
            Command::SetPolicy { policy } => self.set_policy(policy).await,
            Command::Remove { fighter } => self.remove(&fighter),
        };
        outcome(done)
    }

    async fn burst(&self, factor: u32) -> Result<(), Refusal> {
        if !FACTORS.contains(&factor) {
            return Err(rejected("A burst is 2, 5 or 10 times the base rate."));
        }
        let now_ms = self.clock.now_ms();
        let burst = Some(Burst { factor, from_ms: now_ms, until_ms: now_ms + BURST_MS });
        self.change_load(|load| LoadSettings { burst, ..load }).await
    }

    async fn base(&self, frames_per_second: u32) -> Result<(), Refusal> {
        self.change_load(|load| LoadSettings { base: frames_per_second, ..load }).await
    }

    /// A shape begins at once, so it ends a burst; so does going back to the base rate.
    async fn shape(&self, shape: Option<Shape>) -> Result<(), Refusal> {
        let from_ms = self.clock.now_ms();
        let shape = shape.map(|shape| Running { shape, from_ms });
        self.change_load(|load| LoadSettings { shape, burst: None, ..load }).await
    }

    async fn hot(&self, partition: Option<u32>) -> Result<(), Refusal> {
        let hot = partition.map(|partition| HotPartition { partition, percent: HOT_PERCENT });
        self.change_load(|load| LoadSettings { hot, ..load }).await
    }

    async fn kill(&self, pod: Option<String>, manner: Manner, confirmed: bool) -> Outcome {
        let Some(observation) = self.snapshot().cluster else { return outcome(Err(no_cluster())) };
        let victim = match &pod {
            Some(name) => observation.pods.iter().find(|pod| pod.name == *name),
            None => observation.pods.iter().filter(|pod| pod.phase == Phase::Ready).choose(&mut rand::rng()),
        };
        let Some(victim) = victim else {
            return refused(match pod {
                Some(name) => format!("There is no pod {} any more.", short_name(&name)),
                None => "No pod is ready: there is none to draw.".to_owned(),
            });
        };
        if matches!(victim.phase, Phase::Terminating { .. }) {
            return refused(format!("The pod {} is stopping already.", victim.short_name()));
        }
        let leaves = observation.ready() - usize::from(victim.phase == Phase::Ready);
        if leaves < 1 && !confirmed {
            let short = victim.short_name();
            return confirm(&format!(
                "Without {short} no pod is ready, and nothing is consumed for a while. Kill it?"
            ));
        }
        let name = victim.name.clone();
        outcome(match self.cluster() {
            Ok(cluster) => cluster.kill(&name, manner).await,
            Err(refusal) => Err(refusal),
        })
    }

    async fn restart_all(&self) -> Result<(), Refusal> {
        self.cluster()?.restart_all().await
    }

    async fn roll(&self, capacity: Option<u32>) -> Result<(), Refusal> {
        self.cluster()?.roll(capacity).await
    }

    async fn scale(&self, replicas: u32) -> Result<(), Refusal> {
        let Cluster { desired, policy, .. } = self.snapshot().cluster.ok_or_else(no_cluster)?;
        Refusal::unless_none(policy.scale_problem(replicas, desired))?;
        self.cluster()?.scale(replicas).await
    }

    async fn autoscaler(&self, enabled: bool) -> Result<(), Refusal> {
        self.put_policy(Policy { enabled, ..self.policy()? }).await
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), Refusal> {
        Refusal::unless_none(policy.problem(self.max_pods))?;
        self.put_policy(policy).await
    }

    fn remove(&self, fighter: &str) -> Result<(), Refusal> {
        let is_out = lock(&self.game).remove(fighter);
        if is_out { Ok(()) } else { Err(rejected(format!("{fighter} is not here any more."))) }
    }

    /// In force first, then kept: a policy that cannot be kept is in force until the server's next start.
    async fn put_policy(&self, policy: Policy) -> Result<(), Refusal> {
        self.cluster()?.set_policy(policy.clone()).await?;
        if self.own_policy.is_none() {
            return Ok(());
        }
        self.kafka.keep_policy(policy).await
    }

    /// Waits until nothing is under way any more.
    #[cfg(test)]
    pub(crate) async fn settled(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn cluster(&self) -> Result<&Arc<dyn ClusterControls>, Refusal> {
        self.cluster.get().ok_or_else(no_cluster)
    }

    fn snapshot(&self) -> Snapshot {
        self.hub.look(|picture| picture.snapshot.clone())
    }

    /// Changes the load settings in force, one change after the other.
    async fn change_load(&self, change: impl FnOnce(LoadSettings) -> LoadSettings) -> Result<(), Refusal> {
        let mut written = self.written.lock().await;
        let now_ms = self.clock.now_ms();
        let in_force = match written.take() {
            Some((at_ms, load)) if now_ms < at_ms + ON_ITS_WAY_MS => load,
            _ => self.snapshot().load.unwrap_or_default(),
        };
        let load = change(in_force);
        if let Some(problem) = load.problem() {
            return Err(rejected(problem));
        }
        self.kafka.set_load(load.clone()).await?;
        *written = Some((now_ms, load));
        Ok(())
    }

    /// The policy that a reset leaves: our defaults, or what the cluster's own autoscaler has, switched on.
    fn policy_of_reset(&self) -> Result<Policy, Refusal> {
        if let Some(policy) = &self.own_policy {
            return Ok(policy.clone());
        }
        let cluster = self.snapshot().cluster.ok_or_else(no_cluster)?;
        Ok(Policy { enabled: cluster.hpa.is_some_and(|hpa| hpa.exists), ..cluster.policy })
    }

    pub(crate) fn policy(&self) -> Result<Policy, Refusal> {
        self.snapshot().cluster.map(|cluster| cluster.policy).ok_or_else(no_cluster)
    }
}

fn no_cluster() -> Refusal {
    Refusal::Unavailable("The pods are not known yet: try again in a moment.".to_owned())
}

fn rejected(reason: impl Into<String>) -> Refusal {
    Refusal::Rejected(reason.into())
}

fn refused(reason: impl Into<String>) -> Outcome {
    Outcome::Refused { reason: reason.into() }
}

fn confirm(question: &str) -> Outcome {
    Outcome::Confirm { question: question.to_owned() }
}

fn outcome(done: Result<(), Refusal>) -> Outcome {
    done.map_or_else(|refusal| refused(refusal.to_string()), |()| Outcome::Done)
}
