//! Where the sources are and where everything that is built or remembered goes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The workspace's two directories, as cargo itself names them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Workspace {
    /// The root of the sources.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// The target directory; `CARGO_TARGET_DIR` and cargo's configuration decide.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self> {
        // `cargo run` sets the manifest's directory; `cargo xtask` may be called from any folder below the root.
        let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let manifest = here.join("Cargo.toml");
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(manifest)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo: is Rust installed? https://rustup.rs")?;
        ensure!(output.status.success(), "`cargo metadata` failed");
        serde_json::from_slice(&output.stdout).context("cannot read the answer of `cargo metadata`")
    }

    /// A binary of the workspace, as the demo builds it.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// The directory of the finished page.
    pub(crate) fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// A path as a person would type it, for messages.
    pub(crate) fn short<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// A cargo command in the root, without what `cargo run` added to our own environment: it would make cargo build
    /// things again.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(&self.root);
        self.describe_to(&mut command);
        command
    }

    /// The same environment for a program that may call cargo.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command.env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
    }
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
