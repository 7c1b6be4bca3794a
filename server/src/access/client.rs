//! Where a request comes from, as far as that can be known: from this machine, through TLS, from which address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::{self, HeaderName};
use http::uri::Authority;

use super::front::{FORWARDED_FOR, Front, HostAndPort, is_origin};

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Their presence means that a proxy is between: then a peer on loopback is that proxy.
const OF_PROXIES: [HeaderName; 5] =
    [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, HeaderName::from_static("x-real-ip"), header::FORWARDED];
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where one request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Tells clients apart; behind a proxy it is the one that the proxy names.
    pub address: IpAddr,
    /// From this machine itself, under a name of this machine, through no proxy.
    pub is_local: bool,
    /// Through the TLS that `--public-url` says is in front, by a proxy that `--trusted-proxy` names.
    pub is_secure: bool,
}

impl Client {
    /// Reads a request's peer and headers.
    #[must_use]
    pub fn of(peer: SocketAddr, headers: &HeaderMap, front: &Front) -> Self {
        let peer = peer.ip().to_canonical();
        let has_proxy = OF_PROXIES.iter().any(|name| headers.contains_key(name));
        let host = text(headers, &header::HOST);
        let is_local = peer.is_loopback()
            && !has_proxy
            && host.is_some_and(|host| host.parse().is_ok_and(|host| names_loopback(&host)));
        let is_secure = front.is_proxy(peer)
            && !is_local
            && text(headers, &FORWARDED_PROTO).is_none_or(|scheme| scheme.eq_ignore_ascii_case("https"))
            && front.public.as_ref().is_some_and(|public| {
                let hosts = [host, text(headers, &FORWARDED_HOST)];
                public.is_https() && hosts.into_iter().flatten().any(|host| public.is_host(host))
            });
        Self { address: front.forwarded(peer, headers).unwrap_or(peer), is_local, is_secure }
    }

    /// What counts as one address: whoever has one of IPv6 has its whole /64.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        match self.address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address @ IpAddr::V4(_) => address,
        }
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
pub fn is_own_origin(headers: &HeaderMap, front: &Front) -> bool {
    if text(headers, &FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text(headers, &header::ORIGIN) else { return false };
    if front.public.as_ref().is_some_and(|public| public.is_origin(origin)) {
        return true;
    }
    // Under the public name there is nothing but the public origin: its plain HTTP twin may be anybody's.
    let is_public = |host: &str| front.public.as_ref().is_some_and(|public| public.is_host(host));
    let host = text(headers, &header::HOST).filter(|host| !is_public(host));
    host.and_then(|host| host.parse().ok())
        .is_some_and(|host| is_origin(origin, false, &HostAndPort::of(&host, false)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a `Host` can only mean this machine: a foreign name that resolves to 127.0.0.1 does not count.
#[must_use]
pub fn names_loopback(host: &Authority) -> bool {
    let host = host.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::front::PublicUrl;
    use super::*;

    const LOCAL: &str = "127.0.0.1:5000";
    const ELSEWHERE: &str = "192.0.2.7:5000";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Behind the public address, if there is one, are proxies on this machine and in 10.0.0.0/8.
    fn front(public: Option<&str>) -> Front {
        let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        Front { public: public.map(|public| PublicUrl::parse(public).unwrap()), proxies: proxies.to_vec() }
    }

    fn check(
        peer: &str,
        public: Option<&str>,
        pairs: &[(&'static str, &'static str)],
        local: bool,
        secure: bool,
    ) {
        let client = Client::of(peer.parse().unwrap(), &headers(pairs), &front(public));
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
        check("10.0.0.9:5000", public, &[("host", "king.example")], false, true);
        check(LOCAL, public, &[("host", "king.example"), ("x-forwarded-proto", "http")], false, false);
        check(ELSEWHERE, public, &[("host", "king.example")], false, false);
        check(ELSEWHERE, public, &[("host", "a"), ("x-forwarded-host", "king.example")], false, false);
        check(ELSEWHERE, public, &[("host", "192.0.2.1:8930")], false, false);
        check(LOCAL, public, &[("host", "localhost:8930")], true, false);
        check(ELSEWHERE, Some("http://king.example"), &[("host", "king.example")], false, false);
        check(ELSEWHERE, None, &[("host", "king.example"), ("x-forwarded-proto", "https")], false, false);
    }

    #[test]
    fn a_forwarded_address_counts_only_behind_a_proxy_of_ours() {
        let sent = headers(&[("host", "king.example"), ("x-forwarded-for", "203.0.113.9, 198.51.100.1")]);
        let front = front(Some("https://king.example"));
        let address = |peer: &str| Client::of(peer.parse().unwrap(), &sent, &front).address;
        assert_eq!(address("10.0.0.9:5000"), "198.51.100.1".parse::<IpAddr>().unwrap());
        assert_eq!(address(ELSEWHERE), "192.0.2.7".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn one_ipv6_network_counts_as_one_address() {
        let network = |address: &str| {
            let address = address.parse().unwrap();
            Client { address, is_local: false, is_secure: false }.network()
        };
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn a_page_of_ours_names_its_origin() {
        let front = front(Some("https://king.example/"));
        let own = |pairs: &[(&'static str, &'static str)]| is_own_origin(&headers(pairs), &front);
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
}
