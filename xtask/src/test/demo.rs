//! A demo beside any other, for tests and benchmarks: a free port, its own data, and an end that comes with ours.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::instance::{self, Status};
use crate::workspace::Workspace;
use crate::{console, kafka, stop, tool};

/// A first build may be part of the start.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// A demo that was started for somebody, and ends with this value.
pub(crate) struct RunningDemo {
    process: Child,
    state: PathBuf,
    status: Status,
}

impl RunningDemo {
    /// Starts a demo with fresh data and waits until it is ready. `name` keeps those for tests and for benchmarks
    /// apart.
    pub(crate) fn start(workspace: &Workspace, name: &str) -> Result<Self> {
        let state = workspace.target.join(format!("demo-{name}"));
        let mut command = tool::own()?;
        command.args(["demo", "--exit-with-parent", "--fresh", "--port", "0", "--state"]).arg(&state);
        // What the person has set for their own demo is not for this one.
        command.env_remove("KING_PASSCODE").env_remove("SCHEMA_REGISTRY");
        kafka::forget(&mut command);
        let mut process = tool::spawn(&mut command).context("cannot start the demo")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = Status::read(&state).filter(|status| status.pid == process.id()) {
                console::step(format_args!("a demo for this runs at {}", status.url));
                return Ok(Self { process, state, status });
            }
            if let Some(status) = process.try_wait()? {
                bail!("the demo did not start ({status}), see above");
            }
            if stop::wanted() || Instant::now() > deadline {
                drop(process.stdin.take());
                process.wait()?;
                stop::check()?;
                bail!("the demo was not ready after {} minutes", PATIENCE.as_secs() / 60);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Tells a program where the demo is: `KING_URL`, `KING_PASSCODE`, `KING_STATUS` (a file, kept current) and
    /// `KING_TEST_KAFKA`.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command.env("KING_URL", &self.status.url).env("KING_PASSCODE", &self.status.passcode);
        command
            .env("KING_STATUS", instance::status_file(&self.state))
            .env("KING_TEST_KAFKA", &self.status.kafka);
    }

    /// Ends the demo and waits for its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.end().context("cannot end the demo")
    }

    fn end(&mut self) -> std::io::Result<()> {
        drop(self.process.stdin.take());
        self.process.wait().map(drop)
    }
}

impl Drop for RunningDemo {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
