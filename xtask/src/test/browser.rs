//! Playwright in `end2end/`, with the system's Chromium: no browser is downloaded.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::{RunningDemo, pass};
use crate::kafka::Source;
use crate::prerequisites::{Consent, Packages};
use crate::workspace::Workspace;
use crate::{console, tool};

const NODE: Packages = Packages { apt: &["nodejs", "npm"], brew: &["node"] };
const CHROMIUM: Packages = Packages { apt: &["chromium"], brew: &["--cask", "chromium"] };

/// Runs the browser tests against a demo that is started for them.
pub(super) fn test(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let folder = workspace.root.join("end2end");
    let have_node = || tool::find(&["npm"]).is_some() && tool::find(&["node"]).is_some();
    if !have_node() {
        NODE.offer("Node.js or npm is missing", Consent::GivenToRoot)?;
    }
    if !have_node() {
        bail!(
            "The browser tests need Node.js and npm: install them (https://nodejs.org), or run `cargo xtask test lint unit` without them."
        );
    }
    let mut chromium = find_chromium();
    if chromium.is_none() && CHROMIUM.offer("Chromium is missing", Consent::GivenToRoot)? {
        chromium = find_chromium();
    }
    let Some(chromium) = chromium else {
        bail!(
            "The browser tests need Chromium or Chrome: install one, or name its program with CHROMIUM_PATH."
        );
    };
    install(workspace)?;
    let mut check = Command::new("npm");
    check.args(["run", "--silent", "check"]).current_dir(&folder);
    pass(&check, "the types of the browser tests do not fit")?;
    // The demo itself asks before it installs anything: nobody would answer here.
    Source::choose(workspace, None, Consent::GivenToRoot)?;
    let demo = RunningDemo::start(workspace, "test")?;
    let mut command = Command::new("npx");
    command
        .args(["--no-install", "playwright", "test"])
        .args(arguments)
        .current_dir(&folder)
        .env("CHROMIUM_PATH", &chromium);
    demo.describe_to(&mut command);
    let result = pass(&command, "a browser test failed");
    demo.stop()?;
    result
}

/// `npm ci`, when the lock file changed since the last time.
fn install(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("end2end");
    let lock = std::fs::read(folder.join("package-lock.json"))?;
    let done = folder.join("node_modules/.king-lock");
    if std::fs::read(&done).is_ok_and(|found| found == lock) {
        return Ok(());
    }
    let _waiting = console::Waiting::on("installing Playwright with npm ci");
    let mut command = Command::new("npm");
    command
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    tool::quiet(&command, &workspace.target.join("npm-ci.log"))?;
    std::fs::write(done, lock)?;
    Ok(())
}

fn find_chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM_PATH").map(PathBuf::from);
    let on_path =
        || tool::find(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]);
    let applications =
        ["Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome"];
    let installed = || {
        applications
            .iter()
            .map(|name| PathBuf::from("/Applications").join(name))
            .find(|file| tool::is_program(file))
    };
    named.filter(|file| tool::is_program(file)).or_else(on_path).or_else(installed)
}
