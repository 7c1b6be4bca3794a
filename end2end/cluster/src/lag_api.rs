//! lag-api's admin port: what it told the autoscaler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use model::Millis;
use serde::Deserialize;
use tokio::task::JoinHandle;

/// Between two looks; lag-api keeps the answers of a minute and a half.
const LOOK: Duration = Duration::from_millis(200);

/// One answer to the autoscaler.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// When.
    pub at_ms: Millis,
    /// The metric's name.
    pub metric: String,
    /// Per pod, where there was a value.
    pub pods: Option<Vec<PodValue>>,
    /// Why there was none.
    pub unknown: Option<String>,
}

/// A pod's part of an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct PodValue {
    /// The pod.
    pub name: String,
    /// `running`, `pending` or `gone`.
    pub state: String,
    /// Records.
    pub value: Option<u64>,
}

impl Answer {
    /// All pods together.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        Some(self.pods.as_ref()?.iter().filter_map(|pod| pod.value).sum())
    }
}

/// The answers from a moment on.
#[derive(Debug)]
pub struct Recording {
    answers: Arc<Mutex<BTreeMap<(Millis, String), Answer>>>,
    task: JoinHandle<()>,
}

impl Recording {
    /// Begins; what was answered before stays out.
    #[must_use]
    pub fn begin(url: &str, from_ms: Millis) -> Self {
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        let (url, kept) = (format!("{url}/served"), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            loop {
                for answer in served(&url).await.unwrap_or_default() {
                    if answer.at_ms >= from_ms {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.insert((answer.at_ms, answer.metric.clone()), answer);
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { answers, task }
    }

    /// What was answered so far, oldest first.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn served(url: &str) -> Result<Vec<Answer>> {
    #[derive(Deserialize)]
    struct Served {
        served: Vec<Answer>,
    }
    Ok(reqwest::get(url).await?.error_for_status()?.json::<Served>().await?.served)
}
