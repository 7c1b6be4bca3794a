//! What cargo builds: the three programs of the demo, and the page for the browser.

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{console, tool};

/// The programs of the demo. They find each other by lying in one directory.
const DEMO: [&str; 3] = ["server", "streams", "datagen"];
/// All programs: what an image has.
pub(crate) const PROGRAMS: [&str; 4] = ["server", "lag-api", "datagen", "streams"];

/// Builds all programs with a profile; cargo's own progress is shown. They are always built together: alone, each would have its
/// libraries built once more with other features.
pub(crate) fn build(workspace: &Workspace, profile: &str) -> Result<()> {
    let _waiting =
        console::Waiting::beside_progress(format!("building {} (profile {profile})", PROGRAMS.join(", ")));
    let mut command = workspace.cargo();
    command.args(["build", "--profile", profile]);
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
    let missing = DEMO
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
