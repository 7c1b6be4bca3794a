//! Many seeds: some at once, each on the broker that its theme needs.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::complaint::Complaint;
use crate::report::Report;
use crate::run;
use crate::schedule::{Ground, Theme};
use crate::setup::Setup;

/// So many seeds run at once: while one waits for its last sessions to end, the other one is under load. A seed that kills the only broker
/// runs alone.
const AT_ONCE: u32 = 3;

/// What only one seed can use at a time.
#[derive(Clone, Default)]
struct Grounds {
    cluster: Arc<Mutex<Option<Cluster>>>,
    proxy: Arc<Mutex<()>>,
}

/// Proves all seeds and tells of each when it is done.
///
/// # Panics
/// When the harness itself has a bug that panics.
pub async fn prove_all(setup: &Setup, seeds: impl IntoIterator<Item = u64>, mut done: impl FnMut(Report)) {
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let grounds = Grounds::default();
    let mut running = JoinSet::new();
    for seed in seeds {
        let needs = if Theme::of(seed).ground() == Ground::Mortal { AT_ONCE } else { 1 };
        let place = Arc::clone(&places).acquire_many_owned(needs).await.expect("nobody closes it");
        while let Some(report) = running.try_join_next() {
            done(report.expect("a seed panicked"));
        }
        let (setup, grounds) = (setup.clone(), grounds.clone());
        running.spawn(async move {
            let begin = Instant::now();
            let report = prove(&setup, &grounds, seed).await.unwrap_or_else(|error| Report {
                complaints: vec![Complaint::Harness(format!("{error:#}"))],
                took: begin.elapsed(),
                ..Report::empty(seed)
            });
            drop(place);
            report
        });
    }
    while let Some(report) = running.join_next().await {
        done(report.expect("a seed panicked"));
    }
    if let Some(cluster) = grounds.cluster.lock().await.take() {
        cluster.end().await;
    }
}

async fn prove(setup: &Setup, grounds: &Grounds, seed: u64) -> Result<Report> {
    let theme = Theme::of(seed);
    let left_out = |why: String| Ok(Report { left_out: Some(why), ..Report::empty(seed) });
    if let Some(lack) = setup.lacks(theme) {
        return left_out(lack.to_owned());
    }
    match (theme.ground(), &setup.surroundings.java) {
        (Ground::Cluster, Some(java)) => {
            let mut slot = grounds.cluster.lock().await;
            if slot.is_none() {
                *slot = Some(Cluster::start(java, &setup.logs.join("cluster")).await?);
            }
            match slot.as_ref().and_then(Cluster::lacks_disk) {
                Some(lack) if theme == Theme::DiskFull => left_out(lack),
                _ => run::prove(setup, slot.as_ref(), seed).await,
            }
        }
        (Ground::Proxy, _) => {
            let _alone = grounds.proxy.lock().await;
            run::prove(setup, None, seed).await
        }
        _ => run::prove(setup, None, seed).await,
    }
}
