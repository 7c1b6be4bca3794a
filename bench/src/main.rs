//! Measures the figures that the project promises, one subcommand a group of figures, against a running demo or beside
//! a peer.
//!
//! `cargo xtask bench NAME` starts a demo, or only a Kafka, on free ports and runs `bench NAME` with its address in the
//! environment. Every load is bounded in number and time and goes to this machine only; every wait is for a condition,
//! with a limit.

mod broker;
mod browser;
mod clock;
mod cores;
mod datagen;
mod demo;
mod distribution;
mod figure;
mod frames;
mod freshness;
mod handover;
mod measured;
mod memory;
mod offsets;
mod page;
mod processes;
mod progress;
mod proof;
mod restore;
mod sample;
mod scale;
mod show;
mod start;
mod stream;
mod streams;
mod taps;
mod viewers;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::broker::BrokerArgs;
use crate::demo::DemoArgs;
use crate::figure::Figure;

/// Measure the figures of King of Scaling against a running demo.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(flatten)]
    demo: DemoArgs,
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From `cargo xtask demo` to the page: a second start and, when asked, a fresh clone
    Start(start::Options),
    /// Memory of the server, of each pod and of the generator after a minute of default load
    Memory(memory::Options),
    /// How long a sample of all partitions takes, and what sampling costs
    Sample(sample::Options),
    /// From a commit in Kafka to an event at a client, and to a pixel in a browser
    Freshness(freshness::Options),
    /// Bytes of the page with all that it loads, and the time to its first numbers
    Page(page::Options),
    /// Bytes a minute of the live streams
    Stream(stream::Options),
    /// From load x10 to the autoscaler's decision and to the first record of the new pod
    Scale(scale::Options),
    /// The longest pause of a partition when its owner is killed
    Handover(handover::Options),
    /// A thousand browsers' worth of streams
    Viewers(viewers::Options),
    /// Taps a second that come back through the application, and how long they take
    Taps(taps::Options),
    /// As many schedules of kills, stalls, rebalances and restarts of the broker as asked for, each against a fold of
    /// the same log
    Proof(proof::Options),
    /// One pod against Kafka Streams: processor time, memory, latency, and the same outcome
    Streams(streams::Options),
    /// Our generator against Kafka's ProducerPerformance
    Datagen(datagen::Options),
    /// From the start of a pod that takes over a million open sessions to its first new record
    Restore(restore::Options),
    /// Everything that needs one running demo, with default options
    All,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(figures) => {
            println!();
            figures.iter().for_each(|figure| println!("{figure}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<Vec<Figure>> {
    match &cli.command {
        Command::Start(options) => return start::run(options).await,
        Command::Streams(options) => return streams::run(&cli.broker.open()?, options).await,
        Command::Datagen(options) => return datagen::run(&cli.broker.open()?, options).await,
        Command::Restore(options) => return restore::run(&cli.broker.open()?, options).await,
        Command::Proof(options) => return proof::run(options).await,
        _ => {}
    }
    let demo = cli.demo.open()?;
    match &cli.command {
        Command::Start(_)
        | Command::Streams(_)
        | Command::Datagen(_)
        | Command::Restore(_)
        | Command::Proof(_)
        | Command::All => all(cli).await,
        Command::Memory(options) => memory::run(&demo, options).await,
        Command::Sample(options) => sample::run(&demo, options).await,
        Command::Freshness(options) => freshness::run(&demo, options).await,
        Command::Page(options) => page::run(&demo, options).await,
        Command::Stream(options) => stream::run(&demo, options).await,
        Command::Scale(options) => scale::run(&demo, options).await,
        Command::Handover(options) => handover::run(&demo, options).await,
        Command::Viewers(options) => viewers::run(&demo, options).await,
        Command::Taps(options) => taps::run(&demo, options).await,
    }
}

/// Runs every group as if it were asked for alone. One that fails is named at the end; the others' figures are kept.
async fn all(cli: &Cli) -> Result<Vec<Figure>> {
    // Memory comes first: a server keeps for good what a crowd once made it take.
    const GROUPS: [&str; 9] =
        ["memory", "viewers", "page", "stream", "sample", "freshness", "scale", "handover", "taps"];
    let mut figures = Vec::new();
    let mut failed = Vec::new();
    for name in GROUPS {
        println!("\n== {name}");
        let one = Cli {
            demo: cli.demo.clone(),
            broker: cli.broker.clone(),
            ..Cli::try_parse_from(["bench", name])?
        };
        match Box::pin(run(&one)).await {
            Ok(measured) => figures.extend(measured),
            Err(error) => {
                eprintln!("{name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(figures);
    }
    figures.iter().for_each(|figure| println!("{figure}"));
    anyhow::bail!("not measured: {}", failed.join(", "))
}
