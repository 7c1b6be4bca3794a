//! The Open Container Initiative's image format: layers, a configuration, a manifest, and an archive that any engine
//! loads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::base;
use super::tree::Tree;

/// The type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// One layer, compressed.
pub(crate) struct Layer {
    /// What it is, for people.
    pub name: &'static str,
    /// The compressed tar.
    pub blob: Vec<u8>,
    /// The digest of the compressed tar.
    pub digest: String,
    /// The digest of the tar.
    pub diff_id: String,
}

impl Layer {
    /// Packs files.
    pub(crate) fn new(name: &'static str, tree: &Tree) -> Result<Self> {
        let mut tar = Vec::new();
        tree.write(&mut tar)?;
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        gzip.write_all(&tar)?;
        let blob = gzip.finish().with_context(|| format!("cannot compress the layer {name}"))?;
        Ok(Self { name, digest: digest(&blob), diff_id: digest(&tar), blob })
    }
}

/// A whole image.
pub(crate) struct Archive {
    /// From the bottom to the top.
    pub layers: Vec<Layer>,
    /// The configuration as bytes.
    pub config: Vec<u8>,
    /// The manifest as bytes: its digest is the image's.
    pub manifest: Vec<u8>,
    digest: String,
    version: String,
    repository: String,
}

impl Archive {
    /// An image of these layers, with the program to run unless somebody says otherwise. Who loads it finds it as
    /// `repository:version` and as `repository@digest`.
    pub(crate) fn new(
        layers: Vec<Layer>,
        version: &str,
        repository: &str,
        entrypoint: Option<&str>,
    ) -> Result<Self> {
        let config = serde_json::to_vec(&config(&layers, version, entrypoint))?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": layers.iter().map(|layer| descriptor(LAYER, &layer.blob)).collect::<Vec<_>>(),
        }))?;
        let digest = digest(&manifest);
        Ok(Self {
            layers,
            config,
            manifest,
            digest,
            version: version.to_owned(),
            repository: repository.to_owned(),
        })
    }

    /// `sha256:...` of the manifest.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// The tag that it has unless somebody says otherwise.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Bytes that a node has to fetch.
    pub(super) fn compressed(&self) -> usize {
        self.layers.iter().map(|layer| layer.blob.len()).sum()
    }

    /// Every blob but the manifest, with its digest.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (String, &[u8])> {
        let layers = self.layers.iter().map(|layer| (layer.digest.clone(), layer.blob.as_slice()));
        layers.chain(std::iter::once((digest(&self.config), self.config.as_slice())))
    }

    /// Writes the archive.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let mut tree = Tree::default();
        tree.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(), 0o644);
        tree.add("index.json", serde_json::to_vec(&self.index())?, 0o644);
        let manifest = (self.digest.clone(), self.manifest.as_slice());
        for (digest, blob) in self.blobs().chain(std::iter::once(manifest)) {
            tree.add(&format!("blobs/{}", digest.replace(':', "/")), blob.to_vec(), 0o644);
        }
        tree.write(BufWriter::new(File::create(file)?))
    }

    /// The manifest by both of its names: containerd makes an image of each annotated entry.
    fn index(&self) -> Value {
        let named = |name: String, reference: &str| {
            let mut entry = descriptor(MANIFEST, &self.manifest);
            entry["platform"] = json!({"architecture": architecture(), "os": "linux"});
            entry["annotations"] =
                json!({"io.containerd.image.name": name, "org.opencontainers.image.ref.name": reference});
            entry
        };
        let Self { repository, version, digest, .. } = self;
        let manifests = [
            named(format!("{repository}:{version}"), version),
            named(format!("{repository}@{digest}"), digest),
        ];
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    }
}

fn config(layers: &[Layer], version: &str, entrypoint: Option<&str>) -> Value {
    let mut config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": base::USER,
            "WorkingDir": "/",
            "Env": ["PATH=/usr/local/bin", format!("SSL_CERT_FILE=/{}", base::CA_FILE)],
            "Labels": {
                "org.opencontainers.image.title": "king-of-scaling",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            },
        },
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| &layer.diff_id).collect::<Vec<_>>()},
        "history": layers.iter().map(|layer| json!({"created_by": layer.name})).collect::<Vec<_>>(),
    });
    if let Some(program) = entrypoint {
        config["config"]["Entrypoint"] = json!([program]);
    }
    config
}

/// This machine's, as container images call it: the programs are built for it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(blob), "size": blob.len()})
}

/// `sha256:` and 64 hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hash}")
}
