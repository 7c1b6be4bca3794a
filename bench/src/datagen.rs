//! Our generator against Kafka's own `ProducerPerformance`: how many records a second of processor time produces, and
//! how long a record takes at a moderate rate.

mod arrivals;
mod side;

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::broker::Broker;
use crate::cores;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::measured::Measured;
use crate::processes::Usage;
use crate::progress::Progress;

use side::{Run, Side};

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Records of a run
    #[arg(long, default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(200_000..=100_000_000))]
    records: u64,
    /// Runs of each side
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Records a second for the latency
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    rate: u32,
    /// Seconds of that load; 0 leaves it out
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=120))]
    seconds: u64,
    /// One run of each side with half of the records
    #[arg(long)]
    quick: bool,
}

/// Short beside what is measured, long enough to cost nothing.
const LOOK: Duration = Duration::from_millis(20);
/// A run that takes longer is stuck.
const LIMIT: Duration = Duration::from_secs(300);
/// The beginning that is left out, in percent of the records: a JVM is warm then.
const WARM_UP: u64 = 40;
/// Where measuring ends, in percent of the records: the process still lives.
const MEASURED_TO: u64 = 95;

/// Measures.
pub(crate) async fn run(broker: &Broker, options: &Options) -> Result<Vec<Figure>> {
    let (records, rounds) =
        if options.quick { (options.records / 2, 1) } else { (options.records, options.rounds) };
    println!(
        "{records} records of {} bytes on average by our datagen and by ProducerPerformance, one after the other, {}, into {} partitions; \
         acks=all, idempotent, linger.ms={}, batch.size={}, nothing compressed. Measured from {WARM_UP} to {MEASURED_TO} % of the records, so \
         that a JVM is warm; the median of {rounds} runs.",
        Digits(side::average_bytes()),
        cores::in_words(broker.cores.as_ref()),
        side::PARTITIONS,
        side::LINGER_MS,
        side::BATCH_BYTES,
    );
    let directory = TempDir::with_prefix("king-datagen-")?;
    side::write_payloads(directory.path())?;
    let prefix = format!("BENCH-DATAGEN-{}", std::process::id());
    let measured = async {
        let per_cpu_second = compare(broker, &directory, &prefix, records, rounds).await?;
        if options.seconds > 0 {
            latencies(broker, options, &directory, &prefix).await?;
        }
        Ok::<_, anyhow::Error>(per_cpu_second)
    };
    let measured = measured.await;
    broker.delete_topics(&prefix).await?;
    let [ours, theirs] = measured?;
    Ok(vec![Figure::compared("generator, acks=all", ours, theirs, "records per CPU-second", 2.0)])
}

/// The median of records per CPU-second of each side.
async fn compare(
    broker: &Broker,
    directory: &TempDir,
    prefix: &str,
    records: u64,
    rounds: u32,
) -> Result<[f64; 2]> {
    let mut results = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for (side, results) in Side::BOTH.into_iter().zip(&mut results) {
            let prefix = format!("{prefix}-{side:?}-{round}");
            let run = Run { side, prefix: &prefix, records, rate: None, directory: directory.path() };
            let result = produce(broker, &run).await?;
            println!("  {side}, run {round}: {result}");
            results.push(result.records_per_cpu_second());
            // A disk need not hold all rounds.
            broker.delete_topics(&prefix).await?;
        }
    }
    let [ours, theirs] = results.map(|results| Distribution::of("runs", results));
    Ok([ours?.median(), theirs?.median()])
}

/// From the time that a record is stamped with until a consumer has it, at the same rate on both sides.
async fn latencies(broker: &Broker, options: &Options, directory: &TempDir, prefix: &str) -> Result<()> {
    println!(
        "At {} records a second, from a record's timestamp until a consumer has it, in ms:",
        options.rate
    );
    let records = u64::from(options.rate) * (arrivals::SETTLE_S + options.seconds);
    for side in Side::BOTH {
        let prefix = format!("{prefix}-{side:?}-LIVE");
        let rate = Some(options.rate);
        let run = Run { side, prefix: &prefix, records, rate, directory: directory.path() };
        let mut process = start(broker, &run).await?;
        let arrivals =
            arrivals::watch(&broker.brokers, &run.topics(), run.partitions_each(), options.seconds).await;
        process.usage().with_context(|| format!("{side} did not last"))?;
        process.end().await?;
        println!("  {side}: {}", arrivals?);
    }
    Ok(())
}

async fn start(broker: &Broker, run: &Run<'_>) -> Result<Measured> {
    broker.make_topics(&run.topics(), run.partitions_each()).await?;
    run.start(broker)
}

/// What was measured of one run.
#[derive(Debug, Clone, Copy)]
struct Produced {
    records: u64,
    wall: Duration,
    cpu: Duration,
    peak_mb: f64,
}

impl Produced {
    fn records_per_cpu_second(&self) -> f64 {
        self.records as f64 / self.cpu.as_secs_f64()
    }
}

impl fmt::Display for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, wall, cpu, peak_mb } = self;
        write!(
            f,
            "{records} records in {} s: {} records/s, {} per CPU-second, {} CPU-us a record, RSS at most {} MB",
            Digits(wall.as_secs_f64()),
            Digits(*records as f64 / wall.as_secs_f64()),
            Digits(self.records_per_cpu_second()),
            Digits(cpu.as_secs_f64() * 1e6 / *records as f64),
            Digits(*peak_mb),
        )
    }
}

async fn produce(broker: &Broker, run: &Run<'_>) -> Result<Produced> {
    let mut process = start(broker, run).await?;
    let progress = Progress::of(&broker.brokers, "bench", &run.topics(), run.partitions_each())?;
    let deadline = Instant::now() + LIMIT;
    let (from, before) = reach(&mut process, &progress, run.records * WARM_UP / 100, deadline).await?;
    let began = Instant::now();
    let (to, after) = reach(&mut process, &progress, run.records * MEASURED_TO / 100, deadline).await?;
    let wall = began.elapsed();
    process.finish(LIMIT).await?;
    let end = progress.ends().await?;
    ensure!(
        end.abs_diff(run.records) * 100 <= run.records,
        "{end} records are in Kafka, not {}",
        run.records
    );
    Ok(Produced {
        records: to - from,
        wall,
        cpu: after.cpu.saturating_sub(before.cpu),
        peak_mb: after.peak_mb.unwrap_or(after.rss_mb),
    })
}

/// Waits until so many records are in Kafka.
async fn reach(
    process: &mut Measured,
    progress: &Progress,
    records: u64,
    deadline: Instant,
) -> Result<(u64, Usage)> {
    loop {
        let usage = process.usage()?;
        let now = progress.ends().await?;
        if now >= records {
            return Ok((now, usage));
        }
        ensure!(Instant::now() < deadline, "only {now} of {records} records came:\n{}", process.tail());
        sleep(LOOK).await;
    }
}
