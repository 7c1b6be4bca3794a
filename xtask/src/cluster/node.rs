//! The processes of a Kubernetes of one node, each under a supervisor that starts again what dies.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::pki::Pki;
use super::{ADDRESS, SERVICES};
use crate::image::{self, Layer};
use crate::service::Service;
use crate::supervise::Supervisor;
use crate::tool;

const CONTAINERD: &str = include_str!("../../../end2end/cluster/node/containerd.toml");
const PODS: &str = include_str!("../../../end2end/cluster/node/pods.conflist");
const KUBELET: &str = include_str!("../../../end2end/cluster/node/kubelet.yaml");
const COREFILE: &str = include_str!("../../../end2end/cluster/node/Corefile");
const DNS: &str = include_str!("../../../end2end/cluster/node/dns.yaml");

/// The node's name.
const NAME: &str = "node-1";
/// A cold start of one program on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const ETCD: &str = "http://127.0.0.1:2379";
/// How often the controller of the HPA looks: a demo should not wait for it.
const HPA_SYNC: &str = "1s";

/// A node that has its files, in a directory.
pub(super) struct Node {
    run: PathBuf,
    programs: PathBuf,
    pki: Pki,
}

impl Node {
    /// Makes its certificates and configuration.
    pub(super) fn new(run: &Path, programs: &Path) -> Result<Self> {
        let pki = Pki::new(run.join("pki"), format!("https://{ADDRESS}:6443"))?;
        let node = Self { run: run.to_owned(), programs: programs.to_owned(), pki };
        node.make_certificates()?;
        std::fs::create_dir_all(run.join("cni"))?;
        let runc = tool::find(&["runc"]).context("runc is missing")?;
        for (name, template) in [
            ("containerd.toml", CONTAINERD),
            ("cni/pods.conflist", PODS),
            ("kubelet.yaml", KUBELET),
            ("Corefile", COREFILE),
            ("dns.yaml", DNS),
        ] {
            let text = template
                .replace("{run}", &run.to_string_lossy())
                .replace("{programs}", &programs.to_string_lossy())
                .replace("{runc}", &runc.to_string_lossy());
            std::fs::write(run.join(name), text)?;
        }
        Ok(node)
    }

    fn make_certificates(&self) -> Result<()> {
        let ca = self.pki.authority("ca")?;
        let front_proxy = self.pki.authority("front-proxy-ca")?;
        let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", ADDRESS, "10.248.0.1"];
        self.pki.certificate("apiserver", (None, "kube-apiserver"), &ca, &names)?;
        self.pki.certificate("kubelet-client", (Some("system:masters"), "kubelet-client"), &ca, &[])?;
        self.pki.certificate("front-proxy", (None, "front-proxy-client"), &front_proxy, &[])?;
        self.pki.token_keys()?;
        for (name, organisation, common) in [
            ("admin", Some("system:masters"), "admin"),
            ("controller-manager", None, "system:kube-controller-manager"),
            ("scheduler", None, "system:kube-scheduler"),
            ("proxy", None, "system:kube-proxy"),
            ("kubelet", Some("system:nodes"), &*format!("system:node:{NAME}")),
        ] {
            self.pki.kubeconfig(&self.kubeconfig(name), name, (organisation, common), &ca)?;
        }
        Ok(())
    }

    /// The kubeconfig of a component, or of the `admin`.
    pub(super) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.run.join(format!("{name}.kubeconfig"))
    }

    /// Where containerd listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }

    /// Starts everything, in the order in which one needs the other, and waits until pods can run.
    pub(super) fn start(&self, supervisor: &mut Supervisor<'_>) -> Result<()> {
        supervisor.start(self.service("etcd", self.etcd())?)?;
        supervisor.start(self.service("containerd", self.containerd())?)?;
        supervisor.start(self.service("kube-apiserver", self.api_server())?)?;
        supervisor.wait_for("kube-apiserver", || self.succeeds(&["get", "--raw", "/readyz"]), PATIENCE)?;
        supervisor.start(self.service("kube-controller-manager", self.controller_manager())?)?;
        supervisor.start(self.service("kube-scheduler", self.client("kube-scheduler", "scheduler"))?)?;
        supervisor.wait_for("containerd", || self.ctr(&["version"]).is_ok(), PATIENCE)?;
        self.load_pause()?;
        supervisor.start(self.service("kubelet", self.kubelet())?)?;
        supervisor.start(self.service("kube-proxy", self.proxy())?)?;
        let dns = self.run.join("dns.yaml");
        supervisor.wait_for(
            "kube-apiserver",
            || self.succeeds(&["apply", "-f", &dns.to_string_lossy()]),
            PATIENCE,
        )?;
        let mut coredns = self.program("coredns");
        coredns.arg("-conf").arg(self.run.join("Corefile"));
        supervisor.start(self.service("coredns", coredns)?)?;
        let node = format!("node/{NAME}");
        let ready = ["wait", "--for=condition=Ready", &node, "--timeout=1s"];
        supervisor.wait_for("kubelet", || self.succeeds(&ready), PATIENCE)
    }

    /// A service that ends with us. While it runs, `NAME.lock` has the id of its process; whoever holds the lock of
    /// that file keeps it from starting.
    fn service(&self, name: &'static str, command: Command) -> Result<Service> {
        let lock = self.run.join(format!("{name}.lock")).to_string_lossy().into_owned();
        Service::new(name, self.run.join(format!("{name}.log")), move || {
            tool::guarded(&command, &["--announce", "--lock", &lock])
        })
    }

    fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    fn etcd(&self) -> Command {
        let mut command = self.program("etcd");
        command.arg("--data-dir").arg(self.run.join("etcd"));
        // Nothing of it has to outlive the machine's power.
        command.arg("--unsafe-no-fsync");
        command.args(["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD]);
        command
    }

    fn api_server(&self) -> Command {
        let mut command = self.program("kube-apiserver");
        let file = |name: &str| self.pki.file(name).to_string_lossy().into_owned();
        for (flag, value) in [
            ("etcd-servers", ETCD.to_owned()),
            ("bind-address", ADDRESS.to_owned()),
            ("advertise-address", ADDRESS.to_owned()),
            ("secure-port", "6443".to_owned()),
            ("service-cluster-ip-range", SERVICES.to_owned()),
            ("authorization-mode", "Node,RBAC".to_owned()),
            ("allow-privileged", "true".to_owned()),
            ("tls-cert-file", file("apiserver.crt")),
            ("tls-private-key-file", file("apiserver.key")),
            ("client-ca-file", file("ca.crt")),
            ("kubelet-client-certificate", file("kubelet-client.crt")),
            ("kubelet-client-key", file("kubelet-client.key")),
            ("kubelet-preferred-address-types", "InternalIP".to_owned()),
            ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
            ("service-account-key-file", file("sa.pub")),
            ("service-account-signing-key-file", file("sa.key")),
            // The aggregation layer: how lag-api knows the API server, and how that reaches it.
            ("requestheader-client-ca-file", file("front-proxy-ca.crt")),
            ("requestheader-allowed-names", "front-proxy-client".to_owned()),
            ("requestheader-username-headers", "X-Remote-User".to_owned()),
            ("requestheader-group-headers", "X-Remote-Group".to_owned()),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
            ("proxy-client-cert-file", file("front-proxy.crt")),
            ("proxy-client-key-file", file("front-proxy.key")),
            ("enable-aggregator-routing", "true".to_owned()),
        ] {
            command.arg(format!("--{flag}={value}"));
        }
        command
    }

    /// A component that is a client of the API server, and asks it who its own callers are.
    fn client(&self, program: &str, name: &str) -> Command {
        let mut command = self.program(program);
        let kubeconfig = self.kubeconfig(name);
        for flag in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
            command.arg(format!("--{flag}={}", kubeconfig.display()));
        }
        // There is one of each: nobody to elect.
        command.arg("--leader-elect=false");
        command
    }

    fn controller_manager(&self) -> Command {
        let mut command = self.client("kube-controller-manager", "controller-manager");
        for (flag, file) in [
            ("service-account-private-key-file", "sa.key"),
            ("root-ca-file", "ca.crt"),
            ("cluster-signing-cert-file", "ca.crt"),
            ("cluster-signing-key-file", "ca.key"),
        ] {
            command.arg(format!("--{flag}={}", self.pki.file(file).display()));
        }
        command.arg("--use-service-account-credentials=true");
        command.arg(format!("--horizontal-pod-autoscaler-sync-period={HPA_SYNC}"));
        command
    }

    fn containerd(&self) -> Command {
        let mut command = self.program("containerd");
        command.arg("--config").arg(self.run.join("containerd.toml"));
        // Its shim lies beside it.
        command.env("PATH", tool::path_with(&self.programs));
        command
    }

    fn kubelet(&self) -> Command {
        let mut command = self.program("kubelet");
        for (flag, value) in [
            ("config", self.run.join("kubelet.yaml").to_string_lossy().into_owned()),
            ("kubeconfig", self.kubeconfig("kubelet").to_string_lossy().into_owned()),
            ("root-dir", self.run.join("kubelet").to_string_lossy().into_owned()),
            ("hostname-override", NAME.to_owned()),
            ("node-ip", ADDRESS.to_owned()),
        ] {
            command.arg(format!("--{flag}={value}"));
        }
        command
    }

    fn proxy(&self) -> Command {
        let mut command = self.program("kube-proxy");
        command.arg(format!("--kubeconfig={}", self.kubeconfig("proxy").display()));
        command.args(["--proxy-mode=iptables", "--cluster-cidr=10.247.0.0/16", "--conntrack-max-per-core=0"]);
        command.args([format!("--hostname-override={NAME}"), format!("--bind-address={ADDRESS}")]);
        command
    }

    /// The image that every pod's own namespaces hang on.
    fn load_pause(&self) -> Result<()> {
        let mut tree = image::Tree::default();
        tree.copy("pause", &self.programs.join("pause"), 0o755)?;
        let layers = vec![Layer::new("pause", &tree)?];
        let archive = image::Archive::new(layers, "1", "localhost/pause", Some("/pause"))?;
        let file = self.run.join("pause.tar");
        archive.write(&file)?;
        self.ctr(&["--namespace", "k8s.io", "images", "import", &file.to_string_lossy()])
    }

    fn ctr(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.program("ctr");
        tool::text(command.arg("--address").arg(self.socket()).args(arguments)).map(drop)
    }

    /// Whether kubectl, as the administrator, succeeds.
    fn succeeds(&self, arguments: &[&str]) -> bool {
        let mut command = self.program("kubectl");
        command.arg("--kubeconfig").arg(self.kubeconfig("admin")).args(arguments);
        tool::output(&mut command).is_some()
    }
}
