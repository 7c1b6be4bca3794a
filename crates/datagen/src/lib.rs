//! The load: frames of many machines, at a rate that `KING-CONTROL` changes while it runs.
//!
//! Nothing is ever dropped: when Kafka is slow, the generator is slow, and says so. The work is one thread that
//! generates, encodes, produces and waits for the next step; a small runtime serves the admin endpoints.

mod config;
mod metrics;
mod pace;
mod producer;
mod watch;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use game::EventTime;
use game::avro::Codec;
use game::generator::{Drawn, Generator, Hot};
use kafka::control::Control;
use kafka::registry::{Schemas, Topics};
use model::load::LoadSettings;
use model::{Input, Millis};
use process::{ConfigError, Readiness, Shutdown, Unavailable};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tracing::{error, info};

pub use config::Config;
use metrics::Metrics;
use pace::Pace;
use producer::{Producer, Record, Stopped};
use watch::Watch;

/// How often frames are sent: often enough that the rate is smooth, seldom enough that a step holds several frames.
const STEP: Duration = Duration::from_millis(5);
/// How long the last records may take to be acknowledged when the process ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Produces until a stop is requested.
///
/// # Errors
/// When the admin address cannot be bound, a client cannot be made, or Kafka cannot be spoken to as it is set up.
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
    let registry = config.registry.check().map_err(|error| ConfigError::new(error.to_string()))?;
    let schemas = runtime.block_on(async {
        tokio::select! {
            schemas = Schemas::connect(registry.as_ref(), Topics::default()) => Some(schemas),
            () = shutdown.requested() => None,
        }
    });
    let Some(schemas) = schemas else { return Ok(()) };
    let codec = schemas.map_err(|error| Unavailable::new(error.to_string()))?.codec().clone();
    let topics = [config.requests.as_str(), config.responses.as_str(), config.control.as_str()];
    let present = runtime.block_on(async {
        tokio::select! {
            present = kafka::topics::wait_until_present(&config.kafka, &topics) => Some(present),
            () = shutdown.requested() => None,
        }
    });
    let Some(present) = present else { return Ok(()) };
    present.map_err(|error| process::Unavailable::new(error.to_string()))?;
    let control =
        kafka::control::follow_topic(&config.kafka, "datagen-control", &config.control, shutdown.token())?;
    let load = Load { control, fallback: config.frames_per_second };
    let mut producer = Producer::new(config, shutdown.clone(), metrics.clone())?;
    readiness.set(true);
    info!(machines = config.machines, seed = config.seed, "producing");
    let generator = Generator::new(config.seed, config.machines, model::PARTITIONS, event_time());
    let Stopped = send_frames(generator, &load, &codec, &mut producer, metrics);
    producer.flush(FLUSH_LIMIT);
    Ok(())
}

/// Who says how much is produced.
struct Load {
    control: tokio::sync::watch::Receiver<Control>,
    fallback: Option<u32>,
}

impl Load {
    /// The settings in force; `None` until the control topic was read.
    fn settings(&self) -> Option<LoadSettings> {
        if let Some(base) = self.fallback {
            return Some(LoadSettings { base, ..LoadSettings::default() });
        }
        let control = self.control.borrow();
        control.caught_up.then(|| control.load.clone().unwrap_or_default())
    }
}

fn send_frames(
    mut generator: Generator,
    load: &Load,
    codec: &Codec,
    producer: &mut Producer,
    metrics: &Metrics,
) -> Stopped {
    let start = Instant::now();
    let mut pace = Pace::default();
    let mut watch = Watch::default();
    loop {
        let settings = load.settings().unwrap_or(LoadSettings { base: 0, ..LoadSettings::default() });
        let target = settings.target(now_ms());
        let hot = settings.hot.map(|hot| Hot { partition: hot.partition, percent: hot.percent });
        for _ in 0..pace.due(start.elapsed(), target) {
            if let Err(stopped) = send_frame(&generator.draw(event_time(), hot), codec, producer) {
                return stopped;
            }
        }
        metrics.target.set(target.into());
        watch.look(start.elapsed(), target, producer.delivered_frames(), metrics);
        // Serves the acknowledgements until the next step, which is a multiple of STEP and thus does not drift.
        let step = STEP.as_nanos();
        let into = start.elapsed().as_nanos() % step;
        let left = u64::try_from(step - into).unwrap_or_default();
        if let Err(stopped) = producer.wait(Duration::from_nanos(left)) {
            return stopped;
        }
    }
}

fn send_frame(drawn: &Drawn, codec: &Codec, producer: &mut Producer) -> Result<(), Stopped> {
    let Drawn { frame, partition, answered } = drawn;
    let key = codec.encode_header(&frame.header);
    let mut send = |input, value: &[u8]| {
        producer.send(Record { input, partition: *partition, key: &key, value, ts: frame.header.ts })
    };
    send(Input::Requests, &codec.encode_body(false, &frame.hits))?;
    if *answered { send(Input::Responses, &codec.encode_body(true, &frame.hits)) } else { Ok(()) }
}

fn now_ms() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_else(|before| {
        error!("the clock stands before 1970");
        before.duration()
    });
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

fn event_time() -> EventTime {
    EventTime::try_from(now_ms()).unwrap_or(EventTime::MAX)
}
