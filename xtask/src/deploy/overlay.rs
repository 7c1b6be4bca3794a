//! What is applied: a Kustomize folder, the Secrets that it takes from files, and the image by its digest.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::kubectl::Object;
use crate::workspace::Workspace;
use crate::{console, secret};

/// A Deployment that runs the image.
const DEPLOYMENT: &str = "kstreams";

/// A Kustomize folder.
pub(super) struct Overlay {
    /// Where it is.
    pub folder: PathBuf,
}

/// The file of the presenter's secrets.
pub(super) fn secrets(workspace: &Workspace) -> PathBuf {
    workspace.root.join("deploy/secrets/king/king.env")
}

impl Overlay {
    /// One of ours by its name, or a folder of the person's own.
    pub(super) fn find(workspace: &Workspace, name: &str) -> Result<Self> {
        let ours = workspace.root.join("deploy/overlays").join(name);
        let folder = if name.contains('/') { std::path::absolute(name)? } else { ours };
        if !folder.join("kustomization.yaml").exists() {
            bail!("There is no overlay {name}: {} has no kustomization.yaml.", folder.display());
        }
        Ok(Self { folder })
    }

    /// Makes the presenter's secrets where there are none yet. Those of a managed Kafka are the person's to give:
    /// kubectl names their file.
    pub(super) fn provide_secrets(&self, workspace: &Workspace) -> Result<()> {
        let file = secrets(workspace);
        if file.exists() {
            return Ok(());
        }
        let (passcode, cookie, crash) =
            (secret::passcode()?, secret::hexadecimal::<64>()?, secret::hexadecimal::<32>()?);
        let content = format!("passcode={passcode}\ncookie-secret={cookie}\ncrash-token={crash}\n");
        secret::write_private(&file, content.as_bytes())?;
        console::step(format_args!("a passcode and other secrets are now in {}", workspace.short(&file)));
        Ok(())
    }

    /// A folder in the target directory that says the same, with the image by its digest.
    pub(super) fn with_image(
        &self,
        workspace: &Workspace,
        objects: &[Object],
        repository: &str,
        digest: &str,
    ) -> Result<PathBuf> {
        let name = image(objects)
            .with_context(|| format!("{} has no Deployment {DEPLOYMENT}", self.folder.display()))?;
        let image = format!("images:\n  - {{name: {name}, newName: {repository}, digest: \"{digest}\"}}\n");
        self.built_upon(workspace, &image)
    }

    /// A folder in the target directory that says the same, without the metrics APIs; and without all else that a
    /// cluster has once, where another demo needs that.
    pub(super) fn to_delete(&self, workspace: &Workspace, is_alone: bool) -> Result<PathBuf> {
        let kinds = if is_alone {
            "APIService"
        } else {
            "APIService|ClusterRole|ClusterRoleBinding|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding"
        };
        let patch = format!(
            "patches:\n  - target: {{kind: {kinds}}}\n    patch: |-\n      $patch: delete\n      apiVersion: v1\n      \
             kind: Whatever\n      metadata: {{name: whatever}}\n"
        );
        self.built_upon(workspace, &patch)
    }

    fn built_upon(&self, workspace: &Workspace, more: &str) -> Result<PathBuf> {
        let folder = workspace.target.join("deploy");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // Kustomize follows no absolute paths, and looks through links.
        let resource = relative(&folder.canonicalize()?, &self.folder.canonicalize()?);
        let text = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{}]\n{more}",
            resource.display()
        );
        let file = folder.join("kustomization.yaml");
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(folder)
    }
}

/// The namespace of the demo: that of the Deployment of the pods.
pub(super) fn namespace(objects: &[Object]) -> Result<&str> {
    let is_it = |object: &&Object| object.kind == "Deployment" && object.metadata.name == DEPLOYMENT;
    let found = objects.iter().find(is_it).and_then(|object| object.metadata.namespace.as_deref());
    found.with_context(|| format!("the overlay has no Deployment {DEPLOYMENT} in a namespace"))
}

/// What the folder calls the image, without tag and digest.
fn image(objects: &[Object]) -> Option<&str> {
    let is_it = |object: &&Object| object.kind == "Deployment" && object.metadata.name == DEPLOYMENT;
    let image = objects.iter().find(is_it)?.spec.pointer("/template/spec/containers/0/image")?.as_str()?;
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    // A colon before the last slash is that of a port.
    Some(image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(image, |(name, _)| name))
}

/// The way from one absolute directory to another.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_is_named_without_tag_and_digest() {
        for (image, name) in [
            ("king-of-scaling", "king-of-scaling"),
            ("localhost:5000/king-of-scaling", "localhost:5000/king-of-scaling"),
            ("localhost:5000/king-of-scaling:0.1.0", "localhost:5000/king-of-scaling"),
            ("localhost/king-of-scaling:0.1.0@sha256:00", "localhost/king-of-scaling"),
        ] {
            let object = json!({"kind": "Deployment", "metadata": {"name": DEPLOYMENT},
                "spec": {"template": {"spec": {"containers": [{"image": image}]}}}});
            let object: Object = serde_json::from_value(object).unwrap();
            assert_eq!(super::image(&[object]), Some(name));
        }
    }

    #[test]
    fn the_way_to_a_folder_is_relative() {
        for (from, to, way) in [("/a/b/c", "/a/d", "../../d"), ("/a", "/a/b/c", "b/c"), ("/a/b", "/a/b", "")]
        {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(way), "{from} {to}");
        }
    }
}
