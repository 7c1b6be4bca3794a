//! The pods of a schedule: processes of the program `streams`, and what is done to them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use kafka::Brokers;
use model::Input;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use crate::names::Names;
use crate::schedule::{Protocol, Step};

/// How long a rolling upgrade waits for a new pod before it goes on without it.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// How long a pod may take to end after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(6);
const POLL: Duration = Duration::from_millis(20);

/// How pods are started.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) program: PathBuf,
    pub(crate) brokers: Brokers,
    pub(crate) names: Names,
    pub(crate) protocol: Protocol,
    /// Records a second, of each pod; 0 is no limit.
    pub(crate) capacity: u32,
    /// Where their logs go.
    pub(crate) logs: PathBuf,
}

/// The processes, by the pods' numbers.
pub(crate) struct Pods {
    template: Template,
    running: BTreeMap<u32, Pod>,
    leaving: Vec<(u32, Pod)>,
    complaints: Vec<String>,
}

struct Pod {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Pods {
    pub(crate) fn new(template: Template) -> Self {
        Self { template, running: BTreeMap::new(), leaving: Vec::new(), complaints: Vec::new() }
    }

    /// Does what a step says; the broker's is not for pods. What finds no pod does nothing.
    pub(crate) async fn apply(&mut self, step: Step) -> Result<()> {
        self.look();
        match step {
            Step::Start(pod) => self.start(pod)?,
            Step::Ready(pod) => self.ready(pod).await,
            Step::Kill(pod) => {
                if let Some(mut killed) = self.running.remove(&pod) {
                    killed.child.kill().await?;
                }
            }
            Step::Terminate(pod) => {
                if let Some(leaving) = self.running.remove(&pod) {
                    leaving.signal(Signal::TERM);
                    self.leaving.push((pod, leaving));
                }
            }
            Step::Stop(pod) => self.signal(pod, Signal::STOP),
            Step::Continue(pod) => self.signal(pod, Signal::CONT),
            Step::KillBroker => {}
        }
        Ok(())
    }

    /// Notes pods that ended though nobody asked them to.
    pub(crate) fn look(&mut self) {
        let complaints = &mut self.complaints;
        self.running.retain(|pod, process| match process.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                complaints.push(format!("pod-{pod} ended by itself: {status}"));
                false
            }
            Err(error) => {
                complaints.push(format!("pod-{pod} cannot be looked at: {error}"));
                false
            }
        });
    }

    /// Whether any pod is at work.
    pub(crate) fn any(&self) -> bool {
        !self.running.is_empty()
    }

    /// Terminates all and waits for their ends. What was wrong with them, so far and now.
    pub(crate) async fn end(mut self) -> Vec<String> {
        self.look();
        for (pod, process) in std::mem::take(&mut self.running) {
            process.signal(Signal::TERM);
            self.leaving.push((pod, process));
        }
        let deadline = Instant::now() + END_LIMIT;
        for (pod, process) in &mut self.leaving {
            match tokio::time::timeout_at(deadline, process.child.wait()).await {
                Ok(Ok(status)) if is_well(status) => {}
                Ok(Ok(status)) => {
                    self.complaints.push(format!("pod-{pod} ended after SIGTERM with {status}"))
                }
                Ok(Err(error)) => self.complaints.push(format!("pod-{pod} cannot be waited for: {error}")),
                Err(_) => self.complaints.push(format!("pod-{pod} is there {END_LIMIT:?} after SIGTERM")),
            }
        }
        self.complaints
    }

    fn start(&mut self, pod: u32) -> Result<()> {
        let Template { program, brokers, names, protocol, capacity, logs } = &self.template;
        let log = File::options().create(true).append(true).open(logs.join(format!("pod-{pod}.log")))?;
        let mut command = Command::new(program);
        command
            .args(["--kafka", brokers.as_str(), "--pod", &format!("pod-{pod}"), "--group", names.group()])
            .args(["--requests", &names.input(Input::Requests)])
            .args(["--responses", &names.input(Input::Responses)])
            .args(["--sessions", &names.sessions()])
            .args(["--capacity", &capacity.to_string(), "--admin-address", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        if let Protocol::Classic = protocol {
            command.args(["--group-protocol", "classic"]);
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("a pod without standard output")?;
        self.running.insert(pod, Pod { child, lines: BufReader::new(stdout).lines() });
        Ok(())
    }

    async fn ready(&mut self, pod: u32) {
        if let Some(pod) = self.running.get_mut(&pod) {
            // One that is not ready in time is left to the rest of the schedule.
            let _ = timeout(READY_LIMIT, pod.ready()).await;
        }
    }

    /// A pod that was asked to end while it was stopped ends when it goes on.
    fn signal(&self, pod: u32, signal: Signal) {
        let leaving = self.leaving.iter().filter(|(of, _)| *of == pod).map(|(_, process)| process);
        self.running.get(&pod).into_iter().chain(leaving).for_each(|process| process.signal(signal));
    }
}

impl Pod {
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended just now.
            let _ = kill_process(pid, signal);
        }
    }

    async fn ready(&mut self) {
        let Ok(Some(line)) = self.lines.next_line().await else { return };
        let Some(address) = line.strip_prefix("admin ") else { return };
        while !is_ready(address).await.unwrap_or(false) {
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn is_ready(address: &str) -> Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// A pod that did not yet listen for SIGTERM ends by it, which is well, too.
fn is_well(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.success() || status.signal() == Some(Signal::TERM.as_raw())
}
