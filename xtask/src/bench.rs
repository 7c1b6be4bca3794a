//! `cargo xtask bench`: runs one measurement against a demo of its own, or against a Kafka of its own.

mod peer;

use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Result;

use crate::test::{RunningDemo, run_with_broker};
use crate::workspace::Workspace;
use crate::{openssl, tool};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The figure, and its own arguments; `help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

/// What a measurement needs around it.
enum Surroundings {
    /// It starts what it needs, or only explains itself.
    Nothing,
    /// A Kafka that is killed again and again, and the pods that must bear it.
    Proof,
    /// A Kafka, and the programs that are compared.
    Broker,
    /// The whole show.
    Demo,
}

impl Options {
    fn surroundings(&self) -> Surroundings {
        if self.arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
            return Surroundings::Nothing;
        }
        match self.arguments.first().map(String::as_str) {
            // `start` times demos of its own, which another one would slow down.
            Some("start" | "help") => Surroundings::Nothing,
            Some("proof") => Surroundings::Proof,
            Some("streams" | "datagen" | "restore") => Surroundings::Broker,
            _ => Surroundings::Demo,
        }
    }
}

/// Builds the benchmarks, starts what they need and runs one.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    crate::stop::on_signals(|| {})?;
    let workspace = Workspace::find()?;
    let surroundings = options.surroundings();
    let mut build = workspace.cargo();
    build.args(["build", "--release", "-p", "bench"]).args(openssl::features());
    if matches!(surroundings, Surroundings::Broker | Surroundings::Proof) {
        build.args(["-p", "streams", "-p", "datagen"]);
    }
    if !tool::show(&build)?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut command = Command::new(workspace.binary("bench"));
    command.args(&options.arguments);
    let status = match surroundings {
        Surroundings::Nothing => tool::show(&command)?,
        Surroundings::Proof => {
            command.env("KING_STREAMS", workspace.binary("streams"));
            run_with_broker(&workspace, "bench-proof", &mut command, |_| Ok(()))?
        }
        Surroundings::Broker => {
            peer::describe_to(&mut command, &workspace)?;
            run_with_broker(&workspace, "bench-broker", &mut command, |_| Ok(()))?
        }
        Surroundings::Demo => beside_demo(&mut command, &workspace)?,
    };
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn beside_demo(command: &mut Command, workspace: &Workspace) -> Result<ExitStatus> {
    let demo = RunningDemo::start(workspace, "bench")?;
    demo.describe_to(command);
    let status = tool::show(command)?;
    demo.stop()?;
    Ok(status)
}
