//! A cluster has one owner of each metrics API. Applying ours over another's would take that away from everybody who
//! uses it.

use anyhow::{Result, bail};
use serde::Deserialize;

use super::kubectl::{Kubectl, List, Object};

/// The Service behind our APIs.
const SERVICE: &str = "lag-api";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ApiService {
    group: String,
    /// Nothing where the API server itself is the owner.
    service: Option<Service>,
}

#[derive(Debug, Deserialize)]
struct Service {
    namespace: String,
    name: String,
}

/// How kubectl calls them.
pub(super) const KIND: &str = "apiservices.apiregistration.k8s.io";

/// An error that names the owner when a group that is to be applied for a namespace belongs to somebody else.
pub(super) fn check(kubectl: &Kubectl, objects: &[Object], namespace: &str) -> Result<()> {
    let wanted = groups(objects);
    let others = others(&find(kubectl, &wanted)?, &wanted, namespace);
    if others.is_empty() {
        return Ok(());
    }
    bail!(
        "This cluster has an owner of the metrics APIs already, and there can be one only:\n{}\nNothing was changed. With KEDA take \
         `--overlay keda`; else remove that owner first, if nobody needs it.",
        others.join("\n")
    )
}

/// The namespaces of other demos: what lies outside of a namespace has one name in a cluster.
pub(super) fn other_demos(kubectl: &Kubectl, namespace: &str) -> Result<Vec<String>> {
    let ours = "app.kubernetes.io/part-of=king-of-scaling";
    let found: List<Object> = kubectl
        .json(|command| command.args(["get", "namespaces", "--selector", ours, "--output", "json"]))?;
    let names = found.items.into_iter().map(|namespace| namespace.metadata.name);
    Ok(names.filter(|name| name != namespace).collect())
}

/// The names of those that the demo in a namespace serves.
pub(super) fn ours(kubectl: &Kubectl, objects: &[Object], namespace: &str) -> Result<Vec<String>> {
    let found = find(kubectl, &groups(objects))?;
    let ours = found.into_iter().filter(|api| {
        api.spec.service.as_ref().is_some_and(|owner| owner.namespace == namespace && owner.name == SERVICE)
    });
    Ok(ours.map(|api| api.metadata.name).collect())
}

/// The groups of the APIs among these objects.
fn groups(objects: &[Object]) -> Vec<&str> {
    let apis = objects.iter().filter(|object| object.kind == "APIService");
    apis.filter_map(|object| object.spec.get("group")?.as_str()).collect()
}

/// All APIs of the cluster in these groups.
fn find(kubectl: &Kubectl, groups: &[&str]) -> Result<Vec<Object<ApiService>>> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: List<Object<ApiService>> =
        kubectl.json(|command| command.args(["get", KIND, "--output", "json"]))?;
    found.items.retain(|api| groups.contains(&api.spec.group.as_str()));
    Ok(found.items)
}

/// A line for each API of the wanted groups that is not ours, whatever its version: the autoscaler takes the version
/// that the cluster prefers.
fn others(found: &[Object<ApiService>], wanted: &[&str], namespace: &str) -> Vec<String> {
    let foreign = found.iter().filter(|api| wanted.contains(&api.spec.group.as_str()));
    let foreign = foreign.filter_map(|api| {
        let owner = api.spec.service.as_ref()?;
        let is_ours = owner.namespace == namespace && owner.name == SERVICE;
        (!is_ours).then(|| {
            format!(
                "  {} belongs to the Service {} in the namespace {}",
                api.metadata.name, owner.name, owner.namespace
            )
        })
    });
    foreign.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_owner_is_named_and_we_ourselves_are_none() {
        let api = |name: &str, group: &str, namespace: &str, service: &str| json!({"metadata": {"name": name}, "spec": {"group": group, "service": {"namespace": namespace, "name": service}}});
        let list: List<Object<ApiService>> = serde_json::from_value(json!({"items": [
            api("v1beta1.external.metrics.k8s.io", "external.metrics.k8s.io", "keda", "keda-operator-metrics-apiserver"),
            api("v1beta2.custom.metrics.k8s.io", "custom.metrics.k8s.io", "king-of-scaling", "lag-api"),
            api("v1beta1.metrics.k8s.io", "metrics.k8s.io", "kube-system", "metrics-server"),
            {"metadata": {"name": "v1.apps"}, "spec": {"group": "apps"}},
        ]}))
        .unwrap();
        let wanted = ["external.metrics.k8s.io", "custom.metrics.k8s.io"];
        let others = others(&list.items, &wanted, "king-of-scaling");
        let expected = "  v1beta1.external.metrics.k8s.io belongs to the Service keda-operator-metrics-apiserver in the namespace keda";
        assert_eq!(others, [expected]);
        assert_eq!(
            super::others(&list.items, &wanted, "team-a").len(),
            2,
            "that of another namespace is another one"
        );
    }
}
