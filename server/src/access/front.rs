//! What is in front of this server: the name that the outside knows it by, and the proxies that may speak for others.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use http::header::HeaderName;
use http::uri::{Authority, Uri};
use ipnet::IpNet;
use process::ConfigError;

pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is in front of this server.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// The address under which the outside sees it.
    pub public: Option<PublicUrl>,
    /// Who is believed when it says for whom it asks.
    pub proxies: Vec<Proxy>,
}

impl Front {
    /// Whether the passcode is taken neither in the clear nor from any proxy.
    #[must_use]
    pub fn nobody_can_sign_in(&self) -> bool {
        self.proxies.is_empty() && self.public.as_ref().is_some_and(PublicUrl::is_https)
    }

    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|Proxy(network)| network.contains(&peer))
    }

    /// For whom a proxy of ours asks: the last address that is none of our proxies'. Those before it may be invented.
    pub(super) fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.is_proxy(peer) {
            return None;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
        let all: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        for text in all.into_iter().rev() {
            let address = address(text.trim())?;
            if !self.is_proxy(address) {
                return Some(address);
            }
        }
        None
    }
}

fn address(text: &str) -> Option<IpAddr> {
    let with_port = text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    with_port.or_else(|_| text.parse()).ok().map(|address: IpAddr| address.to_canonical())
}

/// A proxy's address, or the network in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxy(IpNet);

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(Self)
            .map_err(|_| format!("{text:?} is no address and no network: write 127.0.0.1 or 10.0.0.0/8"))
    }
}

/// The address under which the outside sees this server, when a tunnel or an ingress is in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    host_and_port: HostAndPort,
    is_https: bool,
}

impl PublicUrl {
    /// Reads `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// One sentence that says what it should look like.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            ConfigError::new(format!(
                "--public-url {text:?} is not an address: write https://HOST or http://HOST:PORT, without a path"
            ))
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (is_https, host_and_port) = origin_of(&uri).ok_or_else(wrong)?;
        let is_bare = matches!(uri.path(), "" | "/")
            && uri.query().is_none()
            && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if is_bare { Ok(Self { host_and_port, is_https }) } else { Err(wrong()) }
    }

    /// As browsers write it into the header `Origin`.
    #[must_use]
    pub fn origin(&self) -> String {
        let Self { host_and_port: HostAndPort { host, port }, is_https } = self;
        let scheme = if *is_https { "https" } else { "http" };
        if *port == default_port(*is_https) {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }

    /// Whether there is TLS in front.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether a `Host` means this address.
    pub(super) fn is_host(&self, host: &str) -> bool {
        host.parse().is_ok_and(|host| HostAndPort::of(&host, self.is_https) == self.host_and_port)
    }

    /// Whether an `Origin` means this address.
    pub(super) fn is_origin(&self, origin: &str) -> bool {
        is_origin(origin, self.is_https, &self.host_and_port)
    }
}

/// A host and its port, in the one form of many: in small letters, without the root's dot, with the port that goes
/// without saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostAndPort {
    host: String,
    port: u16,
}

impl HostAndPort {
    pub(super) fn of(authority: &Authority, is_https: bool) -> Self {
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        Self { host, port: authority.port_u16().unwrap_or_else(|| default_port(is_https)) }
    }
}

/// Whether an `Origin` has this scheme and means this host and port.
pub(super) fn is_origin(origin: &str, is_https: bool, host_and_port: &HostAndPort) -> bool {
    let uri: Option<Uri> = origin.parse().ok();
    uri.as_ref()
        .and_then(origin_of)
        .is_some_and(|(of_https, of_host)| (of_https, &of_host) == (is_https, host_and_port))
}

fn origin_of(uri: &Uri) -> Option<(bool, HostAndPort)> {
    let is_https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return None,
    };
    Some((is_https, HostAndPort::of(uri.authority()?, is_https)))
}

const fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin() {
        for bad in ["king.example", "ftp://king.example", "https://king.example/a", "https://", "https://a@b"]
        {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            PublicUrl::parse("http://king.example:8080").unwrap().origin(),
            "http://king.example:8080"
        );
    }

    #[test]
    fn one_address_has_many_spellings() {
        let public = PublicUrl::parse("https://king.example").unwrap();
        for same in ["https://king.example:443/", "HTTPS://King.Example", "https://king.example."] {
            assert_eq!(PublicUrl::parse(same).unwrap(), public, "{same}");
            assert_eq!(PublicUrl::parse(same).unwrap().origin(), "https://king.example");
        }
        for host in ["king.example", "KING.example:443", "king.example.", "king.example.:443"] {
            assert!(public.is_host(host), "{host}");
        }
        for host in ["king.example:80", "king.example:8930", "other.example", "ng.example", ""] {
            assert!(!public.is_host(host), "{host}");
        }
        for origin in ["https://king.example", "https://king.example.", "https://king.example:443"] {
            assert!(public.is_origin(origin), "{origin}");
        }
        for origin in ["http://king.example", "https://king.example:80", "null", "", "king.example"] {
            assert!(!public.is_origin(origin), "{origin}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let front = Front {
            public: None,
            proxies: ["127.0.0.1", "10.0.0.0/8", "::1"].map(|text| text.parse().unwrap()).to_vec(),
        };
        for (peer, is_proxy) in [
            ("127.0.0.1", true),
            ("10.9.8.7", true),
            ("::1", true),
            ("11.0.0.1", false),
            ("127.0.0.2", false),
        ] {
            assert_eq!(front.is_proxy(peer.parse().unwrap()), is_proxy, "{peer}");
        }
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_proxies_of_ours_say_for_whom_they_ask() {
        let front = Front { public: None, proxies: vec!["10.0.0.0/8".parse().unwrap()] };
        let check = |peer: &str, sent: &'static str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(FORWARDED_FOR, sent.parse().unwrap())]);
            let expected = expected.map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(front.forwarded(peer.parse().unwrap(), &headers), expected, "{peer} {sent}");
        };
        check("10.0.0.1", "203.0.113.9, 198.51.100.1", Some("198.51.100.1"));
        check("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.2.2.2", Some("198.51.100.1"));
        check("10.0.0.1", "203.0.113.9, 198.51.100.1:4711", Some("198.51.100.1"));
        check("10.0.0.1", "203.0.113.9, nonsense", None);
        check("10.0.0.1", "10.1.1.1", None);
        check("192.0.2.7", "198.51.100.1", None);
    }
}
