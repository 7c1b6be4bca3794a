//! A program that is measured: started on its core with a pipe as standard input, whose end is its order to leave.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cores::Cores;
use crate::processes::{self, Usage};

/// A JVM that closes a Kafka Streams application takes its two seconds.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Lines of its log that an error shows.
const SHOWN: usize = 15;

/// A running program; it ends with this value.
#[derive(Debug)]
pub(crate) struct Measured {
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Measured {
    /// Starts a program with its output in a file.
    pub(crate) fn start<A: AsRef<OsStr>>(
        cores: Option<&Cores>,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        log: PathBuf,
    ) -> Result<Self> {
        let mut command = cores.map_or_else(|| Command::new(program), |cores| cores.pinned(program));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        // taskset becomes the program, so the process is the program's.
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self { child, pid, log })
    }

    /// What it uses now; an error when it has ended.
    pub(crate) fn usage(&mut self) -> Result<Usage> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended ({status}):\n{}", self.tail());
        }
        processes::usage(self.pid)
    }

    /// Kills it, as a machine that fails would.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it ends by itself, and returns what it has written.
    pub(crate) async fn finish(mut self, limit: Duration) -> Result<String> {
        // Waiting would close the pipe, which is the order to leave.
        let _pipe = self.child.stdin.take();
        let status: ExitStatus = timeout(limit, self.child.wait()).await.context("it takes too long")??;
        ensure!(status.success(), "it failed ({status}):\n{}", self.tail());
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Orders it to end, and waits for that.
    pub(crate) async fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        if timeout(END_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// The last lines of what it has written.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}
