//! What the autoscaler was told lately, so that each of its steps can be computed again from the same numbers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::Millis;
use model::scaling::PodState;
use serde::Serialize;

use crate::auth::User;
use crate::labels::Labels;
use crate::look::{Look, Pod};
use crate::values::{Series, Unknown};

/// So many answers are kept.
const KEPT: usize = 200;
/// The autoscaler, with credentials of its own and with those of its whole controller-manager.
const AUTOSCALERS: [&str; 2] =
    ["system:serviceaccount:kube-system:horizontal-pod-autoscaler", "system:kube-controller-manager"];

/// The last answers to the autoscaler; shared by the APIs that answer and the page that shows them.
#[derive(Debug, Default)]
pub struct Served(Mutex<VecDeque<Answer>>);

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// When it was given.
    pub at_ms: Millis,
    /// To whom.
    pub user: String,
    /// The metric's name.
    pub metric: String,
    /// When the log ends were read that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled_ms: Option<Millis>,
    /// What it said.
    #[serde(flatten)]
    pub values: Values,
}

/// What an answer said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Per pod.
    Pods(Vec<PodValue>),
    /// Per series.
    Series(Vec<SeriesValue>),
    /// Nothing, for this reason.
    Unknown(String),
}

/// A pod's part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodValue {
    /// The pod.
    pub name: String,
    /// `running`, `pending` or `gone`, as we saw it.
    pub state: &'static str,
    /// Records; absent for a pod that does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}

/// A series' part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeriesValue {
    /// Its labels.
    pub labels: Labels,
    /// Records.
    pub value: u64,
}

impl Served {
    /// Keeps an answer about pods, if it goes to the autoscaler.
    pub fn pods(
        &self,
        user: &User,
        look: &Look,
        metric: &str,
        values: &Result<Vec<(&Pod, Option<u64>)>, Unknown>,
    ) {
        self.keep(user, look, metric, || match values {
            Ok(values) => Values::Pods(values.iter().map(|(pod, value)| pod_value(pod, *value)).collect()),
            Err(Unknown(reason)) => Values::Unknown(reason.clone()),
        });
    }

    /// Keeps an answer about the group, if it goes to the autoscaler.
    pub fn group(&self, user: &User, look: &Look, metric: &str, values: &Result<Vec<Series>, Unknown>) {
        let value = |series: &Series| SeriesValue { labels: series.labels.clone(), value: series.value };
        self.keep(user, look, metric, || match values {
            Ok(values) => Values::Series(values.iter().map(value).collect()),
            Err(Unknown(reason)) => Values::Unknown(reason.clone()),
        });
    }

    /// What was kept, oldest first.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn keep(&self, user: &User, look: &Look, metric: &str, values: impl FnOnce() -> Values) {
        if !AUTOSCALERS.contains(&user.name.as_str()) {
            return;
        }
        let answer = Answer {
            at_ms: look.now_ms,
            user: user.name.clone(),
            metric: metric.to_owned(),
            sampled_ms: look.sampled_ms(),
            values: values(),
        };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() == KEPT {
            answers.pop_front();
        }
        answers.push_back(answer);
    }
}

fn pod_value(pod: &Pod, value: Option<u64>) -> PodValue {
    let state = match pod.state {
        PodState::Running => "running",
        PodState::Pending => "pending",
        PodState::Gone => "gone",
    };
    PodValue { name: pod.name.clone(), state, value }
}

/// `GET /served`, for the admin port.
pub fn router(served: Arc<Served>) -> Router {
    Router::new().route("/served", get(show)).with_state(served)
}

async fn show(State(served): State<Arc<Served>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "served": served.answers() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW_MS, pods, sampled, sources};

    fn autoscaler() -> User {
        User { name: AUTOSCALERS[0].to_owned(), ..User::default() }
    }

    #[test]
    fn only_the_newest_answers_to_the_autoscaler_are_kept() {
        let (sources, _publish) = sources();
        let (served, look) = (Served::default(), sources.look());
        let unknown = |number: usize| Err(Unknown(number.to_string()));
        served.group(&User { name: "jane".to_owned(), ..User::default() }, &look, "kafka_lag", &unknown(0));
        assert_eq!(served.answers(), []);
        for number in 0..KEPT + 3 {
            served.group(&autoscaler(), &look, "kafka_lag", &unknown(number));
        }
        let answers = served.answers();
        assert_eq!(answers.len(), KEPT);
        assert_eq!(answers[0].values, Values::Unknown("3".to_owned()));
    }

    #[test]
    fn answers_are_shown_with_all_that_a_step_depends_on() {
        let (sources, publish) = sources();
        publish.sampled.send_replace(sampled(&[(3, Some("a"))]));
        publish.pods.send_replace(pods(&["a"]));
        let (served, look) = (Served::default(), sources.look());
        served.pods(&autoscaler(), &look, "lag", &look.pod_values("GAME-FRAME-RQ"));
        let json = serde_json::to_value(served.answers()).unwrap();
        let expected = serde_json::json!([{
            "at_ms": NOW_MS,
            "user": AUTOSCALERS[0],
            "metric": "lag",
            "sampled_ms": NOW_MS,
            "pods": [{ "name": "a", "state": "running", "value": 3 }],
        }]);
        assert_eq!(json, expected);
    }
}
