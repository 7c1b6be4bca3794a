//! One application on an input that is there already: how much processor time it takes, and whether its sessions are
//! right.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};
use model::PARTITIONS;
use tokio::time::{Instant, sleep};

use super::check;
use super::outcome::Outcome;
use super::side::{Run, Side};
use crate::broker::Broker;
use crate::figure::Digits;
use crate::frames::inputs;
use crate::processes::Usage;
use crate::progress::{Progress, wait_for};

/// How long the final sessions may take after the last offset.
const CLOSING_LIMIT: Duration = Duration::from_secs(20);

/// What was measured: of ours over the whole input, of the peer over the second half.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    records: u64,
    wall: Duration,
    cpu: Duration,
    rss_mb: f64,
    /// The most that was ever resident, in megabytes.
    pub(crate) peak_mb: f64,
}

impl Throughput {
    /// Records of both inputs in a second of processor time.
    pub(crate) fn records_per_cpu_second(&self) -> f64 {
        self.records as f64 / self.cpu.as_secs_f64()
    }

    /// Records of both inputs in a second of the clock.
    pub(crate) fn records_per_second(&self) -> f64 {
        self.records as f64 / self.wall.as_secs_f64()
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, wall, cpu, rss_mb, peak_mb } = self;
        write!(
            f,
            "{records} records in {} s: {} records/s, {} per CPU-second, {} CPU-us a record, RSS {} MB, at most {} MB",
            Digits(wall.as_secs_f64()),
            Digits(self.records_per_second()),
            Digits(self.records_per_cpu_second()),
            Digits(cpu.as_secs_f64() * 1e6 / *records as f64),
            Digits(*rss_mb),
            Digits(*peak_mb),
        )
    }
}

/// Runs an application until it has committed its whole input, and compares its sessions with what is expected.
pub(crate) async fn run(broker: &Broker, run: &Run<'_>, expected: &Outcome) -> Result<Throughput> {
    run.make_topics(broker).await?;
    let progress = Progress::of(&broker.brokers, &run.group(), &inputs(run.prefix), PARTITIONS)?;
    let mut process = run.start(broker)?;
    let end = progress.ends().await?;
    let mut began = Instant::now();
    let (from, before) = match run.side {
        // It needs no warming up, so its start and all that it does ahead of its commits are counted.
        Side::Ours => (0, Usage::default()),
        Side::Peer => {
            let half = wait_for(&mut process, &progress, end / 2).await?;
            began = Instant::now();
            half
        }
    };
    let (to, after) = wait_for(&mut process, &progress, end).await?;
    let wall = began.elapsed();
    ensure!(to > from, "it was done before it was looked at twice: more `--frames` are needed");
    await_outcome(broker, run, expected).await?;
    process.end().await?;
    Ok(Throughput {
        records: to - from,
        wall,
        cpu: after.cpu.saturating_sub(before.cpu),
        rss_mb: after.rss_mb,
        peak_mb: after.peak_mb.unwrap_or(after.rss_mb),
    })
}

/// The last sessions may be written after the last offsets are committed.
async fn await_outcome(broker: &Broker, run: &Run<'_>, expected: &Outcome) -> Result<()> {
    let deadline = Instant::now() + CLOSING_LIMIT;
    loop {
        let found = Outcome::read(&broker.brokers, &run.sessions(), run.side).await?;
        let checked = check(run.side, &found, expected);
        if checked.is_ok() || Instant::now() >= deadline {
            return checked;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
