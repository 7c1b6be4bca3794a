//! What one metric asks for: `calcPlainMetricReplicas` and `groupPods` of Kubernetes' replica calculator.

use super::{Measured, PodState, Reading};
use crate::policy::Metric;

/// Kubernetes calculates in thousandths, with whole numbers: the mean is rounded down there.
const MILLI: u128 = 1_000;

/// Reads one metric over the pods, and what it alone asks for when there are `replicas` now.
pub(super) fn read(metric: &Metric, tolerance: f64, replicas: u32, measured: &Measured) -> Reading {
    let pods = measured.of_topic(&metric.topic);
    let running = || pods.clone().filter(|(state, _)| *state == PodState::Running);
    let values: Vec<u64> = running().filter_map(|(_, lag)| lag).collect();
    let known = !values.is_empty();
    let counted = Counted {
        total: values.iter().map(|value| u128::from(*value)).sum(),
        reporting: values.len(),
        missing: running().count() - values.len(),
        pending: pods.clone().filter(|(state, _)| *state == PodState::Pending).count(),
    };
    Reading {
        topic: metric.topic.clone(),
        total: known.then(|| u64::try_from(counted.total).unwrap_or(u64::MAX)),
        pods: u32::try_from(counted.reporting).unwrap_or(u32::MAX),
        target: metric.target,
        proposal: known.then(|| counted.propose(metric.target, tolerance, replicas)),
    }
}

/// The pods of one metric, as `groupPods` sorts them.
struct Counted {
    total: u128,
    reporting: usize,
    /// Running pods without a value.
    missing: usize,
    pending: usize,
}

impl Counted {
    fn propose(&self, target: u64, tolerance: f64, replicas: u32) -> u32 {
        let near = |ratio: f64| (1.0 - tolerance..=1.0 + tolerance).contains(&ratio);
        let ratio = mean_ratio(self.total, self.reporting, target);
        let up_with_pending = self.pending > 0 && ratio > 1.0;
        if !up_with_pending && self.missing == 0 {
            return if near(ratio) { replicas } else { ceil(ratio, self.reporting) };
        }
        // Pods without a value count against the change: as if they were at the target on the way down, idle on the
        // way up.
        let assumed = if ratio < 1.0 { u128::from(target) * self.missing as u128 } else { 0 };
        let pods = self.reporting + self.missing + if up_with_pending { self.pending } else { 0 };
        let cautious = mean_ratio(self.total + assumed, pods, target);
        let proposal = ceil(cautious, pods);
        let reversed = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
        let contradicts = (cautious < 1.0 && proposal > replicas) || (cautious > 1.0 && proposal < replicas);
        if near(cautious) || reversed || contradicts { replicas } else { proposal }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the same conversion as in the original")]
fn mean_ratio(total: u128, pods: usize, target: u64) -> f64 {
    let mean = total * MILLI / (pods as u128).max(1);
    mean as f64 / (u128::from(target) * MILLI) as f64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn ceil(ratio: f64, pods: usize) -> u32 {
    (ratio * pods as f64).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::PodReadings;

    /// A letter a pod: `p` pending, `t` terminating, `?` running without a value; a number is a running pod's lag.
    fn pods(description: &str) -> Measured {
        let pod = |word: &str| {
            let state = match word {
                "p" => PodState::Pending,
                "t" => PodState::Gone,
                _ => PodState::Running,
            };
            PodReadings { state, lag: vec![word.parse().ok()] }
        };
        Measured {
            topics: vec!["a".to_owned()],
            pods: description.split_whitespace().map(pod).collect(),
            rebalancing: false,
            unknown: None,
        }
    }

    fn check(description: &str, replicas: u32, expected: Option<u32>) {
        let metric = Metric { topic: "a".to_owned(), target: 5_000 };
        let reading = read(&metric, 0.1, replicas, &pods(description));
        assert_eq!(reading.proposal, expected, "{description} with {replicas} replicas");
    }

    #[test]
    fn the_mean_over_the_target_times_the_pods_rounded_up() {
        check("12000", 1, Some(3));
        check("12000 8000", 2, Some(4));
        check("1000 1000 1000", 3, Some(1));
        check("0 0", 2, Some(0));
    }

    #[test]
    fn within_the_tolerance_nothing_changes() {
        check("5500", 1, Some(1));
        check("5501", 1, Some(2));
        check("4500 4500", 2, Some(2));
        check("4499 4499 4499 4499 4499 4499 4499 4499 4499 4499 4499", 11, Some(10));
        // What counts is the number of replicas asked for, not of the pods that are there.
        check("5000 5000 5000", 4, Some(4));
    }

    #[test]
    fn terminating_pods_are_dropped() {
        check("12000 t t", 1, Some(3));
        check("t", 1, None);
    }

    #[test]
    fn pending_pods_count_as_idle_on_the_way_up_only() {
        // 4.8 times the target on one pod: 24000 / 5000, whether the other four have started or not.
        check("24000 p p p", 4, Some(5));
        // On average over three pods it is below the target: the direction would turn, so nothing changes.
        check("12000 p p", 3, Some(3));
        check("1000 1000 p", 3, Some(1));
    }

    #[test]
    fn running_pods_without_a_value_count_against_the_change() {
        // Up: idle. 20000 / 2 pods is twice the target.
        check("20000 ?", 2, Some(4));
        check("6000 ?", 2, Some(2));
        // Down: at the target. (1000 + 5000 + 5000) / 3 is 0.73 of it.
        check("1000 ? ?", 3, Some(3));
        check("0 0 ?", 3, Some(1));
    }

    #[test]
    fn without_any_value_the_metric_fails() {
        check("? ?", 2, None);
        check("p", 1, None);
        check("", 0, None);
    }
}
