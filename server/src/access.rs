//! Who may do what. The presenter is whoever typed the passcode, over TLS or on this machine; everybody else looks on
//! and plays. Roles travel in signed cookies that no script can read.

mod attempts;
mod client;

use std::sync::{Mutex, PoisonError};

use app::actions::SignIn;
use axum::response::IntoResponse;
use axum_extra::extract::cookie::{Cookie, Key, SameSite, SignedCookieJar};
use http::HeaderMap;
use http::header::{HeaderValue, SET_COOKIE};
use model::Millis;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::arena::Identity;
use attempts::Attempts;
pub use client::{Client, PublicUrl, is_own_origin, names_loopback};

const PRESENTER_COOKIE: &str = "king-presenter";
const PLAYER_COOKIE: &str = "king-player";
/// A day on stage, not longer.
const PRESENTER_FOR_MS: Millis = 12 * 3_600_000;
/// A passcode longer than this is none of ours.
const LONGEST_PASSCODE: usize = 256;

/// Proof that a request comes from the presenter; only [`Access::presenter`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Presenter(());

/// The rules, and the keys that sign the cookies.
pub struct Access {
    /// `None`: nobody can present.
    passcode: Option<String>,
    presenter_key: Key,
    player_key: Key,
    public: Option<PublicUrl>,
    attempts: Mutex<Attempts>,
}

impl Access {
    /// Rules with a passcode; `secret` signs the cookies, so cookies outlive whoever does not keep it.
    #[must_use]
    pub fn new(passcode: Option<String>, secret: &[u8; 64], public: Option<PublicUrl>) -> Self {
        // With another passcode, the presenters of the old one are none any more; players stay who they are.
        let presenter = key(secret, passcode.as_deref().unwrap_or_default());
        Self {
            passcode,
            presenter_key: presenter,
            player_key: Key::from(secret),
            public,
            attempts: Mutex::default(),
        }
    }

    /// The address under which the outside sees this server.
    #[must_use]
    pub const fn public(&self) -> Option<&PublicUrl> {
        self.public.as_ref()
    }

    /// Whether whoever comes this way may type the passcode.
    #[must_use]
    pub const fn can_present(&self, client: &Client) -> bool {
        self.passcode.is_some() && client.may_present()
    }

    /// The presenter, if the request is the presenter's.
    #[must_use]
    pub fn presenter(&self, now_ms: Millis, client: &Client, headers: &HeaderMap) -> Option<Presenter> {
        if !self.can_present(client) {
            return None;
        }
        let jar = SignedCookieJar::from_headers(headers, self.presenter_key.clone());
        let until_ms: Millis = jar.get(PRESENTER_COOKIE)?.value().parse().ok()?;
        (now_ms < until_ms).then_some(Presenter(()))
    }

    /// The player that the request's cookie names.
    #[must_use]
    pub fn player(&self, headers: &HeaderMap) -> Option<Identity> {
        let jar = SignedCookieJar::from_headers(headers, self.player_key.clone());
        jar.get(PLAYER_COOKIE)?.value().parse().ok()
    }

    /// Checks a passcode; with [`SignIn::Welcome`] comes the `Set-Cookie` that makes a presenter.
    pub fn sign_in(&self, now_ms: Millis, client: &Client, passcode: &str) -> (SignIn, Option<HeaderValue>) {
        if !self.can_present(client) {
            return (SignIn::NeedsTls, None);
        }
        // Whoever sits at this machine is never slowed down.
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if !client.is_local
            && let Err(retry_in_ms) = attempts.may_try(now_ms, client.address)
        {
            return (SignIn::TooMany { retry_in_ms }, None);
        }
        if self.is_passcode(passcode) {
            attempts.right(client.address);
            let cookie = Cookie::build((PRESENTER_COOKIE, (now_ms + PRESENTER_FOR_MS).to_string()));
            let cookie = cookie.same_site(SameSite::Strict).secure(client.is_secure);
            return (SignIn::Welcome, set_cookie(&self.presenter_key, cookie));
        }
        let retry_in_ms = if client.is_local { 0 } else { attempts.wrong(now_ms, client.address) };
        (SignIn::Wrong { retry_in_ms }, None)
    }

    /// The `Set-Cookie` that ends being the presenter.
    #[must_use]
    pub fn sign_out(&self) -> Option<HeaderValue> {
        let cookie = Cookie::build(PRESENTER_COOKIE).same_site(SameSite::Strict);
        set_cookie(&self.presenter_key, cookie.removal())
    }

    /// The `Set-Cookie` that makes a phone a player. `Lax`, so that a link to the page finds the player again.
    #[must_use]
    pub fn player_cookie(&self, client: &Client, identity: &Identity) -> Option<HeaderValue> {
        let cookie = Cookie::build((PLAYER_COOKIE, identity.to_string()));
        set_cookie(&self.player_key, cookie.same_site(SameSite::Lax).secure(client.is_secure))
    }

    fn is_passcode(&self, typed: &str) -> bool {
        let Some(passcode) = &self.passcode else { return false };
        // Compared as digests: neither the time nor the length tells how close a guess was.
        let digest = |text: &str| Sha512::digest(text.as_bytes());
        let is_equal = bool::from(digest(typed).ct_eq(&digest(passcode)));
        is_equal && typed.len() <= LONGEST_PASSCODE
    }
}

/// A key of its own for each passcode.
fn key(secret: &[u8; 64], passcode: &str) -> Key {
    let digest = Sha512::new().chain_update(secret).chain_update(b"presenter").chain_update(passcode);
    Key::from(&digest.finalize())
}

/// A signed cookie that no script can read, for all pages.
fn set_cookie(key: &Key, cookie: impl Into<Cookie<'static>>) -> Option<HeaderValue> {
    let mut cookie = cookie.into();
    cookie.set_http_only(true);
    cookie.set_path("/");
    let jar = SignedCookieJar::new(key.clone()).add(cookie);
    (jar, ()).into_response().headers_mut().remove(SET_COOKIE)
}

#[cfg(test)]
mod tests;
