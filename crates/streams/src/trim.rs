//! Keeps changelogs short: what nothing needs any more is deleted in Kafka now and then.
//!
//! The topic has no retention, since the state of a group that was away for long must still be there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka::client::{self, Tracing};
use process::Shutdown;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio::runtime::Handle;
use tracing::{debug, warn};

use crate::Config;
use crate::assignment::signed;

const INTERVAL: Duration = Duration::from_secs(30);

/// Where each changelog may begin, as the worker has noted last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trimmer(Arc<Mutex<BTreeMap<u32, i64>>>);

impl Trimmer {
    /// Starts what deletes.
    pub(crate) fn start(config: &Config, shutdown: &Shutdown, runtime: &Handle) -> Self {
        let trimmer = Self::default();
        let settings = client::base(&config.kafka, &format!("{}-trim", config.pod));
        let (changelog, noted, shutdown) = (config.changelog(), trimmer.clone(), shutdown.clone());
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(INTERVAL) => noted.trim(&settings, &changelog).await,
                    () = shutdown.requested() => return,
                }
            }
        });
        trimmer
    }

    /// Notes that nothing below this offset is needed.
    pub(crate) fn note(&self, partition: u32, from: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, from);
    }

    async fn trim(&self, settings: &ClientConfig, changelog: &str) {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match delete(settings, changelog, &noted).await {
            Ok(()) => debug!(?noted, "changelogs trimmed"),
            Err(problem) => warn!(problem, "changelogs cannot be trimmed now, and grow"),
        }
    }
}

/// Deletes with a client of its own: one that has lost its broker is of no use half a minute later.
async fn delete(settings: &ClientConfig, changelog: &str, noted: &BTreeMap<u32, i64>) -> Result<(), String> {
    let mut list = TopicPartitionList::new();
    for (&partition, &from) in noted.iter().filter(|(_, from)| **from > 0) {
        list.add_partition_offset(changelog, signed(partition), Offset::Offset(from))
            .map_err(|problem| problem.to_string())?;
    }
    if list.count() == 0 {
        return Ok(());
    }
    let admin: AdminClient<Tracing> = client::create(settings).map_err(|problem| problem.to_string())?;
    let deleted =
        admin.delete_records(&list, &AdminOptions::new()).await.map_err(|problem| problem.to_string())?;
    let refused = |element: &TopicPartitionListElem<'_>| {
        let problem = element.error().err()?;
        Some(format!("{changelog}/{}: {problem}", element.partition()))
    };
    deleted.elements().iter().find_map(refused).map_or(Ok(()), Err)
}
