//! Bytes of the live streams, as an open page receives them.

use std::time::Duration;

use anyhow::{Context, Result};
use model::command::Command;
use model::wire::FrameId;
use test_client::{Event, Live, View};
use tokio::time::Instant;

use crate::demo::Demo;
use crate::figure::{Digits, Figure};
use crate::show::Show;

/// How long to listen.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seconds to count at default load
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
}

/// How long the server may take for the next event: its heartbeat's time and a bit.
const EVENT_LIMIT: Duration = Duration::from_secs(20);
const BURST: Duration = Duration::from_secs(20);

/// What one stream sent.
struct Volume {
    kilobytes_a_minute: f64,
    events: usize,
}

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "Bytes of the body of /live (show) and /live?view=phone (a phone that has not joined), uncompressed, after the events with \
         which a stream begins; kB = 1,000 bytes; first at default load, then while a burst of x10 runs and pods are added."
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    let time = Duration::from_secs(options.seconds);
    let (calm, calm_phone) =
        tokio::try_join!(count(demo, &http, View::Show, time), count(demo, &http, View::Phone, time))?;
    show.command(Command::Burst { factor: 10 }).await?;
    let (busy, busy_phone) =
        tokio::try_join!(count(demo, &http, View::Show, BURST), count(demo, &http, View::Phone, BURST))?;
    show.calm().await?;
    for (name, volume) in [
        ("show", &calm),
        ("phone", &calm_phone),
        ("show during x10", &busy),
        ("phone during x10", &busy_phone),
    ] {
        println!("  {name}: {} kB a minute, {} events", Digits(volume.kilobytes_a_minute), volume.events);
    }
    Ok(vec![
        Figure::new("stream: show", calm.kilobytes_a_minute, "kB a minute").goal(150.0),
        Figure::new("stream: phone", calm_phone.kilobytes_a_minute, "kB a minute").goal(30.0),
        Figure::new("stream: show during x10", busy.kilobytes_a_minute, "kB a minute"),
        Figure::new("stream: phone during x10", busy_phone.kilobytes_a_minute, "kB a minute"),
    ])
}

/// Resumes where a page that was just loaded would, and counts from the second event on.
async fn count(demo: &Demo, http: &reqwest::Client, view: View, time: Duration) -> Result<Volume> {
    let from = newest(demo, http).await?;
    let mut live = Live::open(http, &demo.url, view, Some(from), "").await?;
    for _ in 0..2 {
        next(&mut live).await?;
    }
    let (began, before) = (Instant::now(), live.bytes());
    let mut events = 0;
    while began.elapsed() < time {
        next(&mut live).await?;
        events += 1;
    }
    let bytes = u32::try_from(live.bytes() - before)?;
    let kilobytes_a_minute = f64::from(bytes) / 1_000.0 * 60.0 / began.elapsed().as_secs_f64();
    Ok(Volume { kilobytes_a_minute, events })
}

/// The id of the newest frame, as a page reads it from its document.
async fn newest(demo: &Demo, http: &reqwest::Client) -> Result<FrameId> {
    let mut live = Live::open(http, &demo.url, View::Show, None, "").await?;
    loop {
        if let Some(id) = next(&mut live).await?.id {
            return Ok(id);
        }
    }
}

async fn next(live: &mut Live) -> Result<Event> {
    let next = tokio::time::timeout(EVENT_LIMIT, live.next());
    next.await.context("no event came")?
}
