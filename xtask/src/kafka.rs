//! The demo's Kafka: one that exists, Apache Kafka from its published jars, or its official image in a container.

mod access;
mod container;
mod existing;
mod jars;
mod java;
mod proxied;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use anyhow::{Context, Result, bail};

use crate::prerequisites::{Consent, Packages};
use crate::service::{Event, Service};
use crate::workspace::Workspace;
use crate::{console, port, tool};

use container::Engine;
use java::Java;

pub(crate) use access::Access;
#[cfg(feature = "whole")]
pub(crate) use access::forget;
pub(crate) use existing::Existing;
pub(crate) use proxied::Proxied;
pub(crate) use tls::Tls;

/// The release that is started; the pom says the same.
const VERSION: &str = "4.3.1";

/// The broker's settings; listeners and paths are added when it starts.
const SETTINGS: &str = include_str!("../../deploy/kafka/server.properties");

/// The service's name.
pub(crate) const NAME: &str = "kafka";

/// Where Kafka comes from on this machine.
pub(crate) enum Source {
    /// A Kafka that somebody else runs.
    Existing(Existing),
    /// The published jars.
    Jars(Java),
    /// The official image.
    Container(Engine),
}

/// A Kafka that was started, or found.
pub(crate) struct Broker {
    /// How to reach it.
    pub access: Access,
    /// Its process, if it is ours.
    pub service: Option<Service>,
}

impl Source {
    /// The Kafka that was asked for, or else the best that this machine can run.
    pub(crate) fn choose(workspace: &Workspace, asked: Option<&Existing>, consent: Consent) -> Result<Self> {
        if let Some(existing) = asked.filter(|existing| existing.brokers().is_some()) {
            existing.check()?;
            return Ok(Self::Existing(existing.clone()));
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

    /// Fetches what it needs of the network to be started by itself; a container engine starts it elsewhere.
    pub(crate) fn fetch(&self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Jars(_) => jars::fetch(workspace).map(drop),
            _ => bail!("Kafka has to run as a process here: install Java 17 or newer and Maven."),
        }
    }

    /// Starts it, at an address or else at a free port of the loopback, with its data and log in `directory`, and with
    /// more listeners if it is for tests. It may take some seconds more to answer.
    pub(crate) fn start(
        self,
        workspace: &Workspace,
        directory: &Path,
        at: Option<SocketAddr>,
        more: Option<TestListeners>,
        events: &Sender<Event>,
    ) -> Result<Broker> {
        if let Self::Existing(existing) = &self {
            let address = existing.brokers().unwrap_or_default().to_owned();
            return Ok(Broker {
                access: Access::Existing { address, args: existing.to_args()? },
                service: None,
            });
        }
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let (host, broker) = match at {
            Some(address) => (address.ip(), address.port()),
            None => (Ipv4Addr::LOCALHOST.into(), port::free()?),
        };
        let listeners = Listeners { host, broker, controller: port::free()?, more };
        let command = match self {
            Self::Jars(java) => java.broker(workspace, directory, &listeners)?,
            Self::Container(engine) => engine.broker(directory, &listeners)?,
            Self::Existing(_) => bail!("nothing to start"),
        };
        let lock = pid_file(directory).to_string_lossy().into_owned();
        let mut service = Service::new(NAME, directory.join("broker.log"), move || {
            // On our sudden end the others get a second to leave their groups before the broker goes.
            let options = ["--announce", "--lock", &lock, "--linger-ms", "1000"];
            let finally: Vec<&str> =
                command.finally.iter().flat_map(|word| ["--finally", word.as_str()]).collect();
            tool::guarded(&command.run(), &[&options[..], &finally].concat())
        })?;
        service.start(events)?;
        Ok(Broker { access: Access::Ours { address: listeners.address() }, service: Some(service) })
    }

    /// Forgets the data of former starts.
    pub(crate) fn forget(&self, directory: &Path) -> Result<()> {
        if let Self::Existing(_) = self {
            console::step(format_args!("leaving the data in {self} alone: it is not this demo's to forget"));
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

/// The file that has the id of the broker's process while it runs, for a broker with its data in `directory`. For a
/// container it is that of the engine's client, whose end takes the container along.
pub(crate) fn pid_file(directory: &Path) -> PathBuf {
    directory.join("lock")
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Existing(existing) => write!(f, "the Kafka at {}", existing.brokers().unwrap_or_default()),
            Self::Jars(java) => write!(f, "Apache Kafka {VERSION} on Java {}", java.version),
            Self::Container(engine) => write!(f, "Apache Kafka {VERSION} in {engine}"),
        }
    }
}

/// What else a broker listens to for tests.
#[derive(Debug, Clone)]
pub(crate) struct TestListeners {
    /// As a managed Kafka does.
    pub tls: Tls,
    /// For clients that come through a proxy.
    pub proxied: Proxied,
}

impl TestListeners {
    fn ports(&self) -> [u16; 2] {
        [self.tls.port(), self.proxied.port()]
    }

    /// As `listeners` wants them.
    fn listeners(&self, bind: IpAddr) -> String {
        format!("{}{}", self.tls.listener(&bind.to_string()), self.proxied.listener(bind))
    }

    /// As `advertised.listeners` wants them.
    fn advertised(&self) -> String {
        format!("{}{}", self.tls.listener("localhost"), self.proxied.advertised())
    }
}

/// Where the broker listens.
#[derive(Debug, Clone)]
struct Listeners {
    /// Where clients find it; the controller and the tests' listeners stay on the loopback.
    host: IpAddr,
    broker: u16,
    controller: u16,
    more: Option<TestListeners>,
}

impl Listeners {
    fn address(&self) -> String {
        SocketAddr::new(self.host, self.broker).to_string()
    }

    /// The ports of those that clients use.
    fn client_ports(&self) -> impl Iterator<Item = u16> {
        std::iter::once(self.broker).chain(self.more.iter().flat_map(TestListeners::ports))
    }

    /// The settings that depend on the listeners, for a broker that listens at `bind`.
    fn settings(&self, bind: IpAddr) -> String {
        let Self { host, broker, controller, more } = self;
        let of_more = |text: &dyn Fn(&TestListeners) -> String| more.as_ref().map_or_else(String::new, text);
        format!(
            "{SETTINGS}\
             listeners=PLAINTEXT://{bind}:{broker},CONTROLLER://127.0.0.1:{controller}{}\n\
             advertised.listeners=PLAINTEXT://{host}:{broker}{}\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n{}",
            of_more(&|more| more.listeners(bind)),
            of_more(&TestListeners::advertised),
            of_more(&|more| more.tls.settings())
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

fn usable_java(workspace: &Workspace) -> Result<Java, String> {
    let java = Java::find()?;
    if tool::find(&["mvn"]).is_none() && !jars::are_there(workspace) {
        return Err("mvn (Maven), which fetches Kafka's jars, is missing".to_owned());
    }
    Ok(java)
}

/// A Java for another program than Kafka, with Maven unless that program was fetched before; installed if that is
/// agreed to.
pub(crate) fn java_with_maven(fetched: bool, consent: Consent) -> Result<PathBuf> {
    let find = || {
        let java = Java::find()?;
        let maven = fetched || tool::find(&["mvn"]).is_some();
        if maven { Ok(java.program) } else { Err("mvn (Maven) is missing".to_owned()) }
    };
    if let Err(missing) = find() {
        java_packages().offer(&missing, consent)?;
    }
    find().map_err(|missing| anyhow::anyhow!("{missing}: install Java 17 or newer and Maven"))
}

/// The Java that runs Kafka's programs, and the folder of its jars; a container has neither.
pub(crate) fn java_and_jars(workspace: &Workspace) -> Result<(PathBuf, PathBuf)> {
    let java = usable_java(workspace).map_err(|missing| {
        anyhow::anyhow!("{missing}: what ours is compared with needs Java 17 or newer and Maven")
    })?;
    Ok((java.program, jars::fetch(workspace)?))
}

/// What to install for Kafka. Debian's default Java is new enough, Ubuntu's is not before 24.04: name a version where
/// it is known.
fn java_packages() -> Packages {
    const DEFAULT: Packages =
        Packages { apt: &["default-jre-headless", "maven"], brew: &["openjdk", "maven"] };
    const NAMED: Packages =
        Packages { apt: &["openjdk-21-jre-headless", "maven"], brew: &["openjdk", "maven"] };
    let known =
        tool::output(std::process::Command::new("apt-cache").args(["show", "openjdk-21-jre-headless"]));
    if known.is_some_and(|text| text.contains("Version:")) { NAMED } else { DEFAULT }
}
