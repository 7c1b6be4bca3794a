//! The load: frames of many machines, at a rate that `KING-CONTROL` changes while it runs, or that the command line gives.
//!
//! Nothing is ever dropped: when Kafka is slow, the generator is slow, and says so. The work is one thread that
//! generates, encodes, produces and waits for the next step; a small runtime serves the admin endpoints.

mod config;
mod frames;
mod metrics;
mod pace;
mod plan;
mod producer;
mod watch;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use game::EventTime;
use game::generator::Generator;
use kafka::registry::{Schemas, Topics};
use model::Millis;
use process::{ConfigError, Readiness, Shutdown, Unavailable};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tracing::{error, info};

pub use config::{Config, Load, RunArgs};
use frames::Frames;
use metrics::Metrics;
use producer::{Producer, Stopped};

/// How long the last records may take to be acknowledged when the process is asked to end.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Produces until a stop is requested, or the run that was asked for is over.
///
/// # Errors
/// When the run has no end that it needs, the admin address cannot be bound, a client cannot be made, or Kafka cannot be
/// spoken to as it is set up.
pub fn run(config: &Config, shutdown: &Shutdown, runtime: &Handle) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
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
    let produced = produce(config, shutdown, runtime, &readiness, &metrics);
    shutdown.request();
    match admin {
        Some(admin) => produced.and(runtime.block_on(admin)?),
        None => produced,
    }
}

fn produce(
    config: &Config,
    shutdown: &Shutdown,
    runtime: &Handle,
    readiness: &Readiness,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    // Before anything is waited for: a run that makes no sense ends the process.
    let is_run = config.run.run(now_ms())?.is_some();
    let registry = config.registry.check().map_err(|error| ConfigError::new(error.to_string()))?;
    let schemas = runtime.block_on(async {
        tokio::select! {
            schemas = Schemas::connect(registry.as_ref(), Topics::default()) => Some(schemas),
            () = shutdown.requested() => None,
        }
    });
    let Some(schemas) = schemas else { return Ok(()) };
    let codec = schemas.map_err(|error| Unavailable::new(error.to_string()))?.codec().clone();
    let mut topics = vec![config.requests.as_str(), config.responses.as_str()];
    if !is_run {
        topics.push(&config.control);
    }
    let present = runtime.block_on(async {
        tokio::select! {
            present = kafka::topics::wait_until_present(&config.kafka, &topics) => Some(present),
            () = shutdown.requested() => None,
        }
    });
    let Some(present) = present else { return Ok(()) };
    present.map_err(|error| Unavailable::new(error.to_string()))?;
    let run = config.run.run(now_ms())?;
    let producer = Producer::new(config, shutdown.clone(), metrics.clone())?;
    let begin = run.as_ref().map_or_else(now_ms, |run| run.start_ms);
    let generator = Generator::new(config.seed, config.machines, model::PARTITIONS, event_time(begin));
    let mut frames = Frames::new(generator, codec, producer, metrics.clone());
    info!(machines = config.machines, seed = config.seed, "producing");
    readiness.set(true);
    let ended = match run {
        Some(run) => frames.replay(&run),
        None => {
            let name = "datagen-control";
            let control =
                kafka::control::follow_topic(&config.kafka, name, &config.control, shutdown.token())?;
            frames.follow(&control)
        }
    };
    if ended == Err(Stopped) {
        frames.flush(FLUSH_LIMIT);
    }
    Ok(())
}

fn now_ms() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_else(|before| {
        error!("the clock stands before 1970");
        before.duration()
    });
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

fn event_time(at_ms: Millis) -> EventTime {
    EventTime::try_from(at_ms).unwrap_or(EventTime::MAX)
}
