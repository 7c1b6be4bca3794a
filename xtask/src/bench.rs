//! `cargo xtask bench`: runs one measurement against a demo of its own.

use std::process::{ExitCode, ExitStatus};

use anyhow::Result;

use crate::test::{RunningDemo, run_with_broker};
use crate::tool;
use crate::workspace::Workspace;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The figure, and its own arguments; `help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

/// Builds the benchmarks, starts a demo and runs one against it.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    crate::stop::on_signals(|| {})?;
    let workspace = Workspace::find()?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "-p", "bench", "-p", "streams"]);
    if !tool::show(&build)?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut command = std::process::Command::new(workspace.binary("bench"));
    command.args(&options.arguments);
    if options.arguments.first().is_some_and(|name| name == "proof") {
        // A broker of its own, since it is killed again and again.
        command.env("KING_STREAMS", workspace.binary("streams"));
        return run_with_broker(&workspace, "bench-proof", &mut command, |_| Ok(())).map(exit_code);
    }
    // `start` times demos of its own, which another one would slow down.
    let demo = match options.arguments.first().map(String::as_str) {
        Some("start" | "help" | "--help") => None,
        _ => Some(RunningDemo::start(&workspace, "bench")?),
    };
    demo.iter().for_each(|demo| demo.describe_to(&mut command));
    let status = tool::show(&command)?;
    if let Some(demo) = demo {
        demo.stop()?;
    }
    Ok(exit_code(status))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
