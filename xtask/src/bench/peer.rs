//! The programs that ours are compared with: `bench/peer`, built with Maven, and the tools among Kafka's own jars.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{console, kafka, tool};

/// Builds the peer and tells a measurement where Java and the jars are: `KING_JAVA`, `KING_KAFKA_JARS`,
/// `KING_PEER_JARS`.
pub(crate) fn describe_to(command: &mut Command, workspace: &Workspace) -> Result<()> {
    let (java, kafka_jars) = kafka::java_and_jars(workspace)?;
    let folder = workspace.target.join("bench-peer");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut build = Command::new("mvn");
    build.args(["-q", "-B", "-f"]).arg(workspace.root.join("bench/peer/pom.xml"));
    build.arg("package").arg(format!("-Dpeer.directory={}", folder.display()));
    {
        let _waiting = console::Waiting::on(
            "building the peer with mvn: the same application on Kafka Streams (80 MB of jars)",
        );
        tool::quiet(&build, &folder.with_extension("log"))
            .context("cannot build bench/peer, the Kafka Streams application that ours is compared with")?;
    }
    command
        .env("KING_JAVA", java)
        .env("KING_KAFKA_JARS", kafka_jars)
        .env("KING_PEER_JARS", folder.join("lib"));
    Ok(())
}
