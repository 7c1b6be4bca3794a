//! What librdkafka leaves open when no connection comes about, found out with one more handshake: as a stranger, since
//! who is not what they seem must not see a secret.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::ask::{FIRST_LOOK, trouble};
use super::{Brokers, Credentials, REQUEST_TIMEOUT, Security, Tracing, Trouble, base, create};
use crate::error::Error;
use crate::version;

/// Somebody who is there refuses a stranger within this time.
const SOON: Duration = Duration::from_secs(1);

/// The trouble behind an error that does not say enough; `None` where there is no more to know. Blocks.
pub(super) fn resolve(brokers: &Brokers, error: &Error) -> Option<Trouble> {
    match (error, brokers.security()) {
        (Error::Refused { trouble: Trouble::CertificateRefused, .. }, _) => Some(certificate(brokers)),
        (Error::Unreachable { .. }, Security::Plaintext) => {
            version::is_tls_expected(brokers).then_some(Trouble::TlsExpected)
        }
        // A listener that asks for credentials hangs up on who has none, without a word.
        (Error::Unreachable { .. }, Security::Tls { credentials: None, .. }) => {
            let refused = refusal_of_stranger(brokers, "https", SOON) == Some(Trouble::AuthenticationRefused);
            refused.then_some(Trouble::CredentialsExpected)
        }
        _ => None,
    }
}

/// Why a certificate is not accepted: a chain that is not trusted is refused again where the name does not count.
fn certificate(brokers: &Brokers) -> Trouble {
    match refusal_of_stranger(brokers, "none", REQUEST_TIMEOUT) {
        Some(Trouble::CertificateRefused) => Trouble::CertificateUntrusted,
        // The handshake is over: it is the credentials' turn.
        Some(_) => Trouble::CertificateOfAnotherHost,
        None => Trouble::CertificateRefused,
    }
}

/// Why a client with nobody's credentials is refused; `None` if nothing is heard in time. `name` is librdkafka's
/// `ssl.endpoint.identification.algorithm`.
fn refusal_of_stranger(brokers: &Brokers, name: &str, patience: Duration) -> Option<Trouble> {
    let Security::Tls { ca, .. } = brokers.security() else { return None };
    let credentials = Some(Credentials::new("nobody", "nobody"));
    let stranger = brokers.clone().with_security(Security::Tls { ca: ca.clone(), credentials });
    let mut config = base(&stranger, "stranger");
    config.set("ssl.endpoint.identification.algorithm", name);
    let consumer: BaseConsumer<Tracing> = create(&config).ok()?;
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        // Without an answer that counts: what is of interest is told to the context.
        let _ = consumer.fetch_metadata(None, FIRST_LOOK);
        if let Some(trouble) = trouble(&consumer) {
            return Some(trouble);
        }
    }
    None
}
