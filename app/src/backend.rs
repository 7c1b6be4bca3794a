//! What the server does for a page's server functions: one trait, which the server implements and puts into leptos'
//! context for each request, with the caller's role already read from the cookie.

use std::sync::Arc;

use async_trait::async_trait;
use model::command::{Command, Outcome};
use model::play::{Direction, Key, Player, TapAnswer};

use crate::actions::SignIn;

/// The backend of one request, as it is found in leptos' context.
pub type SharedBackend = Arc<dyn Backend>;

/// The caller is not a presenter; answered with HTTP 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only the presenter may do that")]
pub struct Forbidden;

/// The server's side of [`crate::actions`], for one request.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Checks the passcode; where it is right, sets the presenter's cookie on the response.
    async fn sign_in(&self, passcode: String) -> SignIn;
    /// Takes the presenter's cookie away.
    async fn sign_out(&self);
    /// Carries a presenter's command out.
    async fn present(&self, command: Command) -> Result<Outcome, Forbidden>;
    /// Gives this phone a fighter, by its index in [`model::play::FIGHTERS`], and sets the player's cookie on the
    /// response; or says in one sentence why not.
    async fn join(&self, fighter: u8) -> Result<Player, String>;
    /// Sends a hit.
    async fn tap(&self, key: Key, direction: Option<Direction>) -> TapAnswer;
}
