//! One run of a pod's program, from its start to its end. Its task owns the child: nobody else signals it, so that no
//! signal ever reaches a process that is not ours.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{log, probe};

/// What to run.
#[derive(Debug)]
pub(super) struct Start {
    /// Which run of which pod this is.
    pub(super) run: Run,
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) log_dir: Option<PathBuf>,
}

/// Tells the runs of one pod apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) pod: String,
    /// How often the pod was started before.
    pub(super) restarts: u32,
}

/// A run that passes its readiness probe, or does not any more.
#[derive(Debug)]
pub(super) struct Readiness {
    pub(super) run: Run,
    pub(super) ready: bool,
}

/// A run that has ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) run: Run,
    /// How, in words: for the log.
    pub(super) how: String,
}

impl Start {
    /// Runs the program to its end. Signals are passed on; when nobody is left to send one, the process is killed.
    pub(super) async fn run(
        self,
        signals: mpsc::UnboundedReceiver<Signal>,
        readiness: mpsc::Sender<Readiness>,
    ) -> End {
        let Self { run, program, args, log_dir } = self;
        let how = match spawn(&program, &args) {
            Ok(child) => match supervise(child, &run, log_dir, signals, readiness).await {
                Ok(status) => status.to_string(),
                Err(error) => format!("waiting for it failed: {error}"),
            },
            Err(error) => format!("{} cannot be started: {error}", program.display()),
        };
        End { run, how }
    }
}

fn spawn(program: &PathBuf, args: &[String]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Ctrl-C in a terminal reaches every process of the foreground group: the pods should hear of it from us.
    command.process_group(0);
    for (name, _) in std::env::vars_os() {
        // The passcode and the key that signs cookies are none of a pod's business.
        if name.to_string_lossy().starts_with("KING_") {
            command.env_remove(name);
        }
    }
    command.spawn()
}

async fn supervise(
    mut child: Child,
    run: &Run,
    log_dir: Option<PathBuf>,
    mut signals: mpsc::UnboundedReceiver<Signal>,
    readiness: mpsc::Sender<Readiness>,
) -> std::io::Result<ExitStatus> {
    // The pipe that tells the pod that we live: `wait` would close it.
    let stdin = child.stdin.take();
    if let Some(stderr) = child.stderr.take() {
        // Ends with the pipe.
        tokio::spawn(log::copy(stderr, run.pod.clone(), log_dir));
    }
    let stdout = child.stdout.take();
    let (changes, mut changed) = mpsc::channel(4);
    let pod = run.pod.clone();
    let probing = async move {
        if let Some(address) = admin_address(stdout).await {
            probe::watch(&pod, address, changes).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(probing);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            signal = signals.recv() => {
                send(&child, signal.unwrap_or(Signal::KILL));
                if signal.is_none() {
                    break child.wait().await;
                }
            }
            Some(ready) = changed.recv() => {
                // The actor is gone only when everything ends.
                let _ = readiness.send(Readiness { run: run.clone(), ready }).await;
            }
            () = &mut probing => {}
        }
    };
    drop(stdin);
    status
}

/// Waits for the line `admin ADDRESS`; whatever else the program writes to stdout is dropped.
async fn admin_address(stdout: Option<impl AsyncRead + Unpin + Send + 'static>) -> Option<SocketAddr> {
    let mut lines = BufReader::new(stdout?).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix("admin ").and_then(|rest| rest.trim().parse().ok()) {
            // Read on, so that the program never waits for room in the pipe. Ends with the pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(address);
        }
    }
    None
}

fn send(child: &Child, signal: Signal) {
    // No id: it has ended, and `wait` has seen it.
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else { return };
    match kill_process(pid, signal) {
        Ok(()) => debug!(pid = pid.as_raw_nonzero(), "{signal:?} sent"),
        Err(error) => warn!("{signal:?} to process {} failed: {error}", pid.as_raw_nonzero()),
    }
}
