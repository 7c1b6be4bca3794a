//! Where Kafka is, and how to speak to it.

use std::fmt;
use std::str::FromStr;

use super::security::Security;
use crate::error::Error;

/// The brokers to begin with: one or more `HOST:PORT`, checked when parsed, and the security of every connection to
/// them. Parsed from text alone it is plaintext; [`clap`](super::args) adds what the options and the environment say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Brokers {
    addresses: String,
    security: Security,
}

impl Brokers {
    /// The same brokers, spoken to in another way.
    #[must_use]
    pub fn with_security(self, security: Security) -> Self {
        Self { security, ..self }
    }

    /// As librdkafka's `bootstrap.servers` wants it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.addresses
    }

    /// Each `HOST:PORT`.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.split(',')
    }

    /// How to speak to them.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The options with which another program of ours speaks to the same Kafka. Credentials are not among them: it
    /// inherits those with the environment, and no command line ever holds them.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec!["--kafka".to_owned(), self.addresses.clone()];
        args.extend(self.security.to_args());
        args
    }
}

impl fmt::Display for Brokers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.addresses)
    }
}

impl FromStr for Brokers {
    type Err = Error;

    fn from_str(address: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = address.split(',').map(str::trim).collect();
        match parts.iter().find_map(|part| problem_of(part)) {
            Some(problem) => Err(Error::ParseBrokers { address: address.to_owned(), problem }),
            None => Ok(Self { addresses: parts.join(","), security: Security::Plaintext }),
        }
    }
}

/// What is wrong with one `HOST:PORT`, if anything is.
fn problem_of(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("it is empty");
    }
    if part.contains("://") {
        return Some("it has a scheme");
    }
    let Some((host, port)) = part.rsplit_once(':') else { return Some("the port is missing") };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map_or(host, |inner| inner);
    if host.is_empty() {
        return Some("the host is missing");
    }
    if host.chars().any(|c| c.is_whitespace() || matches!(c, '/' | '@' | '[' | ']')) {
        return Some("the host has a character that no host has");
    }
    match port.parse::<u16>() {
        Ok(1..) => None,
        _ => Some("the port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Result<&str, &str>) {
        let parsed = address.parse::<Brokers>();
        match expected {
            Ok(brokers) => assert_eq!(parsed.unwrap().as_str(), brokers, "{address}"),
            Err(problem) => {
                let message = parsed.unwrap_err().to_string();
                assert!(message.contains(problem), "{address}: {message}");
            }
        }
    }

    #[test]
    fn an_address_is_host_and_port() {
        check("127.0.0.1:9092", Ok("127.0.0.1:9092"));
        check("[::1]:9092", Ok("[::1]:9092"));
        check("one.example:9092, two.example:9093", Ok("one.example:9092,two.example:9093"));
    }

    #[test]
    fn a_bad_address_is_told_what_is_wrong_with_it() {
        check("", Err("empty"));
        check("a:1,", Err("empty"));
        check("kafka", Err("port is missing"));
        check(":9092", Err("host is missing"));
        check("kafka:0", Err("port is not a number"));
        check("kafka:99999", Err("port is not a number"));
        check("http://kafka:9092", Err("scheme"));
        check("kaf ka:9092", Err("character"));
    }
}
