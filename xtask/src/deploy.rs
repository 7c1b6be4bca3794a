//! `cargo xtask deploy`: from the sources to a demo that runs in a cluster, and with `--delete` the way out.
//!
//! What can go wrong is found out before anything is changed: the tools, the Secrets, and whether the cluster's metrics
//! APIs are free.

mod kubectl;
mod load;
mod overlay;
mod owners;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{console, image, stop};

use kubectl::{Kubectl, Object};
use load::Load;
use overlay::Overlay;

/// A rollout fetches images first: Kafka's has 400 MB.
const PATIENCE: &str = "5m";

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to apply: a folder in deploy/overlays, or the path of a Kustomize folder of your own
    #[arg(long, default_value = "local", value_name = "NAME")]
    overlay: String,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long)]
    context: Option<String>,
    /// How the image gets to the nodes when it is not sent to a registry [default: by the context's name, else `ctr`
    /// where it works]
    #[arg(long, value_enum)]
    load: Option<Load>,
    /// Take the demo away again, with all that lies outside of its namespace
    #[arg(long, conflicts_with_all = ["load", "push"])]
    delete: bool,
    #[command(flatten)]
    image: image::Options,
}

/// Builds, loads or sends, applies, and waits.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    stop::on_signals(|| {})?;
    let workspace = Workspace::find()?;
    let kubectl = Kubectl::new(options.context.clone())?;
    let overlay = Overlay::find(&workspace, &options.overlay)?;
    overlay.provide_secrets(&workspace)?;
    let objects = kubectl.describe(&overlay.folder)?;
    if options.delete {
        return delete(&workspace, &kubectl, &overlay, &objects);
    }
    let namespace = overlay::namespace(&objects)?;
    let others = owners::other_demos(&kubectl, namespace)?;
    if !others.is_empty() {
        bail!(
            "This cluster has a demo already, in the namespace {}, and what lies outside of a namespace can be there once. Nothing was \
             changed: take that one out first, `cargo xtask deploy --delete`.",
            others.join(", ")
        );
    }
    owners::check(&kubectl, &objects, namespace)?;
    let load = match (options.load, &options.image.push) {
        (Some(load), _) => load,
        (None, Some(_)) => Load::None,
        (None, None) => Load::detect(&kubectl)?,
    };

    let image = image::make(&workspace, &options.image)?;
    load.run(&kubectl, &image.archive)?;
    let pinned = overlay.with_image(&workspace, &objects, &image.repository, &image.digest)?;
    console::step(format_args!("applying {} to {}", workspace.short(&overlay.folder), kubectl.context()?));
    if !kubectl.show(|command| command.args(["apply", "-k"]).arg(&pinned))? {
        bail!(
            "Stopped: the cluster does not take everything; kubectl says why above. Applying again is safe."
        );
    }
    for deployment in objects.iter().filter(|object| object.kind == "Deployment") {
        let name = &deployment.metadata.name;
        let wait = ["--namespace", namespace, "rollout", "status", "--timeout", PATIENCE];
        if !kubectl.show(|command| command.args(wait).arg(format!("deployment/{name}")))? {
            kubectl.show(|command| command.args(["--namespace", namespace, "get", "pods,events"]))?;
            bail!("Stopped: {name} does not come up; its pods and their events are above.");
        }
    }
    console::step("ready");
    console::plain(format_args!(
        "\n  The page      kubectl --context {} --namespace {namespace} port-forward service/server 8930:80\n  \
         then          http://127.0.0.1:8930/\n  Passcode      in {}",
        kubectl.context()?,
        workspace.short(&overlay::secrets(&workspace)),
    ));
    Ok(ExitCode::SUCCESS)
}

/// Takes everything away. First the metrics APIs: no namespace of the cluster can end while one of them is served by
/// nobody.
fn delete(
    workspace: &Workspace,
    kubectl: &Kubectl,
    overlay: &Overlay,
    objects: &[Object],
) -> Result<ExitCode> {
    let namespace = overlay::namespace(objects)?;
    console::step(format_args!("taking the demo in the namespace {namespace} out of {}", kubectl.context()?));
    let apis = owners::ours(kubectl, objects, namespace)?;
    let mut deleted = true;
    if !apis.is_empty() {
        let words = ["delete", "--ignore-not-found", owners::KIND];
        deleted = kubectl.show(|command| command.args(words).args(&apis))?;
    }
    if deleted {
        let others = owners::other_demos(kubectl, namespace)?;
        if !others.is_empty() {
            console::step(format_args!(
                "roles and admission policies of the cluster stay: the demo in {} needs them",
                others.join(", ")
            ));
        }
        let folder = overlay.to_delete(workspace, others.is_empty())?;
        let words = ["delete", "--ignore-not-found", "--timeout", PATIENCE, "-k"];
        deleted = kubectl.show(|command| command.args(words).arg(&folder))?;
    }
    if !deleted {
        bail!("Stopped: not everything is gone; kubectl says why above. Deleting again is safe.");
    }
    console::step("gone");
    Ok(ExitCode::SUCCESS)
}
