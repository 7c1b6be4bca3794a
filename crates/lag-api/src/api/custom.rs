//! `custom.metrics.k8s.io/v1beta2`: the lag of pods, from the partitions that they own.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::status::Failure;
use super::{Api, CUSTOM, Selectors, User, timestamp};
use crate::labels;
use crate::look::Pod;
use crate::values::series_labels;

/// Means all pods, in the place of one's name.
const ALL_PODS: &str = "*";

/// The values of all pods that the selector selects, or of one pod. A pod that does not run has none.
pub(super) async fn of_pods(
    State(api): State<Arc<Api>>,
    Path((namespace, name, metric)): Path<(String, String, String)>,
    Query(selectors): Query<Selectors>,
    Extension(user): Extension<User>,
) -> Result<Json<Value>, Failure> {
    let selector = labels::parse(&selectors.label_selector)?;
    let metric_selector = labels::parse(&selectors.metric_label_selector)?;
    let group = &api.sources.group;
    let topic = group
        .topic_of(&metric)
        .filter(|_| namespace == api.namespace)
        .ok_or_else(|| Failure::NoSuchMetric { metric: metric.clone(), namespace: namespace.clone() })?;
    let look = api.sources.look();
    let is_selected = |pod: &Pod| match name.as_str() {
        ALL_PODS => labels::selects(&selector, &pod.labels),
        name => pod.name == name,
    };
    let is_series_selected = labels::selects(&metric_selector, &series_labels(&group.id, Some(&topic.name)));
    let values = look.pod_values(&topic.name).map(|mut values| {
        values.retain(|(pod, _)| is_series_selected && is_selected(pod));
        values
    });
    api.served.pods(&user, &look, &metric, &values);
    let values = values.map_err(|unknown| Failure::Unknown { metric: metric.clone(), unknown })?;
    let timestamp = timestamp(look.sampled_ms().unwrap_or(look.now_ms));
    let item = |pod: &Pod, value: u64| {
        json!({
            "describedObject": { "kind": "Pod", "apiVersion": "/v1", "namespace": namespace, "name": pod.name },
            "metric": { "name": metric, "selector": null },
            "timestamp": timestamp,
            "windowSeconds": 0,
            "value": value.to_string(),
        })
    };
    let items: Vec<Value> = values.iter().filter_map(|(pod, value)| Some(item(pod, (*value)?))).collect();
    if items.is_empty() && name != ALL_PODS {
        return Err(Failure::NoSuchPod { metric, pod: name });
    }
    let (group, version) = CUSTOM;
    Ok(Json(json!({
        "kind": "MetricValueList",
        "apiVersion": format!("{group}/{version}"),
        "metadata": {},
        "items": items,
    })))
}
