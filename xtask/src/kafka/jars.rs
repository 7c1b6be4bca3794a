//! Kafka's published jars: fetched once with mvn and kept in the target directory.

use std::path::PathBuf;

use anyhow::Result;

use super::VERSION;
use crate::maven::Artifacts;
use crate::workspace::Workspace;

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
    let jars = Artifacts {
        name: &format!("Apache Kafka {VERSION} (130 MB)"),
        pom: "deploy/kafka/pom.xml",
        goal: &["dependency:copy-dependencies", "-DincludeScope=runtime"],
        remedy: "is there a network? `--kafka HOST:PORT` uses a Kafka that you have",
    };
    jars.fetch(workspace, &folder)?;
    Ok(folder)
}
