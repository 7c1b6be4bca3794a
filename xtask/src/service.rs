//! A long-running process of the demo: how it is started, where its log is, and the pipe that ends it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::instance::ServiceStatus;
use crate::tool;

/// A service that lived this long is started again at once when it dies.
const STEADY: Duration = Duration::from_secs(10);
/// The first pause before a new start, doubled each time up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// What the supervisor hears.
#[derive(Debug)]
pub(crate) enum Event {
    /// It may be time to stop.
    Stop,
    /// A service wrote a line on its standard output.
    Said {
        /// Which one.
        service: &'static str,
        /// The line.
        line: String,
    },
    /// A process of a service ended.
    Ended {
        /// Which one.
        service: &'static str,
        /// The process.
        pid: u32,
        /// How; none when the system did not tell.
        status: Option<ExitStatus>,
    },
}

/// A service and, while it runs, its process.
pub(crate) struct Service {
    /// What people and the status file call it.
    pub name: &'static str,
    /// Where its output goes.
    pub log: PathBuf,
    /// What is known of its process.
    pub status: ServiceStatus,
    command: Box<dyn Fn() -> Result<Command> + Send>,
    running: Option<Running>,
    quick_deaths: u32,
}

struct Running {
    pid: u32,
    since: Instant,
    /// Closing it is the order to end.
    pipe: Option<ChildStdin>,
}

impl Service {
    /// A service that does not run yet; its log begins anew.
    pub(crate) fn new(
        name: &'static str,
        log: PathBuf,
        command: impl Fn() -> Result<Command> + Send + 'static,
    ) -> Result<Self> {
        std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        Ok(Self {
            name,
            log,
            status: ServiceStatus::default(),
            command: Box::new(command),
            running: None,
            quick_deaths: 0,
        })
    }

    /// Starts the process and reports what it says and how it ends.
    pub(crate) fn start(&mut self, events: &Sender<Event>) -> Result<()> {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(&self.log)?;
        let mut command = (self.command)()?;
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = tool::spawn(&mut command).with_context(|| format!("cannot start {}", self.name))?;
        let pid = child.id();
        self.status = ServiceStatus { pid, starts: self.status.starts + 1, ..ServiceStatus::default() };
        self.running = Some(Running { pid, since: Instant::now(), pipe: child.stdin.take() });
        let service = self.name;
        if let Some(stdout) = child.stdout.take() {
            let events = events.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                    let _ = events.send(Event::Said { service, line });
                }
            });
        }
        let events = events.clone();
        std::thread::spawn(move || {
            let status = child.wait().ok();
            let _ = events.send(Event::Ended { service, pid, status });
        });
        Ok(())
    }

    /// Whether its process lives.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Notes what the process said about itself; true when there is something new to publish.
    pub(crate) fn note(&mut self, line: &str) -> bool {
        if let Some(address) = line.strip_prefix("admin ") {
            self.status.admin = Some(address.to_owned());
        } else if let Some(pid) = line.strip_prefix("pid ").and_then(|pid| pid.parse().ok()) {
            self.status.guarded_pid = Some(pid);
        } else {
            return false;
        }
        true
    }

    /// Notes that a process ended. The pause before the next start, or nothing when that process was not the current
    /// one.
    pub(crate) fn ended(&mut self, pid: u32) -> Option<Duration> {
        let running = self.running.take_if(|running| running.pid == pid)?;
        // A guard that was killed could not end what it guarded.
        if let Some(group) = self.status.guarded_pid.take().and_then(to_pid) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.quick_deaths = if running.since.elapsed() < STEADY { self.quick_deaths + 1 } else { 0 };
        Some(pause(self.quick_deaths))
    }

    /// Orders the process to end by closing its pipe.
    pub(crate) fn close(&mut self) {
        if let Some(running) = &mut self.running {
            drop(running.pipe.take());
        }
    }

    /// Asks the process to end by SIGTERM: a guard then does not linger.
    pub(crate) fn terminate(&mut self) {
        if let Some(pid) = self.running.as_ref().and_then(|running| to_pid(running.pid)) {
            let _ = kill_process(pid, Signal::TERM);
        }
        self.close();
    }

    /// Kills the process, its group and what it guarded.
    pub(crate) fn kill(&mut self) {
        let own = self.running.as_ref().map(|running| running.pid);
        for group in [own, self.status.guarded_pid].into_iter().flatten().filter_map(to_pid) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// 100 ms after a first death, twice as long after each further one, 10 s at most.
fn pause(quick_deaths: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(quick_deaths.saturating_sub(1))).min(LAST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_keeps_dying_is_started_less_and_less_often() {
        let pauses: Vec<u128> =
            [0, 1, 2, 3, 4, 5, 8, 40].into_iter().map(|deaths| pause(deaths).as_millis()).collect();
        assert_eq!(pauses, [100, 100, 200, 400, 800, 1_600, 10_000, 10_000]);
    }
}
