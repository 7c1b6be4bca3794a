//! Where a request comes from, as far as that can be known: from this machine, through TLS, from which address.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{self, HeaderName};
use http::uri::{Authority, Uri};
use process::ConfigError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Their presence means that a proxy is between: then a peer on loopback is that proxy.
const OF_PROXIES: [HeaderName; 5] = [
    FORWARDED_FOR,
    FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    header::FORWARDED,
];
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The address under which the outside sees this server, when a tunnel or an ingress is in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    authority: Authority,
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
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().cloned().ok_or_else(wrong)?;
        let is_bare =
            matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
        if is_bare { Ok(Self { authority, is_https }) } else { Err(wrong()) }
    }

    /// As browsers write it into the header `Origin`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_https { "https" } else { "http" }, self.authority)
    }
}

/// Where one request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Tells clients apart; behind a proxy it is the one that the proxy names.
    pub address: IpAddr,
    /// From this machine itself, under a name of this machine, through no proxy.
    pub is_local: bool,
    /// Through the TLS that `--public-url` says is in front.
    pub is_secure: bool,
}

impl Client {
    /// Reads a request's peer and headers.
    #[must_use]
    pub fn of(peer: SocketAddr, headers: &HeaderMap, public: Option<&PublicUrl>) -> Self {
        let peer = peer.ip().to_canonical();
        let has_proxy = OF_PROXIES.iter().any(|name| headers.contains_key(name));
        let host = text(headers, &header::HOST);
        let is_local = peer.is_loopback()
            && !has_proxy
            && host.is_some_and(|host| host.parse().is_ok_and(|host| names_loopback(&host)));
        let forwarded = public.and_then(|_| last_forwarded(headers));
        let is_secure = public.is_some_and(|public| {
            let hosts = [host, text(headers, &FORWARDED_HOST)];
            public.is_https
                && !is_local
                && hosts.into_iter().flatten().any(|host| is_same(host, &public.authority))
        });
        Self { address: forwarded.unwrap_or(peer), is_local, is_secure }
    }

    /// Whether a passcode may travel this way, and a presenter's cookie.
    #[must_use]
    pub const fn may_present(&self) -> bool {
        self.is_local || self.is_secure
    }
}

/// Whether a request that changes something comes from a page of ours: browsers say so, and what says nothing is no
/// browser of a person who looks at such a page.
#[must_use]
pub fn is_own_origin(headers: &HeaderMap, public: Option<&PublicUrl>) -> bool {
    if text(headers, &FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text(headers, &header::ORIGIN) else { return false };
    // Under the public name there is nothing but the public origin: its plain HTTP twin may be anybody's.
    let is_public = |host: &&str| public.is_some_and(|public| is_same(host, &public.authority));
    let of_host =
        text(headers, &header::HOST).filter(|host| !is_public(host)).map(|host| format!("http://{host}"));
    let of_public = public.map(PublicUrl::origin);
    [of_host, of_public].into_iter().flatten().any(|own| own.eq_ignore_ascii_case(origin))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The last address: the proxy next to us wrote it, those before may be invented.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    let address = last.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| last.parse());
    address.ok().map(|address| address.to_canonical())
}

/// Whether a `Host` can only mean this machine: a foreign name that resolves to 127.0.0.1 does not count.
#[must_use]
pub fn names_loopback(host: &Authority) -> bool {
    let host = host.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_same(host: &str, authority: &Authority) -> bool {
    host.eq_ignore_ascii_case(authority.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:5000";
    const ELSEWHERE: &str = "192.0.2.7:5000";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn check(
        peer: &str,
        public: Option<&str>,
        pairs: &[(&'static str, &'static str)],
        local: bool,
        secure: bool,
    ) {
        let public = public.map(|public| PublicUrl::parse(public).unwrap());
        let client = Client::of(peer.parse().unwrap(), &headers(pairs), public.as_ref());
        assert_eq!((client.is_local, client.is_secure), (local, secure), "{peer} {pairs:?}");
    }

    #[test]
    fn only_loopback_under_its_own_name_and_without_a_proxy_is_local() {
        check(LOCAL, None, &[("host", "127.0.0.1:8930")], true, false);
        check(LOCAL, None, &[("host", "localhost:8930")], true, false);
        check("[::1]:5000", None, &[("host", "[::1]:8930")], true, false);
        check("[::ffff:127.0.0.1]:5000", None, &[("host", "localhost")], true, false);
        check(LOCAL, None, &[("host", "evil.example:8930")], false, false);
        check(LOCAL, None, &[], false, false);
        check(LOCAL, None, &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")], false, false);
        check(LOCAL, None, &[("host", "localhost"), ("forwarded", "for=127.0.0.1")], false, false);
        check(ELSEWHERE, None, &[("host", "localhost:8930")], false, false);
    }

    #[test]
    fn tls_is_believed_only_under_the_public_name() {
        let public = Some("https://king.example");
        check(LOCAL, public, &[("host", "king.example"), ("x-forwarded-for", "198.51.100.1")], false, true);
        check(
            LOCAL,
            public,
            &[("host", "localhost:8930"), ("x-forwarded-host", "king.example")],
            false,
            true,
        );
        check(ELSEWHERE, public, &[("host", "192.0.2.1:8930")], false, false);
        check(LOCAL, public, &[("host", "localhost:8930")], true, false);
        check(ELSEWHERE, Some("http://king.example"), &[("host", "king.example")], false, false);
        check(ELSEWHERE, None, &[("host", "king.example"), ("x-forwarded-proto", "https")], false, false);
    }

    #[test]
    fn a_forwarded_address_counts_only_behind_a_proxy_of_ours() {
        let sent = headers(&[("host", "king.example"), ("x-forwarded-for", "203.0.113.9, 198.51.100.1")]);
        let public = PublicUrl::parse("https://king.example").unwrap();
        let peer: SocketAddr = ELSEWHERE.parse().unwrap();
        assert_eq!(Client::of(peer, &sent, Some(&public)).address, "198.51.100.1".parse::<IpAddr>().unwrap());
        assert_eq!(Client::of(peer, &sent, None).address, peer.ip());
    }

    #[test]
    fn a_page_of_ours_names_its_origin() {
        let public = PublicUrl::parse("https://king.example/").unwrap();
        let own = |pairs: &[(&'static str, &'static str)]| is_own_origin(&headers(pairs), Some(&public));
        assert!(own(&[("host", "localhost:8930"), ("origin", "http://localhost:8930")]));
        assert!(own(&[
            ("host", "inner"),
            ("origin", "https://king.example"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!own(&[("host", "localhost:8930"), ("origin", "http://localhost:8931")]));
        assert!(!own(&[
            ("host", "king.example"),
            ("origin", "https://king.example"),
            ("sec-fetch-site", "same-site")
        ]));
        assert!(!own(&[("host", "king.example"), ("origin", "http://king.example")]));
        assert!(!own(&[("host", "localhost:8930"), ("origin", "null")]));
        assert!(!own(&[("host", "localhost:8930")]));
    }

    #[test]
    fn a_public_url_is_an_origin() {
        for bad in ["king.example", "ftp://king.example", "https://king.example/a", "https://", "https://a@b"]
        {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(PublicUrl::parse("https://king.example/").unwrap().origin(), "https://king.example");
    }
}
