//! `POST /crash`: dies at once, as by a fault of its own, for those who know the token. For programs whose death is
//! part of the show, in a cluster that gives no other way to kill a process and keep its pod.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use subtle::ConstantTimeEq;
use tracing::warn;

use crate::exit::ConfigError;

/// The header of the token. It is not `Authorization`, which the API server's pod proxy takes away.
pub const TOKEN_HEADER: &str = "crash-token";
/// The variable of the token.
const TOKEN_VARIABLE: &str = "KING_CRASH_TOKEN";
/// So much time the answer has to leave before the process is gone.
const FAREWELL: Duration = Duration::from_millis(50);

/// The token of the environment; `None` where there is none, or an empty one.
///
/// # Errors
/// When it is not UTF-8.
pub fn token() -> Result<Option<String>, ConfigError> {
    match std::env::var(TOKEN_VARIABLE) {
        Ok(token) => Ok(Some(token).filter(|token| !token.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(ConfigError::new(format!("{TOKEN_VARIABLE} is not UTF-8")))
        }
    }
}

/// The endpoint; without a token there is none. `die` ends the process: [`std::process::abort`], but in tests.
pub fn router(token: Option<String>, die: fn()) -> Router {
    let Some(token) = token else { return Router::new() };
    Router::new().route("/crash", post(crash).with_state((token, die)))
}

async fn crash(State((token, die)): State<(String, fn())>, headers: HeaderMap) -> StatusCode {
    let given = headers.get(TOKEN_HEADER).map_or(&b""[..], |value| value.as_bytes());
    if !bool::from(given.ct_eq(token.as_bytes())) {
        return StatusCode::FORBIDDEN;
    }
    warn!("crashing on demand");
    tokio::spawn(async move {
        tokio::time::sleep(FAREWELL).await;
        die();
    });
    StatusCode::ACCEPTED
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::body::Body;
    use axum::http::{Method, Request};
    use tower::ServiceExt;

    use super::*;

    static DEATHS: AtomicU32 = AtomicU32::new(0);

    async fn check(router: Router, method: Method, token: Option<&str>, expected: StatusCode) {
        let mut request = Request::builder().method(method).uri("/crash");
        if let Some(token) = token {
            request = request.header(TOKEN_HEADER, token);
        }
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), expected, "{token:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_token_kills_and_only_after_the_answer() {
        let router = || {
            router(Some("tiger".into()), || {
                DEATHS.fetch_add(1, Ordering::SeqCst);
            })
        };
        check(router(), Method::GET, Some("tiger"), StatusCode::METHOD_NOT_ALLOWED).await;
        for wrong in [None, Some(""), Some("tige"), Some("tigers"), Some("Tiger")] {
            check(router(), Method::POST, wrong, StatusCode::FORBIDDEN).await;
        }
        tokio::time::sleep(FAREWELL * 2).await;
        assert_eq!(DEATHS.load(Ordering::SeqCst), 0);
        check(router(), Method::POST, Some("tiger"), StatusCode::ACCEPTED).await;
        assert_eq!(DEATHS.load(Ordering::SeqCst), 0);
        tokio::time::sleep(FAREWELL * 2).await;
        assert_eq!(DEATHS.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn without_a_token_nobody_can_ask() {
        check(router(None, || ()), Method::POST, Some(""), StatusCode::NOT_FOUND).await;
    }
}
