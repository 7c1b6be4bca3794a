//! Kafka and the pods, started in the background: the pages are there at once and show as unknown what is not known
//! yet. Whatever cannot start now is tried again, a little later each time.

#[cfg(feature = "kubernetes")]
mod kubernetes;
mod pods;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use kafka::control::Control;
use kafka::history::HistoryWriter;
use kafka::topics::Ensured;
use kafka::{Brokers, client, dead_letters, sampler, sessions, topics};
use model::Millis;
use model::clocks::Watch;
use model::dead_letters::DeadLetters;
use model::history::{History, KEPT_MS, Second};
use model::lag::{Outage, Sampled};
use model::snapshot::Cluster;
use phone_game::PhoneGame;
use process::{Clock, Shutdown};
use schema_registry::{RegistryConfig, Schemas, Topics};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::commands::Commander;
use crate::demo;
use crate::metrics::Metrics;
use crate::play;
use crate::show::{Keep, Note, Notes};
use crate::state::lock;

#[cfg(feature = "kubernetes")]
pub use kubernetes::check_cluster;
pub use pods::Pods;

/// How we call ourselves in Kafka.
pub const CLIENT_ID: &str = "king-server";
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The first picture waits so long for the last run's ten minutes.
const HISTORY_WITHIN: Duration = Duration::from_secs(2);

/// The sending ends of what the fold task reads.
pub struct Outlets {
    /// Samples.
    pub sampled: watch::Sender<Sampled>,
    /// Sights of the cluster.
    pub cluster: watch::Sender<Option<Cluster>>,
    /// Whether the cluster answers.
    pub cluster_outage: watch::Sender<Option<Outage>>,
    /// The control topic.
    pub control: watch::Sender<Control>,
    /// What the application put aside; `None` until its log was read.
    pub dead_letters: watch::Sender<Option<DeadLetters>>,
    /// Everything else.
    pub notes: Notes,
}

/// What the adapters need.
pub struct Adapters {
    /// Where Kafka is.
    pub brokers: Brokers,
    /// Where the schemas are.
    pub registry: Option<RegistryConfig>,
    /// Gets the codec, as soon as there is one.
    pub schemas: Arc<OnceLock<Schemas>>,
    /// Who runs the pods, and how.
    pub pods: Pods,
    /// Where everything goes.
    pub outlets: Outlets,
    /// Gets the cluster's controls.
    pub commander: Arc<Commander>,
    /// Gets what comes back.
    pub game: Arc<Mutex<PhoneGame>>,
    /// Looks at what comes back, for the clocks of who wrote it.
    pub clocks: Arc<Mutex<Watch>>,
    /// Gets the sampler's timings.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

impl Adapters {
    /// Starts everything, and feeds the show until the server stops. Returns when the pods have ended.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        tokio::select! {
            () = shutdown.requested() => {}
            started = self.start(&mut tasks, &shutdown) => started?,
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
            anyhow::ensure!(shutdown.is_requested(), "a feed of the show has ended");
        }
        Ok(())
    }

    async fn start(
        &self,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        // To watch a cluster needs no Kafka: it begins before.
        let label = match &self.pods {
            Pods::Local(_) => watch::channel(pods::LOCAL_PODS.to_owned()).1,
            #[cfg(feature = "kubernetes")]
            Pods::Kubernetes(config) => self.watch_kubernetes(config.clone(), tasks, shutdown),
        };
        self.ensure_topics().await?;
        let token = shutdown.token();
        let mut sampler = sampler::start(sampler::Config::of_the_demo(&self.brokers), token.clone())?;
        let control = kafka::control::follow(&self.brokers, CLIENT_ID, token.clone())?;
        tasks.spawn(forward(sampler.sampled.clone(), self.outlets.sampled.clone(), |sampled| sampled));
        tasks.spawn(forward(control.clone(), self.outlets.control.clone(), |control| control));
        tasks.spawn(self.taps().run(shutdown.clone()));
        self.follow_dead_letters(tasks, shutdown)?;
        let metrics = Arc::clone(&self.metrics);
        tasks.spawn(async move {
            while sampler.timings.changed().await.is_ok() {
                if let Some(median) = sampler.timings.borrow_and_update().median() {
                    metrics.sample_took(median);
                }
            }
            Ok(())
        });
        tasks.spawn(tell_source(self.brokers.clone(), label, self.outlets.notes.clone(), shutdown.clone()));
        self.start_local_pods(tasks, sampler.sampled, control, shutdown).await;
        Ok(())
    }

    /// Tells the show what was put aside, and the game what of it is a player's.
    fn follow_dead_letters(
        &self,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let (schemas, game) = (Arc::clone(&self.schemas), Arc::clone(&self.game));
        let written = Arc::clone(&schemas);
        let dead_letters::Followed { tally, mut awaited } = dead_letters::follow(
            &dead_letters::Config::new(&self.brokers, CLIENT_ID),
            // Before it is known how taps are written, nobody waits for one.
            move |key| written.get().is_some_and(|schemas| play::is_players(schemas.codec(), key)),
            shutdown.token(),
        )?;
        tasks.spawn(forward(tally, self.outlets.dead_letters.clone(), |letters| letters));
        tasks.spawn(async move {
            while let Some(awaited) = awaited.recv().await {
                let header =
                    schemas.get().and_then(|schemas| schemas.codec().decode_header(&awaited.key).ok());
                if let Some(header) = header {
                    lock(&game).put_aside(&header, awaited.letter);
                }
            }
            Ok(())
        });
        Ok(())
    }

    /// Makes the topics; says as an outage why it cannot, and tries again.
    async fn ensure_topics(&self) -> anyhow::Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut since_ms = None;
        loop {
            let error = match topics::ensure(&self.brokers, &topics::all()).await {
                Ok(Ensured { made, grown }) => {
                    if !made.is_empty() {
                        info!(topics = made.join(", "), "made");
                    }
                    for topic in grown {
                        info!(%topic, "added partitions");
                    }
                    return Ok(());
                }
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(process::Unavailable::new(error.to_string()).into()),
            };
            let since_ms = *since_ms.get_or_insert_with(|| {
                warn!(%error, "trying again");
                self.clock.now_ms()
            });
            let outage = Some(Outage { since_ms, reason: error.to_string() });
            self.outlets.sampled.send_replace(Sampled { sample: None, outage });
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn taps(&self) -> ReturningTaps {
        ReturningTaps {
            brokers: self.brokers.clone(),
            registry: self.registry.clone(),
            schemas: Arc::clone(&self.schemas),
            game: Arc::clone(&self.game),
            clocks: Arc::clone(&self.clocks),
            clock: self.clock.clone(),
        }
    }
}

/// Says which Kafka and which cluster these are, as soon as either is known.
async fn tell_source(
    brokers: Brokers,
    mut label: watch::Receiver<String>,
    notes: Notes,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut source = demo::source();
    let mut description = std::pin::pin!(describe(&brokers));
    let mut described = false;
    label.mark_changed();
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            Ok(()) = label.changed() => source.cluster.clone_from(&label.borrow_and_update()),
            description = &mut description, if !described => {
                described = true;
                let hold = description.longest_transaction_hold();
                source.transaction_hold_ms = hold.and_then(|hold| Millis::try_from(hold.as_millis()).ok());
                source.kafka = description.label;
            }
        }
        notes.send(Note::Source(source.clone())).await;
    }
}

async fn describe(brokers: &Brokers) -> client::Description {
    let mut pause = FIRST_PAUSE;
    loop {
        match client::describe_broker(brokers).await {
            Ok(description) => return description,
            Err(error) => info!(%error, "cannot ask which Kafka this is, trying again"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Passes each new value on, until either end is gone.
async fn forward<T: Clone, U>(
    mut from: watch::Receiver<T>,
    to: watch::Sender<U>,
    turn: impl Fn(T) -> U,
) -> anyhow::Result<()> {
    from.mark_changed();
    while from.changed().await.is_ok() {
        let value = from.borrow_and_update().clone();
        to.send_replace(turn(value));
    }
    Ok(())
}

/// Tells the game what comes back through `SESSIONS`, once it is known how to read that.
struct ReturningTaps {
    brokers: Brokers,
    registry: Option<RegistryConfig>,
    schemas: Arc<OnceLock<Schemas>>,
    game: Arc<Mutex<PhoneGame>>,
    clocks: Arc<Mutex<Watch>>,
    clock: Clock,
}

impl ReturningTaps {
    async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let schemas = tokio::select! {
            () = shutdown.requested() => return Ok(()),
            schemas = Schemas::connect(self.registry.as_ref(), Topics::default()) => {
                schemas.map_err(|error| process::Unavailable::new(error.to_string()))?
            }
        };
        let codec = schemas.codec().clone();
        let (clocks, clock) = (Arc::clone(&self.clocks), self.clock.clone());
        let mut sessions = sessions::tail(
            &sessions::Config::new(&self.brokers, CLIENT_ID),
            move |record| {
                let joined = record.pod().zip(record.joined_at_ms());
                play::look_at_clocks(&mut lock(&clocks), clock.now_ms(), &codec, record.key(), joined);
                play::is_players(&codec, record.key())
            },
            shutdown.token(),
        )?;
        let schemas = self.schemas.get_or_init(|| schemas);
        let mut is_told = false;
        while let Some(record) = sessions.recv().await {
            match play::returned(schemas, &record).await {
                Ok(found) => {
                    is_told = false;
                    if let Some((machine, returned)) = found {
                        lock(&self.game).returned(self.clock.now_ms(), machine, returned);
                    }
                }
                Err(error) if !is_told => {
                    is_told = true;
                    warn!(%error, "players' sessions cannot be read: their taps wait to be counted");
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// The last run's ten minutes, if Kafka has them soon.
pub async fn last_minutes(brokers: &Brokers, now_ms: Millis) -> History {
    let since_ms = now_ms.saturating_sub(KEPT_MS);
    let records = match timeout(HISTORY_WITHIN, kafka::history::read_recent(brokers, since_ms)).await {
        Ok(Ok(records)) => records,
        Ok(Err(error)) => {
            info!(%error, "beginning without a history");
            Vec::new()
        }
        Err(_) => {
            info!("Kafka does not answer in time: beginning without a history");
            Vec::new()
        }
    };
    let mut history = History::default();
    let mut skipped = Vec::new();
    for record in records {
        match serde_json::from_slice::<Second>(&record) {
            Ok(second) => match second.problem(now_ms) {
                None => history.push_second(second),
                Some(problem) => skipped.push(problem.to_owned()),
            },
            Err(error) => skipped.push(error.to_string()),
        }
        history.prune(now_ms);
    }
    if let Some(first) = skipped.first() {
        warn!(seconds = skipped.len(), first, "skipping seconds of the history that are none of ours");
    }
    history
}

/// Keeps seconds in `KING-HISTORY`.
pub struct KeptInKafka(pub HistoryWriter);

impl Keep for KeptInKafka {
    fn keep(&self, second: &Second) {
        let Ok(value) = serde_json::to_vec(second) else { return };
        if let Err(error) = self.0.append(second.point.at_ms, &value) {
            // While Kafka is away this is once a second, and the outage is told elsewhere.
            tracing::debug!(%error, "a second is not kept");
        }
    }
}
