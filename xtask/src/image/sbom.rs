//! What is inside, for those who must know: a CycloneDX list of the crates in the programs and in the page, and of the
//! libraries beside them.
//!
//! It has no serial number and no time, so that an image made again has the same bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::oci::digest;
use crate::binaries::Programs;
use crate::workspace::Workspace;

/// The page's crate, and what it is built for.
const PAGE: (&str, &str) = ("frontend", "wasm32-unknown-unknown");

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Clone, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// Nothing, `dev` or `build`.
    kind: Option<String>,
}

impl Kind {
    /// Whether the crate of that name goes into the program. What builds or tests it does not; but a crate like
    /// `openssl-src` brings the sources of a C library that does.
    fn goes_in(&self, name: &str) -> bool {
        match self.kind.as_deref() {
            None => true,
            Some("build") => name.ends_with("-src"),
            Some(_) => false,
        }
    }
}

/// The list as JSON.
pub(super) fn describe(
    workspace: &Workspace,
    programs: Programs,
    libraries: &BTreeSet<PathBuf>,
) -> Result<Vec<u8>> {
    let mut crates = inside(&metadata(workspace, &host()?, programs.openssl())?, programs.names());
    crates.extend(inside(&metadata(workspace, PAGE.1, &[])?, &[PAGE.0]));
    let mut components: Vec<Value> = crates.values().map(component).collect();
    for file in libraries {
        let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let hash = digest(&content);
        let hash = hash.trim_start_matches("sha256:");
        components
            .push(json!({"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": hash}]}));
    }
    let list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {
            "type": "container", "name": "king-of-scaling", "version": env!("CARGO_PKG_VERSION"),
            "licenses": [{"expression": env!("CARGO_PKG_LICENSE")}],
        }},
        "components": components,
    });
    Ok(serde_json::to_vec_pretty(&list)?)
}

fn component(package: &Package) -> Value {
    let Package { name, version, license, source, .. } = package;
    let mut component = json!({"type": "library", "name": name, "version": version});
    if let Some(license) = license {
        // Crates of old write `MIT/Apache-2.0`.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if source.is_some() {
        component["purl"] = json!(format!("pkg:cargo/{name}@{version}"));
    }
    component
}

/// The crates that go into programs: what they depend on, and what that depends on. By name and version.
fn inside(metadata: &Metadata, programs: &[&str]) -> BTreeMap<(String, String), Package> {
    let packages: HashMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes: HashMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let is_program =
        |package: &&Package| package.source.is_none() && programs.contains(&package.name.as_str());
    let mut todo: Vec<&str> =
        metadata.packages.iter().filter(is_program).map(|package| package.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    while let Some(id) = todo.pop() {
        if !seen.insert(id) {
            continue;
        }
        if let Some(package) = packages.get(id) {
            found.insert((package.name.clone(), package.version.clone()), (*package).clone());
        }
        let needed = nodes.get(id).into_iter().flat_map(|node| &node.deps).filter(|dependency| {
            let name = packages.get(dependency.pkg.as_str()).map_or("", |package| &package.name);
            dependency.dep_kinds.iter().any(|kind| kind.goes_in(name))
        });
        todo.extend(needed.map(|dependency| dependency.pkg.as_str()));
    }
    found
}

fn metadata(workspace: &Workspace, platform: &str, openssl: &[&str]) -> Result<Metadata> {
    let mut command = workspace.cargo();
    command.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", platform]);
    command.args(openssl);
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "`cargo metadata` failed");
    serde_json::from_slice(&output.stdout).context("cannot read the answer of `cargo metadata`")
}

/// The target that this machine's programs are built for.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = crate::tool::output(std::process::Command::new(rustc).args(["--print", "host-tuple"]));
    Ok(answer.context("`rustc --print host-tuple` failed")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_builds_or_tests_a_program_is_not_inside() {
        let package = |name: &str, source: Value| json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source});
        let needs = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata: Metadata = serde_json::from_value(json!({
            "packages": [package("server", json!(null)), package("http", json!("registry")), package("cc", json!("registry")), package("openssl-src", json!("registry"))],
            "resolve": {"nodes": [
                {"id": "server", "deps": [needs("http", json!(null)), needs("cc", json!("build")), needs("openssl-src", json!("build"))]},
                {"id": "http", "deps": [needs("server", json!("dev"))]},
                {"id": "cc", "deps": []},
            ]},
        }))
        .unwrap();
        let found = inside(&metadata, &["server"]);
        assert_eq!(
            found.keys().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["http", "openssl-src", "server"]
        );
        let http = component(&found[&("http".to_owned(), "1.0.0".to_owned())]);
        assert_eq!(http["purl"], "pkg:cargo/http@1.0.0");
        assert_eq!(http["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }
}
