//! Where a pod's stderr goes: a file of its own that never grows beyond a limit, or our stderr.

use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tracing::warn;

/// A file that is larger is put aside, as `NAME.log.1`; only one is kept.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// A longer line is written as several.
const MAX_LINE: u64 = 16 * 1024;
/// Logs of pods that are gone are deleted when there are more files than this.
const MAX_FILES: usize = 48;

/// Copies a pod's stderr until it ends. When the file cannot be written, says so once and goes on reading: a pod must
/// never stand still because of its log.
pub(super) async fn copy(stderr: impl AsyncRead + Unpin, pod: String, dir: Option<PathBuf>) {
    let mut lines = BufReader::new(stderr);
    let Some(dir) = dir else { return copy_to_stderr(&mut lines, &pod).await };
    if let Err(error) = copy_to_file(&mut lines, &pod, &dir).await {
        warn!("the log of {pod} in {} is given up: {error}", dir.display());
        let _ = tokio::io::copy(&mut lines, &mut tokio::io::sink()).await;
    }
}

async fn copy_to_stderr(lines: &mut (impl AsyncBufReadExt + Unpin), pod: &str) {
    let name = model::snapshot::short_name(pod);
    let mut line = Vec::new();
    while next_line(lines, &mut line).await.is_ok_and(|length| length > 0) {
        // Nobody may hold the other end of our stderr any more; the pod must not notice.
        let _ = writeln!(std::io::stderr(), "[{name}] {}", String::from_utf8_lossy(&line).trim_end());
    }
}

async fn copy_to_file(
    lines: &mut (impl AsyncBufReadExt + Unpin),
    pod: &str,
    dir: &Path,
) -> std::io::Result<()> {
    fs::create_dir_all(dir).await?;
    forget_oldest(dir).await?;
    let path = dir.join(format!("{pod}.log"));
    let mut file = File::options().create(true).append(true).open(&path).await?;
    let mut written = file.metadata().await?.len();
    let mut line = Vec::new();
    loop {
        let length = next_line(lines, &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        if written > MAX_BYTES {
            fs::rename(&path, path.with_extension("log.1")).await?;
            file = File::options().create(true).append(true).open(&path).await?;
            written = 0;
        }
        file.write_all(&line).await?;
        file.flush().await?;
        written += length as u64;
    }
}

async fn next_line(lines: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> std::io::Result<usize> {
    line.clear();
    lines.take(MAX_LINE).read_until(b'\n', line).await
}

/// Deletes the oldest logs, so that a long rehearsal does not fill the disk.
async fn forget_oldest(dir: &Path) -> std::io::Result<()> {
    let mut logs = Vec::new();
    let mut entries = fs::read_dir(dir).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(model::DEPLOYMENT) {
            logs.push((entry.metadata().await?.modified()?, entry.path()));
        }
    }
    logs.sort();
    for (_, path) in logs.iter().take((logs.len() + 1).saturating_sub(MAX_FILES)) {
        fs::remove_file(path).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_keeps_the_newest_and_never_grows_beyond_twice_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("{}\n", "x".repeat(1_023));
        let text = line.repeat(5 * 1_024) + "the end\n";
        copy(text.as_bytes(), "kstreams-a-b".into(), Some(dir.path().to_owned())).await;
        let size = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().len();
        assert!(size("kstreams-a-b.log") < MAX_BYTES + 2_048);
        assert!(size("kstreams-a-b.log.1") < MAX_BYTES + 2_048);
        let newest = std::fs::read_to_string(dir.path().join("kstreams-a-b.log")).unwrap();
        assert!(newest.ends_with("the end\n"));
    }

    #[tokio::test]
    async fn old_logs_are_deleted() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MAX_FILES + 5 {
            std::fs::write(dir.path().join(format!("kstreams-{number}.log")), "").unwrap();
        }
        std::fs::write(dir.path().join("not-ours.txt"), "").unwrap();
        copy("x\n".as_bytes(), "kstreams-new".into(), Some(dir.path().to_owned())).await;
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), MAX_FILES + 1);
        assert!(dir.path().join("not-ours.txt").exists() && dir.path().join("kstreams-new.log").exists());
    }
}
