//! The processes of the node, and Kafka beside it: how to kill one, and how to keep it away for a while.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A process that a supervisor starts again whenever it dies. It holds the lock of a file that has its id.
#[derive(Debug, Clone)]
pub struct Component {
    lock: PathBuf,
}

/// The component is away for as long as this lives.
#[derive(Debug)]
#[must_use = "it comes back when this is dropped"]
pub struct Away {
    _lock: File,
}

impl Component {
    /// A component of the node by its program's name.
    ///
    /// # Panics
    /// When `KING_TEST_CLUSTER` is not set.
    #[must_use]
    pub fn of_node(name: &str) -> Self {
        Self { lock: directory().join(format!("{name}.lock")) }
    }

    /// The broker.
    ///
    /// # Panics
    /// When `KING_TEST_KAFKA_PID_FILE` is not set.
    #[must_use]
    pub fn kafka() -> Self {
        let lock = std::env::var_os("KING_TEST_KAFKA_PID_FILE")
            .expect("KING_TEST_KAFKA_PID_FILE says where Kafka is");
        Self { lock: lock.into() }
    }

    /// Kills it and keeps it from starting again.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn take_away(&self) -> Result<Away> {
        let lock = File::options().read(true).write(true).open(&self.lock);
        let lock = lock.with_context(|| format!("no component at {}", self.lock.display()))?;
        self.kill()?;
        // Its supervisor lets go of the lock when it has seen the end; the next one waits behind us.
        lock.lock()?;
        Ok(Away { _lock: lock })
    }

    fn kill(&self) -> Result<()> {
        let pid = std::fs::read_to_string(&self.lock)?;
        let killed = Command::new("kill").args(["-9", pid.trim()]).status()?;
        ensure!(killed.success(), "cannot kill process {pid} of {}", self.lock.display());
        Ok(())
    }
}

/// The directory of the cluster.
///
/// # Panics
/// When `KING_TEST_CLUSTER` is not set.
#[must_use]
pub fn directory() -> PathBuf {
    let directory = std::env::var_os("KING_TEST_CLUSTER");
    Path::new(
        &directory.expect("KING_TEST_CLUSTER says where the cluster is: run `cargo xtask test cluster`"),
    )
    .to_owned()
}
