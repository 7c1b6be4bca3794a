//! What has to be on the machine, each with the sentence that helps when it is not.

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{console, tool};

const GIGABYTE: u64 = 1 << 30;
/// A first build and Kafka's jars take about 3 GB.
const SPACE_FOR_A_BUILD: u64 = 4 * GIGABYTE;
/// An evening of records, with what Kafka keeps of them.
const SPACE_TO_RUN: u64 = GIGABYTE;

/// Free space where everything is built and kept.
pub(crate) fn disk(workspace: &Workspace, state: &Path) -> Result<()> {
    let built = workspace.binary("server").exists();
    let needed = if built { SPACE_TO_RUN } else { SPACE_FOR_A_BUILD };
    std::fs::create_dir_all(&workspace.target)
        .with_context(|| format!("cannot create {}", workspace.target.display()))?;
    for directory in [workspace.target.as_path(), state] {
        let Ok(found) = rustix::fs::statvfs(directory) else { continue };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < needed {
            bail!(
                "The disk is nearly full: {:.1} GB free at {}, about {:.0} GB needed. Free some space{}, or put the build elsewhere with \
                 CARGO_TARGET_DIR.",
                free as f64 / GIGABYTE as f64,
                directory.display(),
                needed as f64 / GIGABYTE as f64,
                if built { " (`cargo clean` drops what was built)" } else { "" },
            );
        }
    }
    Ok(())
}

/// Whether a failure is best explained by the disk: nearly nothing is left where everything is written.
pub(crate) fn disk_is_full(directory: &Path) -> bool {
    const NEARLY_NOTHING: u64 = 64 << 20;
    rustix::fs::statvfs(directory)
        .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) < NEARLY_NOTHING)
}

/// rustfmt and clippy, as parts of the toolchain.
pub(crate) fn to_lint() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let works = |part: &str| tool::output(Command::new(&cargo).args([part, "--version"])).is_some();
    if works("fmt") && works("clippy") {
        return Ok(());
    }
    console::step("adding rustfmt and clippy: rustup component add rustfmt clippy");
    if tool::find(&["rustup"]).is_none()
        || !tool::show(Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]))?.success()
    {
        bail!(
            "rustfmt and clippy are missing: `rustup component add rustfmt clippy`, or your system's packages for them."
        );
    }
    Ok(())
}

/// A C compiler and make, for librdkafka; Rust for the browser.
pub(crate) fn to_build() -> Result<()> {
    if tool::find(&["cc", "gcc", "clang"]).is_none() || tool::find(&["make", "gmake"]).is_none() {
        bail!(
            "A C compiler and make are needed to build librdkafka: {}.",
            if cfg!(target_os = "macos") {
                "`xcode-select --install`"
            } else {
                "`sudo apt-get install build-essential`"
            }
        );
    }
    wasm_target()
}

fn wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let mut ask = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let folder = tool::output(ask.args(["--print", "target-libdir", "--target", TARGET])).unwrap_or_default();
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    if tool::find(&["rustup"]).is_none() {
        bail!(
            "Rust cannot build for the browser yet: install its target {TARGET} (`rustup target add {TARGET}`, or your system's package for it)."
        );
    }
    let _waiting =
        console::Waiting::on(format!("adding Rust's target for the browser: rustup target add {TARGET}"));
    let status = tool::show(Command::new("rustup").args(["target", "add", TARGET]))?;
    if !status.success() {
        bail!("`rustup target add {TARGET}` failed: run it by hand with a network, then start again.");
    }
    Ok(())
}

/// Packages by the name that each package manager gives them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packages {
    /// Debian's and Ubuntu's.
    pub apt: &'static [&'static str],
    /// Homebrew's.
    pub brew: &'static [&'static str],
}

/// Who may decide about an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// The person at the terminal is asked; without a terminal nothing is installed.
    Asked,
    /// Given where we are root already, as in CI.
    GivenToRoot,
}

impl Packages {
    /// The command that installs them here, when there is a package manager we know.
    pub(crate) fn command(self) -> Option<Vec<&'static str>> {
        if let Some(manager) = [("apt-get", self.apt), ("brew", self.brew)]
            .into_iter()
            .find(|(name, _)| tool::find(&[name]).is_some())
        {
            let (name, packages) = manager;
            let root = rustix::process::geteuid().is_root();
            let mut words = if name == "apt-get" && !root { vec!["sudo"] } else { vec![] };
            words.push(name);
            words.push("install");
            if name == "apt-get" {
                words.push("-y");
            }
            words.extend(packages);
            return Some(words);
        }
        None
    }

    /// Installs them if that is agreed to; true when they were installed.
    pub(crate) fn offer(self, missing: &str, consent: Consent) -> Result<bool> {
        let Some(words) = self.command() else { return Ok(false) };
        let line = words.join(" ");
        let root = rustix::process::geteuid().is_root();
        match consent {
            Consent::GivenToRoot if root && words[0] == "apt-get" => {
                console::step(format_args!("{missing}: installing it with {line}"))
            }
            _ if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => {
                console::plain(format_args!("{missing}. Install it now with `{line}`? [Y/n]"));
                let mut answer = String::new();
                std::io::stdin().lock().read_line(&mut answer)?;
                if !matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes") {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
        if consent == Consent::GivenToRoot {
            // A fresh container has no package lists. A failure shows in the installation itself.
            let _ = tool::output(Command::new("apt-get").arg("update"));
        }
        // In the foreground, without the guard: sudo asks for a password.
        let status =
            Command::new(words[0]).args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").status()?;
        if !status.success() {
            bail!("`{line}` failed.");
        }
        Ok(true)
    }
}
