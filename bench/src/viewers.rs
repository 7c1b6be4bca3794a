//! A thousand browsers' worth of streams: what they cost the server, and how late an event is.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use test_client::{Live, View};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::{from_millis, now_ms};
use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};
use crate::processes::{self, Usage};
use crate::show::Show;

/// How many, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Streams in all; the server has one more for the presenter, and 3,000 at most
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_999))]
    viewers: u32,
    /// How many of them are phones
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=2_999))]
    phones: u32,
    /// Seconds to measure, after all are open
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=600))]
    seconds: u64,
}

const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// Heartbeats come every 15 s, so a stream that says nothing for so long has failed.
const EVENT_LIMIT: Duration = Duration::from_secs(20);
/// Streams that are being opened at a time; a listening socket's queue is short.
const OPENING: usize = 32;

/// The streams come from so many addresses.
const ADDRESSES: u8 = 8;
/// How long after a crowd the server's memory is looked at again.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// A server that has seen no crowd since its start is smaller than this; one that has may keep memory, so that the
/// growth by a second crowd says nothing.
const FRESH_MB: f64 = 40.0;

/// Shared by all streams.
struct Room {
    url: String,
    /// One for each address that they come from.
    clients: Vec<reqwest::Client>,
    open: AtomicUsize,
    measuring: AtomicBool,
    doors: tokio::sync::Semaphore,
}

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    let (viewers, phones) = (options.viewers, options.phones.min(options.viewers));
    println!(
        "{viewers} streams of /live ({} of the show, {phones} of phones), each on a connection of its own from this one process, for \
         {} s of default load. Server: processor time and resident memory against the time just before. Delay: from the instant in a \
         frame (when the server folded it; when it was made, for a phone) to the arrival of its last byte here, by the same clock.",
        viewers - phones,
        options.seconds
    );
    raise_file_limit(u64::from(viewers) + 200)?;
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    let server = demo.status()?.pid("server")?;
    let (alone, cpu_alone) = observe(server, Duration::from_secs(10)).await?;

    let room = Arc::new(Room {
        url: demo.url.clone(),
        clients: (0..ADDRESSES).map(client_at).collect::<Result<_>>()?,
        open: AtomicUsize::new(0),
        measuring: AtomicBool::new(false),
        doors: tokio::sync::Semaphore::new(OPENING),
    });
    let end = Arc::new(tokio::sync::Notify::new());
    let mut streams = JoinSet::new();
    for number in 0..viewers {
        let view = if number < phones { View::Phone } else { View::Show };
        let client = room.clients[number as usize % room.clients.len()].clone();
        streams.spawn(watch(Arc::clone(&room), client, view, Arc::clone(&end)));
    }
    wait_until_open(&room, &mut streams, viewers as usize).await?;
    room.measuring.store(true, Ordering::Relaxed);
    let (crowded, cpu_crowded) = observe(server, Duration::from_secs(options.seconds)).await?;
    room.measuring.store(false, Ordering::Relaxed);
    let (mut of_show, mut of_phones) = (Vec::new(), Vec::new());
    end.notify_waiters();
    while let Some(stream) =
        timeout(OPEN_LIMIT, streams.join_next()).await.context("a stream does not end")?
    {
        let (view, delays) = stream??;
        if view == View::Show { &mut of_show } else { &mut of_phones }.extend(delays);
    }
    let (afterwards, _) = observe(server, AFTERWARDS).await?;
    println!("  server before: {} of a core, {} MB", Digits(cpu_alone), Digits(alone.rss_mb));
    println!(
        "  server with {viewers} streams: {} of a core, {} MB",
        Digits(cpu_crowded),
        Digits(crowded.rss_mb)
    );
    let mut figures =
        vec![Figure::new(format!("{viewers} streams: server's CPU"), cpu_crowded, "of a core").goal(0.5)];
    if alone.rss_mb < FRESH_MB {
        let name = format!("{viewers} streams: server's memory");
        figures.push(Figure::new(name, crowded.rss_mb - alone.rss_mb, "MB more").goal(100.0));
        let name = format!("server's memory {} s after {viewers} streams", AFTERWARDS.as_secs());
        figures.push(Figure::new(name, afterwards.rss_mb / alone.rss_mb, "times that before").goal(1.3));
    } else {
        println!(
            "  This server was used before and kept memory of that: its growth is no figure. Start a demo anew."
        );
    }
    for (name, streams, delays) in [("show", viewers - phones, of_show), ("phone", phones, of_phones)] {
        if streams > 0 {
            let delays = Distribution::of(name, delays)?;
            println!("  delay of an event, {name}, ms: {delays}");
            let name = format!("{viewers} streams: delay of an event, {name}, p99");
            figures.push(Figure::new(name, delays.percentile(99), "ms").goal(300.0));
        }
    }
    Ok(figures)
}

/// What a process uses at the end of a time, and which part of a core it took during it.
async fn observe(pid: u32, time: Duration) -> Result<(Usage, f64)> {
    let (before, began) = (processes::usage(pid)?, Instant::now());
    sleep_until(began + time).await;
    let after = processes::usage(pid)?;
    Ok((after, (after.cpu - before.cpu).as_secs_f64() / began.elapsed().as_secs_f64()))
}

/// Waits for all streams; one that fails meanwhile ends the measurement.
async fn wait_until_open(
    room: &Room,
    streams: &mut JoinSet<Result<(View, Vec<f64>)>>,
    wanted: usize,
) -> Result<()> {
    let limit = Instant::now() + OPEN_LIMIT;
    while room.open.load(Ordering::Relaxed) < wanted {
        if let Some(failed) = streams.try_join_next() {
            failed?.context("a stream failed")?;
        }
        ensure!(Instant::now() < limit, "only {} streams are open", room.open.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A client of its own address on this machine, where the system lets every one of 127.0.0.0/8 be used (Linux does):
/// the server keeps places for other addresses from each.
fn client_at(number: u8) -> Result<reqwest::Client> {
    let address = if cfg!(target_os = "linux") { [127, 0, 1, 1 + number] } else { [127, 0, 0, 1] };
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0).local_address(IpAddr::from(address));
    Ok(builder.build()?)
}

/// Opens a stream and reads it to the end of the measurement; the delays of its events.
async fn watch(
    room: Arc<Room>,
    client: reqwest::Client,
    view: View,
    end: Arc<tokio::sync::Notify>,
) -> Result<(View, Vec<f64>)> {
    let ended = end.notified();
    tokio::pin!(ended);
    ended.as_mut().enable();
    let mut live = {
        let _door = room.doors.acquire().await?;
        let mut live = Live::open(&client, &room.url, view, None, "").await?;
        timeout(EVENT_LIMIT, live.next()).await.context("no event came")??;
        live
    };
    room.open.fetch_add(1, Ordering::Relaxed);
    let mut delays = Vec::new();
    loop {
        tokio::select! {
            () = &mut ended => return Ok((view, delays)),
            event = timeout(EVENT_LIMIT, live.next()) => {
                let (at_ms, event) = (now_ms(), event.context("no event came")??);
                if room.measuring.load(Ordering::Relaxed) {
                    delays.extend(time_of(&event.data).map(|sent_ms| at_ms - from_millis(sent_ms)));
                }
            }
        }
    }
}

/// The server's time in a frame. Only its beginning is read: the measurement must not cost what it measures.
fn time_of(data: &str) -> Option<model::Millis> {
    let digits = data.strip_prefix("{\"t\":")?;
    digits[..digits.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}

/// A socket a stream: more than many systems allow a process at first.
fn raise_file_limit(wanted: u64) -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        setrlimit(Resource::Nofile, limit)?;
    }
    let current = getrlimit(Resource::Nofile).current;
    ensure!(
        current.is_none_or(|current| current >= wanted),
        "this process may open {current:?} files only, not {wanted}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_begins_with_its_time() {
        assert_eq!(time_of(r#"{"t":1700,"lag":{"t":3}}"#), Some(1_700));
        assert_eq!(time_of(r#"{"t":1700}"#), Some(1_700));
        assert_eq!(time_of(r#"{"epoch":1}"#), None);
    }
}
