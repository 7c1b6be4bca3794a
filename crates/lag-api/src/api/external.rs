//! `external.metrics.k8s.io/v1beta1`: the group's lag.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::status::Failure;
use super::{Api, EXTERNAL, Selectors, User, timestamp};
use crate::labels;
use crate::values::GroupMetric;

/// Every series of the metric that the selector selects; the autoscaler adds them up.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path((namespace, name)): Path<(String, String)>,
    Query(selectors): Query<Selectors>,
    Extension(user): Extension<User>,
) -> Result<Json<Value>, Failure> {
    let selector = labels::parse(&selectors.label_selector)?;
    let metric = GroupMetric::named(&name)
        .filter(|_| namespace == api.namespace)
        .ok_or_else(|| Failure::NoSuchMetric { metric: name.clone(), namespace })?;
    let look = api.sources.look();
    let values = look.group_values(metric).map(|mut series| {
        series.retain(|series| labels::selects(&selector, &series.labels));
        series
    });
    api.served.group(&user, &look, metric.name(), &values);
    let values = values.map_err(|unknown| Failure::Unknown { metric: name, unknown })?;
    let timestamp = timestamp(look.sampled_ms().unwrap_or(look.now_ms));
    let items: Vec<Value> = values
        .iter()
        .map(|series| {
            json!({
                "metricName": metric.name(),
                "metricLabels": series.labels,
                "timestamp": timestamp,
                "value": series.value.to_string(),
            })
        })
        .collect();
    let (group, version) = EXTERNAL;
    Ok(Json(json!({
        "kind": "ExternalMetricValueList",
        "apiVersion": format!("{group}/{version}"),
        "metadata": {},
        "items": items,
    })))
}
