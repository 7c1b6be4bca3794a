//! What there is: groups, their versions, and the metrics in them.

use axum::Json;
use axum::extract::Path;
use model::Input;
use serde_json::{Value, json};

use super::status::Failure;
use super::{CUSTOM, EXTERNAL};
use crate::values::{GroupMetric, pod_metric};

pub(super) async fn groups() -> Json<Value> {
    Json(json!({
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [group_document(CUSTOM), group_document(EXTERNAL)],
    }))
}

pub(super) async fn group(Path(group): Path<String>) -> Result<Json<Value>, Failure> {
    let known = [CUSTOM, EXTERNAL].into_iter().find(|(name, _)| *name == group).ok_or(Failure::NoSuchPath)?;
    let mut document = group_document(known);
    document["kind"] = json!("APIGroup");
    document["apiVersion"] = json!("v1");
    Ok(Json(document))
}

pub(super) async fn resources(
    Path((group, version)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let resources: Vec<Value> = match (group.as_str(), version.as_str()) {
        EXTERNAL => {
            GroupMetric::ALL.map(|metric| resource(metric.name(), "ExternalMetricValueList")).to_vec()
        }
        CUSTOM => Input::ALL
            .map(|input| resource(&format!("pods/{}", pod_metric(input)), "MetricValueList"))
            .to_vec(),
        _ => return Err(Failure::NoSuchPath),
    };
    Ok(Json(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format!("{group}/{version}"),
        "resources": resources,
    })))
}

fn group_document((group, version): (&str, &str)) -> Value {
    let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({ "name": group, "versions": [version], "preferredVersion": version })
}

fn resource(name: &str, kind: &str) -> Value {
    json!({ "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"] })
}
