//! One look at everything that the answers are made of: the newest sample, and the pods as the cluster last showed
//! them.

use std::sync::Arc;

use model::Millis;
use model::lag::{Outage, Sample, Sampled};
use model::scaling::{LagView, PodState};
use model::topics::{Topic, Topics};
use process::Clock;
use tokio::sync::watch;

use crate::labels::Labels;
use crate::values::{self, GroupMetric, Series, Unknown};

/// The list of pods is trusted for so long after the API server went away.
pub const PODS_MAX_AGE_MS: Millis = 15_000;

/// A pod of the application, as far as scaling needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name, which is its `client.id` in Kafka.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// How it counts.
    pub state: PodState,
}

/// The pods, as they were last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pods {
    /// All of them, by name; `None` until they were listed.
    pub pods: Option<Vec<Pod>>,
    /// Since when, and why, the watch is broken.
    pub outage: Option<Outage>,
}

/// The consumer group whose lag is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// What it reads.
    pub topics: Arc<Topics>,
}

impl Group {
    /// The topic whose lag per pod has this name among the custom metrics.
    #[must_use]
    pub fn topic_of(&self, pod_metric: &str) -> Option<&Topic> {
        self.topics.list.iter().find(|topic| topic.pod_metric() == pod_metric)
    }
}

/// Where looks come from; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The group, and its topics.
    pub group: Arc<Group>,
    /// What the sampler last knew.
    pub sampled: watch::Receiver<Sampled>,
    /// What the watch of the pods last showed.
    pub pods: watch::Receiver<Pods>,
    /// The time.
    pub clock: Clock,
}

impl Sources {
    /// Looks now.
    #[must_use]
    pub fn look(&self) -> Look {
        let Sampled { sample, outage } = self.sampled.borrow().clone();
        let view = sample.as_ref().map(LagView::of);
        let group = Arc::clone(&self.group);
        Look { group, now_ms: self.clock.now_ms(), sample, outage, view, pods: self.pods.borrow().clone() }
    }
}

/// What was known at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// The group, and its topics.
    pub group: Arc<Group>,
    /// The moment.
    pub now_ms: Millis,
    /// The newest sample.
    pub sample: Option<Sample>,
    outage: Option<Outage>,
    view: Option<LagView>,
    pods: Pods,
}

impl Look {
    /// When the log ends were read, if ever.
    #[must_use]
    pub fn sampled_ms(&self) -> Option<Millis> {
        self.sample.as_ref().map(|sample| sample.sampled_ms)
    }

    /// The series of a metric of the group.
    ///
    /// # Errors
    /// When its value is unknown.
    pub fn group_values(&self, metric: GroupMetric) -> Result<Vec<Series>, Unknown> {
        values::group_values(metric, &self.group.id, self.view.as_ref(), self.now_ms)
            .map_err(|unknown| self.explained(unknown))
    }

    /// Every pod, with its lag in one topic; `None` for a pod that does not run.
    ///
    /// # Errors
    /// When the lag, its owners or the pods are unknown.
    pub fn pod_values(&self, topic: &str) -> Result<Vec<(&Pod, Option<u64>)>, Unknown> {
        let pods = self.known_pods()?;
        let states: Vec<(&str, PodState)> = pods.iter().map(|pod| (pod.name.as_str(), pod.state)).collect();
        let values = values::pod_values(topic, self.view.as_ref(), self.now_ms, &states)
            .map_err(|unknown| self.explained(unknown))?;
        Ok(pods.iter().zip(values).collect())
    }

    /// What is known of the lag, where it is fresh.
    #[must_use]
    pub fn fresh_view(&self) -> Option<&LagView> {
        model::scaling::fresh(self.view.as_ref(), self.now_ms).ok()
    }

    /// The newest sample with its owners, where both are known and fresh.
    #[must_use]
    pub fn owned_sample(&self) -> Option<(&Sample, &LagView)> {
        let view = self.fresh_view()?;
        self.sample.as_ref().zip(view.group.is_some().then_some(view))
    }

    /// With what the sampler last heard, where there is no fresh sample.
    fn explained(&self, Unknown(unknown): Unknown) -> Unknown {
        match &self.outage {
            Some(outage) if self.fresh_view().is_none() => Unknown(format!("{unknown}: {}", outage.reason)),
            _ => Unknown(unknown),
        }
    }

    fn known_pods(&self) -> Result<&[Pod], Unknown> {
        let pods =
            self.pods.pods.as_deref().ok_or_else(|| Unknown("the pods were not listed yet".to_owned()))?;
        match &self.pods.outage {
            Some(outage) if outage.since_ms + PODS_MAX_AGE_MS < self.now_ms => {
                Err(Unknown(format!("the pods are unknown: {}", outage.reason)))
            }
            _ => Ok(pods),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW_MS, pods, sampled, sources};

    #[test]
    fn pods_that_were_never_listed_or_not_for_long_are_unknown() {
        let (sources, publish) = sources();
        let values = || sources.look().pod_values("GAME-FRAME-RQ").map(|values| values.len());
        publish.sampled.send_replace(sampled(&[(3, Some("a")), (4, Some("b"))]));
        assert!(values().is_err());
        publish.pods.send_replace(pods(&["a", "b"]));
        assert_eq!(values(), Ok(2));
        let outage = |since_ms| Some(Outage { since_ms, reason: "refused".to_owned() });
        publish.pods.send_modify(|pods| pods.outage = outage(NOW_MS - PODS_MAX_AGE_MS));
        assert_eq!(values(), Ok(2));
        publish.pods.send_modify(|pods| pods.outage = outage(NOW_MS - PODS_MAX_AGE_MS - 1));
        assert!(values().unwrap_err().0.contains("refused"));
    }

    #[test]
    fn metrics_of_the_group_need_no_pods() {
        let (sources, publish) = sources();
        publish.sampled.send_replace(sampled(&[(3, None), (4, None)]));
        assert_eq!(sources.look().group_values(GroupMetric::Total).unwrap()[0].value, 14);
    }
}
