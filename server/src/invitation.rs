//! Where phones go to play: an address, also as a picture.

use http::header::{self, HeaderMap};
use http::uri::{Authority, Uri};
use process::ConfigError;
use qrcode::QrCode;
use qrcode::render::svg;
use qrcode::types::QrError;

use crate::access::names_loopback;

/// An address of the game.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The address.
    pub url: String,
    /// Whether it leads here only from this machine itself.
    pub is_local: bool,
    /// The same as an `<svg>` element; empty where it is too long to be drawn.
    pub qr_svg: String,
}

/// Which address a visitor is shown.
#[derive(Debug, Clone)]
pub enum Invitations {
    /// The one that the outside knows.
    Public(Invitation),
    /// The one that this machine has in its network, unless the visitor came by another: a name that leads here leads
    /// others here, too.
    Network(Invitation),
    /// The one by which the visitor came. A pod knows none that leads to it from outside of its cluster.
    Visited,
}

impl Invitation {
    /// To the game at an origin, such as `http://192.0.2.1:8930`.
    ///
    /// # Errors
    /// When that is none, or too long to be drawn.
    pub fn to(origin: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: &dyn std::fmt::Display| {
            ConfigError::new(format!(
                "--public-url is no address for a QR code ({problem}): take a shorter one"
            ))
        };
        let uri: Uri = origin.parse().map_err(|problem| wrong(&problem))?;
        let url = format!("{origin}/play");
        let qr_svg = drawn(&url).map_err(|problem| wrong(&problem))?;
        Ok(Self { is_local: uri.authority().is_some_and(names_loopback), url, qr_svg })
    }

    /// To the game at the host that a request names.
    fn as_visited(host: &Authority) -> Self {
        let url = format!("http://{host}/play");
        Self { is_local: names_loopback(host), qr_svg: drawn(&url).unwrap_or_default(), url }
    }

    /// To the game next to the page.
    fn beside() -> Self {
        Self { url: "/play".to_owned(), is_local: false, qr_svg: String::new() }
    }
}

impl Invitations {
    /// The one for the sender of a request with these headers.
    #[must_use]
    pub fn for_visitor(&self, headers: &HeaderMap) -> Invitation {
        let host = || headers.get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok();
        match self {
            Self::Public(invitation) => invitation.clone(),
            Self::Network(invitation) => host()
                .filter(|host| !names_loopback(host))
                .map_or_else(|| invitation.clone(), |host| Invitation::as_visited(&host)),
            Self::Visited => host().map_or_else(Invitation::beside, |host| Invitation::as_visited(&host)),
        }
    }
}

fn drawn(url: &str) -> Result<String, QrError> {
    let svg = QrCode::new(url)?
        .render::<svg::Color<'_>>()
        .dark_color(svg::Color("#0c0e14"))
        .light_color(svg::Color("#ffffff"))
        .build();
    // In a page it is an element; the declaration before it belongs to a file.
    let start = svg.find("<svg").unwrap_or(0);
    Ok(svg[start..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_drawn_as_an_element() {
        assert!(Invitation::to("http://192.0.2.1:8930").unwrap().qr_svg.starts_with("<svg"));
        assert!(Invitation::to(&"x".repeat(5_000)).is_err());
    }

    #[test]
    fn who_came_by_an_address_that_others_can_take_is_shown_that_one() {
        let own = Invitation::to("http://192.0.2.1:8930").unwrap();
        let public = Invitations::Public(Invitation::to("https://king.example").unwrap());
        let network = Invitations::Network(own);
        let shown = |invitations: &Invitations, host: Option<&str>| {
            let headers = host.map(|host| (header::HOST, host.parse().unwrap())).into_iter().collect();
            invitations.for_visitor(&headers).url
        };
        for (host, by_network, by_visit) in [
            (Some("localhost:8930"), "http://192.0.2.1:8930/play", "http://localhost:8930/play"),
            (Some("[::1]:8930"), "http://192.0.2.1:8930/play", "http://[::1]:8930/play"),
            (Some("show.example"), "http://show.example/play", "http://show.example/play"),
            (Some("not a host"), "http://192.0.2.1:8930/play", "/play"),
            (None, "http://192.0.2.1:8930/play", "/play"),
        ] {
            assert_eq!(shown(&public, host), "https://king.example/play");
            assert_eq!(shown(&network, host), by_network, "{host:?}");
            assert_eq!(shown(&Invitations::Visited, host), by_visit, "{host:?}");
        }
    }

    #[test]
    fn an_address_of_this_machine_alone_is_known_for_one() {
        for (origin, is_local) in [
            ("http://127.0.0.1:8930", true),
            ("http://192.0.2.1:8930", false),
            ("https://king.example", false),
        ] {
            assert_eq!(Invitation::to(origin).unwrap().is_local, is_local, "{origin}");
        }
    }

    #[test]
    fn a_host_too_long_for_a_picture_is_still_an_address() {
        let host: Authority = "x".repeat(5_000).parse().unwrap();
        assert!(Invitation::as_visited(&host).qr_svg.is_empty());
    }
}
