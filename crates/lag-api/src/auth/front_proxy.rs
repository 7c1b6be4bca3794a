//! The API server in front of us, as the cluster describes it in the ConfigMap `extension-apiserver-authentication`:
//! whose client certificate it has, and in which headers it says for whom it asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::User;
use crate::tls;

/// What is wrong with the ConfigMap.
#[derive(Debug, thiserror::Error)]
pub enum FrontProxyError {
    /// A key is missing: this cluster has no front proxy.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A list of names is not JSON.
    #[error("{key} is no list of names")]
    ReadNames {
        /// The key in the ConfigMap.
        key: &'static str,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// There is no usable certificate of a CA.
    #[error("requestheader-client-ca-file holds no usable certificate")]
    ReadCa(#[source] rustls::server::VerifierBuilderError),
}

/// Whom to believe, and where they say it.
#[derive(Debug)]
pub struct FrontProxy {
    verifier: Arc<dyn ClientCertVerifier>,
    /// Common names; any will do where the list is empty.
    allowed_names: Vec<String>,
    username_headers: Vec<HeaderName>,
    uid_headers: Vec<HeaderName>,
    group_headers: Vec<HeaderName>,
    /// In lower case.
    extra_prefixes: Vec<String>,
}

impl FrontProxy {
    /// Reads the data of the ConfigMap.
    ///
    /// # Errors
    /// When a part is missing or cannot be read.
    pub fn read(data: &BTreeMap<String, String>) -> Result<Self, FrontProxyError> {
        const CA: &str = "requestheader-client-ca-file";
        let ca = data.get(CA).ok_or(FrontProxyError::Missing(CA))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca.as_bytes()).flatten());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider())
            .build()
            .map_err(FrontProxyError::ReadCa)?;
        Ok(Self {
            verifier,
            allowed_names: names(data, "requestheader-allowed-names")?,
            username_headers: headers(data, "requestheader-username-headers")?,
            uid_headers: headers(data, "requestheader-uid-headers")?,
            group_headers: headers(data, "requestheader-group-headers")?,
            extra_prefixes: names(data, "requestheader-extra-headers-prefix")?
                .into_iter()
                .map(|prefix| prefix.to_ascii_lowercase())
                .collect(),
        })
    }

    /// Whether these are the certificates of the front proxy, now.
    #[must_use]
    pub fn trusts(&self, certificates: &[CertificateDer<'_>]) -> bool {
        let Some((own, intermediates)) = certificates.split_first() else { return false };
        self.verifier.verify_client_cert(own, intermediates, UnixTime::now()).is_ok()
            && (self.allowed_names.is_empty()
                || common_name(own).is_some_and(|name| self.allowed_names.contains(&name)))
    }

    /// Takes out of the headers for whom the request is said to be; worth something only where the front proxy is
    /// trusted.
    pub fn take_user(&self, headers: &mut HeaderMap) -> Option<User> {
        let name = take(headers, &self.username_headers).into_iter().next();
        let uid = take(headers, &self.uid_headers).into_iter().next().unwrap_or_default();
        let groups = take(headers, &self.group_headers);
        let mut extra = BTreeMap::<String, Vec<String>>::new();
        for (header, key) in self.extra_headers(headers) {
            extra.entry(key).or_default().extend(take(headers, &[header]));
        }
        let name = name.filter(|name| !name.is_empty())?;
        Some(User { name, uid, groups, extra })
    }

    fn extra_headers(&self, headers: &HeaderMap) -> Vec<(HeaderName, String)> {
        let key = |header: &HeaderName| {
            let prefix = self.extra_prefixes.iter().find(|prefix| header.as_str().starts_with(*prefix))?;
            Some((header.clone(), unescape(&header.as_str()[prefix.len()..])))
        };
        headers.keys().filter_map(key).collect()
    }
}

fn names(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, FrontProxyError> {
    // Older clusters do not know all of the keys.
    let Some(text) = data.get(key).filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|source| FrontProxyError::ReadNames { key, source })
}

fn headers(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<HeaderName>, FrontProxyError> {
    Ok(names(data, key)?.iter().filter_map(|name| name.parse().ok()).collect())
}

fn take(headers: &mut HeaderMap, names: &[HeaderName]) -> Vec<String> {
    let mut taken = Vec::new();
    for name in names {
        if let http::header::Entry::Occupied(entry) = headers.entry(name) {
            taken.extend(
                entry.remove_entry_mult().1.filter_map(|value| Some(value.to_str().ok()?.to_owned())),
            );
        }
    }
    taken
}

/// Keys of extra travel in the names of headers, with what is not allowed there as `%` and two digits.
fn unescape(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority, front_proxy_data};

    #[test]
    fn only_an_allowed_name_under_the_right_ca_is_trusted() {
        let (ca, stranger) = (Authority::new("front-proxy-ca"), Authority::new("front-proxy-ca"));
        let front_proxy = FrontProxy::read(&front_proxy_data(&ca, &["front-proxy-client"])).unwrap();
        let trusts =
            |authority: &Authority, name: &str| front_proxy.trusts(&[authority.client(name).certificate]);
        assert!(trusts(&ca, "front-proxy-client"));
        assert!(!trusts(&ca, "somebody-else"));
        assert!(!trusts(&stranger, "front-proxy-client"));
        assert!(!front_proxy.trusts(&[]));
        let any_name = FrontProxy::read(&front_proxy_data(&ca, &[])).unwrap();
        assert!(any_name.trusts(&[ca.client("somebody-else").certificate]));
        assert!(!any_name.trusts(&[ca.expired_client("front-proxy-client").certificate]));
        assert!(!any_name.trusts(&[ca.server("front-proxy-client").certificate]));
    }

    #[test]
    fn a_user_is_read_and_nothing_of_it_stays() {
        let ca = Authority::new("ca");
        let front_proxy = FrontProxy::read(&front_proxy_data(&ca, &[])).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-remote-user", "jane"),
            ("x-remote-uid", "7"),
            ("x-remote-group", "dev"),
            ("x-remote-group", "ops"),
            ("x-remote-extra-scopes%2eexample", "read"),
            ("accept", "application/json"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let user = front_proxy.take_user(&mut headers).unwrap();
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("jane", "7"));
        assert_eq!(user.groups, ["dev", "ops"]);
        assert_eq!(user.extra, BTreeMap::from([("scopes.example".to_owned(), vec!["read".to_owned()])]));
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
        assert_eq!(front_proxy.take_user(&mut headers), None);
    }

    #[test]
    fn a_config_map_that_does_not_help_is_explained() {
        let ca = Authority::new("ca");
        let mut data = front_proxy_data(&ca, &[]);
        data.insert("requestheader-allowed-names".to_owned(), "front-proxy".to_owned());
        assert!(matches!(FrontProxy::read(&data), Err(FrontProxyError::ReadNames { .. })));
        data.insert("requestheader-client-ca-file".to_owned(), "nothing".to_owned());
        assert!(matches!(FrontProxy::read(&data), Err(FrontProxyError::ReadCa(_))));
        data.remove("requestheader-client-ca-file");
        assert!(matches!(FrontProxy::read(&data), Err(FrontProxyError::Missing(_))));
    }
}
