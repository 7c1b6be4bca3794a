//! The running demo: where it is, how to present, and which processes it consists of.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use kafka::Brokers;
use serde::Deserialize;

/// Which demo to measure; `cargo xtask bench` sets these.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// The demo's address, for example `http://127.0.0.1:8930`
    #[arg(long, env = "KING_URL", global = true)]
    url: Option<String>,
    /// The presenter's passcode
    #[arg(long, env = "KING_PASSCODE", hide_env_values = true, global = true)]
    passcode: Option<String>,
    /// The demo's `status.json`
    #[arg(long, env = "KING_STATUS", global = true)]
    status: Option<PathBuf>,
}

/// A running demo on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Demo {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
    /// What a presenter types.
    pub(crate) passcode: String,
    status: PathBuf,
}

/// What a demo says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    /// The show, for this machine.
    pub(crate) url: String,
    kafka: String,
    #[serde(default)]
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Deserialize)]
struct Service {
    pid: u32,
}

impl DemoArgs {
    /// The demo, if it is on this machine.
    pub(crate) fn open(&self) -> Result<Demo> {
        const REMEDY: &str = "run it as `cargo xtask bench NAME`, which starts a demo and sets it";
        let url = self.url.as_deref().with_context(|| format!("KING_URL is not set: {REMEDY}"))?;
        let passcode =
            self.passcode.clone().with_context(|| format!("KING_PASSCODE is not set: {REMEDY}"))?;
        let status = self.status.clone().with_context(|| format!("KING_STATUS is not set: {REMEDY}"))?;
        let url = url.trim_end_matches('/').to_owned();
        let address = url.strip_prefix("http://").context("KING_URL does not begin with http://")?;
        ensure_local(address)?;
        Ok(Demo { url, passcode, status })
    }
}

impl Demo {
    /// What it says of itself now: processes change when one of them is started again.
    pub(crate) fn status(&self) -> Result<Status> {
        Status::read(&self.status)
    }

    /// Its Kafka, if that is on this machine.
    pub(crate) fn brokers(&self) -> Result<Brokers> {
        let address = self.status()?.kafka;
        ensure_local(&address)?;
        Ok(address.parse()?)
    }
}

impl Status {
    /// Reads a `status.json`.
    pub(crate) fn read(file: &std::path::Path) -> Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no status of a demo", file.display()))
    }

    /// The process of a service: `server`, `datagen`.
    pub(crate) fn pid(&self, service: &str) -> Result<u32> {
        let found =
            self.services.get(service).with_context(|| format!("the demo has no service {service}"))?;
        Ok(found.pid)
    }
}

/// No load of ours ever leaves this machine.
pub(crate) fn ensure_local(address: &str) -> Result<()> {
    let mut found = address.to_socket_addrs().with_context(|| format!("{address} is not HOST:PORT"))?;
    ensure!(
        found.all(|socket| IpAddr::is_loopback(&socket.ip())),
        "{address} is not on this machine: only a local demo is measured"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_put_under_load() {
        assert!(ensure_local("127.0.0.1:8930").is_ok());
        assert!(ensure_local("192.0.2.7:8930").is_err());
        assert!(ensure_local("127.0.0.1").is_err());
    }

    #[test]
    fn a_status_names_processes() {
        let status: Status = serde_json::from_str(
            r#"{"pid": 1, "url": "http://127.0.0.1:1", "network_url": null, "passcode": "x", "kafka": "127.0.0.1:2",
                "services": {"server": {"pid": 7, "guarded_pid": null, "admin": null, "starts": 1}}}"#,
        )
        .unwrap();
        assert_eq!(status.pid("server").unwrap(), 7);
        assert!(status.pid("datagen").is_err());
    }
}
