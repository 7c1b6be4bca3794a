//! `--kube`: a Kubernetes cluster instead of local pods.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::console;

/// Which cluster to show.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Show the cluster of this kubeconfig instead of local pods [default file: that of KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "KUBECONFIG")]
    kube: Option<Option<PathBuf>>,
    /// The namespace of the Deployments kstreams and datagen [default: king-of-scaling]
    #[arg(long, requires = "kube")]
    namespace: Option<String>,
}

/// The cluster to show, found.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    kubeconfig: PathBuf,
    namespace: Option<String>,
}

impl Options {
    /// The cluster, if one was asked for.
    ///
    /// # Errors
    /// When there is no such kubeconfig.
    pub(super) fn cluster(&self) -> Result<Option<Cluster>> {
        let Some(given) = &self.kube else { return Ok(None) };
        let Some(kubeconfig) = given.clone().or_else(usual) else {
            bail!("No kubeconfig is known here: give its path, `cargo xtask demo --kube PATH`.");
        };
        if !kubeconfig.is_file() {
            bail!(
                "There is no kubeconfig at {}: give its path, `cargo xtask demo --kube PATH`.",
                kubeconfig.display()
            );
        }
        let kubeconfig = std::path::absolute(kubeconfig)?;
        Ok(Some(Cluster { kubeconfig, namespace: self.namespace.clone() }))
    }
}

impl Cluster {
    /// The options of the server.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--kubeconfig".to_owned(), self.kubeconfig.to_string_lossy().into_owned()];
        if let Some(namespace) = &self.namespace {
            arguments.extend(["--namespace".to_owned(), namespace.clone()]);
        }
        arguments
    }

    /// Says what is expected there: nothing is deployed from here.
    pub(super) fn say_what_is_expected(&self, kafka: &str) {
        let namespace = self.namespace.as_deref().unwrap_or("king-of-scaling");
        console::step(format_args!(
            "showing the namespace {namespace} of the cluster in {}",
            self.kubeconfig.display()
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
fn usual() -> Option<PathBuf> {
    let named = std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty());
    match named {
        Some(paths) => std::env::split_paths(&paths).find(|path| path.is_file()),
        None => std::env::home_dir().map(|home| home.join(".kube").join("config")),
    }
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
        assert!(cluster(&["--kube", "/nowhere"]).unwrap_err().to_string().contains("/nowhere"));
        // Any file will do.
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        // The usual kubeconfig may be there or not; that it is meant is understood.
        let usual = Cli::try_parse_from(["demo", "--kube", "--namespace", "mine"]).unwrap();
        assert_eq!(usual.options.kube, Some(None));
        let found = cluster(&["--kube", path, "--namespace", "mine"]).unwrap().unwrap();
        assert_eq!(found.arguments(), ["--kubeconfig", path, "--namespace", "mine"]);
    }
}
