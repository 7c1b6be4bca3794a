//! Where the schema registry is, and who we are to it.

use std::fmt;

use reqwest::Url;

use super::Error;

const KEY: &str = "SCHEMA_REGISTRY_KEY";
const SECRET: &str = "SCHEMA_REGISTRY_SECRET";

/// The option of every binary that reads or writes records. Credentials come from the environment only
/// (`SCHEMA_REGISTRY_KEY` and `SCHEMA_REGISTRY_SECRET`): a command line can be seen by everybody on a machine.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RegistryArgs {
    /// The schema registry; without one, records name their schemas by fingerprints
    // Checked later: clap would repeat a wrong value, and with it a password.
    #[arg(long = "schema-registry", env = "SCHEMA_REGISTRY", hide_env_values = true, value_name = "URL")]
    address: Option<String>,
}

impl RegistryArgs {
    /// Checks the address, and takes the credentials from the environment; `None` when there is no registry.
    ///
    /// # Errors
    /// [`Error::ParseAddress`] or [`Error::HalfCredentials`]: a sentence without the value.
    pub fn check(&self) -> Result<Option<RegistryConfig>, Error> {
        self.check_with(|name| std::env::var(name).ok())
    }

    fn check_with(
        &self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<RegistryConfig>, Error> {
        let Some(address) = self.address.as_deref().filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        let variable = |name| environment(name).filter(|value| !value.is_empty());
        let credentials = match (variable(KEY), variable(SECRET)) {
            (Some(key), Some(secret)) => Some(Credentials { key, secret }),
            (None, None) => None,
            _ => return Err(Error::HalfCredentials),
        };
        RegistryConfig::new(address, credentials).map(Some)
    }
}

/// A schema registry and our credentials, checked.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    pub(super) address: Url,
    pub(super) credentials: Option<Credentials>,
}

/// A key and its secret, for HTTP's basic authentication.
#[derive(Clone)]
pub struct Credentials {
    /// Who we are.
    pub key: String,
    /// What proves it; never shown.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials")
    }
}

impl RegistryConfig {
    /// Checks an address: `http` or `https`, a host, perhaps a port and a path, and nothing that may be secret.
    ///
    /// # Errors
    /// [`Error::ParseAddress`], without the address.
    pub fn new(address: &str, credentials: Option<Credentials>) -> Result<Self, Error> {
        // A comma may be part of a host or a path for a URL's parser, and then nobody ever answers there.
        if address.contains(',') {
            return Err(Error::ParseAddress("it is several: give one address"));
        }
        let parsed = address.parse::<Url>().map_err(|_| Error::ParseAddress("it is no URL"))?;
        match problem_of(&parsed) {
            Some(problem) => Err(Error::ParseAddress(problem)),
            None => Ok(Self { address: parsed, credentials }),
        }
    }

    /// The address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_str()
    }
}

fn problem_of(address: &Url) -> Option<&'static str> {
    if !matches!(address.scheme(), "http" | "https") {
        return Some("its scheme is neither http nor https");
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Some(
            "credentials do not belong into an address: set SCHEMA_REGISTRY_KEY and SCHEMA_REGISTRY_SECRET",
        );
    }
    (address.query().is_some() || address.fragment().is_some()).then_some("it has a query or a fragment")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        registry: RegistryArgs,
    }

    fn check(address: &str, environment: &[(&str, &str)]) -> Result<Option<RegistryConfig>, Error> {
        let program = Program::try_parse_from(["x", "--schema-registry", address]).unwrap();
        program.registry.check_with(|name| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_address_with_or_without_credentials_is_taken() {
        let plain = check("http://localhost:8081", &[(KEY, ""), (SECRET, "")]).unwrap().unwrap();
        assert_eq!(plain.address(), "http://localhost:8081/");
        assert!(plain.credentials.is_none());
        let cloud =
            check("https://king.example/apis/v7", &[(KEY, "me"), (SECRET, "tiger")]).unwrap().unwrap();
        assert_eq!(cloud.credentials.as_ref().unwrap().secret, "tiger");
        assert!(!format!("{cloud:?}").contains("tiger"));
        assert!(check("", &[]).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (address, says) in [
            ("king.example:8081", "neither http nor https"),
            ("not an address", "no URL"),
            ("ftp://king.example", "neither http nor https"),
            ("https://me:tiger@king.example", "SCHEMA_REGISTRY_KEY"),
            ("https://tiger@king.example", "SCHEMA_REGISTRY_KEY"),
            ("https://king.example?token=tiger", "a query"),
            ("http://king.example:8081,http://queen.example:8081", "give one address"),
            ("king.example:8081,queen.example:8081", "give one address"),
            ("https://me:tiger@king.example,https://queen.example", "give one address"),
        ] {
            let error = check(address, &[]).unwrap_err();
            assert!(error.to_string().contains(says) && !error.is_retryable(), "{error}");
            assert!(!error.to_string().contains("tiger"), "{error}");
        }
        let half = check("http://localhost:8081", &[(KEY, "me")]).unwrap_err();
        assert!(matches!(half, Error::HalfCredentials));
    }
}
