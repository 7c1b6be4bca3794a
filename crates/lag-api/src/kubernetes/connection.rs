//! How we reach the cluster.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// The namespace of the demo, where nobody says another.
pub const NAMESPACE: &str = "king-of-scaling";

/// The cluster cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of `--kubeconfig` is of no use.
    #[error("cannot use the kubeconfig")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is no cluster around us, and none was named.
    #[error("this is no pod of a cluster: give --kubeconfig (KING_KUBECONFIG)")]
    NoCluster(#[from] kube::config::InClusterError),
    /// The settings do not make a client.
    #[error("cannot make a client of the cluster")]
    Client(#[source] Box<kube::Error>),
}

/// A client of the cluster that the file describes, else of the one that we run in; and the namespace that is ours in it.
/// Nothing is asked yet.
///
/// # Errors
/// When there is neither, or the settings are wrong.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<(Client, String), ConnectError> {
    let (config, namespace) = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)?;
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
            (config, NAMESPACE.to_owned())
        }
        None => {
            let config = Config::incluster()?;
            let namespace = config.default_namespace.clone();
            (config, namespace)
        }
    };
    let client = Client::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))?;
    Ok((client, namespace))
}
