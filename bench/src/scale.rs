//! From a burst to the autoscaler's decision, and to the first record that a new pod has processed.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::sessions::{self, SessionRecord};
use model::command::Command;
use model::wire::Snapshot;
use tokio_util::sync::CancellationToken;

use crate::clock::{from_millis, now_ms};
use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::show::{Seen, Show};

/// How often to do it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Bursts; they begin at as many different points between two looks of the autoscaler
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

const LIMIT: Duration = Duration::from_secs(60);

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "From the click on x10 until a client is told that more pods are desired, and until the first record in SESSIONS with a \
         new pod's name in its header; {} bursts, evenly spread over the autoscaler's period, so the worst case is among them.",
        options.rounds
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    let (mut decisions, mut firsts) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        show.calm().await?;
        let phase = (f64::from(round) + 0.5) / f64::from(options.rounds);
        let (decision_s, first_s) = burst(demo, &mut show, phase).await?;
        println!(
            "  burst {} at {} of the period: decision after {} s, first record of a new pod after {} s",
            round + 1,
            Digits(phase),
            Digits(decision_s),
            Digits(first_s)
        );
        decisions.push(decision_s);
        firsts.push(first_s);
    }
    show.calm().await?;
    let (decisions, firsts) =
        (Distribution::of("decisions", decisions)?, Distribution::of("first records", firsts)?);
    println!("  decision, s: {decisions}\n  first record, s: {firsts}");
    Ok(vec![
        Figure::new("load x10 to decision, median", decisions.median(), "s").goal(6.0),
        Figure::new("load x10 to decision, longest", decisions.max(), "s").goal(6.0),
        Figure::new("load x10 to first record of the new pod, median", firsts.median(), "s").goal(8.0),
        Figure::new("load x10 to first record of the new pod, longest", firsts.max(), "s").goal(8.0),
    ])
}

/// Seconds to the decision and to the first record.
async fn burst(demo: &Demo, show: &mut Show, phase: f64) -> Result<(f64, f64)> {
    let before = wait_for_phase(show, phase).await?;
    let known: HashSet<String> = pods(&before.now).collect();
    let desired = before.now.cluster.as_ref().map_or(0, |cluster| cluster.desired);
    let cancel = CancellationToken::new();
    let _end = cancel.clone().drop_guard();
    let mut sessions =
        sessions::tail(&sessions::Config::new(&demo.brokers()?, "bench-sessions"), |_| true, cancel)?;
    // From here on the tail reads: the first record of an old pod has come.
    tokio::time::timeout(LIMIT, sessions.recv()).await.context("nothing comes through SESSIONS")?;
    let first = tokio::spawn(async move {
        loop {
            let record = sessions.recv().await.context("the tail of SESSIONS has ended")?;
            if record.pod.as_ref().is_some_and(|pod| !known.contains(pod)) {
                return anyhow::Ok((now_ms(), record));
            }
        }
    });
    let began_ms = now_ms();
    show.command(Command::Burst { factor: 10 }).await?;
    let decided = show
        .until("a decision for more pods", LIMIT, |now| {
            now.cluster.as_ref().is_some_and(|cluster| cluster.desired > desired)
        })
        .await?;
    let (first_ms, record) =
        tokio::time::timeout(LIMIT, first).await.context("no record of a new pod came")???;
    check(&mut *show, &record, began_ms).await?;
    Ok(((decided.at_ms - began_ms) / 1_000.0, (first_ms - began_ms) / 1_000.0))
}

/// The first record counts only if a pod wrote it that the cluster made after the burst began and that the group's
/// coordinator calls the owner of the record's partition, and if it was joined after that pod was made.
async fn check(show: &mut Show, record: &SessionRecord, began_ms: f64) -> Result<()> {
    let name = record.pod.as_deref().context("the record names no pod")?;
    let partition = record.partition as usize;
    let owns = |now: &Snapshot| {
        let owner = now.ownership.as_ref().and_then(|ownership| ownership.tasks.get(partition));
        owner.is_some_and(|owner| owner.pod.as_deref() == Some(name))
    };
    let seen = show.until("the new pod as owner of the record's partition", LIMIT, owns).await?;
    let pod = seen.now.cluster.as_ref().and_then(|cluster| cluster.pods.iter().find(|pod| pod.name == name));
    let created_ms = from_millis(pod.context("the record's pod is not in the cluster")?.created_ms);
    let joined_ms = from_millis(record.joined_at_ms.context("the record does not say when it was joined")?);
    ensure!(
        created_ms >= began_ms && joined_ms >= created_ms,
        "the first record is of a pod from before the burst"
    );
    println!("  pod {name} joined its first frame {} ms after it was made", Digits(joined_ms - created_ms));
    Ok(())
}

/// Waits until this part of the time between two looks of the autoscaler is over.
async fn wait_for_phase(show: &mut Show, phase: f64) -> Result<Seen> {
    let looked = |now: &Snapshot| {
        let decision = now.cluster.as_ref()?.decision.as_ref()?;
        Some((decision.at_ms, decision.next_ms?))
    };
    let before = looked(&show.now().now);
    let fresh = show
        .until("a look of the autoscaler", LIMIT, |now| looked(now).is_some() && looked(now) != before)
        .await?;
    let (at_ms, next_ms) = looked(&fresh.now).context("the autoscaler did not look")?;
    let wanted = from_millis(at_ms) + phase * from_millis(next_ms.saturating_sub(at_ms));
    show.until("a point of its period", LIMIT, |now| from_millis(now.at_ms) >= wanted).await
}

fn pods(now: &Snapshot) -> impl Iterator<Item = String> {
    now.cluster.iter().flat_map(|cluster| cluster.pods.iter().map(|pod| pod.name.clone()))
}
