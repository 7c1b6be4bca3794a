//! Who may do what. The presenter is whoever typed the passcode, over TLS or on this machine; everybody else looks on
//! and plays. Roles travel in signed cookies that no script can read.

mod attempts;
mod client;
mod front;
mod sessions;

use std::sync::Mutex;

use app::actions::SignIn;
use axum::response::IntoResponse;
use axum_extra::extract::cookie::{Cookie, Key, SameSite, SignedCookieJar};
use http::HeaderMap;
use http::header::{HeaderValue, SET_COOKIE};
use model::Millis;
use phone_game::Identity;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::state::lock;
use attempts::{Attempts, Sender};
pub use client::{Client, is_own_origin, names_loopback};
pub use front::{Front, Proxy, PublicUrl};
use sessions::{Session, Sessions};

const PRESENTER: &str = "king-presenter";
const PLAYER: &str = "king-player";
/// A device with which a presenter has signed in.
const DEVICE: &str = "king-device";
const DEVICE_FOR_DAYS: u64 = 90;
/// A passcode longer than this is none of ours.
const LONGEST_PASSCODE: usize = 256;

/// Proof that a request comes from the presenter; only [`Access::presenter`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Presenter(());

/// The rules, and the keys that sign the cookies.
pub struct Access {
    /// `None`: nobody can present.
    passcode: Option<String>,
    /// What makes a device known before anybody has signed in with it; `None`: nothing does.
    device_token: Option<String>,
    presenter_key: Key,
    player_key: Key,
    front: Front,
    /// Ours: browsers tell cookies apart by host, not by port.
    port: u16,
    attempts: Mutex<Attempts>,
    sessions: Mutex<Sessions>,
}

impl Access {
    /// Rules with a passcode; `secret` signs the cookies, so cookies outlive whoever does not keep it. They are named
    /// after `port`.
    #[must_use]
    pub fn new(passcode: Option<String>, secret: &[u8; 64], front: Front, port: u16) -> Self {
        // With another passcode, the presenters of the old one are none any more; players stay who they are.
        let presenter = key(secret, passcode.as_deref().unwrap_or_default());
        Self {
            passcode,
            device_token: None,
            presenter_key: presenter,
            player_key: Key::from(secret),
            front,
            port,
            attempts: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// The same rules, and a token that makes a device known: whoever is told it keeps others from guessing passcodes
    /// in its place.
    #[must_use]
    pub fn with_device_token(self, device_token: Option<String>) -> Self {
        Self { device_token, ..self }
    }

    /// What is in front of this server.
    #[must_use]
    pub const fn front(&self) -> &Front {
        &self.front
    }

    /// Whether whoever comes this way may type the passcode.
    #[must_use]
    pub const fn can_present(&self, client: &Client) -> bool {
        self.passcode.is_some() && client.may_present()
    }

    /// The presenter, if the request is the presenter's.
    #[must_use]
    pub fn presenter(&self, now_ms: Millis, client: &Client, headers: &HeaderMap) -> Option<Presenter> {
        let session = self.session(client, headers)?;
        lock(&self.sessions).is_open(now_ms, session).then_some(Presenter(()))
    }

    fn session(&self, client: &Client, headers: &HeaderMap) -> Option<Session> {
        if !self.can_present(client) {
            return None;
        }
        let jar = SignedCookieJar::from_headers(headers, self.presenter_key.clone());
        jar.get(&self.name(PRESENTER, client.is_secure))?.value().parse().ok()
    }

    /// The player that the request's cookie names.
    #[must_use]
    pub fn player(&self, headers: &HeaderMap) -> Option<Identity> {
        let jar = SignedCookieJar::from_headers(headers, self.player_key.clone());
        let cookie = |is_secure| jar.get(&self.name(PLAYER, is_secure));
        cookie(true).or_else(|| cookie(false))?.value().parse().ok()
    }

    /// Checks a passcode; with [`SignIn::Welcome`] come the `Set-Cookie`s that make a presenter, and a device that is
    /// known.
    pub fn sign_in(
        &self,
        now_ms: Millis,
        client: &Client,
        headers: &HeaderMap,
        passcode: &str,
    ) -> (SignIn, Vec<HeaderValue>) {
        if !self.can_present(client) {
            return (SignIn::NeedsTls, Vec::new());
        }
        let device = self.device(client, headers);
        let sender = device.map_or(Sender::Address(client.network()), Sender::Device);
        let mut attempts = lock(&self.attempts);
        if let Err(retry_in_ms) = attempts.try_now(now_ms, sender) {
            return (SignIn::TooMany { retry_in_ms }, Vec::new());
        }
        if !self.is_passcode(passcode) {
            return (SignIn::Wrong { retry_in_ms: attempts.wrong(now_ms, sender) }, Vec::new());
        }
        attempts.right(sender);
        let presenter = self.cookie(PRESENTER, Session::begin(now_ms).to_string(), SameSite::Strict, client);
        let device = self.device_cookie(client, device.unwrap_or_else(rand::random));
        let cookies = [presenter, device].into_iter().filter_map(|it| set_cookie(&self.presenter_key, it));
        (SignIn::Welcome, cookies.collect())
    }

    /// Ends the session of the request's cookie; the `Set-Cookie` that takes it out of the browser.
    #[must_use]
    pub fn sign_out(&self, now_ms: Millis, client: &Client, headers: &HeaderMap) -> Option<HeaderValue> {
        if let Some(session) = self.session(client, headers) {
            lock(&self.sessions).end(now_ms, session);
        }
        let mut cookie = self.cookie(PRESENTER, String::new(), SameSite::Strict, client);
        cookie.make_removal();
        set_cookie(&self.presenter_key, cookie)
    }

    /// The `Set-Cookie` that makes a phone a player. `Lax`, so that a link to the page finds the player again.
    #[must_use]
    pub fn player_cookie(&self, client: &Client, identity: &Identity) -> Option<HeaderValue> {
        set_cookie(&self.player_key, self.cookie(PLAYER, identity.to_string(), SameSite::Lax, client))
    }

    /// The device that a presenter has signed in with before.
    fn device(&self, client: &Client, headers: &HeaderMap) -> Option<u64> {
        let jar = SignedCookieJar::from_headers(headers, self.presenter_key.clone());
        u64::from_str_radix(jar.get(&self.name(DEVICE, client.is_secure))?.value(), 16).ok()
    }

    /// The `Set-Cookie` that makes a device known, if the token is right: its passcodes are not kept waiting by those
    /// of strangers.
    #[must_use]
    pub fn know_device(&self, client: &Client, token: &str) -> Option<HeaderValue> {
        let is_right = self.device_token.as_deref().is_some_and(|right| is_equal(token, right));
        // One token is one device, however often it is shown: whoever finds it has no more guesses than that.
        let device = u64::from_be_bytes(*Sha512::digest(token.as_bytes()).first_chunk()?);
        let cookie = (is_right && self.can_present(client)).then(|| self.device_cookie(client, device));
        set_cookie(&self.presenter_key, cookie?)
    }

    fn device_cookie(&self, client: &Client, device: u64) -> Cookie<'static> {
        let mut cookie = self.cookie(DEVICE, format!("{device:016x}"), SameSite::Strict, client);
        let lasts = std::time::Duration::from_secs(DEVICE_FOR_DAYS * 86_400);
        cookie.set_max_age(Some(lasts.try_into().unwrap_or_default()));
        cookie
    }

    /// A cookie that no script can read, for all pages.
    fn cookie(&self, name: &str, value: String, same_site: SameSite, client: &Client) -> Cookie<'static> {
        let mut cookie = Cookie::new(self.name(name, client.is_secure), value);
        cookie.set_same_site(same_site);
        cookie.set_secure(client.is_secure);
        cookie.set_http_only(true);
        cookie.set_path("/");
        cookie
    }

    /// Over TLS, the prefix lets browsers refuse one that somebody else has set, say a page of a neighbouring host.
    fn name(&self, name: &str, is_secure: bool) -> String {
        format!("{}{name}-{}", if is_secure { "__Host-" } else { "" }, self.port)
    }

    fn is_passcode(&self, typed: &str) -> bool {
        let Some(passcode) = &self.passcode else { return false };
        is_equal(typed, passcode) && typed.len() <= LONGEST_PASSCODE
    }
}

/// Compares digests: neither the time nor the length tells how close a guess was.
fn is_equal(guess: &str, right: &str) -> bool {
    let digest = |text: &str| Sha512::digest(text.as_bytes());
    digest(guess).ct_eq(&digest(right)).into()
}

/// A key of its own for each passcode.
fn key(secret: &[u8; 64], passcode: &str) -> Key {
    let digest = Sha512::new().chain_update(secret).chain_update(b"presenter").chain_update(passcode);
    Key::from(&digest.finalize())
}

/// The `Set-Cookie` of a cookie that is signed with a key.
fn set_cookie(key: &Key, cookie: Cookie<'static>) -> Option<HeaderValue> {
    let jar = SignedCookieJar::new(key.clone()).add(cookie);
    (jar, ()).into_response().headers_mut().remove(SET_COOKIE)
}

#[cfg(test)]
mod tests;
