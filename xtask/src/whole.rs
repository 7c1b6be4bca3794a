//! The commands that a demo does without: this program was built with little inside, so that it is there soon, and
//! calls the whole one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// What the whole program understands.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Becomes the whole program, with the words that this one was called with.
pub(crate) fn run(_: &Options) -> Result<ExitCode> {
    let mut cargo = Workspace::find()?.cargo();
    // Whoever calls from another folder means paths from there.
    cargo.current_dir(std::env::current_dir()?);
    cargo.args(["run", "--release", "--package", "xtask", "--"]).args(std::env::args_os().skip(1));
    Err(cargo.exec()).context("cannot run cargo")
}
