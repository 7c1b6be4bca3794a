//! What each metric says, from a view of the lag and the pods. Pure: the time comes in, and an unknown comes out as an
//! error.

use model::Millis;
use model::scaling::{LagView, PodState, fresh, measure};

use crate::labels::Labels;

/// Why there is no value now, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(pub String);

/// A metric of the group, whoever works on its partitions (`external.metrics.k8s.io`, KEDA).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupMetric {
    /// `kafka_lag`: a series per topic.
    Lag,
    /// `kafka_lag_total`: all topics together, one series.
    Total,
    /// `kafka_lag_max_partition`: the largest lag of a partition, a series per topic.
    MaxPartition,
}

impl GroupMetric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lag, Self::Total, Self::MaxPartition];

    /// Its name in every interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lag => "kafka_lag",
            Self::Total => "kafka_lag_total",
            Self::MaxPartition => "kafka_lag_max_partition",
        }
    }

    /// The metric of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// One series of a metric of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// `group`, and `topic` where it is one topic's.
    pub labels: Labels,
    /// Records.
    pub value: u64,
}

/// The series of a metric of the group.
///
/// # Errors
/// When the sample is missing or old, or Kafka gave no answer for a partition: a part is not a total.
pub fn group_values(
    metric: GroupMetric,
    group_id: &str,
    view: Option<&LagView>,
    now_ms: Millis,
) -> Result<Vec<Series>, Unknown> {
    let lag = &fresh(view, now_ms).map_err(Unknown)?.lag;
    let total = |topic| match (lag.total(topic), lag.unknown(topic)) {
        (Some(total), None) => Ok(total),
        (_, reason) => Err(Unknown(reason.unwrap_or_else(|| "the lag is unknown".to_owned()))),
    };
    // The largest of a part may not be the largest.
    let largest = |topic: usize| {
        total(topic).map(|_| lag.partitions[topic].iter().copied().flatten().max().unwrap_or(0))
    };
    let of_topic =
        |topic: usize, value| Series { labels: series_labels(group_id, Some(lag.topics.name(topic))), value };
    let topics = 0..lag.topics.list.len();
    match metric {
        GroupMetric::Lag => topics.map(|topic| Ok(of_topic(topic, total(topic)?))).collect(),
        GroupMetric::MaxPartition => topics.map(|topic| Ok(of_topic(topic, largest(topic)?))).collect(),
        GroupMetric::Total => {
            let value = topics.map(total).sum::<Result<u64, _>>()?;
            Ok(vec![Series { labels: series_labels(group_id, None), value }])
        }
    }
}

/// The labels of a series: the group, and the topic where it is one topic's.
#[must_use]
pub fn series_labels(group_id: &str, topic: Option<&str>) -> Labels {
    let mut labels = Labels::from([("group".to_owned(), group_id.to_owned())]);
    labels.extend(topic.map(|topic| ("topic".to_owned(), topic.to_owned())));
    labels
}

/// The lag of each pod in one topic, records, in the order of the pods; `None` for a pod that does not run. They add up
/// to the group's lag of that topic.
///
/// # Errors
/// When the lag or the owners are unknown, or no pod runs that could have it.
pub fn pod_values(
    topic: &str,
    view: Option<&LagView>,
    now_ms: Millis,
    pods: &[(&str, PodState)],
) -> Result<Vec<Option<u64>>, Unknown> {
    if !pods.iter().any(|(_, state)| *state == PodState::Running) {
        return Err(Unknown("no pod runs that the lag could belong to".to_owned()));
    }
    let measured = measure(view, now_ms, pods);
    let values: Vec<Option<u64>> = measured.of_topic(topic).map(|(_, lag)| lag).collect();
    if values.iter().any(Option::is_some) {
        return Ok(values);
    }
    Err(Unknown(measured.unknown.unwrap_or_else(|| "the lag is unknown".to_owned())))
}

#[cfg(test)]
mod tests {
    use PodState::{Gone, Pending, Running};
    use model::lag::Group;
    use model::snapshot::Lag;

    use super::*;

    const NOW_MS: Millis = 100_000;
    const RQ: &str = "GAME-FRAME-RQ";
    const RS: &str = "GAME-FRAME-RS";

    fn view(requests: &[Option<u64>], responses: &[Option<u64>], owners: Option<&[&str]>) -> LagView {
        let owner = |name: &&str| (!name.is_empty()).then(|| (*name).to_owned());
        let group = |owners: &[&str]| Group {
            state: "Stable".to_owned(),
            owners: vec![owners.iter().map(owner).collect(); 2],
            members: Vec::new(),
        };
        let lag = Lag {
            sampled_ms: NOW_MS,
            topics: kafka::sampler::demo_topics(),
            partitions: vec![requests.to_vec(), responses.to_vec()],
            lost: 0,
            doubts: Vec::new(),
        };
        LagView { lag, group: owners.map(group) }
    }

    fn series(metric: GroupMetric, view: &LagView) -> Result<Vec<(Option<String>, u64)>, Unknown> {
        let values = group_values(metric, "my-app", Some(view), NOW_MS)?;
        assert!(values.iter().all(|series| series.labels["group"] == "my-app"));
        Ok(values.into_iter().map(|series| (series.labels.get("topic").cloned(), series.value)).collect())
    }

    #[test]
    fn the_group_has_a_series_per_topic_and_a_total() {
        let view = view(&[Some(5), Some(7)], &[Some(1), Some(0)], None);
        let [rq, rs] = [RQ, RS].map(|topic| Some(topic.to_owned()));
        assert_eq!(series(GroupMetric::Lag, &view).unwrap(), [(rq.clone(), 12), (rs.clone(), 1)]);
        assert_eq!(series(GroupMetric::MaxPartition, &view).unwrap(), [(rq, 7), (rs, 1)]);
        assert_eq!(series(GroupMetric::Total, &view).unwrap(), [(None, 13)]);
    }

    #[test]
    fn a_part_is_not_a_total() {
        let view = view(&[Some(5), None], &[Some(1), Some(0)], None);
        for metric in GroupMetric::ALL {
            let unknown = series(metric, &view).unwrap_err();
            assert_eq!(unknown.0, "no answer for GAME-FRAME-RQ 1", "{metric:?}");
        }
    }

    #[test]
    fn an_old_sample_or_none_is_unknown_for_every_metric() {
        let view = view(&[Some(5)], &[Some(1)], Some(&["a"]));
        let late = NOW_MS + model::scaling::MAX_AGE_MS + 1;
        for metric in GroupMetric::ALL {
            assert!(group_values(metric, "my-app", Some(&view), late).is_err());
            assert!(group_values(metric, "my-app", None, NOW_MS).is_err());
        }
        assert!(pod_values(RQ, Some(&view), late, &[("a", Running)]).is_err());
        assert!(pod_values(RQ, None, NOW_MS, &[("a", Running)]).is_err());
    }

    /// Whoever owns what, the values add up to the group's lag.
    fn check(owners: &[&str], pods: &[(&str, PodState)], expected: &[Option<u64>]) {
        let view = view(&[Some(5), Some(7), Some(11)], &[Some(0), Some(0), Some(2)], Some(owners));
        let of = |topic| pod_values(topic, Some(&view), NOW_MS, pods).unwrap();
        assert_eq!(of(RQ), expected, "{owners:?} {pods:?}");
        for (topic, total) in [(RQ, 23), (RS, 2)] {
            assert_eq!(of(topic).into_iter().flatten().sum::<u64>(), total, "{owners:?} {pods:?}");
        }
    }

    #[test]
    fn the_pods_values_add_up_to_the_groups_lag() {
        let two = [("a", Running), ("b", Running)];
        check(&["a", "b", "a"], &two, &[Some(16), Some(7)]);
        check(&["a", "", "killed"], &two, &[Some(14), Some(9)]);
        check(&[], &two, &[Some(12), Some(11)]);
        // Those on their way out and those that have not started have no value; their lag is the others'.
        check(&["a", "b", "c"], &[("a", Running), ("b", Gone), ("c", Pending)], &[Some(23), None, None]);
    }

    #[test]
    fn without_owners_or_without_a_pod_that_runs_there_is_no_value() {
        let unowned = view(&[Some(5)], &[Some(1)], None);
        assert!(pod_values(RQ, Some(&unowned), NOW_MS, &[("a", Running)]).is_err());
        let owned = view(&[Some(5)], &[Some(1)], Some(&["a"]));
        for pods in [&[][..], &[("a", Gone), ("b", Pending)]] {
            assert!(pod_values(RQ, Some(&owned), NOW_MS, pods).is_err(), "{pods:?}");
        }
    }

    #[test]
    fn a_topic_that_is_known_does_not_suffer_from_the_other() {
        let view = view(&[None], &[Some(1)], Some(&["a"]));
        assert!(pod_values(RQ, Some(&view), NOW_MS, &[("a", Running)]).is_err());
        assert_eq!(pod_values(RS, Some(&view), NOW_MS, &[("a", Running)]), Ok(vec![Some(1)]));
    }

    #[test]
    fn names_lead_back_to_their_metrics() {
        assert!(GroupMetric::ALL.iter().all(|&metric| GroupMetric::named(metric.name()) == Some(metric)));
        assert_eq!(GroupMetric::named("lag"), None);
    }
}
