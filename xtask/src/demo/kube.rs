//! `--kube`: a Kubernetes cluster instead of local pods.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::kafka::Access;
use crate::workspace::Workspace;
use crate::{console, tool};

/// Which cluster to show.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Show the cluster of this kubeconfig instead of local pods; several files are one, as in KUBECONFIG [default:
    /// KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "KUBECONFIG")]
    kube: Option<Option<OsString>>,
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, requires = "kube")]
    context: Option<String>,
    /// The namespace of the Deployments kstreams and datagen [default: king-of-scaling]
    #[arg(long, requires = "kube")]
    namespace: Option<String>,
}

/// The cluster to show, found.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// One or more files, as `KUBECONFIG` lists them.
    kubeconfig: OsString,
    context: Option<String>,
    namespace: Option<String>,
}

impl Options {
    /// Whether a cluster is to be shown.
    pub(super) fn is_asked_for(&self) -> bool {
        self.kube.is_some()
    }

    /// The cluster, if one was asked for.
    ///
    /// # Errors
    /// When none of the kubeconfig's files is there.
    pub(super) fn cluster(&self) -> Result<Option<Cluster>> {
        let Some(given) = &self.kube else { return Ok(None) };
        let Some(kubeconfig) = given.clone().or_else(usual) else {
            bail!("No kubeconfig is known here: give its path, `cargo xtask demo --kube PATH`.");
        };
        let files = std::env::split_paths(&kubeconfig).filter(|file| !file.as_os_str().is_empty());
        let files = files.map(std::path::absolute).collect::<std::io::Result<Vec<_>>>()?;
        if !files.iter().any(|file| file.is_file()) {
            bail!(
                "There is no kubeconfig at {}: give its path, `cargo xtask demo --kube PATH`.",
                kubeconfig.to_string_lossy()
            );
        }
        let kubeconfig = std::env::join_paths(files).context("a kubeconfig's path has a separator in it")?;
        Ok(Some(Cluster { kubeconfig, context: self.context.clone(), namespace: self.namespace.clone() }))
    }
}

impl Cluster {
    /// The options of the server.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["--kubeconfig".into(), self.kubeconfig.clone()];
        for (name, value) in [("--context", &self.context), ("--namespace", &self.namespace)] {
            arguments.extend(value.iter().flat_map(|value| [name.into(), value.into()]));
        }
        arguments
    }

    /// Asks the API server who it is, by the same way as the server will.
    ///
    /// # Errors
    /// When it cannot be reached, with the server's words for that.
    pub(super) fn check(&self, workspace: &Workspace, kafka: &Access) -> Result<()> {
        let _waiting = console::Waiting::on("asking the cluster");
        let mut command = Command::new(workspace.binary("server"));
        command.arg("--check-cluster").args(self.arguments());
        kafka.give_to(&mut command);
        let label = tool::text(&mut command).context("The cluster cannot be shown")?;
        console::step(format_args!("the cluster answers: {}", label.trim()));
        Ok(())
    }

    /// Says what is expected there: nothing is deployed from here.
    pub(super) fn say_what_is_expected(&self, kafka: &str) {
        let namespace = self.namespace.as_deref().unwrap_or("king-of-scaling");
        let context =
            self.context.as_ref().map_or_else(String::new, |context| format!("the context {context} of "));
        console::step(format_args!(
            "showing the namespace {namespace} of the cluster in {context}{}",
            self.kubeconfig.to_string_lossy()
        ));
        console::plain(format_args!(
            "  Expected there: the Deployments kstreams and datagen with the labels of deploy/, a HorizontalPodAutoscaler\n  \
             for kstreams, and pods that use this same Kafka, {kafka}. Nothing is deployed from here, and no pod runs here."
        ));
        if std::env::var_os("KING_CRASH_TOKEN").is_none() {
            console::plain(
                "  To crash pods as well, set KING_CRASH_TOKEN to the key crash-token of their Secret king-secrets.",
            );
        }
    }
}

/// What kubectl would use.
fn usual() -> Option<OsString> {
    let named = std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty());
    named.or_else(|| Some(std::env::home_dir()?.join(".kube").join("config").into_os_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn cluster(arguments: &[&str]) -> Result<Option<Cluster>> {
        Cli::try_parse_from([&["demo"], arguments].concat())?.options.cluster()
    }

    #[test]
    fn a_cluster_is_shown_only_when_asked_for_and_only_where_there_is_a_kubeconfig() {
        assert!(cluster(&[]).unwrap().is_none());
        assert!(cluster(&["--namespace", "mine"]).is_err());
        assert!(cluster(&["--context", "mine"]).is_err());
        assert!(cluster(&["--kube", "/nowhere"]).unwrap_err().to_string().contains("/nowhere"));
        // Any file will do.
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        // The usual kubeconfig may be there or not; that it is meant is understood.
        let usual = Cli::try_parse_from(["demo", "--kube", "--namespace", "mine"]).unwrap();
        assert_eq!(usual.options.kube, Some(None));
        let found = cluster(&["--kube", path, "--namespace", "mine", "--context", "here"]).unwrap().unwrap();
        let arguments = ["--kubeconfig", path, "--context", "here", "--namespace", "mine"];
        assert_eq!(found.arguments(), arguments.map(OsString::from));
        let several = std::env::join_paths(["/nowhere", path]).unwrap();
        let found = cluster(&["--kube", several.to_str().unwrap()]).unwrap().unwrap();
        assert_eq!(found.arguments(), [OsString::from("--kubeconfig"), several]);
    }
}
