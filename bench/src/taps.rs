//! Taps of many phones at once: how many a second come back through the application, and how long they take.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use model::play::{FIGHTERS, PhoneTick, Player, Stage, TapAnswer};
use serde_json::json;
use test_client::{Live, Session, View};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use crate::clock::now_ms;
use crate::demo::Demo;
use crate::distribution::Distribution;
use crate::figure::Figure;
use crate::show::Show;

/// How many players, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Phones
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    players: u32,
    /// Taps a second of each; a player may land five
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10))]
    rate: u32,
    /// Seconds of tapping
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=300))]
    seconds: u64,
}

/// After the last tap of a phone, its first ones are long back.
const RETURN_LIMIT: Duration = Duration::from_secs(15);

/// What one phone saw.
#[derive(Debug, Default)]
struct Phone {
    sent: u32,
    limited: u32,
    unavailable: u32,
    answer_ms: Vec<f64>,
    /// By the tap's number.
    total_ms: HashMap<u32, f64>,
}

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "{} phones join and tap {} times a second each for {} s, under default load. A tap is back when its phone's stream says that \
         a session in SESSIONS counted it; its time is the server's, from its arrival to its session's return.",
        options.players, options.rate, options.seconds
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    drop(show);
    let mut phones = JoinSet::new();
    for number in 0..options.players {
        phones.spawn(play(demo.clone(), http.clone(), number, options.clone()));
    }
    let mut all = Vec::new();
    while let Some(phone) = phones.join_next().await {
        all.push(phone??);
    }
    let sum = |count: fn(&Phone) -> u32| all.iter().map(count).sum::<u32>();
    let (sent, limited, unavailable) =
        (sum(|phone| phone.sent), sum(|phone| phone.limited), sum(|phone| phone.unavailable));
    let total_ms = Distribution::of("taps", all.iter().flat_map(|phone| phone.total_ms.values().copied()))?;
    let answer_ms =
        Distribution::of("answers", all.iter().flat_map(|phone| phone.answer_ms.iter().copied()))?;
    let back: usize = all.iter().map(|phone| phone.total_ms.len()).sum();
    let back = u32::try_from(back)?;
    println!("  taps: {sent} in Kafka, {back} back, {limited} limited, {unavailable} not taken");
    println!("  answer to a tap at the phone, ms: {answer_ms}\n  tap to its return, ms: {total_ms}");
    ensure!(back <= sent, "more taps came back than were sent");
    #[expect(clippy::cast_precision_loss, reason = "a few minutes")]
    let a_second = f64::from(back) / options.seconds as f64;
    Ok(vec![
        Figure::new("taps that come back", a_second, "a second"),
        Figure::new("taps in Kafka that did not come back", f64::from(sent - back), "taps"),
        Figure::new("tap to its return, p50", total_ms.median(), "ms"),
        Figure::new("tap to its return, p99", total_ms.percentile(99), "ms"),
    ])
}

/// One phone: joins, listens, taps, and waits for its taps.
async fn play(demo: Demo, http: reqwest::Client, number: u32, options: Options) -> Result<Phone> {
    let mut session = Session::new(&demo.url, &http);
    let fighter = number as usize % FIGHTERS.len();
    let _player: Player = session.call("join", &json!({ "fighter": fighter })).await?;
    let mut live = Live::open(&http, &demo.url, View::Phone, None, &session.cookie()).await?;
    let mut phone = Phone::default();
    let mut pace = interval(Duration::from_secs(1) / options.rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        tokio::select! {
            _ = pace.tick() => phone.tap(&session).await?,
            event = live.next() => phone.hear(&event?.data)?,
        }
    }
    let limit = Instant::now() + RETURN_LIMIT;
    while phone.total_ms.len() < phone.sent as usize {
        match timeout_at(limit, live.next()).await {
            Ok(event) => phone.hear(&event?.data)?,
            Err(_) => break,
        }
    }
    Ok(phone)
}

impl Phone {
    async fn tap(&mut self, session: &Session) -> Result<()> {
        const HIT_LIMIT: Duration = Duration::from_secs(10);
        let began_ms = now_ms();
        let hit = json!({ "key": "X", "direction": "Up" });
        let answer =
            timeout(HIT_LIMIT, session.ask("tap", &hit)).await.context("a tap was not answered")??;
        self.answer_ms.push(now_ms() - began_ms);
        match answer {
            TapAnswer::Sent(_) => self.sent += 1,
            TapAnswer::Limited { .. } => self.limited += 1,
            TapAnswer::Unavailable { .. } => self.unavailable += 1,
            TapAnswer::Unknown => anyhow::bail!("the server has forgotten a player"),
        }
        Ok(())
    }

    /// Notes the taps that an event says are back; other events say nothing of taps.
    fn hear(&mut self, data: &str) -> Result<()> {
        if !data.contains("\"taps\"") {
            return Ok(());
        }
        let tick: PhoneTick = serde_json::from_str(data).context("the phone's stream is not as expected")?;
        for tap in tick.taps {
            if let Stage::Counted { total_ms, .. } = tap.stage {
                self.total_ms.insert(tap.number, f64::from(total_ms));
            }
        }
        Ok(())
    }
}
