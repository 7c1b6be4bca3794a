//! A Kafka that somebody else runs: the options that name it, and whether it is there.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::http;

/// Which Kafka to use, and how to speak to it; our programs take the same options and check them.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Existing {
    /// Use this Kafka instead of starting one
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// How to speak to it: plaintext, ssl or sasl_ssl [default: sasl_ssl where API_KEY and SECRET_KEY are in the
    /// environment]
    #[arg(long, env = "KAFKA_SECURITY", value_name = "PROTOCOL")]
    kafka_security: Option<String>,
    /// The CAs to trust instead of the system's: a file of certificates in PEM
    #[arg(long, env = "KAFKA_CA", value_name = "FILE")]
    kafka_ca: Option<PathBuf>,
}

impl Existing {
    /// The addresses that were asked for, if any were.
    pub(super) fn brokers(&self) -> Option<&str> {
        self.kafka.as_deref().filter(|brokers| !brokers.is_empty())
    }

    /// The options for our programs. Key and secret are theirs by the environment.
    pub(super) fn to_args(&self) -> Result<Vec<String>> {
        let mut args = vec!["--kafka".to_owned(), self.brokers().unwrap_or_default().to_owned()];
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        if let Some(security) = self.kafka_security.as_ref().filter(|security| !security.is_empty()) {
            option("--kafka-security", security.clone());
        }
        if let Some(ca) = self.kafka_ca.as_ref().filter(|ca| !ca.as_os_str().is_empty()) {
            option("--kafka-ca", std::path::absolute(ca)?.to_string_lossy().into_owned());
        }
        Ok(args)
    }

    /// An error, with a remedy, when nobody is there. What TLS and credentials are worth is only known to our programs.
    pub(super) fn check(&self) -> Result<()> {
        let brokers = self.brokers().unwrap_or_default();
        let ask = if self.is_plaintext() { http::kafka_answers } else { http::listens };
        let mut problems = Vec::new();
        for address in brokers.split(',').map(str::trim) {
            match ask(address) {
                Ok(()) => return Ok(()),
                Err(problem) => problems.push(format!("{address}: {problem}")),
            }
        }
        bail!(
            "No Kafka answers at {brokers} ({}): start it, correct `--kafka` (or KAFKA_BROKERS), or leave it out to have one started for you.",
            problems.join("; ")
        )
    }

    fn is_plaintext(&self) -> bool {
        match self.kafka_security.as_deref() {
            None | Some("") => std::env::var_os("API_KEY").is_none_or(|key| key.is_empty()),
            Some(security) => security.eq_ignore_ascii_case("plaintext"),
        }
    }
}
