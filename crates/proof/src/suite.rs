//! Many seeds: some at once, each on the broker that its theme needs.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::complaint::Complaint;
use crate::report::Report;
use crate::run;
use crate::schedule::{Ground, Theme};
use crate::setup::Setup;

/// So many seeds run at once: while one waits for its last sessions to end, the other one is under load. A seed that
/// kills the only broker runs alone.
const AT_ONCE: u32 = 3;

/// Proves all seeds and tells of each when it is done. Those that kill the one broker come after the others: one that
/// has just started again is slow, and an input that is made anew has to be committed soon. Those that need three
/// brokers come last, and alone: beside three brokers, which are slow to start, the one broker of the others would not
/// get the processor often enough to count as alive.
///
/// # Panics
/// When the harness itself has a bug that panics.
pub async fn prove_all(setup: &Setup, seeds: impl IntoIterator<Item = u64>, mut done: impl FnMut(Report)) {
    let (mut on_broker, mut kills_broker, mut on_cluster) = (Vec::new(), Vec::new(), Vec::new());
    for seed in seeds {
        match Theme::of(seed).ground() {
            Ground::Shared | Ground::Proxy => on_broker.push(seed),
            Ground::Mortal => kills_broker.push(seed),
            Ground::Cluster => on_cluster.push(seed),
        }
    }
    on_broker.append(&mut kills_broker);
    prove_on_broker(setup, on_broker, &mut done).await;
    if !on_cluster.is_empty() {
        prove_on_cluster(setup, on_cluster, &mut done).await;
    }
}

/// On the one broker, some at once.
async fn prove_on_broker(setup: &Setup, seeds: Vec<u64>, done: &mut impl FnMut(Report)) {
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let proxy = Arc::new(Mutex::new(()));
    let mut running = JoinSet::new();
    for seed in seeds {
        let ground = Theme::of(seed).ground();
        let needs = if ground == Ground::Mortal { AT_ONCE } else { 1 };
        let place = Arc::clone(&places).acquire_many_owned(needs).await.expect("nobody closes it");
        while let Some(report) = running.try_join_next() {
            done(report.expect("a seed panicked"));
        }
        let (setup, proxy) = (setup.clone(), Arc::clone(&proxy));
        running.spawn(async move {
            let _alone = if ground == Ground::Proxy { Some(proxy.lock().await) } else { None };
            let report = prove(&setup, None, seed).await;
            drop(place);
            report
        });
    }
    while let Some(report) = running.join_next().await {
        done(report.expect("a seed panicked"));
    }
}

/// On three brokers, which are started for them, one after the other.
async fn prove_on_cluster(setup: &Setup, seeds: Vec<u64>, done: &mut impl FnMut(Report)) {
    let cluster = match &setup.surroundings.java {
        Some(java) => Some(Cluster::start(java, &setup.logs.join("cluster")).await),
        None => None,
    };
    for seed in seeds {
        done(match &cluster {
            Some(Err(error)) => failed(seed, Instant::now(), error),
            Some(Ok(cluster)) => prove(setup, Some(cluster), seed).await,
            None => prove(setup, None, seed).await,
        });
    }
    if let Some(Ok(cluster)) = cluster {
        cluster.end().await;
    }
}

async fn prove(setup: &Setup, cluster: Option<&Cluster>, seed: u64) -> Report {
    let begin = Instant::now();
    let theme = Theme::of(seed);
    let lacks_disk = || cluster.filter(|_| theme == Theme::DiskFull)?.lacks_disk();
    if let Some(lack) = setup.lacks(theme).map(str::to_owned).or_else(lacks_disk) {
        return Report { left_out: Some(lack), ..Report::empty(seed) };
    }
    run::prove(setup, cluster, seed).await.unwrap_or_else(|error| failed(seed, begin, &error))
}

fn failed(seed: u64, begin: Instant, error: &anyhow::Error) -> Report {
    let complaints = vec![Complaint::Harness(format!("{error:#}"))];
    Report { complaints, took: begin.elapsed(), ..Report::empty(seed) }
}
