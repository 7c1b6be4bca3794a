//! A Java that can run Kafka, and the broker as a Java program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{BrokerCommand, Listeners, jars};
use crate::workspace::Workspace;
use crate::{console, tool};

/// Kafka 4 needs this one.
const OLDEST: u32 = 17;

/// Enough for the demo's load with room to spare; the serial collector needs the least memory and no threads of its
/// own.
const JVM: [&str; 4] = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"];

/// A Java that is new enough.
#[derive(Debug, Clone)]
pub(crate) struct Java {
    /// Its file.
    pub program: PathBuf,
    /// Its feature release: 17, 21, ...
    pub version: u32,
}

impl Java {
    /// The first Java that is new enough; else what is wrong.
    pub(super) fn find() -> Result<Self, String> {
        let mut newest = None;
        for program in candidates() {
            let Some(version) =
                tool::output(Command::new(&program).arg("-version")).as_deref().and_then(feature_release)
            else {
                continue;
            };
            if version >= OLDEST {
                return Ok(Self { program, version });
            }
            newest = newest.max(Some(version));
        }
        Err(match newest {
            Some(version) => format!("Java {version} is too old for Kafka {}", super::VERSION),
            None => "Java is missing".to_owned(),
        })
    }

    /// The broker, its storage formatted.
    pub(super) fn broker(
        &self,
        workspace: &Workspace,
        directory: &Path,
        listeners: &Listeners,
    ) -> Result<BrokerCommand> {
        let jars = jars::fetch(workspace)?;
        let settings = directory.join("server.properties");
        let data = directory.join("data");
        if !data.exists() {
            self.format(&jars, directory, listeners, &data)?;
        }
        write_settings(&settings, listeners, &data)?;
        let mut arguments: Vec<OsString> = JVM.iter().map(OsString::from).collect();
        arguments.extend(["-cp".into(), class_path(&jars), "kafka.Kafka".into(), settings.into()]);
        Ok(BrokerCommand { program: self.program.clone(), arguments, finally: Vec::new() })
    }

    /// Formats into a directory that gets its name when it is complete: an interrupted start leaves nothing half
    /// formatted.
    fn format(&self, jars: &Path, directory: &Path, listeners: &Listeners, data: &Path) -> Result<()> {
        console::step("formatting Kafka's storage");
        let unfinished = directory.join("data.unfinished");
        let _ = std::fs::remove_dir_all(&unfinished);
        let settings = directory.join("format.properties");
        write_settings(&settings, listeners, &unfinished)?;
        let mut command = Command::new(&self.program);
        command.args(["-XX:TieredStopAtLevel=1", "-cp"]).arg(class_path(jars));
        command
            .args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"])
            .arg(&settings);
        tool::quiet(&command, &directory.join("format.log")).context("cannot format Kafka's storage")?;
        std::fs::rename(&unfinished, data).context("cannot put Kafka's storage in place")
    }
}

/// Any valid id will do for a cluster of one that nobody else talks to.
const CLUSTER_ID: &str = "KingOfScalingDemo0000A";

fn write_settings(file: &Path, listeners: &Listeners, data: &Path) -> Result<()> {
    let text = format!("{}log.dirs={}\n", listeners.settings(listeners.host), data.display());
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn class_path(jars: &Path) -> OsString {
    jars.join("*").into_os_string()
}

/// Where Javas are: JAVA_HOME, the search path, and the places that Homebrew and macOS do not put on it.
fn candidates() -> Vec<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let on_path = tool::find(&["java"]);
    let homebrew =
        ["/opt/homebrew/opt/openjdk/bin/java", "/usr/local/opt/openjdk/bin/java"].map(PathBuf::from);
    home.into_iter().chain(on_path).chain(homebrew).filter(|file| tool::is_program(file)).collect()
}

/// 17 of `openjdk version "17.0.15" 2025-04-15`, 8 of `java version "1.8.0_402"`.
fn feature_release(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let version = version.strip_prefix("1.").unwrap_or(version);
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_java_version_is_read() {
        for (text, release) in [
            ("openjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"25-ea\" 2026-09-15", Some(25)),
            ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
        ] {
            assert_eq!(feature_release(text), release, "{text}");
        }
    }
}
