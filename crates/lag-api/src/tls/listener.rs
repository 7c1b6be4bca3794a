//! The port: one task a connection, with limits on how many there are and how long each may dawdle.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use process::Shutdown;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::auth::PeerCertificates;

/// Those who ask are few: API servers, and people with `kubectl`.
const MAX_CONNECTIONS: usize = 256;
/// For the handshake, and for the head of each request.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a stop is requested, new connections are still taken for so long: it takes a moment until nobody is sent here
/// any more.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
/// Then open requests have so long.
const LAST_REQUESTS: Duration = Duration::from_secs(2);
/// The longest that [`serve`] needs to end.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(4);

/// Serves until a stop is requested, and a little longer.
pub async fn serve(listener: TcpListener, config: ServerConfig, router: Router, shutdown: Shutdown) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = GracefulShutdown::new();
    let last_call = async {
        shutdown.requested().await;
        sleep(FAREWELL).await;
    };
    tokio::pin!(last_call);
    let mut is_full = false;
    loop {
        let stream = tokio::select! {
            () = &mut last_call => break,
            stream = accept(&listener) => stream,
        };
        // With all places taken, whoever comes is sent away at once instead of waiting in line.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if !std::mem::replace(&mut is_full, true) {
                warn!("too many connections: whoever comes is sent away until some have ended");
            }
            continue;
        };
        is_full = false;
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), connections.watcher());
        tokio::spawn(async move {
            connection(stream, acceptor, router, watcher).await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(LAST_REQUESTS, connections.shutdown()).await.is_err() {
        debug!("connections are cut: their requests take too long");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let mut is_told = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Out of file descriptors, as a rule: others have to end first.
                if !std::mem::replace(&mut is_told, true) {
                    warn!(%error, "cannot accept connections, trying again");
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    let stream = match timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "no TLS"),
        Err(_) => return debug!("no TLS in time"),
    };
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer =
        PeerCertificates(certificates.iter().map(|certificate| certificate.clone().into_owned()).collect());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(
                router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}),
            )
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(PATIENCE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        debug!(error, "a connection broke");
    }
}
