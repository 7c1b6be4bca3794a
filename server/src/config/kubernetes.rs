//! Which cluster is shown instead of local pods.

use std::ffi::{OsStr, OsString};

use cluster::kubernetes::{Access, Kubeconfig, KubernetesConfig};
use process::{Clock, ConfigError};

/// The options that choose one.
#[derive(Debug, Clone, clap::Args)]
pub struct ClusterArgs {
    /// Show the cluster of this kubeconfig instead of local pods; inside a cluster its own is shown without this.
    /// Several files are one, as in KUBECONFIG
    #[arg(long, env = "KING_KUBECONFIG", value_name = "FILES")]
    kubeconfig: Option<OsString>,
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Only say whether the cluster can be reached
    #[arg(long)]
    pub check_cluster: bool,
    /// The namespace of the Deployments [default: that of the ServiceAccount, else king-of-scaling]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

impl ClusterArgs {
    /// A kubeconfig names a cluster, a ServiceAccount belongs to one; without either there is none.
    pub(super) fn check(self) -> Result<Option<KubernetesConfig>, ConfigError> {
        let kubeconfig = self.kubeconfig.map(|files| kubeconfig(&files, self.context)).transpose()?;
        match Access::find(kubeconfig) {
            Some(access) => Ok(Some(KubernetesConfig {
                namespace: self.namespace.unwrap_or_else(|| access.namespace()),
                access,
                topics: kafka::sampler::demo_topics().list,
                crash_token: process::crash::token()?,
                // Kubernetes tells a pod its name where the manifest asks for that.
                own_pod: std::env::var("POD_NAME").ok(),
                clock: || Clock::system().now_ms(),
            })),
            None if self.namespace.is_some() => {
                Err(ConfigError::new("--namespace is of a cluster: give --kubeconfig FILE as well"))
            }
            None => Ok(None),
        }
    }
}

/// Whether this process runs in that cluster.
pub(super) fn is_around_us(cluster: &KubernetesConfig) -> bool {
    matches!(cluster.access, Access::ServiceAccount)
}

fn kubeconfig(files: &OsStr, context: Option<String>) -> Result<Kubeconfig, ConfigError> {
    let found = Kubeconfig::new(std::env::split_paths(files).collect(), context);
    if found.is_there() {
        Ok(found)
    } else {
        Err(ConfigError::new(format!("there is no kubeconfig at {found}")))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::config::{Args, Runtime};

    #[test]
    fn a_kubeconfig_takes_the_place_of_local_pods() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = |options: &[&str]| Args::try_parse_from([&["server"], options].concat()).unwrap().check();
        let path = file.path().to_str().unwrap();
        let config = check(&["--kubeconfig", path]).unwrap();
        let Runtime::Kubernetes(cluster) = config.runtime else { panic!("{:?}", config.runtime) };
        assert_eq!(cluster.namespace, "king-of-scaling");
        let config = check(&["--kubeconfig", path, "--namespace", "mine"]).unwrap();
        assert!(matches!(config.runtime, Runtime::Kubernetes(cluster) if cluster.namespace == "mine"));
        assert!(check(&["--kubeconfig", "/nowhere"]).is_err());
        let several = std::env::join_paths(["/nowhere", path]).unwrap();
        assert!(check(&["--kubeconfig", several.to_str().unwrap(), "--context", "mine"]).is_ok());
        assert!(Args::try_parse_from(["server", "--context", "mine"]).is_err());
        assert!(check(&["--namespace", "mine"]).is_err());
    }
}
