//! How a connection to Kafka is secured: not at all, by TLS, or by TLS with a key and its secret (SASL PLAIN).
//!
//! There is no SASL without TLS here: PLAIN sends the secret as it is.

use std::fmt;
use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;

/// How every connection is secured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Not at all: a Kafka on this machine, or in a network of its own.
    #[default]
    Plaintext,
    /// By TLS; the broker's certificate must be trusted and made out to the host name that was asked for.
    Tls {
        /// A file with the certificates of the CAs to trust, in PEM; `None`: those that the system trusts.
        ca: Option<PathBuf>,
        /// Who we are; `None` where the broker does not ask.
        credentials: Option<Credentials>,
    },
}

/// A key and its secret, which nothing prints.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    key: String,
    secret: String,
}

impl Credentials {
    /// For SASL PLAIN: user name and password.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key: key.into(), secret: secret.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Security {
    /// As Kafka spells it in `security.protocol`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls { credentials: None, .. } => "ssl",
            Self::Tls { credentials: Some(_), .. } => "sasl_ssl",
        }
    }

    pub(super) fn to_args(&self) -> Vec<String> {
        let mut args = vec!["--kafka-security".to_owned(), self.protocol().to_owned()];
        if let Self::Tls { ca: Some(ca), .. } = self {
            args.extend(["--kafka-ca".to_owned(), text(ca)]);
        }
        args
    }

    pub(super) fn configure(&self, config: &mut ClientConfig) {
        let Self::Tls { ca, credentials } = self else { return };
        config
            .set("security.protocol", self.protocol())
            // An OpenSSL that librdkafka carries itself does not know this system's store: `probe` looks for it.
            .set("ssl.ca.location", ca.as_deref().map_or_else(|| "probe".to_owned(), text))
            .set("ssl.endpoint.identification.algorithm", "https");
        if let Some(Credentials { key, secret }) = credentials {
            config.set("sasl.mechanisms", "PLAIN").set("sasl.username", key).set("sasl.password", secret);
        }
    }
}

/// librdkafka and our own options take paths as text; [`super::args`] accepts no others.
fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Brokers;
    use crate::client::base;

    fn brokers() -> Brokers {
        let credentials = Some(Credentials::new("key", "hunter2"));
        let security = Security::Tls { ca: Some("/ca.pem".into()), credentials };
        "kafka.example:9092".parse::<Brokers>().unwrap().with_security(security)
    }

    #[test]
    fn a_client_verifies_the_chain_and_the_name_and_says_who_it_is() {
        let config = base(&brokers(), "test");
        for (name, value) in [
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", "/ca.pem"),
            ("ssl.endpoint.identification.algorithm", "https"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "key"),
            ("sasl.password", "hunter2"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn neither_debug_output_nor_a_command_line_has_the_secret() {
        let args = ["--kafka", "kafka.example:9092", "--kafka-security", "sasl_ssl", "--kafka-ca", "/ca.pem"];
        assert_eq!(brokers().to_args(), args);
        for text in [format!("{:?}", brokers()), brokers().to_string()] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
