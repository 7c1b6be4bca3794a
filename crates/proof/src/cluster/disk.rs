//! A small disk in memory that only our brokers see: it is mounted in a mount namespace of its own, whose holder is a
//! process that ends when we do. So nothing has to be unmounted, whatever happens.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Enough for some schedules, and not much to fill.
const SIZE: &str = "512m";
const MOUNTED: &str = "mounted";

pub(crate) struct Disk {
    /// Waits for the end of its standard input.
    holder: Child,
    /// Where it is mounted, in the holder's eyes.
    directory: PathBuf,
}

impl Disk {
    /// Mounts it at a directory. That needs root on Linux.
    pub(super) async fn mount(directory: &Path) -> Result<Self> {
        let script = format!(
            "mount -t tmpfs -o size={SIZE} king-proof \"$0\" && echo {MOUNTED} && exec cat >/dev/null"
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", &script])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run `unshare`")?;
        let stdout = holder.stdout.take().context("no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        ensure!(line.as_deref() == Some(MOUNTED), "a disk in memory cannot be mounted");
        Ok(Self { holder, directory: directory.to_owned() })
    }

    /// What comes before a program that shall see it.
    pub(super) fn enter(&self) -> Option<[String; 3]> {
        let id = self.holder.id()?;
        Some(["nsenter".to_owned(), format!("--mount=/proc/{id}/ns/mnt"), "--".to_owned()])
    }

    /// Leaves no byte free.
    pub(super) async fn fill(&self) -> Result<()> {
        let file = self.filling()?;
        tokio::task::spawn_blocking(move || {
            let mut file = std::fs::File::create(&file)?;
            // Ever smaller pieces, down to a page.
            for size in [1 << 20, 1 << 12] {
                let piece = vec![0; size];
                while file.write_all(&piece).is_ok() {}
            }
            Ok(())
        })
        .await?
    }

    pub(super) async fn free(&self) -> Result<()> {
        tokio::fs::remove_file(self.filling()?).await.context("cannot free the disk")
    }

    /// The file that fills it, seen from outside of the namespace.
    fn filling(&self) -> Result<PathBuf> {
        let id = self.holder.id().context("the disk's holder has ended")?;
        let inside = self.directory.strip_prefix("/").unwrap_or(&self.directory);
        Ok(Path::new("/proc").join(id.to_string()).join("root").join(inside).join("filling"))
    }
}
