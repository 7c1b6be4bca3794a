//! How an image gets to the nodes of a cluster without a registry.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::kubectl::Kubectl;
use crate::{console, tool};

/// A way to load an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Load {
    /// `kind load image-archive`
    Kind,
    /// `k3d image import`
    K3d,
    /// `ctr images import` into a containerd on this machine; CONTAINERD_ADDRESS says which
    Ctr,
    /// The nodes have it, or fetch it
    None,
}

impl Load {
    /// The context's name tells kind and k3d.
    pub(super) fn detect(kubectl: &Kubectl) -> Result<Self> {
        let context = kubectl.context()?;
        if let Some(load) = Self::by_name(&context) {
            return Ok(load);
        }
        if tool::output(Command::new("ctr").arg("version")).is_some() {
            return Ok(Self::Ctr);
        }
        bail!(
            "How does the image get to the nodes of {context}? Give --push REPOSITORY for a registry that they can reach, or --load."
        )
    }

    fn by_name(context: &str) -> Option<Self> {
        [("kind-", Self::Kind), ("k3d-", Self::K3d)]
            .into_iter()
            .find(|(prefix, _)| context.starts_with(prefix))
            .map(|(_, load)| load)
    }

    /// Loads an archive.
    pub(super) fn run(self, kubectl: &Kubectl, archive: &Path) -> Result<()> {
        let context = kubectl.context()?;
        let mut command = match self {
            Self::None => return Ok(()),
            Self::Kind => {
                let mut command = Command::new("kind");
                command.args(["load", "image-archive", "--name", context.trim_start_matches("kind-")]);
                command
            }
            Self::K3d => {
                let mut command = Command::new("k3d");
                command.args(["image", "import", "--cluster", context.trim_start_matches("k3d-")]);
                command
            }
            Self::Ctr => {
                let mut command = Command::new("ctr");
                command.args(["--namespace", "k8s.io", "images", "import"]);
                command
            }
        };
        console::step(format_args!("loading the image with {}", command.get_program().display()));
        if !tool::show(command.arg(archive))?.success() {
            bail!("Stopped: the image could not be loaded.");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_k3d_name_their_contexts() {
        assert_eq!(Load::by_name("kind-talk"), Some(Load::Kind));
        assert_eq!(Load::by_name("k3d-talk"), Some(Load::K3d));
        assert_eq!(Load::by_name("gke_project_zone_kind-talk"), None);
    }
}
