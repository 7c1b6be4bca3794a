//! One core for what is measured, the others for Kafka and for the measuring.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Who runs where, as `taskset` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cores {
    measured: String,
    others: String,
}

impl Cores {
    /// The last core is measured; `None` with a single one, or without `taskset` (macOS).
    pub(crate) fn of_this_machine() -> Option<Self> {
        let count = std::thread::available_parallelism().ok()?.get();
        let taskset = Command::new("taskset").arg("--version").stdin(Stdio::null()).output();
        taskset.ok().filter(|output| output.status.success())?;
        Self::split(count)
    }

    fn split(count: usize) -> Option<Self> {
        let last = count.checked_sub(1).filter(|last| *last > 0)?;
        let others = if last == 1 { "0".to_owned() } else { format!("0-{}", last - 1) };
        Some(Self { measured: last.to_string(), others })
    }

    /// Keeps a running process, with all its threads, off the measured core.
    pub(crate) fn keep_off(&self, pid: u32) -> Result<()> {
        let mut command = Command::new("taskset");
        command.args(["--all-tasks", "--cpu-list", "--pid", &self.others, &pid.to_string()]);
        let output = command.stdin(Stdio::null()).output().context("cannot run taskset")?;
        ensure!(
            output.status.success(),
            "cannot pin process {pid}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// A command on the measured core alone.
    pub(crate) fn pinned(&self, program: impl AsRef<OsStr>) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("taskset");
        command.args(["--cpu-list", &self.measured]).arg(program);
        command
    }
}

/// In words, for the description of a measurement.
pub(crate) fn in_words(cores: Option<&Cores>) -> String {
    cores.map_or_else(
        || "nothing is pinned, since this machine has one core or no taskset".to_owned(),
        |cores| {
            format!("each pinned to core {}, Kafka and the measuring to {}", cores.measured, cores.others)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_is_measured_and_the_others_are_not() {
        let check = |count, expected: Option<(&str, &str)>| {
            let expected = expected
                .map(|(measured, others)| Cores { measured: measured.to_owned(), others: others.to_owned() });
            assert_eq!(Cores::split(count), expected, "{count}");
        };
        check(1, None);
        check(2, Some(("1", "0")));
        check(8, Some(("7", "0-6")));
    }
}
