//! `cargo xtask test`: everything that CI does, one stage after the other, each with its time.

mod advisories;
mod broker;
mod browser;
mod cluster;
mod demo;
mod deployment;
mod python;
mod registry;

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::workspace::Workspace;
use crate::{console, openssl, prerequisites, stop, tool};

pub(crate) use broker::run as run_with_broker;
pub(crate) use demo::RunningDemo;
pub(crate) use registry::Registry;

/// Which stages to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The stages [default: all]
    stages: Vec<Stage>,
    /// The same as the stage `cluster`
    #[arg(long, conflicts_with = "stages")]
    cluster: bool,
    /// What follows goes to `cargo test` (unit, cluster) or to Playwright (e2e)
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// rustfmt, clippy for the server's side and the browser's, advisories about libraries, Terraform's format, and
    /// what Kustomize makes of `deploy`
    Lint,
    /// Unit tests, and integration tests on a real Kafka
    Unit,
    /// Playwright against a running demo
    E2e,
    /// The demo deployed in a real Kubernetes that is started for it: Linux, as root, with Go
    Cluster,
}

/// Runs the stages; the first that fails ends the run.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    stop::on_signals(|| {})?;
    let workspace = Workspace::find()?;
    let stages = match options.stages.as_slice() {
        [] if options.cluster => vec![Stage::Cluster],
        [] => vec![Stage::Lint, Stage::Unit, Stage::E2e, Stage::Cluster],
        stages => stages.to_vec(),
    };
    prerequisites::disk(&workspace, &workspace.target)?;
    prerequisites::to_build()?;
    let mut times = Vec::new();
    for stage in stages {
        let name = stage.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        console::step(format_args!("stage {name}"));
        let begin = Instant::now();
        match stage {
            Stage::Lint => lint(&workspace)?,
            Stage::Unit => unit(&workspace, &options.arguments)?,
            Stage::E2e => browser::test(&workspace, &options.arguments)?,
            Stage::Cluster => cluster::test(&workspace, &options.arguments)?,
        }
        times.push(format!("{name} {:.0} s", begin.elapsed().as_secs_f64()));
    }
    console::step(format_args!("all stages passed: {}", times.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn lint(workspace: &Workspace) -> Result<()> {
    prerequisites::to_lint()?;
    let cargo = |words: &str| {
        let mut command = workspace.cargo();
        command.args(words.split(' '));
        command
    };
    pass(&cargo("fmt --all --check"), "the format differs: `cargo fmt --all`")?;
    let mut clippy = cargo("clippy --release --workspace --exclude frontend --all-targets");
    clippy.args(openssl::features()).args(["--", "-D", "warnings"]);
    pass(&clippy, "clippy complains about the server's side")?;
    let mut clippy = cargo("clippy --release -p server -p xtask --no-default-features");
    clippy.args(openssl::features()).args(["--", "-D", "warnings"]);
    pass(&clippy, "clippy complains about what a demo is built of")?;
    // `app` has exactly one of its features here: the two sides are never built together.
    let page = "clippy --profile wasm -p frontend -p app --features app/hydrate --target wasm32-unknown-unknown -- -D warnings";
    pass(&cargo(page), "clippy complains about the browser's side")?;
    advisories::check(workspace)?;
    deployment::lint(workspace)
}

/// `cargo test` with a Kafka of its own; `KING_TEST_KAFKA_TLS` and its like tell of the listener that a managed one
/// would have. Beside it are a schema registry (`KING_TEST_REGISTRY`) and a Python that has fastavro
/// (`KING_TEST_PYTHON`).
fn unit(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let python = python::with_fastavro(workspace)?;
    let mut registry = Registry::start(workspace)?;
    let mut command = workspace.cargo();
    command.args(["test", "--release", "--no-fail-fast"]).args(openssl::features());
    command.args(arguments).env("KING_TEST_PYTHON", &python);
    let status = broker::run(workspace, "test", &mut command, |command| {
        registry.wait()?;
        registry.describe_to(command);
        Ok(())
    })?;
    if status.success() { Ok(()) } else { bail!("Stopped: a test failed.") }
}

fn pass(command: &Command, problem: &str) -> Result<()> {
    if tool::show(command)?.success() { Ok(()) } else { bail!("Stopped: {problem}.") }
}
