//! `cargo xtask cluster`: a real Kubernetes of one node, with a Kafka and a schema registry that its pods reach, for
//! the tests and for whoever wants to look. No container engine is needed: its programs are built from their own
//! sources.
//!
//! It lives in namespaces of the kernel's (`namespaces`), so that its addresses and ports are fixed and nobody else's,
//! and so that nothing of it stays.

mod namespaces;
mod node;
mod pki;
mod programs;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::instance::Instance;
use crate::kafka::{self, Source};
use crate::prerequisites::{self, Consent};
use crate::supervise::Supervisor;
use crate::test::Registry;
use crate::workspace::Workspace;
use crate::{console, http, image, stop, tool};

use node::Node;

/// The node on the pods' bridge, as pods see it.
const ADDRESS: &str = "10.247.0.1";
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 247, 0, 1));
/// The addresses of Services.
const SERVICES: &str = "10.248.0.0/16";
/// Kafka and the schema registry, where the overlay looks for them. The ports are this network's own.
const KAFKA: SocketAddr = SocketAddr::new(HOST, 9092);
const REGISTRY: SocketAddr = SocketAddr::new(HOST, 8081);
/// `local`, with that Kafka and that registry.
const OVERLAY: &str = "end2end/cluster/overlay";
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Build the image and start the demo in it
    #[arg(long)]
    deploy: bool,
    /// A program to run beside it; it ends with that [default: it runs until Ctrl-C]
    #[arg(last = true)]
    command: Vec<OsString>,
    /// What this program calls itself with, in the namespaces
    #[arg(long, hide = true)]
    inside: bool,
    /// Take the demo out again when the program has succeeded
    #[arg(long, hide = true)]
    take_out: bool,
}

/// Starts it, and ends it.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    stop::on_signals(|| {})?;
    let workspace = Workspace::find()?;
    if let Some(obstacle) = obstacle() {
        bail!("A cluster cannot be started here: {obstacle}.");
    }
    if options.inside {
        return inside(&workspace, options);
    }
    let demo = if options.deploy { Demo::Stays } else { Demo::None };
    let succeeded = start(&workspace, demo, &options.command)?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What becomes of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demo {
    /// There is none.
    None,
    /// It is deployed, and there until the cluster ends.
    Stays,
    /// It is deployed, and taken out again when the program has succeeded.
    IsTakenOut,
}

/// Starts it, runs a program beside it, and ends it; whether that program succeeded.
pub(crate) fn start(workspace: &Workspace, demo: Demo, command: &[OsString]) -> Result<bool> {
    prepare(workspace, demo != Demo::None)?;
    let mut arguments: Vec<OsString> = ["cluster", "--inside"].map(OsString::from).to_vec();
    arguments.extend((demo != Demo::None).then(|| "--deploy".into()));
    arguments.extend((demo == Demo::IsTakenOut).then(|| "--take-out".into()));
    if !command.is_empty() {
        arguments.push("--".into());
        arguments.extend(command.iter().cloned());
    }
    Ok(namespaces::enter(&arguments)?.success())
}

/// Why this machine cannot have one, if it cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    programs::obstacle()
}

/// Builds and fetches everything: in the namespaces there is no way to the outside.
fn prepare(workspace: &Workspace, deploy: bool) -> Result<()> {
    prerequisites::disk(workspace, &workspace.target)?;
    programs::build(workspace)?;
    Source::choose(workspace, None, Consent::GivenToRoot)?.fetch(workspace)?;
    Registry::fetch(workspace)?;
    if deploy {
        image::make(workspace, &image_options(false))?;
    }
    Ok(())
}

fn image_options(no_build: bool) -> image::Options {
    image::Options { profile: image::Profile::Release, no_build, output: None, push: None }
}

/// The same, as the first process of the namespaces.
fn inside(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    namespaces::furnish(ADDRESS, SERVICES)?;
    let programs = programs::build(workspace)?;
    let instance = Instance::take(&workspace.target.join("cluster"))?;
    let run = instance.directory.join("run");
    clear(&run)?;
    let node = Node::new(&run, &programs)?;
    let surroundings = Surroundings { workspace, node: &node, programs: &programs, run: &run };
    let (sender, events) = mpsc::channel();
    let source = Source::choose(workspace, None, Consent::GivenToRoot)?;
    let broker = source.start(workspace, &run.join("kafka"), Some(KAFKA), None, &sender)?;
    let mut supervisor = Supervisor::new(workspace, &instance, sender, events);
    broker.service.into_iter().for_each(|service| supervisor.adopt(service));
    let mut registry = Registry::start_at(workspace, REGISTRY)?;
    let mut attend = || -> Result<ExitCode> {
        let waiting = console::Waiting::on("starting Kubernetes");
        node.start(&mut supervisor)?;
        drop(waiting);
        supervisor.wait_for(kafka::NAME, || http::kafka_answers(&KAFKA.to_string()).is_ok(), PATIENCE)?;
        registry.wait()?;
        console::step(format_args!("a Kubernetes runs at {ADDRESS}, beside it a Kafka at {KAFKA}"));
        if options.deploy {
            deploy(&surroundings, &mut supervisor)?;
        }
        let Some((program, arguments)) = options.command.split_first() else {
            surroundings.say_how_to_enter();
            return supervisor.watch().map(|()| ExitCode::SUCCESS);
        };
        let mut command = Command::new(program);
        command.args(arguments);
        surroundings.describe_to(&mut command);
        command.env("KING_TEST_XTASK", std::env::current_exe()?);
        let status = tool::show_while(&command, |time| supervisor.turn(time))?;
        if options.take_out && status.success() {
            take_out(&surroundings, &mut supervisor)?;
        }
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    };
    // All the others end with this process, the first of its namespace.
    attend()
}

/// Where everything is that a program in it may want to know.
struct Surroundings<'a> {
    workspace: &'a Workspace,
    node: &'a Node,
    programs: &'a Path,
    run: &'a Path,
}

/// Brings the demo to it, as a person would.
fn deploy(surroundings: &Surroundings<'_>, supervisor: &mut Supervisor<'_>) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    let overlay = surroundings.workspace.root.join(OVERLAY);
    command.args(["deploy", "--profile", "release", "--no-build", "--load", "ctr", "--overlay"]).arg(overlay);
    surroundings.describe_to(&mut command);
    if !tool::show_while(&command, |time| supervisor.turn(time))?.success() {
        bail!("Stopped: the demo does not come up in the test cluster.");
    }
    Ok(())
}

/// Takes it out again, as a person would. Nothing may stay, and namespaces can be deleted as before.
fn take_out(surroundings: &Surroundings<'_>, supervisor: &mut Supervisor<'_>) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["deploy", "--delete", "--overlay"]).arg(surroundings.workspace.root.join(OVERLAY));
    surroundings.describe_to(&mut command);
    if !tool::show_while(&command, |time| supervisor.turn(time))?.success() {
        bail!("Stopped: the demo cannot be taken out of the test cluster.");
    }
    let kubectl = |words: &[&str]| {
        let mut command = Command::new("kubectl");
        surroundings.describe_to(&mut command);
        tool::text(command.args(words))
    };
    let kinds = "namespaces,apiservices.apiregistration.k8s.io,clusterroles,clusterrolebindings,\
                 validatingadmissionpolicies,validatingadmissionpolicybindings";
    let ours = "app.kubernetes.io/part-of=king-of-scaling";
    let left = kubectl(&["get", kinds, "--selector", ours, "--output", "name"])?;
    if !left.trim().is_empty() {
        bail!(
            "Stopped: this is left of the demo: {}.",
            left.split_whitespace().collect::<Vec<_>>().join(", ")
        );
    }
    kubectl(&["create", "namespace", "another"])?;
    kubectl(&["delete", "namespace", "another", "--timeout", "30s"])?;
    console::step("nothing is left of the demo, and a namespace can be deleted");
    Ok(())
}

impl Surroundings<'_> {
    /// Tells a program: KUBECONFIG, the programs on its PATH, Kafka, and in `KING_TEST_CLUSTER` the directory that has
    /// `pki/` and, for each component, `NAME.log` and `NAME.lock` with the id of its process.
    fn describe_to(&self, command: &mut Command) {
        kafka::forget(command);
        self.workspace.describe_to(command);
        command
            .current_dir(&self.workspace.root)
            .env("PATH", tool::path_with(self.programs))
            .env("KUBECONFIG", self.node.kubeconfig("admin"))
            .env("CONTAINERD_ADDRESS", self.node.socket())
            .env("CARGO_NET_OFFLINE", "true")
            .env("KING_TEST_CLUSTER", self.run)
            .env("KING_TEST_KAFKA", KAFKA.to_string())
            .env("KING_TEST_KAFKA_PID_FILE", kafka::pid_file(&self.run.join("kafka")));
    }

    fn say_how_to_enter(&self) {
        console::plain(format_args!(
            "\n  A shell in it  nsenter --all --target $(pgrep --newest --full '[c]luster --inside')\n  \
             there          export KUBECONFIG={} PATH={}:$PATH\n  \
             Ctrl-C ends it.",
            self.node.kubeconfig("admin").display(),
            self.programs.display(),
        ));
    }
}

/// Forgets the last one.
fn clear(run: &PathBuf) -> Result<()> {
    match std::fs::remove_dir_all(run) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", run.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(run).with_context(|| format!("cannot create {}", run.display()))
}
