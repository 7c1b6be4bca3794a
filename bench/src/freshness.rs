//! From a commit in Kafka to the event that tells it to a client, and to the number that a browser has painted.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::Brokers;
use model::command::Command;
use model::load::DEFAULT_FRAMES_PER_SECOND;
use model::snapshot::Lag;
use model::wire::{Picture, Tick};
use test_client::{Live, View};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::browser::{Browser, Page};
use crate::clock::now_ms;
use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::Figure;
use crate::offsets::{self, Reading, Recorder};
use crate::show::Show;

/// How much to drain.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Backlogs that are built up and drained
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Records of one input to let pile up each time
    #[arg(long, default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(2_000..=60_000))]
    backlog: u64,
}

const LIMIT: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(5);

/// Notes each value of the big number with the time just after the frame that shows it was painted. The number's title
/// has it in full, and is written together with its text.
const OBSERVE: &str = r"(() => {
    const number = document.querySelector('.lag .worst');
    const painted = window.painted = [];
    const note = () => {
        const lag = parseInt(number.title, 10);
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => painted.push([performance.timeOrigin + performance.now(), lag]);
            channel.port2.postMessage(null);
        });
    };
    new MutationObserver(note).observe(number, { attributes: true, childList: true, characterData: true, subtree: true });
    return true;
})()";

/// When the worse of both lags was known to be so many records: by a commit, at a client, or on a screen.
type Known = (f64, u64);

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "{} times one pod drains {} records of each input while the generator is paused, so that each commit alone changes the lag. \
         Commits are seen by asking Kafka for them every 5 ms, and are dated back to the last answer that did not have them. A commit \
         is fresh at a client when an event of /live says that lag or less; in the browser when the frame that shows it in the big \
         number (read from its title, which has all digits) has been painted: MutationObserver, animation frame, next task.",
        options.rounds, options.backlog
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    let mut browser = Browser::start().await?;
    let page = match &mut browser {
        Some(browser) => Some(watch_in_browser(browser, demo).await?),
        None => None,
    };
    let mut client = Client::open(demo, &http).await?;
    let mut at_client = Vec::new();
    let mut on_screen = Vec::new();
    show.autoscaler(false).await?;
    for _ in 0..options.rounds {
        let commits = drain(&mut show, &demo.brokers()?, options.backlog).await?;
        // The last commit has to arrive: two samples' time, by the stream that this show reads itself.
        let last_ms = commits.last().context("no commit was seen")?.0;
        show.until("the last event", LIMIT, |now| crate::clock::from_millis(now.at_ms) > last_ms + 1_500.0)
            .await?;
        at_client.extend(delays(&commits, &client.take())?);
        if let (Some(browser), Some(page)) = (&mut browser, &page) {
            let painted: Vec<Known> =
                serde_json::from_value(browser.evaluate(page, "painted.splice(0)").await?)?;
            on_screen.extend(delays(&commits, &painted)?);
        }
        show.base(DEFAULT_FRAMES_PER_SECOND).await?;
    }
    show.autoscaler(true).await?;
    if let Some(browser) = browser {
        browser.end().await?;
    }
    figures(at_client, on_screen)
}

fn figures(at_client: Vec<f64>, on_screen: Vec<f64>) -> Result<Vec<Figure>> {
    let at_client = Distribution::of("commits that reach a client", at_client)?;
    println!("  commit to event at a client, ms: {at_client}");
    let mut figures = vec![
        Figure::new("commit in Kafka to its event at a client, p50", at_client.median(), "ms").goal(250.0),
        Figure::new("commit in Kafka to its event at a client, p99", at_client.percentile(99), "ms")
            .goal(600.0),
    ];
    if !on_screen.is_empty() {
        let on_screen = Distribution::of("commits that reach a screen", on_screen)?;
        println!("  commit to pixel in the browser, ms: {on_screen}");
        figures.push(
            Figure::new("commit in Kafka to its pixel in the browser, p50", on_screen.median(), "ms")
                .goal(250.0),
        );
        figures.push(
            Figure::new("commit in Kafka to its pixel in the browser, p99", on_screen.percentile(99), "ms")
                .goal(600.0),
        );
    }
    Ok(figures)
}

/// A page whose big number is watched, and which already gets events.
async fn watch_in_browser(browser: &mut Browser, demo: &Demo) -> Result<Page> {
    let page = browser.open().await?;
    browser.load(&page, &demo.url).await?;
    browser.evaluate(&page, OBSERVE).await.context("the page has no big number")?;
    let mut looks = interval(Duration::from_millis(100));
    timeout(LIMIT, async {
        while browser.evaluate(&page, "painted.length").await? == 0 {
            looks.tick().await;
        }
        anyhow::Ok(())
    })
    .await
    .context("the page's big number does not move")??;
    Ok(page)
}

/// Builds a backlog, stops the load and watches the commits that drain it.
async fn drain(show: &mut Show, brokers: &Brokers, backlog: u64) -> Result<Vec<Known>> {
    show.command(Command::Burst { factor: 10 }).await?;
    let worst = |lag: &Option<Lag>| lag.as_ref().and_then(Lag::worst).map_or(0, |(_, lag)| lag);
    show.until("a backlog", LIMIT, |now| worst(&now.lag) >= backlog).await?;
    show.base(0).await?;
    let ends = settled_ends(brokers).await?;
    let recorder = Recorder::start(brokers, INTERVAL, false)?;
    show.until("an empty backlog", LIMIT, |now| worst(&now.lag) == 0).await?;
    ensure!(
        offsets::read(brokers).await?.ends == ends,
        "records were produced while the backlog was drained"
    );
    Ok(commits(&recorder.stop().await?, &ends))
}

/// The log ends, once nothing is produced any more.
async fn settled_ends(brokers: &Brokers) -> Result<Vec<i64>> {
    let mut looks = interval(Duration::from_millis(500));
    timeout(LIMIT, async {
        let mut before = Vec::new();
        loop {
            looks.tick().await;
            let ends = offsets::read(brokers).await?.ends;
            if ends == before {
                return Ok(ends);
            }
            before = ends;
        }
    })
    .await
    .context("the generator does not pause")?
}

/// Each commit that made the worse lag smaller: no later than when, and how small.
fn commits(readings: &[Reading], ends: &[i64]) -> Vec<Known> {
    let worst = |reading: &Reading| {
        let lags: Vec<i64> =
            ends.iter().zip(&reading.committed).map(|(end, committed)| end - committed).collect();
        let (requests, responses) = lags.split_at(lags.len() / 2);
        let total = requests.iter().sum::<i64>().max(responses.iter().sum());
        u64::try_from(total).unwrap_or(0)
    };
    let pairs = readings.windows(2).map(|pair| (pair[0].asked_ms, worst(&pair[0]), worst(&pair[1])));
    pairs.filter(|(_, before, after)| after < before).map(|(asked_ms, _, after)| (asked_ms, after)).collect()
}

/// For each commit, how much later its lag, or a smaller one, was known elsewhere. What was known before the first
/// commit is of a backlog before; a commit that is never known is an error, since leaving it out would flatter the
/// figure.
fn delays(commits: &[Known], known: &[Known]) -> Result<Vec<f64>> {
    let begin_ms = commits.first().map_or(0.0, |commit| commit.0);
    let known: Vec<&Known> = known.iter().filter(|known| known.0 >= begin_ms).collect();
    let first =
        |commit: &Known| known.iter().find(|known| known.1 <= commit.1).map(|known| known.0 - commit.0);
    commits
        .iter()
        .map(|commit| first(commit).with_context(|| format!("the commit {commit:?} was never shown")))
        .collect()
}

/// A client of the stream that notes when it was told which lag.
struct Client {
    told: mpsc::UnboundedReceiver<Known>,
    reader: JoinHandle<Result<()>>,
}

impl Client {
    async fn open(demo: &Demo, http: &reqwest::Client) -> Result<Self> {
        let mut live = Live::open(http, &demo.url, View::Show, None, "").await?;
        let (sender, told) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            let mut picture = Picture::default();
            loop {
                let event = live.next().await?;
                let at_ms = now_ms();
                let has_lag = match event.name.as_str() {
                    "picture" => {
                        picture = serde_json::from_str(&event.data)?;
                        true
                    }
                    "tick" => {
                        let tick: Tick = serde_json::from_str(&event.data)?;
                        let has_lag = tick.lag.is_some();
                        picture.apply(tick);
                        has_lag
                    }
                    _ => false,
                };
                let lag = picture.snapshot.lag.as_ref().filter(|_| has_lag);
                if let Some((_, worst)) = lag.and_then(Lag::worst) {
                    sender.send((at_ms, worst))?;
                }
            }
        });
        Ok(Self { told, reader })
    }

    /// Takes what it was told since the last time.
    fn take(&mut self) -> Vec<Known> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_dated_back_to_the_last_answer_without_them() {
        let reading = |asked_ms, committed: [i64; 2]| Reading {
            asked_ms,
            answered_ms: asked_ms + 2.0,
            committed: committed.to_vec(),
            ends: Vec::new(),
        };
        let readings =
            [reading(0.0, [0, 0]), reading(5.0, [0, 0]), reading(10.0, [4, 2]), reading(15.0, [10, 9])];
        assert_eq!(commits(&readings, &[10, 9]), [(5.0, 7), (10.0, 0)]);
    }

    #[test]
    fn a_commit_is_known_with_the_first_lag_that_is_no_larger() {
        let commits = [(100.0, 50), (200.0, 40), (300.0, 0)];
        let known = [(90.0, 0), (150.0, 60), (260.0, 40), (420.0, 0), (500.0, 0)];
        assert_eq!(delays(&commits, &known).unwrap(), [160.0, 60.0, 120.0]);
        assert!(delays(&commits, &known[..3]).is_err(), "the last one was never known");
    }
}
