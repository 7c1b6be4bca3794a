//! A pod of the application that is scaled: joins requests and responses, builds sessions, writes them to `SESSIONS`.
//!
//! The work is one thread that polls, computes and produces ([`worker`]); librdkafka's calls never run on the small
//! runtime, which only serves the admin endpoints. Delivery is at least once: an input's offset is committed after
//! the outputs that it led to were acknowledged.

mod budget;
mod checkpoint;
mod config;
mod consumer;
mod metrics;
mod outputs;
mod pair;
mod pairs;
pub mod task;
mod worker;

use std::time::Duration;

use kafka::client::{SESSION_TIMEOUT, STOCK_SESSION_TIMEOUT};
use process::{Readiness, Shutdown};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tracing::{info, warn};

pub use config::Config;
use metrics::Metrics;
use worker::{End, Worker};

/// Works until a stop is requested.
///
/// # Errors
/// When the admin address cannot be bound, or a client cannot be made or refuses to go on.
pub fn run(config: &Config, shutdown: &Shutdown, runtime: &Handle) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, &config.pod);
    let readiness = Readiness::new();
    let admin = config.admin_address.map(|address| {
        let (ready, stop) = (readiness.clone(), shutdown.clone());
        runtime.spawn(async move {
            let served = process::admin::serve(address, ready, registry, stop.clone()).await;
            // Without its endpoints nobody would know how it is.
            stop.request();
            served
        })
    });
    let worked = work(config, shutdown, runtime, &readiness, &metrics);
    shutdown.request();
    match admin {
        Some(admin) => worked.and(runtime.block_on(admin)?),
        None => worked,
    }
}

fn work(
    config: &Config,
    shutdown: &Shutdown,
    runtime: &Handle,
    readiness: &Readiness,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    let topics = [config.requests.as_str(), config.responses.as_str(), config.sessions.as_str()];
    let present = runtime.block_on(async {
        tokio::select! {
            present = kafka::topics::wait_until_present(&config.kafka, &topics) => Some(present),
            () = shutdown.requested() => None,
        }
    });
    let Some(present) = present else { return Ok(()) };
    present?;
    info!(pod = config.pod, capacity = config.capacity, "working");
    let mut session_timeout: Duration = SESSION_TIMEOUT;
    loop {
        let worker = Worker::new(config, session_timeout, metrics.clone(), readiness.clone())?;
        match worker.run(shutdown) {
            End::Stopped => return Ok(()),
            End::SessionTimeoutRefused if session_timeout < STOCK_SESSION_TIMEOUT => {
                warn!(
                    refused = ?session_timeout,
                    instead = ?STOCK_SESSION_TIMEOUT,
                    "the broker refuses so short a session timeout (group.min.session.timeout.ms): \
                     the partitions of a crashed pod will wait longer"
                );
                session_timeout = STOCK_SESSION_TIMEOUT;
            }
            End::SessionTimeoutRefused => {
                anyhow::bail!("the broker refuses a session timeout of {session_timeout:?}")
            }
            End::Broken(error) => return Err(error.context("working")),
        }
    }
}
