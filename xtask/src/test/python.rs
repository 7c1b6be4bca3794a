//! A Python with fastavro for the tests, in an environment of its own below the target directory.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::prerequisites::{Consent, Packages};
use crate::workspace::Workspace;
use crate::{console, tool};

/// The release of fastavro.
const FASTAVRO: &str = "1.13.1";
const PYTHON: Packages = Packages { apt: &["python3", "python3-venv"], brew: &["python"] };

/// The interpreter, made on first use.
pub(super) fn with_fastavro(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("python").join(format!("fastavro-{FASTAVRO}"));
    let interpreter = folder.join("bin/python");
    // An environment cannot be moved to its place when it is complete, so a file says that it is.
    let complete = folder.join("complete");
    if complete.exists() && tool::is_program(&interpreter) {
        return Ok(interpreter);
    }
    let usable = || tool::output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_some();
    if !usable() {
        PYTHON.offer("Python 3, or its module venv, is missing", Consent::GivenToRoot)?;
    }
    if !usable() {
        bail!(
            "The tests of the records need Python 3 with its module venv: install them{}.",
            PYTHON.command().map_or_else(String::new, |words| format!(" (`{}`)", words.join(" ")))
        );
    }
    let _waiting = console::Waiting::on(format!("installing fastavro {FASTAVRO} with pip"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let log = folder.with_extension("log");
    tool::quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder), &log)
        .context("cannot make an environment for Python")?;
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.arg(format!("fastavro=={FASTAVRO}"));
    tool::quiet(&install, &log).context("cannot install fastavro: is there a network?")?;
    std::fs::write(complete, FASTAVRO)?;
    Ok(interpreter)
}
