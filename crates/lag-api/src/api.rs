//! The metrics APIs, as the API server's aggregation layer, the HorizontalPodAutoscaler and `kubectl get --raw` ask for
//! them.

mod custom;
mod discovery;
mod external;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::Millis;
use process::{Readiness, Shutdown};
use serde::Deserialize;

use crate::auth::{Access, User};
use crate::look::Sources;
use crate::served::Served;
use status::Failure;

/// Lag of the group, from whoever works on it.
pub const EXTERNAL: (&str, &str) = ("external.metrics.k8s.io", "v1beta1");
/// Lag of pods, from the partitions they own.
pub const CUSTOM: (&str, &str) = ("custom.metrics.k8s.io", "v1beta2");

/// What the handlers share.
pub struct Api {
    /// The only namespace that has these metrics: that of the application.
    pub namespace: String,
    /// What there is to know.
    pub sources: Sources,
    /// Who may know it.
    pub access: Access,
    /// Keeps what the autoscaler was told.
    pub served: Arc<Served>,
    /// Whether we can serve.
    pub readiness: Readiness,
    /// Whether we were asked to stop.
    pub shutdown: Shutdown,
}

/// All routes. Health and the missing OpenAPI documents are open to all, everything else to whom the cluster permits
/// it.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/apis", get(discovery::groups))
        .route("/apis/{group}", get(discovery::group))
        .route("/apis/{group}/{version}", get(discovery::resources))
        .route("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", get(external::list))
        .route(
            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/pods/{pod}/{metric}",
            get(custom::of_pods),
        )
        .fallback(async || Failure::NoSuchPath)
        .method_not_allowed_fallback(async || Failure::NoSuchMethod)
        .layer(from_fn_with_state(Arc::clone(&api), admit))
        .route("/healthz", get(async || "ok"))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/openapi/v2", get(async || Failure::NoSuchPath))
        .route("/openapi/v3", get(async || Failure::NoSuchPath))
        .with_state(api)
}

async fn readyz(State(api): State<Arc<Api>>) -> (StatusCode, &'static str) {
    if api.readiness.is_ready() && !api.shutdown.is_requested() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

/// Lets through whom the cluster permits, with the user in the request's extensions.
async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match api.access.admit(&mut parts).await {
        Ok(user) => {
            parts.extensions.insert(user);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refused) => {
            tracing::debug!(path = parts.uri.path(), error = &refused as &dyn std::error::Error, "refused");
            Failure::Refused(refused).into_response()
        }
    }
}

/// Which series, and of which pods.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selectors {
    label_selector: String,
    metric_label_selector: String,
}

/// A moment as Kubernetes writes it, RFC 3339.
fn timestamp(at_ms: Millis) -> String {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    k8s_openapi::jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests;
