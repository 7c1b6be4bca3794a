//! What can go wrong between here and the API server, as one sentence that says what to do.

use kube::config::{InClusterError, KubeconfigError};
use model::controls::Refusal;

/// Why the cluster cannot be seen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used; a correction is needed.
    #[error("the kubeconfig {files} cannot be used: {source}")]
    ReadKubeconfig {
        /// The files.
        files: String,
        /// Why.
        source: KubeconfigError,
    },
    /// None of the kubeconfig's files is there; a correction is needed.
    #[error("there is no kubeconfig at {files}")]
    NoKubeconfig {
        /// The files.
        files: String,
    },
    /// The proxy's address is none; a correction is needed.
    #[error("the proxy {proxy:?} is no address: write http://HOST:PORT")]
    Proxy {
        /// As it is written.
        proxy: String,
    },
    /// The program for credentials does not give any. Retryable.
    #[error("the kubeconfig's credential plugin `{command}` {what}{}{hint}", if hint.is_empty() { "" } else { ". " })]
    Plugin {
        /// Its name, without arguments.
        command: String,
        /// What it did.
        what: String,
        /// How to get it, if it is missing.
        hint: String,
    },
    /// The credentials take long. Retryable.
    #[error("waiting for the kubeconfig's credential plugin")]
    Credentials,
    /// The ServiceAccount's token or CA is not where Kubernetes mounts it; a correction is needed.
    #[error("the ServiceAccount cannot be used (is automountServiceAccountToken off?): {0}")]
    ReadServiceAccount(#[source] InClusterError),
    /// No client can be made of the configuration.
    #[error("cannot make a client for the API server: {}", Chain(.0))]
    MakeClient(#[source] kube::Error),
    /// The API server does not say who it is. Retryable.
    #[error("the API server does not answer: {}", Chain(.0))]
    AskVersion(#[source] kube::Error),
    /// A list or a watch failed. Retryable.
    #[error("{}", watching(.0))]
    Watch(#[source] kube::runtime::watcher::Error),
    /// A watch has ended for good. Retryable.
    #[error("a watch has ended")]
    WatchEnded,
    /// Some kinds of objects could not be seen: maybe they can by now.
    #[error("some kinds are hidden from this server: looking whether they still are")]
    Hidden,
    /// Nothing was heard for too long. Retryable.
    #[error("the API server does not answer in time")]
    Silence,
    /// There is nothing to show.
    #[error(
        "there is no Deployment {name} in the namespace {namespace}: apply deploy/, or say which namespace with --namespace"
    )]
    NoDeployment {
        /// The Deployment.
        name: &'static str,
        /// Where it was looked for.
        namespace: String,
    },
}

impl Error {
    /// Whether the API server does not take the credentials.
    pub(super) fn is_unauthorized(&self) -> bool {
        use kube::runtime::watcher::Error as Watch;
        let error = match self {
            Self::AskVersion(error)
            | Self::Watch(
                Watch::InitialListFailed(error) | Watch::WatchStartFailed(error) | Watch::WatchFailed(error),
            ) => error,
            _ => return false,
        };
        matches!(error, kube::Error::Api(status) if status.code == 401)
    }
}

fn watching(error: &kube::runtime::watcher::Error) -> String {
    use kube::runtime::watcher::Error as Watch;
    match error {
        Watch::InitialListFailed(error) | Watch::WatchStartFailed(error) | Watch::WatchFailed(error) => match error {
            kube::Error::Api(status) if status.code == 401 => {
                "the API server does not know this identity (401): is the kubeconfig's credential or the token out of date?"
                    .to_owned()
            }
            kube::Error::Api(status) if status.is_forbidden() => {
                format!("not allowed: {}; the Role in deploy/ lists what is needed", status.message)
            }
            error => format!("the API server does not answer: {}", Chain(error)),
        },
        other => other.to_string(),
    }
}

/// An error with its causes: hyper's own words leave the reason to them.
struct Chain<'e>(&'e kube::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let kube::Error::Api(status) = self.0 {
            return write!(f, "{} ({})", status.message, status.code);
        }
        let mut cause: Option<&dyn std::error::Error> = Some(self.0);
        let mut last = String::new();
        while let Some(error) = cause {
            last = error.to_string();
            cause = error.source();
        }
        f.write_str(&last)
    }
}

/// A command that the API server did not carry out. `what` completes "may not ...", for example `delete pods`.
pub(super) fn refusal(what: &str, error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => Refusal::Rejected(format!(
            "This server may not {what} ({}): give its ServiceAccount the Role in deploy/.",
            status.message
        )),
        kube::Error::Api(status) if status.is_not_found() => {
            Refusal::Rejected(format!("It is gone ({}): look again.", status.message))
        }
        kube::Error::Api(status) if status.is_conflict() => {
            Refusal::Unavailable("Somebody else changed it meanwhile: try again.".to_owned())
        }
        kube::Error::Api(status) if (400..500).contains(&status.code) => {
            Refusal::Rejected(format!("Kubernetes refuses to {what}: {}.", status.message))
        }
        error => Refusal::Unavailable(format!(
            "The API server does not answer ({}): try again in a moment.",
            Chain(error)
        )),
    }
}
