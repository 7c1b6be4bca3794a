//! Who we are to a registry: what `docker login` or a credential helper knows. Nothing of it is printed.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;

/// A name and a password, encoded as `Basic` wants them.
pub(super) struct Credentials(String);

impl Credentials {
    /// Those of a name and a password.
    pub(super) fn new(name: &str, password: &str) -> Self {
        Self(BASE64_STANDARD.encode(format!("{name}:{password}")))
    }

    /// The header's value.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", self.0)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Login>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Login {
    auth: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Those for a host, if docker's configuration has any.
pub(super) fn of(host: &str) -> Result<Option<Credentials>> {
    let Some(file) = file() else { return Ok(None) };
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        // Nobody has logged in anywhere.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let config: Config =
        serde_json::from_slice(&text).with_context(|| format!("cannot read {}", file.display()))?;
    if let Some(helper) = config.cred_helpers.get(host).or(config.creds_store.as_ref()) {
        return ask(helper, host);
    }
    let login = [host.to_owned(), format!("https://{host}")]
        .iter()
        .find_map(|name| config.auths.get(name)?.auth.clone());
    Ok(login.map(Credentials))
}

fn file() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

/// Asks a credential helper: the host goes in, a name and a secret come out.
fn ask(helper: &str, host: &str) -> Result<Option<Credentials>> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}, which docker's configuration names"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(host.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        // It says so on standard output, and means that nobody is logged in there.
        if String::from_utf8_lossy(&output.stdout).contains("not found") {
            return Ok(None);
        }
        bail!("{program} fails");
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).with_context(|| format!("cannot read what {program} says"))?;
    Ok(Some(Credentials::new(&answer.username, &answer.secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_configuration_is_read() {
        let text = r#"{"auths": {"registry.example.com": {"auth": "bWU6dGlnZXI="}}, "credHelpers": {"europe-docker.pkg.dev": "gcloud"}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(config.auths["registry.example.com"].auth.as_deref(), Some("bWU6dGlnZXI="));
        assert_eq!(config.cred_helpers["europe-docker.pkg.dev"], "gcloud");
    }
}
