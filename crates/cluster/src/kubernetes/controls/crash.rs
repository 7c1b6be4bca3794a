//! A crash on demand: the pod is asked to abort, at its own address where that can be reached, else through the API
//! server's proxy. That one strips `Authorization`, so the token has a header of its own.

use http::{Request, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use model::controls::Refusal;
use tokio::time::timeout;
use tracing::info;

use super::{Controls, PATIENCE, ask};

/// Where pods serve what others may ask of them.
const ADMIN_PORT: u16 = 9_090;
/// The header of the token.
const TOKEN: &str = "crash-token";

impl Controls {
    /// Asks the pod to abort.
    pub(super) async fn crash(&self, pod: &Pod) -> Result<(), Refusal> {
        let name = pod.name_any();
        let Some(token) = self.config.crash_token.as_deref() else {
            return Err(Refusal::Rejected(
                "Pods cannot be crashed without a token: set KING_CRASH_TOKEN here and in the pods."
                    .to_owned(),
            ));
        };
        if self.config.access.is_inside() {
            self.crash_directly(pod, &name, token).await?;
        } else {
            self.crash_by_proxy(&name, token).await?;
        }
        info!("crashed {name}");
        Ok(())
    }

    async fn crash_directly(&self, pod: &Pod, name: &str, token: &str) -> Result<(), Refusal> {
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
        let address = address.ok_or_else(|| Refusal::Rejected(format!("{name} does not run yet.")))?;
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let request = self.http.post(format!("http://{host}:{ADMIN_PORT}/crash")).header(TOKEN, token);
        let unanswered = |why: &dyn std::fmt::Display| {
            Refusal::Unavailable(format!(
                "{name} does not answer at its port {ADMIN_PORT} ({why}): is it up?"
            ))
        };
        let answer = timeout(PATIENCE, request.send()).await.map_err(|_| unanswered(&"in time"))?;
        let status = answer.map_err(|error| unanswered(&error.without_url()))?.status();
        if status.is_success() { Ok(()) } else { Err(refused(name, status)) }
    }

    async fn crash_by_proxy(&self, name: &str, token: &str) -> Result<(), Refusal> {
        let namespace = &self.config.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:{ADMIN_PORT}/proxy/crash");
        let request = Request::post(path).header(TOKEN, token).body(Vec::new());
        let request =
            request.map_err(|error| Refusal::Rejected(format!("The token is no header: {error}.")))?;
        match ask("proxy to pods", self.client()?.request_text(request)).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// What the pod's own status means.
fn refused(name: &str, status: StatusCode) -> Refusal {
    Refusal::Rejected(match status {
        StatusCode::NOT_FOUND => format!("{name} takes no crashes: set KING_CRASH_TOKEN in its Deployment."),
        StatusCode::FORBIDDEN => {
            format!("{name} has another crash token: give server and kstreams the same Secret.")
        }
        status => format!("{name} answers {status} instead of crashing."),
    })
}
