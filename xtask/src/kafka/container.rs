//! The official image in Docker or Podman, where there is no Java. Its data is a volume that is named after the demo's
//! directory.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::{BrokerCommand, Listeners, VERSION};
use crate::{console, tool};

/// Where the image keeps data that outlives the container.
const DATA: &str = "/var/lib/kafka/data";

/// A container engine that runs.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    program: PathBuf,
    name: &'static str,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Engine {
    /// Docker or Podman, whichever answers; else why not.
    pub(super) fn find() -> Result<Self, String> {
        let mut installed = None;
        for name in ["docker", "podman"] {
            let Some(program) = tool::find(&[name]) else { continue };
            if tool::output(Command::new(&program).arg("info")).is_some() {
                return Ok(Self { program, name });
            }
            installed.get_or_insert(name);
        }
        Err(installed.map_or_else(
            || "neither docker nor podman is installed".to_owned(),
            |name| format!("{name} is installed but does not run"),
        ))
    }

    /// The broker in a container of its own, which is removed at its end.
    pub(super) fn broker(&self, directory: &Path, listeners: &Listeners) -> Result<BrokerCommand> {
        let name = container(directory);
        self.remove(&name);
        let image = format!("docker.io/apache/kafka:{VERSION}");
        if tool::output(Command::new(&self.program).args(["image", "inspect", &image])).is_none() {
            let _waiting = console::Waiting::on(format!("fetching the image {image}"));
            tool::quiet(Command::new(&self.program).args(["pull", &image]), &directory.join("pull.log"))?;
        }
        let mut arguments: Vec<OsString> = ["run", "--rm", "--name", &name].map(OsString::from).to_vec();
        for port in listeners.client_ports() {
            arguments.extend(["--publish".into(), format!("{}:{port}:{port}", listeners.host).into()]);
        }
        arguments.extend(["--volume".into(), format!("{name}:{DATA}").into()]);
        arguments.extend(["--env".into(), "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m".into()]);
        for variable in environment(&format!(
            "{}log.dirs={DATA}/logs\n",
            listeners.settings(Ipv4Addr::UNSPECIFIED.into())
        )) {
            arguments.extend(["--env".into(), variable.into()]);
        }
        arguments.push(image.into());
        // Killing the engine's client does not end the container.
        let finally = [&*self.program.to_string_lossy(), "rm", "--force", &name].map(str::to_owned).to_vec();
        Ok(BrokerCommand { program: self.program.clone(), arguments, finally })
    }

    /// Forgets the data of the demo in a directory.
    pub(super) fn forget(&self, directory: &Path) {
        let name = container(directory);
        self.remove(&name);
        let _ = tool::output(Command::new(&self.program).args(["volume", "rm", "--force", &name]));
    }

    fn remove(&self, name: &str) {
        let _ = tool::output(Command::new(&self.program).args(["rm", "--force", name]));
    }
}

/// Container and volume have the same name, one for each demo directory.
fn container(directory: &Path) -> String {
    let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("king-of-scaling-{digest}")
}

/// The image takes its settings from variables: `log.dirs` is `KAFKA_LOG_DIRS`.
fn environment(settings: &str) -> Vec<String> {
    let lines = settings.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| format!("KAFKA_{}={value}", name.to_uppercase().replace('.', "_")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_variables() {
        assert_eq!(environment("# why\nlog.dirs=/x\nnode.id=1\n"), ["KAFKA_LOG_DIRS=/x", "KAFKA_NODE_ID=1"]);
    }
}
