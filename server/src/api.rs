//! `POST /api/...`: the server functions' backend, one for each request, with the caller's role read from the cookie.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::actions::SignIn;
use app::backend::{Backend, Forbidden, SharedBackend};
use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::ResponseOptions;
use model::command::{Command, Outcome};
use model::play::{Direction, Key, Player, TapAnswer};
use phone_game::Identity;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use crate::access::{Client, Presenter, is_own_origin};
use crate::play;
use crate::refusals::Refused;
use crate::state::Server;

/// The largest body of a request: a policy, with room to spare.
pub const MAX_BODY: usize = 16 * 1024;
/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// Answers a server function.
pub async fn call(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let backend: SharedBackend = Arc::new(Caller::of(server, peer, request.headers()));
    let give = move || provide_context(Arc::clone(&backend));
    leptos_axum::handle_server_fns_with_context(give, request).await.into_response()
}

/// Takes a request's body in whole, and sees to it that it is JSON. One that dawdles is given up, like one that never
/// ends.
pub async fn whole_body(request: Request, next: Next) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let refused = |status: StatusCode, reason: &'static str| (status, reason).into_response();
    let body = match timeout(BODY_LIMIT, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "This body is too large.\n"),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "This body takes too long.\n"),
    };
    if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return refused(StatusCode::BAD_REQUEST, "This body is not JSON.\n");
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR { told_apart(response).await } else { response }
}

/// Server functions answer with 500 whatever is wrong: with arguments of theirs, it is the caller.
async fn told_apart(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let of_the_caller: [&[u8]; 3] = [b"Args|", b"Deserialization|", b"MissingArg|"];
    if of_the_caller.iter().any(|sort| body.starts_with(sort)) {
        parts.status = StatusCode::BAD_REQUEST;
    }
    Response::from_parts(parts, Body::from(body))
}

/// Refuses whatever changes something and does not come from a page of ours.
pub async fn own_origin_only(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let is_harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_harmless || is_own_origin(request.headers(), server.access.front()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "This request does not come from a page of this server.\n").into_response()
}

/// Whoever sent the request.
struct Caller {
    server: Arc<Server>,
    client: Client,
    presenter: Option<Presenter>,
    player: Option<Identity>,
    headers: HeaderMap,
}

impl Caller {
    fn of(server: Arc<Server>, peer: SocketAddr, headers: &HeaderMap) -> Self {
        let client = Client::of(peer, headers, server.access.front());
        let presenter = server.access.presenter(server.clock.now_ms(), &client, headers);
        let player = server.player(&client, headers);
        Self { server, client, presenter, player, headers: headers.clone() }
    }
}

#[async_trait]
impl Backend for Caller {
    async fn sign_in(&self, passcode: String) -> SignIn {
        let now_ms = self.server.clock.now_ms();
        let (answer, cookies) = self.server.access.sign_in(now_ms, &self.client, &self.headers, &passcode);
        set(cookies);
        match answer {
            SignIn::Welcome => tracing::info!(address = %self.client.address, "a presenter signed in"),
            _ => self.refused(Refused::Passcode),
        }
        answer
    }

    async fn sign_out(&self) {
        let now_ms = self.server.clock.now_ms();
        set(self.server.access.sign_out(now_ms, &self.client, &self.headers));
        if self.presenter.is_some() {
            tracing::info!(address = %self.client.address, "a presenter signed out");
        }
    }

    async fn present(&self, command: Command) -> Result<Outcome, Forbidden> {
        let outcome = match self.presenter {
            Some(presenter) => Some(self.server.commander.carry_out(presenter, command).await),
            None => {
                self.refused(Refused::Command);
                None
            }
        };
        self.server.metrics.commanded(outcome.as_ref());
        outcome.ok_or(Forbidden)
    }

    async fn join(&self, fighter: u8) -> Result<Player, String> {
        let identity = self.server.game().join(
            self.server.clock.now_ms(),
            self.client.network(),
            fighter,
            &mut rand::rng(),
        )?;
        set(self.server.access.player_cookie(&self.client, &identity));
        Ok(Player { fighter: identity.name(), machine: identity.machine.to_string() })
    }

    async fn tap(&self, key: Key, direction: Option<Direction>) -> TapAnswer {
        match self.player {
            Some(player) => play::tap(&self.server, player.machine, key, direction).await,
            None => TapAnswer::Unknown,
        }
    }
}

impl Caller {
    /// Says what was refused: the first at once, those that follow soon as a number.
    fn refused(&self, what: Refused) {
        let address = self.client.address;
        if let Some(before) = self.server.refusals.note(self.server.clock.now_ms(), what) {
            tracing::warn!(%address, before, "{what}");
        }
    }
}

/// Puts cookies on the answer.
fn set(cookies: impl IntoIterator<Item = HeaderValue>) {
    if let Some(response) = use_context::<ResponseOptions>() {
        cookies.into_iter().for_each(|cookie| response.append_header(SET_COOKIE, cookie));
    }
}
