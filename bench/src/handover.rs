//! The longest pause of a partition while its owner is killed, as Kafka's own offsets tell it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::Brokers;
use model::command::Command;
use model::controls::Manner;
use model::snapshot::Phase;
use model::wire::Snapshot;

use crate::clock::from_millis;
use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::offsets::{self, Recorder};
use crate::show::{Show, is_whole};

/// How often, and with how many pods.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Pods that are killed in each way
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Pods that share the partitions
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=4))]
    pods: u32,
}

const LIMIT: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(20);
/// Readings before the kill, so that the pause's beginning is seen.
const LEAD_IN: usize = 25;

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "Committed offsets and log ends of all 24 partitions, asked for every 20 ms from before the kill until {} pods own everything \
         again and every partition goes on. A pause is the time in which records of a partition wait and none of them is committed (so \
         the 100 ms between two commits are in it); a round's figure is the longest pause of any partition. Default load, {} rounds each. \
         SIGKILL falls on a pod that has crashed least often: only with --pods 1 does the growing pause before a restart count.",
        options.pods, options.rounds
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    show.autoscaler(false).await?;
    let now_desired = show.now().now.cluster.map_or(0, |cluster| cluster.desired);
    if now_desired != options.pods {
        show.command(Command::Scale { replicas: options.pods }).await?;
    }
    let brokers = demo.brokers()?;
    let graceful = rounds(&mut show, &brokers, options, Manner::Graceful).await?;
    let crash = rounds(&mut show, &brokers, options, Manner::Crash).await?;
    show.autoscaler(true).await?;
    println!("  SIGTERM, s: {graceful}\n  SIGKILL, s: {crash}");
    Ok(vec![
        Figure::new(
            "longest pause of a partition after SIGTERM, median of the rounds",
            graceful.median(),
            "s",
        ),
        Figure::new("longest pause of a partition after SIGTERM", graceful.max(), "s").goal(1.0),
        Figure::new("longest pause of a partition after SIGKILL, median of the rounds", crash.median(), "s"),
        Figure::new("longest pause of a partition after SIGKILL", crash.max(), "s").goal(4.0),
    ])
}

async fn rounds(
    show: &mut Show,
    brokers: &Brokers,
    options: &Options,
    manner: Manner,
) -> Result<Distribution> {
    let mut pauses_s = Vec::new();
    for round in 1..=options.rounds {
        let pods = options.pods;
        show.until("a whole group", LIMIT, |now| {
            now.cluster.as_ref().is_some_and(|cluster| cluster.desired == pods) && is_whole(now)
        })
        .await?;
        let pause_s = kill(show, brokers, manner).await?;
        println!("  {manner:?}, round {round}: {} s", Digits(pause_s));
        pauses_s.push(pause_s);
    }
    Distribution::of("pauses", pauses_s)
}

/// Kills a pod; the longest pause of a partition in seconds.
async fn kill(show: &mut Show, brokers: &Brokers, manner: Manner) -> Result<f64> {
    let before = show.now().now;
    let victim = victim(&before).context("no pod owns anything")?;
    let recorder = Recorder::start(brokers, INTERVAL, true)?;
    show.until("the first readings", LIMIT, |_| recorder.count() >= LEAD_IN).await?;
    show.command(Command::Kill { pod: Some(victim.clone()), manner, confirmed: true }).await?;
    show.until("the death of the pod", LIMIT, |now| is_gone(now, &before, &victim)).await?;
    show.until("a whole group after the kill", LIMIT, is_whole).await?;
    let settled_ms = show.now().at_ms;
    // Each partition has made progress under its new owner by then: three times the longest time between two commits.
    show.until("progress after the kill", LIMIT, |now| from_millis(now.at_ms) > settled_ms + 1_000.0).await?;
    let readings = recorder.stop().await?;
    ensure!(readings.len() > LEAD_IN, "Kafka was asked too rarely");
    let longest = offsets::longest_pause(&readings).context("no partition had a record that waited")?;
    Ok(longest.took_ms / 1_000.0)
}

/// A pod that owns partitions; one that has crashed least often, since the pause before its restart grows each time.
fn victim(now: &Snapshot) -> Option<String> {
    let ready = now.cluster.as_ref()?.pods.iter().filter(|pod| pod.phase == Phase::Ready);
    ready.min_by_key(|pod| (pod.restarts, pod.created_ms)).map(|pod| pod.name.clone())
}

/// Whether the show has noticed: the pod is on its way out, gone, or started again.
fn is_gone(now: &Snapshot, before: &Snapshot, victim: &str) -> bool {
    let find =
        |snapshot: &Snapshot| snapshot.cluster.as_ref()?.pods.iter().find(|pod| pod.name == victim).cloned();
    match (find(before), find(now)) {
        (Some(before), Some(now)) => now.restarts > before.restarts || now.phase != Phase::Ready,
        _ => true,
    }
}
