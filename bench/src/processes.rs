//! Memory and processor time of other processes: from `/proc` where there is one, else from `ps`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

/// Linux counts processor time in ticks of 10 ms, whatever the kernel was built with.
const TICKS_PER_SECOND: u64 = 100;

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Usage {
    /// Resident memory, in megabytes (10^6).
    pub(crate) rss_mb: f64,
    /// The same, with pages shared among several processes counted in parts; Linux only.
    pub(crate) pss_mb: Option<f64>,
    /// The most that was ever resident; Linux only.
    pub(crate) peak_mb: Option<f64>,
    /// Processor time so far, user and system.
    pub(crate) cpu: Duration,
}

/// What a process uses now.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
    match (read("status"), read("stat")) {
        (Ok(status), Ok(stat)) => {
            let rollup = read("smaps_rollup").unwrap_or_default();
            Ok(Usage {
                rss_mb: field_mb(&status, "VmRSS:").with_context(|| format!("process {pid} has ended"))?,
                pss_mb: field_mb(&rollup, "Pss:"),
                peak_mb: field_mb(&status, "VmHWM:"),
                cpu: cpu_of_stat(&stat).context("/proc/PID/stat is not as expected")?,
            })
        }
        _ => usage_by_ps(pid),
    }
}

fn usage_by_ps(pid: u32) -> Result<Usage> {
    let text = ps(&["-o", "rss=,time=", "-p", &pid.to_string()])?;
    let mut words = text.split_whitespace();
    let rss: f64 = words
        .next()
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("process {pid} has ended"))?;
    let cpu = words.next().and_then(cpu_of_ps).context("`ps -o time` is not as expected")?;
    Ok(Usage { rss_mb: rss * 1_024.0 / 1e6, pss_mb: None, peak_mb: None, cpu })
}

/// The children of a process that run a certain program.
pub(crate) fn children(parent: u32, program: &str) -> Result<Vec<u32>> {
    let text = ps(&["-A", "-o", "pid=,ppid=,comm="])?;
    Ok(children_of_ps(&text, parent, program))
}

fn ps(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ps").args(arguments).output().context("cannot run ps")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn children_of_ps(text: &str, parent: u32, program: &str) -> Vec<u32> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, of) = (words.next()?.parse().ok()?, words.next()?.parse::<u32>().ok()?);
            let name = words.next()?.rsplit('/').next()?;
            (of == parent && name == program).then_some(pid)
        })
        .collect()
}

/// A field of `/proc/PID/status` or `smaps_rollup`, which count in KiB.
fn field_mb(text: &str, name: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = value.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// Fields 14 and 15; the second one, the program's name, may contain spaces and brackets.
fn cpu_of_stat(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// `1:02.50`, `01:02:03`, `1-02:03:04`.
fn cpu_of_ps(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let days: f64 = days.parse().ok()?;
    let of_day = clock.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    Some(Duration::from_secs_f64(days * 86_400.0 + of_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_megabytes() {
        let status = "Name:\tstreams\nVmHWM:\t   40000 kB\nVmRSS:\t   31250 kB\n";
        assert_eq!(field_mb(status, "VmRSS:"), Some(32.0));
        assert_eq!(field_mb(status, "VmHWM:"), Some(40.96));
        assert_eq!(field_mb(status, "Pss:"), None);
    }

    #[test]
    fn processor_time_is_user_and_system() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 500 0 0 0 150 50 0 0 20 0 4 0 100 1 2";
        assert_eq!(cpu_of_stat(stat), Some(Duration::from_secs(2)));
    }

    #[test]
    fn ps_writes_time_in_several_ways() {
        for (text, seconds) in [("1:02.50", 62.5), ("01:02:03", 3_723.0), ("1-00:00:01", 86_401.0)] {
            assert_eq!(cpu_of_ps(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        assert_eq!(cpu_of_ps("soon"), None);
    }

    #[test]
    fn only_children_that_run_the_program_count() {
        let text = "  7  1 server\n 12  7 streams\n 13  7 /opt/king/streams\n 14  7 sh\n 15  1 streams\n";
        assert_eq!(children_of_ps(text, 7, "streams"), [12, 13]);
    }
}
