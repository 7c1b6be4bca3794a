//! Waits for the pods: until they have committed all, and ended all sessions.

use std::time::Duration;

use anyhow::Result;
use kafka::Brokers;
use tokio::time::Instant;
use workload::Input;

use crate::broker::Progress;
use crate::complaint::Complaint;
use crate::names::Names;
use crate::pods::Pods;
use crate::{log, verdict};

const POLL: Duration = Duration::from_millis(250);

/// Waits until the group has committed the ends of the inputs; what is missing when that takes too long.
pub(super) async fn for_commits(
    brokers: &Brokers,
    names: &Names,
    partitions: u32,
    limit: Duration,
    pods: &mut Pods,
) -> Result<Option<Complaint>> {
    let mut progress = Progress::new(brokers, names, &Input::ALL, partitions)?;
    let deadline = Instant::now() + limit;
    loop {
        pods.look();
        let (asked, behind) = progress.behind().await?;
        if behind.is_empty() {
            return Ok(None);
        }
        if Instant::now() > deadline || !pods.any() {
            return Ok(Some(Complaint::NotCommitted(behind)));
        }
        progress = asked;
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until all final sessions are there.
pub(super) async fn for_finals(
    brokers: &Brokers,
    names: &Names,
    expected: usize,
    limit: Duration,
    pods: &mut Pods,
) -> Result<Option<Complaint>> {
    let deadline = Instant::now() + limit;
    loop {
        pods.look();
        let finals = verdict::count_finals(&log::read(brokers, &names.sessions()).await?);
        if finals >= expected {
            return Ok(None);
        }
        if Instant::now() > deadline || !pods.any() {
            return Ok(Some(Complaint::NotFinal { finals, expected }));
        }
        tokio::time::sleep(POLL).await;
    }
}
