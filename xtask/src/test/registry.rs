//! A real schema registry for the tests: Apicurio, which keeps its schemas in memory and speaks Confluent's API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::maven::Artifacts;
use crate::prerequisites::Consent;
use crate::workspace::Workspace;
use crate::{console, http, kafka, port, stop, tool};

/// The release that is started; the pom says the same.
const VERSION: &str = "2.6.13.Final";
const JVM: [&str; 3] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/// It starts within seconds, more of them where everything else is being built.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// A registry, which ends with this value.
pub(crate) struct Registry {
    guard: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// What is run.
pub(crate) struct Program {
    java: PathBuf,
    jar: PathBuf,
}

impl Registry {
    /// Fetches the program once.
    pub(crate) fn fetch(workspace: &Workspace) -> Result<Program> {
        let folder = workspace.target.join("registry").join(VERSION);
        let java = kafka::java_with_maven(folder.is_dir(), Consent::GivenToRoot)?;
        let registry = Artifacts {
            name: &format!("Apicurio Registry {VERSION} (140 MB)"),
            pom: "deploy/registry/pom.xml",
            goal: &["dependency:unpack-dependencies"],
            remedy: "the tests of the schema registry need it: is there a network?",
        };
        registry.fetch(workspace, &folder)?;
        Ok(Program { java, jar: folder.join(format!("apicurio-registry-app-{VERSION}-runner.jar")) })
    }

    /// Starts it on a free port of the loopback; [`Self::wait`] waits until it answers.
    pub(super) fn start(workspace: &Workspace) -> Result<Self> {
        Self::start_at(workspace, SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?)))
    }

    /// The same at an address.
    pub(crate) fn start_at(workspace: &Workspace, address: SocketAddr) -> Result<Self> {
        let Program { java, jar } = Self::fetch(workspace)?;
        let mut command = Command::new(java);
        command
            .args(JVM)
            .arg(format!("-Dquarkus.http.host={}", address.ip()))
            .arg(format!("-Dquarkus.http.port={}", address.port()))
            .arg("-jar")
            .arg(jar);
        let log = workspace.target.join("registry").join("registry.log");
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut guarded = tool::guarded(&command, &[])?;
        guarded.stdout(file.try_clone()?).stderr(file);
        let guard = tool::spawn(&mut guarded).context("cannot start the schema registry")?;
        Ok(Self { guard, address, log })
    }

    /// Waits until it answers.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while http::get(self.address, "/health/ready").is_none_or(|(status, _)| status != 200) {
            stop::check()?;
            let ended = self.guard.try_wait()?.is_some();
            if ended || Instant::now() > deadline {
                bail!(
                    "the schema registry does not {}. The end of {}:\n{}",
                    if ended { "start" } else { "answer" },
                    self.log.display(),
                    tool::tail(&self.log, 8)
                );
            }
            std::thread::sleep(LOOK);
        }
        console::step(format_args!("a schema registry for the tests answers at {}", self.address));
        Ok(())
    }

    /// Tells a program where it is: `KING_TEST_REGISTRY`. What the person has set for their own demo is not for tests.
    pub(super) fn describe_to(&self, command: &mut Command) {
        command.env_remove("SCHEMA_REGISTRY");
        command.env("KING_TEST_REGISTRY", format!("http://{}/apis/ccompat/v7", self.address));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
