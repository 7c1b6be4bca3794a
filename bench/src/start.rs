//! From `cargo xtask demo` to the page: a second start, and a first one in a fresh clone.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval};

use crate::demo::Status;
use crate::distribution::Distribution;
use crate::figure::{Digits, Figure};

/// Which starts.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Second starts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=20))]
    starts: u32,
    /// Also clone the repository's newest commit into a temporary directory and build everything there
    #[arg(long)]
    fresh_clone: bool,
}

const CLONE_LIMIT: Duration = Duration::from_secs(40 * 60);
const START_LIMIT: Duration = Duration::from_secs(10 * 60);
const LOOK: Duration = Duration::from_millis(20);
/// A demo promises to end within 5 s.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<Vec<Figure>> {
    println!(
        "From the start of `cargo xtask demo --port 0` until its page is answered in whole. A second start: everything is built and \
         Kafka has its data from a start before. A fresh clone: `git clone` of this repository with an empty target directory, \
         including the time of cloning; what cargo and the system have downloaded before may be in their caches."
    );
    let repository = repository().await?;
    let mut figures = Vec::new();
    if options.fresh_clone {
        let took_s = fresh_clone(&repository).await?;
        println!("  fresh clone: {} s", Digits(took_s));
        figures.push(Figure::new("fresh clone to page", took_s / 60.0, "min").goal(12.0));
    }
    if options.starts > 0 {
        let directory = TempDir::with_prefix("king-start-")?;
        let state = directory.path().join("state");
        let first_s = start(&repository, &state, START_LIMIT, true).await?;
        println!("  first start, which may build and makes Kafka's data: {} s", Digits(first_s));
        let mut seconds = Vec::new();
        for _ in 0..options.starts {
            seconds.push(start(&repository, &state, START_LIMIT, true).await?);
        }
        let seconds = Distribution::of("starts", seconds)?;
        println!("  second starts, s: {seconds}");
        figures.push(Figure::new("second start to page, median", seconds.median(), "s").goal(10.0));
        figures.push(Figure::new("second start to page, longest", seconds.max(), "s"));
    }
    Ok(figures)
}

async fn repository() -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .output()
        .await
        .context("cannot run cargo")?;
    let manifest = String::from_utf8(output.stdout)?;
    let directory = Path::new(manifest.trim()).parent().filter(|_| output.status.success());
    Ok(directory.context("run this inside the repository")?.to_owned())
}

async fn fresh_clone(repository: &Path) -> Result<f64> {
    let directory = TempDir::with_prefix("king-clone-")?;
    let clone = directory.path().join("king-of-scaling");
    let began = Instant::now();
    let cloned =
        Command::new("git").arg("clone").arg("--no-hardlinks").arg(repository).arg(&clone).status().await?;
    if !cloned.success() {
        bail!("git cannot clone {}", repository.display());
    }
    start(&clone, &clone.join("target/demo"), CLONE_LIMIT, false).await?;
    Ok(began.elapsed().as_secs_f64())
}

/// Starts a demo, waits for its page, ends it again; seconds to the page.
async fn start(repository: &Path, state: &Path, limit: Duration, shared_target: bool) -> Result<f64> {
    let began = Instant::now();
    let mut command = Command::new("cargo");
    command.args(["xtask", "demo", "--port", "0", "--state"]).arg(state).current_dir(repository);
    for inherited in ["KING_URL", "KING_PASSCODE", "KING_STATUS", "KAFKA_BROKERS"] {
        command.env_remove(inherited);
    }
    if !shared_target {
        command.env_remove("CARGO_TARGET_DIR");
    }
    // What it says is progress; figures are the only thing on our standard output.
    let mut demo = command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr())).spawn()?;
    let page = tokio::time::timeout(limit, page(&mut demo, state)).await;
    let took_s = began.elapsed().as_secs_f64();
    end(&mut demo).await?;
    page.with_context(|| format!("no page within {limit:?}"))??;
    Ok(took_s)
}

/// Returns when the page of this demo has come in whole.
async fn page(demo: &mut Child, state: &Path) -> Result<()> {
    let http = reqwest::Client::new();
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        if let Some(status) = demo.try_wait()? {
            bail!("the demo ended: {status}");
        }
        let Ok(status) = Status::read(&state.join("status.json")) else { continue };
        let Ok(response) = http.get(&status.url).send().await else { continue };
        if response.status().is_success() && response.text().await.is_ok_and(|page| page.contains("</html>"))
        {
            return Ok(());
        }
    }
}

/// Asks a demo to end, as Ctrl-C would.
async fn end(demo: &mut Child) -> Result<()> {
    let pid = demo.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM)?;
    }
    if tokio::time::timeout(END_LIMIT, demo.wait()).await.is_err() {
        demo.kill().await?;
        bail!("the demo did not end within {END_LIMIT:?}");
    }
    Ok(())
}
