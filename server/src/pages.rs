//! `/` and `/play`: rendered here with their numbers, so that nobody waits for a script to see them.

mod rendered;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use app::{Boot, Page, PlayerView};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use model::Millis;
use model::wire::Picture;
use sha2::{Digest, Sha256};

use crate::access::Client;
use crate::state::Server;
pub use rendered::Rendered;
use rendered::{Coding, Variant};

/// `GET /`
pub async fn show(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let visitor = Visitor::of(&server, peer, &headers);
    let render = || {
        let mut boot = visitor.boot(&server, server.hub.picture());
        let invitation = server.invitations.for_visitor(&headers);
        boot.join_url = invitation.url;
        boot.join_is_local = invitation.is_local;
        boot.qr_svg = invitation.qr_svg;
        app::render(Page::Show, boot)
    };
    if visitor.presenter {
        visitor.alone(&render())
    } else {
        visitor.alike(&server, Page::Show, render).await
    }
}

/// `GET /play`
pub async fn play(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let visitor = Visitor::of(&server, peer, &headers);
    let player = server.player(&visitor.client, &headers).and_then(|player| {
        let view = server.game().phone(visitor.now_ms, player.machine, 0)?;
        Some(PlayerView { player: view.player, standing: view.standing, taps: view.taps })
    });
    let is_anybody = player.is_none() && !visitor.presenter;
    let render = || {
        // A phone needs no history, and a room of them asks at once.
        let picture = server.hub.look(|picture| Picture {
            epoch: picture.epoch,
            snapshot: picture.snapshot.clone(),
            ..Picture::default()
        });
        app::render(Page::Play, Boot { player, ..visitor.boot(&server, picture) })
    };
    if is_anybody { visitor.alike(&server, Page::Play, render).await } else { visitor.alone(&render()) }
}

/// Who asks for a page.
struct Visitor {
    client: Client,
    presenter: bool,
    coding: Coding,
    host: Option<HeaderValue>,
    now_ms: Millis,
}

impl Visitor {
    fn of(server: &Server, peer: SocketAddr, headers: &HeaderMap) -> Self {
        let now_ms = server.clock.now_ms();
        let client = Client::of(peer, headers, server.access.front());
        Self {
            presenter: server.access.presenter(now_ms, &client, headers).is_some(),
            coding: Coding::accepted(headers),
            host: headers.get(header::HOST).cloned(),
            client,
            now_ms,
        }
    }

    /// What both pages have.
    fn boot(&self, server: &Server, picture: Picture) -> Boot {
        Boot {
            picture,
            presenter: self.presenter,
            can_present: server.access.can_present(&self.client),
            site: server.site.files.clone(),
            now_ms: self.now_ms,
            ..Boot::default()
        }
    }

    /// A page that everybody gets who came the same way.
    async fn alike(&self, server: &Server, page: Page, render: impl FnOnce() -> String) -> Response {
        let can_present = server.access.can_present(&self.client);
        let variant = Variant { page, can_present, host: self.host.clone() };
        self.answer(server.pages.get(variant, self.coding, self.now_ms, render).await)
    }

    /// A page that nobody else gets.
    fn alone(&self, html: &str) -> Response {
        self.answer(self.coding.encode(html.as_bytes()))
    }

    fn answer(&self, page: std::io::Result<Bytes>) -> Response {
        let Ok(page) = page else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "accept-encoding"),
        ];
        let coding = self.coding.name().map(|name| [(header::CONTENT_ENCODING, name)]);
        (headers, AppendHeaders(coding.into_iter().flatten()), page).into_response()
    }
}

/// `GET /device/TOKEN`: makes a presenter's device known, and shows the show.
pub async fn device(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let client = Client::of(peer, &headers, server.access.front());
    match server.access.know_device(&client, &token) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            "This address makes no device known: look at what the demo printed at its start.\n",
        )
            .into_response(),
    }
}

/// `GET /healthz`: this process serves; what it knows of Kafka and pods is in the picture.
pub async fn healthz() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// What a browser may do with our pages: load our own files, run our own script and module, nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = base64(&Sha256::digest(app::START_SCRIPT));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-{hash}'; style-src 'self'; \
         style-src-attr 'unsafe-inline'; font-src 'self'; img-src 'self' data:; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// What browsers have and our pages do not use: no script of a stranger's shall either.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
                           microphone=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=()";
/// A year. Not for the names below ours, which are not ours to decide.
const TLS_ONLY: &str = "max-age=31536000";
/// The longest path and the longest query that mean anything here are much shorter; no file's name may have 256 bytes.
const LONGEST_PATH: usize = 200;
const LONGEST_QUERY: usize = 2_048;

/// Puts the headers on every answer that keep other sites' hands off.
pub async fn secured(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let is_secure = Client::of(peer, request.headers(), server.access.front()).is_secure;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
    }
    response
}

/// Refuses addresses that are longer than any of ours.
pub async fn short_address(request: Request, next: Next) -> Response {
    let uri = request.uri();
    if uri.path().len() > LONGEST_PATH || uri.query().is_some_and(|query| query.len() > LONGEST_QUERY) {
        return (StatusCode::URI_TOO_LONG, "This address is longer than any of this server's.\n")
            .into_response();
    }
    next.run(request).await
}

/// As a policy writes a hash (RFC 4648, with padding).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |chunk: &[u8]| {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let count = chunk.len() + 1;
        (0..4)
            .map(move |at| match at < count {
                true => char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]),
                false => '=',
            })
            .collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
