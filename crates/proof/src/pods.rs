//! The pods of a schedule: processes of the program `streams`, and what is done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use kafka::Brokers;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};
use workload::Input;

use crate::complaint::Complaint;
use crate::names::Names;
use crate::schedule::{Action, Protocol};

/// How long a rolling upgrade waits for a new pod before it goes on without it.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// How long a pod may take to end after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(6);
const POLL: Duration = Duration::from_millis(20);
/// Brokers come first: one that does not get the processor for a second counts as dead, and Kafka itself then loses
/// markers of transactions.
const NICE: [&str; 3] = ["nice", "-n", "10"];

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

/// The names of the pods that run and are not stopped: who watches them shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Awake(Arc<Mutex<BTreeSet<String>>>);

/// The processes, by the pods' numbers.
pub(crate) struct Pods {
    template: Template,
    running: BTreeMap<u32, Pod>,
    leaving: Vec<(u32, Pod)>,
    awake: Awake,
    complaints: Vec<Complaint>,
}

struct Pod {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Awake {
    pub(crate) fn has(&self, pod: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(pod)
    }

    fn add(&self, pod: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name(pod));
    }

    fn remove(&self, pod: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name(pod));
    }
}

/// What a pod is called, in the group and where its log is.
fn name(pod: u32) -> String {
    format!("pod-{pod}")
}

impl Pods {
    pub(crate) fn new(template: Template) -> Self {
        Self {
            template,
            running: BTreeMap::new(),
            leaving: Vec::new(),
            awake: Awake::default(),
            complaints: Vec::new(),
        }
    }

    /// Who of them is awake, now and later.
    pub(crate) fn awake(&self) -> Awake {
        self.awake.clone()
    }

    /// Does what a step says. What finds no pod does nothing.
    pub(crate) async fn apply(&mut self, pod: u32, action: Action) -> Result<()> {
        self.look();
        match action {
            Action::Start => self.start(pod)?,
            Action::Ready => self.ready(pod).await,
            Action::Kill => {
                self.awake.remove(pod);
                if let Some(mut killed) = self.running.remove(&pod) {
                    killed.child.kill().await?;
                }
            }
            Action::Terminate => {
                self.awake.remove(pod);
                if let Some(leaving) = self.running.remove(&pod) {
                    leaving.signal(Signal::TERM);
                    self.leaving.push((pod, leaving));
                }
            }
            Action::Stop => {
                self.awake.remove(pod);
                self.signal(pod, Signal::STOP);
            }
            Action::Continue => {
                self.signal(pod, Signal::CONT);
                if self.running.contains_key(&pod) {
                    self.awake.add(pod);
                }
            }
        }
        Ok(())
    }

    /// Notes pods that ended though nobody asked them to.
    pub(crate) fn look(&mut self) {
        let (complaints, awake) = (&mut self.complaints, &self.awake);
        self.running.retain(|&pod, process| {
            let problem = match process.child.try_wait() {
                Ok(None) => return true,
                Ok(Some(status)) => format!("ended by itself: {status}"),
                Err(error) => format!("cannot be looked at: {error}"),
            };
            complaints.push(Complaint::Pod { pod, problem });
            awake.remove(pod);
            false
        });
    }

    /// Whether any pod is at work.
    pub(crate) fn any(&self) -> bool {
        !self.running.is_empty()
    }

    /// Terminates all and waits for their ends. What was wrong with them, so far and now.
    pub(crate) async fn end(mut self) -> Vec<Complaint> {
        self.look();
        for (pod, process) in std::mem::take(&mut self.running) {
            process.signal(Signal::TERM);
            self.leaving.push((pod, process));
        }
        let deadline = Instant::now() + END_LIMIT;
        for (pod, process) in &mut self.leaving {
            let problem = match tokio::time::timeout_at(deadline, process.child.wait()).await {
                Ok(Ok(status)) if is_well(status) => continue,
                Ok(Ok(status)) => format!("ended after SIGTERM with {status}"),
                Ok(Err(error)) => format!("cannot be waited for: {error}"),
                Err(_) => format!("is there {END_LIMIT:?} after SIGTERM"),
            };
            self.complaints.push(Complaint::Pod { pod: *pod, problem });
        }
        self.complaints
    }

    fn start(&mut self, pod: u32) -> Result<()> {
        let Template { program, brokers, names, protocol, capacity, logs } = &self.template;
        let log = File::options().create(true).append(true).open(logs.join(format!("{}.log", name(pod))))?;
        let mut command = Command::new(NICE[0]);
        command
            .args(&NICE[1..])
            .arg(program)
            .args(["--kafka", brokers.as_str(), "--pod", &name(pod), "--group", names.group()])
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
        self.awake.add(pod);
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
