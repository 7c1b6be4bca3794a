//! Live load on an application that is warm: how long a frame takes from its producer to a session that counts it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kafka::sessions;
use model::PARTITIONS;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use workload::generator::Generator;
use workload::{EventTime, avro};

use super::input::{End, Input, write};
use super::side::Run;
use crate::broker::Broker;
use crate::clock::now_ms;
use crate::distribution::Distribution;
use crate::figure::Digits;
use crate::frames::{Half, Sender, inputs};
use crate::progress::{Progress, wait_for};

/// What comes first after the warm-up is not counted: the tail has yet to find the end of the sessions.
const SETTLE: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(1);
/// After the last frame, how long its session may take.
const RETURN_LIMIT: Duration = Duration::from_secs(5);

/// How much, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests and responses together.
    pub(crate) records_per_second: f64,
    /// Seconds that count.
    pub(crate) seconds: u64,
}

/// Frames whose session has not come yet, by machine, oldest first: their time, and when they were produced.
type Pending = Arc<Mutex<HashMap<String, VecDeque<(EventTime, f64)>>>>;

/// Milliseconds from producing a frame to its session, after the application has processed `warm_up`.
pub(crate) async fn run(
    broker: &Broker,
    run: &Run<'_>,
    warm_up: &Input,
    load: &Load,
) -> Result<Distribution> {
    write(broker, run.prefix, warm_up, End::Open).await?;
    run.make_topics(broker).await?;
    let progress = Progress::of(&broker.brokers, &run.group(), &inputs(run.prefix), PARTITIONS)?;
    let mut process = run.start(broker)?;
    let end = progress.ends().await?;
    wait_for(&mut process, &progress, end).await?;

    let cancel = CancellationToken::new();
    let _cancelled_at_the_end = cancel.clone().drop_guard();
    let tail = sessions::Config {
        brokers: broker.brokers.clone(),
        client_id: "bench-sessions".to_owned(),
        topic: run.sessions(),
    };
    let records = sessions::tail(&tail, |_| true, cancel)?;
    let pending = Pending::default();
    let sender = Sender::new(broker, run.prefix, "1")?;
    let generator = Generator::new(warm_up.seed + 1, warm_up.machines, PARTITIONS, now_ms() as EventTime);
    let (load, waiting) = (*load, Arc::clone(&pending));
    let producing = tokio::task::spawn_blocking(move || produce(&sender, generator, &load, &waiting));
    let last = SETTLE + Duration::from_secs(load.seconds) + RETURN_LIMIT;
    let latencies = collect(records, &pending, last).await?;
    let produced = producing.await??;
    process.usage().context("it ended under live load")?;
    process.end().await?;

    let missing: usize = lock(&pending).values().map(VecDeque::len).sum();
    println!("  {}: {produced} frames produced, {missing} of them never came back", run.side);
    ensure!(missing * 100 <= produced, "too many frames did not come back");
    Distribution::of("latency", latencies)
}

/// Produces frames that are stamped with the time at which they are sent; returns how many are counted: those that were
/// answered.
fn produce(sender: &Sender, mut generator: Generator, load: &Load, pending: &Pending) -> Result<usize> {
    let frames_per_second = load.records_per_second / 2.0;
    let length = SETTLE + Duration::from_secs(load.seconds);
    let start = Instant::now();
    let (mut sent, mut answered) = (0_u64, 0);
    while start.elapsed() < length {
        let due = (start.elapsed().as_secs_f64() * frames_per_second) as u64;
        for _ in sent..due {
            let produced_at = now_ms();
            let drawn = generator.draw(produced_at as EventTime, None);
            let (header, hits) = (&drawn.frame.header, &drawn.frame.hits);
            if drawn.answered && start.elapsed() >= SETTLE {
                answered += 1;
                let mut pending = lock(pending);
                pending.entry(header.machine.to_string()).or_default().push_back((header.ts, produced_at));
            }
            sender.send(Half::Request, drawn.partition, header, &avro::encode_body(false, hits))?;
            if drawn.answered {
                sender.send(Half::Response, drawn.partition, header, &avro::encode_body(true, hits))?;
            }
        }
        sent = due;
        sender.poll();
        std::thread::sleep(STEP);
    }
    sender.flush()?;
    ensure!(
        sent as f64 > 0.98 * frames_per_second * length.as_secs_f64(),
        "{} frames a second could not be produced here",
        Digits(frames_per_second)
    );
    Ok(answered)
}

/// Takes sessions until `length` is over.
async fn collect(
    mut records: Receiver<sessions::SessionRecord>,
    pending: &Pending,
    length: Duration,
) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let deadline = tokio::time::Instant::now() + length;
    while let Ok(record) = tokio::time::timeout_at(deadline, records.recv()).await {
        let record = record.context("the sessions ended")?;
        let now = now_ms();
        if record.value.is_empty() {
            // A tombstone of the peer, for a window that grew.
            continue;
        }
        let session = avro::decode_session(&record.value)?;
        let mut pending = lock(pending);
        let Some(frames) = pending.get_mut(&session.machine) else { continue };
        while let Some(&(ts, produced_at)) = frames.front()
            && ts <= session.end
        {
            frames.pop_front();
            latencies.push(now - produced_at);
        }
    }
    Ok(latencies)
}

fn lock(pending: &Pending) -> std::sync::MutexGuard<'_, HashMap<String, VecDeque<(EventTime, f64)>>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}
