//! The autoscaler's steps computed again, from the numbers that it was given.

use model::Millis;
use model::policy::Policy;
use model::scaling::{Autoscaler, Look, Measured, PodReadings, PodState};

use crate::lag_api::{Answer, PodValue};

/// A change of the number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at_ms: Millis,
    /// Before.
    pub from: u32,
    /// After.
    pub to: u32,
}

/// The names of the metrics, in the order in which the autoscaler asks.
const METRICS: [&str; 2] = ["consumer_lag_game_frame_rq", "consumer_lag_game_frame_rs"];
/// The topics whose lag they are.
const TOPICS: [&str; 2] = ["GAME-FRAME-RQ", "GAME-FRAME-RS"];
/// Both are asked for in one sync, one right after the other.
const ONE_SYNC_MS: Millis = 500;

/// The steps that our arithmetic makes of these answers.
#[must_use]
pub fn steps(answers: &[Answer], policy: &Policy, replicas: u32) -> Vec<Step> {
    let mut autoscaler = Autoscaler::default();
    let mut current = replicas;
    let mut steps = Vec::new();
    for (at_ms, measured) in syncs(answers) {
        let look = Look { now_ms: at_ms, next_ms: at_ms, policy, replicas: current, measured: &measured };
        let desired = autoscaler.evaluate(&look).desired;
        if desired != current {
            steps.push(Step { at_ms, from: current, to: desired });
            current = desired;
        }
    }
    steps
}

/// Pairs of answers: one for each input.
fn syncs(answers: &[Answer]) -> Vec<(Millis, Measured)> {
    let mut syncs = Vec::new();
    let mut answers = answers.iter().filter(|answer| METRICS.contains(&answer.metric.as_str())).peekable();
    while let Some(requests) = answers.next() {
        if requests.metric != METRICS[0] {
            continue;
        }
        let is_partner =
            |next: &&Answer| next.metric == METRICS[1] && next.at_ms < requests.at_ms + ONE_SYNC_MS;
        let Some(responses) = answers.next_if(is_partner) else { continue };
        syncs.push((responses.at_ms, measured(requests, responses)));
    }
    syncs
}

fn measured(requests: &Answer, responses: &Answer) -> Measured {
    let (Some(pods), Some(others)) = (&requests.pods, &responses.pods) else {
        return Measured {
            unknown: requests.unknown.clone().or(responses.unknown.clone()),
            ..Measured::default()
        };
    };
    let value_of = |pod: &PodValue| others.iter().find(|other| other.name == pod.name)?.value;
    let readings = |pod: &PodValue| PodReadings {
        state: match pod.state.as_str() {
            "running" => PodState::Running,
            "pending" => PodState::Pending,
            _ => PodState::Gone,
        },
        lag: vec![pod.value, value_of(pod)],
    };
    Measured {
        topics: TOPICS.map(str::to_owned).to_vec(),
        pods: pods.iter().map(readings).collect(),
        rebalancing: false,
        unknown: None,
    }
}
