//! A slow and unreliable way to the broker: every byte takes its time, there is room for few of them, and connections
//! break.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// How long a byte is on its way, ms.
const DELAY_MS: RangeInclusive<u64> = 2..=60;
/// How many bytes a connection carries a second, each way.
const BANDWIDTH: RangeInclusive<u32> = 300_000..=2_000_000;
/// How long a connection lasts before it breaks, ms.
const LIFE_MS: RangeInclusive<u64> = 500..=12_000;
const CHUNK: usize = 16 * 1_024;
/// So many chunks are on their way before the sender has to wait.
const ON_THE_WAY: usize = 32;

/// The proxy; it ends, with all its connections, when this is dropped.
pub(crate) struct Proxy(AbortHandle);

/// How bad the connections of a seed are.
#[derive(Debug, Clone, Copy)]
struct Quality {
    delay: Duration,
    bytes_per_second: u32,
}

impl Proxy {
    /// Listens, and forwards what comes.
    pub(crate) async fn start(at: SocketAddr, to: SocketAddr, seed: u64) -> Result<Self> {
        let listener =
            TcpListener::bind(at).await.with_context(|| format!("the proxy cannot listen at {at}"))?;
        let mut rng = StdRng::seed_from_u64(seed);
        let delay = Duration::from_millis(rng.random_range(DELAY_MS));
        let quality = Quality { delay, bytes_per_second: rng.random_range(BANDWIDTH) };
        let accepting = tokio::spawn(accept(listener, to, quality, rng));
        Ok(Self(accepting.abort_handle()))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connections end with this task.
async fn accept(listener: TcpListener, to: SocketAddr, quality: Quality, mut rng: StdRng) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let life = Duration::from_millis(rng.random_range(LIFE_MS));
        connections.spawn(carry(client, to, quality, life));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries both directions until one end closes, or the connection's life is over: then both ends get a reset.
async fn carry(mut client: TcpStream, to: SocketAddr, quality: Quality, life: Duration) {
    let Ok(mut broker) = TcpStream::connect(to).await else { return };
    for stream in [&client, &broker] {
        // Nothing is lost but time if that fails: the connection then ends instead of breaking.
        let _ = stream.set_nodelay(true).and_then(|()| stream.set_zero_linger());
    }
    // Owned halves would end a connection in good order when they are dropped.
    let (from_client, to_client) = client.split();
    let (from_broker, to_broker) = broker.split();
    tokio::select! {
        () = one_way(from_client, to_broker, quality) => {}
        () = one_way(from_broker, to_client, quality) => {}
        () = tokio::time::sleep(life) => {}
    }
}

async fn one_way(from: ReadHalf<'_>, to: WriteHalf<'_>, quality: Quality) {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    tokio::join!(read(from, sender, quality), write(to, receiver));
}

/// Reads chunks and says when each of them arrives.
async fn read(mut from: ReadHalf<'_>, sender: mpsc::Sender<(Instant, Vec<u8>)>, quality: Quality) {
    let mut free_at = Instant::now();
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let takes =
            f64::from(u32::try_from(length).unwrap_or(u32::MAX)) / f64::from(quality.bytes_per_second);
        free_at = free_at.max(Instant::now()) + Duration::from_secs_f64(takes);
        if sender.send((free_at + quality.delay, buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn write(mut to: WriteHalf<'_>, mut receiver: mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Some((at, chunk)) = receiver.recv().await {
        tokio::time::sleep_until(at).await;
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Answers each byte with itself.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn through(quality: Quality, life: Duration) -> TcpStream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let to = echo().await;
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            carry(client, to, quality, life).await;
        });
        TcpStream::connect(address).await.unwrap()
    }

    #[tokio::test]
    async fn bytes_arrive_unchanged_and_no_sooner_than_the_way_is_long() {
        let delay = Duration::from_millis(40);
        let quality = Quality { delay, bytes_per_second: 1_000_000 };
        let mut stream = through(quality, Duration::from_secs(60)).await;
        let sent: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let begin = Instant::now();
        let (mut from, mut to) = stream.split();
        let mut got = vec![0; sent.len()];
        let (written, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut got));
        written.unwrap();
        read.unwrap();
        assert_eq!(got, sent);
        // There and back, and 100 kB at 1 MB/s.
        assert!(begin.elapsed() >= 2 * delay + Duration::from_millis(100));
    }

    #[tokio::test]
    async fn a_connection_breaks_when_its_life_is_over() {
        let quality = Quality { delay: Duration::ZERO, bytes_per_second: 1_000_000 };
        let mut stream = through(quality, Duration::from_millis(50)).await;
        let mut byte = [0];
        let read = stream.read(&mut byte).await;
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}
