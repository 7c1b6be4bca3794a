//! One seed from its topics to its verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use kafka::Brokers;
use model::Input;
use tokio::time::Instant;

use crate::broker;
use crate::load::Load;
use crate::log::{self, Record};
use crate::names::Names;
use crate::pods::{Pods, Template};
use crate::reference::{self, Counts, Fault, Final};
use crate::schedule::{Schedule, Step, Theme};
use crate::verdict::{self, Origin};
use crate::writer::{self, Pace};

/// How long the group may take to commit the ends, and then to end all sessions: an input counts as idle after 5 s.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);
const FINAL_LIMIT: Duration = Duration::from_secs(12);
/// A transaction whose pod died ends after its timeout of a second.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// How long ago in event time a load begins, ms.
const START_AGO_MS: i64 = 3_600_000;
const POLL: Duration = Duration::from_millis(250);
/// With a capacity, all pods of the beginning together need about so long for the load, s.
const SLOW_S: usize = 8;

/// With what a proof runs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The broker.
    pub brokers: Brokers,
    /// The file with the id of its process, which somebody starts again when it dies. Without it no broker is killed.
    pub broker_pid_file: Option<PathBuf>,
    /// The program `streams`.
    pub program: PathBuf,
    /// Where the pods' logs go, a directory a seed; only those of failed seeds stay.
    pub logs: PathBuf,
}

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was done to pods and broker.
    pub schedule: Schedule,
    /// How many records were written.
    pub records: usize,
    /// How many sessions had to come out.
    pub sessions: usize,
    /// What the reference says became of the records.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
    /// Everything that is wrong; nothing when the seed passed.
    pub complaints: Vec<String>,
}

impl Report {
    /// Nothing can be said of a seed when the broker does not answer, or a transaction never ends.
    pub(crate) fn of_error(seed: u64, error: &anyhow::Error) -> Self {
        Self {
            seed,
            schedule: Schedule::of(seed),
            records: 0,
            sessions: 0,
            counts: Counts::default(),
            took: Duration::ZERO,
            complaints: vec![format!("{error:#}")],
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.complaints.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, schedule, records, sessions, counts, took, complaints } = self;
        let verdict = if complaints.is_empty() { "passed" } else { "FAILED" };
        write!(
            f,
            "seed {seed} {verdict} in {:.1} s: {:?}, {records} records, {} frames, {sessions} sessions, {} late, {} duplicates, \
             {} expired, {} malformed",
            took.as_secs_f64(),
            schedule.theme,
            counts.joined,
            counts.late,
            counts.duplicates,
            counts.expired,
            counts.malformed
        )?;
        if complaints.is_empty() {
            return Ok(());
        }
        write!(f, "\n{schedule}")?;
        complaints.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Runs one seed.
///
/// # Errors
/// When the harness itself cannot go on: the broker is gone, a topic cannot be made, the program cannot be started.
pub(crate) async fn prove(setup: &Setup, seed: u64) -> Result<Report> {
    let start = Instant::now();
    let (load, schedule) = (Load::of(seed, now_ms() - START_AGO_MS), Schedule::of(seed));
    let names = Names::new(seed);
    broker::create_topics(&setup.brokers, &names, load.partitions).await?;
    let logs = setup.logs.join(format!("seed-{seed}"));
    let _ = std::fs::remove_dir_all(&logs);
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let mut pods = Pods::new(template(setup, &load, &schedule, &names, logs.clone()));

    act(setup, &names, &load, &schedule, &mut pods).await?;
    let truth = Truth::read(setup, &names, load.partitions).await?;
    let mut complaints = truth.gaps.clone();
    if truth.records != load.records.len() {
        complaints.push(format!("{} records in the inputs, {} written", truth.records, load.records.len()));
    }
    complaints.extend(wait(setup, &names, &load, &truth, &mut pods).await?);
    complaints.extend(pods.end().await);

    let read = |topic| async move { log::read(&setup.brokers, topic, load.partitions).await };
    let (sessions, letters) = (names.sessions(), names.dead_letters());
    for topic in [&sessions, &letters] {
        broker::settled(&setup.brokers, topic, load.partitions, SETTLE_LIMIT).await?;
    }
    complaints.extend(verdict::sessions(&truth.finals, &read(&sessions).await?));
    complaints.extend(verdict::dead_letters(&truth.dead, &read(&letters).await?));
    // What is left of it goes with the broker.
    let _ = broker::delete(&setup.brokers, &names).await;
    if complaints.is_empty() {
        let _ = std::fs::remove_dir_all(&logs);
    } else {
        complaints.push(format!("the pods' logs are in {}", logs.display()));
    }
    let (records, counts) = (truth.records, truth.counts);
    Ok(Report {
        seed,
        schedule,
        records,
        sessions: truth.finals.len(),
        counts,
        took: start.elapsed(),
        complaints,
    })
}

fn template(setup: &Setup, load: &Load, schedule: &Schedule, names: &Names, logs: PathBuf) -> Template {
    let first = schedule.steps.iter().filter(|timed| timed.at.is_zero()).count().max(1);
    let slow = load.records.len() / SLOW_S / first;
    Template {
        program: setup.program.clone(),
        brokers: setup.brokers.clone(),
        names: names.clone(),
        protocol: schedule.protocol,
        capacity: if schedule.theme == Theme::Broker { u32::try_from(slow).unwrap_or(0) } else { 0 },
        logs,
    }
}

/// Writes the load and does what the schedule says meanwhile.
async fn act(setup: &Setup, names: &Names, load: &Load, schedule: &Schedule, pods: &mut Pods) -> Result<()> {
    if schedule.theme == Theme::Broker {
        writer::write(&setup.brokers, names, load, Pace::AtOnce).await?;
        return follow(setup, schedule, pods).await;
    }
    let written = writer::write(&setup.brokers, names, load, Pace::Live);
    tokio::try_join!(written, follow(setup, schedule, pods)).map(drop)
}

async fn follow(setup: &Setup, schedule: &Schedule, pods: &mut Pods) -> Result<()> {
    let start = Instant::now();
    for timed in &schedule.steps {
        tokio::time::sleep_until(start + timed.at).await;
        match (timed.step, &setup.broker_pid_file) {
            (Step::KillBroker, Some(file)) => broker::kill(file)?,
            (step, _) => pods.apply(step).await?,
        }
    }
    broker::answers(&setup.brokers).await
}

/// What the reference makes of the inputs.
struct Truth {
    records: usize,
    /// Offsets of the inputs that cannot be read: the producer writes one record after the other, so there are none.
    gaps: Vec<String>,
    finals: BTreeMap<Vec<u8>, Final>,
    dead: BTreeMap<Origin, Fault>,
    counts: Counts,
}

impl Truth {
    async fn read(setup: &Setup, names: &Names, partitions: u32) -> Result<Self> {
        let requests = log::read(&setup.brokers, &names.input(Input::Requests), partitions).await?;
        let responses = log::read(&setup.brokers, &names.input(Input::Responses), partitions).await?;
        let count = |logs: &[Vec<Record>]| logs.iter().map(Vec::len).sum::<usize>();
        let mut truth = Self {
            records: count(&requests) + count(&responses),
            gaps: [("requests", &requests), ("responses", &responses)]
                .into_iter()
                .flat_map(|(input, logs)| gaps(input, logs))
                .collect(),
            finals: BTreeMap::new(),
            dead: BTreeMap::new(),
            counts: Counts::default(),
        };
        for (partition, (requests, responses)) in (0..).zip(requests.iter().zip(&responses)) {
            let outcome = reference::fold(requests, responses, now_ms());
            truth.finals.extend(outcome.finals);
            truth.counts += outcome.counts;
            truth.dead.extend(outcome.dead.into_iter().map(|((input, offset), fault)| {
                (Origin { topic: names.input(input), partition, offset }, fault)
            }));
        }
        Ok(truth)
    }
}

fn gaps(input: &str, logs: &[Vec<Record>]) -> Vec<String> {
    let mut gaps = Vec::new();
    for (partition, log) in logs.iter().enumerate() {
        let mut next = 0;
        for record in log {
            if record.offset != next {
                gaps.push(format!("{input}/{partition}: nothing from offset {next} to {}", record.offset));
            }
            next = record.offset + 1;
        }
    }
    gaps
}

/// Waits until the group has committed all and ended all sessions; what is missing when that takes too long.
async fn wait(
    setup: &Setup,
    names: &Names,
    load: &Load,
    truth: &Truth,
    pods: &mut Pods,
) -> Result<Option<String>> {
    let mut progress = Some(broker::Progress::new(&setup.brokers, names, load.partitions)?);
    let deadline = Instant::now() + COMMIT_LIMIT;
    while let Some(asked) = progress.take() {
        pods.look();
        let (behind, asked) = tokio::task::spawn_blocking(move || (asked.behind(), asked)).await?;
        let behind = behind.unwrap_or_else(|error| vec![error.to_string()]);
        if behind.is_empty() {
            break;
        }
        if Instant::now() > deadline || !pods.any() {
            return Ok(Some(format!("not committed to the ends: {}", behind.join(", "))));
        }
        progress = Some(asked);
        tokio::time::sleep(POLL).await;
    }
    let deadline = Instant::now() + FINAL_LIMIT;
    loop {
        pods.look();
        let written = log::read(&setup.brokers, &names.sessions(), load.partitions).await?;
        let finals = verdict::count_finals(&written);
        if finals >= truth.finals.len() {
            return Ok(None);
        }
        if Instant::now() > deadline || !pods.any() {
            return Ok(Some(format!(
                "{finals} final sessions of {} {FINAL_LIMIT:?} after the last commit",
                truth.finals.len()
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
