//! The tests in `end2end/cluster`, beside a Kubernetes that is started for them, with the demo deployed in it.

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{cluster, console, openssl};

/// Only these tests, with what the unit tests have built; they share one cluster, so one at a time.
const TESTS: [&str; 7] = ["test", "--release", "--workspace", "--exclude", "frontend", "--test", "demo"];
const ONE_AT_A_TIME: [&str; 3] = ["--", "--test-threads=1", "--nocapture"];

/// Runs them; where the machine cannot, says why. In CI that is a failure.
pub(super) fn test(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    if let Some(obstacle) = cluster::obstacle() {
        if std::env::var_os("CI").is_some() {
            bail!("The cluster tests cannot run here: {obstacle}.");
        }
        console::step(format_args!("left out: the cluster tests, as {obstacle}"));
        return Ok(());
    }
    // There is no way to the outside where they run.
    let mut build = workspace.cargo();
    build.args(TESTS).args(openssl::features()).arg("--no-run");
    super::pass(&build, "the cluster tests do not build")?;
    let mut command: Vec<OsString> = vec![build.get_program().to_owned()];
    command.extend(TESTS.map(OsString::from));
    command.extend(openssl::features().iter().map(OsString::from));
    command.extend(ONE_AT_A_TIME.map(OsString::from));
    command.extend(arguments.iter().map(OsString::from));
    if cluster::start(workspace, cluster::Demo::IsTakenOut, &command)? {
        Ok(())
    } else {
        bail!("Stopped: a cluster test failed.")
    }
}
