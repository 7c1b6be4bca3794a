//! One seed from its topics to its verdict.

mod truth;
mod wait;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use kafka::Brokers;
use tokio::sync::oneshot;
use tokio::time::Instant;
use workload::Input;

use crate::broker::{self, Replicas};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::complaint::Complaint;
use crate::faults::{Faults, change};
use crate::load::{Load, Planned};
use crate::log;
use crate::names::Names;
use crate::pods::{Pods, Template};
use crate::proxy::Proxy;
use crate::report::{Compared, Report};
use crate::schedule::{Action, Change, Ground, Schedule, Step, Theme, Timed};
use crate::setup::Setup;
use crate::silence::{Silence, Watch};
use crate::verdict;
use crate::writer::{self, Pace};
use truth::{FirstLife, Truth};

/// How long the group may take to commit the ends of the inputs.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);
/// How long ending all sessions may take after the last commit: an input counts as idle after 5 s.
const FINAL_LIMIT: Duration = Duration::from_secs(12);
/// How much longer all of it may take on three brokers, which are slow when they start again on a busy machine, and
/// over slow connections: a transaction that fails makes a pod wait for the idle input anew.
const SLOW_LIMIT: Duration = Duration::from_secs(30);
/// In a load of the present time the clock has to leave the last frame of a fast clock behind by a gap, too.
const PRESENT_LIMIT: Duration = Duration::from_secs(30);
/// A transaction whose pod died ends after its timeout of a second.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// How long ago in event time a load begins, ms.
const START_AGO_MS: i64 = 3_600_000;
/// A load of the present time begins when the pods have started, ms.
const START_IN_MS: i64 = 4_000;
/// With a capacity, all pods of the beginning together need about so long for the load, s.
const SLOW_S: usize = 8;
/// No partition with records and a living owner may stand still for longer without a word.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Runs one seed, on the cluster if its theme needs one.
///
/// # Errors
/// When the harness itself cannot go on: the broker is gone, a topic cannot be made, the program cannot be started.
pub(crate) async fn prove(setup: &Setup, cluster: Option<&Cluster>, seed: u64) -> Result<Report> {
    let begin = Instant::now();
    let (schedule, names) = (Schedule::of(seed), Names::new(seed));
    let brokers = cluster.map_or(&setup.brokers, Cluster::brokers);
    broker::create_topics(brokers, &names, Load::partitions(seed), replicas(&schedule, seed)).await?;
    let logs = fresh(&setup.logs.join(format!("seed-{seed}")))?;
    let Plan { load, start, read_at, limits } = Plan::of(&schedule, seed);
    let (_proxy, way) = way(setup, brokers, &schedule, seed).await?;
    let mut pods = Pods::new(template(setup, way, &load, &schedule, &names, logs.clone()));
    let watch = Watch::start(brokers, &names, pods.awake(), logs.clone());

    let mut faults = Faults::new(setup, cluster, brokers, &names, &load, (seed, schedule.protocol));
    let scene = Scene { brokers, names: &names, schedule: &schedule, load: &load, seed, start };
    let written = scene.act(&mut pods, &mut faults).await?;
    let Written { records, partitions, first_life } = written;
    let records = records + faults.foreign_records();
    let truth = Truth::read(brokers, &names, first_life, read_at.unwrap_or_else(now_ms)).await?;
    let mut complaints = Vec::new();
    if truth.records != records {
        complaints.push(Complaint::Inputs { read: truth.records, written: records });
    }
    if truth.finals.is_empty() {
        complaints.push(Complaint::NothingCompared);
    }
    let expected = truth.finals.len();
    complaints.extend(wait::for_commits(brokers, &names, partitions, limits.0, &mut pods).await?);
    if complaints.is_empty() {
        complaints.extend(wait::for_finals(brokers, &names, expected, limits.1, &mut pods).await?);
    }
    let silence = watch.end();
    complaints.extend(silence.as_ref().and_then(too_long));
    complaints.extend(pods.end().await);

    complaints.extend(broker::too_small(brokers, &names, partitions).await?);
    for topic in names.own() {
        complaints.extend(broker::settled(brokers, &topic, SETTLE_LIMIT).await?);
    }
    complaints.extend(broker::group_settled(brokers, &names, SETTLE_LIMIT).await?);
    let counts = [load.partitions, partitions];
    complaints.extend(verdict::sessions(
        &truth.finals,
        &log::read(brokers, &names.sessions()).await?,
        &counts,
    ));
    complaints.extend(verdict::dead_letters(&truth.dead, &log::read(brokers, &names.dead_letters()).await?));
    // What is left of it goes with the broker.
    let _ = broker::delete(brokers, &names).await;
    let mut remarks = Vec::new();
    if complaints.is_empty() {
        let _ = std::fs::remove_dir_all(&logs);
    } else {
        remarks.push(format!("the pods' logs are in {}", logs.display()));
    }
    let compared = Compared { records: truth.records, sessions: truth.finals.len(), counts: truth.counts };
    let took = begin.elapsed();
    Ok(Report { seed, schedule, compared, silence, took, left_out: None, complaints, remarks })
}

/// A load, and what follows from when it is.
struct Plan {
    load: Load,
    /// Where its event time begins, ms since the epoch.
    start: i64,
    /// When the reference reads, if that is not when it reads.
    read_at: Option<i64>,
    /// How long the group may take to commit the ends, and all sessions to be final after that.
    limits: (Duration, Duration),
}

impl Plan {
    fn of(schedule: &Schedule, seed: u64) -> Self {
        let slow = match schedule.theme.ground() {
            Ground::Cluster | Ground::Proxy => SLOW_LIMIT,
            Ground::Shared | Ground::Mortal => Duration::ZERO,
        };
        let limits = (COMMIT_LIMIT + slow, FINAL_LIMIT + slow);
        if schedule.theme == Theme::Clocks {
            let start = now_ms() + START_IN_MS;
            let load = Load::of_two_clocks(seed, start, START_IN_MS);
            Self { load, start, read_at: Some(start), limits: (limits.0, limits.1 + PRESENT_LIMIT) }
        } else {
            let start = now_ms() - START_AGO_MS;
            Self { load: Load::of(seed, start), start, read_at: None, limits }
        }
    }
}

/// In half of all schedules on three brokers the inputs have no replica: some of their partitions are away with a
/// broker.
fn replicas(schedule: &Schedule, seed: u64) -> Replicas {
    match schedule.theme.ground() {
        Ground::Cluster => Replicas { inputs: if (seed / 20).is_multiple_of(2) { 1 } else { 3 }, own: 3 },
        Ground::Shared | Ground::Mortal | Ground::Proxy => Replicas { inputs: 1, own: 1 },
    }
}

fn fresh(logs: &Path) -> Result<PathBuf> {
    let _ = std::fs::remove_dir_all(logs);
    std::fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
    Ok(logs.to_owned())
}

/// How the pods reach the broker, and the proxy if it is on the way.
async fn way(
    setup: &Setup,
    brokers: &Brokers,
    schedule: &Schedule,
    seed: u64,
) -> Result<(Option<Proxy>, Brokers)> {
    match (schedule.theme.ground(), setup.surroundings.behind_proxy) {
        (Ground::Proxy, Some(behind)) => {
            let proxy = Proxy::start(behind.advertised, behind.listener, seed).await?;
            Ok((Some(proxy), behind.advertised.to_string().parse()?))
        }
        _ => Ok((None, brokers.clone())),
    }
}

fn template(
    setup: &Setup,
    brokers: Brokers,
    load: &Load,
    schedule: &Schedule,
    names: &Names,
    logs: PathBuf,
) -> Template {
    let is_first = |timed: &&Timed| timed.at.is_zero() && matches!(timed.step, Step::Pod(_, Action::Start));
    let first = schedule.steps.iter().filter(is_first).count().max(1);
    let slow = u32::try_from(load.records.len() / SLOW_S / first).unwrap_or(0);
    Template {
        program: setup.program.clone(),
        brokers,
        names: names.clone(),
        protocol: schedule.protocol,
        capacity: if schedule.theme.is_written_before() { slow } else { 0 },
        logs,
    }
}

fn too_long(silence: &Silence) -> Option<Complaint> {
    let Silence { lasted, partition } = silence.clone();
    (lasted > SILENCE_LIMIT).then_some(Complaint::Silence { lasted, partition })
}

/// What happens, and where.
struct Scene<'a> {
    brokers: &'a Brokers,
    names: &'a Names,
    schedule: &'a Schedule,
    load: &'a Load,
    seed: u64,
    /// Where the load's event time begins.
    start: i64,
}

/// What was written.
struct Written {
    records: usize,
    /// How many partitions the inputs have in the end.
    partitions: u32,
    first_life: Option<FirstLife>,
}

impl Scene<'_> {
    /// Writes the load and does what the schedule says meanwhile.
    async fn act(&self, pods: &mut Pods, faults: &mut Faults<'_>) -> Result<Written> {
        let written = if self.schedule.theme.is_written_before() {
            self.write(&self.load.records, Pace::AtOnce).await?;
            self.follow(pods, faults, None).await?;
            self.written()
        } else {
            let (recreated, is_recreated) = oneshot::channel();
            let write = self.write_live(Instant::now(), recreated);
            tokio::try_join!(write, self.follow(pods, faults, Some(is_recreated)))?.0
        };
        broker::answers(self.brokers).await?;
        Ok(written)
    }

    /// Does one step after the other at its time. What comes after an input is made anew waits until it is: what it
    /// held in its first life has to be committed before, and soon.
    async fn follow(
        &self,
        pods: &mut Pods,
        faults: &mut Faults<'_>,
        mut is_recreated: Option<oneshot::Receiver<()>>,
    ) -> Result<()> {
        let start = Instant::now();
        for timed in &self.schedule.steps {
            tokio::time::sleep_until(start + timed.at).await;
            if matches!(self.schedule.change, Some(Change::Recreate { at, .. }) if timed.at > at)
                && let Some(is_recreated) = is_recreated.take()
            {
                is_recreated.await.context("the input was not made anew")?;
            }
            match timed.step {
                Step::Pod(pod, action) => pods.apply(pod, action).await?,
                Step::Kafka(disturbance) => faults.apply(disturbance).await?,
            }
        }
        Ok(())
    }

    async fn write(&self, records: impl IntoIterator<Item = &Planned>, pace: Pace) -> Result<()> {
        writer::write(self.brokers, self.names, records, pace).await
    }

    async fn write_live(&self, start: Instant, recreated: oneshot::Sender<()>) -> Result<Written> {
        match self.schedule.change {
            None => {
                self.write(&self.load.records, Pace::Live(start)).await?;
                Ok(self.written())
            }
            Some(Change::Grow { at, more }) => self.write_and_grow(start, at, more).await,
            Some(Change::Recreate { at, input }) => self.write_two_lives(start, at, input, recreated).await,
        }
    }

    fn written(&self) -> Written {
        let Load { partitions, records } = self.load;
        Written { records: records.len(), partitions: *partitions, first_life: None }
    }

    /// Beside the load, another one is written into the partitions that are added.
    async fn write_and_grow(&self, start: Instant, at: Duration, more: u32) -> Result<Written> {
        let (before, partitions) = (self.load.partitions, self.load.partitions + more);
        let at_ms = i64::try_from(at.as_millis())?;
        let beside = Load::beside(self.seed, self.start, before, partitions, at_ms);
        let grown = async {
            tokio::time::sleep_until(start + at).await;
            change::grow(self.brokers, self.names, partitions).await?;
            self.write(&beside.records, Pace::Live(start)).await
        };
        tokio::try_join!(self.write(&self.load.records, Pace::Live(start)), grown)?;
        let records = self.load.records.len() + beside.records.len();
        Ok(Written { records, partitions, first_life: None })
    }

    /// The one input ends for a while, is made anew and goes on; the other one goes on meanwhile.
    async fn write_two_lives(
        &self,
        start: Instant,
        at: Duration,
        input: Input,
        recreated: oneshot::Sender<()>,
    ) -> Result<Written> {
        let at_ms = i64::try_from(at.as_millis())?;
        let (of_input, of_other): (Vec<&Planned>, Vec<&Planned>) =
            self.load.records.iter().partition(|record| record.input == input);
        let (first, second): (Vec<&Planned>, Vec<&Planned>) =
            of_input.into_iter().partition(|record| record.at_ms < at_ms);
        let lives = async {
            self.write(first, Pace::Live(start)).await?;
            let old = change::recreate(self.brokers, self.names, input, self.load.partitions).await?;
            // Nobody may wait for it.
            let _ = recreated.send(());
            self.write(second, Pace::Live(start)).await?;
            Ok(old)
        };
        let (old, ()) = tokio::try_join!(lives, self.write(of_other, Pace::Live(start)))?;
        Ok(Written { first_life: Some((input, old)), ..self.written() })
    }
}
