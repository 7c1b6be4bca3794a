//! Kafka's published jars: fetched once with mvn and kept in the target directory.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::VERSION;
use crate::workspace::Workspace;
use crate::{console, tool};

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("kafka").join(VERSION)
}

/// Whether they were fetched before.
pub(super) fn are_there(workspace: &Workspace) -> bool {
    folder(workspace).is_dir()
}

/// The folder of the jars.
pub(super) fn fetch(workspace: &Workspace) -> Result<PathBuf> {
    let folder = folder(workspace);
    if folder.is_dir() {
        return Ok(folder);
    }
    let _waiting = console::Waiting::on(format!("fetching Apache Kafka {VERSION} with mvn (130 MB)"));
    // It gets its name when it is complete; another demo may be fetching too.
    let unfinished = folder.with_extension(format!("unfinished-{}", std::process::id()));
    std::fs::create_dir_all(&unfinished)
        .with_context(|| format!("cannot create {}", unfinished.display()))?;
    let mut command = Command::new("mvn");
    command.args(["-q", "-B", "-f"]).arg(workspace.root.join("deploy/kafka/pom.xml"));
    command.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", unfinished.display()));
    tool::quiet(&command, &unfinished.with_extension("log")).context(
        "cannot fetch Kafka's jars: is there a network? `--kafka HOST:PORT` uses a Kafka that you have",
    )?;
    if std::fs::rename(&unfinished, &folder).is_err() && !folder.is_dir() {
        anyhow::bail!("cannot put Kafka's jars into {}", folder.display());
    }
    let _ = std::fs::remove_dir_all(&unfinished);
    let _ = std::fs::remove_file(unfinished.with_extension("log"));
    Ok(folder)
}
