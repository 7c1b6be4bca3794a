//! The fold: samples of Kafka, observations of the cluster, settings and players go in one by one; the picture that
//! everybody sees comes out, and with each step the tick that brings a page up to date.
//!
//! Pure: one task of the server owns it and gives it the time. What happened (a kill, a scale step, a rebalance) is
//! read from the differences between two observations, so local pods and a real cluster are told alike.

mod arrears;
mod markers;
mod ownership;

use crate::Millis;
use crate::clocks::Clocks;
use crate::dead_letters::DeadLetters;
use crate::history;
use crate::history::{Event, History, Life, Marker, Point, Second};
use crate::lag::{Doubt, Outage, PartitionOffsets, Sample, Sampled};
use crate::load::LoadSettings;
use crate::rates::RateWindow;
use crate::snapshot::{Cluster, Lag, Players, Progress, Rates, Source};
use crate::topics::Topics;
use crate::wire::{Picture, Snapshot, Tick};

use arrears::Arrears;
use markers::MarkerIds;
use ownership::{Owners, Pods};

/// Owns the picture and knows how to go on with it.
#[derive(Debug)]
pub struct Fold {
    picture: Picture,
    rates: RateWindow,
    arrears: Arrears,
    owners: Owners,
    ids: MarkerIds,
    /// Markers and lives of the second that is under way, for [`Second`].
    second: Second,
    /// Of what began or changed lately, when: for pages that were away.
    touched: Vec<(Millis, Touched)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Touched {
    Marker(u64),
    Life(String),
}

impl Fold {
    /// Begins with what is left of the last run, as of `now_ms`. `epoch` tells this run from the others.
    #[must_use]
    pub fn new(epoch: u64, source: Source, history: History, now_ms: Millis) -> Self {
        let snapshot = Snapshot { at_ms: now_ms, source, ..Snapshot::default() };
        let mut fold = Self {
            ids: MarkerIds::after(&history),
            picture: Picture { epoch, snapshot, history },
            rates: RateWindow::default(),
            arrears: Arrears::default(),
            owners: Owners::default(),
            second: Second::default(),
            touched: Vec::new(),
        };
        if let Some(last_ms) = fold.picture.history.points.back().map(|point| point.at_ms) {
            fold.picture.history.end_lives(last_ms);
            let marker = fold.ids.marker(now_ms, Event::ServerRestarted);
            fold.second.markers.push(marker.clone());
            fold.picture.history.put_marker(marker);
        }
        fold.picture.history.prune(now_ms);
        fold
    }

    /// The picture as it is.
    #[must_use]
    pub const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Folds what the sampler last knew: this is the tick of the show.
    pub fn sampled(&mut self, now_ms: Millis, sampled: &Sampled) -> Tick {
        self.step(now_ms, |fold, at_ms| {
            fold.kafka_outage(at_ms, sampled.outage.clone());
            let Some(sample) = &sampled.sample else { return };
            let known_ms = fold.picture.snapshot.lag.as_ref().map_or(0, |lag| lag.sampled_ms);
            if sample.sampled_ms > known_ms {
                fold.sample(at_ms, sample);
            }
        })
    }

    /// Folds an observation of the cluster, at once.
    pub fn cluster(&mut self, now_ms: Millis, cluster: Cluster) -> Tick {
        self.step(now_ms, |fold, at_ms| {
            let events = markers::of_cluster(fold.picture.snapshot.cluster.as_ref(), &cluster);
            events.into_iter().for_each(|event| fold.mark(at_ms, event));
            let lives = fold.picture.history.observe(at_ms, &cluster.pods);
            lives.into_iter().for_each(|life| fold.touch_life(at_ms, life));
            fold.picture.snapshot.cluster = Some(cluster);
            fold.refresh_owners(at_ms, None);
        })
    }

    /// Folds whether the cluster answers.
    pub fn cluster_outage(&mut self, now_ms: Millis, outage: Option<Outage>) -> Tick {
        self.step(now_ms, |fold, at_ms| {
            let before = std::mem::replace(&mut fold.picture.snapshot.outages.cluster, outage.clone());
            let was_there = fold.picture.snapshot.cluster.is_some();
            fold.mark_away(at_ms, Event::ClusterAway, was_there, before.is_some(), outage.as_ref());
        })
    }

    /// Folds the load settings in force.
    pub fn load(&mut self, now_ms: Millis, load: LoadSettings) -> Tick {
        self.step(now_ms, |fold, at_ms| {
            let events = markers::of_load(fold.picture.snapshot.load.as_ref(), &load, at_ms);
            for (event, until_ms) in events {
                fold.mark_until(at_ms, until_ms, event);
            }
            fold.picture.snapshot.load = Some(load);
        })
    }

    /// Folds what the application could not make use of.
    pub fn dead_letters(&mut self, now_ms: Millis, dead_letters: DeadLetters) -> Tick {
        self.step(now_ms, |fold, _| fold.picture.snapshot.dead_letters = Some(dead_letters))
    }

    /// Folds which clocks are far from the server's.
    pub fn clocks(&mut self, now_ms: Millis, clocks: Clocks) -> Tick {
        self.step(now_ms, |fold, _| fold.picture.snapshot.clocks = clocks)
    }

    /// Folds the players' standings.
    pub fn players(&mut self, now_ms: Millis, players: Players) -> Tick {
        self.step(now_ms, |fold, _| fold.picture.snapshot.players = players)
    }

    /// Folds how far a command has come.
    pub fn progress(&mut self, now_ms: Millis, progress: Option<Progress>) -> Tick {
        self.step(now_ms, |fold, _| fold.picture.snapshot.progress = progress)
    }

    /// Folds what is known of the source.
    pub fn source(&mut self, now_ms: Millis, source: Source) -> Tick {
        self.step(now_ms, |fold, _| fold.picture.snapshot.source = source)
    }

    /// Marks a reset: offsets were moved by hand, so slopes over it mean nothing.
    pub fn reset(&mut self, now_ms: Millis) -> Tick {
        self.step(now_ms, |fold, at_ms| {
            fold.rates.clear();
            fold.mark(at_ms, Event::Reset);
        })
    }

    /// Closes a second: adds its point to the picture, and gives back the tick and what to keep in `KING-HISTORY`.
    /// A second without a fresh sample has no point: a gap in the chart.
    pub fn second(&mut self, now_ms: Millis) -> (Tick, Option<Second>) {
        let mut closed = None;
        let tick = self.step(now_ms, |fold, at_ms| {
            fold.picture.snapshot.rates =
                if fold.is_fresh(at_ms) { fold.rates_at(at_ms) } else { fold.picture.snapshot.rates.take() };
            fold.picture.history.prune(at_ms);
            if !fold.is_fresh(at_ms) {
                return;
            }
            let point = fold.point(at_ms);
            fold.picture.history.push_point(point.clone());
            let mut second = std::mem::take(&mut fold.second);
            second.point = point;
            for life in fold.picture.history.lives.iter().filter(|life| life.ended_ms.is_none()) {
                if !second.lives.contains(life) {
                    second.lives.push(life.clone());
                }
            }
            closed = Some(second);
        });
        (tick, closed)
    }

    /// All that changed since a frame of this run: for a page that was away, or that reads too slowly.
    #[must_use]
    pub fn since(&self, seq: u64) -> Tick {
        let history = &self.picture.history;
        let touched =
            |wanted: &Touched| self.touched.iter().any(|(at_ms, what)| *at_ms > seq && what == wanted);
        Tick {
            points: history.points.iter().filter(|point| point.at_ms > seq).cloned().collect(),
            markers: history.markers.iter().filter(|m| touched(&Touched::Marker(m.id))).cloned().collect(),
            lives: history.lives.iter().filter(|l| touched(&Touched::Life(l.pod.clone()))).cloned().collect(),
            ..Tick::whole(&self.picture.snapshot)
        }
    }

    /// Runs one change at a time that is later than every one before, and says what it changed.
    fn step(&mut self, now_ms: Millis, change: impl FnOnce(&mut Self, Millis)) -> Tick {
        let before = self.picture.snapshot.clone();
        let at_ms = now_ms.max(before.at_ms + 1);
        self.picture.snapshot.at_ms = at_ms;
        change(self, at_ms);
        self.touched.retain(|(touched_ms, _)| *touched_ms + history::KEPT_MS > at_ms);
        let history = &self.picture.history;
        let is_new = |wanted: &Touched| self.touched.contains(&(at_ms, wanted.clone()));
        Tick {
            points: history.points.back().filter(|point| point.at_ms == at_ms).cloned().into_iter().collect(),
            markers: history.markers.iter().filter(|m| is_new(&Touched::Marker(m.id))).cloned().collect(),
            lives: history.lives.iter().filter(|l| is_new(&Touched::Life(l.pod.clone()))).cloned().collect(),
            ..Tick::between(&before, &self.picture.snapshot)
        }
    }

    fn sample(&mut self, at_ms: Millis, sample: &Sample) {
        self.rates.push(sample);
        self.picture.snapshot.lag = Some(lag(sample));
        self.refresh_owners(at_ms, Some(sample));
    }

    fn refresh_owners(&mut self, at_ms: Millis, sample: Option<&Sample>) {
        let Snapshot { cluster, lag, ownership, .. } = &self.picture.snapshot;
        let pods = Pods {
            now: cluster.as_ref().map(|cluster| cluster.pods.as_slice()),
            lives: &self.picture.history.lives,
        };
        let next = self.owners.next(ownership.as_ref(), sample, lag.as_ref(), &pods, at_ms);
        let Some(next) = next else { return };
        let moved = self.owners.moved(&next);
        self.picture.snapshot.ownership = Some(next);
        if moved > 0 {
            self.mark_rebalance(at_ms, moved);
        }
    }

    /// A hand-over that is seen in several steps is one rebalance.
    fn mark_rebalance(&mut self, at_ms: Millis, moved: u32) {
        const ONE_REBALANCE_MS: Millis = 3_000;
        let last = self.picture.history.markers.iter().rev().find_map(|marker| match marker.event {
            Event::Rebalance { moved } if marker.at_ms + ONE_REBALANCE_MS > at_ms => {
                Some((marker.clone(), moved))
            }
            _ => None,
        });
        match last {
            Some((marker, before)) => {
                let event = Event::Rebalance { moved: before.max(moved) };
                self.touch_marker(at_ms, Marker { until_ms: Some(at_ms), event, ..marker });
            }
            None => self.mark(at_ms, Event::Rebalance { moved }),
        }
    }

    fn kafka_outage(&mut self, at_ms: Millis, outage: Option<Outage>) {
        let before = std::mem::replace(&mut self.picture.snapshot.outages.kafka, outage.clone());
        let was_there = self.picture.snapshot.lag.is_some();
        self.mark_away(at_ms, Event::KafkaAway, was_there, before.is_some(), outage.as_ref());
    }

    /// Marks the begin and the end of an outage. Before its first observation nothing has gone away: the page says that
    /// it is waiting.
    fn mark_away(
        &mut self,
        at_ms: Millis,
        event: Event,
        was_there: bool,
        was_away: bool,
        outage: Option<&Outage>,
    ) {
        match outage {
            Some(outage) if !was_away && was_there => {
                let marker = self.ids.marker(outage.since_ms, event);
                self.touch_marker(at_ms, marker);
            }
            None if was_away => {
                let is_open = |marker: &&Marker| marker.event == event && marker.until_ms.is_none();
                if let Some(away) = self.picture.history.markers.iter().rev().find(is_open).cloned() {
                    self.touch_marker(at_ms, Marker { until_ms: Some(at_ms), ..away });
                }
            }
            _ => {}
        }
    }

    fn mark(&mut self, at_ms: Millis, event: Event) {
        self.mark_until(at_ms, None, event);
    }

    fn mark_until(&mut self, at_ms: Millis, until_ms: Option<Millis>, event: Event) {
        let marker = Marker { until_ms, ..self.ids.marker(at_ms, event) };
        self.touch_marker(at_ms, marker);
    }

    fn touch_marker(&mut self, at_ms: Millis, marker: Marker) {
        self.touched.push((at_ms, Touched::Marker(marker.id)));
        self.second.markers.retain(|known| known.id != marker.id);
        self.second.markers.push(marker.clone());
        self.picture.history.put_marker(marker);
    }

    fn touch_life(&mut self, at_ms: Millis, life: Life) {
        self.touched.push((at_ms, Touched::Life(life.pod.clone())));
        self.second.lives.retain(|known| known.pod != life.pod);
        self.second.lives.push(life);
    }

    /// Whether the newest sample is young enough to be this second's.
    fn is_fresh(&self, at_ms: Millis) -> bool {
        self.picture.snapshot.lag.as_ref().is_some_and(|lag| lag.sampled_ms + 1_500 > at_ms)
    }

    /// The rates, with what is asked for where the generator does not keep up.
    fn rates_at(&mut self, at_ms: Millis) -> Option<Rates> {
        let rates = self.rates.rates()?;
        let target = self.picture.snapshot.load.as_ref().map(|load| load.target(at_ms));
        Some(Rates {
            asked: self.arrears.look(at_ms, target, rates.by_topic.first().copied().unwrap_or(0)),
            ..rates
        })
    }

    fn point(&self, at_ms: Millis) -> Point {
        let now = &self.picture.snapshot;
        let count = |pods: usize| u32::try_from(pods).unwrap_or(u32::MAX);
        Point {
            at_ms,
            lag: now.lag.as_ref().map(Lag::totals).unwrap_or_default(),
            produced: now.rates.as_ref().map(|rates| rates.produced),
            consumed: now.rates.as_ref().map(|rates| rates.consumed),
            desired: now.cluster.as_ref().map(|cluster| cluster.desired),
            ready: now.cluster.as_ref().map(|cluster| count(cluster.ready())),
            allowed: now.cluster.as_ref().and_then(Cluster::allowed),
        }
    }
}

impl Cluster {
    /// Records of one topic that the current pods may have before the autoscaler adds one: the line in the chart.
    #[must_use]
    pub fn allowed(&self) -> Option<u64> {
        let target = self.policy.metrics.iter().map(|metric| metric.target).min()?;
        Some(target * u64::try_from(self.current()).ok()?)
    }
}

/// The lag that a sample means, with what makes it doubtful.
#[must_use]
pub fn lag(sample: &Sample) -> Lag {
    let Sample { sampled_ms, topics, offsets, doubts, group: _ } = sample;
    let (mut lost, mut doubts) = (0, doubts.clone());
    let mut partitions: Vec<Vec<_>> =
        offsets.iter().map(|offsets| Vec::with_capacity(offsets.len())).collect();
    for (of, offsets) in sample.partitions() {
        let of_partition = offsets.as_ref().map(PartitionOffsets::lag);
        partitions[of.topic].push(of_partition.map(|known| known.lag));
        let Some(known) = of_partition else { continue };
        lost += known.lost;
        // A commit that is gone is news; that there is none follows from it.
        let is_gone = doubts.contains(&(of, Doubt::Gone));
        let doubt = known.doubt.filter(|doubt| !(is_gone && *doubt == Doubt::New));
        doubts.extend(doubt.map(|doubt| (of, doubt)));
    }
    Lag { sampled_ms: *sampled_ms, topics: Topics::clone(topics), partitions, lost, doubts }
}

#[cfg(test)]
mod tests;
