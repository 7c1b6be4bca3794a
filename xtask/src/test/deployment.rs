//! What can be said of `deploy` without a cluster: Terraform's format, and that each overlay is whole.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{console, tool};

/// The folders of `deploy` that are applied by name.
const OVERLAYS: [&str; 4] = ["local", "cloud", "gke", "keda"];
/// The Secrets that come from files, which a fresh copy of the sources does not have.
const SECRETS: [&str; 2] = ["king", "confluent"];

/// Checks what there are tools for, and says what it leaves out.
pub(super) fn lint(workspace: &Workspace) -> Result<()> {
    if tool::find(&["terraform"]).is_some() {
        let mut command = Command::new("terraform");
        command.args(["fmt", "-check", "-diff", "-recursive"]).arg(workspace.root.join("deploy/terraform"));
        super::pass(&command, "the format differs: `terraform fmt -recursive deploy/terraform`")?;
    } else {
        console::step("left out: the format of deploy/terraform, as there is no terraform here");
    }
    if tool::find(&["kubectl"]).is_some() {
        return overlays(workspace);
    }
    console::step("left out: the overlays of deploy, as there is no kubectl here");
    Ok(())
}

/// Renders each overlay from a copy, with the examples in the place of secrets.
fn overlays(workspace: &Workspace) -> Result<()> {
    let copy = workspace.target.join("tmp/deploy");
    let _ = std::fs::remove_dir_all(&copy);
    copy_tree(&workspace.root.join("deploy"), &copy)?;
    for name in SECRETS {
        let folder = copy.join("secrets").join(name);
        std::fs::copy(folder.join(format!("{name}.env.example")), folder.join(format!("{name}.env")))
            .with_context(|| format!("deploy/secrets/{name} has no example"))?;
    }
    for name in OVERLAYS {
        let mut command = Command::new("kubectl");
        command.arg("kustomize").arg(copy.join("overlays").join(name)).stdin(Stdio::null());
        let output = command.output().context("cannot run kubectl")?;
        if !output.status.success() {
            bail!(
                "Stopped: the overlay {name} is broken: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    console::step(format_args!("the overlays {} are whole", OVERLAYS.join(", ")));
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        // Terraform keeps its providers in a hidden directory.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot copy {}", target.display()))?;
        }
    }
    Ok(())
}
