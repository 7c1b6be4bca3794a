//! What cargo builds: the three programs of the demo, and the page for the browser.

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{console, tool};

/// The programs of the demo. They find each other by lying in one directory.
pub(crate) const PROGRAMS: [&str; 3] = ["server", "streams", "datagen"];

/// Builds the programs; cargo's own progress is shown.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let _waiting = console::Waiting::beside_progress("building server, streams and datagen");
    let mut command = workspace.cargo();
    command.args(["build", "--release"]);
    for program in PROGRAMS {
        command.args(["-p", program]);
    }
    succeed(&command, "the programs do not build")
}

/// Builds the page's WebAssembly.
pub(crate) fn build_page(workspace: &Workspace) -> Result<()> {
    let _waiting = console::Waiting::beside_progress("building the page");
    let mut command = workspace.cargo();
    command.args(["build", "--profile", "wasm", "-p", "frontend", "--target", "wasm32-unknown-unknown"]);
    succeed(&command, "the page does not build")
}

/// Says what is missing when nothing may be built.
pub(crate) fn check_built(workspace: &Workspace) -> Result<()> {
    let missing = PROGRAMS
        .iter()
        .map(|name| workspace.binary(name))
        .chain([workspace.site().join("manifest.json")])
        .find(|file| !file.exists());
    match missing {
        Some(file) => bail!("{} is not built yet: start once without `--no-build`.", workspace.short(&file)),
        None => Ok(()),
    }
}

fn succeed(command: &std::process::Command, problem: &str) -> Result<()> {
    if tool::show(command)?.success() {
        Ok(())
    } else {
        bail!("Stopped, because {problem}: the compiler says why above.")
    }
}
