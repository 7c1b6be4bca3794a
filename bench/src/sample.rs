//! What a sample costs: the time of one, at rest and under full load, and the processor time of four a second.

use std::time::Duration;

use anyhow::{Context, Result};
use kafka::sampler;
use model::command::Command;
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::show::Show;

/// How long to sample.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seconds of sampling at rest; under full load it is the time of one burst
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
}

/// From the command to the last record of the load before it.
const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// A burst lasts 20 s; its rate is seen after about three.
const FULL_LOAD: Duration = Duration::from_secs(15);

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "The server's own sampler, run a second time in this process: committed offsets, log starts and log ends of 24 \
         partitions and the group's members, four times a second. At rest: the generator paused, no lag. Full load: the x10 \
         burst. Processor time is that of this whole process while it does nothing else (librdkafka's threads included)."
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    show.base(0).await?;
    show.until("rest", QUIET_LIMIT, |now| {
        now.rates.as_ref().is_some_and(|rates| rates.produced == 0 && rates.consumed == 0)
    })
    .await?;
    // The stream of the show costs this process time of its own.
    drop(show);
    let (at_rest, cpu_at_rest) = sample(demo, Duration::from_secs(options.seconds)).await?;
    println!("  at rest, ms a sample: {at_rest}; {} % of a core", Digits(cpu_at_rest));

    let mut show = Show::open(demo, &http).await?;
    show.base(model::load::DEFAULT_FRAMES_PER_SECOND).await?;
    show.command(Command::Burst { factor: 10 }).await?;
    let full = model::load::DEFAULT_FRAMES_PER_SECOND * 8;
    show.until("full load", QUIET_LIMIT, |now| {
        now.rates.as_ref().is_some_and(|rates| rates.by_topic.first().is_some_and(|frames| *frames > full))
    })
    .await?;
    drop(show);
    let (loaded, cpu_loaded) = sample(demo, FULL_LOAD).await?;
    println!("  under full load, ms a sample: {loaded}; {} % of a core", Digits(cpu_loaded));
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    Ok(vec![
        Figure::new("one sample of 24 partitions at rest, median", at_rest.median(), "ms").goal(2.0),
        Figure::new("one sample of 24 partitions at rest, p99", at_rest.percentile(99), "ms"),
        Figure::new("one sample of 24 partitions under full load, median", loaded.median(), "ms").goal(10.0),
        Figure::new("one sample of 24 partitions under full load, p99", loaded.percentile(99), "ms"),
        Figure::new("sampling four times a second, at rest", cpu_at_rest, "% of a core").goal(2.0),
        Figure::new("sampling four times a second, under full load", cpu_loaded, "% of a core").goal(2.0),
    ])
}

/// Milliseconds a sample, and percents of a core.
async fn sample(demo: &Demo, time: Duration) -> Result<(Distribution, f64)> {
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let mut sampler = sampler::start(sampler::Config::of_the_demo(&demo.brokers()?), cancel)?;
    // The first samples connect; nobody waits for them.
    for _ in 0..4 {
        sampler.timings.changed().await?;
    }
    let (began, cpu_before) = (tokio::time::Instant::now(), cpu_ms());
    let mut took_ms = Vec::new();
    while began.elapsed() < time {
        let changed = tokio::time::timeout(Duration::from_secs(5), sampler.timings.changed());
        changed.await.context("the sampler does not answer")??;
        took_ms.extend(sampler.timings.borrow_and_update().last().map(|took| took.as_secs_f64() * 1_000.0));
    }
    let cpu = (cpu_ms() - cpu_before) / (began.elapsed().as_secs_f64() * 1_000.0) * 100.0;
    Ok((Distribution::of("samples", took_ms)?, cpu))
}

/// Processor time of this process.
#[expect(clippy::cast_precision_loss, reason = "seconds of processor time are few")]
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1_000.0 + time.tv_nsec as f64 / 1e6
}
