//! TLS: the certificate that we show, and the connections.
//!
//! The certificate comes from a mounted directory, or is made here; [`keeper`] keeps it fresh and tells the API server
//! whom to trust. A client's certificate is asked for, never demanded, and only its signature is checked here: whether
//! it is the front proxy's is decided for each request, by the configuration of that moment.

mod bundle;
mod client;
mod expiry;
mod issued;
pub mod keeper;
mod listener;
mod mounted;

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};

pub use bundle::with_ca;
pub use expiry::Expiry;
pub use issued::{IssueError, Issued};
pub use listener::{DRAIN_LIMIT, serve};
pub use mounted::{MountError, Mounted};

/// The cryptography that all of our TLS uses.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

/// The certificate that we show now. The keeper replaces it while connections come in.
#[derive(Debug, Default)]
pub struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    /// Shows this one to whoever connects from now on.
    pub fn set(&self, certificate: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How we speak TLS, with HTTP/2 before HTTP/1.1.
///
/// # Errors
/// When the cryptography cannot do what TLS needs.
pub fn server_config(shown: Arc<Shown>) -> Result<ServerConfig, rustls::Error> {
    let provider = provider();
    let verifier = Arc::new(client::AnyCertificate::new(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
