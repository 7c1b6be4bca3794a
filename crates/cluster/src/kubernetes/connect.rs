//! The way to the API server. It is made anew after every outage, with credentials read anew: a token that has expired,
//! a certificate that was renewed and a connection that hangs are all left behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::Error;

/// Where Kubernetes mounts what a ServiceAccount needs.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The namespace of the manifests.
const NAMESPACE: &str = "king-of-scaling";
/// A connection that is not there by then does not come.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// How to find the cluster.
#[derive(Debug, Clone)]
pub enum Access {
    /// By the ServiceAccount of the pod that this process runs in.
    ServiceAccount,
    /// By a kubeconfig's current context.
    Kubeconfig(PathBuf),
}

impl Access {
    /// The cluster of a kubeconfig where one is given, else the one that this process runs in, if it does.
    #[must_use]
    pub fn find(kubeconfig: Option<PathBuf>) -> Option<Self> {
        kubeconfig.map(Self::Kubeconfig).or_else(Self::in_cluster)
    }

    /// The ServiceAccount, where there is one: whether this process runs in a cluster that it may look at.
    #[must_use]
    fn in_cluster() -> Option<Self> {
        let has_server = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        (has_server && Path::new(SERVICE_ACCOUNT).join("token").is_file()).then_some(Self::ServiceAccount)
    }

    /// The namespace where nothing else is said: the ServiceAccount's own, else that of the manifests.
    #[must_use]
    pub fn namespace(&self) -> String {
        let own = match self {
            Self::ServiceAccount => {
                std::fs::read_to_string(Path::new(SERVICE_ACCOUNT).join("namespace")).ok()
            }
            Self::Kubeconfig(_) => None,
        };
        own.map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| NAMESPACE.to_owned())
    }

    /// Whether pods can be reached at their own addresses.
    pub(super) const fn is_inside(&self) -> bool {
        matches!(self, Self::ServiceAccount)
    }

    /// A client that tries again by itself. Nothing is asked yet.
    ///
    /// # Errors
    /// When the credentials cannot be read or used.
    pub async fn client(&self) -> Result<Client, Error> {
        Client::try_from(self.config().await?).map_err(Error::MakeClient)
    }

    /// A client of its own, with connections of its own, for one session of a watch.
    pub(super) async fn connect(&self) -> Result<Client, Error> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_WITHIN);
        // Whether to try again is decided here, where it is also told.
        config.default_retry = false;
        Client::try_from(config).map_err(Error::MakeClient)
    }

    async fn config(&self) -> Result<Config, Error> {
        match self {
            Self::ServiceAccount => Config::incluster().map_err(Error::ReadServiceAccount),
            Self::Kubeconfig(path) => {
                read(path).await.map_err(|source| Error::ReadKubeconfig { path: path.clone(), source })
            }
        }
    }
}

async fn read(path: &Path) -> Result<Config, kube::config::KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}
