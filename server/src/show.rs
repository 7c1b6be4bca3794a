//! The one task that folds: samples, observations of the cluster, settings and players go in, ticks come out to
//! everybody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka::control::Control;
use model::clocks;
use model::dead_letters::DeadLetters;
use model::history::{Event, Second};
use model::lag::{Outage, Sample, Sampled};
use model::snapshot::{Cluster, OtherMember, Phase, Progress, Source, short_name};
use model::wire::{Snapshot, Tick};
use phone_game::PhoneGame;
use process::{Clock, Shutdown};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::live::Hub;
use crate::metrics::Metrics;
use crate::state::lock;

/// Notes that may wait for the fold task; it takes them in microseconds.
const WAITING_NOTES: usize = 64;

/// What else there is to fold.
#[derive(Debug)]
pub enum Note {
    /// Which Kafka, which cluster.
    Source(Source),
    /// How far a command has come.
    Progress(Option<Progress>),
    /// Offsets were moved by hand.
    Reset,
}

/// Sends notes to the fold task.
#[derive(Debug, Clone)]
pub struct Notes(mpsc::Sender<Note>);

impl Notes {
    /// A pair of ends.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Note>) {
        let (sender, receiver) = mpsc::channel(WAITING_NOTES);
        (Self(sender), receiver)
    }

    /// Hands a note over.
    pub async fn send(&self, note: Note) {
        if self.0.send(note).await.is_err() {
            tracing::debug!("the show has ended");
        }
    }
}

/// Keeps each second for the next start.
pub trait Keep: Send {
    /// Appends a second; does not wait.
    fn keep(&self, second: &Second);
}

/// What is folded. The other ends belong to the adapters.
pub struct Feeds {
    /// From the sampler: its tick is the tick of the show.
    pub sampled: watch::Receiver<Sampled>,
    /// From the cluster; `None` until it was seen.
    pub cluster: watch::Receiver<Option<Cluster>>,
    /// Whether the cluster answers.
    pub cluster_outage: watch::Receiver<Option<Outage>>,
    /// From the control topic.
    pub control: watch::Receiver<Control>,
    /// What the application put aside; `None` until its log was read.
    pub dead_letters: watch::Receiver<Option<DeadLetters>>,
    /// From everybody else.
    pub notes: mpsc::Receiver<Note>,
}

/// The fold task.
pub struct Show {
    /// Where the picture is.
    pub hub: Arc<Hub>,
    /// The players, whose taps wait for what is folded here.
    pub game: Arc<Mutex<PhoneGame>>,
    /// Looks at the clocks of others.
    pub clocks: Arc<Mutex<clocks::Watch>>,
    /// Where the seconds go.
    pub keep: Box<dyn Keep>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

impl Show {
    /// Folds until the server stops.
    pub async fn run(self, mut feeds: Feeds, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut seconds = seconds();
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => return Ok(()),
                Some(note) = feeds.notes.recv() => self.note(note),
                Ok(()) = feeds.cluster.changed() => self.cluster(feeds.cluster.borrow_and_update().clone()),
                Ok(()) = feeds.cluster_outage.changed() => self.cluster_outage(feeds.cluster_outage.borrow_and_update().clone()),
                Ok(()) = feeds.control.changed() => self.control(&feeds.control.borrow_and_update().clone()),
                Ok(()) = feeds.dead_letters.changed() => self.dead_letters(feeds.dead_letters.borrow_and_update().clone()),
                Ok(()) = feeds.sampled.changed() => self.sampled(&feeds.sampled.borrow_and_update().clone()),
                _ = seconds.tick() => self.second(),
            }
        }
    }

    fn note(&self, note: Note) {
        self.step(|fold, now_ms| match note {
            Note::Source(source) => fold.source(now_ms, source),
            Note::Progress(progress) => fold.progress(now_ms, progress),
            Note::Reset => fold.reset(now_ms),
        });
    }

    fn cluster(&self, observation: Option<Cluster>) {
        if let Some(cluster) = observation {
            self.step(|fold, now_ms| fold.cluster(now_ms, cluster));
        }
    }

    fn cluster_outage(&self, outage: Option<Outage>) {
        self.step(|fold, now_ms| fold.cluster_outage(now_ms, outage));
    }

    fn control(&self, control: &Control) {
        if control.caught_up {
            self.step(|fold, now_ms| fold.load(now_ms, control.load.clone().unwrap_or_default()));
        }
    }

    fn dead_letters(&self, letters: Option<DeadLetters>) {
        if let Some(letters) = letters {
            self.step(|fold, now_ms| fold.dead_letters(now_ms, letters));
        }
    }

    fn sampled(&self, sampled: &Sampled) {
        if let Some(sample) = &sampled.sample {
            lock(&self.game).committed(positions(sample));
        }
        let tick = self.step(|fold, now_ms| fold.sampled(now_ms, sampled));
        if let Some(Some(lag)) = &tick.lag {
            self.metrics.sample_folded(tick.at_ms.saturating_sub(lag.sampled_ms));
        }
    }

    fn second(&self) {
        let now_ms = self.clock.now_ms();
        let standings = {
            let mut game = lock(&self.game);
            game.tick(now_ms);
            game.standings()
        };
        self.metrics.players(standings.count);
        if self.hub.look(|picture| picture.snapshot.players != standings) {
            self.step(|fold, now_ms| fold.players(now_ms, standings));
        }
        let clocks = lock(&self.clocks).clocks(now_ms);
        if self.hub.look(|picture| picture.snapshot.clocks != clocks) {
            self.step(|fold, now_ms| fold.clocks(now_ms, clocks));
        }
        let mut closed = None;
        self.step(|fold, now_ms| {
            let (tick, second) = fold.second(now_ms);
            closed = second;
            tick
        });
        if let Some(second) = closed {
            self.keep.keep(&second);
        }
    }

    fn step(&self, change: impl FnOnce(&mut model::fold::Fold, model::Millis) -> Tick) -> Tick {
        let now_ms = self.clock.now_ms();
        let others = || self.hub.look(|picture| others(&picture.snapshot));
        let before = others();
        let tick = self.hub.step(|fold| change(fold, now_ms));
        self.metrics.ticked();
        if tick.ownership.is_some() {
            let source = self.hub.look(|picture| picture.snapshot.source.clone());
            tell_others(&source, &before, &others());
        }
        self.tell_game_of_dead_pods(&tick);
        tick
    }

    /// Tells the game which partitions have lost their pod, and which have found another.
    fn tell_game_of_dead_pods(&self, tick: &Tick) {
        if tick.cluster.is_none() && tick.ownership.is_none() {
            return;
        }
        let hurt = tick.markers.iter().filter_map(|marker| match &marker.event {
            Event::Killed { pod } | Event::Crashed { pod } => Some(pod.as_str()),
            _ => None,
        });
        self.hub.look(|picture| {
            let mut game = lock(&self.game);
            let owners = picture.snapshot.ownership.iter().flat_map(|ownership| &ownership.tasks);
            for (partition, owner) in owners.enumerate() {
                if let Some(pod) = hurt.clone().find(|pod| owner.pod.as_deref() == Some(*pod)) {
                    game.pod_died(partition, short_name(pod));
                } else if game.dead_pod(partition).is_some_and(|pod| {
                    owner.idle_since_ms.is_none() && is_at_work(&picture.snapshot, owner.pod.as_deref(), pod)
                }) {
                    game.pod_works_again(partition);
                }
            }
        });
    }
}

/// The members of the group that are no pods.
fn others(now: &Snapshot) -> Vec<OtherMember> {
    now.ownership.as_ref().map(|ownership| ownership.others.clone()).unwrap_or_default()
}

/// Says once who is in the group and should not be, and once that it has left.
fn tell_others(source: &Source, before: &[OtherMember], after: &[OtherMember]) {
    let is_in = |members: &[OtherMember], other: &OtherMember| {
        members.iter().any(|member| (&member.name, &member.host) == (&other.name, &other.host))
    };
    for other in after.iter().filter(|other| !is_in(before, other)) {
        warn!("{}", other.sentence(source));
    }
    for other in before.iter().filter(|other| !is_in(after, other)) {
        info!("`{}` (from {}) owns no partitions of {} any more", other.name, other.host, source.group);
    }
}

/// Whether the owner of a partition whose pod died is another pod, or the same one up again.
fn is_at_work(now: &Snapshot, owner: Option<&str>, dead_pod: &str) -> bool {
    let Some(owner) = owner else { return false };
    let pods = now.cluster.iter().flat_map(|cluster| &cluster.pods);
    short_name(owner) != dead_pod
        || pods.into_iter().any(|pod| pod.name == owner && pod.phase == Phase::Ready)
}

/// Where the application is in each partition of the requests: what it has committed, or where it will begin.
fn positions(sample: &Sample) -> Vec<Option<u64>> {
    let position =
        |offsets: &Option<model::lag::PartitionOffsets>| u64::try_from(offsets.as_ref()?.position()).ok();
    sample.offsets.first().into_iter().flatten().map(position).collect()
}

fn seconds() -> Interval {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds
}

#[cfg(test)]
mod tests;
