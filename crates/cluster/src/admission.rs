//! Whether a command makes sense, before anything is changed: what Kubernetes' API server would refuse, and why.

use model::Millis;
use model::controls::Refusal;
use model::policy::{Amount, Policy, Rules};

/// The longest `stabilizationWindowSeconds` that Kubernetes takes.
const MAX_WINDOW_MS: Millis = 3_600_000;
/// The longest `periodSeconds` that Kubernetes takes.
const MAX_PERIOD_MS: Millis = 1_800_000;

/// Checks an autoscaler's policy.
///
/// # Errors
/// With one sentence about the first thing that is wrong.
pub fn policy(policy: &Policy, max_pods: u32) -> Result<(), Refusal> {
    let Policy { min, max, tolerance, .. } = *policy;
    require(min >= 1, || "The minimum must be at least 1 pod.".into())?;
    require(min <= max, || format!("The minimum of {min} pods is above the maximum of {max}."))?;
    require(max <= max_pods, || {
        format!("The maximum of {max} pods is above the {max_pods} that this show has room for.")
    })?;
    require((0.0..1.0).contains(&tolerance), || {
        format!("A tolerance of {tolerance} is not between 0 and 1.")
    })?;
    require(!policy.metrics.is_empty(), || "A policy needs at least one metric.".into())?;
    for (index, metric) in policy.metrics.iter().enumerate() {
        let topic = &metric.topic;
        require(metric.target > 0, || format!("The target of {topic} must be above 0."))?;
        let first = policy.metrics[..index].iter().all(|other| other.topic != metric.topic);
        require(first, || format!("{topic} has two targets."))?;
    }
    rules("growing", &policy.up)?;
    rules("shrinking", &policy.down)
}

/// Checks a number of replicas that somebody asks for by hand. While the autoscaler is on, only 0 is taken, which
/// suspends it, and any number within its limits when there are 0 now, which wakes it up.
///
/// # Errors
/// With one sentence that says what to do instead.
pub fn replicas(wanted: u32, now: u32, policy: &Policy) -> Result<(), Refusal> {
    let Policy { enabled, min, max, .. } = *policy;
    if wanted == 0 {
        return Ok(());
    }
    require(!enabled || now == 0, || "The autoscaler sets the number of pods: switch it off first.".into())?;
    require((min..=max).contains(&wanted), || format!("{wanted} is not between {min} and {max} pods."))
}

fn rules(direction: &str, rules: &Rules) -> Result<(), Refusal> {
    require(rules.stabilization_ms <= MAX_WINDOW_MS, || {
        format!("The window for {direction} is longer than an hour.")
    })?;
    require(!rules.limits.is_empty(), || format!("The rules for {direction} need at least one limit."))?;
    rules.limits.iter().try_for_each(|limit| {
        let (Amount::Pods(amount) | Amount::Percent(amount)) = limit.amount;
        require(amount > 0, || format!("A limit for {direction} must allow something."))?;
        let period = 1..=MAX_PERIOD_MS;
        require(period.contains(&limit.period_ms), || {
            format!("A period for {direction} is not within half an hour.")
        })
    })
}

fn require(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::Rejected(sentence())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Policy), refused_because: Option<&str>) {
        let mut changed = Policy::on_lag_of(["rq", "rs"]);
        change(&mut changed);
        let refusal = policy(&changed, 8).err().map(|refusal| refusal.to_string());
        match (&refusal, refused_because) {
            (None, None) => {}
            (Some(refusal), Some(word)) if refusal.contains(word) => {}
            _ => panic!("{refusal:?} instead of {refused_because:?}"),
        }
    }

    #[test]
    fn a_policy_is_what_kubernetes_would_take() {
        check(|_| (), None);
        check(|policy| policy.max = 8, None);
        check(|policy| policy.max = 9, Some("above the 8"));
        check(|policy| policy.min = 0, Some("at least 1"));
        check(|policy| policy.min = 5, Some("above the maximum"));
        check(|policy| policy.metrics.clear(), Some("one metric"));
        check(|policy| policy.metrics[1].target = 0, Some("rs"));
        check(|policy| policy.metrics[1] = policy.metrics[0].clone(), Some("two targets"));
        check(|policy| policy.tolerance = f64::NAN, Some("tolerance"));
        check(|policy| policy.up.limits.clear(), Some("growing"));
        check(|policy| policy.down.limits[0].period_ms = 0, Some("period"));
        check(|policy| policy.down.limits[0].amount = Amount::Percent(0), Some("allow"));
        check(|policy| policy.down.stabilization_ms = MAX_WINDOW_MS + 1, Some("hour"));
    }

    #[test]
    fn by_hand_only_with_the_autoscaler_off_or_from_and_to_zero() {
        let on = Policy::default();
        let off = Policy { enabled: false, ..Policy::default() };
        assert!(replicas(3, 2, &on).is_err());
        assert!(replicas(3, 2, &off).is_ok());
        assert!(replicas(5, 2, &off).is_err());
        assert!(replicas(0, 2, &on).is_ok());
        assert!(replicas(2, 0, &on).is_ok());
        assert!(replicas(5, 0, &on).is_err());
    }
}
