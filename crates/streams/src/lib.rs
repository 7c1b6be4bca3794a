//! A pod of the application that is scaled: joins requests and responses, builds sessions, writes them to `SESSIONS`.
//!
//! The work is one thread that polls and computes ([`worker`]). What comes of it goes out in transactions, together
//! with what changed in the state and with the offsets, so that each record counts exactly once whatever is killed;
//! docs/SEMANTICS.md says what is computed. librdkafka's calls never run on the small runtime, which only serves the
//! admin endpoints.

mod assignment;
mod batch;
mod beat;
mod budget;
mod changelog;
mod config;
mod consumer;
mod ends;
mod explain;
mod metrics;
pub mod record;
mod restore;
mod task;
mod transactions;
mod trim;
mod worker;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka::client::{Membership, SESSION_TIMEOUT, STOCK_SESSION_TIMEOUT};
use model::Millis;
use process::{ConfigError, Readiness, Shutdown, Unavailable};
use prometheus_client::registry::Registry;
use schema_registry::Schemas;
use tokio::runtime::Handle;
use tracing::{info, warn};

use beat::Beat;
pub use config::{Config, GroupProtocol};
use explain::Explainer;
use metrics::Metrics;
use trim::Trimmer;
use worker::{End, Outside, Worker};

/// A consumer that stalls so soon after another one was made for that reason does not help.
const AGAIN: Duration = Duration::from_secs(60);

/// Works until a stop is requested.
///
/// # Errors
/// When the admin address cannot be bound, or a client cannot be made or refuses to go on.
pub fn run(config: &Config, shutdown: &Shutdown, runtime: &Handle) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, &config.pod);
    let readiness = Readiness::new();
    let crash = process::crash::router(process::crash::token()?, || std::process::abort());
    let admin = config.admin_address.map(|address| {
        let stop = shutdown.clone();
        let router = process::admin::router(readiness.clone(), registry, stop.clone()).merge(crash);
        runtime.spawn(async move {
            let served = process::admin::serve_router(address, router, stop.clone()).await;
            // Without its endpoints nobody would know how it is.
            stop.request();
            served
        })
    });
    let beat = Beat::default();
    let missed = beat.clone().missed();
    let watched = runtime.spawn(async move {
        missed.await;
        std::process::exit(process::exit::INTERNAL.into());
    });
    let worked = work(config, shutdown, runtime, &readiness, &metrics, &beat);
    watched.abort();
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
    beat: &Beat,
) -> anyhow::Result<()> {
    let outside = runtime.block_on(async {
        tokio::select! {
            outside = meet(config) => Some(outside),
            () = shutdown.requested() => None,
        }
    });
    let Some(outside) = outside else { return Ok(()) };
    let schemas = outside?;
    info!(pod = config.pod, capacity = config.capacity, "working");
    let trimmer = Trimmer::start(config, shutdown, runtime);
    let mut session_timeout: Duration = SESSION_TIMEOUT;
    let mut stalled: Option<Instant> = None;
    loop {
        let membership = match config.group_protocol {
            GroupProtocol::Consumer => Membership::Consumer,
            GroupProtocol::Classic => Membership::Classic { session_timeout },
        };
        let explainer = Explainer::new(schemas.clone(), runtime.clone(), std::thread::current());
        let (metrics, readiness) = (metrics.clone(), readiness.clone());
        let outside = Outside { metrics, readiness, trimmer: trimmer.clone(), explainer, beat: beat.clone() };
        let worker = Worker::new(config, membership, outside, runtime.clone())?;
        match worker.run(shutdown) {
            End::Stopped => return Ok(()),
            End::Stalled(reason) => {
                let again = stalled.replace(Instant::now());
                if again.is_some_and(|last| last.elapsed() < AGAIN) {
                    anyhow::bail!("{reason}, with a new consumer as well: another process may do better");
                }
                warn!(reason, "going on with a new consumer");
            }
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
            End::Refused(reason) => return Err(Unavailable::new(reason).into()),
            End::Broken(error) => return Err(error.context("working")),
        }
    }
}

/// Waits for the schema registry, if there is one, and for the topics.
async fn meet(config: &Config) -> anyhow::Result<Schemas> {
    let registry = config.registry.check().map_err(|error| ConfigError::new(error.to_string()))?;
    let schemas = Schemas::connect(registry.as_ref(), config.subjects()).await;
    let schemas = schemas.map_err(|error| Unavailable::new(error.to_string()))?;
    let topics = config.topics();
    let present =
        kafka::topics::wait_until_present(&config.kafka, &topics.each_ref().map(String::as_str)).await;
    present.map_err(|error| Unavailable::new(error.to_string()))?;
    Ok(schemas)
}

/// Milliseconds since the epoch, by this machine's clock.
fn now_ms() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}
