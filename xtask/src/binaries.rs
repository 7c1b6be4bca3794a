//! What cargo builds: the three programs of the demo, and the page for the browser.

use anyhow::{Context, Result, anyhow, bail};

use crate::workspace::Workspace;
use crate::{console, stop, tool};

/// The programs of the demo. They find each other by lying in one directory.
const DEMO: [&str; 3] = ["server", "streams", "datagen"];
/// All programs: what an image has.
pub(crate) const PROGRAMS: [&str; 4] = ["server", "lag-api", "datagen", "streams"];

/// Builds all programs with a profile, and the page beside them: while one waits for its longest library, the other has the processor. The page's
/// own words are in a file, since both would draw over each other's.
pub(crate) fn build_all(workspace: &Workspace, profile: &str) -> Result<()> {
    std::thread::scope(|scope| {
        let page = scope.spawn(|| build_page(workspace));
        let programs = build(workspace, profile);
        if programs.is_err() {
            // Nobody needs the page then.
            stop::ask();
        }
        let page = page.join().map_err(|_| anyhow!("the thread that builds the page died"))?;
        programs.and(page)
    })
}

/// Builds all programs with a profile; cargo's own progress is shown. They are always built together: alone, each would have its
/// libraries built once more with other features.
fn build(workspace: &Workspace, profile: &str) -> Result<()> {
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
fn build_page(workspace: &Workspace) -> Result<()> {
    console::step("building the page beside the programs");
    let mut command = workspace.cargo();
    command.args(["build", "--profile", "wasm", "-p", "frontend", "--target", "wasm32-unknown-unknown"]);
    std::fs::create_dir_all(&workspace.target)
        .with_context(|| format!("cannot create {}", workspace.target.display()))?;
    tool::quiet(&command, &workspace.target.join("build-page.log")).context("the page does not build")?;
    console::step("the page is built");
    Ok(())
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
