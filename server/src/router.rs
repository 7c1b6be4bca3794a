//! What is where.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::state::Server;
use crate::{api, live, pages};

/// All routes. Whoever serves them must give the peer's address as `ConnectInfo<SocketAddr>`.
pub fn router(server: Arc<Server>) -> Router {
    let pages = Router::new().route("/", get(pages::show)).route("/play", get(pages::play));
    let api = Router::new().route("/api/{function}", post(api::call)).layer(from_fn(api::whole_body));
    Router::new()
        .merge(pages)
        .merge(api)
        .route("/live", get(live::open))
        .route("/healthz", get(pages::healthz))
        .route("/device/{token}", get(pages::device))
        .fallback_service(server.site.router())
        .layer(from_fn_with_state(Arc::clone(&server), api::own_origin_only))
        .layer(from_fn(pages::short_address))
        .layer(from_fn_with_state(Arc::clone(&server), pages::secured))
        .layer(CatchPanicLayer::new())
        .with_state(server)
}

#[cfg(test)]
mod tests;
