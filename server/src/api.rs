//! `POST /api/...`: the server functions' backend, one for each request, with the caller's role read from the cookie.

use std::net::SocketAddr;
use std::sync::Arc;

use app::actions::SignIn;
use app::backend::{Backend, Forbidden, SharedBackend};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::ResponseOptions;
use model::command::{Command, Outcome};
use model::play::{Direction, Key, Player, TapAnswer};

use crate::access::{Client, Presenter, is_own_origin};
use crate::arena::Identity;
use crate::play;
use crate::state::Server;

/// The largest body of a request: a policy, with room to spare.
pub const MAX_BODY: usize = 16 * 1024;

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

/// Refuses whatever changes something and does not come from a page of ours.
pub async fn own_origin_only(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let is_harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_harmless || is_own_origin(request.headers(), server.access.public()) {
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
}

impl Caller {
    fn of(server: Arc<Server>, peer: SocketAddr, headers: &HeaderMap) -> Self {
        let client = Client::of(peer, headers, server.access.public());
        let presenter = server.access.presenter(server.clock.now_ms(), &client, headers);
        let player = server.player(headers);
        Self { server, client, presenter, player }
    }
}

#[async_trait]
impl Backend for Caller {
    async fn sign_in(&self, passcode: String) -> SignIn {
        let now_ms = self.server.clock.now_ms();
        let (answer, cookie) = self.server.access.sign_in(now_ms, &self.client, &passcode);
        set(cookie);
        match answer {
            SignIn::Welcome => tracing::info!(address = %self.client.address, "a presenter signed in"),
            _ => tracing::warn!(address = %self.client.address, ?answer, "a passcode was refused"),
        }
        answer
    }

    async fn sign_out(&self) {
        set(self.server.access.sign_out());
    }

    async fn present(&self, command: Command) -> Result<Outcome, Forbidden> {
        let outcome = match self.presenter {
            Some(presenter) => Some(self.server.commander.carry_out(presenter, command).await),
            None => None,
        };
        self.server.metrics.commanded(outcome.as_ref());
        outcome.ok_or(Forbidden)
    }

    async fn join(&self, fighter: u8) -> Result<Player, String> {
        let identity = self.server.arena().join(self.server.clock.now_ms(), fighter, &mut rand::rng())?;
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

/// Puts a cookie on the answer.
fn set(cookie: Option<HeaderValue>) {
    if let Some((response, cookie)) = use_context::<ResponseOptions>().zip(cookie) {
        response.append_header(SET_COOKIE, cookie);
    }
}
