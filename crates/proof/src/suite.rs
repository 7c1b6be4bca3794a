//! Many seeds on one broker.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::run::{self, Report, Setup};
use crate::schedule::{Schedule, Theme};

/// So many seeds run at once: while one waits for its last sessions to end, the other one is under load. A seed that kills the broker runs
/// alone.
const AT_ONCE: u32 = 2;

/// Proves all seeds and tells of each when it is done.
///
/// # Panics
/// When the harness itself has a bug that panics.
pub async fn prove_all(setup: &Setup, seeds: impl IntoIterator<Item = u64>, mut done: impl FnMut(Report)) {
    let places = Arc::new(Semaphore::new(AT_ONCE as usize));
    let mut running = JoinSet::new();
    for seed in seeds {
        let needs = if Schedule::of(seed).theme == Theme::Broker { AT_ONCE } else { 1 };
        let place = Arc::clone(&places).acquire_many_owned(needs).await.expect("nobody closes it");
        while let Some(report) = running.try_join_next() {
            done(report.expect("a seed panicked"));
        }
        let setup = setup.clone();
        running.spawn(async move {
            let report =
                run::prove(&setup, seed).await.unwrap_or_else(|error| Report::of_error(seed, &error));
            drop(place);
            report
        });
    }
    while let Some(report) = running.join_next().await {
        done(report.expect("a seed panicked"));
    }
}
