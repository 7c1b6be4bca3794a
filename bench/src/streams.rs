//! One pod of ours against Kafka Streams: how much work a second of processor time does, how much memory it takes, how
//! long a frame needs to `SESSIONS`, and whether both compute the same.

mod input;
mod latency;
mod outcome;
mod side;
mod throughput;

use anyhow::Result;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::cores;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};

use input::Input;
use outcome::Outcome;
use side::{PeerOptions, Run, Side};
use throughput::Throughput;

/// How much input, and how the peer is set.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Frames of a run; each is a request and nearly always a response
    #[arg(long, default_value_t = 600_000, value_parser = clap::value_parser!(u32).range(50_000..=20_000_000))]
    frames: u32,
    /// Runs of each side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Frames a second of event time
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    event_rate: u32,
    /// Machines that play, some at a time
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    machines: u32,
    /// Seed of the machines and their hits
    #[arg(long, default_value_t = 2018)]
    seed: u64,
    /// Seconds of live load for the latency; 0 leaves it out
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=600))]
    seconds: u64,
    /// One run of each side with a third of the frames, and a third of the live load
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    peer: PeerOptions,
}

impl Options {
    fn effective(&self) -> Self {
        let mut options = self.clone();
        if self.quick {
            (options.frames, options.rounds, options.seconds) = (self.frames / 3, 1, self.seconds / 3);
        }
        options
    }

    /// What both sides read; it ends now.
    fn input(&self, frames: u32) -> Input {
        Input { frames, event_rate: self.event_rate, machines: self.machines, seed: self.seed }
    }
}

/// Measures.
pub(crate) async fn run(broker: &Broker, options: &Options) -> Result<Vec<Figure>> {
    let options = options.effective();
    println!(
        "The same {} frames ({} machines, {} frames a second of event time, 12 partitions) are joined and gathered into sessions by one pod \
         of ours and by Kafka Streams 4.3 (bench/peer), one after the other, {}, exactly once, committing every 100 ms, nothing compressed. \
         The \
         peer is measured over the second half of the input, when its JVM is warm, ours over all of it, its start included: processor time is \
         user and system time of the process, memory the \
         most that was ever resident (VmHWM).",
        options.frames,
        options.machines,
        options.event_rate,
        cores::in_words(broker.cores.as_ref())
    );
    let directory = TempDir::with_prefix("king-streams-")?;
    let prefix = format!("BENCH-STREAMS-{}", std::process::id());
    let measured = measure(broker, &options, &directory, &prefix).await;
    broker.delete_topics(&prefix).await?;
    measured
}

async fn measure(
    broker: &Broker,
    options: &Options,
    directory: &TempDir,
    prefix: &str,
) -> Result<Vec<Figure>> {
    let expected = input::write(broker, prefix, &options.input(options.frames), input::End::Closing).await?;
    println!("  input: {} pairs of {} machines", expected.pairs, expected.machines.len());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        for (side, results) in [(Side::Ours, &mut ours), (Side::Peer, &mut theirs)] {
            let run = Run { side, prefix, name: &round.to_string(), peer: &options.peer, directory };
            let result = throughput::run(broker, &run, &expected).await?;
            println!("  {side}, run {round}: {result}");
            results.push(result);
        }
    }
    println!("  both joined the same pairs, and hold the same hits and score for each machine");
    let per_cpu_second = |results: &[Throughput]| median(results, Throughput::records_per_cpu_second);
    let peak_mb = |results: &[Throughput]| median(results, |result| result.peak_mb);
    let mut figures = vec![
        Figure::compared(
            "join and sessions, exactly once",
            per_cpu_second(&ours)?,
            per_cpu_second(&theirs)?,
            "records per CPU-second",
            5.0,
        ),
        Figure::compared("memory of one pod", peak_mb(&ours)?, peak_mb(&theirs)?, "MB", 0.1),
    ];
    if options.seconds > 0 {
        let records_per_second = median(&theirs, Throughput::records_per_second)? / 2.0;
        figures.push(latencies(broker, options, directory, prefix, records_per_second).await?);
    }
    Ok(figures)
}

/// Both sides get the same load: half of what the peer can do.
async fn latencies(
    broker: &Broker,
    options: &Options,
    directory: &TempDir,
    prefix: &str,
    records_per_second: f64,
) -> Result<Figure> {
    println!(
        "Live frames for {} s at {} records a second, half of what Kafka Streams can do; from the time that a frame is stamped with and \
         produced to the time that a read_committed consumer has a session that counts it. Each side has processed {} frames before.",
        options.seconds,
        Digits(records_per_second),
        options.frames / 3,
    );
    let load = latency::Load { records_per_second, seconds: options.seconds };
    let mut p99_ms = Vec::new();
    for side in [Side::Ours, Side::Peer] {
        let prefix = format!("{prefix}-LIVE-{side:?}");
        let run = Run { side, prefix: &prefix, name: "live", peer: &options.peer, directory };
        let measured = latency::run(broker, &run, &options.input(options.frames / 3), &load).await?;
        println!("  {side}, ms: {measured}");
        p99_ms.push(measured.percentile(99));
    }
    let name = format!("produce to SESSIONS, p99 at {} records/s", Digits(records_per_second));
    Ok(Figure::compared(name, p99_ms[0], p99_ms[1], "ms", 0.25))
}

fn median(results: &[Throughput], value: impl Fn(&Throughput) -> f64) -> Result<f64> {
    Ok(Distribution::of("runs", results.iter().map(value))?.median())
}

/// Fails when a side has computed something else than what follows from the input.
fn check(side: Side, found: &Outcome, expected: &Outcome) -> Result<()> {
    match found.difference(expected) {
        None => Ok(()),
        Some(difference) => anyhow::bail!("{side} computed something else: {difference}"),
    }
}
