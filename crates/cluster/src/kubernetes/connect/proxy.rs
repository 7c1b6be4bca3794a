//! Which proxy is on the way to the API server, chosen as kubectl does: the one of the kubeconfig, else the one of the
//! environment, unless `NO_PROXY` names the API server.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use crate::kubernetes::Error;

/// The proxy for a server. `variable` gives the value of an environment variable.
pub(super) fn choose(
    explicit: Option<&str>,
    server: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, Error> {
    if let Some(proxy) = explicit.filter(|proxy| !proxy.is_empty()) {
        return parse(proxy).map(Some);
    }
    let first = |names: [&str; 2]| {
        names.into_iter().find_map(|name| variable(name).filter(|value| !value.is_empty()))
    };
    let is_https = server.scheme_str() != Some("http");
    let names = if is_https { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let Some(proxy) = first(names) else { return Ok(None) };
    let excepted = first(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let matcher = Matcher::builder().all(proxy.clone()).no(excepted).build();
    if is_this_machine(server) || matcher.intercept(server).is_none() {
        return Ok(None);
    }
    parse(&proxy).map(Some)
}

/// What has no scheme is spoken to by HTTP.
fn parse(proxy: &str) -> Result<Uri, Error> {
    let whole = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    // Whoever reads the error need not know the password.
    let named = || whole.rsplit('@').next().unwrap_or_default().to_owned();
    whole.parse().map_err(|_| Error::Proxy { proxy: named() })
}

/// Nobody means a proxy on the way to this machine.
fn is_this_machine(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(explicit: Option<&str>, server: &str, environment: &[(&str, &str)], expected: Option<&str>) {
        let variable = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let chosen = choose(explicit, &server.parse().unwrap(), variable).unwrap();
        assert_eq!(chosen.map(|uri| uri.to_string()).as_deref(), expected, "{server} {environment:?}");
    }

    #[test]
    fn the_environment_names_a_proxy_and_who_needs_none() {
        let proxy = ("HTTPS_PROXY", "http://me:secret@proxy:3128");
        let through = Some("http://me:secret@proxy:3128/");
        check(None, "https://cluster.example:6443", &[proxy], through);
        check(None, "https://cluster.example", &[("https_proxy", "proxy:3128")], Some("http://proxy:3128/"));
        check(None, "https://cluster.example", &[("HTTP_PROXY", "http://proxy:3128")], None);
        check(None, "https://cluster.example", &[("HTTPS_PROXY", "")], None);
        // It is the API server's address that counts, and not the proxy's.
        for excepted in ["cluster.example", ".example", "other, cluster.example", "*"] {
            check(None, "https://cluster.example:6443", &[proxy, ("NO_PROXY", excepted)], None);
        }
        check(None, "https://10.1.2.3:6443", &[proxy, ("no_proxy", "10.0.0.0/8")], None);
        check(None, "https://cluster.example", &[proxy, ("NO_PROXY", "proxy,10.0.0.0/8")], through);
        for here in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"] {
            check(None, here, &[proxy], None);
        }
    }

    #[test]
    fn the_kubeconfigs_own_proxy_comes_first() {
        let environment = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "cluster.example")];
        let own = Some("socks5://own:1080");
        check(own, "https://cluster.example", &environment, Some("socks5://own:1080/"));
        let error =
            choose(Some("http://me:secret@a b"), &"https://x".parse().unwrap(), |_| None).unwrap_err();
        assert!(error.to_string().contains("\"a b\"") && !error.to_string().contains("secret"), "{error}");
    }
}
