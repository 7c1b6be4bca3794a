//! What mvn fetches once and for all; it is kept in the target directory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{console, tool};

/// What to fetch, and how.
pub(crate) struct Artifacts<'a> {
    /// What it is, for people, with its size.
    pub name: &'a str,
    /// The pom that lists it, below the root.
    pub pom: &'a str,
    /// The goal of mvn's dependency plugin, and its options.
    pub goal: &'a [&'a str],
    /// What to do instead when it cannot be had.
    pub remedy: &'a str,
}

impl Artifacts<'_> {
    /// Fetches everything into a folder, unless it is there already.
    pub(crate) fn fetch(&self, workspace: &Workspace, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let _waiting = console::Waiting::on(format!("fetching {} with mvn", self.name));
        // It gets its name when it is complete; another demo may be fetching too.
        let unfinished = folder.with_extension(format!("unfinished-{}", std::process::id()));
        std::fs::create_dir_all(&unfinished)
            .with_context(|| format!("cannot create {}", unfinished.display()))?;
        let mut command = Command::new("mvn");
        command.args(["-q", "-B", "-f"]).arg(workspace.root.join(self.pom)).args(self.goal);
        command.arg(format!("-DoutputDirectory={}", unfinished.display()));
        tool::quiet(&command, &unfinished.with_extension("log"))
            .with_context(|| format!("cannot fetch {}: {}", self.name, self.remedy))?;
        if std::fs::rename(&unfinished, folder).is_err() && !folder.is_dir() {
            bail!("cannot put {} into {}", self.name, folder.display());
        }
        let _ = std::fs::remove_dir_all(&unfinished);
        let _ = std::fs::remove_file(unfinished.with_extension("log"));
        Ok(())
    }
}
