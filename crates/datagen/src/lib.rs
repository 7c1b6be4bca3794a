//! The load: frames of many machines, at a rate that `KING-CONTROL` changes while it runs, or that the command line
//! gives.
//!
//! Nothing is ever dropped: when Kafka is slow, the generator is slow, and says so. The work is one thread that
//! generates, encodes, produces and waits for the next step; a small runtime serves the admin endpoints.

mod config;
mod frames;
mod metrics;
mod pace;
mod plan;
mod producer;
mod stall;
mod watch;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::control::Control;
use model::Millis;
use process::{ConfigError, Readiness, Shutdown, Unavailable};
use prometheus_client::registry::Registry;
use schema_registry::{Schemas, Topics};
use tokio::runtime::Handle;
use tokio::sync::watch::Receiver;
use tracing::{error, info, warn};
use workload::EventTime;
use workload::generator::Generator;

use config::Run;
pub use config::{Config, Load, RunArgs};
use frames::Frames;
use metrics::Metrics;
use producer::{Producer, Stopped};

/// How long the last records may take to be acknowledged when the process is asked to end.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How long the settings may take before it is said that they are waited for.
const CONTROL_PATIENCE: Duration = Duration::from_secs(2);
/// Clocks differ; from here on it is no accident.
const AHEAD: Duration = Duration::from_secs(1);

/// What says how much is produced.
enum Asked {
    /// The command line.
    Run(Run),
    /// The control topic.
    Control(Receiver<Control>),
}

/// Produces until a stop is requested, or the run that was asked for is over.
///
/// # Errors
/// When the run has no end that it needs, the admin address cannot be bound, a client cannot be made, or Kafka cannot
/// be spoken to as it is set up.
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
    let asked = match config.run.run(now_ms())? {
        Some(run) => Asked::Run(run),
        None => match runtime.block_on(settings(config, shutdown))? {
            Some(control) => Asked::Control(control),
            None => return Ok(()),
        },
    };
    let producer = Producer::new(config, shutdown.clone(), metrics.clone())?;
    let begin = match &asked {
        Asked::Run(run) => run.start_ms,
        Asked::Control(_) => now_ms(),
    };
    let generator = Generator::new(config.seed, config.machines, model::PARTITIONS, event_time(begin));
    let mut frames = Frames::new(generator, codec, producer, metrics.clone());
    info!(machines = config.machines, seed = config.seed, "producing");
    readiness.set(true);
    let ended = match &asked {
        Asked::Run(run) => {
            tell_future(run);
            frames.replay(run)
        }
        Asked::Control(control) => frames.follow(control),
    };
    match (ended, asked) {
        (Err(Stopped), _) => frames.flush(FLUSH_LIMIT),
        (Ok(()), Asked::Run(_)) => frames.loss().map_or(Ok(()), |loss| Err(Unavailable::new(loss)))?,
        (Ok(()), Asked::Control(_)) => {}
    }
    Ok(())
}

/// What the control topic says, once it was read to its end; `None` if a stop was requested before.
async fn settings(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Option<Receiver<Control>>> {
    let name = "datagen-control";
    let mut control = kafka::control::follow_topic(&config.kafka, name, &config.control, shutdown.token())?;
    let told = async {
        tokio::time::sleep(CONTROL_PATIENCE).await;
        info!("waiting for Kafka to tell the settings: {} is not read yet", config.control);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        known = control.wait_for(|control| control.caught_up) => if known.is_err() { return Ok(None) },
        () = shutdown.requested() => return Ok(None),
        () = told => {}
    }
    Ok(Some(control))
}

/// Readers compare the times of records with their own clocks.
fn tell_future(run: &Run) {
    let ahead = Duration::from_millis(run.ahead_ms);
    if ahead >= AHEAD {
        warn!(
            ?ahead,
            "the times of this run's frames are ahead of the clock (--start-ms): the application's time follows records of the \
             future for a little only, and puts those aside that are further ahead than a minute"
        );
    }
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
