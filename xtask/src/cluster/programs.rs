//! The programs of a Kubernetes node, built from their own Go modules and kept in the target directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::prerequisites::{Consent, Packages};
use crate::workspace::Workspace;
use crate::{console, tool};

/// What goes into `kubectl version`; the module says the same.
const KUBERNETES: &str = "1.37.2";
/// Drivers of disks that the node does not have: they would need C libraries.
const TAGS: &str = "no_btrfs,no_devmapper,no_zfs";
/// What the programs themselves call.
const SYSTEM: Packages =
    Packages { apt: &["runc", "iptables", "iproute2", "util-linux", "mount"], brew: &[] };
const SYSTEM_PROGRAMS: [&str; 5] = ["runc", "iptables", "ip", "unshare", "mount"];

/// A module in `end2end/cluster/node/modules`, and what is built of it.
struct Module {
    name: &'static str,
    packages: &'static [&'static str],
}

const MODULES: [Module; 3] = [
    Module {
        name: "control-plane",
        packages: &[
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubelet",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kubectl",
            "go.etcd.io/etcd/server/v3",
        ],
    },
    Module {
        name: "node",
        packages: &[
            "github.com/containerd/containerd/v2/cmd/containerd",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/ctr",
            "github.com/containernetworking/plugins/plugins/main/bridge",
            "github.com/containernetworking/plugins/plugins/main/loopback",
            "github.com/containernetworking/plugins/plugins/ipam/host-local",
            "github.com/containernetworking/plugins/plugins/meta/portmap",
        ],
    },
    Module { name: "dns", packages: &["github.com/coredns/coredns"] },
];

/// Why this machine cannot have them, if it cannot.
pub(super) fn obstacle() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("a node needs Linux");
    }
    if !rustix::process::geteuid().is_root() {
        return Some("a node needs root");
    }
    tool::find(&["go"]).is_none().then_some("Go is missing (https://go.dev/dl), which builds Kubernetes")
}

/// Builds what is not there yet; the directory of the programs.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let missing = || SYSTEM_PROGRAMS.iter().find(|name| tool::find(&[name]).is_none());
    if let Some(missing) = missing() {
        SYSTEM.offer(&format!("{missing} is missing"), Consent::GivenToRoot)?;
    }
    if let Some(missing) = missing() {
        bail!("The test cluster needs {missing}: install it.");
    }
    let sources = workspace.root.join("end2end/cluster/node");
    let home = workspace.target.join("cluster");
    let programs = home.join(format!("programs-{}", digest(&sources)?));
    if programs.is_dir() {
        return Ok(programs);
    }
    let unfinished = home.join("programs.unfinished");
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(&unfinished)
        .with_context(|| format!("cannot create {}", unfinished.display()))?;
    console::step(format_args!("building Kubernetes {KUBERNETES} from its sources: some ten minutes, once"));
    let log = home.join("build.log");
    for module in &MODULES {
        for package in module.packages {
            let name = package.rsplit('/').next().unwrap_or(package);
            let folder = sources.join("modules").join(module.name);
            // Of etcd the package's last word is its version.
            let (name, package) = if name == "v3" { ("etcd", *package) } else { (name, *package) };
            build_one(&folder, package, &unfinished.join(name), &log)?;
        }
    }
    build_one(&sources.join("pause"), "pause.go", &unfinished.join("pause"), &log)?;
    std::fs::rename(&unfinished, &programs).context("cannot put the programs in place")?;
    Ok(programs)
}

fn build_one(folder: &Path, package: &str, output: &Path, log: &Path) -> Result<()> {
    let name = output.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    let _waiting = console::Waiting::on(format!("building {name}"));
    let version = "k8s.io/component-base/version.git";
    let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
    let flags = if package.starts_with("k8s.io/") {
        format!("-X {version}Version=v{KUBERNETES} -X {version}Major=1 -X {version}Minor={minor}")
    } else {
        String::new()
    };
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-tags", TAGS, "-ldflags", &format!("-s -w {flags}")]);
    command.arg("-o").arg(output).arg(package).current_dir(folder).env("CGO_ENABLED", "0");
    tool::quiet(&command, log).with_context(|| format!("{name} does not build"))
}

/// What decides about the programs, in short.
fn digest(sources: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut add = |file: PathBuf| -> Result<()> {
        digest.update(std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        Ok(())
    };
    for module in &MODULES {
        let folder = sources.join("modules").join(module.name);
        add(folder.join("go.mod"))?;
        add(folder.join("go.sum"))?;
    }
    add(sources.join("pause/pause.go"))?;
    for module in &MODULES {
        digest.update(module.packages.concat());
    }
    Ok(digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}
