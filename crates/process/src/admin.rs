//! The endpoints by which others see how a process is: `/livez`, `/readyz`, `/metrics`.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::exit::Unavailable;
use crate::{Readiness, Shutdown};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the endpoints until a stop is requested. Says `admin ADDRESS` in one line on stdout once they can be
/// asked, so that a parent which gave port 0 learns the real one.
///
/// # Errors
/// When the address cannot be bound (exit code 69).
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    registry: Registry,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    serve_router(address, router(readiness, registry, shutdown.clone()), shutdown).await
}

/// The same for a process that has more to serve there than [`router`] does.
///
/// # Errors
/// When the address cannot be bound (exit code 69).
pub async fn serve_router(address: SocketAddr, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .context(Unavailable::new(format!("cannot listen on {address} (--admin-address)")))?;
    announce(listener.local_addr()?);
    tokio::select! {
        result = axum::serve(listener, router).into_future() => result.context("serving the admin endpoints"),
        () = shutdown.requested() => Ok(()),
    }
}

/// The endpoints, for a process that serves them beside its own.
pub fn router(readiness: Readiness, registry: Registry, shutdown: Shutdown) -> Router {
    let registry = Arc::new(registry);
    Router::new()
        .route("/livez", get(|| async { "live\n" }))
        .route("/readyz", get(readyz).with_state((readiness, shutdown)))
        .route("/metrics", get(metrics).with_state(registry))
}

async fn readyz(State((readiness, shutdown)): State<(Readiness, Shutdown)>) -> (StatusCode, &'static str) {
    if shutdown.is_requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

async fn metrics(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn announce(address: SocketAddr) {
    let mut stdout = std::io::stdout().lock();
    // A parent that does not listen any more is noticed through stdin, not here.
    let _ = writeln!(stdout, "admin {address}").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus_client::metrics::gauge::Gauge;
    use tower::ServiceExt;

    use super::*;

    async fn check(router: &Router, path: &str, status: StatusCode, content: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(content), "{path}: {body}");
    }

    #[tokio::test]
    async fn a_process_is_ready_from_when_it_says_so_until_it_stops() {
        let (readiness, shutdown) = (Readiness::new(), Shutdown::new());
        let router = router(readiness.clone(), Registry::default(), shutdown.clone());
        check(&router, "/readyz", StatusCode::SERVICE_UNAVAILABLE, "not ready").await;
        readiness.set(true);
        check(&router, "/readyz", StatusCode::OK, "ready").await;
        shutdown.request();
        check(&router, "/readyz", StatusCode::SERVICE_UNAVAILABLE, "stopping").await;
        check(&router, "/livez", StatusCode::OK, "live").await;
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text() {
        let mut registry = Registry::default();
        let gauge = Gauge::<i64>::default();
        gauge.set(41);
        registry.register("consumer_lag", "Records behind", gauge);
        let router = router(Readiness::new(), registry, Shutdown::new());
        check(&router, "/metrics", StatusCode::OK, "consumer_lag 41").await;
    }
}
