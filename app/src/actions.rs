//! The server functions: what a person's click or tap asks of the server. Each hands over to the request's
//! [`Backend`](crate::backend::Backend); nothing is decided here.

#![expect(missing_docs, reason = "the fields of the requests, which the macro makes of the arguments")]

use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use model::command::{Command, Outcome};
use model::play::{Direction, Key, Player, TapAnswer};
use serde::{Deserialize, Serialize};

#[cfg(feature = "ssr")]
use crate::backend::{Forbidden, SharedBackend};

/// What came of a passcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignIn {
    /// It is right; the next page has the presenter's buttons.
    Welcome,
    /// It is wrong.
    Wrong {
        /// When this client may try again.
        retry_in_ms: u32,
    },
    /// This client has tried too often; the passcode was not looked at.
    TooMany {
        /// When it may try again.
        retry_in_ms: u32,
    },
    /// A passcode must not travel in the clear: presenting needs TLS or the machine itself.
    NeedsTls,
}

/// Signs in as the presenter.
#[server(name = SignInRequest, prefix = "/api", endpoint = "sign_in", input = Json)]
pub async fn sign_in(passcode: String) -> Result<SignIn, ServerFnError> {
    Ok(backend()?.sign_in(passcode).await)
}

/// Ends being the presenter.
#[server(name = SignOutRequest, prefix = "/api", endpoint = "sign_out", input = Json)]
pub async fn sign_out() -> Result<(), ServerFnError> {
    backend()?.sign_out().await;
    Ok(())
}

/// Carries out one of the presenter's commands.
#[server(name = PresentRequest, prefix = "/api", endpoint = "present", input = Json)]
pub async fn present(command: Command) -> Result<Outcome, ServerFnError> {
    backend()?.present(command).await.map_err(|Forbidden| {
        if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
            response.set_status(http::StatusCode::FORBIDDEN);
        }
        ServerFnError::new(Forbidden)
    })
}

/// Takes a fighter, by its index in [`model::play::FIGHTERS`].
#[server(name = JoinRequest, prefix = "/api", endpoint = "join", input = Json)]
pub async fn join(fighter: u8) -> Result<Player, ServerFnError> {
    backend()?.join(fighter).await.map_err(ServerFnError::new)
}

/// Sends a hit.
#[server(name = TapRequest, prefix = "/api", endpoint = "tap", input = Json)]
pub async fn tap(key: Key, direction: Option<Direction>) -> Result<TapAnswer, ServerFnError> {
    Ok(backend()?.tap(key, direction).await)
}

#[cfg(feature = "ssr")]
fn backend() -> Result<SharedBackend, ServerFnError> {
    use_context().ok_or_else(|| ServerFnError::new("the server has no backend for this request"))
}
