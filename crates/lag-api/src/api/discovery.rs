//! What there is: groups, their versions, and the metrics in them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::Api;
use super::status::Failure;
use super::{CUSTOM, EXTERNAL};
use crate::values::GroupMetric;

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
    State(api): State<Arc<Api>>,
    Path((group, version)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let resources: Vec<Value> = match (group.as_str(), version.as_str()) {
        EXTERNAL => {
            GroupMetric::ALL.map(|metric| resource(metric.name(), "ExternalMetricValueList")).to_vec()
        }
        CUSTOM => {
            let topics = api.sources.group.topics.list.iter();
            topics.map(|topic| resource(&format!("pods/{}", topic.pod_metric()), "MetricValueList")).collect()
        }
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
