//! One running demo: its directory, the lock that keeps a second one out, and the file that tells tests and benchmarks
//! about it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::secret;

/// The directory of a demo, held for as long as the value lives; the system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Logs, Kafka's data, the cookie's key, the status.
    pub directory: PathBuf,
    /// Whether the last demo here was killed and may still be ending.
    pub unclean: bool,
    _lock: File,
}

/// What a test, a benchmark or a second demo may want to know, as `status.json`; readable by its owner only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The demo's own process.
    pub pid: u32,
    /// The show, for this machine.
    pub url: String,
    /// The show, for the network; none when only this machine is served.
    pub network_url: Option<String>,
    /// The presenter's passcode.
    pub passcode: String,
    /// The address that makes a presenter's device known.
    pub device_url: String,
    /// Bootstrap servers.
    pub kafka: String,
    /// Kafka, the server and the generator by name.
    pub services: BTreeMap<String, ServiceStatus>,
}

/// A process of the demo.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ServiceStatus {
    /// Its process; for Kafka that of its guard.
    pub pid: u32,
    /// The guarded process, for Kafka.
    pub guarded_pid: Option<u32>,
    /// Where it serves metrics, when it says so.
    pub admin: Option<String>,
    /// How often it was started.
    pub starts: u32,
}

impl Instance {
    /// Takes the directory, or says which demo has it.
    pub(crate) fn take(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let file = directory.join("lock");
        let lock = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => match Status::read(directory) {
                Some(other) => bail!(
                    "A demo is already running at {} (process {}): stop it with Ctrl-C where it runs, or start a second one beside it with \
                     `--state target/second --port 0`.",
                    other.url,
                    other.pid
                ),
                None => bail!(
                    "A demo is already starting in {}: wait for it, or start a second one beside it with `--state target/second --port 0`.",
                    directory.display()
                ),
            },
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", file.display()));
            }
        }
        let unclean = std::fs::remove_file(status_file(directory)).is_ok();
        Ok(Self { directory: directory.to_owned(), unclean, _lock: lock })
    }

    /// Publishes the status.
    pub(crate) fn publish(&self, status: &Status) -> Result<()> {
        secret::write_private(&status_file(&self.directory), &serde_json::to_vec_pretty(status)?)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(status_file(&self.directory));
    }
}

impl Status {
    /// The status of the demo in a directory, once it is ready.
    pub(crate) fn read(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(status_file(directory)).ok()?).ok()
    }
}

/// Where the status of the demo in a directory is.
pub(crate) fn status_file(directory: &Path) -> PathBuf {
    directory.join("status.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_demo_is_told_where_the_first_one_is() {
        let directory = std::env::temp_dir().join(format!("king-instance-{}", std::process::id()));
        let first = Instance::take(&directory).unwrap();
        assert!(Instance::take(&directory).unwrap_err().to_string().contains("already starting"));
        first.publish(&Status { url: "http://127.0.0.1:1".to_owned(), ..Status::default() }).unwrap();
        assert!(
            Instance::take(&directory)
                .unwrap_err()
                .to_string()
                .contains("already running at http://127.0.0.1:1")
        );
        drop(first);
        assert!(!Instance::take(&directory).unwrap().unclean);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
