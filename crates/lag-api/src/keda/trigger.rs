//! What a ScaledObject's trigger asks for, read from its metadata.

use tonic::Status;

use super::proto::ScaledObjectRef;
use crate::look::{Group, Look};
use crate::values::GroupMetric;

/// A trigger's metadata, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) metric: GroupMetric,
    topic: Option<String>,
    target: Option<u64>,
    /// Active with more records than this.
    pub(super) activation: u64,
}

impl Trigger {
    pub(super) fn read(object: &ScaledObjectRef, group: &Group) -> Result<Self, Status> {
        let entry = |key: &str| object.scaler_metadata.get(key).map(String::as_str);
        let records = |key: &str| {
            let read = |text: &str| {
                text.parse::<u64>().map_err(|_| {
                    Status::invalid_argument(format!("{key} is {text:?}, not a number of records"))
                })
            };
            entry(key).map(read).transpose()
        };
        let metric = match entry("metric") {
            None => GroupMetric::Total,
            Some(name) => GroupMetric::named(name).ok_or_else(|| {
                let known = GroupMetric::ALL.map(GroupMetric::name).join(", ");
                Status::invalid_argument(format!("metric is {name:?}, not one of {known}"))
            })?,
        };
        let topic = entry("topic").map(str::to_owned);
        if let Some(topic) = &topic
            && (metric == GroupMetric::Total || group.topics.list.iter().all(|known| known.name != *topic))
        {
            return Err(Status::invalid_argument(format!("{} has no topic {topic:?}", metric.name())));
        }
        Ok(Self {
            metric,
            topic,
            target: records("target")?,
            activation: records("activation")?.unwrap_or(0),
        })
    }

    /// Records per pod.
    pub(super) fn target(&self) -> Result<u64, Status> {
        let missing = || Status::invalid_argument("target must say how much lag a pod may have, above 0");
        self.target.filter(|target| *target > 0).ok_or_else(missing)
    }

    /// Records now: the sum of the series, or the largest of them where the metric is a largest.
    pub(super) fn value(&self, look: &Look) -> Result<u64, Status> {
        let series = look.group_values(self.metric).map_err(|unknown| {
            Status::unavailable(format!("{} is unknown now: {unknown}", self.metric.name()))
        })?;
        let is_asked_for = |topic: Option<&String>| self.topic.is_none() || topic == self.topic.as_ref();
        let values = series
            .iter()
            .filter(|series| is_asked_for(series.labels.get("topic")))
            .map(|series| series.value);
        Ok(match self.metric {
            GroupMetric::Lag | GroupMetric::Total => values.sum(),
            GroupMetric::MaxPartition => values.max().unwrap_or(0),
        })
    }
}
