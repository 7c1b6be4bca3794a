//! The way to the API server. It is made anew after every outage, with credentials read anew: a token that has expired,
//! a certificate that was renewed and a connection that hangs are all left behind.

mod files;
mod plugin;
mod proxy;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::{Client, Config};
use tokio::time::Instant;

use super::Error;

pub use files::Kubeconfig;
pub(super) use plugin::Renewal;

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
    /// By a kubeconfig.
    Kubeconfig(Kubeconfig),
}

/// A way to the API server.
pub(super) struct Connection {
    pub(super) client: Client,
    /// When its credentials are to be replaced.
    pub(super) renew_at: Option<Instant>,
}

impl Access {
    /// The cluster of a kubeconfig where one is given, else the one that this process runs in, if it does.
    #[must_use]
    pub fn find(kubeconfig: Option<Kubeconfig>) -> Option<Self> {
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
    pub(super) async fn connect(&self, renewal: Renewal) -> Result<Connection, Error> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_WITHIN);
        // Whether to try again is decided here, where it is also told.
        config.default_retry = false;
        let mut renew_at = None;
        // kube would run it within a request, for which there is less time than a plugin takes.
        if let (Self::Kubeconfig(kubeconfig), Some(exec)) = (self, config.auth_info.exec.take()) {
            let credential = kubeconfig.plugin.credential(&exec, renewal).await?;
            config.auth_info.token = credential.token.map(Into::into);
            if let Some((certificate, key)) = credential.certificate {
                config.auth_info.client_certificate_data = Some(BASE64_STANDARD.encode(certificate));
                config.auth_info.client_key_data = Some(BASE64_STANDARD.encode(key).into());
            }
            renew_at = credential.renew_at;
        }
        let client = Client::try_from(config).map_err(Error::MakeClient)?;
        Ok(Connection { client, renew_at })
    }

    async fn config(&self) -> Result<Config, Error> {
        match self {
            Self::ServiceAccount => Config::incluster().map_err(Error::ReadServiceAccount),
            Self::Kubeconfig(kubeconfig) => kubeconfig.config().await,
        }
    }
}
