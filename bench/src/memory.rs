//! Resident memory of the server, of each pod and of the generator under default load.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::demo::Demo;
use crate::figure::{Digits, Figure};
use crate::processes::{self, Usage};
use crate::show::Show;

/// What to wait for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seconds of default load before memory is read
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
}

/// Measures.
pub(crate) async fn run(demo: &Demo, options: &Options) -> Result<Vec<Figure>> {
    println!(
        "Resident memory (VmRSS, which counts shared pages in full; MB = 10^6 bytes) after {} s of default load with one \
         page open, and the most that was ever resident.",
        options.seconds
    );
    let http = reqwest::Client::new();
    let mut show = Show::open(demo, &http).await?;
    show.calm().await?;
    let since = show.now().now.at_ms;
    let limit = Duration::from_secs(options.seconds + 30);
    show.until("a time of default load", limit, |now| now.at_ms >= since + options.seconds * 1_000).await?;
    let status = demo.status()?;
    let server = status.pid("server")?;
    let pods = processes::children(server, "streams")?;
    let measured = [
        ("server", vec![server], 60.0),
        ("one streams pod", pods, 40.0),
        ("datagen", vec![status.pid("datagen")?], 30.0),
    ];
    measured.into_iter().map(|(name, pids, goal)| figure(name, &pids, goal)).collect()
}

/// The largest of several processes counts.
fn figure(name: &str, pids: &[u32], goal: f64) -> Result<Figure> {
    let usages = pids.iter().map(|pid| processes::usage(*pid)).collect::<Result<Vec<Usage>>>()?;
    for (pid, usage) in pids.iter().zip(&usages) {
        println!("  {name}, process {pid}: {}", in_words(usage));
    }
    let largest = usages.iter().map(|usage| usage.rss_mb).max_by(f64::total_cmp);
    let rss_mb = largest.with_context(|| format!("there is no process: {name}"))?;
    Ok(Figure::new(format!("memory: {name}"), rss_mb, "MB").goal(goal))
}

fn in_words(usage: &Usage) -> String {
    let optional = |name: &str, value: Option<f64>| {
        value.map_or_else(String::new, |value| format!(", {name} {} MB", Digits(value)))
    };
    let (pss, peak) = (optional("PSS", usage.pss_mb), optional("peak", usage.peak_mb));
    format!("resident {} MB{pss}{peak}", Digits(usage.rss_mb))
}
