//! Errors in the form that clients of Kubernetes read: a `Status`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::auth::Refused;
use crate::labels::ParseSelectorError;
use crate::values::Unknown;

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Selector(#[from] ParseSelectorError),
    #[error(transparent)]
    Refused(Refused),
    #[error("the server could not find the requested resource")]
    NoSuchPath,
    #[error("the method is not allowed for this resource: metrics are only read")]
    NoSuchMethod,
    #[error("the server could not find the metric {metric} in namespace {namespace}")]
    NoSuchMetric { metric: String, namespace: String },
    #[error("the server could not find the metric {metric} for pod {pod}")]
    NoSuchPod { metric: String, pod: String },
    /// Not 0 and not an old value: an autoscaler that gets none changes nothing.
    #[error("the metric {metric} is unknown now: {unknown}")]
    Unknown { metric: String, unknown: Unknown },
}

impl Failure {
    fn code_and_reason(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Selector(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Self::Refused(Refused::Unauthenticated) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Refused(Refused::Forbidden { .. }) => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::NoSuchMethod => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::NoSuchPath | Self::NoSuchMetric { .. } | Self::NoSuchPod { .. } => {
                (StatusCode::NOT_FOUND, "NotFound")
            }
            Self::Unknown { .. } | Self::Refused(Refused::Review(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, reason) = self.code_and_reason();
        let status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.to_string(),
            "reason": reason,
            "code": code.as_u16(),
        });
        let mut response = (code, Json(status)).into_response();
        if code == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
