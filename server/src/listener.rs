//! The port. A connection that takes no bytes for ten seconds is closed: nothing waits for a reader that is gone.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Context as _;
use axum::serve::{Listener, ListenerExt, TapIo};
use process::Unavailable;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tracing::debug;

/// A peer that takes nothing for so long is gone, or its network is.
pub const STALLED_AFTER: Duration = Duration::from_secs(10);
/// What the system may hold back for one connection; a reader that is behind further gets newer frames instead.
const SEND_BUFFER: usize = 32 * 1024;

/// Opens the port.
///
/// # Errors
/// When it is taken, or the address is not this machine's (exit code 69).
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        let port = address.port();
        Unavailable::new(format!(
            "cannot listen on {address}: take another port with --port, if {port} is taken"
        ))
    })
}

/// Accepts connections that notice a stalled peer.
pub fn watched(listener: TcpListener) -> TapIo<Watched<TcpListener>, fn(&mut Progress<TcpStream>)> {
    Watched(listener).tap_io(tune)
}

fn tune(connection: &mut Progress<TcpStream>) {
    if let Err(error) = tune_stream(&connection.stream) {
        debug!(%error, "a connection keeps the system's settings");
    }
}

fn tune_stream(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER)?;
    // The system's buffer takes a quiet stream's frames for a while: Linux can watch what the peer takes of them.
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(
        stream,
        u32::try_from(STALLED_AFTER.as_millis()).unwrap_or(u32::MAX),
    )?;
    Ok(())
}

/// A listener whose connections are [`Progress`].
pub struct Watched<L>(L);

impl<L: Listener> Listener for Watched<L> {
    type Io = Progress<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = self.0.accept().await;
        (Progress::new(stream), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection whose writes fail when nothing could be written for [`STALLED_AFTER`].
pub struct Progress<S> {
    stream: S,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Progress<S> {
    /// Watches a connection.
    pub const fn new(stream: S) -> Self {
        Self { stream, stalled: None }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED_AFTER)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_after_ten_seconds() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let began = Instant::now();
        let error = Progress::new(ours).write_all(b"too long for it").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), STALLED_AFTER.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_not_a_stalled_one() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let reader = tokio::spawn(async move {
            let mut byte = [0];
            while theirs.read_exact(&mut byte).await.is_ok() {
                tokio::time::sleep(STALLED_AFTER * 9 / 10).await;
            }
        });
        let mut ours = Progress::new(ours);
        ours.write_all(b"slowly").await.unwrap();
        drop(ours);
        reader.await.unwrap();
    }
}
