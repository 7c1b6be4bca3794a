//! The options that say where Kafka is and how to speak to it, the same in every binary. A binary flattens [`Brokers`]
//! into its own options: `#[command(flatten)] kafka: Brokers`.
//!
//! Key and secret come from the environment only, as a command line can be read by everybody on the machine.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use super::Brokers;
use super::ca::{self, NoCa};
use super::security::{Credentials, Security};

const KEY: &str = "API_KEY";
const SECRET: &str = "SECRET_KEY";
/// Where OpenSSL's own programs look for the CAs to trust.
const SYSTEM_CA: &str = "SSL_CERT_FILE";
const OUR_CA: &str = "--kafka-ca, KAFKA_CA";

#[derive(Debug, Args)]
struct Options {
    /// Where Kafka is: HOST:PORT, or several with commas between them
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    kafka: Brokers,
    /// How to speak to Kafka [default: sasl_ssl where API_KEY and SECRET_KEY are in the environment, else plaintext]
    #[arg(long, env = "KAFKA_SECURITY", value_enum, ignore_case = true, value_name = "PROTOCOL")]
    kafka_security: Option<Protocol>,
    /// The CAs to trust instead of the system's: a file of certificates in PEM
    #[arg(long, env = "KAFKA_CA", value_name = "FILE")]
    kafka_ca: Option<String>,
}

/// `security.protocol`, as far as we speak it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Protocol {
    Plaintext,
    Ssl,
    SaslSsl,
}

/// What does not fit together.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{KEY} is set and {SECRET} is not: set both, or neither")]
    NoSecret,
    #[error("{SECRET} is set and {KEY} is not: set both, or neither")]
    NoKey,
    #[error("--kafka-security sasl_ssl needs credentials: set {KEY} and {SECRET} in the environment")]
    NoCredentials,
    #[error(
        "--kafka-ca (KAFKA_CA) is of no use to a plaintext connection: add --kafka-security ssl, or {KEY} and {SECRET}"
    )]
    CaWithoutTls,
    #[error("cannot read the CAs in {file} ({from}): {source}")]
    ReadCa { file: String, from: &'static str, source: std::io::Error },
    #[error("there are no CAs in {file} ({from}): {}", problem.to_string().replace("FILE", file))]
    NoCa { file: String, from: &'static str, problem: NoCa },
}

impl Options {
    fn check(self, environment: impl Fn(&str) -> Option<String>) -> Result<Brokers, Problem> {
        let is_set = |value: &String| !value.is_empty();
        let credentials = match (environment(KEY).filter(is_set), environment(SECRET).filter(is_set)) {
            (Some(key), Some(secret)) => Some(Credentials::new(key, secret)),
            (None, None) => None,
            (Some(_), None) => return Err(Problem::NoSecret),
            (None, Some(_)) => return Err(Problem::NoKey),
        };
        let default = if credentials.is_some() { Protocol::SaslSsl } else { Protocol::Plaintext };
        let asked = self.kafka_ca.filter(is_set);
        let protocol = self.kafka_security.unwrap_or(default);
        if protocol == Protocol::Plaintext {
            return if asked.is_none() { Ok(self.kafka) } else { Err(Problem::CaWithoutTls) };
        }
        if protocol == Protocol::SaslSsl && credentials.is_none() {
            return Err(Problem::NoCredentials);
        }
        let asked = asked.map(|file| (file, OUR_CA));
        let of_system = || Some((environment(SYSTEM_CA).filter(is_set)?, SYSTEM_CA));
        let ca = asked.or_else(of_system).map(|(file, from)| readable(file, from)).transpose()?;
        let credentials = credentials.filter(|_| protocol == Protocol::SaslSsl);
        Ok(self.kafka.with_security(Security::Tls { ca, credentials }))
    }
}

fn readable(file: String, from: &'static str) -> Result<PathBuf, Problem> {
    match std::fs::read(&file).map(|bytes| ca::check(&bytes)) {
        Ok(Ok(())) => Ok(file.into()),
        Ok(Err(problem)) => Err(Problem::NoCa { file, from, problem }),
        Err(source) => Err(Problem::ReadCa { file, from, source }),
    }
}

impl Args for Brokers {
    fn augment_args(command: Command) -> Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Options::augment_args_for_update(command)
    }
}

impl FromArgMatches for Brokers {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let checked = Options::from_arg_matches(matches)?.check(|name| std::env::var(name).ok());
        checked.map_err(|problem| clap::Error::raw(ErrorKind::ValueValidation, format!("{problem}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Binary {
        #[command(flatten)]
        options: Options,
    }

    /// `security.protocol` and the CA's file, or the sentence that says what is wrong.
    fn parse(args: &[&str], environment: &[(&str, &str)]) -> Result<(&'static str, Option<PathBuf>), String> {
        let binary = Binary::try_parse_from([&["x"], args].concat()).map_err(|error| error.to_string())?;
        let find = |name: &str| {
            environment.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        };
        let brokers = binary.options.check(find).map_err(|problem| problem.to_string())?;
        let ca = match brokers.security() {
            Security::Plaintext => None,
            Security::Tls { ca, .. } => ca.clone(),
        };
        Ok((brokers.security().protocol(), ca))
    }

    const BOTH: [(&str, &str); 2] = [(KEY, "key"), (SECRET, "hunter2")];

    #[test]
    fn credentials_ask_for_tls_unless_something_else_is_said() {
        for (args, environment, protocol) in [
            (&[][..], &[][..], "plaintext"),
            (&[], &BOTH, "sasl_ssl"),
            (&[], &[(KEY, ""), (SECRET, "")], "plaintext"),
            (&["--kafka-security", "ssl"], &[], "ssl"),
            (&["--kafka-security", "SSL"], &BOTH, "ssl"),
            (&["--kafka-security", "plaintext"], &BOTH, "plaintext"),
        ] {
            assert_eq!(parse(args, environment), Ok((protocol, None)), "{args:?} {environment:?}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_said_without_the_secret() {
        for (args, environment, expected) in [
            (&[][..], &BOTH[..1], "SECRET_KEY is not"),
            (&[], &BOTH[1..], "API_KEY is not"),
            (&["--kafka-security", "sasl_ssl"], &[], "needs credentials"),
            (&["--kafka-security", "sasl_plaintext"], &[], "possible values"),
            (&["--kafka-ca", "/ca.pem"], &[], "plaintext connection"),
            (&["--kafka-ca", "/no/such/file"], &BOTH, "cannot read the CAs in /no/such/file"),
            (
                &["--kafka-ca", env!("CARGO_MANIFEST_PATH")],
                &BOTH,
                "Cargo.toml (--kafka-ca, KAFKA_CA): it holds no certificate in PEM",
            ),
        ] {
            let problem = parse(args, environment).unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn the_remedy_for_a_file_of_cas_names_the_file_and_where_it_was_given() {
        let file = std::env::temp_dir().join(format!("king-ca-{}.der", std::process::id()));
        std::fs::write(&file, b"\x30\x82\x02\xF9\x30\x82\x01\xE1").unwrap();
        let path = file.to_str().unwrap();
        let by_option = parse(&["--kafka-ca", path], &BOTH).unwrap_err();
        let by_system = parse(&[], &[BOTH[0], BOTH[1], (SYSTEM_CA, path)]).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        let remedy = format!("`openssl x509 -inform der -in {path} -out ca.pem` converts it");
        for (problem, from) in [(by_option, OUR_CA), (by_system, SYSTEM_CA)] {
            assert!(problem.starts_with(&format!("there are no CAs in {path} ({from}): ")), "{problem}");
            assert!(problem.ends_with(&remedy), "{problem}");
        }
    }
}
