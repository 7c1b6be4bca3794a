//! The readiness probe: `GET /readyz` of a pod's admin endpoints. Only the status line is read.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

/// Between two probes of a pod that is not ready: the show should not wait for it.
const IMPATIENT: Duration = Duration::from_millis(100);
/// Between two probes of a pod that is ready (`periodSeconds`).
const PERIOD: Duration = Duration::from_secs(1);
/// How long an answer may take (`timeoutSeconds`).
const TIMEOUT: Duration = Duration::from_secs(1);
/// So many failures in a row make a ready pod unready (`failureThreshold`).
const FAILURES: u32 = 3;
/// A pod that starts takes seconds; one that is not ready for longer is worth a word.
const LONG: Duration = Duration::from_secs(10);

/// Probes for ever; sends each change. A pod begins as not ready.
pub(super) async fn watch(pod: &str, address: SocketAddr, changes: mpsc::Sender<bool>) {
    let mut ready = false;
    let mut failures = 0;
    let (mut since, mut is_told) = (Instant::now(), false);
    loop {
        failures = if succeeds(address).await { 0 } else { failures + 1 };
        let now_ready = if ready { failures < FAILURES } else { failures == 0 };
        if now_ready != ready {
            (since, is_told) = (Instant::now(), false);
            if changes.send(now_ready).await.is_err() {
                return;
            }
        }
        ready = now_ready;
        if !ready && !is_told && since.elapsed() > LONG {
            warn!("{pod} is not ready for {LONG:?}: its log says why");
            is_told = true;
        }
        sleep(if ready { PERIOD } else { IMPATIENT }).await;
    }
}

async fn succeeds(address: SocketAddr) -> bool {
    matches!(timeout(TIMEOUT, status(address)).await, Ok(Ok(status)) if status == *b"200")
}

async fn status(address: SocketAddr) -> std::io::Result<[u8; 3]> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line).await?;
    let [.., hundreds, tens, ones] = line;
    Ok([hundreds, tens, ones])
}
