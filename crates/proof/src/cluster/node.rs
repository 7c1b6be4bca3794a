//! One broker: a process that is started again when it dies.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::disk::Disk;
use crate::setup::Java;

/// Little memory, since there are three of them, and a start that leaves the processor to others.
const JVM: [&str; 5] =
    ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"];
/// After a death by itself, the next start waits for so long.
const PAUSE: Duration = Duration::from_millis(1_000);
/// Any valid id will do for a cluster that nobody else talks to.
const CLUSTER_ID: &str = "KingOfScalingProof000A";

/// The words that begin every command of a broker: where it runs, Java, and Kafka's classes.
pub(super) fn within(disk: Option<&Disk>, java: &Java) -> Vec<OsString> {
    let enter = disk.and_then(Disk::enter).into_iter().flatten().map(OsString::from);
    enter.chain([java.program.clone().into(), "-cp".into(), java.jars.join("*").into()]).collect()
}

/// Formats the storage of a broker.
pub(super) async fn format(words: Vec<OsString>, settings: PathBuf) -> Result<()> {
    let (program, arguments) = words.split_first().context("no program")?;
    let output = Command::new(program)
        .args(arguments)
        .args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"])
        .arg(settings)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run Java")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "cannot format a broker's storage: {said}");
    Ok(())
}

pub(super) struct Node {
    /// Whether it shall run; its end ends the supervisor.
    wanted: watch::Sender<bool>,
    running: Running,
    supervisor: JoinHandle<()>,
}

/// Its process, while it has one.
type Running = Arc<Mutex<Option<Pid>>>;

impl Node {
    pub(super) fn start(words: Vec<OsString>, guard: PathBuf, settings: PathBuf, log: PathBuf) -> Self {
        let (wanted, is_wanted) = watch::channel(true);
        let running = Running::default();
        let command = move || command(&guard, &words, &settings, &log);
        let supervisor = tokio::spawn(supervise(command, is_wanted, Arc::clone(&running)));
        Self { wanted, running, supervisor }
    }

    pub(super) fn kill(&self) -> Result<()> {
        self.wanted.send_replace(false);
        let running = *self.running.lock().unwrap_or_else(PoisonError::into_inner);
        kill_process(running.context("the broker is not running")?, Signal::KILL)
            .context("cannot kill a broker")
    }

    pub(super) fn start_again(&self) {
        self.wanted.send_replace(true);
    }

    /// Ends it and waits for that.
    pub(super) async fn end(self) {
        drop(self.wanted);
        // It has only logged what went wrong.
        let _ = self.supervisor.await;
    }
}

/// The guard says the broker's process id first, and ends the broker when its standard input ends.
fn command(guard: &Path, words: &[OsString], settings: &Path, log: &Path) -> Result<Command> {
    let log = File::options().create(true).append(true).open(log)?;
    let (java, classes) = words.split_at(words.len().saturating_sub(2));
    let mut command = Command::new(guard);
    command
        .args(["guard", "--announce", "--"])
        .args(java)
        .args(JVM)
        .args(classes)
        .arg("kafka.Kafka")
        .arg(settings)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log);
    Ok(command)
}

async fn supervise(
    command: impl Fn() -> Result<Command>,
    mut wanted: watch::Receiver<bool>,
    running: Running,
) {
    let note = |pid| *running.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        let child = command().and_then(|mut command| Ok(command.spawn()?));
        let Ok(mut child) = child.inspect_err(|error| println!("cannot start a broker: {error:#}")) else {
            return;
        };
        let Some(stdout) = child.stdout.take() else { return };
        // Waiting for a child would close it.
        let pipe = child.stdin.take();
        let line = BufReader::new(stdout).lines().next_line().await;
        let pid = line.ok().flatten().and_then(|line| line.strip_prefix("pid ")?.parse().ok());
        note(pid.and_then(Pid::from_raw));
        let is_over = async { while wanted.changed().await.is_ok() {} };
        tokio::select! {
            _ = child.wait() => note(None),
            () = is_over => {
                drop(pipe);
                let _ = child.wait().await;
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
