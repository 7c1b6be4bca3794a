//! Gives tasks their state back, on a thread of its own: the tasks that a pod keeps go on meanwhile.
//!
//! First it asks what the group has committed. The answer waits until no transaction is open there, such as that of a
//! pod that has died. Then it reads the changelog up to the block that belongs to those offsets, or all of it where the
//! commits are gone or somebody else's. Where the task goes on is what the changelog says ([`position`]), in the log
//! that still holds its last record ([`last_records`]).

mod commits;
mod last_records;
mod log;
mod position;
mod reading;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Thread;

use anyhow::Context as _;
use kafka::client;
use rdkafka::ClientConfig;
use tokio::runtime::Handle;
use workload::Fold;

use crate::Config;
use crate::changelog::{Changelog, Positions};
use crate::metrics::Metrics;
use run::{Run, Worker};

/// What the clients of this thread have in common, which are quick rather than thrifty: a hand-over waits for them.
fn settings(config: &Config, name: &str) -> ClientConfig {
    let mut settings = client::reader(&config.kafka, &format!("{}-{name}", config.pod));
    settings
        .set("group.id", &config.group)
        .set("fetch.wait.max.ms", "10")
        // Partitions that are added are found soon.
        .set("topic.metadata.refresh.interval.ms", "2000")
        .set("enable.partition.eof", "true");
    settings
}

/// The state of a task, and where it belongs.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) fold: Fold,
    pub(crate) changelog: Changelog,
    pub(crate) positions: Positions,
}

/// A task that is to be restored.
#[derive(Debug)]
pub(crate) struct RestoreRequest {
    /// Another one for each time that the task is given to this pod, rising.
    pub(crate) generation: u64,
    /// The state that the task had when it was given back: of use if nobody has worked on it since.
    pub(crate) suspended: Option<Work>,
}

/// Where the consumer begins to read a task that it was just given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Where the task goes on.
    AtPosition,
    /// Somewhere else: it has to be told.
    Elsewhere,
}

/// A task that can be worked on.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) partition: u32,
    /// As in the request.
    pub(crate) generation: u64,
    pub(crate) work: Work,
    pub(crate) begins: Begins,
}

/// The worker's end.
pub(crate) struct Restorer {
    wanted: Sender<BTreeMap<u32, RestoreRequest>>,
    restored: Receiver<Restored>,
    is_prepared: Arc<AtomicBool>,
}

impl Restorer {
    /// Starts the thread, which ends when this is dropped. It wakes `worker` with each task.
    pub(crate) fn start(
        config: &Config,
        metrics: Metrics,
        runtime: Handle,
        worker: Thread,
    ) -> anyhow::Result<Self> {
        let (wanted, inbox) = channel();
        let (outbox, restored) = channel();
        let is_prepared = Arc::new(AtomicBool::new(false));
        let mut run = Run::new(config, metrics, runtime, Worker { inbox, outbox, thread: worker })?;
        let prepared = Arc::clone(&is_prepared);
        let body = move || {
            run.prepare();
            prepared.store(true, Ordering::Release);
            run.wake();
            run.run();
        };
        std::thread::Builder::new()
            .name("restore".to_owned())
            .spawn(body)
            .context("starting a thread that restores")?;
        Ok(Self { wanted, restored, is_prepared })
    }

    /// Whether it need not get to know Kafka any more before it can restore.
    pub(crate) fn is_prepared(&self) -> bool {
        self.is_prepared.load(Ordering::Acquire)
    }

    /// Wants exactly these tasks from now on.
    pub(crate) fn want(&self, tasks: BTreeMap<u32, RestoreRequest>) {
        // It ends only after the worker.
        let _ = self.wanted.send(tasks);
    }

    /// The next task that is ready, if there is one.
    pub(crate) fn restored(&self) -> Option<Restored> {
        self.restored.try_recv().ok()
    }
}
