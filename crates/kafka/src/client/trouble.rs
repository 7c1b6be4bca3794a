//! Why no connection comes about, read from what librdkafka says while it tries.
//!
//! A question to a broker that cannot be reached only ever times out. The reason is told apart from it, to the client's
//! context, as an error code and a sentence: [`Trouble::classify`] reads both, and [`Troubles`] keeps the last.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// librdkafka repeats a reason that has not changed every 30 s: what is older than two of these is over.
const KEPT: Duration = Duration::from_secs(60);

/// What stands between us and a broker that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The broker does not take the key and its secret.
    AuthenticationRefused,
    /// The broker does not take a key and a secret at all, or not as SASL PLAIN.
    PlainRefused,
    /// The broker's certificate was not accepted, for the one or the other of the two reasons below: librdkafka does
    /// not say which, [`check`](super::check) finds out.
    CertificateRefused,
    /// The broker's certificate is signed by no CA that is trusted here, or it is too old.
    CertificateUntrusted,
    /// The broker's certificate is trusted, and made out to another host name.
    CertificateOfAnotherHost,
    /// We speak TLS, and the listener seems not to.
    NoTlsThere,
    /// We speak plaintext, and the listener expects TLS. Only [`check`](super::check) finds out.
    TlsExpected,
    /// We do not say who we are, and the listener wants to know. Only [`check`](super::check) finds out.
    CredentialsExpected,
}

impl Trouble {
    /// Reads what librdkafka tells a `ClientContext::error`; `None` where it only says that nobody answers.
    #[must_use]
    pub fn classify(error: &KafkaError, reason: &str) -> Option<Self> {
        let says = |words: &str| reason.contains(words);
        match error.rdkafka_error_code()? {
            Code::Authentication if says("mechanism handshake failed") => Some(Self::PlainRefused),
            Code::Authentication => Some(Self::AuthenticationRefused),
            Code::SSL if says("certificate verify failed") => Some(Self::CertificateRefused),
            Code::SSL => Some(Self::NoTlsThere),
            Code::BrokerTransportFailure if says("PLAINTEXT broker listener") => Some(Self::NoTlsThere),
            _ => None,
        }
    }

    /// Whether it may pass without anybody changing anything: a broker that goes down in the middle of a TLS handshake
    /// looks like a plaintext listener.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        self == Self::NoTlsThere
    }
}

/// What it is and what to do, to be put after "Kafka at HOST:PORT".
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthenticationRefused => "refuses the credentials: correct API_KEY and SECRET_KEY",
            Self::PlainRefused => {
                "does not take SASL PLAIN: for a listener that asks for no credentials, set --kafka-security ssl"
            }
            Self::CertificateRefused => {
                "shows a certificate that is not accepted: name the file of its CA with --kafka-ca (KAFKA_CA), or correct the host name in --kafka"
            }
            Self::CertificateUntrusted => {
                "shows a certificate that is not trusted (its CA is unknown here, or it is too old): name its CA's file with --kafka-ca (KAFKA_CA)"
            }
            Self::CertificateOfAnotherHost => {
                "shows a certificate for another host name: write the name that it is made out to in --kafka (KAFKA_BROKERS)"
            }
            Self::NoTlsThere => "does not answer TLS: for a plaintext listener, set --kafka-security plaintext",
            Self::TlsExpected => {
                "expects TLS: set --kafka-security ssl, or API_KEY and SECRET_KEY where it asks for credentials"
            }
            Self::CredentialsExpected => "expects credentials: set API_KEY and SECRET_KEY",
        })
    }
}

/// The last trouble that a client told its context.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<Option<(Trouble, Instant)>>);

impl Troubles {
    /// Takes note of an error in a `ClientContext::error`; the trouble that it is, if that is news.
    pub fn note(&self, error: &KafkaError, reason: &str) -> Option<Trouble> {
        let trouble = Trouble::classify(error, reason)?;
        let known = self.last() == Some(trouble);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((trouble, Instant::now()));
        (!known).then_some(trouble)
    }

    /// The last trouble, unless it is over.
    #[must_use]
    pub fn last(&self) -> Option<Trouble> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, at)| at.elapsed() < KEPT).map(|(trouble, _)| trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes and reasons are those that librdkafka 2.12 gave against Kafka 4.3.
    #[test]
    fn reasons_are_told_apart() {
        let refused = "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate \
                       could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates \
                       are installed (install ca-certificates package) (after 2ms in state SSL_HANDSHAKE)";
        let mutual = "SSL handshake failed: error:0A0000F4:SSL routines::unexpected message: client SSL authentication \
                      might be required (see ssl.key.location and ssl.certificate.location and consult the broker logs)";
        for (code, reason, trouble) in [
            (
                Code::Authentication,
                "SASL authentication error: Authentication failed: Invalid username or password (after 301ms in state \
                 AUTH_REQ, 1 identical error(s) suppressed)",
                Some(Trouble::AuthenticationRefused),
            ),
            (
                Code::Authentication,
                "SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's \
                 supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)",
                Some(Trouble::PlainRefused),
            ),
            (Code::SSL, refused, Some(Trouble::CertificateRefused)),
            (Code::SSL, mutual, Some(Trouble::NoTlsThere)),
            (
                Code::BrokerTransportFailure,
                "SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker \
                 listener? (after 1ms in state SSL_HANDSHAKE)",
                Some(Trouble::NoTlsThere),
            ),
            (
                Code::BrokerTransportFailure,
                "Disconnected: SSL connection closed by peer (after 0ms in state SSL_HANDSHAKE)",
                None,
            ),
            (
                Code::BrokerTransportFailure,
                "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
                None,
            ),
            (Code::Resolve, "Failed to resolve 'kafka.invalid:9092': Name or service not known", None),
            (Code::AllBrokersDown, "1/1 brokers are down", None),
        ] {
            let reason = format!("sasl_ssl://kafka.example:9092/bootstrap: {reason}");
            assert_eq!(Trouble::classify(&KafkaError::Global(code), &reason), trouble, "{reason}");
        }
    }

    #[test]
    fn the_same_trouble_is_news_once() {
        let troubles = Troubles::default();
        let refused = KafkaError::Global(Code::Authentication);
        assert_eq!(troubles.note(&refused, "Authentication failed"), Some(Trouble::AuthenticationRefused));
        assert_eq!(troubles.note(&refused, "Authentication failed"), None);
        assert_eq!(troubles.note(&KafkaError::Global(Code::AllBrokersDown), "1/1 brokers are down"), None);
        assert_eq!(troubles.last(), Some(Trouble::AuthenticationRefused));
    }
}
