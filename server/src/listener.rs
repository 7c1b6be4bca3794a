//! The port: one task a connection, with limits on how many there are and how long each may dawdle. A connection that
//! takes no bytes for ten seconds is closed, and so is one that sends no request for thirty: nothing waits for somebody
//! who is gone.

mod connections;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use process::{Shutdown, Unavailable};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use connections::{Activity, Connections, Place};

/// A peer that takes nothing for so long is gone, or its network is.
pub const STALLED_AFTER: Duration = Duration::from_secs(10);
/// The head of the first request, and of each one after an answer, comes within this time.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// What the system may hold back for one connection; a reader that is behind further gets newer frames instead.
const SEND_BUFFER: usize = 32 * 1024;
/// Descriptors that pods, Kafka's clients and the page's files need.
const RESERVED: u64 = 256;
/// More connections than every stream there may be, with one beside each for clicks.
const MOST_CONNECTIONS: u64 = 6_500;
/// How long to wait where the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

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

/// What connections may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many there may be.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head: Duration,
}

impl Limits {
    /// Those of this process, after raising its limit of open files as far as it may.
    #[must_use]
    pub fn of_process() -> Self {
        Self { connections: connections(), head: HEAD_LIMIT }
    }
}

fn connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = MOST_CONNECTIONS + RESERVED;
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let mut files = current.unwrap_or(wanted);
    if files < most {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
            Ok(()) => files = most,
            Err(error) => debug!(%error, "the limit of open files stays"),
        }
    }
    let connections = files.saturating_sub(RESERVED).max(files / 2).min(MOST_CONNECTIONS);
    if connections < MOST_CONNECTIONS {
        info!(connections, "this process may have few files open: so many connections at a time");
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Serves until a stop is requested, and then what was begun.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    let (open, ending) = (Connections::new(limits.connections), GracefulShutdown::new());
    let mut is_full = false;
    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.requested() => break,
            accepted = accept(&listener) => accepted,
        };
        let Some(place) = open.take(Instant::now(), peer.ip().to_canonical()) else {
            if !std::mem::replace(&mut is_full, true) {
                warn!(
                    limits.connections,
                    "too many connections: whoever comes is sent away until some have ended"
                );
            }
            continue;
        };
        is_full = false;
        let stream = Progress::new(stream, Some(place.activity.clone()));
        tokio::spawn(connection(stream, peer, router.clone(), limits.head, place, ending.watcher()));
    }
    drop(listener);
    ending.shutdown().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut is_told = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of file descriptors, as a rule: others have to end first.
                if !std::mem::replace(&mut is_told, true) {
                    warn!(%error, "cannot accept connections, trying again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: Progress<TcpStream>,
    peer: SocketAddr,
    router: Router,
    head_limit: Duration,
    place: Place,
    watcher: Watcher,
) {
    if let Err(error) = tune(&stream.stream) {
        debug!(%error, "a connection keeps the system's settings");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_limit);
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                debug!(%error, "a connection broke");
            }
        }
        () = place.leave.notified() => debug!(%peer, "a silent connection makes room for another one"),
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
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

/// A connection whose writes fail when nothing could be written for [`STALLED_AFTER`].
struct Progress<S> {
    stream: S,
    /// Where to note that something moves.
    activity: Option<Activity>,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Progress<S> {
    const fn new(stream: S, activity: Option<Activity>) -> Self {
        Self { stream, activity, stalled: None }
    }

    fn moves(&self) {
        self.activity.iter().for_each(Activity::note);
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            self.moves();
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
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() {
            self.moves();
        }
        read
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
        let error = Progress::new(ours, None).write_all(b"too long for it").await.unwrap_err();
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
        let mut ours = Progress::new(ours, None);
        ours.write_all(b"slowly").await.unwrap();
        drop(ours);
        reader.await.unwrap();
    }

    /// A server with places for so many connections, which says "here" and, at `/slow`, nothing.
    async fn served(connections: usize, head: Duration) -> (SocketAddr, Shutdown) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new());
        let router = Router::new()
            .route("/", axum::routing::get(|| async { "here" }))
            .route("/slow", axum::routing::get(std::future::pending::<()>));
        tokio::spawn(serve(listener, router, Limits { connections, head }, shutdown.clone()));
        (address, shutdown)
    }

    async fn ask(address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn silent_connections_make_room_for_whoever_comes() {
        const PLACES: usize = 8;
        let (address, shutdown) = served(PLACES, HEAD_LIMIT).await;
        let mut silent = Vec::new();
        for _ in 0..2 * PLACES {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        // Half heads are as silent as none.
        for stream in &mut silent {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await;
        }
        let begin = Instant::now();
        while !ask(address).await.is_ok_and(|answer| answer.ends_with("here")) {
            assert!(begin.elapsed() < Duration::from_secs(5), "nobody makes room");
            tokio::task::yield_now().await;
        }
        shutdown.request();
    }

    #[tokio::test]
    async fn an_answer_that_takes_long_is_not_cut_by_the_limit_of_heads() {
        let head = Duration::from_millis(300);
        let (address, shutdown) = served(8, head).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        // It may be told why, or not.
        let closed = tokio::time::timeout(Duration::from_secs(20), idle.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a connection that asks for nothing stays open");
        let mut byte = [0];
        let still_open = tokio::time::timeout(head, slow.read(&mut byte)).await;
        assert!(still_open.is_err(), "{still_open:?}");
        shutdown.request();
    }
}
