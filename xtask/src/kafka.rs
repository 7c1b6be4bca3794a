//! The demo's Kafka: one that exists, Apache Kafka from its published jars, or its official image in a container.

mod container;
mod jars;
mod java;

use std::path::Path;
use std::sync::mpsc::Sender;

use anyhow::{Context, Result, bail};

use crate::prerequisites::{Consent, Packages};
use crate::service::{Event, Service};
use crate::workspace::Workspace;
use crate::{console, http, port, tool};

use container::Engine;
use java::Java;

/// The release that is started; the pom says the same.
const VERSION: &str = "4.3.1";

/// The broker's settings; listeners and paths are added when it starts.
const SETTINGS: &str = include_str!("../../deploy/kafka/server.properties");

/// The service's name.
pub(crate) const NAME: &str = "kafka";

/// Where Kafka comes from on this machine.
pub(crate) enum Source {
    /// A Kafka that somebody else runs.
    Existing(String),
    /// The published jars.
    Jars(Java),
    /// The official image.
    Container(Engine),
}

/// A Kafka that was started, or found.
pub(crate) struct Broker {
    /// Bootstrap servers.
    pub address: String,
    /// Its process, if it is ours.
    pub service: Option<Service>,
}

impl Source {
    /// The Kafka that was asked for, or else the best that this machine can run.
    pub(crate) fn choose(workspace: &Workspace, asked: Option<&str>, consent: Consent) -> Result<Self> {
        if let Some(address) = asked {
            check_existing(address)?;
            return Ok(Self::Existing(address.to_owned()));
        }
        let missing = match usable_java(workspace) {
            Ok(java) => return Ok(Self::Jars(java)),
            Err(missing) => missing,
        };
        let no_engine = match Engine::find() {
            Ok(engine) => {
                console::step(format_args!("{missing}: using {engine} and the official image"));
                return Ok(Self::Container(engine));
            }
            Err(reason) => reason,
        };
        let packages = java_packages();
        if packages.offer(&missing, consent)? {
            return usable_java(workspace).map(Self::Jars).map_err(anyhow::Error::msg);
        }
        let how = packages.command().map_or_else(String::new, |words| format!(" (`{}`)", words.join(" ")));
        bail!(
            "Kafka cannot be started here: {missing}, and {no_engine}. Install Java 17 or newer and Maven{how}, or start Docker or Podman, or \
             name a Kafka that you have with `--kafka HOST:PORT`."
        )
    }

    /// Starts it, with its data and log in `directory`. It may take some seconds more to answer.
    pub(crate) fn start(
        self,
        workspace: &Workspace,
        directory: &Path,
        events: &Sender<Event>,
    ) -> Result<Broker> {
        if let Self::Existing(address) = self {
            return Ok(Broker { address, service: None });
        }
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let ports = Ports { broker: port::free()?, controller: port::free()? };
        let command = match self {
            Self::Jars(java) => java.broker(workspace, directory, ports)?,
            Self::Container(engine) => engine.broker(directory, ports)?,
            Self::Existing(_) => bail!("nothing to start"),
        };
        let lock = directory.join("lock").to_string_lossy().into_owned();
        let mut service = Service::new(NAME, directory.join("broker.log"), move || {
            // On our sudden end the others get a second to leave their groups before the broker goes.
            let options = ["--announce", "--lock", &lock, "--linger-ms", "1000"];
            let finally: Vec<&str> =
                command.finally.iter().flat_map(|word| ["--finally", word.as_str()]).collect();
            tool::guarded(&command.run(), &[&options[..], &finally].concat())
        })?;
        service.start(events)?;
        Ok(Broker { address: ports.address(), service: Some(service) })
    }

    /// Forgets the data of former starts.
    pub(crate) fn forget(&self, directory: &Path) -> Result<()> {
        if let Self::Existing(address) = self {
            console::step(format_args!(
                "leaving the data in the Kafka at {address} alone: it is not this demo's to forget"
            ));
        }
        if let Self::Container(engine) = self {
            engine.forget(directory);
        }
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", directory.display()))
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Existing(address) => write!(f, "the Kafka at {address}"),
            Self::Jars(java) => write!(f, "Apache Kafka {VERSION} on Java {}", java.version),
            Self::Container(engine) => write!(f, "Apache Kafka {VERSION} in {engine}"),
        }
    }
}

/// The broker's two ports, on this machine's loopback only.
#[derive(Debug, Clone, Copy)]
struct Ports {
    broker: u16,
    controller: u16,
}

impl Ports {
    fn address(self) -> String {
        format!("127.0.0.1:{}", self.broker)
    }

    /// The settings that depend on the ports, for a broker that listens at `bind`.
    fn settings(self, bind: &str) -> String {
        let Self { broker, controller } = self;
        format!(
            "{SETTINGS}\
             listeners=PLAINTEXT://{bind}:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n"
        )
    }
}

/// A way to run the broker again and again: it may die and is started anew.
struct BrokerCommand {
    program: std::path::PathBuf,
    arguments: Vec<std::ffi::OsString>,
    /// What to run after its end.
    finally: Vec<String>,
}

impl BrokerCommand {
    fn run(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

fn check_existing(brokers: &str) -> Result<()> {
    let mut problems = Vec::new();
    for address in brokers.split(',').map(str::trim) {
        match http::kafka_answers(address) {
            Ok(()) => return Ok(()),
            Err(problem) => problems.push(format!("{address}: {problem}")),
        }
    }
    bail!(
        "No Kafka answers at {brokers} ({}): start it, correct `--kafka` (or KAFKA_BROKERS), or leave it out to have one started for you.",
        problems.join("; ")
    )
}

fn usable_java(workspace: &Workspace) -> Result<Java, String> {
    let java = Java::find()?;
    if tool::find(&["mvn"]).is_none() && !jars::are_there(workspace) {
        return Err("mvn (Maven), which fetches Kafka's jars, is missing".to_owned());
    }
    Ok(java)
}

/// What to install for Kafka. Debian's default Java is new enough, Ubuntu's is not before 24.04: name a version where it is known.
fn java_packages() -> Packages {
    const DEFAULT: Packages =
        Packages { apt: &["default-jre-headless", "maven"], brew: &["openjdk", "maven"] };
    const NAMED: Packages =
        Packages { apt: &["openjdk-21-jre-headless", "maven"], brew: &["openjdk", "maven"] };
    let known =
        tool::output(std::process::Command::new("apt-cache").args(["show", "openjdk-21-jre-headless"]));
    if known.is_some_and(|text| text.contains("Version:")) { NAMED } else { DEFAULT }
}
