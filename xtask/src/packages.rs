//! `cargo build` with a count of what is built and what is left, for whoever waits.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use serde::Deserialize;

use crate::workspace::Workspace;
use crate::{console, tool};

/// What cargo builds, and how.
pub(crate) struct Build {
    command: Command,
    progress: Arc<Progress>,
}

/// How far a build is, in packages: ours and the libraries.
pub(crate) struct Progress {
    built: AtomicUsize,
    /// `None` where cargo does not say it.
    all: Option<usize>,
}

/// What cargo says of each thing that it has built.
#[derive(Debug, Deserialize)]
struct Message<'m> {
    reason: &'m str,
    #[serde(borrow)]
    package_id: Option<std::borrow::Cow<'m, str>>,
    target: Option<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Build {
    /// A build with this profile of what `selection` selects, in the arguments that cargo has for that.
    pub(crate) fn new(workspace: &Workspace, profile: &str, selection: &[&str]) -> Self {
        let mut command = workspace.cargo();
        command.args(["build", "--message-format", "json-render-diagnostics", "--profile", profile]);
        command.args(selection);
        let progress = Progress { built: AtomicUsize::new(0), all: count(workspace, selection) };
        Self { command, progress: Arc::new(progress) }
    }

    /// How far it is, from now on.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Builds with cargo's own words shown; whether it succeeded.
    pub(crate) fn show(&self) -> Result<bool> {
        Ok(tool::show_but_read(&self.command, |output| self.progress.follow(output))?.success())
    }

    /// Builds with cargo's words in a file.
    pub(crate) fn quiet(&self, log: &Path) -> Result<()> {
        tool::quiet_but_read(&self.command, log, |output| self.progress.follow(output))
    }
}

impl Progress {
    fn follow(&self, messages: impl Read) {
        let mut seen = HashSet::new();
        for line in BufReader::new(messages).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(message) => {
                    if let Some(package) = built(message) {
                        seen.insert(package);
                        self.built.store(seen.len(), Ordering::Relaxed);
                    }
                }
                // What a build script or a macro prints.
                Err(_) => console::plain(line),
            }
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let built = self.built.load(Ordering::Relaxed);
        match self.all {
            Some(all) => write!(f, "{built} of {all} packages"),
            None => write!(f, "{built} packages"),
        }
    }
}

/// The package that a message says is built. Its build script is not all of it.
fn built(message: Message<'_>) -> Option<String> {
    let Message { reason, package_id, target } = message;
    let whole = reason == "compiler-artifact" && target?.kind.iter().all(|kind| kind != "custom-build");
    package_id.filter(|_| whole).map(std::borrow::Cow::into_owned)
}

/// How many packages are to be built at most: some may be there already.
fn count(workspace: &Workspace, selection: &[&str]) -> Option<usize> {
    let mut command = workspace.cargo();
    command.args(["tree", "--quiet", "--prefix", "none", "--format", "{p}", "--edges", "normal,build"]);
    let listed = tool::text(command.args(selection)).ok()?;
    // What was listed before has a mark behind it.
    let packages: HashSet<_> = listed.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    Some(packages.into_iter().filter(|package| !package.is_empty()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress { built: AtomicUsize::new(0), all: Some(3) }
    }

    #[test]
    fn a_package_counts_when_its_library_is_built_and_once_only() {
        let progress = progress();
        assert_eq!(progress.to_string(), "0 of 3 packages");
        let artifact = |package: &str, kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"{package}","target":{{"kind":["{kind}"]}},"fresh":true}}"#
            )
        };
        let lines = [
            artifact("registry+https://x/#serde@1.0.1", "custom-build"),
            r#"{"reason":"build-script-executed","package_id":"registry+https://x/#serde@1.0.1"}"#.to_owned(),
            artifact("registry+https://x/#serde@1.0.1", "lib"),
            artifact("registry+https://x/#serde@1.0.1", "lib"),
            artifact("path+file:///here/server#0.1.0", "bin"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        progress.follow(lines.join("\n").as_bytes());
        assert_eq!(progress.to_string(), "2 of 3 packages");
    }

    #[test]
    fn what_cargo_does_not_say_is_not_made_up() {
        let progress = Progress { all: None, ..progress() };
        assert_eq!(progress.to_string(), "0 packages");
    }
}
