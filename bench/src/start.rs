//! From `cargo xtask demo` to the page: a second start, and a first one in a fresh clone.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
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
         Kafka has its data from a start before; a start that had to compile, or to wait for another cargo, is none and is left out. A \
         fresh clone: `git clone` of this repository with an empty target directory, including the time of cloning; what cargo and the \
         system have downloaded before may be in their caches. Second starts are then those of the clone."
    );
    let directory = TempDir::with_prefix("king-start-")?;
    let state = directory.path().join("state");
    let mut repository = repository().await?;
    let mut figures = Vec::new();
    if options.fresh_clone {
        let began = Instant::now();
        repository = clone(&repository, directory.path()).await?;
        let cloned_s = began.elapsed().as_secs_f64();
        let took_s = cloned_s + start(&repository, &state, CLONE_LIMIT, Target::Own).await?.seconds;
        println!("  fresh clone: {} s", Digits(took_s));
        figures.push(Figure::new("fresh clone to page", took_s / 60.0, "min").goal(12.0));
    }
    let target = if options.fresh_clone { Target::Own } else { Target::Inherited };
    if options.starts > 0 {
        if !options.fresh_clone {
            let first = start(&repository, &state, START_LIMIT, target).await?;
            println!("  first start, which may build and makes Kafka's data: {} s", Digits(first.seconds));
        }
        let seconds = second_starts(&repository, &state, options.starts, target).await?;
        println!("  second starts, s: {seconds}");
        figures.push(Figure::new("second start to page, median", seconds.median(), "s").goal(10.0));
        figures.push(Figure::new("second start to page, longest", seconds.max(), "s").goal(10.0));
    }
    Ok(figures)
}

/// Where cargo builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Where the environment says.
    Inherited,
    /// In the repository's own directory.
    Own,
}

/// One start.
struct Start {
    seconds: f64,
    /// Whether cargo compiled something or waited for another one.
    built: bool,
}

async fn second_starts(repository: &Path, state: &Path, wanted: u32, target: Target) -> Result<Distribution> {
    let mut seconds = Vec::new();
    for _ in 0..wanted * 2 {
        let start = start(repository, state, START_LIMIT, target).await?;
        if start.built {
            println!("  left out, since something was built meanwhile: {} s", Digits(start.seconds));
        } else {
            seconds.push(start.seconds);
        }
        if seconds.len() == wanted as usize {
            break;
        }
    }
    Distribution::of("second starts", seconds)
        .context("each start had something to build: are sources being edited?")
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

async fn clone(repository: &Path, into: &Path) -> Result<PathBuf> {
    let clone = into.join("king-of-scaling");
    let cloned =
        Command::new("git").arg("clone").arg("--no-hardlinks").arg(repository).arg(&clone).status().await?;
    if !cloned.success() {
        bail!("git cannot clone {}", repository.display());
    }
    Ok(clone)
}

/// Starts a demo, waits for its page, ends it again.
async fn start(repository: &Path, state: &Path, limit: Duration, target: Target) -> Result<Start> {
    let began = Instant::now();
    let mut command = Command::new("cargo");
    command.args(["xtask", "demo", "--port", "0", "--state"]).arg(state).current_dir(repository);
    for inherited in ["KING_URL", "KING_PASSCODE", "KING_STATUS", "KAFKA_BROKERS"] {
        command.env_remove(inherited);
    }
    if target == Target::Own {
        command.env_remove("CARGO_TARGET_DIR");
    }
    let mut demo = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (said, warned) = (demo.stdout.take(), demo.stderr.take());
    let said = tokio::spawn(pass_on(said.context("no pipe from the demo")?));
    let warned = tokio::spawn(pass_on(warned.context("no pipe from the demo")?));
    let page = tokio::time::timeout(limit, page(&mut demo, state)).await;
    let seconds = began.elapsed().as_secs_f64();
    end(&mut demo).await?;
    page.with_context(|| format!("no page within {limit:?}"))??;
    let built = said.await?? | warned.await??;
    Ok(Start { seconds, built })
}

/// Passes a demo's words on to our standard error, since figures are all that is said on the output; whether they tell
/// of a build.
async fn pass_on(output: impl AsyncRead + Unpin) -> Result<bool> {
    let mut lines = BufReader::new(output).lines();
    let mut built = false;
    while let Some(line) = lines.next_line().await? {
        built |= tells_of_build(&line);
        eprintln!("{line}");
    }
    Ok(built)
}

fn tells_of_build(line: &str) -> bool {
    ["Compiling ", "Blocking waiting for file lock"].iter().any(|words| line.trim_start().starts_with(words))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_builds_is_told_from_one_that_does_not() {
        for line in
            ["   Compiling app v0.1.0 (app)", "    Blocking waiting for file lock on artifact directory"]
        {
            assert!(tells_of_build(line), "{line}");
        }
        for line in
            ["    Finished `release` profile [optimized] target(s) in 0.50s", "[   1.0 s] building the page"]
        {
            assert!(!tells_of_build(line), "{line}");
        }
    }
}
