//! A pod that takes over a million open sessions: from its start to the first new record that it has processed.

use std::time::Duration;

use anyhow::{Context, Result};
use kafka::sessions;
use model::PARTITIONS;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use workload::{Frame, FrameHeader, Machine, Zone, avro};

use crate::broker::{self, Broker};
use crate::clock::now_ms;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::frames::{Half, Sender, inputs};
use crate::measured::Measured;
use crate::progress::{Progress, wait_for};

/// How many sessions, and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Open sessions, each of a machine of its own
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    sessions: u32,
    /// How often a pod is killed and another one started
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

/// A killed pod is a member of its group for two seconds more; this waits for the group to notice, which is not part of
/// restoring.
const GONE: Duration = Duration::from_secs(4);
/// From a start to the first record.
const LIMIT: Duration = Duration::from_secs(120);
/// Sessions stay open for that long after their frame, in seconds: longer than all rounds take.
const GAP_S: &str = "600";

/// Measures.
pub(crate) async fn run(broker: &Broker, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "One frame of each of {} machines is processed, so that as many sessions are open. Then the only pod is killed, its group has noticed, a \
         new frame is produced, and another pod starts: measured from the start of its process until a read_committed consumer has that frame's \
         session, which says that the pod has restored and works. It includes joining the group.",
        options.sessions
    );
    let directory = TempDir::with_prefix("king-restore-")?;
    let prefix = format!("BENCH-RESTORE-{}", std::process::id());
    let measured = measure(broker, options, &directory, &prefix).await;
    broker.delete_topics(&prefix).await?;
    let seconds = measured?;
    println!("  from start to first record, s: {seconds}");
    let name = format!("restore of {} open sessions", options.sessions);
    Ok(vec![Figure::new(name, seconds.median(), "s").goal(5.0)])
}

async fn measure(
    broker: &Broker,
    options: &Options,
    directory: &TempDir,
    prefix: &str,
) -> Result<Distribution> {
    let names = ["SESSIONS", "CHANGELOG", "DEAD-LETTERS"].map(|name| format!("{prefix}-{name}"));
    broker.make_topics(&inputs(prefix), PARTITIONS).await?;
    broker.make_topics(&names, PARTITIONS).await?;
    let sender = Sender::new(broker, prefix, "20")?;
    fill(&sender, options.sessions)?;
    let progress = Progress::of(&broker.brokers, prefix, &inputs(prefix), PARTITIONS)?;
    let mut pod = start(broker, directory, prefix)?;
    wait_for(&mut pod, &progress, progress.ends().await?).await?;
    println!(
        "  the first pod has {} sessions open, RSS {} MB",
        options.sessions,
        Digits(pod.usage()?.rss_mb)
    );
    let mut seconds = Vec::new();
    for round in 1..=options.rounds {
        let cancel = CancellationToken::new();
        let _cancelled_at_the_end = cancel.clone().drop_guard();
        let tail = sessions::Config {
            brokers: broker.brokers.clone(),
            client_id: "bench-sessions".to_owned(),
            topic: format!("{prefix}-SESSIONS"),
        };
        let records = sessions::tail(&tail, |_| true, cancel)?;
        pod.kill().await?;
        // By then the tail has found the end of the topic, too.
        tokio::time::sleep(GONE).await;
        let probe = frame(machine(0)?);
        send(&sender, &probe)?;
        sender.flush()?;
        let began = Instant::now();
        pod = start(broker, directory, prefix)?;
        let came = await_session(records, &probe, began + LIMIT).await;
        came.with_context(|| format!("the new pod did not process a record:\n{}", pod.tail()))?;
        let took = began.elapsed().as_secs_f64();
        println!("  round {round}: {} s, RSS {} MB", Digits(took), Digits(pod.usage()?.rss_mb));
        seconds.push(took);
    }
    pod.end().await?;
    Distribution::of("restores", seconds)
}

fn start(broker: &Broker, directory: &TempDir, prefix: &str) -> Result<Measured> {
    let [requests, responses] = inputs(prefix);
    let sessions = format!("{prefix}-SESSIONS");
    let kafka = broker.brokers.to_string();
    let arguments = [
        ["--kafka", &kafka],
        ["--pod", "bench"],
        ["--group", prefix],
        ["--requests", &requests],
        ["--responses", &responses],
        ["--sessions", &sessions],
        ["--session-gap", GAP_S],
        ["--session-length", "3600"],
        ["--admin-address", "127.0.0.1:0"],
    ];
    let arguments = arguments.into_iter().flatten().chain(["--exit-with-parent"]);
    Measured::start(
        broker.cores.as_ref(),
        &broker::program("streams")?,
        arguments,
        directory.path().join("pod.log"),
    )
}

fn fill(sender: &Sender, sessions: u32) -> Result<()> {
    (0..sessions).try_for_each(|id| send(sender, &frame(machine(id)?)))?;
    sender.flush()
}

fn machine(id: u32) -> Result<Machine> {
    Machine::new(id).context("a machine's id has six digits")
}

/// A frame of now without hits.
fn frame(machine: Machine) -> Frame {
    Frame { header: FrameHeader { ts: now_ms() as i64, machine, zone: Zone::EU }, hits: Vec::new() }
}

fn send(sender: &Sender, frame: &Frame) -> Result<()> {
    let partition = frame.header.machine.partition(PARTITIONS);
    sender.send(Half::Request, partition, &frame.header, &avro::encode_body(false, &frame.hits))?;
    sender.send(Half::Response, partition, &frame.header, &avro::encode_body(true, &frame.hits))
}

/// Waits for a session that ends with this frame.
async fn await_session(
    mut records: Receiver<sessions::SessionRecord>,
    frame: &Frame,
    deadline: Instant,
) -> Result<()> {
    let machine = frame.header.machine.to_string();
    loop {
        let record = timeout_at(deadline, records.recv()).await?.context("the sessions ended")?;
        let session = avro::decode_session(&record.value)?;
        if session.machine == machine && session.end >= frame.header.ts {
            return Ok(());
        }
    }
}
