//! Our registration with the aggregation layer: two APIServices, of which we touch nothing but `caBundle`, and that
//! only while they are ours.

use std::collections::BTreeMap;
use std::time::SystemTime;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceSpec};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tracing::{info, warn};

use crate::tls::keeper::Trust;
use crate::tls::with_ca;

/// Their names: version and group.
pub const NAMES: [&str; 2] = ["v1beta1.external.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];

/// Whose an APIService is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Registration {
    /// Ours, with this `caBundle`.
    Ours {
        bundle: String,
        /// The patch fails if somebody else was quicker.
        resource_version: Option<String>,
    },
    /// Ours, and whoever wrote it wants no certificate to be checked.
    Unchecked,
    /// Somebody else's, by name.
    Foreign(String),
    /// Nobody's: there is none.
    Missing,
}

/// Makes the API server trust our CA.
pub struct ApiServices {
    api: Api<APIService>,
    namespace: String,
    service: String,
    /// What was said about each last, so that it is said once.
    said: BTreeMap<&'static str, Registration>,
}

impl ApiServices {
    /// Ours are those that name this Service.
    #[must_use]
    pub fn new(client: Client, namespace: &str, service: &str) -> Self {
        Self {
            api: Api::all(client),
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            said: BTreeMap::new(),
        }
    }

    async fn trust_in(&mut self, name: &'static str, ca: &str, now: SystemTime) -> kube::Result<()> {
        let found = self.api.get_opt(name).await?;
        let registration = registration(found, &self.namespace, &self.service);
        self.say(name, &registration);
        let Registration::Ours { bundle, resource_version } = registration else { return Ok(()) };
        let Some(bundle) = with_ca(&bundle, ca, now) else { return Ok(()) };
        let patch = json!({
            "metadata": { "resourceVersion": resource_version },
            "spec": { "caBundle": ByteString(bundle.into_bytes()) },
        });
        self.api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        info!(name, "the API server was told to trust our CA");
        Ok(())
    }

    /// Tells what somebody has to know, when it changes.
    fn say(&mut self, name: &'static str, registration: &Registration) {
        let said = match registration {
            Registration::Ours { .. } => Registration::Unchecked,
            other => other.clone(),
        };
        if self.said.insert(name, said.clone()) == Some(said) {
            return;
        }
        let (namespace, service) = (&self.namespace, &self.service);
        match registration {
            Registration::Ours { .. } | Registration::Unchecked => {}
            Registration::Foreign(owner) => warn!(
                "the APIService {name} belongs to {owner}, not to {namespace}/{service}: autoscalers ask there, and it is left as it is"
            ),
            Registration::Missing => {
                warn!("there is no APIService {name}: autoscalers cannot ask for these metrics");
            }
        }
    }
}

#[async_trait]
impl Trust for ApiServices {
    async fn trust(&mut self, ca: &str, now: SystemTime) -> Result<(), String> {
        for name in NAMES {
            self.trust_in(name, ca, now).await.map_err(|error| format!("APIService {name}: {error}"))?;
        }
        Ok(())
    }
}

fn registration(found: Option<APIService>, namespace: &str, service: &str) -> Registration {
    let Some(APIService { metadata, spec: Some(spec), .. }) = found else { return Registration::Missing };
    let APIServiceSpec { service: reference, ca_bundle, insecure_skip_tls_verify, .. } = spec;
    let Some(reference) = reference else {
        return Registration::Foreign("the API server itself".to_owned());
    };
    let owner = (reference.namespace.unwrap_or_default(), reference.name.unwrap_or_default());
    if (owner.0.as_str(), owner.1.as_str()) != (namespace, service) {
        return Registration::Foreign(format!("{}/{}", owner.0, owner.1));
    }
    if insecure_skip_tls_verify == Some(true) {
        return Registration::Unchecked;
    }
    let bundle = ca_bundle.map(|ByteString(bytes)| String::from_utf8_lossy(&bytes).into_owned());
    Registration::Ours { bundle: bundle.unwrap_or_default(), resource_version: metadata.resource_version }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: serde_json::Value, expected: &Registration) {
        let found = json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": { "name": NAMES[0], "resourceVersion": "7" },
            "spec": spec,
        });
        let found: APIService = serde_json::from_value(found).unwrap();
        assert_eq!(registration(Some(found), "king", "lag-api"), *expected);
    }

    #[test]
    fn only_what_names_our_service_is_ours() {
        let spec = |service: serde_json::Value| {
            json!({
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": service,
            })
        };
        let ours = json!({ "namespace": "king", "name": "lag-api", "port": 443 });
        let resource_version = Some("7".to_owned());
        check(
            spec(ours.clone()),
            &Registration::Ours { bundle: String::new(), resource_version: resource_version.clone() },
        );
        let mut trusting = spec(ours.clone());
        trusting["caBundle"] = json!("Y2E=");
        check(trusting, &Registration::Ours { bundle: "ca".to_owned(), resource_version });
        let mut unchecked = spec(ours);
        unchecked["insecureSkipTLSVerify"] = json!(true);
        check(unchecked, &Registration::Unchecked);
        let keda = json!({ "namespace": "keda", "name": "keda-operator-metrics-apiserver" });
        check(spec(keda), &Registration::Foreign("keda/keda-operator-metrics-apiserver".to_owned()));
        check(spec(json!(null)), &Registration::Foreign("the API server itself".to_owned()));
        assert_eq!(registration(None, "king", "lag-api"), Registration::Missing);
    }
}
